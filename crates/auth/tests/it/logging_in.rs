//! Which logins succeed, and which are refused.

use auth::AuthError;

use crate::accounts::{ADA, Accounts, PASSWORD, refused};

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_fail_alike() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    let mut told = Vec::new();
    for (email, password) in [
        ("nobody@shop.example", PASSWORD),
        (ADA, "wrong horse"),
        (ADA, ""),
        (ADA, "correct horse "), // passwords are not trimmed
        (ADA, "Correct horse"),
        // the password behind the hash that unknown addresses are checked against
        ("nobody@shop.example", "the password of nobody"),
    ] {
        let refused = refused(accounts.login(email, password).await);
        assert!(
            matches!(refused, AuthError::Credentials),
            "{email} {password:?}: {refused:?}"
        );
        told.push(refused.to_string());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        accounts.count("auth.refresh_token").await,
        1,
        "of the registration"
    );
}

#[tokio::test]
async fn a_malformed_address_gets_the_same_answer() {
    let accounts = Accounts::open().await;
    let long = "x".repeat(10_000);
    for email in ["", "ada", "ada\0@shop.example", "\u{feff}", &long] {
        let refused = refused(accounts.login(email, PASSWORD).await);
        assert!(
            matches!(refused, AuthError::Credentials),
            "{email:?}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn login_ignores_the_case_of_an_address() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let bob = accounts.register("bob@shop.example").await.unwrap();
    let session = accounts.login(" ADA@shop.Example", PASSWORD).await.unwrap();
    assert_eq!(session.profile, ada.profile);
    assert_ne!(session.profile.id, bob.profile.id);
    for audience in ["shop", "payments"] {
        let identity = accounts
            .verifier
            .verify(&session.access_token, audience)
            .await
            .unwrap();
        assert_eq!(identity.user_id, Some(ada.profile.id));
        assert_eq!(identity.roles, Vec::<String>::new());
    }
    assert_ne!(session.refresh_token, ada.refresh_token);
}

#[tokio::test]
async fn a_disabled_user_can_neither_log_in_nor_refresh() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let bob = accounts.register("bob@shop.example").await.unwrap();
    accounts
        .execute(r#"update auth."user" set disabled_at = clock_timestamp() where email = 'ada@shop.example'"#)
        .await;
    let login = refused(accounts.login(ADA, PASSWORD).await);
    assert!(matches!(login, AuthError::Credentials), "{login:?}");
    accounts.assert_over(&ada).await;
    let profile = accounts.auth.profile(ada.profile.id).await;
    assert!(matches!(profile, Err(AuthError::NotFound)), "{profile:?}");
    accounts.next(&bob).await; // other accounts are unaffected
    assert_eq!(
        accounts.auth.profile(bob.profile.id).await.unwrap(),
        bob.profile
    );
}
