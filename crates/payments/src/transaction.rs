//! The rules of transactions. Payments is the arbiter: whoever moves a transaction out of `pending`
//! first has won.

use contracts::{
    payment_event::{Outcome, PaymentEvent},
    payments::{CancelByOrder, InitTransaction, Status, Transaction},
    topology,
};
use kernel::{OrderId, TraceRef, TransactionId, UserId};
use messaging::{Message, outbox};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::store;

/// Largest amount that is taken, minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// What came of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New(Transaction),
    /// It was there, the same.
    Same(Transaction),
    /// Another one stands under this order, or this id.
    Differs,
    /// It is canceled, or tombstoned.
    Canceled(Transaction),
}

/// What came of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// It is where it was to go, now or since before.
    There(Transaction),
    /// It went the other way before.
    Lost(Transaction),
    /// There is no such transaction, or it is somebody else's.
    NotFound,
}

/// Creates a transaction; idempotent by order.
///
/// # Errors
/// When the database fails.
pub async fn init(pool: &PgPool, request: &InitTransaction, trace: Option<&TraceRef>) -> sqlx::Result<Created> {
    let id = request.transaction_id.unwrap_or_else(TransactionId::new);
    let mut conn = pool.acquire().await?;
    if let Some(transaction) = store::insert(&mut conn, id, request, trace).await? {
        return Ok(Created::New(transaction));
    }
    let Some(found) = store::find_by_order(&mut conn, request.order_id).await? else {
        return Ok(Created::Differs); // the id is taken by another order
    };
    let same = found.user_id == Some(request.user_id)
        && found.amount.as_ref() == Some(&request.amount)
        && request.transaction_id.is_none_or(|id| id == found.transaction_id);
    Ok(match found.status {
        Status::Canceled => Created::Canceled(found),
        Status::Pending | Status::Paid if same => Created::Same(found),
        Status::Pending | Status::Paid => Created::Differs,
    })
}

/// Moves a transaction out of `pending`; the move and its event commit together.
///
/// # Errors
/// When the database fails.
pub async fn decide(
    pool: &PgPool,
    id: TransactionId,
    payer: Option<UserId>,
    outcome: Outcome,
) -> sqlx::Result<Moved> {
    let mut tx = pool.begin().await?;
    let moved = store::decide(&mut tx, id, payer, target(outcome)).await?;
    if let Some((transaction, trace)) = moved {
        publish(&mut tx, &transaction, outcome, trace).await?;
        tx.commit().await?;
        return Ok(Moved::There(transaction));
    }
    let found = store::find(&mut tx, id).await?;
    let found = found.filter(|found| payer.is_none() || found.user_id == payer);
    Ok(match found {
        None => Moved::NotFound,
        Some(found) if found.status == target(outcome) => Moved::There(found),
        Some(found) => Moved::Lost(found),
    })
}

/// Makes sure that an order is never paid: cancels its transaction or, where none has arrived yet,
/// leaves a tombstone, so that the late creation is refused.
///
/// # Errors
/// When the database fails.
pub async fn cancel_by_order(pool: &PgPool, request: &CancelByOrder) -> sqlx::Result<Moved> {
    let mut tx = pool.begin().await?;
    let id = request.transaction_id.unwrap_or_else(TransactionId::new);
    // unique(order_id) decides between this and a creation under way
    if let Some(tombstone) = store::entomb(&mut tx, id, request.order_id).await? {
        tx.commit().await?;
        return Ok(Moved::There(tombstone));
    }
    let Some(found) = store::find_by_order(&mut tx, request.order_id).await? else {
        return Ok(Moved::NotFound); // the id is taken by another order
    };
    drop(tx);
    decide(pool, found.transaction_id, None, Outcome::Canceled).await
}

/// Reads a transaction; of somebody else's, nothing.
///
/// # Errors
/// When the database fails.
pub async fn find(pool: &PgPool, id: TransactionId, payer: Option<UserId>) -> sqlx::Result<Option<Transaction>> {
    let found = store::find(&mut *pool.acquire().await?, id).await?;
    Ok(found.filter(|found| payer.is_none() || found.user_id == payer))
}

/// Reads an order's transaction; of somebody else's, nothing.
///
/// # Errors
/// When the database fails.
pub async fn find_by_order(pool: &PgPool, id: OrderId, payer: Option<UserId>) -> sqlx::Result<Option<Transaction>> {
    let found = store::find_by_order(&mut *pool.acquire().await?, id).await?;
    Ok(found.filter(|found| payer.is_none() || found.user_id == payer))
}

const fn target(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Completed => Status::Paid,
        Outcome::Canceled => Status::Canceled,
    }
}

async fn publish(
    conn: &mut PgConnection,
    transaction: &Transaction,
    outcome: Outcome,
    trace: Option<String>,
) -> sqlx::Result<()> {
    let at = transaction.completed_at.or(transaction.canceled_at).unwrap_or(transaction.created_at);
    let event = PaymentEvent {
        transaction_id: transaction.transaction_id,
        outcome,
        at,
        event_id: Some(Uuid::now_v7()),
        order_id: Some(transaction.order_id),
        amount: transaction.amount.clone(),
    };
    let key = outcome.routing_key();
    let trace = trace.and_then(|trace| trace.parse().ok());
    let message = Message::new(topology::PAYMENTS_EVENTS, key, key, &event, trace)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    outbox::enqueue(conn, &[message]).await
}
