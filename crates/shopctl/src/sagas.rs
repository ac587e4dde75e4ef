//! `shopctl saga`.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use clap::Subcommand;
use futures::future::BoxFuture;
use kernel::{OrderId, SagaId, TraceRef, TransactionId};
use messaging::Wakeup;
use saga::{Engine, EngineConfig, EngineError, Verb};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;
use workflows::{
    checkout::Checkout,
    payments::{Call, Cancellation, InitError, NoAnswer, Payments},
};

use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
};

#[derive(Subcommand)]
pub(crate) enum Saga {
    /// List sagas that are not at rest, oldest first.
    List {
        /// Only those in this state: running, waiting, compensating, completed, compensated.
        #[arg(long)]
        state: Option<String>,
        /// Only the saga of this order.
        #[arg(long)]
        order: Option<OrderId>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Show a saga with its journal and signals.
    Show {
        /// The saga.
        id: SagaId,
    },
    /// Run a saga's current work now; its retry budget begins again.
    Retry {
        /// The saga.
        id: SagaId,
        /// Why; kept in the journal.
        #[arg(long)]
        reason: String,
    },
}

impl Saga {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        match self {
            Self::List {
                state,
                order,
                limit,
            } => list(&pool, common.output, state.as_deref(), *order, *limit).await,
            Self::Show { id } => show(&pool, common.output, *id).await,
            Self::Retry { id, reason } => retry(&pool, common.yes, *id, reason).await,
        }
    }
}

#[derive(Serialize)]
struct Row {
    saga_id: Uuid,
    order_id: Option<String>,
    plan: String,
    state: String,
    paused: bool,
    step: Option<String>,
    attempt: Option<i32>,
    due_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    trace_id: String,
}

async fn list(
    pool: &PgPool,
    output: Output,
    state: Option<&str>,
    order: Option<OrderId>,
    limit: i64,
) -> anyhow::Result<()> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select s.saga_id, s.input->>'order_id' as order_id, s.plan, s.state, s.paused, o.step as "step?",
               o.attempt as "attempt?", o.due_at as "due_at?", o.last_error, s.created_at, s.trace_id
        from saga.saga s left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        where case when $1::text is null and $2::text is null
                   then s.state in ('running', 'waiting', 'compensating')
                   else s.state = coalesce($1, s.state) end
          and ($2::text is null or s.input->>'order_id' = $2)
        order by s.created_at
        limit $3
        "#,
        state,
        order.map(|order| order.to_string()),
        limit,
    )
    .fetch_all(pool)
    .await?;
    output::rows(
        output,
        &[
            "SAGA",
            "ORDER",
            "STATE",
            "STEP",
            "ATTEMPT",
            "DUE",
            "LAST ERROR",
        ],
        &rows,
        |row| {
            vec![
                row.saga_id.to_string(),
                row.order_id.clone().unwrap_or_default(),
                if row.paused {
                    format!("{} (paused)", row.state)
                } else {
                    row.state.clone()
                },
                row.step.clone().unwrap_or_default(),
                row.attempt
                    .map(|attempt| attempt.to_string())
                    .unwrap_or_default(),
                row.due_at
                    .map(|at| at.format("%F %T").to_string())
                    .unwrap_or_default(),
                row.last_error.clone().unwrap_or_default(),
            ]
        },
    )?;
    output::talk(&format!("{} sagas", rows.len()));
    Ok(())
}

#[derive(Serialize)]
struct Event {
    at: DateTime<Utc>,
    revision: i64,
    kind: String,
    step: Option<String>,
    attempt: Option<i32>,
    state: String,
    detail: Option<String>,
    actor: Option<String>,
}

async fn show(pool: &PgPool, output: Output, id: SagaId) -> anyhow::Result<()> {
    let head = sqlx::query!(
        r#"
        select s.state, s.paused, s.reason, s.trace_id, s.input->>'order_id' as order_id, o.step as "step?",
               o.due_at as "due_at?", o.attempt as "attempt?", o.last_error
        from saga.saga s left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        where s.saga_id = $1
        "#,
        id.uuid(),
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(|| Failure::not_found(format!("there is no saga {id}")).hint("`shopctl saga list --order ORDER` finds one"))?;
    let journal = sqlx::query_as!(
        Event,
        r#"
        select at, revision, kind, step, attempt, state, detail, actor
        from saga.journal
        where saga_id = $1
        order by revision, n
        "#,
        id.uuid(),
    )
    .fetch_all(pool)
    .await?;
    output::talk(&format!(
        "Saga {id} of order {}, trace {}",
        head.order_id.unwrap_or_default(),
        head.trace_id
    ));
    let paused = if head.paused { ", paused" } else { "" };
    let reason = head
        .reason
        .map(|reason| format!(", because {reason}"))
        .unwrap_or_default();
    output::talk(&format!("It is {}{paused}{reason}.", head.state));
    if let (Some(step), Some(due_at)) = (head.step, head.due_at) {
        let error = head
            .last_error
            .map(|error| format!("; last error: {error}"))
            .unwrap_or_default();
        let attempts = head.attempt.unwrap_or_default();
        output::talk(&format!(
            "Next: {step} at {}, after {attempts} attempts{error}",
            due_at.format("%F %T")
        ));
    }
    output::rows(
        output,
        &["AT", "WHAT", "STEP", "ATTEMPT", "STATE", "DETAIL", "BY"],
        &journal,
        |event| {
            vec![
                event.at.format("%F %T%.3f").to_string(),
                event.kind.clone(),
                event.step.clone().unwrap_or_default(),
                event
                    .attempt
                    .map(|attempt| attempt.to_string())
                    .unwrap_or_default(),
                event.state.clone(),
                event.detail.clone().unwrap_or_default(),
                event.actor.clone().unwrap_or_default(),
            ]
        },
    )
}

async fn retry(pool: &PgPool, yes: bool, id: SagaId, reason: &str) -> anyhow::Result<()> {
    let engine = engine(pool)?;
    output::confirm(yes, &format!("Saga {id} will run its current work now."))?;
    let mut tx = pool.begin().await?;
    let actor = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
    let done = engine
        .operate(&mut tx, id, Verb::Retry, &actor, reason)
        .await;
    let after = done.map_err(|error| match error {
        EngineError::NotFound(id) => {
            anyhow::Error::from(Failure::not_found(format!("there is no saga {id}")))
        }
        EngineError::Conflict { .. } | EngineError::Fenced => {
            Failure::conflict(error.to_string()).into()
        }
        EngineError::Db(error) => error.into(),
        error => Failure::not_done(error.to_string()).into(),
    })?;
    tx.commit().await?;
    after.emit();
    output::talk(&format!(
        "Due now. `shopctl saga show {id}` tells what comes of it."
    ));
    Ok(())
}

/// An engine that decides and stores, and never runs a step: workers do.
pub(crate) fn engine(pool: &PgPool) -> anyhow::Result<Engine<Checkout>> {
    let checkout = Checkout {
        payments: Arc::new(NoPayments),
        payment_deadline: Duration::from_mins(30),
    };
    Ok(Engine::new(
        checkout,
        pool.clone(),
        EngineConfig::default(),
        Wakeup::default(),
    )?)
}

/// The command line calls nobody.
struct NoPayments;

impl NoPayments {
    fn refuse<T>() -> Result<T, NoAnswer> {
        Err(NoAnswer::Unreachable("shopctl calls nobody".to_owned()))
    }
}

impl Payments for NoPayments {
    fn init<'a>(
        &'a self,
        _call: Call<'a>,
        _request: contracts::payments::InitTransaction,
    ) -> BoxFuture<'a, Result<(), InitError>> {
        Box::pin(async { Ok(Self::refuse()?) })
    }

    fn cancel_by_order<'a>(
        &'a self,
        _call: Call<'a>,
        _order_id: OrderId,
        _transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>> {
        Box::pin(async { Self::refuse() })
    }

    fn find<'a>(
        &'a self,
        _transaction_id: TransactionId,
        _trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<contracts::payments::Transaction>, NoAnswer>> {
        Box::pin(async { Self::refuse() })
    }
}
