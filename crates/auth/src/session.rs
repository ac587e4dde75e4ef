//! Sessions: list them, limit their lifetime and number, and end them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::UserId;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Auth, AuthError};

/// A live session, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveSession {
    /// The session's id.
    pub session_id: Uuid,
    /// When the user logged in.
    pub started_at: DateTime<Utc>,
    /// When the last token was issued.
    pub renewed_at: DateTime<Utc>,
    /// The browser's `User-Agent` at the login.
    pub user_agent: Option<String>,
}

/// Lists the live sessions of an account, the most recently renewed first.
pub async fn list_sessions(
    conn: &mut PgConnection,
    user_id: UserId,
) -> sqlx::Result<Vec<LiveSession>> {
    sqlx::query_as!(
        LiveSession,
        r#"
        select family_id as session_id, coalesce(started_at, issued_at) as "started_at!", issued_at as renewed_at,
               user_agent
        from auth.refresh_token
        where user_id = $1
          and used_at is null
          and revoked_at is null
          and expires_at > clock_timestamp()
        order by issued_at desc, family_id
        "#,
        user_id.uuid(),
    )
    .fetch_all(conn)
    .await
}

/// Ends one session of an account, or all except the one to keep. Returns how many were live.
///
/// An update sees only the rows committed before it began. It waits for the token that a concurrent
/// exchange holds and revokes it, used by then; the loop therefore runs again and finds the
/// successor. It ends when an update finds nothing.
pub async fn end_sessions(
    conn: &mut PgConnection,
    user_id: UserId,
    which: Which,
) -> sqlx::Result<u64> {
    let (only, keep) = match which {
        Which::Only(session_id) => (Some(session_id), None),
        Which::AllBut(keep) => (None, keep),
    };
    let mut ended = 0;
    loop {
        let revoked = sqlx::query_scalar!(
            r#"
            update auth.refresh_token
            set revoked_at = clock_timestamp()
            where user_id = $1
              and ($2::uuid is null or family_id = $2)
              and ($3::uuid is null or family_id <> $3)
              and revoked_at is null
            returning used_at is null and expires_at > clock_timestamp() as "live!"
            "#,
            user_id.uuid(),
            only,
            keep,
        )
        .fetch_all(&mut *conn)
        .await?;
        if revoked.is_empty() {
            return Ok(ended);
        }
        ended += revoked.into_iter().map(u64::from).sum::<u64>();
    }
}

/// Selects sessions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Only this session.
    Only(Uuid),
    /// All sessions except this one, if given.
    AllBut(Option<Uuid>),
}

/// Lifetimes of tokens and sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Lifetime of a refresh token.
    pub(crate) refresh: Duration,
    /// Lifetime of a session, from its login on, however often it is renewed.
    pub(crate) session: Duration,
}

/// Adds a refresh token to a session, or begins a session. Returns the token's lifetime in seconds.
pub(crate) async fn add_token(
    conn: &mut PgConnection,
    hash: &[u8],
    session_id: Uuid,
    user_id: UserId,
    limits: Limits,
) -> sqlx::Result<u64> {
    let seconds = sqlx::query_scalar!(
        r#"
        insert into auth.refresh_token (token_hash, family_id, user_id, issued_at, started_at, expires_at, user_agent)
        select $1, $2, $3, now.at, coalesce(p.started_at, now.at),
               least(now.at + make_interval(secs => $4), coalesce(p.started_at, now.at) + make_interval(secs => $5)),
               p.user_agent
        from (select clock_timestamp() as at) as now
             left join lateral (
                 select coalesce(started_at, issued_at) as started_at, user_agent
                 from auth.refresh_token
                 where family_id = $2
                 order by issued_at desc
                 limit 1) as p on true
        returning extract(epoch from expires_at - issued_at)::bigint as "seconds!"
        "#,
        hash,
        session_id,
        user_id.uuid(),
        limits.refresh.as_secs_f64(),
        limits.session.as_secs_f64(),
    )
    .fetch_one(conn)
    .await?;
    Ok(seconds.try_into().unwrap_or_default())
}

/// Stores the login's `User-Agent`, shown to the owner in the list of sessions.
pub(crate) async fn describe(
    conn: &mut PgConnection,
    session_id: Uuid,
    user_agent: &str,
) -> sqlx::Result<()> {
    let short: String = user_agent.chars().take(200).collect();
    sqlx::query!(
        "update auth.refresh_token set user_agent = $2 where family_id = $1",
        session_id,
        short,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Ends an account's oldest sessions beyond the limit of `most`.
pub(crate) async fn end_oldest(
    conn: &mut PgConnection,
    user_id: UserId,
    most: u32,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update auth.refresh_token
        set revoked_at = clock_timestamp()
        where user_id = $1
          and used_at is null
          and revoked_at is null
          and token_hash in (
              select token_hash
              from auth.refresh_token
              where user_id = $1
                and used_at is null
                and revoked_at is null
                and expires_at > clock_timestamp()
              order by coalesce(started_at, issued_at) desc, family_id desc
              offset $2)
        "#,
        user_id.uuid(),
        i64::from(most),
    )
    .execute(conn)
    .await
    .map(drop)
}

impl Auth {
    /// Lists the live sessions of an account, the most recently renewed first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(&self, user_id: UserId) -> Result<Vec<LiveSession>, AuthError> {
        let mut conn = self.pool.acquire().await?;
        Ok(list_sessions(&mut conn, user_id).await?)
    }

    /// Ends sessions of an account. Returns how many were live.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_sessions(&self, user_id: UserId, which: Which) -> Result<u64, AuthError> {
        // each update commits by itself, so that two callers do not block each other
        let mut conn = self.pool.acquire().await?;
        Ok(end_sessions(&mut conn, user_id, which).await?)
    }
}
