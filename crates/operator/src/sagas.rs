//! Sagas as an operator sees them: lists, and the complete history of one.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use kernel::{OrderId, SagaId, Stored, UserId};
use saga::{
    Engine, Kind, Shape, Verdict,
    codec::decode_state,
    journal::JournalKind,
    machine::{State, StateKind},
    store,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::audit;

/// Selects sagas. An unset field matches every saga; without a state, an order or a user, only
/// sagas that are not at rest match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sagas in this state.
    pub state: Option<StateKind>,
    /// Sagas of this plan.
    pub plan: Option<String>,
    /// Sagas at this step: running, waiting or compensating there.
    pub step: Option<String>,
    /// Sagas unchanged for at least this long. An attempt is a change.
    pub older_than: Option<Duration>,
    /// Sagas that have been in their state, at their step, for at least this long, however often
    /// they were attempted.
    pub in_state_for: Option<Duration>,
    /// Sagas whose current step has been attempted for at least this long and whose last attempt
    /// failed.
    pub failing_for: Option<Duration>,
    /// The saga of this order.
    pub order: Option<OrderId>,
    /// Sagas of this user's orders.
    pub user: Option<UserId>,
    /// Sagas of one of these orders.
    pub orders: Option<Vec<OrderId>>,
    /// Sagas whose last error or reason for compensation contains this text.
    pub text: Option<String>,
    /// Sagas after this one, in list order.
    pub after: Option<SagaId>,
}

/// A saga in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Saga)]
pub struct SagaSummary {
    /// The saga.
    pub saga_id: SagaId,
    /// The order that the saga drives.
    pub order_id: Option<String>,
    /// The saga's plan.
    pub plan: String,
    /// The plan's version.
    pub plan_version: i32,
    /// The saga's state.
    #[schema(value_type = StateKind)]
    pub state: Stored<StateKind>,
    /// The step of its outbox entry, or `<step>/undo`.
    pub step: Option<String>,
    /// Whether an operator has paused the saga.
    pub paused: bool,
    /// Incremented by every write.
    pub revision: i64,
    /// Attempts begun at the step.
    pub attempt: Option<i32>,
    /// When the saga acts next; during an attempt, the end of the lease.
    pub due_at: Option<DateTime<Utc>>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
    /// When the saga's wait ends.
    pub deadline: Option<DateTime<Utc>>,
    /// Why the saga is, or was, compensated.
    pub reason: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When the saga last moved.
    pub updated_at: DateTime<Utc>,
    /// The id of the saga's single trace.
    pub trace_id: String,
}

/// Lists sagas, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    limit: i64,
) -> sqlx::Result<Vec<SagaSummary>> {
    let named = filter.order.is_some() || filter.user.is_some() || filter.orders.is_some();
    let live = filter.state.is_none() && !named;
    let orders = filter.orders.as_deref();
    let orders: Option<Vec<_>> = orders.map(|ids| ids.iter().map(|id| id.uuid()).collect());
    sqlx::query_as!(
        SagaSummary,
        r#"
        select s.saga_id as "saga_id: SagaId", s.input->>'order_id' as order_id, s.plan, s.plan_version,
               s.state as "state: Stored<StateKind>",
               o.step as "step?", s.paused, s.revision, o.attempt as "attempt?", o.due_at as "due_at?", o.last_error,
               s.deadline, s.reason, s.created_at, s.updated_at, s.trace_id
        from saga.saga s
             left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        -- as a constant it lets the partial index of live sagas be used
        where (not $1 or s.ended_at is null)
          and ($2::text is null or s.state = $2)
          and ($3::text is null or s.plan = $3)
          and ($4::text is null or o.step in ($4, $4 || '/undo'))
          and ($5::float8 is null or s.updated_at < clock_timestamp() - make_interval(secs => $5))
          and ($6::uuid is null or s.saga_id = (select saga_id from commerce."order" where order_id = $6))
          and ($7::uuid is null or s.saga_id in (select saga_id from commerce."order" where user_id = $7))
          and ($11::uuid[] is null or s.saga_id in (select saga_id from commerce."order" where order_id = any($11)))
          and ($12::float8 is null
               or coalesce(s.state_since, s.updated_at) < clock_timestamp() - make_interval(secs => $12))
          and ($13::float8 is null
               or o.last_error is not null and o.since < clock_timestamp() - make_interval(secs => $13))
          and ($8::text is null or o.last_error ilike '%' || $8 || '%' or s.reason ilike '%' || $8 || '%')
          and ($9::uuid is null or (s.created_at, s.saga_id) > (select created_at, saga_id from saga.saga where saga_id = $9))
        order by s.created_at, s.saga_id
        limit $10
        "#,
        live,
        filter.state.map(StateKind::as_str),
        filter.plan,
        filter.step,
        filter.older_than.map(|age| age.as_secs_f64()),
        filter.order.map(OrderId::uuid),
        filter.user.map(UserId::uuid),
        filter.text.as_deref().map(escaped),
        filter.after.map(SagaId::uuid),
        limit,
        orders.as_deref(),
        filter.in_state_for.map(|age| age.as_secs_f64()),
        filter.failing_for.map(|age| age.as_secs_f64()),
    )
    .fetch_all(conn)
    .await
}

/// `text` with the wildcards of `like` escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// One event in a saga's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SagaMoment)]
pub struct JournalEntry {
    /// When the event happened.
    pub at: DateTime<Utc>,
    /// The revision that the event created.
    pub revision: i64,
    /// The kind of event.
    #[schema(value_type = JournalKind)]
    pub kind: Stored<JournalKind>,
    /// The step.
    pub step: Option<String>,
    /// The attempt.
    pub attempt: Option<i32>,
    /// The saga's state after the event.
    #[schema(value_type = StateKind)]
    pub state: Stored<StateKind>,
    /// The error, verdict or reason.
    pub detail: Option<String>,
    /// The actor of an operator's action, or the source of a signal.
    pub actor: Option<String>,
}

/// A signal with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SagaSignal)]
pub struct Signal {
    /// The signal's id.
    pub signal_id: uuid::Uuid,
    /// The signal's name.
    pub name: String,
    /// None until the signal is decided on.
    #[schema(value_type = Option<Verdict>)]
    pub verdict: Option<Stored<Verdict>>,
    /// The signal's source.
    pub source: String,
    /// When the signal arrived.
    pub received_at: DateTime<Utc>,
}

/// A step of the plan, with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SagaStep)]
pub struct Step {
    /// The step's name.
    pub name: &'static str,
    /// Where the step takes effect.
    pub kind: Kind,
    /// The step's progress.
    pub status: StepStatus,
}

/// The progress of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SagaStepStatus)]
pub enum StepStatus {
    /// The saga has not reached the step, or the step has no undo.
    Untouched,
    /// The step is due, or is running.
    Running,
    /// The saga waits at the step.
    Waiting,
    /// The step took effect.
    Done,
    /// The step is being undone.
    Undoing,
    /// The step is undone.
    Undone,
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Untouched => "untouched",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        })
    }
}

/// A saga with its complete history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SagaLife)]
pub struct SagaDetail {
    /// The saga's current state.
    #[serde(flatten)]
    pub saga: SagaSummary,
    /// The plan's steps; empty if this binary does not know the plan.
    pub steps: Vec<Step>,
    /// The journal, in sequence.
    pub timeline: Vec<JournalEntry>,
    /// The signals received.
    pub signals: Vec<Signal>,
    /// The operators' actions, newest first.
    pub acts: Vec<audit::Row>,
}

/// Maximum number of operators' actions shown for one saga.
const MAX_ACTIONS: i64 = 1000;

/// Reads a saga that is not archived, with its complete history.
pub async fn find_detail(
    conn: &mut PgConnection,
    saga_id: SagaId,
    engine: &Engine,
) -> sqlx::Result<Option<SagaDetail>> {
    let Some(row) = store::load(&mut *conn, &[saga_id.uuid()]).await?.pop() else {
        return Ok(None);
    };
    let steps = match engine.shape_of(&row) {
        Some(shape) => {
            decode_state(shape, &row).map_or_else(|_| Vec::new(), |state| steps(shape, state))
        }
        None => Vec::new(),
    };
    let entry = sqlx::query!(
        "select step, attempt, due_at, last_error from messaging.outbox
         where saga_id = $1 and kind in ('step', 'timer')",
        saga_id.uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let times = sqlx::query!(
        "select created_at, updated_at from saga.saga where saga_id = $1",
        saga_id.uuid(),
    )
    .fetch_one(&mut *conn)
    .await?;
    let order_id = row.input.get("order_id").and_then(Value::as_str);
    let saga = SagaSummary {
        saga_id,
        order_id: order_id.map(ToOwned::to_owned),
        plan: row.plan,
        plan_version: row.plan_version,
        state: Stored::read(row.state),
        step: entry.as_ref().and_then(|entry| entry.step.clone()),
        paused: row.paused,
        revision: row.revision,
        attempt: entry.as_ref().map(|entry| entry.attempt),
        due_at: entry.as_ref().map(|entry| entry.due_at),
        last_error: entry.and_then(|entry| entry.last_error),
        deadline: row.deadline,
        reason: row.reason,
        created_at: times.created_at,
        updated_at: times.updated_at,
        trace_id: row.trace_id,
    };
    Ok(Some(SagaDetail {
        saga,
        steps,
        timeline: timeline(&mut *conn, saga_id).await?,
        signals: signals(&mut *conn, saga_id).await?,
        acts: audit::list(
            conn,
            Some(audit::Subject::Saga(&saga_id.to_string())),
            MAX_ACTIONS,
        )
        .await?,
    }))
}

/// Reads these sagas, in list order; unknown and archived sagas are missing.
pub async fn find(conn: &mut PgConnection, ids: &[SagaId]) -> sqlx::Result<Vec<SagaSummary>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    sqlx::query_as!(
        SagaSummary,
        r#"
        select s.saga_id as "saga_id: SagaId", s.input->>'order_id' as order_id, s.plan, s.plan_version,
               s.state as "state: Stored<StateKind>",
               o.step as "step?", s.paused, s.revision, o.attempt as "attempt?", o.due_at as "due_at?", o.last_error,
               s.deadline, s.reason, s.created_at, s.updated_at, s.trace_id
        from saga.saga s
             left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        where s.saga_id = any($1)
        order by s.created_at, s.saga_id
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await
}

/// Reads a saga's journal, in sequence.
pub async fn timeline(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<Vec<JournalEntry>> {
    sqlx::query_as!(
        JournalEntry,
        r#"
        select at, revision, kind as "kind: Stored<JournalKind>", step, attempt, state as "state: Stored<StateKind>", detail,
               actor
        from saga.journal
        where saga_id = $1
        order by revision, n
        "#,
        saga_id.uuid(),
    )
    .fetch_all(conn)
    .await
}

async fn signals(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<Vec<Signal>> {
    sqlx::query_as!(
        Signal,
        r#"
        select signal_id, name, verdict as "verdict: Stored<Verdict>", source, received_at
        from saga.signal
        where saga_id = $1
        order by received_at, signal_id
        "#,
        saga_id.uuid(),
    )
    .fetch_all(conn)
    .await
}

fn steps(shape: &Shape, state: State) -> Vec<Step> {
    let status = |at: usize, has_an_undo: bool| match state {
        State::Running { step } | State::Waiting { step } if at < step => StepStatus::Done,
        State::Running { step } if at == step => StepStatus::Running,
        State::Waiting { step } if at == step => StepStatus::Waiting,
        State::Completed => StepStatus::Done,
        State::Compensating { step, .. } if at < step => StepStatus::Done,
        State::Compensating { step, .. } if at == step => StepStatus::Undoing,
        State::Compensating { from, .. } | State::Compensated { from }
            if at <= from && has_an_undo =>
        {
            StepStatus::Undone
        }
        _ => StepStatus::Untouched,
    };
    let steps = shape.steps.iter().enumerate();
    steps
        .map(|(at, step)| Step {
            name: step.name,
            kind: step.kind,
            status: status(at, step.has_an_undo()),
        })
        .collect()
}
