//! The entry point of checkout: one commit for the idempotency key, the order, its stock, its saga,
//! the journal and the entry of its first step (I1).

use commerce::{
    idempotency::{self, Claim, ClaimError},
    order::{self, Item, LimitError, OrderLimits, PlaceError, PriceError},
};
use crashpoint::crash_point;
use kernel::{Money, OrderId, SagaId, TraceRef, TransactionId, UserId};
use saga::{Engine, EngineError, NewSaga, NewSignal, StartError, Started, Verdict};
use sqlx::{PgConnection, PgTransaction};
use tokio::task::JoinHandle;

use crate::{
    checkout::{Checkout, CheckoutInput},
    registry::Runner,
};

/// A basket to be ordered.
#[derive(Debug, Clone)]
pub struct Submit<'a> {
    /// The user who orders.
    pub user_id: UserId,
    /// The caller's name for this intent.
    pub idempotency_key: &'a str,
    /// SHA-256 of the request.
    pub request_hash: &'a [u8; 32],
    /// The items ordered.
    pub items: &'a [Item],
    /// Limits on the account's orders.
    pub limits: OrderLimits,
    /// The total that the customer agreed to; `None` accepts any.
    pub expected_total: Option<&'a Money>,
    /// The trace of the whole order, and the request's span in it.
    pub trace: TraceRef,
    /// Whether the request's own span is exported; if so, it is the parent of the order's spans.
    pub exported: bool,
    /// Whether this process makes the first attempt at the payment step itself, at once.
    pub eager: bool,
}

/// The result of a [`Submit`].
#[derive(Debug)]
pub enum Submitted {
    /// A new order.
    New {
        /// The order.
        order_id: OrderId,
        /// The first attempt at its payment step, if this process makes it.
        attempt: Option<JoinHandle<()>>,
    },
    /// The order that an earlier request with this key created.
    Repeat {
        /// The order.
        order_id: OrderId,
    },
}

/// Why no order was placed. Nothing is stored.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The key belongs to another request, or its first use has not committed yet.
    #[error(transparent)]
    Key(ClaimError),
    /// The account has reached its order limit.
    #[error(transparent)]
    Limit(LimitError),
    /// The basket cannot be priced.
    #[error(transparent)]
    Price(PriceError),
    /// The total at catalog prices differs from the total that the customer agreed to.
    #[error("the order costs {total}, {expected} was agreed to")]
    PriceChanged {
        /// The total agreed to.
        expected: Money,
        /// The total at present catalog prices.
        total: Money,
    },
    /// The order cannot be placed.
    #[error(transparent)]
    Place(PlaceError),
    /// The saga could not be stored.
    #[error("could not store the order")]
    Saga(#[source] StartError),
    /// The database failed.
    #[error("could not store the order")]
    Db(#[from] sqlx::Error),
}

/// Places an order, whole or not at all.
///
/// # Errors
/// [`SubmitError`]; the transaction has then been rolled back.
pub async fn submit(runner: &Runner, request: Submit<'_>) -> Result<Submitted, SubmitError> {
    let engine = runner.engine();
    let mut tx = db::begin(engine.pool()).await?;
    match submit_in(engine, &mut tx, request).await {
        Ok((order_id, Some(started))) => {
            // a separate task: the commit claims the first attempt for this process, so a client
            // that disconnects now must not prevent the attempt
            let runner = runner.clone();
            let gone_on = engine.detach(async move {
                crash_point!("submit.before_commit");
                tx.commit().await?;
                crash_point!("submit.after_commit");
                Ok::<_, sqlx::Error>(runner.launch(started))
            });
            let attempt = gone_on
                .await
                .unwrap_or_else(|broke| Err(sqlx::Error::Io(std::io::Error::other(broke))))?;
            Ok(Submitted::New { order_id, attempt })
        }
        // rolled back before the answer, because the key counts as in progress until then
        Ok((order_id, None)) => {
            tx.rollback().await?;
            Ok(Submitted::Repeat { order_id })
        }
        Err(error) => {
            if let Err(lost) = tx.rollback().await {
                tracing::debug!(%lost, "Could not roll back: the database does when the connection ends");
            }
            Err(error)
        }
    }
}

/// Places an order in the caller's transaction. Returns the order of this key, with the start of
/// its saga unless the request is a repeat. After the commit, pass the start to
/// [`saga::Runner::launch`].
///
/// # Errors
/// [`SubmitError`]; the transaction must then roll back.
pub async fn submit_in(
    engine: &Engine,
    conn: &mut PgConnection,
    request: Submit<'_>,
) -> Result<(OrderId, Option<Started>), SubmitError> {
    let order_id = OrderId::new();
    let claim = idempotency::claim(
        conn,
        request.user_id,
        request.idempotency_key,
        request.request_hash,
        order_id,
        !request.limits.is_unlimited(),
    )
    .await;
    match claim.map_err(SubmitError::Key)? {
        Claim::Repeat(order_id) => return Ok((order_id, None)),
        Claim::New => {}
    }
    order::check_limits(
        conn,
        request.user_id,
        order_id,
        request.items,
        request.limits,
    )
    .await
    .map_err(SubmitError::Limit)?;
    let basket = order::price(conn, request.items)
        .await
        .map_err(SubmitError::Price)?;
    if let Some(expected) = request.expected_total
        && *expected != basket.total
    {
        return Err(SubmitError::PriceChanged {
            expected: expected.clone(),
            total: basket.total,
        });
    }
    let saga_id = SagaId::new();
    let input = CheckoutInput {
        order_id,
        saga_id,
        user_id: request.user_id,
        transaction_id: TransactionId::new(),
        total: basket.total.clone(),
        trace_id: request.trace.trace_id().to_owned(),
    };
    let trace = order::place_in_trace(order_id, request.trace.trace_id());
    let new = NewSaga::<Checkout> {
        id: saga_id,
        input,
        details: &basket,
        trace: trace.unwrap_or_else(|| request.trace.child()),
        parent_span: request.exported.then(|| request.trace.span_id().to_owned()),
    };
    let started = engine
        .start(conn, new, request.eager)
        .await
        .map_err(refused)?;
    Ok((order_id, Some(started)))
}

fn refused(error: StartError) -> SubmitError {
    match error {
        StartError::Refused(refusal) => match refusal.cause.downcast::<PlaceError>() {
            Ok(place) => SubmitError::Place(*place),
            Err(cause) => SubmitError::Saga(StartError::Refused(saga::Refusal {
                reason: refusal.reason,
                cause,
            })),
        },
        error => SubmitError::Saga(error),
    }
}

/// Requests the cancellation of an order, in one commit with the other changes of `tx`. Payments
/// decides: an order that is paid meanwhile completes.
///
/// Without a verdict, the signal was not decided: the saga is paused, of another version, or
/// archived.
///
/// # Errors
/// When the saga cannot be moved; see [`EngineError`].
pub async fn cancel(
    engine: &Engine,
    mut tx: PgTransaction<'_>,
    saga_id: SagaId,
    source: impl Into<String>,
) -> Result<Option<Verdict>, EngineError> {
    let signal = NewSignal::cancel(saga_id, source);
    let id = signal.id;
    let signaled = engine.signal(&mut tx, vec![signal]).await?;
    let verdict = signaled.verdicts.get(&id).copied().flatten();
    crash_point!("cancel.before_commit");
    tx.commit().await?;
    crash_point!("cancel.after_commit");
    signaled.after.emit();
    Ok(verdict)
}
