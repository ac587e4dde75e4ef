//! All SQL of the engine.
//!
//! Every transaction locks in the same order: saga rows by id, then their entries, then the rows
//! that the local steps lock (orders, then stock by product id). A claim takes entries in a commit
//! of its own.

pub mod claim;
pub mod codec;
pub mod heartbeat;
pub(crate) mod orphaned;
pub mod trace_export;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::{SagaId, SignalId, TraceRef};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    journal::{JournalRow, StoredRow},
    signal::Verdict,
    store::claim::PlanKey,
};

/// A saga row, as locked or read.
#[derive(Debug, Clone)]
pub struct Row {
    /// The saga.
    pub saga_id: SagaId,
    /// Its plan's name.
    pub plan: String,
    /// Its plan's version.
    pub plan_version: i32,
    /// Its plan's hash.
    pub plan_hash: String,
    /// Stored state.
    pub state: String,
    /// Index of the current step.
    pub step: i16,
    /// Index of the highest step that had started when compensation began.
    pub undo_from: Option<i16>,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Incremented by every write; 0 before the first one.
    pub revision: i64,
    /// The absolute time at which the wait ends.
    pub deadline: Option<DateTime<Utc>>,
    /// Why the saga is compensated.
    pub reason: Option<String>,
    /// Number of signals without a final verdict.
    pub kept: i32,
    /// The values that were chosen before any call left.
    pub input: Value,
    /// The trace of the whole saga.
    pub trace_id: String,
    /// Span id of the trace's root.
    pub root_span_id: String,
    /// Since when the saga has been in its state, at its step.
    pub state_since: DateTime<Utc>,
    /// The database's time of this read.
    pub now: DateTime<Utc>,
}

impl Row {
    /// A saga that is not stored yet: before its first transition.
    pub(crate) fn unborn(
        saga_id: SagaId,
        plan: PlanKey,
        input: Value,
        trace: &TraceRef,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            saga_id,
            plan: plan.name,
            plan_version: plan.version,
            plan_hash: plan.hash,
            state: "running".to_owned(),
            step: 0,
            undo_from: None,
            paused: false,
            revision: 0,
            deadline: None,
            reason: None,
            kept: 0,
            input,
            trace_id: trace.trace_id().to_owned(),
            root_span_id: trace.span_id().to_owned(),
            state_since: now,
            now,
        }
    }

    /// Whether the saga is not stored yet.
    pub(crate) const fn is_unborn(&self) -> bool {
        self.revision == 0
    }
}

/// Locks sagas, ordered by id. The result omits sagas that do not exist.
pub async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"
        select saga_id, plan, plan_version, plan_hash, state, step, undo_from, paused, revision, deadline, reason,
               kept, input, trace_id, root_span_id, coalesce(state_since, updated_at) as "state_since!",
               clock_timestamp() as "now!"
        from saga.saga
        where saga_id = any($1)
        order by saga_id
        for update
        "#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// Like [`lock`], without waiting: the result omits sagas that other sessions have locked, too.
pub async fn lock_free(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"
        select saga_id, plan, plan_version, plan_hash, state, step, undo_from, paused, revision, deadline, reason,
               kept, input, trace_id, root_span_id, coalesce(state_since, updated_at) as "state_since!",
               clock_timestamp() as "now!"
        from saga.saga
        where saga_id = any($1)
        order by saga_id
        for update skip locked
        "#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// The database's time.
pub async fn now(conn: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(conn)
        .await
}

/// Reads sagas without locking them.
pub async fn load(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"
        select saga_id, plan, plan_version, plan_hash, state, step, undo_from, paused, revision, deadline, reason,
               kept, input, trace_id, root_span_id, coalesce(state_since, updated_at) as "state_since!",
               clock_timestamp() as "now!"
        from saga.saga
        where saga_id = any($1)
        "#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// A signal without a final verdict.
#[derive(Debug, Clone)]
pub struct PendingSignalRow {
    /// The saga that received it.
    pub saga_id: SagaId,
    /// Its id.
    pub signal_id: SignalId,
    /// Its name.
    pub name: String,
    /// [`Verdict::Early`], or absent while it is undecided.
    pub verdict: Option<Verdict>,
}

/// The pending signals of sagas that the caller has locked, oldest first.
///
/// A separate statement: rows committed while `lock` waited are visible only to a later snapshot.
pub async fn pending_signals(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<PendingSignalRow>> {
    sqlx::query_as!(
        PendingSignalRow,
        r#"
        select saga_id, signal_id, name, verdict as "verdict: Verdict"
        from saga.signal
        where saga_id = any($1)
          and (verdict is null or verdict = 'early')
        order by received_at, signal_id
        "#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// Those of these signals that are stored. The caller has locked their sagas.
pub async fn known_signals(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select signal_id from saga.signal where signal_id = any($1)",
        ids
    )
    .fetch_all(conn)
    .await
}

/// The journals of sagas that are not archived, each in journal order.
pub async fn journals(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<SagaId, Vec<StoredRow>>> {
    let rows = sqlx::query!(
        r#"
        select j.saga_id as "saga_id: SagaId", j.at, j.revision, saga.journal_fact(j) as "fact!", j.step, j.attempt,
               j.state, j.detail, j.actor, coalesce(j.ran, '{}') as "ran!"
        from saga.journal j
        where j.saga_id = any($1)
        order by j.saga_id, j.revision, j.n
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let mut journals = HashMap::<_, Vec<_>>::new();
    for row in rows {
        journals.entry(row.saga_id).or_default().push(StoredRow {
            at: row.at,
            revision: row.revision,
            fact: row.fact,
            step: row.step,
            attempt: row.attempt,
            state: row.state,
            detail: row.detail,
            actor: row.actor,
            ran: row.ran,
        });
    }
    Ok(journals)
}

/// The work that an entry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryWrite<'a> {
    /// `step` or `timer`.
    pub kind: &'a str,
    /// Step name, or `<step>/undo`.
    pub step: std::borrow::Cow<'a, str>,
}

/// The data that only the creation of a saga stores.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Born {
    /// Its input.
    pub input: Value,
    /// Its trace.
    pub trace_id: String,
    /// Span id of the trace's root.
    pub root_span_id: String,
}

/// One saga's part of a [`save`]. Serialized: the whole batch goes to the database as one array.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Save {
    /// The saga: new, or locked by the caller.
    pub saga_id: Uuid,
    /// The revision that the decision was made on; 0 for a new saga.
    pub revision: i64,
    /// Present for a new saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub born: Option<Born>,
    /// When the decision was made, by the database's clock.
    pub at: DateTime<Utc>,
    /// New state.
    pub state: &'static str,
    /// New step.
    pub step: i16,
    /// New `undo_from`.
    pub undo_from: Option<i16>,
    /// New paused flag.
    pub paused: bool,
    /// New deadline.
    pub deadline: Option<DateTime<Utc>>,
    /// New reason.
    pub reason: Option<String>,
    /// New number of kept signals.
    pub kept: i32,
    /// The change to the entry.
    pub entry: EntryChange,
    /// Plan, for a new entry.
    pub plan: String,
    /// Plan version, for a new entry.
    pub plan_version: i32,
    /// Plan hash, for a new entry.
    pub plan_hash: String,
    /// Rows for the journal.
    pub journal: Vec<JournalRow>,
    /// Signals received now.
    pub signals: Vec<SignalRow>,
    /// Verdicts on signals received before.
    pub verdicts: Vec<VerdictRow>,
}

/// The claim that a write depends on. The epoch alone is not enough: pausing removes the entry, and
/// resuming writes a new entry whose epochs start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Fence {
    /// The entry claimed.
    pub held: Uuid,
    /// Its epoch after the claim.
    pub epoch: i64,
}

/// The change to a saga's entry.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum EntryChange {
    /// The entry stays as it is.
    Unchanged,
    /// The same work is due again.
    Retry {
        /// Only under this claim.
        #[serde(flatten)]
        fence: Fence,
        /// When the work is due.
        due_at: DateTime<Utc>,
        /// The attempt's error.
        error: String,
    },
    /// Other work, under the next epoch.
    Replace {
        /// Only under this claim.
        #[serde(flatten)]
        fence: Fence,
        /// `step` or `timer`.
        kind: &'static str,
        /// Step name, or `<step>/undo`.
        step: String,
        /// When the work is due.
        due_at: DateTime<Utc>,
    },
    /// The entry is removed.
    Remove {
        /// Only under this claim; without a claim, the removal fences out the current lease holder.
        #[serde(flatten)]
        fence: Option<Fence>,
    },
    /// The entry is due at once, even if it is leased: another binary may be able to decide on a
    /// signal that this one cannot.
    DueNow,
    /// The entry asks for this work, and is inserted if it is missing. This fences out the current
    /// lease holder.
    Ensure {
        /// `step` or `timer`.
        kind: &'static str,
        /// Step name, or `<step>/undo`.
        step: String,
        /// When the work is due; for a claimed entry, the end of the lease.
        due_at: DateTime<Utc>,
        /// The claim under which the entry of a new saga is inserted.
        #[serde(flatten)]
        claimed: Option<FirstClaim>,
    },
}

/// The claim of an entry by the process that inserts it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FirstClaim {
    /// The entry, and its first epoch.
    #[serde(flatten)]
    pub fence: Fence,
    /// The lease holder.
    pub holder: String,
}

/// A signal to be kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SignalRow {
    /// Its id.
    pub signal_id: Uuid,
    /// Its name.
    pub name: String,
    /// The verdict, absent while the signal is undecided.
    pub verdict: Option<&'static str>,
    /// The signal's data.
    pub payload: Value,
    /// The sender: a message id, a user or an operator.
    pub source: String,
}

/// A verdict on a kept signal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VerdictRow {
    /// The signal.
    pub signal_id: Uuid,
    /// The verdict.
    pub verdict: &'static str,
}

/// The number of rows that a [`save`] changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// Saga rows, new ones included.
    pub sagas: i64,
    /// Entries retried, replaced, removed, made due or ensured. A removal without a claim counts
    /// even if the saga has no entry.
    pub entries: i64,
}

/// Stores transitions, all or none. A saga is stored and changes in no other way.
///
/// The caller compares [`Saved`] with the number of changes that it requested. Fewer rows mean that
/// another transaction moved a saga first, and the caller rolls back.
pub async fn save(conn: &mut PgConnection, saves: &[Save]) -> sqlx::Result<Saved> {
    let (born, moved): (Vec<_>, Vec<_>) = saves.iter().partition(|save| save.born.is_some());
    // two statements, because PostgreSQL pays for each part of a statement, used or not
    let (mut inserted, mut updated) = (Saved::default(), Saved::default());
    if !born.is_empty() {
        inserted = save_born(conn, &born).await?;
    }
    if !moved.is_empty() {
        updated = save_moved(conn, &moved).await?;
    }
    Ok(Saved {
        sagas: inserted.sagas + updated.sagas,
        entries: inserted.entries + updated.entries,
    })
}

/// Inserts new sagas, each with its entry.
async fn save_born(conn: &mut PgConnection, saves: &[&Save]) -> sqlx::Result<Saved> {
    sqlx::query_as!(
        Saved,
        r#"
        with t as (
            select t.*, case when t.state in ('completed', 'compensated') then t.at end as ended_at, b.input,
                   b.trace_id, b.root_span_id, e.change, e.held, e.epoch, e.holder, e.kind, e.step as entry_step,
                   e.due_at
            from jsonb_to_recordset($1) as t(
                     saga_id uuid, revision bigint, born jsonb, at timestamptz, state text, step smallint,
                     deadline timestamptz, entry jsonb, plan text, plan_version integer, plan_hash text, journal jsonb),
                 jsonb_to_record(t.born) as b(input jsonb, trace_id text, root_span_id text),
                 jsonb_to_record(t.entry) as e(
                     change text, held uuid, epoch bigint, holder text, kind text, step text, due_at timestamptz)
        ), born as (
            insert into saga.saga (saga_id, plan, plan_version, plan_hash, state, step, deadline, input, trace_id,
                                   root_span_id, created_at, updated_at, state_since, ended_at)
            select t.saga_id, t.plan, t.plan_version, t.plan_hash, t.state, t.step, t.deadline, t.input, t.trace_id,
                   t.root_span_id, t.at, t.at, t.at, t.ended_at
            from t
            returning 1
        ), journal as (
            insert into saga.journal (saga_id, revision, n, at, kind, step, attempt, detail, state, actor, began_at,
                                      span_id, process, ran, signal, verdict, verb, cause, budget_spent)
            select t.saga_id, t.revision + 1, j.n - 1, t.at, r.kind, r.step, r.attempt, r.detail, t.state, r.actor,
                   r.began_at, r.span_id, r.process, r.ran, r.signal, r.verdict, r.verb, r.cause, r.budget_spent
            from t,
                 jsonb_array_elements(t.journal) with ordinality as j(row, n),
                 jsonb_to_record(j.row) as r(
                     kind text, step text, attempt integer, detail text, actor text, began_at timestamptz, span_id text,
                     process text, ran text[], signal text, verdict text, verb text, cause text, budget_spent boolean)
        ), ensured as (
            insert into messaging.outbox (entry_id, kind, saga_id, plan, plan_version, plan_hash, step, since, due_at,
                                          epoch, attempt, holder)
            select coalesce(t.held, gen_random_uuid()), t.kind, t.saga_id, t.plan, t.plan_version, t.plan_hash,
                   t.entry_step, t.at, t.due_at, coalesce(t.epoch, 0), coalesce(t.epoch, 0), t.holder
            from t
            where t.change = 'ensure'
            returning 1
        )
        select (select count(*) from born) as "sagas!", (select count(*) from ensured) as "entries!"
        "#,
        Json(saves) as _,
    )
    .fetch_one(conn)
    .await
}

/// Moves sagas, and changes their entries.
async fn save_moved(conn: &mut PgConnection, saves: &[&Save]) -> sqlx::Result<Saved> {
    sqlx::query_as!(
        Saved,
        r#"
        with t as (
            select t.*, case when t.state in ('completed', 'compensated') then t.at end as ended_at, e.change, e.held,
                   e.epoch, e.kind, e.step as entry_step, e.due_at, e.error
            from jsonb_to_recordset($1) as t(
                     saga_id uuid, revision bigint, at timestamptz, state text, step smallint, undo_from smallint,
                     paused boolean, deadline timestamptz, reason text, kept integer, entry jsonb, plan text,
                     plan_version integer, plan_hash text, journal jsonb, signals jsonb, verdicts jsonb),
                 jsonb_to_record(t.entry) as e(
                     change text, held uuid, epoch bigint, kind text, step text, due_at timestamptz, error text)
        ), moved as (
            update saga.saga s
            set state = t.state, step = t.step, undo_from = t.undo_from, paused = t.paused, deadline = t.deadline,
                reason = t.reason, kept = t.kept, revision = s.revision + 1, updated_at = clock_timestamp(),
                state_since = case when (s.state, s.step) = (t.state, t.step) then s.state_since else t.at end,
                ended_at = t.ended_at
            from t
            where s.saga_id = t.saga_id
              and s.revision = t.revision
            returning 1
        ), journal as (
            insert into saga.journal (saga_id, revision, n, at, kind, step, attempt, detail, state, actor, began_at,
                                      span_id, process, ran, signal, verdict, verb, cause, budget_spent)
            select t.saga_id, t.revision + 1, j.n - 1, t.at, r.kind, r.step, r.attempt, r.detail, t.state, r.actor,
                   r.began_at, r.span_id, r.process, r.ran, r.signal, r.verdict, r.verb, r.cause, r.budget_spent
            from t,
                 jsonb_array_elements(t.journal) with ordinality as j(row, n),
                 jsonb_to_record(j.row) as r(
                     kind text, step text, attempt integer, detail text, actor text, began_at timestamptz, span_id text,
                     process text, ran text[], signal text, verdict text, verb text, cause text, budget_spent boolean)
        ), signal as (
            insert into saga.signal (signal_id, saga_id, name, verdict, payload, source, decided_at)
            select (g.row->>'signal_id')::uuid, t.saga_id, g.row->>'name', g.row->>'verdict', g.row->'payload',
                   g.row->>'source', case when g.row->>'verdict' is not null then clock_timestamp() end
            from t, jsonb_array_elements(t.signals) as g(row)
        ), verdict as (
            update saga.signal g
            set verdict = v.row->>'verdict', decided_at = clock_timestamp()
            from t, jsonb_array_elements(t.verdicts) as v(row)
            where g.signal_id = (v.row->>'signal_id')::uuid
        ), changed as (
            update messaging.outbox o
            set kind = coalesce(t.kind, o.kind), step = coalesce(t.entry_step, o.step), due_at = t.due_at,
                since = case t.change when 'replace' then clock_timestamp() else o.since end,
                epoch = case t.change when 'replace' then o.epoch + 1 else o.epoch end,
                attempt = case t.change when 'replace' then 0 else o.attempt end,
                last_error = t.error, holder = null
            from t
            where t.change in ('retry', 'replace')
              and o.entry_id = t.held
              and o.epoch = t.epoch
            returning 1
        ), hastened as (
            update messaging.outbox o
            set due_at = clock_timestamp()
            from t
            where t.change = 'due_now'
              and o.saga_id = t.saga_id
              and o.kind in ('step', 'timer')
            returning 1
        ), removed as (
            delete from messaging.outbox o
            using t
            where t.change = 'remove'
              and o.saga_id = t.saga_id
              and o.kind in ('step', 'timer')
              and o.entry_id = coalesce(t.held, o.entry_id)
              and o.epoch = coalesce(t.epoch, o.epoch)
            returning t.held
        ), ensured as (
            insert into messaging.outbox as o (entry_id, kind, saga_id, plan, plan_version, plan_hash, step, since,
                                               due_at, epoch, attempt, holder)
            select gen_random_uuid(), t.kind, t.saga_id, t.plan, t.plan_version, t.plan_hash,
                   t.entry_step, t.at, t.due_at, 0, 0, null
            from t
            where t.change = 'ensure'
            on conflict (saga_id) where kind in ('step', 'timer') do update
            set kind = excluded.kind, step = excluded.step, since = clock_timestamp(), due_at = excluded.due_at,
                epoch = o.epoch + 1, attempt = 0, last_error = null, holder = null
            returning 1
        )
        select (select count(*) from moved) as "sagas!",
               (select count(*) from changed) + (select count(*) from hastened)
                   + (select count(*) from removed where held is not null)
                   + (select count(*) from t where change = 'remove' and held is null)
                   + (select count(*) from ensured) as "entries!"
        "#,
        Json(saves) as _,
    )
    .fetch_one(conn)
    .await
}

/// Moves sagas that came to rest longer than `age` ago into the archive, with journal and signals:
/// the oldest, at most `limit`. Returns the number of archived sagas.
///
/// Live and paused sagas are never touched, however old they are.
pub async fn archive(
    conn: &mut PgConnection,
    age: std::time::Duration,
    limit: i64,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        r#"
        with old as (
            select *
            from saga.saga
            where created_at < clock_timestamp() - make_interval(secs => $1)
              and updated_at < clock_timestamp() - make_interval(secs => $1)
              and state in ('completed', 'compensated')
              and not paused
            order by created_at
            limit $2
            for update skip locked
        ), kept as (
            insert into saga.archive (saga_id, plan, plan_version, state, reason, trace_id, root_span_id, created_at,
                                      ended_at, story)
            select o.saga_id, o.plan, o.plan_version, o.state, o.reason, o.trace_id, o.root_span_id, o.created_at,
                   o.updated_at,
                   jsonb_build_object(
                       'input', o.input,
                       'journal', (select coalesce(jsonb_agg(to_jsonb(j) - 'saga_id' order by j.revision, j.n), '[]')
                                   from saga.journal j where j.saga_id = o.saga_id),
                       'signals', (select coalesce(jsonb_agg(to_jsonb(g) - 'saga_id' order by g.received_at), '[]')
                                   from saga.signal g where g.saga_id = o.saga_id))
            from old o
        ), signals as (
            delete from saga.signal g using old o where g.saga_id = o.saga_id
        ), journal as (
            delete from saga.journal j using old o where j.saga_id = o.saga_id
        )
        delete from saga.saga s using old o where s.saga_id = o.saga_id
        "#,
        age.as_secs_f64(),
        limit,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
