//! The entry point of checkout: one commit for the idempotency key, the order, its stock, its saga,
//! the journal and the entry of its first step (I1). Orders that arrive at the same moment share
//! this commit.

use std::time::Duration;

use commerce::{
    idempotency::{self, Account, Claim, ClaimError, NewKey},
    order::{self, Basket, Item, LimitError, OrderLimits, Ordered, PlaceError, PriceError},
};
use crashpoint::crash_point;
use db::{Batch, BatchError, Batcher};
use kernel::{Money, OrderId, SagaId, TraceRef, TransactionId, UserId};
use saga::{Engine, EngineError, NewSaga, NewSignal, Refusal, StartError, StartedSaga, Verdict};
use sqlx::{PgConnection, PgTransaction};
use tokio::task::JoinHandle;

use crate::{
    checkout::{Checkout, CheckoutInput},
    registry::Runner,
};

/// How long the orders of a shared commit wait for rows that another session has locked. After it,
/// each is placed alone, and only what needs such a row waits longer.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// A basket to be ordered.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The user who orders.
    pub user_id: UserId,
    /// The caller's name for this intent.
    pub idempotency_key: String,
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    /// The items ordered.
    pub items: Vec<Item>,
    /// The total that the customer agreed to; `None` accepts any.
    pub expected_total: Option<Money>,
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
    /// As many orders wait as may.
    #[error("too many orders are being placed")]
    Busy,
    /// The saga could not be stored.
    #[error("could not store the order")]
    Saga(#[source] StartError),
    /// The database failed.
    #[error("could not store the order")]
    Db(#[from] sqlx::Error),
}

/// Places orders.
pub struct Submitter {
    orders: Batcher<Orders>,
}

impl Submitter {
    /// Places orders within these limits of an account, and makes first attempts with `runner`.
    pub fn new(runner: Runner, limits: OrderLimits) -> Self {
        let orders = Batcher::new(Orders { runner, limits });
        Self { orders }
    }

    /// Places an order, whole or not at all. A caller that stops waiting cancels nothing.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn submit(&self, request: Submit) -> Result<Submitted, SubmitError> {
        self.orders
            .run(request)
            .await
            .unwrap_or_else(|error| match error {
                BatchError::Full => Err(SubmitError::Busy),
                BatchError::Broke => {
                    let broke = std::io::Error::other(error);
                    Err(SubmitError::Db(sqlx::Error::Io(broke)))
                }
            })
    }
}

struct Orders {
    runner: Runner,
    limits: OrderLimits,
}

impl Batch for Orders {
    type Item = Submit;
    type Answer = Result<Submitted, SubmitError>;

    async fn together(&self, requests: &[Submit]) -> Vec<Option<Self::Answer>> {
        match self.store(requests).await {
            Ok(answers) => answers,
            Err(error) if requests.len() == 1 => vec![Some(Err(error))],
            Err(error) => {
                tracing::debug!(%error, "{} orders could not be placed together: one by one", requests.len());
                requests.iter().map(|_| None).collect()
            }
        }
    }

    async fn alone(&self, request: Submit) -> Self::Answer {
        let mut answers = self.store(std::slice::from_ref(&request)).await?;
        let answer = answers.pop().flatten();
        answer.expect("an order that is placed alone has an answer")
    }
}

impl Orders {
    /// Places orders in one transaction; see [`submit_all`].
    async fn store(
        &self,
        requests: &[Submit],
    ) -> Result<Vec<Option<Result<Submitted, SubmitError>>>, SubmitError> {
        let engine = self.runner.engine();
        let mut conn = engine.lane().acquire().await?;
        let mut tx = conn.begin().await?;
        if requests.len() > 1 {
            db::set_lock_timeout(&mut tx, LOCK_TIMEOUT).await?;
        }
        let placed = submit_all(engine, &mut tx, requests, self.limits).await;
        let is_new = |placed: &Option<_>| matches!(placed, Some(Ok(Placed::New(..))));
        let is_any_new = placed
            .as_ref()
            .is_ok_and(|placed| placed.iter().any(is_new));
        if !is_any_new {
            // before the answer, because the keys count as in progress until then
            if db::rollback(tx).await {
                conn.release();
            }
            let placed = placed?.into_iter();
            return Ok(placed
                .map(|it| Some(it?.map(|it| it.launch(&self.runner))))
                .collect());
        }
        // the commit claims the first attempts for this process
        let _until_launched = engine.hold();
        crash_point!("submit.before_commit");
        tx.commit().await?;
        crash_point!("submit.after_commit");
        conn.release();
        let placed = placed?.into_iter();
        Ok(placed
            .map(|it| Some(it?.map(|it| it.launch(&self.runner))))
            .collect())
    }
}

/// An order in an open transaction.
#[derive(Debug)]
pub enum Placed {
    /// It is new; after the commit, its saga is launched or announced.
    New(OrderId, Box<StartedSaga>),
    /// An earlier request with this key created it.
    Repeat(OrderId),
}

impl Placed {
    fn launch(self, runner: &Runner) -> Submitted {
        match self {
            Self::New(order_id, started) => Submitted::New {
                order_id,
                attempt: runner.launch(*started),
            },
            Self::Repeat(order_id) => Submitted::Repeat { order_id },
        }
    }
}

/// Places orders in the caller's transaction. The answers are in the order of the requests; a
/// request that is refused leaves nothing behind, and does not touch the others. After the commit,
/// pass what was started to [`saga::Runner::launch`].
///
/// Among several requests, one without an answer is to be submitted again alone, since another
/// order of its account is under way. A single request waits instead.
///
/// # Errors
/// When the database fails; the transaction must then roll back.
pub async fn submit_all(
    engine: &Engine,
    conn: &mut PgConnection,
    requests: &[Submit],
    limits: OrderLimits,
) -> Result<Vec<Option<Result<Placed, SubmitError>>>, SubmitError> {
    let account = match requests {
        _ if limits.is_unlimited() => Account::Free,
        [_] => Account::Wait,
        _ => Account::Skip,
    };
    let ids: Vec<_> = requests.iter().map(|_| OrderId::new()).collect();
    let keys: Vec<_> = requests.iter().zip(&ids).map(key).collect();
    let claims = idempotency::claim(conn, &keys, account).await?;
    let mut answers = Vec::with_capacity(requests.len());
    let mut new = Vec::new();
    for (index, claim) in claims.into_iter().enumerate() {
        answers.push(match claim {
            Ok(Claim::Repeat(order_id)) => Some(Ok(Placed::Repeat(order_id))),
            Ok(Claim::Skipped) => None,
            Ok(Claim::New) => {
                new.push(index);
                None
            }
            Err(error) => Some(Err(SubmitError::Key(error))),
        });
    }
    let claimed = new.clone();

    let ordered = new.iter().map(|index| Ordered {
        user_id: requests[*index].user_id,
        order_id: ids[*index],
        items: &requests[*index].items,
    });
    let checked = order::check_limits(conn, &ordered.collect::<Vec<_>>(), limits).await?;
    let within = sift(new, checked, &mut answers, SubmitError::Limit);

    let items = within.iter().map(|(index, ())| &*requests[*index].items);
    let priced = order::price(conn, &items.collect::<Vec<_>>()).await?;
    let within = within.into_iter().map(|(index, ())| index);
    let priced = sift(within, priced, &mut answers, SubmitError::Price);
    let (indices, agreed): (Vec<_>, Vec<_>) = priced
        .into_iter()
        .map(|(index, basket)| (index, as_agreed(&requests[index], basket)))
        .unzip();
    let agreed = sift(indices, agreed, &mut answers, |changed| changed);

    let sagas = agreed
        .iter()
        .map(|(index, basket)| saga(&requests[*index], ids[*index], basket));
    let started = engine.start_all(conn, sagas.collect()).await;
    let started = started.map_err(SubmitError::Saga)?;
    let indices = agreed.iter().map(|(index, _)| *index);
    for (index, started) in sift(indices, started, &mut answers, refused) {
        answers[index] = Some(Ok(Placed::New(ids[index], Box::new(started))));
    }

    let unused = claimed
        .into_iter()
        .filter(|index| matches!(answers[*index], Some(Err(_))));
    let unused: Vec<_> = unused.map(|index| keys[index]).collect();
    if !unused.is_empty() {
        idempotency::release(conn, &unused).await?;
    }
    Ok(answers)
}

/// Pairs requests with what they got, and answers those that were refused.
fn sift<T, E>(
    indices: impl IntoIterator<Item = usize>,
    results: Vec<Result<T, E>>,
    answers: &mut [Option<Result<Placed, SubmitError>>],
    error: impl Fn(E) -> SubmitError,
) -> Vec<(usize, T)> {
    let results = indices.into_iter().zip(results);
    let kept = results.filter_map(|(index, result)| match result {
        Ok(value) => Some((index, value)),
        Err(refused) => {
            answers[index] = Some(Err(error(refused)));
            None
        }
    });
    kept.collect()
}

fn key<'a>((request, order_id): (&'a Submit, &OrderId)) -> NewKey<'a> {
    NewKey {
        user_id: request.user_id,
        key: &request.idempotency_key,
        request_hash: &request.request_hash,
        order_id: *order_id,
    }
}

fn as_agreed(request: &Submit, basket: Basket) -> Result<Basket, SubmitError> {
    match &request.expected_total {
        Some(expected) if *expected != basket.total => Err(SubmitError::PriceChanged {
            expected: expected.clone(),
            total: basket.total,
        }),
        _ => Ok(basket),
    }
}

fn saga<'a>(request: &Submit, order_id: OrderId, basket: &'a Basket) -> NewSaga<'a, Checkout> {
    let saga_id = SagaId::new();
    let trace = order::place_in_trace(order_id, request.trace.trace_id());
    NewSaga {
        id: saga_id,
        input: CheckoutInput {
            order_id,
            saga_id,
            user_id: request.user_id,
            transaction_id: TransactionId::new(),
            total: basket.total.clone(),
            trace_id: request.trace.trace_id().to_owned(),
        },
        details: basket,
        trace: trace.unwrap_or_else(|| request.trace.child()),
        parent_span: request.exported.then(|| request.trace.span_id().to_owned()),
        eager: request.eager,
    }
}

fn refused(refusal: Refusal) -> SubmitError {
    match refusal.cause.downcast::<PlaceError>() {
        Ok(place) => SubmitError::Place(*place),
        Err(cause) => SubmitError::Saga(StartError::Refused(Refusal {
            reason: refusal.reason,
            cause,
        })),
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
