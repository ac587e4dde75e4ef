//! The inbox: what has taken effect already, written in the transaction of the effect.

use std::time::Duration;

use kernel::EntryId;
use sqlx::{PgConnection, PgPool};

/// Records message ids for `consumer`; for each, in order, whether it is new. Of ids that occur
/// twice in the batch only the first is.
pub async fn record(
    conn: &mut PgConnection,
    consumer: &str,
    ids: &[String],
) -> sqlx::Result<Vec<bool>> {
    let inserted = sqlx::query_scalar!(
        r#"
        insert into messaging.inbox (consumer, message_id)
        select $1, m.id
        from (select distinct id from unnest($2::text[]) as t(id) order by id) as m
        on conflict (consumer, message_id) do nothing
        returning message_id
        "#,
        consumer,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let mut fresh: std::collections::HashSet<String> = inserted.into_iter().collect();
    Ok(ids.iter().map(|id| fresh.remove(id)).collect())
}

/// Writes what [`record`] writes, and takes it back: whether the database can be used, which one that only reads cannot.
///
/// # Errors
/// The error that prevents the write.
pub async fn probe(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = db::begin(pool).await?;
    record(&mut tx, "probe", &[EntryId::new().to_string()]).await?;
    tx.rollback().await
}

/// Rows forgotten in one statement, so that none holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// Forgets what was handled longer ago than `age`, the deduplication window: the oldest, at most a
/// thousand a call. Returns how many.
pub async fn purge(conn: &mut PgConnection, age: Duration) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "delete from messaging.inbox
         where (consumer, message_id) in (select consumer, message_id from messaging.inbox
                         where handled_at < clock_timestamp() - make_interval(secs => $1)
                         order by handled_at
                         limit $2
                         for update skip locked)",
        age.as_secs_f64(),
        PURGE_BATCH,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
