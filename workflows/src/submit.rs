//! The way into checkout: one commit for the idempotency key, the order, its stock, its saga, the
//! journal and the entry of its first step (I1).

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
    /// Who orders.
    pub user_id: UserId,
    /// The caller's name for this intent.
    pub idempotency_key: &'a str,
    /// SHA-256 of what is asked for.
    pub request_hash: &'a [u8; 32],
    /// What is ordered.
    pub items: &'a [Item],
    /// How much the account may order.
    pub limits: OrderLimits,
    /// The total that the customer agreed to; `None` accepts any.
    pub expected_total: Option<&'a Money>,
    /// The order's one trace, and where the request stands in it.
    pub trace: TraceRef,
    /// Whether the request's own span is exported: the order's spans hang below it then.
    pub exported: bool,
    /// Whether this process makes the first attempt at payment itself, at once.
    pub eager: bool,
}

/// What came of a [`Submit`].
#[derive(Debug)]
pub enum Submitted {
    /// A new order.
    New {
        /// The order.
        order_id: OrderId,
        /// The first attempt at its payment, when this process makes it.
        attempt: Option<JoinHandle<()>>,
    },
    /// The order that this key made before.
    Repeat {
        /// The order.
        order_id: OrderId,
    },
}

/// Why nothing was ordered. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The key stands for another request, or its first use has not committed yet.
    #[error(transparent)]
    Key(ClaimError),
    /// The account has ordered as much as it may.
    #[error(transparent)]
    Limit(LimitError),
    /// The basket cannot be priced.
    #[error(transparent)]
    Price(PriceError),
    /// The catalog's prices add up to another total than the customer agreed to.
    #[error("the order costs {total}, {expected} was agreed to")]
    PriceChanged {
        /// As agreed to.
        expected: Money,
        /// By the catalog's prices of now.
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
/// [`SubmitError`]; the transaction has rolled back then.
pub async fn submit(runner: &Runner, request: Submit<'_>) -> Result<Submitted, SubmitError> {
    let engine = runner.engine();
    let mut tx = db::begin(engine.pool()).await?;
    match submit_in(engine, &mut tx, request).await {
        Ok((order_id, Some(started))) => {
            // a task of its own: a client that hangs up now must not leave a saga whose attempt was claimed
            // by the commit and is begun by nobody
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
        // rolled back before the answer: until then the key counts as under way
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

/// The same in the caller's transaction: the order of this key, with the start of its saga unless
/// it is a repeat. After the commit, hand that to [`saga::Runner::launch`].
///
/// # Errors
/// [`SubmitError`]; the transaction must roll back then.
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

/// Asks for an order to be canceled, in one commit with what `tx` holds already. Payments decides: an order that is paid
/// meanwhile completes.
///
/// No verdict means that nobody could decide: the saga is paused, of another version, or archived.
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
