//! Passwords and addresses of existing accounts.

use auth::{AuthError, LinkMail, PasswordError, Session};
use kernel::{MailRequestId, UserId};
use serde_json::Value;

use crate::accounts::{ADA, Accounts, PASSWORD, refused};

const NEW: &str = "a better horse";

impl Accounts {
    async fn change(
        &self,
        session: &Session,
        current: &str,
        new: &str,
    ) -> Result<Session, AuthError> {
        let id = session.profile.id;
        self.auth
            .change_password(id, current.to_owned(), new, None)
            .await
    }

    /// Bodies of the commands with this name, the oldest first.
    async fn commands(&self, name: &str) -> Vec<Value> {
        sqlx::query_scalar(
            "select body from messaging.outbox where routing_key = $1 order by entry_id",
        )
        .bind(name)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// Requests a reset, long enough after any earlier request; returns the request id in the
    /// command.
    async fn ask(&self, email: &str) -> MailRequestId {
        self.execute(
            "update auth.mail_request set requested_at = requested_at - interval '6 minutes'",
        )
        .await;
        self.auth.request_password_reset(email, None).await.unwrap();
        let commands = self.commands("send_password_reset").await;
        let id = commands.last().unwrap()["request_id"].clone();
        serde_json::from_value(id).unwrap()
    }

    /// The mail that a worker sends for a request.
    async fn reset_mail(&self, request: MailRequestId) -> Option<LinkMail> {
        let mut conn = self.pool.acquire().await.unwrap();
        auth::issue_password_reset(&mut conn, request)
            .await
            .unwrap()
    }

    /// The token of a mailed link by which a password is reset.
    async fn reset_token(&self, email: &str) -> String {
        let request = self.ask(email).await;
        let mail = self.reset_mail(request).await.unwrap();
        assert_eq!(mail.address, email);
        mail.token.unwrap()
    }

    async fn reset(&self, token: &str, new: &str) -> Result<UserId, AuthError> {
        let reset = self.auth.reset_password(token, new, None).await;
        reset.map(|(id, _)| id)
    }

    async fn verification(&self, id: UserId) -> Option<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mail = auth::issue_verification(&mut conn, id).await.unwrap();
        mail.unwrap().token
    }

    async fn is_verified(&self, id: UserId) -> bool {
        self.auth.profile(id).await.unwrap().email_verified
    }
}

#[track_caller]
fn assert_link_refused<T>(result: Result<T, AuthError>) {
    let error = result.err();
    assert!(matches!(error, Some(AuthError::Link)), "{error:?}");
}

#[tokio::test]
async fn a_password_change_ends_all_sessions_and_begins_one() {
    let accounts = Accounts::open().await;
    let here = accounts.ada().await;
    let elsewhere = accounts.login(ADA, PASSWORD).await.unwrap();
    let other = accounts.register("bob@shop.example").await.unwrap();
    let changed = accounts.change(&here, PASSWORD, NEW).await.unwrap();
    for ended in [&here, &elsewhere] {
        accounts.assert_over(ended).await;
    }
    accounts.next(&changed).await;
    accounts.next(&other).await;
    let old = refused(accounts.login(ADA, PASSWORD).await);
    assert!(matches!(old, AuthError::Credentials), "{old:?}");
    accounts.login(ADA, NEW).await.unwrap();
    let told = accounts.commands("send_password_changed").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["user_id"], here.profile.id.to_string());
}

#[tokio::test]
async fn a_password_change_needs_the_current_and_a_good_password() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await;
    let wrong = refused(accounts.change(&ada, "wrong horse", NEW).await);
    assert!(matches!(wrong, AuthError::CurrentPassword), "{wrong:?}");
    for (new, why) in [
        ("password", PasswordError::Common),
        ("short", PasswordError::Length),
        (ADA, PasswordError::Personal),
    ] {
        let refused = refused(accounts.change(&ada, PASSWORD, new).await);
        assert!(
            matches!(&refused, AuthError::Password(error) if *error == why),
            "{refused:?}"
        );
    }
    assert!(accounts.commands("send_password_changed").await.is_empty());
    accounts.next(&ada).await;
    accounts.login(ADA, PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_under_way_does_not_outlive_a_password_change() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    let mut change = accounts.pool.begin().await.unwrap();
    sqlx::query(r#"update auth."user" set password_hash = 'another'"#)
        .execute(&mut *change)
        .await
        .unwrap();
    let login = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.login(ADA, PASSWORD).await }
    });
    accounts.until_waiting(1).await;
    change.commit().await.unwrap();
    let refused = refused(login.await.unwrap());
    assert!(matches!(refused, AuthError::Credentials), "{refused:?}");
}

#[tokio::test]
async fn a_reset_link_takes_an_account_over_from_a_stranger() {
    let accounts = Accounts::open().await;
    let stranger = accounts.ada().await;
    let token = accounts.reset_token(ADA).await;
    assert!(!accounts.is_verified(stranger.profile.id).await);
    let id = accounts.reset(&token, NEW).await.unwrap();
    assert_eq!(id, stranger.profile.id);
    accounts.assert_over(&stranger).await;
    let old = refused(accounts.login(ADA, PASSWORD).await);
    assert!(matches!(old, AuthError::Credentials), "{old:?}");
    let owner = accounts.login(ADA, NEW).await.unwrap();
    assert!(
        owner.profile.email_verified,
        "who has the token reads the mail"
    );
    assert_eq!(accounts.commands("send_password_changed").await.len(), 1);
}

#[tokio::test]
async fn a_reset_link_works_once_and_only_the_newest() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    let older = accounts.reset_token(ADA).await;
    let newest = accounts.reset_token(ADA).await;
    assert_link_refused(accounts.reset(&older, NEW).await);
    let bad = accounts.reset(&newest, "password").await;
    assert!(matches!(bad, Err(AuthError::Password(_))), "{bad:?}");
    accounts.reset(&newest, NEW).await.unwrap();
    assert_link_refused(accounts.reset(&newest, "yet another horse").await);
    for nonsense in ["", "nonsense", "\u{0}", &"x".repeat(10_000)] {
        assert_link_refused(accounts.reset(nonsense, NEW).await);
    }

    let late = accounts.reset_token(ADA).await;
    let left: f64 = sqlx::query_scalar(
        "select extract(epoch from expires_at - clock_timestamp())::float8 from auth.mail_link",
    )
    .fetch_one(&accounts.pool)
    .await
    .unwrap();
    assert!((1_700.0..=1_800.0).contains(&left), "{left}");
    accounts
        .execute("update auth.mail_link set expires_at = clock_timestamp()")
        .await;
    assert_link_refused(accounts.reset(&late, NEW).await);
}

#[tokio::test]
async fn a_reset_request_does_not_reveal_whether_an_account_exists() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    accounts.register("gone@shop.example").await.unwrap();
    accounts
        .execute(r#"update auth."user" set disabled_at = now() where email = 'gone@shop.example'"#)
        .await;
    for (n, (email, is_sent)) in [
        (ADA, true),
        ("nobody@shop.example", false),
        ("gone@shop.example", false),
    ]
    .into_iter()
    .enumerate()
    {
        let request = accounts.ask(email).await;
        assert_eq!(accounts.commands("send_password_reset").await.len(), n + 1);
        assert_eq!(
            accounts.reset_mail(request).await.is_some(),
            is_sent,
            "{email}"
        );
    }
    let malformed = accounts.auth.request_password_reset("ada@shop", None).await;
    assert!(
        matches!(malformed, Err(AuthError::Email(_))),
        "{malformed:?}"
    );
}

#[tokio::test]
async fn a_second_request_within_minutes_sends_no_second_mail() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    let first = accounts.ask(ADA).await;
    for email in [ADA, "ADA@Shop.example"] {
        accounts
            .auth
            .request_password_reset(email, None)
            .await
            .unwrap();
    }
    assert_eq!(accounts.commands("send_password_reset").await.len(), 1);
    assert!(
        accounts.reset_mail(first).await.is_some(),
        "the first one is still good"
    );
    let second = accounts.ask(ADA).await;
    assert_eq!(accounts.commands("send_password_reset").await.len(), 2);
    assert!(
        accounts.reset_mail(first).await.is_none(),
        "a later one takes its place"
    );
    assert!(accounts.reset_mail(second).await.is_some());
}

#[tokio::test]
async fn an_address_is_verified_by_a_mailed_link_once() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await.profile;
    assert!(!ada.email_verified);
    let older = accounts.verification(ada.id).await.unwrap();
    let token = accounts.verification(ada.id).await.unwrap();
    assert_link_refused(accounts.auth.verify_email(&older).await);
    assert_link_refused(accounts.reset(&token, NEW).await);
    assert_eq!(accounts.auth.verify_email(&token).await.unwrap(), ada.id);
    assert!(accounts.is_verified(ada.id).await);
    assert_link_refused(accounts.auth.verify_email(&token).await);
    assert_eq!(accounts.verification(ada.id).await, None);
    let reset = accounts.reset_token(ADA).await;
    assert_link_refused(accounts.auth.verify_email(&reset).await);
}

#[tokio::test]
async fn verification_mails_are_resent_until_the_address_is_verified() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await.profile;
    for _ in 0..2 {
        accounts
            .auth
            .request_verification(ada.id, None)
            .await
            .unwrap();
    }
    assert_eq!(accounts.commands("send_verification_email").await.len(), 1);
    let token = accounts.verification(ada.id).await.unwrap();
    accounts.auth.verify_email(&token).await.unwrap();
    accounts
        .execute("update auth.mail_request set requested_at = requested_at - interval '6 minutes'")
        .await;
    accounts
        .auth
        .request_verification(ada.id, None)
        .await
        .unwrap();
    assert_eq!(accounts.commands("send_verification_email").await.len(), 1);
}

#[tokio::test]
async fn link_tokens_are_stored_hashed_and_old_links_purged() {
    let accounts = Accounts::open().await;
    let ada = accounts.ada().await.profile;
    let tokens = [
        accounts.reset_token(ADA).await,
        accounts.verification(ada.id).await.unwrap(),
    ];
    for token in tokens {
        assert_eq!(token.len(), 43, "256 bits");
        let rows: Vec<String> = sqlx::query_scalar(
            "select l::text from auth.mail_link l union all select r::text from auth.mail_request r
             union all select o::text from messaging.outbox o",
        )
        .fetch_all(&accounts.pool)
        .await
        .unwrap();
        assert!(rows.iter().all(|row| !row.contains(&token)));
        let stored: i64 = sqlx::query_scalar(
            "select count(*) from auth.mail_link where token_hash = sha256($1::bytea)",
        )
        .bind(token.into_bytes())
        .fetch_one(&accounts.pool)
        .await
        .unwrap();
        assert_eq!(stored, 1);
    }
    let mut conn = accounts.pool.acquire().await.unwrap();
    let day = std::time::Duration::from_hours(24);
    assert_eq!(auth::purge_mail_links(&mut conn, day).await.unwrap(), 0);
    accounts
        .execute("update auth.mail_link set expires_at = expires_at - interval '3 days'")
        .await;
    accounts
        .execute("update auth.mail_request set requested_at = requested_at - interval '3 days'")
        .await;
    assert_eq!(auth::purge_mail_links(&mut conn, day).await.unwrap(), 3);
}
