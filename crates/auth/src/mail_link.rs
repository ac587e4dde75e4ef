//! One-time links in mails, and requests for mails that need no login: their rules and SQL.
//!
//! A link's token is created when its mail is sent and exists only in that mail: no message, log or
//! backup holds it.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Email, MailRequestId, UserId};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

/// The shortest time between two mails of one purpose to one address. It limits the mails that a
/// stranger can cause. An owner whose mail is suppressed already has one that is hardly older, with
/// a valid link.
const MAIL_INTERVAL: Duration = Duration::from_mins(5);
/// Rows deleted by one statement, so that no statement holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// The purpose of a link in a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To set a new password.
    PasswordReset,
    /// To prove that the address belongs to the account's owner.
    Verification,
}

impl LinkPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Verification => "verification",
        }
    }

    /// How long the link is valid.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::PasswordReset => Duration::from_mins(30),
            Self::Verification => Duration::from_hours(24),
        }
    }
}

/// The purpose of a requested mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailPurpose {
    PasswordReset,
    Verification,
    Registration,
}

impl MailPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Verification => "verification",
            Self::Registration => "registration",
        }
    }
}

/// A mail's recipient and the token of its link.
pub struct LinkMail {
    /// The account.
    pub user_id: UserId,
    /// The account's address.
    pub address: String,
    /// The link's token; `None` if the address is already verified.
    pub token: Option<String>,
}

/// Records a request for a mail. Returns `None` if a mail of the same purpose was requested shortly
/// before: that one is on its way. Writes in either case and does not look at accounts, so that its
/// timing reveals nothing.
pub(crate) async fn request_mail(
    conn: &mut PgConnection,
    email: &Email,
    purpose: MailPurpose,
) -> sqlx::Result<Option<MailRequestId>> {
    let id = MailRequestId::new();
    let is_due = sqlx::query_scalar!(
        r#"
        insert into auth.mail_request as r (email, purpose, request_id, requested_at)
        values ($1, $2, $3, now())
        on conflict (email, purpose) do update
        set request_id = case
                when r.requested_at < now() - make_interval(secs => $4) then excluded.request_id else r.request_id end,
            requested_at = case
                when r.requested_at < now() - make_interval(secs => $4) then now() else r.requested_at end
        returning request_id = $3 as "is_due!"
        "#,
        email.as_str(),
        purpose.as_str(),
        id.uuid(),
        MAIL_INTERVAL.as_secs_f64(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_due.then_some(id))
}

/// Creates the link of a mail that resets a password. Returns `None` if no mail is to be sent: the
/// address has no account, the account is disabled, or a later request exists.
pub async fn issue_password_reset(
    conn: &mut PgConnection,
    request: MailRequestId,
) -> sqlx::Result<Option<LinkMail>> {
    let row = sqlx::query!(
        r#"
        select u.user_id as "user_id: UserId", u.email
        from auth.mail_request r join auth."user" u using (email)
        where r.request_id = $1
          and r.purpose = 'password_reset'
          and u.disabled_at is null
        "#,
        request.uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let token = issue(conn, row.user_id, LinkPurpose::PasswordReset).await?;
    Ok(Some(LinkMail {
        user_id: row.user_id,
        address: row.email,
        token: Some(token),
    }))
}

/// Creates the link of a mail that verifies an account's address. Returns `None` if the account
/// does not exist.
pub async fn issue_verification(
    conn: &mut PgConnection,
    user_id: UserId,
) -> sqlx::Result<Option<LinkMail>> {
    let row = sqlx::query!(
        r#"select email, email_verified_at is not null as "is_verified!" from auth."user" where user_id = $1"#,
        user_id.uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let token = if row.is_verified {
        None
    } else {
        Some(issue(conn, user_id, LinkPurpose::Verification).await?)
    };
    Ok(Some(LinkMail {
        user_id,
        address: row.email,
        token,
    }))
}

/// Creates a link, which replaces an older one of the same purpose.
async fn issue(
    conn: &mut PgConnection,
    user_id: UserId,
    purpose: LinkPurpose,
) -> sqlx::Result<String> {
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    sqlx::query!(
        r#"
        insert into auth.mail_link (user_id, purpose, token_hash, expires_at)
        values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
        on conflict (user_id, purpose) do update
        set token_hash = excluded.token_hash, expires_at = excluded.expires_at
        "#,
        user_id.uuid(),
        purpose.as_str(),
        &Sha256::digest(&token)[..],
        purpose.lifetime().as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(token)
}

/// Returns the account that a link belongs to, if the link is still valid.
pub(crate) async fn find_link(
    conn: &mut PgConnection,
    token: &str,
    purpose: LinkPurpose,
) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from auth.mail_link
        where token_hash = $1
          and purpose = $2
          and expires_at > clock_timestamp()
        "#,
        &Sha256::digest(token)[..],
        purpose.as_str(),
    )
    .fetch_optional(conn)
    .await
}

/// Uses up a link. Returns its account if the link was still valid.
pub(crate) async fn take_link(
    conn: &mut PgConnection,
    token: &str,
    purpose: LinkPurpose,
) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        delete from auth.mail_link
        where token_hash = $1
          and purpose = $2
          and expires_at > clock_timestamp()
        returning user_id as "user_id: UserId"
        "#,
        &Sha256::digest(token)[..],
        purpose.as_str(),
    )
    .fetch_optional(conn)
    .await
}

/// Invalidates an account's link.
pub(crate) async fn drop_link(
    conn: &mut PgConnection,
    user_id: UserId,
    purpose: LinkPurpose,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from auth.mail_link where user_id = $1 and purpose = $2",
        user_id.uuid(),
        purpose.as_str(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Deletes links that expired, and requests for mails that were made, longer ago than `age`: at
/// most a thousand of each per call. Returns the number of deleted rows. A mail that waits for its
/// server still finds its request.
pub async fn purge_mail_links(conn: &mut PgConnection, age: Duration) -> sqlx::Result<u64> {
    let links = sqlx::query!(
        "delete from auth.mail_link
         where (user_id, purpose) in (select user_id, purpose from auth.mail_link
                                      where expires_at < clock_timestamp() - make_interval(secs => $1)
                                      order by expires_at
                                      limit $2
                                      for update skip locked)",
        age.as_secs_f64(),
        PURGE_BATCH,
    )
    .execute(&mut *conn)
    .await?;
    let requests = sqlx::query!(
        "delete from auth.mail_request
         where (email, purpose) in (select email, purpose from auth.mail_request
                                    where requested_at < clock_timestamp() - make_interval(secs => $1)
                                    order by requested_at
                                    limit $2
                                    for update skip locked)",
        age.as_secs_f64(),
        PURGE_BATCH,
    )
    .execute(conn)
    .await?;
    Ok(links.rows_affected() + requests.rows_affected())
}
