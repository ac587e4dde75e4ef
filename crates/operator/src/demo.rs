//! Sagas that stick, one way for each cause: for drills on a development system, and for the tests
//! of [`mod@crate::judge`].
//!
//! An order is placed as the API places it. Then what its cause leaves behind is planted in the
//! databases, in the commit that places the order wherever a worker would otherwise be faster; what
//! goes through the broker really goes through it. So `why` has to find it as it would find the
//! real thing, and its advice really gets the saga going again.

mod plant;

use std::time::Duration;

use commerce::order::Item;
use kernel::{OrderId, ProductId, SagaId, TraceRef, UserId};
use saga::heartbeat;
use sqlx::{Postgres, Transaction};
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use workflows::submit::{Submit, SubmitError, submit_in};

use crate::{ActError, Operator, PaymentsSight, cause::Code, why};

/// How long a planted cause may take to be seen.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A saga that sticks.
#[derive(Debug)]
pub struct Stuck {
    /// The saga.
    pub saga_id: SagaId,
    /// Its order.
    pub order_id: OrderId,
    /// Keeps workers from its entry, where they would mend it at once.
    held: Option<Transaction<'static, Postgres>>,
}

impl Stuck {
    /// Whether it sticks only until [`Stuck::release`].
    pub const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Lets workers at it.
    ///
    /// # Errors
    /// When the database fails, which lets them at it, too.
    pub async fn release(self) -> sqlx::Result<()> {
        match self.held {
            Some(held) => held.rollback().await,
            None => Ok(()),
        }
    }
}

/// Why no saga was made to stick.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cause is that nobody is there, and somebody is.
    #[error("{code} needs that no process has the role {role}; there is {processes}")]
    Alive {
        /// The cause.
        code: Code,
        /// The role that nobody may have.
        role: &'static str,
        /// Who has it.
        processes: String,
    },
    /// Nothing can be planted at payments.
    #[error("{0} is planted in payments' database, which is not told")]
    NoPayments(Code),
    /// There is nothing that could be ordered.
    #[error("nothing in the catalog is in stock")]
    NothingToOrder,
    /// Something else came of it.
    #[error("saga {saga_id} was to have the cause {wanted} and after {PATIENCE:?} has {found}")]
    Missed {
        /// The saga.
        saga_id: SagaId,
        /// What was asked for.
        wanted: Code,
        /// What it has.
        found: String,
    },
    /// The order was refused.
    #[error("the order was refused: {0}")]
    Refused(String),
    /// An operator's act that is a part of it was refused.
    #[error(transparent)]
    Act(#[from] ActError),
    /// A database failed.
    #[error("a database failed")]
    Db(#[from] sqlx::Error),
}

impl From<SubmitError> for DemoError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Db(error) => Self::Db(error),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Makes a saga of an order of `user_id` stick, and waits until `why` says so.
///
/// # Errors
/// See [`DemoError`]. What had been planted until then stays.
pub async fn stick(operator: &Operator, user_id: UserId, code: Code) -> Result<Stuck, DemoError> {
    nobody_there(operator, code).await?;
    let payments = match (&operator.sight.payments, at_payments(code)) {
        (PaymentsSight::Database(pool), true) => Some(pool.clone()),
        (_, true) => return Err(DemoError::NoPayments(code)),
        (_, false) => None,
    };
    let mut tx = db::begin(operator.engine.pool()).await?;
    let item = anything(&mut tx).await?.ok_or(DemoError::NothingToOrder)?;
    let request = Submit {
        user_id,
        idempotency_key: &Uuid::new_v4().to_string(),
        request_hash: &[0; 32],
        items: &[item],
        limits: commerce::order::OrderLimits::default(),
        expected_total: None,
        trace: TraceRef::random(),
        exported: false,
        eager: false,
    };
    let (order_id, started) = submit_in(&operator.engine, &mut tx, request).await?;
    let started = started.expect("a key that was never used repeats nothing");
    let saga_id = started.saga_id();
    plant::entry(operator, &mut tx, saga_id, code).await?;
    tx.commit().await?;
    operator.engine.announce(&started);
    let mut stuck = Stuck {
        saga_id,
        order_id,
        held: None,
    };
    if plant::is_held(code) {
        stuck.held = Some(plant::hold(operator.engine.pool(), saga_id).await?);
    }
    if let Some(payments) = payments {
        arrive(operator, &stuck, code, Code::WaitingForSignal).await?;
        plant::decision(&payments, order_id, code).await?;
    }
    arrive(operator, &stuck, code, code).await?;
    Ok(stuck)
}

/// Whether it is planted at payments, once the saga waits for its decision.
const fn at_payments(code: Code) -> bool {
    matches!(
        code,
        Code::OutboxUnpublished
            | Code::Unroutable
            | Code::QueueWithoutConsumer
            | Code::MessageFailed
            | Code::ParticipantHasAnswerWeMissed
            | Code::PaymentMismatch
            | Code::Healthy
    )
}

async fn nobody_there(operator: &Operator, code: Code) -> Result<(), DemoError> {
    let role = match code {
        Code::NoWorker => "saga",
        Code::QueueWithoutConsumer => "payments",
        _ => return Ok(()),
    };
    let mut conn = operator.engine.pool().acquire().await?;
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
    Err(DemoError::Alive {
        code,
        role,
        processes: there.join(", "),
    })
}

/// One piece of a product that is there.
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
) -> Result<(), DemoError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let why = why(operator, &[stuck.saga_id]).await?.pop();
        let found = why.as_ref().map(|why| why.judgement.code);
        // the way of a healthy saga leads over rest
        let rests = why.is_some_and(|why| why.state == "completed");
        if found == Some(goal) && (goal != Code::Healthy || rests) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(DemoError::Missed {
                saga_id: stuck.saga_id,
                wanted,
                found: found.map_or_else(|| "vanished".to_owned(), |code| code.to_string()),
            });
        }
        sleep(LOOK_EVERY).await;
    }
}
