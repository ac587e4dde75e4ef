//! Two concurrent operations: the second one sees everything that the first one did.

use auth::{AuthError, Session};

use crate::accounts::{ADA, Accounts, PASSWORD, at_once, refused};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uses_of_one_token_leave_one_session() {
    let accounts = Accounts::open().await;
    let session = accounts.ada().await;
    let outcomes = at_once(10, |_| {
        let (accounts, token) = (accounts.clone(), session.refresh_token.clone());
        async move { accounts.auth.refresh(&token).await }
    })
    .await;
    let sessions: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        accounts
            .count("auth.refresh_token where used_at is null and revoked_at is null")
            .await,
        1,
        "the others' answers are taken back"
    );
    // at most one session was really received: presenting a second one's token ends the whole
    // family
    let mut renewed = 0;
    for session in &sessions {
        renewed += usize::from(accounts.auth.refresh(&session.refresh_token).await.is_ok());
    }
    assert!(renewed <= 1, "{renewed} went on");
    for session in &sessions {
        accounts.assert_over(session).await;
    }
    assert_eq!(
        accounts
            .count("auth.refresh_token where revoked_at is null")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_token_ends_the_session_during_an_exchange() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    let third = while_exchanged(&accounts, &second, {
        let (accounts, token) = (accounts.clone(), first.refresh_token);
        async move {
            let refused = refused(accounts.auth.refresh(&token).await);
            assert!(matches!(refused, AuthError::SessionOver), "{refused:?}");
        }
    })
    .await;
    accounts.assert_over(&third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_the_session_even_while_its_token_is_exchanged() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    let token = second.refresh_token.clone();
    let third = while_exchanged(&accounts, &second, {
        let accounts = accounts.clone();
        async move { accounts.auth.logout(&token).await.unwrap() }
    })
    .await;
    accounts.assert_over(&third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_change_ends_sessions_during_an_exchange() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let id = first.profile.id;
    let next = while_exchanged(&accounts, &first, {
        let accounts = accounts.clone();
        async move {
            let current = PASSWORD.to_owned();
            let changed = accounts
                .auth
                .change_password(id, current, "a better horse", None);
            changed.await.map(drop).unwrap();
        }
    })
    .await;
    accounts.assert_over(&next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_with_an_older_token_ends_the_session() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    let third = while_exchanged(&accounts, &second, {
        let (accounts, token) = (accounts.clone(), first.refresh_token);
        async move { accounts.auth.logout(&token).await.unwrap() }
    })
    .await;
    accounts.assert_over(&third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_session_ends_do_not_wait_for_each_other() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    for _ in 0..10 {
        let first = accounts.login(ADA, PASSWORD).await.unwrap();
        let second = accounts.next(&first).await;
        let third = accounts.next(&second).await;
        let fourth = accounts.next(&third).await;
        let outcomes = at_once(9, |i| {
            let accounts = accounts.clone();
            let session = [&first, &second, &fourth][i % 3];
            let token = session.refresh_token.clone();
            async move {
                if i % 3 == 2 {
                    return accounts.auth.logout(&token).await;
                }
                Err(refused(accounts.auth.refresh(&token).await))
            }
        })
        .await;
        for outcome in outcomes {
            assert!(
                matches!(outcome, Ok(()) | Err(AuthError::SessionOver)),
                "{outcome:?}"
            );
        }
        accounts.assert_over(&fourth).await;
    }
}

/// Exchanges a session's token and runs `meanwhile` before the exchange has committed; returns the
/// next session when both are done.
async fn while_exchanged(
    accounts: &Accounts,
    session: &Session,
    meanwhile: impl Future<Output = ()> + Send + 'static,
) -> Session {
    // a lock on the user's row blocks the insert of the new token, which references it
    let mut gate = accounts.pool.begin().await.unwrap();
    sqlx::query(r#"select from auth."user" for update"#)
        .execute(&mut *gate)
        .await
        .unwrap();
    let exchange = tokio::spawn({
        let (accounts, token) = (accounts.clone(), session.refresh_token.clone());
        async move { accounts.auth.refresh(&token).await }
    });
    accounts.until_waiting(1).await;
    let meanwhile = tokio::spawn(meanwhile);
    accounts.until_waiting(2).await;
    gate.rollback().await.unwrap();
    let next = exchange.await.unwrap().map_err(|error| error.to_string());
    meanwhile.await.unwrap();
    match next {
        Ok(next) => next,
        Err(error) => panic!("the exchange came first: {error}"),
    }
}
