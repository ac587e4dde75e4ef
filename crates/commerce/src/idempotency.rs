//! Idempotency keys: repeating a request under a user's key returns the order that the first one
//! created.

use std::{collections::HashSet, time::Duration};

use kernel::{OrderId, UserId};
use sqlx::PgConnection;

/// A key to be claimed for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewKey<'a> {
    /// The user whose key it is.
    pub user_id: UserId,
    /// The key.
    pub key: &'a str,
    /// SHA-256 of the request.
    pub request_hash: &'a [u8; 32],
    /// The order that the request creates if the key is new.
    pub order_id: OrderId,
}

/// How a claim treats other new orders of the same account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// It lets them be: nothing limits the orders of an account.
    Free,
    /// It waits until they are committed, so that the account's limits count them.
    Wait,
    /// It leaves the key alone while there are some.
    Skip,
}

/// The result of claiming a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key is new: create the order.
    New,
    /// The key already created this order.
    Repeat(OrderId),
    /// Another order of the account is under way ([`Account::Skip`]): nothing is known of the key.
    Skipped,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The first request under this key has not committed yet.
    #[error("a request under this idempotency key is under way")]
    InFlight,
    /// The key was used for a different request.
    #[error("this idempotency key stands for another request")]
    DifferentRequest,
}

/// Claims keys in the transaction that creates their orders. The answers are in the order of the
/// keys; who then creates no order [`release`]s the key, or rolls back.
///
/// An advisory lock, held until the transaction ends, stands in for the uncommitted row, so that a
/// concurrent second request fails at once instead of waiting.
pub async fn claim(
    conn: &mut PgConnection,
    keys: &[NewKey<'_>],
    account: Account,
) -> sqlx::Result<Vec<Result<Claim, ClaimError>>> {
    let locked = lock(conn, keys, account).await?;
    let (mut used, mut ordering) = (HashSet::new(), HashSet::new());
    // a lock does not tell two keys of this same transaction apart
    let mut answers: Vec<_> = keys
        .iter()
        .zip(locked)
        .map(|(key, locked)| {
            let first = used.insert((key.user_id, key.key));
            if !locked.key || !first {
                return Err(ClaimError::InFlight);
            }
            let alone = account == Account::Free || ordering.insert(key.user_id);
            Ok(if locked.account && alone {
                Claim::New
            } else {
                Claim::Skipped
            })
        })
        .collect();
    let is_new = |index: &usize| answers[*index] == Ok(Claim::New);
    let candidates: Vec<_> = (0..keys.len()).filter(is_new).collect();
    let new = insert(conn, keys, &candidates).await?;
    let known: Vec<_> = candidates
        .into_iter()
        .filter(|index| !new.contains(&keys[*index].order_id))
        .collect();
    if !known.is_empty() {
        repeat(conn, keys, &known, &mut answers).await?;
    }
    Ok(answers)
}

struct Locked {
    key: bool,
    account: bool,
}

async fn lock(
    conn: &mut PgConnection,
    keys: &[NewKey<'_>],
    account: Account,
) -> sqlx::Result<Vec<Locked>> {
    // by account: two transactions that wait for several accounts cannot wait for each other
    let rows = sqlx::query!(
        r#"
        with key as materialized (
            select n, user_id, pg_try_advisory_xact_lock(hashtextextended(user_id || key, 0)) as locked
            from unnest($1::text[], $2::text[]) with ordinality as k(user_id, key, n)
        ), account as materialized (
            select user_id, hashtextextended(user_id, 2) as hash from key where locked group by user_id order by 2
        ), locked as materialized (
            select user_id,
                   case
                       when $3 then pg_advisory_xact_lock(hash) is not null
                       when $4 then pg_try_advisory_xact_lock(hash)
                       else true
                   end as locked
            from account
        )
        select k.locked as "key!", coalesce(l.locked, false) as "account!"
        from key k left join locked l using (user_id)
        order by k.n
        "#,
        &keys.iter().map(|key| key.user_id.to_string()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.key.to_owned()).collect::<Vec<_>>(),
        account == Account::Wait,
        account == Account::Skip,
    )
    .fetch_all(conn)
    .await?;
    let locked = rows.into_iter().map(|row| Locked {
        key: row.key,
        account: row.account,
    });
    Ok(locked.collect())
}

/// Inserts the keys that are new, and returns their orders.
async fn insert(
    conn: &mut PgConnection,
    keys: &[NewKey<'_>],
    candidates: &[usize],
) -> sqlx::Result<Vec<OrderId>> {
    let keys = || candidates.iter().map(|index| &keys[*index]);
    sqlx::query_scalar!(
        r#"
        insert into commerce.idempotency_key (user_id, key, request_hash, order_id)
        select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::uuid[])
        on conflict (user_id, key) do nothing
        returning order_id as "order_id: OrderId"
        "#,
        &keys().map(|key| key.user_id.uuid()).collect::<Vec<_>>(),
        &keys().map(|key| key.key.to_owned()).collect::<Vec<_>>(),
        &keys()
            .map(|key| key.request_hash.to_vec())
            .collect::<Vec<_>>(),
        &keys().map(|key| key.order_id.uuid()).collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await
}

/// Answers for the keys that were used before.
async fn repeat(
    conn: &mut PgConnection,
    keys: &[NewKey<'_>],
    known: &[usize],
    answers: &mut [Result<Claim, ClaimError>],
) -> sqlx::Result<()> {
    let before = sqlx::query!(
        r#"
        select k.n as "n!", i.request_hash, i.order_id as "order_id: OrderId"
        from unnest($1::uuid[], $2::text[]) with ordinality as k(user_id, key, n)
             join commerce.idempotency_key i using (user_id, key)
        "#,
        &known
            .iter()
            .map(|index| keys[*index].user_id.uuid())
            .collect::<Vec<_>>(),
        &known
            .iter()
            .map(|index| keys[*index].key.to_owned())
            .collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await?;
    for (n, index) in (1..).zip(known) {
        // one that is gone was purged meanwhile, and is free when the client asks again
        let row = before.iter().find(|row| row.n == n);
        answers[*index] = match row {
            Some(row) if row.request_hash == keys[*index].request_hash => {
                Ok(Claim::Repeat(row.order_id))
            }
            Some(_) => Err(ClaimError::DifferentRequest),
            None => Err(ClaimError::InFlight),
        };
    }
    Ok(())
}

/// Gives back keys that this transaction has claimed, for orders that it does not create.
pub async fn release(conn: &mut PgConnection, orders: &[NewKey<'_>]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        delete from commerce.idempotency_key i
        using unnest($1::uuid[], $2::text[]) as k(user_id, key)
        where i.user_id = k.user_id
          and i.key = k.key
        "#,
        &orders
            .iter()
            .map(|key| key.user_id.uuid())
            .collect::<Vec<_>>(),
        &orders
            .iter()
            .map(|key| key.key.to_owned())
            .collect::<Vec<_>>(),
    )
    .execute(conn)
    .await
    .map(drop)
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
