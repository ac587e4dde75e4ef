//! A session's lifetime: one refresh token after the other.

use std::time::Duration;

use auth::AuthConfig;
use sha2::{Digest, Sha256};

use crate::accounts::{ADA, Accounts, PASSWORD};

#[tokio::test]
async fn refreshing_exchanges_the_token_for_another_one() {
    let accounts = Accounts::open().await;
    let mut session = accounts.ada().await;
    let mut tokens = vec![session.refresh_token.clone()];
    for _ in 0..3 {
        session = accounts.next(&session).await;
        tokens.push(session.refresh_token.clone());
        let identity = accounts
            .verifier
            .verify(&session.access_token, "shop")
            .await
            .unwrap();
        assert_eq!(identity.user_id, Some(session.profile.id));
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "each token is another one");
    let (used, families): (i64, i64) =
        sqlx::query_as("select count(used_at), count(distinct family_id) from auth.refresh_token")
            .fetch_one(&accounts.pool)
            .await
            .unwrap();
    assert_eq!(
        (used, families),
        (3, 1),
        "one login, whose last token is unused"
    );
}

#[tokio::test]
async fn a_refresh_token_used_twice_revokes_its_whole_family() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let other = accounts.login(ADA, PASSWORD).await.unwrap();
    let second = accounts.next(&first).await;
    let third = accounts.next(&second).await;
    accounts.assert_over(&first).await;
    for session in [&third, &second, &first] {
        accounts.assert_over(session).await;
    }
    assert_eq!(
        accounts
            .count("auth.refresh_token where revoked_at is not null")
            .await,
        3
    );
    accounts.next(&other).await; // the user's other session is unaffected
    accounts.login(ADA, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_token_whose_answer_was_lost_can_be_exchanged_again() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let lost = accounts.next(&first).await;
    let second = accounts.next(&first).await;
    accounts.next(&second).await;
    // the revoked successor is presented after all: the whole family ends
    accounts.assert_over(&lost).await;
    assert_eq!(
        accounts
            .count("auth.refresh_token where revoked_at is null")
            .await,
        0
    );

    let first = accounts.login(ADA, PASSWORD).await.unwrap();
    let second = accounts.next(&first).await;
    accounts
        .execute("update auth.refresh_token set used_at = used_at - interval '11 seconds'")
        .await;
    accounts.assert_over(&first).await;
    accounts.assert_over(&second).await;
}

#[tokio::test]
async fn logout_ends_the_session_and_no_other() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    let other = accounts.login(ADA, PASSWORD).await.unwrap();
    accounts.auth.logout(&second.refresh_token).await.unwrap();
    accounts.assert_over(&second).await;
    accounts.auth.logout(&second.refresh_token).await.unwrap(); // logging out again is not an error
    accounts.next(&other).await;
}

#[tokio::test]
async fn logout_with_an_older_token_ends_the_session_too() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    accounts.auth.logout(&first.refresh_token).await.unwrap();
    accounts.assert_over(&second).await;
}

#[tokio::test]
async fn an_unissued_token_is_refused_and_ends_nothing() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    for token in ["", "x", "\0", &ada.access_token, &ada.refresh_token[1..]] {
        let refused = accounts.auth.refresh(token).await.err();
        assert!(
            matches!(refused, Some(auth::AuthError::SessionOver)),
            "{token:?}: {refused:?}"
        );
        accounts.auth.logout(token).await.unwrap();
    }
    accounts.next(&ada).await;
}

#[tokio::test]
async fn an_expired_refresh_token_is_refused() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let bob = accounts.register("bob@shop.example").await.unwrap();
    accounts
        .execute(
            r#"update auth.refresh_token t set expires_at = clock_timestamp()
               from auth."user" u where u.user_id = t.user_id and u.email = 'ada@shop.example'"#,
        )
        .await;
    accounts.assert_over(&ada).await;
    assert_eq!(
        accounts
            .count("auth.refresh_token where used_at is not null")
            .await,
        0,
        "it is not used up"
    );
    accounts.next(&bob).await;
}

#[tokio::test]
async fn a_refresh_token_lives_as_long_as_the_session_says() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let config = AuthConfig::default();
    assert_eq!(ada.refresh_expires_in, config.refresh_ttl.as_secs());
    assert_eq!(ada.expires_in, config.access_ttl.as_secs());
    // issued_at and expires_at come from two reads of the clock in one statement
    let fits: bool = sqlx::query_scalar(
        "select expires_at - issued_at between make_interval(secs => $1 - 60) and make_interval(secs => $1 + 60)
         from auth.refresh_token",
    )
    .bind(config.refresh_ttl.as_secs_f64())
    .fetch_one(&accounts.pool)
    .await
    .unwrap();
    assert!(fits);
}

#[tokio::test]
async fn only_a_hash_of_a_refresh_token_is_stored() {
    let accounts = Accounts::open().await;
    let first = accounts.ada().await;
    let second = accounts.next(&first).await;
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("select token_hash, t::text from auth.refresh_token t order by issued_at")
            .fetch_all(&accounts.pool)
            .await
            .unwrap();
    assert_eq!(rows.len(), 2);
    for (session, (hash, row)) in [&first, &second].into_iter().zip(&rows) {
        let token = &session.refresh_token;
        assert_eq!(hash[..], Sha256::digest(token)[..]);
        assert!(!row.contains(token.as_str()), "{row}");
        let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!row.contains(&hex), "{row}");
    }
}

#[tokio::test]
async fn purging_forgets_only_what_ran_out_long_ago() {
    let accounts = Accounts::open().await;
    let long_ago = accounts.ada().await;
    accounts
        .execute("update auth.refresh_token set expires_at = clock_timestamp() - interval '2 days'")
        .await;
    let ada = accounts.login(ADA, PASSWORD).await.unwrap();
    let mut conn = accounts.pool.acquire().await.unwrap();
    let mut purge = async |days: u64| {
        auth::purge_refresh_tokens(&mut conn, Duration::from_hours(24 * days))
            .await
            .unwrap()
    };
    assert_eq!(purge(3).await, 0);
    assert_eq!(purge(1).await, 1);
    assert_eq!(purge(1).await, 0);
    accounts.assert_over(&long_ago).await;
    accounts.next(&ada).await;
}
