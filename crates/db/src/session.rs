//! Unusable sessions leave the pool: dead ones, frozen ones, and those that stay read-only although
//! the server accepts writes again.

use std::{
    future::Future,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, Executor, PgConnection, Row, pool::PoolConnectionMetadata};

/// Longest wait for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// A session that was idle for longer is checked before use: the server may have restarted.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// A read-only session older than this is closed at its next use. The new session reaches the
/// server, or address, that accepts writes by then. Reads continue meanwhile.
const READ_ONLY_LIFETIME: Duration = Duration::from_secs(2);
/// For this long after a read-only session was seen, each session is checked before use.
const SUSPICION: Duration = Duration::from_mins(1);

/// True on a standby, and where the role, the database or the server makes transactions read-only.
const IS_READ_ONLY: &str =
    "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool";

/// Options of each session. They make the server notice within half a minute that its client's
/// machine is gone, and release its locks.
pub(crate) const OPTIONS: [(&str, &str); 7] = [
    // each notice is a log line: a search for a stop word causes one per row
    ("client_min_messages", "warning"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
    ("client_connection_check_interval", "5s"),
];

/// When this process last saw a read-only session.
static READ_ONLY_SEEN: Mutex<Option<Instant>> = Mutex::new(None);

fn read_only_seen() -> MutexGuard<'static, Option<Instant>> {
    READ_ONLY_SEEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Called after a session was opened.
pub(crate) async fn opened(conn: &mut PgConnection) -> sqlx::Result<()> {
    is_read_only(conn).await.map(drop)
}

/// Whether a pooled session can be used.
pub(crate) async fn is_usable(conn: &mut PgConnection, meta: PoolConnectionMetadata) -> bool {
    if meta.idle_for <= TRUSTED_IDLE && !is_suspicious() {
        return true;
    }
    match within(PING_TIMEOUT, is_read_only(conn)).await {
        Ok(read_only) => !read_only || meta.age < READ_ONLY_LIFETIME,
        Err(error) => {
            tracing::debug!(%error, "Closing a connection to PostgreSQL that does not answer");
            false
        }
    }
}

/// Whether a session may be read-only although its server accepts writes.
pub(crate) fn is_suspicious() -> bool {
    read_only_seen().is_some_and(|seen| seen.elapsed() < SUSPICION)
}

async fn is_read_only(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let read_only = conn
        .fetch_one(sqlx::raw_sql(IS_READ_ONLY))
        .await?
        .try_get(0)?;
    if read_only {
        *read_only_seen() = Some(Instant::now());
    }
    Ok(read_only)
}

/// Called before a connection returns to the pool. If its last statement was abandoned and its
/// server does not answer, the connection would occupy the pool until TCP gives up a quarter of an
/// hour later.
pub(crate) async fn released(conn: &mut PgConnection) -> sqlx::Result<bool> {
    within(PING_TIMEOUT, conn.ping()).await.map(|()| true)
}

/// Awaits `work` on the database for at most `limit`.
///
/// For work without a deadline of its own: a frozen server, or one whose machine is gone, never
/// answers. The connection is then closed instead of reused.
///
/// # Errors
/// The error of `work`; after `limit`, an I/O error of kind [`io::ErrorKind::TimedOut`], for which
/// [`is_unreachable`](crate::is_unreachable) returns true.
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let why = format!("PostgreSQL gave no answer within {limit:?}");
        Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            why,
        )))
    })
}
