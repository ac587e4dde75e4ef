use sqlx::{PgPool, Postgres, Transaction};
use tracing::Instrument;

/// Begins a transaction, for whoever still wants it then.
///
/// `Pool::begin` must not be dropped in the middle, as happens when a client hangs up or a deadline
/// passes: the connection would go back to the pool with the transaction open and nobody knowing of it,
/// and what others then did on that connection would be answered and not be committed. Here it always
/// runs to its end, and a transaction that nobody waits for is rolled back.
///
/// # Errors
/// When the database cannot be reached or does not begin one.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin().await }.in_current_span());
    begun.await.unwrap_or_else(|error| {
        Err(sqlx::Error::Io(std::io::Error::other(format!(
            "beginning a transaction broke off: {error}"
        ))))
    })
}
