//! Idempotency keys: repeating a request under a user's key returns the order that the first one
//! created.

use std::time::Duration;

use kernel::{OrderId, UserId};
use sqlx::PgConnection;

/// The result of claiming a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key is new: create the order.
    New,
    /// The key already created this order.
    Repeat(OrderId),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The first request under this key has not committed yet.
    #[error("a request under this idempotency key is under way")]
    InFlight,
    /// The key was used for a different request.
    #[error("this idempotency key stands for another request")]
    DifferentRequest,
    /// The database failed.
    #[error("could not record the idempotency key")]
    Db(#[from] sqlx::Error),
}

/// Claims `key` for `order_id`, in the transaction that creates the order.
///
/// An advisory lock, held until the transaction ends, stands in for the uncommitted row, so that a
/// concurrent second request fails at once instead of waiting. With `one_at_a_time`, other new
/// orders of the user wait until this one is committed, so that the account's order limits count
/// it.
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

/// Rows deleted by one statement, so that no statement holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// Deletes keys older than `age`: the oldest first, at most a thousand per call. Returns how many
/// were deleted.
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
