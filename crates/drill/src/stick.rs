//! Makes sagas stuck, one way for each cause, for drills on a development system and for the tests
//! of [`operator::why`].
//!
//! The drill places an order as the API does. Then it plants the traces of the cause in the
//! databases; if a worker would otherwise repair the saga first, it plants them in the commit that
//! places the order. Messages pass through the real broker. So `why` must diagnose the planted
//! fault like a real one, and its advice must make the saga continue.

pub(crate) mod plant;

use std::time::Duration;

use commerce::order::{Item, OrderLimits};
use kernel::{OrderId, ProductId, SagaId, TraceRef, UserId};
use saga::{heartbeat, machine::StateKind};
use sqlx::{Postgres, Transaction};
use tokio::time::{Instant, sleep};
use workflows::submit::{Placed, Submit, SubmitError, submit_all};

use operator::{ActionError, Operator, cause::Code, why};

use crate::undo::Drills;

/// Longest time until a planted cause is diagnosed.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A saga that sticks.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// The saga.
    pub(crate) saga_id: SagaId,
    /// Its order.
    pub(crate) order_id: OrderId,
    /// The means that keep workers from the saga, if they would repair it.
    held: Option<Held>,
}

/// A state that lasts until it is released.
#[derive(Debug)]
enum Held {
    /// A session that has locked the saga's row.
    Lock(Transaction<'static, Postgres>),
    /// An entry that no worker claims.
    Entry,
}

impl Stuck {
    /// Whether the saga stays stuck only until [`Stuck::release`].
    pub(crate) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Ends the session that holds the saga, if one does.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn release(self) -> sqlx::Result<()> {
        match self.held {
            Some(Held::Lock(session)) => match session.rollback().await {
                // an operator has ended the session, as the cause's page says
                Err(error) if db::is_unreachable(&error) => Ok(()),
                done => done,
            },
            Some(Held::Entry) | None => Ok(()), // what was planted is undone
        }
    }
}

/// The fate of the drill's order, said before the drill begins.
pub(crate) const fn intent(code: Code) -> &'static str {
    match code {
        Code::WaitingForSignal => "is left unpaid",
        Code::RetryBackoff => "gets one failed attempt, and its next one in an hour",
        Code::LeaseHeld => "gets an attempt under way that no process makes, for an hour",
        Code::LeaseExpired => "gets an attempt that did not finish, and is kept from workers",
        Code::NoWorker => "is due, and no worker of sagas runs",
        Code::BlockedBySession => "gets its saga's row locked by a session",
        Code::JobLost => "loses its entry in the outbox",
        Code::OutboxUnpublished => {
            "is paid at payments, and payments' event waits in payments' outbox for an hour"
        }
        Code::Unroutable => "is paid at payments, and payments' event counts as unroutable",
        Code::QueueWithoutConsumer => {
            "is paid at payments, and no `worker payments` reads the event"
        }
        Code::QueueBacklog => "is due, and is kept from workers",
        Code::MessageFailed => "is paid at payments, and payments' event has a broken body",
        Code::ParticipantUnreachable => {
            "gets three attempts that did not reach payments, and its next one in an hour"
        }
        Code::PaymentEventLost => "is paid at payments, without an event",
        Code::OutcomeUnknown => {
            "gets three attempts without an answer, and its next one in an hour"
        }
        Code::PausedBy => "is paused",
        Code::PaymentMismatch => "gets another amount at payments",
        Code::UnknownPlanVersion => {
            "is changed to a plan that no program knows: outside of `cargo xtask up`, workers do not start while it is there"
        }
        Code::CompensationOverdue => {
            "is canceled, and its compensation begins 20 minutes ago, with the next attempt in an hour"
        }
        Code::Healthy => "is paid",
    }
}

/// Why no saga was made stuck.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillError {
    /// The cause requires that no process has the role, but one does.
    #[error("{code} needs that no process has the role {role}; there is {processes}")]
    Alive {
        /// The cause.
        code: Code,
        /// The role that no process may have.
        role: &'static str,
        /// The processes that have the role.
        processes: String,
    },
    /// The cause is planted in payments' database, whose URL is not set.
    #[error("{0} is planted in payments' database, which is not told")]
    NoPayments(Code),
    /// No product is in stock.
    #[error("nothing in the catalog is in stock")]
    NothingToOrder,
    /// The saga was diagnosed with another cause.
    #[error("saga {saga_id} was to have the cause {wanted} and after {TIMEOUT:?} has {found}")]
    Missed {
        /// The saga.
        saga_id: SagaId,
        /// The cause asked for.
        wanted: Code,
        /// The cause found.
        found: String,
    },
    /// The order was refused.
    #[error("the order was refused: {0}")]
    Refused(String),
    /// An operator's action that is a part of the fault was refused.
    #[error(transparent)]
    Act(#[from] ActionError),
    /// A database failed.
    #[error("a database failed")]
    Db(#[from] sqlx::Error),
}

impl From<SubmitError> for DrillError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Db(error) => Self::Db(error),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Places an order of `user_id`, makes its saga stick, and waits until `why` reports the cause.
///
/// # Errors
/// See [`DrillError`]. Changes planted before the error stay until the drill is undone.
pub(crate) async fn stick(
    operator: &Operator,
    user_id: UserId,
    code: Code,
    drill: &Drills,
) -> Result<Stuck, DrillError> {
    nobody_there(operator, code).await?;
    let payments = if at_payments(code) {
        let database = operator.sources().payments.need_database().await;
        Some(database.map_err(|_| DrillError::NoPayments(code))?.clone())
    } else {
        None
    };
    let mut tx = db::begin(operator.engine().pool()).await?;
    let unlimited = OrderLimits::default();
    let item = anything(&mut tx).await?.ok_or(DrillError::NothingToOrder)?;
    let request = Submit {
        user_id,
        idempotency_key: drill.key().to_owned(),
        request_hash: [0; 32],
        items: vec![item],
        expected_total: None,
        trace: TraceRef::random(),
        exported: false,
        eager: false,
    };
    let mut placed = submit_all(operator.engine(), &mut tx, &[request], unlimited).await?;
    let Some(Placed::New(order_id, started)) = placed.pop().flatten().transpose()? else {
        unreachable!("a key that was never used repeats nothing")
    };
    let saga_id = started.saga_id();
    plant::entry(operator, &mut tx, saga_id, code).await?;
    tx.commit().await?;
    operator.engine().announce(&started);
    let mut stuck = Stuck {
        saga_id,
        order_id,
        held: None,
    };
    let pool = operator.engine().pool();
    if code == Code::BlockedBySession {
        stuck.held = Some(Held::Lock(plant::lock(pool, saga_id).await?));
    } else if plant::is_withheld(code) {
        stuck.held = Some(Held::Entry);
    }
    if let Some(payments) = payments {
        arrive(operator, &stuck, code, Code::WaitingForSignal).await?;
        plant::decision(&payments, order_id, code).await?;
    }
    arrive(operator, &stuck, code, code).await?;
    Ok(stuck)
}

/// Whether the cause is planted at payments, after the saga has begun to wait for payments'
/// decision.
const fn at_payments(code: Code) -> bool {
    matches!(
        code,
        Code::OutboxUnpublished
            | Code::Unroutable
            | Code::QueueWithoutConsumer
            | Code::MessageFailed
            | Code::PaymentEventLost
            | Code::PaymentMismatch
            | Code::Healthy
    )
}

async fn nobody_there(operator: &Operator, code: Code) -> Result<(), DrillError> {
    let role = match code {
        Code::NoWorker => "saga",
        Code::QueueWithoutConsumer => "payments",
        _ => return Ok(()),
    };
    let mut conn = operator.engine().pool().acquire().await?;
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *conn)
        .await?;
    let processes = heartbeat::list(&mut conn).await?;
    let there: Vec<_> = processes
        .iter()
        .filter(|process| process.is_alive(now) && process.has_role(role))
        .map(|process| {
            format!(
                "{} (pid {} on {})",
                process.process, process.pid, process.host
            )
        })
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(DrillError::Alive {
        code,
        role,
        processes: there.join(", "),
    })
}

/// One item of any product that is in stock.
async fn anything(tx: &mut Transaction<'static, Postgres>) -> sqlx::Result<Option<Item>> {
    let found = sqlx::query_scalar!(
        r#"
        select product_id as "product_id: ProductId"
        from commerce.stock
             join commerce.product using (product_id)
        where received - sold - reserved > 0
        order by received - sold - reserved desc
        limit 1
        "#,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(|product_id| Item {
        product_id,
        quantity: 1,
    }))
}

/// Waits until the saga's cause is `goal`.
async fn arrive(
    operator: &Operator,
    stuck: &Stuck,
    wanted: Code,
    goal: Code,
) -> Result<(), DrillError> {
    let end = Instant::now() + TIMEOUT;
    loop {
        let why = why(operator, &[stuck.saga_id]).await?.pop();
        let found = why.as_ref().map(|why| why.diagnosis.code);
        // a healthy saga counts only once it has come to rest
        let rests = why.is_some_and(|why| why.state == StateKind::Completed);
        if found == Some(goal) && (goal != Code::Healthy || rests) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(DrillError::Missed {
                saga_id: stuck.saga_id,
                wanted,
                found: found.map_or_else(|| "vanished".to_owned(), |code| code.to_string()),
            });
        }
        sleep(POLL_INTERVAL).await;
    }
}
