//! The inbox: ids of messages that have taken effect, written in the transaction of the effect.

use std::{collections::HashSet, time::Duration};

use kernel::EntryId;
use sqlx::{PgConnection, PgPool};

/// Records message ids for `consumer`. Returns for each id, in order, whether it is new; of an id
/// that occurs twice in the batch, only the first is new.
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
    let mut fresh: HashSet<String> = inserted.into_iter().collect();
    Ok(ids.iter().map(|id| fresh.remove(id)).collect())
}

/// Those of these message ids that `consumer` has recorded.
pub async fn handled(
    conn: &mut PgConnection,
    consumer: &str,
    ids: &[String],
) -> sqlx::Result<HashSet<String>> {
    // one probe of the index for each id: with `= any`, a plan made while the table is small reads
    // all rows of the consumer
    let handled = sqlx::query_scalar!(
        "select i.message_id
         from unnest($2::text[]) as m(id),
              lateral (select message_id from messaging.inbox
                       where consumer = $1 and message_id = m.id limit 1) as i",
        consumer,
        ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(handled.into_iter().collect())
}

/// Writes a row as [`record`] does, and rolls back: shows whether the database accepts writes,
/// which a read would not.
///
/// # Errors
/// The error that prevents the write.
pub async fn probe(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = db::begin(pool).await?;
    record(&mut tx, "probe", &[EntryId::new().to_string()]).await?;
    tx.rollback().await
}

/// Rows deleted by one statement, so that no statement holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// Deletes ids of messages that were handled longer ago than `age`, the deduplication window: the
/// oldest first, at most a thousand per call. Returns how many were deleted.
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
