//! Idempotency keys: the same key of the same user makes the same order, once.

use std::time::Duration;

use kernel::{OrderId, UserId};
use sqlx::PgConnection;

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing before: go on.
    New,
    /// This order.
    Repeat(OrderId),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Its first use has not committed yet.
    #[error("a request under this idempotency key is under way")]
    InFlight,
    /// It stands for another request.
    #[error("this idempotency key stands for another request")]
    DifferentRequest,
    /// The database failed.
    #[error("could not record the idempotency key")]
    Db(#[from] sqlx::Error),
}

/// Claims `key` for `order_id`, in the transaction that creates the order.
///
/// A lock of the transaction's length stands for the row until it is committed, so that whoever
/// comes second is told at once instead of waiting. With `one_at_a_time`, other new orders of the user wait until this
/// one is committed: what an account may order is counted.
///
/// # Errors
/// [`ClaimError`]
pub async fn claim(
    conn: &mut PgConnection,
    user_id: UserId,
    key: &str,
    request_hash: &[u8; 32],
    order_id: OrderId,
    one_at_a_time: bool,
) -> Result<Claim, ClaimError> {
    let locked = sqlx::query_scalar!(
        r#"
        select case
                   when not pg_try_advisory_xact_lock(hashtextextended($1::text || $2, 0)) then false
                   when not $3 then true
                   else pg_advisory_xact_lock(hashtextextended($1::text, 2)) is not null
               end as "locked!"
        "#,
        user_id.to_string(),
        key,
        one_at_a_time,
    )
    .fetch_one(&mut *conn)
    .await?;
    if !locked {
        return Err(ClaimError::InFlight);
    }
    let inserted = sqlx::query!(
        r#"
        insert into commerce.idempotency_key (user_id, key, request_hash, order_id)
        values ($1, $2, $3, $4)
        on conflict (user_id, key) do nothing
        "#,
        user_id.uuid(),
        key,
        &request_hash[..],
        order_id.uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    let before = sqlx::query!(
        "select request_hash, order_id from commerce.idempotency_key where user_id = $1 and key = $2",
        user_id.uuid(),
        key,
    )
    .fetch_one(conn)
    .await?;
    if before.request_hash == request_hash {
        Ok(Claim::Repeat(OrderId::from(before.order_id)))
    } else {
        Err(ClaimError::DifferentRequest)
    }
}

/// Rows forgotten in one statement, so that none holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// Forgets keys older than `age`: the oldest, at most a thousand a call. Returns how many.
pub async fn purge(conn: &mut PgConnection, age: Duration) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "delete from commerce.idempotency_key
         where (user_id, key) in (select user_id, key from commerce.idempotency_key
                         where created_at < clock_timestamp() - make_interval(secs => $1)
                         order by created_at
                         limit $2
                         for update skip locked)",
        age.as_secs_f64(),
        PURGE_BATCH,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
