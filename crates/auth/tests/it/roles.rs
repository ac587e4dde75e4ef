//! Roles, and accounts that operators make.

use auth::{AuthError, Role};
use db::Bus;

use crate::accounts::{ADA, Accounts, PASSWORD, WritesClient};

#[tokio::test]
async fn a_role_is_in_the_next_token_and_only_once() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let bob = accounts.register("bob@shop.example").await.unwrap();
    for role in [Role::Admin, Role::Admin, Role::Operator] {
        accounts
            .auth
            .grant(" ADA@shop.example ", role)
            .await
            .unwrap();
    }
    let ada = accounts.next(&ada).await;
    let identity = accounts
        .verifier
        .verify(&ada.access_token, "shop")
        .await
        .unwrap();
    assert_eq!(identity.roles, ["admin", "operator"]);
    assert_eq!(ada.profile.roles, ["admin", "operator"]);
    let bob = accounts.next(&bob).await;
    assert_eq!(bob.profile.roles, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_for_an_unknown_address_is_refused() {
    let accounts = Accounts::open().await;
    let granted = accounts.auth.grant(ADA, Role::Admin).await;
    assert!(matches!(granted, Err(AuthError::NotFound)), "{granted:?}");
    assert_eq!(accounts.count("auth.\"user\"").await, 0);
}

#[tokio::test]
async fn an_account_is_ensured_once_and_then_left_as_it_is() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let ensure = async |email: &str, name: &str, password: &str, roles: &[Role]| {
        accounts
            .auth
            .ensure(email, name, password.to_owned(), roles)
            .await
            .unwrap()
    };
    let made = ensure(ADA, "Ada", PASSWORD, &[Role::Admin]).await;
    assert_eq!(made.roles, ["admin"]);
    let again = ensure(
        "ADA@shop.example",
        "Other",
        "another password",
        &[Role::Operator],
    )
    .await;
    assert_eq!(again, made);
    accounts.login(ADA, PASSWORD).await.unwrap();
    // the client is made and the mail is queued as for everybody
    assert_eq!(accounts.written().await, [1, 1, 1, 1]);
}
