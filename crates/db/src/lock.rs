//! Rows and tables that other sessions lock.

use std::time::Duration;

use sqlx::{Error, PgConnection, PgPool};

/// Whether a statement timed out waiting for a lock of another session.
pub fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Database(database) if database.code().is_some_and(|code| code == "55P03"))
}

/// The sessions with the oldest open transactions, as text for operators: one of them most likely
/// holds the awaited lock.
///
/// # Errors
/// When the database does not answer.
pub async fn open_transactions(pool: &PgPool) -> sqlx::Result<String> {
    let sessions: Option<String> = sqlx::query_scalar(
        "select string_agg(format('session %s (%s), %s, for %s s', pid, application_name, state, age), '; ')
         from (select pid, application_name, state, extract(epoch from clock_timestamp() - xact_start)::int as age
               from pg_stat_activity
               where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
               order by xact_start
               limit 3) as oldest",
    )
    .fetch_one(pool)
    .await?;
    Ok(sessions.unwrap_or_else(|| "none".to_owned()))
}

/// Sets how long the statements of this transaction wait for a lock.
///
/// # Errors
/// When the database does not answer.
pub async fn set_lock_timeout(conn: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
    sqlx::query("select set_config('lock_timeout', $1, true)")
        .bind(limit.as_millis().to_string())
        .execute(conn)
        .await
        .map(drop)
}
