//! Roles, and accounts created by operators.

use auth::{AuthError, Role};
use db::Bus;

use crate::accounts::{ADA, Accounts, PASSWORD, WritesClient};

#[tokio::test]
async fn a_role_is_in_the_next_token_and_only_once() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let bob = accounts.register("bob@shop.example").await.unwrap();
    for role in [Role::Admin, Role::Admin, Role::Operator] {
        let mut conn = accounts.pool.acquire().await.unwrap();
        let granted = accounts.auth.grant(&mut conn, " ADA@shop.example ", role);
        granted.await.unwrap();
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
    let mut conn = accounts.pool.acquire().await.unwrap();
    let granted = accounts.auth.grant(&mut conn, ADA, Role::Admin).await;
    assert!(matches!(granted, Err(AuthError::NotFound)), "{granted:?}");
    assert_eq!(accounts.count("auth.\"user\"").await, 0);
}

#[tokio::test]
async fn ensuring_an_account_never_changes_an_existing_one() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let ensure = async |email: &str, name: &str, password: &str, roles: &[Role]| {
        let mut tx = accounts.pool.begin().await.unwrap();
        let ensured = accounts.auth.ensure(&mut tx, email, name, password, roles);
        let ensured = ensured.await.unwrap();
        tx.commit().await.unwrap();
        ensured
    };
    let (made, new) = ensure(ADA, "Ada", PASSWORD, &[Role::Admin]).await;
    assert!(new);
    assert_eq!(made.roles, ["admin"]);
    let again = ensure(
        "ADA@shop.example",
        "Other",
        "another password",
        &[Role::Operator],
    )
    .await;
    assert_eq!(again, (made, false));
    accounts.login(ADA, PASSWORD).await.unwrap();
    // the client is created and the welcome mail is queued, as in a registration
    assert_eq!(accounts.written().await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_disabled_account_neither_logs_in_nor_refreshes() {
    let accounts = Accounts::open().await;
    let (ada, bob) = (
        accounts.ada().await,
        accounts.register("bob@shop.example").await.unwrap(),
    );
    let disable = async |email: &str| {
        let mut tx = accounts.pool.begin().await.unwrap();
        let disabled = accounts.auth.disable(&mut tx, email).await;
        tx.commit().await.unwrap();
        disabled
    };
    let (profile, new) = disable(" ADA@shop.example").await.unwrap();
    assert_eq!((profile.id, new), (ada.profile.id, true));
    accounts.assert_over(&ada).await;
    let login = accounts.login(ADA, PASSWORD).await;
    assert!(matches!(login, Err(AuthError::Credentials)));
    accounts.next(&bob).await;
    let again = disable(ADA).await.unwrap();
    assert!(!again.1, "it is disabled once");
    let nobody = disable("no@body.example").await;
    assert!(matches!(nobody, Err(AuthError::NotFound)), "{nobody:?}");
}
