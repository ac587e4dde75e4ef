use sqlx::{PgPool, Postgres, Transaction};
use tracing::Instrument;

/// Begins a transaction, safely for callers that may be canceled.
///
/// `Pool::begin` must not be dropped in the middle, as happens when a client disconnects or a
/// deadline passes: the connection would return to the pool with an open transaction that no code
/// knows of. Later users of the connection would get answers, but their work would not be
/// committed. Here `begin` always runs to its end, and a transaction whose caller is gone is rolled
/// back.
///
/// # Errors
/// When the database cannot be reached or does not begin a transaction.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends `begin` even if the caller is canceled"
    )]
    let begun = tokio::spawn(async move { pool.begin().await }.in_current_span());
    begun.await.unwrap_or_else(|error| {
        Err(sqlx::Error::Io(std::io::Error::other(format!(
            "beginning a transaction broke off: {error}"
        ))))
    })
}

/// Rolls a transaction back at once. A dropped one keeps its locks until its connection is used
/// again. Returns whether the database has confirmed it.
pub async fn rollback(tx: Transaction<'_, Postgres>) -> bool {
    let undone = tx.rollback().await;
    if let Err(error) = &undone {
        tracing::debug!(%error, "Could not roll back: the database does when the connection ends");
    }
    undone.is_ok()
}
