//! The rules of transactions. Payments is the arbiter: the first decision that moves a transaction
//! out of `pending` wins.

use contracts::{
    payment_event::{Outcome, PaymentEvent},
    payments::{CancelByOrder, InitTransaction, Status, Transaction},
    topology,
};
use crashpoint::crash_point;
use db::Lane;
use kernel::{OrderId, TraceRef, TransactionId, UserId};
use messaging::{Message, outbox};
use tracing::{Instrument, Span, info_span, warn};
use uuid::Uuid;

use crate::store::{self, Stored};

/// The most attempts at a decision, which is retried when another session writes between its two
/// queries. A row never disappears and moves only once, so the second try already finds the row
/// that the first one missed.
const MAX_ATTEMPTS: usize = 4;

/// The result of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The transaction is new.
    New(Transaction),
    /// The same transaction already existed.
    Same(Transaction),
    /// The order has a different transaction or, if none is given, the transaction id is taken by
    /// another order.
    Differs(Option<Transaction>),
    /// The order's transaction is canceled, or a tombstone.
    Canceled(Transaction),
}

/// The result of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// This call made the decision.
    Applied(Transaction),
    /// The same decision was made before.
    AlreadyApplied(Transaction),
    /// The opposite decision was made before.
    Conflict(Transaction),
    /// The transaction does not exist, or belongs to another user.
    NotFound,
}

/// Creates a transaction; idempotent by order. `trace` is the trace that its events will belong to.
///
/// # Errors
/// When the database fails.
pub async fn init(
    lane: &Lane,
    request: &InitTransaction,
    trace: Option<&TraceRef>,
) -> sqlx::Result<Created> {
    let id = request.transaction_id.unwrap_or_else(TransactionId::new);
    let mut conn = lane.acquire().await?;
    crash_point!("payments.init.before_insert");
    if let Some(transaction) = store::insert(&mut conn, id, request, trace).await? {
        crash_point!("payments.init.after_insert");
        conn.release();
        return Ok(Created::New(transaction));
    }
    let found = store::find_by_order(&mut conn, request.order_id).await?;
    conn.release();
    Ok(match found {
        // the order has no transaction, so that another order has taken the id
        None => Created::Differs(None),
        Some(found) => judge_repeat(found, request),
    })
}

/// Decides the result of a creation for an order that already has a transaction.
fn judge_repeat(found: Transaction, request: &InitTransaction) -> Created {
    let same = found.user_id == Some(request.user_id)
        && found.amount.as_ref() == Some(&request.amount)
        && request
            .transaction_id
            .is_none_or(|id| id == found.transaction_id);
    match found.status {
        Status::Canceled => Created::Canceled(found),
        Status::Pending | Status::Paid if same => Created::Same(found),
        Status::Pending | Status::Paid => Created::Differs(Some(found)),
    }
}

/// Decides a transaction that is `pending`, for its payer or, if `payer` is `None`, for a service;
/// the decision and its event commit together.
///
/// # Errors
/// When the database fails.
pub async fn decide(
    lane: &Lane,
    id: TransactionId,
    payer: Option<UserId>,
    outcome: Outcome,
) -> sqlx::Result<Moved> {
    for _ in 0..MAX_ATTEMPTS {
        if let Some(moved) = try_move(lane, id, payer, outcome).await? {
            return Ok(Moved::Applied(moved));
        }
        match find(lane, id, payer).await? {
            None => return Ok(Moved::NotFound),
            Some(found) if found.status == target(outcome) => {
                return Ok(Moved::AlreadyApplied(found));
            }
            Some(found) if found.status != Status::Pending => return Ok(Moved::Conflict(found)),
            Some(_) => {} // created between the two queries
        }
    }
    Err(contended())
}

/// Makes sure that an order is never paid: cancels its transaction or, if it has not been created
/// yet, leaves a tombstone, so that the late creation is refused. With `payer`, only orders of that
/// user are canceled.
///
/// A tombstone takes the id that the transaction would have had. If another order has taken that
/// id, the tombstone gets a new one: only the order matters.
///
/// # Errors
/// When the database fails.
pub async fn cancel_by_order(
    lane: &Lane,
    request: &CancelByOrder,
    payer: Option<UserId>,
) -> sqlx::Result<Moved> {
    let mut id = request.transaction_id.unwrap_or_else(TransactionId::new);
    for attempt in 0..MAX_ATTEMPTS {
        let mut conn = lane.acquire().await?;
        if let Some(found) = store::find_by_order(&mut conn, request.order_id).await? {
            conn.release();
            // a tombstone belongs to no user
            if payer.is_some() && found.user_id.is_some() && found.user_id != payer {
                return Ok(Moved::NotFound);
            }
            return decide(lane, found.transaction_id, None, Outcome::Canceled).await;
        }
        if attempt > 0 {
            warn!(order.id = %request.order_id, "Transaction id {id} is taken by another order: the tombstone gets a new one");
            id = TransactionId::new();
        }
        // unique(order_id) decides between this tombstone and a concurrent creation
        crash_point!("payments.entomb.before_insert");
        if let Some(tombstone) = store::insert_tombstone(&mut conn, id, request.order_id).await? {
            crash_point!("payments.entomb.after_insert");
            conn.release();
            return Ok(Moved::Applied(tombstone));
        }
    }
    Err(contended())
}

/// Finds a transaction. With `payer`, returns `None` for a transaction of another user.
///
/// # Errors
/// When the database fails.
pub async fn find(
    lane: &Lane,
    id: TransactionId,
    payer: Option<UserId>,
) -> sqlx::Result<Option<Transaction>> {
    let mut conn = lane.acquire().await?;
    let found = store::find(&mut conn, id).await?;
    conn.release();
    Ok(found.filter(|found| may_see(payer, found)))
}

/// Finds an order's transaction. With `payer`, returns `None` for a transaction of another user.
///
/// # Errors
/// When the database fails.
pub async fn find_by_order(
    lane: &Lane,
    id: OrderId,
    payer: Option<UserId>,
) -> sqlx::Result<Option<Transaction>> {
    let mut conn = lane.acquire().await?;
    let found = store::find_by_order(&mut conn, id).await?;
    conn.release();
    Ok(found.filter(|found| may_see(payer, found)))
}

/// Finds the transactions with these ids; unknown ids are omitted. With `payer`, only those of that
/// user.
///
/// # Errors
/// When the database fails.
pub async fn find_all(
    lane: &Lane,
    ids: &[TransactionId],
    payer: Option<UserId>,
) -> sqlx::Result<Vec<Transaction>> {
    let mut conn = lane.acquire().await?;
    let mut found = store::find_all(&mut conn, ids).await?;
    conn.release();
    found.retain(|found| may_see(payer, found));
    Ok(found)
}

fn may_see(payer: Option<UserId>, transaction: &Transaction) -> bool {
    payer.is_none() || transaction.user_id == payer
}

const fn target(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Completed => Status::Paid,
        Outcome::Canceled => Status::Canceled,
    }
}

/// Commits the decision and its event in one transaction. Returns `None` when no pending
/// transaction matches.
async fn try_move(
    lane: &Lane,
    id: TransactionId,
    payer: Option<UserId>,
    outcome: Outcome,
) -> sqlx::Result<Option<Transaction>> {
    let mut conn = lane.acquire().await?;
    let mut tx = conn.begin().await?;
    let Some(Stored { transaction, trace }) =
        store::decide(&mut tx, id, payer, target(outcome)).await?
    else {
        if db::rollback(tx).await {
            conn.release();
        }
        return Ok(None);
    };
    let span = decision_span(&transaction, trace.as_ref());
    // the event belongs to the trace of its transaction: this span is lost if the process dies
    let message = event(&transaction, outcome, trace)?;
    let committed = async {
        outbox::enqueue(&mut tx, &[message]).await?;
        crash_point!("payments.decide.before_commit");
        tx.commit().await
    };
    committed.instrument(span).await?;
    conn.release();
    crash_point!("payments.decide.after_commit");
    metrics::counter!("payments_decisions_total", "status" => transaction.status.as_str())
        .increment(1);
    Ok(Some(transaction))
}

/// A span in the trace that created the transaction, so that one trace shows its whole life. The
/// deciding request has its own trace; its span and this one link to each other.
fn decision_span(transaction: &Transaction, trace: Option<&TraceRef>) -> Span {
    let span = info_span!(
        "transaction.decide",
        order.id = transaction.order_id.map(tracing::field::display),
        transaction.id = %transaction.transaction_id,
        transaction.status = transaction.status.as_str(),
    );
    if let Some(trace) = trace {
        telemetry::continue_trace(&span, trace);
        telemetry::link(&Span::current(), trace);
        if let Some(request) = telemetry::current() {
            telemetry::link(&span, &request);
        }
    }
    span
}

fn event(
    transaction: &Transaction,
    outcome: Outcome,
    trace: Option<TraceRef>,
) -> sqlx::Result<Message> {
    let at = match outcome {
        Outcome::Completed => transaction.completed_at,
        Outcome::Canceled => transaction.canceled_at,
    };
    let event = PaymentEvent {
        transaction_id: transaction.transaction_id,
        outcome,
        at: at
            .ok_or_else(|| sqlx::Error::Decode("a decided transaction without its time".into()))?,
        event_id: Some(Uuid::now_v7()),
        order_id: transaction.order_id,
        amount: transaction.amount.clone(),
    };
    let key = outcome.routing_key();
    Message::new(topology::PAYMENTS_EVENTS, key, key, &event, trace)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// Classified as "unreachable", so that the caller retries.
fn contended() -> sqlx::Error {
    sqlx::Error::Protocol("a transaction was written to at every look".to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use kernel::Money;

    use super::*;

    fn eur(amount: i64) -> Money {
        Money::new(amount, "EUR".parse().unwrap())
    }

    fn pending() -> Transaction {
        Transaction {
            transaction_id: TransactionId::new(),
            order_id: Some(OrderId::new()),
            user_id: Some(UserId::new()),
            amount: Some(eur(1999)),
            status: Status::Pending,
            created_at: Some(DateTime::UNIX_EPOCH),
            completed_at: None,
            canceled_at: None,
        }
    }

    fn request_of(transaction: &Transaction) -> InitTransaction {
        InitTransaction {
            order_id: transaction.order_id.unwrap(),
            user_id: transaction.user_id.unwrap(),
            amount: transaction.amount.clone().unwrap(),
            transaction_id: Some(transaction.transaction_id),
        }
    }

    #[test]
    fn a_repeat_must_match_user_amount_and_id() {
        let found = pending();
        let same = request_of(&found);
        let unnamed = InitTransaction {
            transaction_id: None,
            ..same.clone()
        };
        for request in [&same, &unnamed] {
            assert_eq!(
                judge_repeat(found.clone(), request),
                Created::Same(found.clone())
            );
        }
        for differs in [
            InitTransaction {
                user_id: UserId::new(),
                ..same.clone()
            },
            InitTransaction {
                amount: eur(2000),
                ..same.clone()
            },
            InitTransaction {
                amount: Money::new(1999, "USD".parse().unwrap()),
                ..same.clone()
            },
            InitTransaction {
                transaction_id: Some(TransactionId::new()),
                ..same.clone()
            },
        ] {
            assert_eq!(
                judge_repeat(found.clone(), &differs),
                Created::Differs(Some(found.clone()))
            );
        }
    }

    #[test]
    fn a_repeat_never_changes_a_decided_transaction() {
        let paid = Transaction {
            status: Status::Paid,
            ..pending()
        };
        assert_eq!(
            judge_repeat(paid.clone(), &request_of(&paid)),
            Created::Same(paid)
        );
        let canceled = Transaction {
            status: Status::Canceled,
            ..pending()
        };
        let other = InitTransaction {
            amount: eur(1),
            ..request_of(&canceled)
        };
        assert_eq!(
            judge_repeat(canceled.clone(), &other),
            Created::Canceled(canceled)
        );
    }
}
