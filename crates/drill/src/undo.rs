//! Undoes drills: each order that a drill placed comes to rest, and nothing planted stays.
//!
//! A drill's order has an idempotency key that says so. A drill that is undone loses that key.

use std::fmt;

use anyhow::Context;
use kernel::{OrderId, SagaId, TransactionId};
use messaging::failed::{DeadLetterSession, MAX_HELD};
use operator::{ActionError, Actor, Operator};
use saga::{Verb, heartbeat};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::stick::{POLL_INTERVAL, TIMEOUT, plant};

/// The drills to undo, by their idempotency keys.
#[derive(Debug, Clone)]
pub(crate) struct Drills(String);

impl Drills {
    /// All drills, or those of one cause.
    pub(crate) fn of(cause: Option<operator::cause::Code>) -> Self {
        Self(cause.map_or_else(|| "drill %".to_owned(), |code| format!("drill {code} %")))
    }

    /// A new drill of this cause.
    pub(crate) fn new(cause: operator::cause::Code) -> Self {
        Self(format!("drill {cause} {}", Uuid::new_v4()))
    }

    /// The key of its order.
    pub(crate) fn key(&self) -> &str {
        &self.0
    }
}

struct Drilled {
    key: String,
    saga_id: SagaId,
    order_id: OrderId,
    transaction_id: TransactionId,
    total_amount: i64,
    paused: bool,
    at_rest: bool,
}

/// The end of one drill's order.
pub(crate) struct Undone {
    order_id: OrderId,
    /// Its saga's state; it is not at rest only while no worker runs.
    state: String,
    at_rest: bool,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            order_id,
            state,
            at_rest,
        } = self;
        write!(f, "Undone: order {order_id} is {state}")?;
        if *at_rest {
            f.write_str(".")
        } else {
            f.write_str(", and goes on as soon as a `worker saga` runs.")
        }
    }
}

/// Removes what the drills planted, cancels their orders, and waits until the orders are at rest. An
/// order that payments has decided ends as payments decided.
///
/// # Errors
/// When a database or the broker fails, or another session holds a lock, such as a drill that still
/// runs.
pub(crate) async fn undo(operator: &Operator, drills: &Drills) -> anyhow::Result<Vec<Undone>> {
    let shop = operator.engine().pool();
    let mut undone = Vec::new();
    for drilled in find(shop, drills).await? {
        let doing = || format!("the drill with order {} is not undone", drilled.order_id);
        undone.push(one(operator, &drilled).await.with_context(doing)?);
    }
    Ok(undone)
}

async fn find(shop: &PgPool, drills: &Drills) -> sqlx::Result<Vec<Drilled>> {
    sqlx::query_as!(
        Drilled,
        r#"
        select k.key, o.order_id as "order_id: OrderId", o.saga_id as "saga_id: SagaId",
               o.transaction_id as "transaction_id: TransactionId", o.total_amount, s.paused,
               s.ended_at is not null as "at_rest!"
        from commerce.idempotency_key k
             join commerce."order" o using (order_id)
             join saga.saga s using (saga_id)
        where k.key like $1
        order by k.created_at
        "#,
        drills.key(),
    )
    .fetch_all(shop)
    .await
}

async fn one(operator: &Operator, drilled: &Drilled) -> anyhow::Result<Undone> {
    let shop = operator.engine().pool();
    plant::restore_plan(operator, drilled.saga_id).await?;
    if let Ok(payments) = operator.sources().payments.need_database().await {
        let (order_id, id) = (drilled.order_id, drilled.transaction_id);
        plant::restore_payment(payments, order_id, id, drilled.total_amount).await?;
    }
    if !drilled.at_rest {
        let first = if drilled.paused {
            Verb::Resume
        } else {
            Verb::Retry
        };
        for verb in [first, Verb::Cancel] {
            execute(operator, drilled.saga_id, verb).await?;
        }
    }
    let (state, at_rest) = rest(operator, drilled.saga_id).await?;
    if let Some(url) = &operator.sources().amqp_url {
        drop_failed(url, drilled.transaction_id).await?;
    }
    sqlx::query!(
        "delete from commerce.idempotency_key where key = $1",
        drilled.key
    )
    .execute(shop)
    .await?;
    Ok(Undone {
        order_id: drilled.order_id,
        state,
        at_rest,
    })
}

/// Acts on the saga. It may have moved meanwhile so that the action does not fit any more.
async fn execute(operator: &Operator, saga_id: SagaId, verb: Verb) -> Result<(), ActionError> {
    let actor = Actor::new("drill", "the drill is undone").expect("a name and a reason");
    match operator.execute(saga_id, verb, &actor, None).await {
        Ok(_) | Err(ActionError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until the saga is at rest, as long as a worker runs that can bring it there.
async fn rest(operator: &Operator, saga_id: SagaId) -> anyhow::Result<(String, bool)> {
    let until = Instant::now() + TIMEOUT;
    let mut conn = operator.engine().pool().acquire().await?;
    loop {
        let saga = sqlx::query!(
            r#"select state, ended_at is not null as "at_rest!", clock_timestamp() as "now!"
               from saga.saga where saga_id = $1"#,
            saga_id.uuid(),
        )
        .fetch_one(&mut *conn)
        .await?;
        let processes = heartbeat::list(&mut conn).await?;
        let has_worker = processes
            .iter()
            .any(|process| process.is_alive(saga.now) && process.has_role("saga"));
        if saga.at_rest || !has_worker {
            return Ok((saga.state, saga.at_rest));
        }
        if Instant::now() > until {
            let state = saga.state;
            anyhow::bail!(
                "saga {saga_id} is {state} after {TIMEOUT:?}: `shopctl saga why {saga_id}`"
            );
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Removes the messages in `failed` that name the transaction.
async fn drop_failed(amqp_url: &str, transaction_id: TransactionId) -> anyhow::Result<()> {
    let id = transaction_id.to_string();
    let mut session = DeadLetterSession::open(amqp_url, "drill", &[]).await?;
    let held = session
        .take_those(MAX_HELD, |message| message.body.contains(&id))
        .await?;
    let held: Vec<_> = held.iter().collect();
    session.discard(&held).await?;
    session.close().await;
    Ok(())
}
