//! The body of every transaction that moves sagas, and the export that follows its commit.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::{SagaId, SignalId, TraceRef};
use sqlx::{PgConnection, PgPool};
use tracing::{debug, error};

use crate::{
    codec::Unreadable,
    define::Milestone,
    engine::{EngineError, EngineShared, RegisteredPlan},
    journal::CompensationCause,
    machine::{Op, State, StateKind},
    registry::{AnyInput, Logger},
    signal::Verdict,
    store::{self, EntryChange, Save},
    trace_export::{self, JournalBatch, SagaTrace},
    transition::{Transition, Trigger, undecided},
};

/// The work that follows a commit: spans, metrics and wake-ups.
#[derive(Debug, Default)]
#[must_use = "call `emit` after the commit"]
pub struct AfterCommit {
    moved: Vec<Moved>,
    trace_exports: Vec<(SagaTrace, JournalBatch)>,
    pool: Option<PgPool>,
    wakeup: Option<messaging::Wakeup>,
}

#[derive(Debug)]
struct Moved {
    saga_id: SagaId,
    /// For the log: a batch has no trace of its own.
    trace_id: String,
    plan: &'static str,
    before: State,
    after: State,
    breach: bool,
    /// Why this write begins compensation, as a metric label, if it does.
    compensated: Option<&'static str>,
    reason: Option<String>,
    at: DateTime<Utc>,
    input: AnyInput,
    logger: Logger,
}

impl Moved {
    /// Logs that the saga waits or has come to rest, if this write made it so.
    fn log(&self) {
        let after = self.after.kind();
        if matches!(after, StateKind::Running | StateKind::Compensating) {
            return;
        }
        let created_at = trace_export::created_at(self.saga_id).unwrap_or(self.at);
        let milestone = Milestone {
            saga_id: self.saga_id,
            trace_id: &self.trace_id,
            state: after,
            reason: self.reason.as_deref(),
            elapsed: self.at - created_at,
        };
        (self.logger)(&self.input, &milestone);
    }
}

impl AfterCommit {
    /// Wakes this process' workers, counts the transitions, and exports their spans.
    pub fn emit(self) {
        for (saga_trace, batch) in self.trace_exports {
            trace_export::export(saga_trace, &batch, self.pool.as_ref());
        }
        for moved in &self.moved {
            if moved.before != moved.after {
                metrics::counter!("saga_transitions_total", "plan" => moved.plan, "state" => moved.after.name())
                    .increment(1);
                debug!(
                    saga.id = %moved.saga_id,
                    saga.state = moved.after.name(),
                    trace_id = moved.trace_id,
                    "Saga moved"
                );
                moved.log();
            }
            if let Some(reason) = moved.compensated {
                metrics::counter!("saga_compensations_total", "plan" => moved.plan, "reason" => reason)
                    .increment(1);
            }
            if moved.breach {
                metrics::counter!("saga_breaches_total", "plan" => moved.plan).increment(1);
                error!(
                    saga.id = %moved.saga_id,
                    trace_id = moved.trace_id,
                    "A fact contradicts what saga {} had already decided: compare its order with its transaction",
                    moved.saga_id,
                );
            }
        }
        if let Some(wakeup) = self.wakeup {
            wakeup.notify();
        }
    }
}

/// The result of a batch of signals.
#[derive(Debug)]
pub struct SignalResult {
    /// Verdicts by signal; `None` for a signal that is kept undecided. Signals to sagas that do not
    /// exist, and those that were known already, are missing.
    pub verdicts: BTreeMap<SignalId, Option<Verdict>>,
    /// The number of signals that were known already.
    pub duplicates: usize,
    /// To be emitted after the commit.
    pub after: AfterCommit,
}

/// One saga of a transaction.
struct Moving<'a> {
    registered: RegisteredPlan<'a>,
    trace_id: String,
    input: AnyInput,
    transition: Transition,
}

/// The sagas of a transaction, with what is to be stored for them.
#[derive(Default)]
pub(crate) struct Moves<'a> {
    moving: Vec<Moving<'a>>,
    /// Of sagas whose plan this binary does not know.
    undecided: Vec<Save>,
    trace_exports: Vec<(SagaTrace, JournalBatch)>,
}

/// Locks the sagas, computes their transitions from the triggers, stores the transitions and runs
/// the local steps: the body of every transaction that moves sagas, one or a batch.
pub(crate) async fn apply_triggers(
    shared: &EngineShared,
    conn: &mut PgConnection,
    triggers: Vec<(SagaId, Trigger)>,
) -> Result<SignalResult, EngineError> {
    let mut by_saga = BTreeMap::<SagaId, Vec<Trigger>>::new();
    for (saga_id, trigger) in triggers {
        by_saga.entry(saga_id).or_default().push(trigger);
    }
    let ids: Vec<_> = by_saga.keys().map(|id| id.uuid()).collect();
    let rows = store::lock(conn, &ids).await?;
    let duplicates = drop_known(conn, &mut by_saga).await?;
    let pending = pending_of(conn, &rows).await?;
    let mut moves = Moves::default();
    for row in &rows {
        let triggers = by_saga.remove(&row.saga_id).unwrap_or_default();
        if !triggers.is_empty() && moves.add(shared, row, &pending, triggers)?.is_stale() {
            return Err(EngineError::Fenced);
        }
    }
    let mut result = moves.store(shared, conn).await?;
    result.duplicates = duplicates;
    Ok(result)
}

/// Removes the signals that an earlier transaction, or an earlier trigger of this one, has brought.
/// Returns how many. Their sagas are locked, so no other transaction brings one meanwhile.
async fn drop_known(
    conn: &mut PgConnection,
    by_saga: &mut BTreeMap<SagaId, Vec<Trigger>>,
) -> sqlx::Result<usize> {
    let signal = |trigger: &Trigger| match trigger {
        Trigger::Signal(signal) => Some(signal.id.uuid()),
        Trigger::Begun(_) | Trigger::Attempt(..) | Trigger::Operator(_) => None,
    };
    let ids: Vec<_> = by_saga.values().flatten().filter_map(signal).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let mut known: HashSet<_> = store::known_signals(conn, &ids)
        .await?
        .into_iter()
        .collect();
    let before: usize = by_saga.values().map(Vec::len).sum();
    for triggers in by_saga.values_mut() {
        triggers.retain(|trigger| signal(trigger).is_none_or(|id| known.insert(id)));
    }
    Ok(before - by_saga.values().map(Vec::len).sum::<usize>())
}

/// Like [`apply_triggers`], with one trigger a saga and without waiting for locks. Returns for each
/// trigger whether it was stored; absent if it must be stored alone, because another session has
/// locked the saga or because it fails.
pub(crate) async fn try_apply_triggers(
    shared: &EngineShared,
    conn: &mut PgConnection,
    triggers: &[(SagaId, Trigger)],
) -> Result<(Vec<Option<Result<(), EngineError>>>, AfterCommit), EngineError> {
    let mut by_saga = BTreeMap::<SagaId, usize>::new();
    for (index, (saga_id, _)) in triggers.iter().enumerate() {
        by_saga.entry(*saga_id).or_insert(index);
    }
    let ids: Vec<_> = by_saga.keys().map(|id| id.uuid()).collect();
    let rows = store::lock_free(conn, &ids).await?;
    let pending = pending_of(conn, &rows).await?;
    let mut answers: Vec<_> = triggers.iter().map(|_| None).collect();
    let mut moves = Moves::default();
    for row in &rows {
        let index = by_saga[&row.saga_id];
        let added = moves.add(shared, row, &pending, vec![triggers[index].1.clone()]);
        answers[index] = match added {
            Ok(Added::Moving) => Some(Ok(())),
            Ok(Added::Stale) => Some(Err(EngineError::Fenced)),
            Err(_) => None, // alone, it fails for its own caller
        };
    }
    let stored = moves.store(shared, conn).await?;
    Ok((answers, stored.after))
}

/// The pending signals of those sagas that have some.
async fn pending_of(
    conn: &mut PgConnection,
    rows: &[store::Row],
) -> sqlx::Result<Vec<store::PendingSignalRow>> {
    let with_pending = rows.iter().filter(|row| row.kept > 0);
    let with_pending: Vec<_> = with_pending.map(|row| row.saga_id.uuid()).collect();
    if with_pending.is_empty() {
        return Ok(Vec::new());
    }
    store::pending_signals(conn, &with_pending).await
}

/// The result of adding one saga's triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// They are to be stored.
    Moving,
    /// The saga has already moved past them.
    Stale,
}

impl Added {
    const fn is_stale(self) -> bool {
        matches!(self, Self::Stale)
    }
}

impl<'a> Moves<'a> {
    /// Computes the transition of a locked saga.
    fn add(
        &mut self,
        shared: &'a EngineShared,
        row: &store::Row,
        pending: &[store::PendingSignalRow],
        triggers: Vec<Trigger>,
    ) -> Result<Added, EngineError> {
        let registered = shared.registered(row);
        if let (Err(_), Some(save)) = (&registered, undecided(row, &triggers)) {
            let attributes = || shared.attributes(&row.plan, &row.input);
            self.trace_exports
                .extend(trace_export_of(row, attributes, &save));
            self.undecided.push(save);
            return Ok(Added::Moving);
        }
        let pending = pending.iter().filter(|it| it.saga_id == row.saga_id);
        let pending: Vec<_> = pending.cloned().collect();
        let work_out = || {
            let registered = registered?;
            let input = registered.workflow.read(row.input.clone())?;
            let transition = shared
                .context(registered)
                .transition(row, &pending, triggers)?;
            Ok((registered, input, transition))
        };
        let (registered, input, transition) =
            work_out().map_err(|why: Unreadable| EngineError::Unreadable {
                saga_id: row.saga_id,
                why: why.to_string(),
            })?;
        if transition.stale {
            return Ok(Added::Stale);
        }
        self.push(registered, row, input, transition);
        Ok(Added::Moving)
    }

    /// Adds a transition that has been computed.
    pub(crate) fn push(
        &mut self,
        registered: RegisteredPlan<'a>,
        row: &store::Row,
        input: AnyInput,
        transition: Transition,
    ) {
        let attributes = || registered.workflow.attributes(&input);
        self.trace_exports
            .extend(trace_export_of(row, attributes, &transition.save));
        self.moving.push(Moving {
            registered,
            trace_id: row.trace_id.clone(),
            input,
            transition,
        });
    }

    /// Takes the export of the transition that was added last.
    pub(crate) fn take_trace_export(&mut self) -> Option<(SagaTrace, JournalBatch)> {
        self.trace_exports.pop()
    }

    /// Stores the transitions and runs the local steps.
    pub(crate) async fn store(
        self,
        shared: &EngineShared,
        conn: &mut PgConnection,
    ) -> Result<SignalResult, EngineError> {
        save_all(conn, &self.moving, &self.undecided).await?;
        run_ops(shared, conn, &self.moving).await?;
        let mut result = signal_result(shared, &self.moving, &self.undecided);
        result.after.trace_exports = self.trace_exports;
        Ok(result)
    }
}

/// The export of a write; `None` if telemetry is disabled or the stored trace is invalid.
fn trace_export_of(
    row: &store::Row,
    attributes: impl FnOnce() -> Vec<(&'static str, String)>,
    save: &Save,
) -> Option<(SagaTrace, JournalBatch)> {
    if !telemetry::span_export::is_enabled() {
        return None;
    }
    let saga_trace = SagaTrace {
        saga_id: row.saga_id,
        plan: row.plan.clone(),
        trace: TraceRef::new(&row.trace_id, &row.root_span_id).ok()?,
        attributes: attributes(),
    };
    let batch = JournalBatch {
        revision: save.revision + 1,
        at: save.at,
        before: (!row.is_unborn()).then(|| row.state.clone()),
        after: save.state.to_owned(),
        rows: save.journal.clone(),
    };
    Some((saga_trace, batch))
}

async fn save_all(
    conn: &mut PgConnection,
    moving: &[Moving<'_>],
    undecided: &[Save],
) -> Result<(), EngineError> {
    let saves: Vec<_> = moving
        .iter()
        .map(|saga| &saga.transition.save)
        .chain(undecided)
        .cloned()
        .collect();
    if saves.is_empty() {
        return Ok(());
    }
    let saved = store::save(conn, &saves).await?;
    let entries = saves
        .iter()
        .filter(|save| save.entry != EntryChange::Unchanged)
        .count();
    if usize::try_from(saved.sagas) == Ok(saves.len())
        && usize::try_from(saved.entries) == Ok(entries)
    {
        Ok(())
    } else {
        Err(EngineError::Fenced)
    }
}

fn signal_result(shared: &EngineShared, moving: &[Moving<'_>], undecided: &[Save]) -> SignalResult {
    let moved = moving.iter().map(|saga| Moved {
        saga_id: SagaId::from(saga.transition.save.saga_id),
        trace_id: saga.trace_id.clone(),
        plan: saga.registered.workflow.name(),
        before: saga.transition.before,
        after: saga.transition.after,
        breach: saga.transition.breach,
        compensated: why_compensated(&saga.transition),
        reason: saga.transition.save.reason.clone(),
        at: saga.transition.save.at,
        input: saga.input.clone(),
        logger: saga.registered.workflow.logger(),
    });
    let decided = moving
        .iter()
        .flat_map(|saga| saga.transition.verdicts.iter().copied());
    let kept = undecided.iter().flat_map(|save| {
        save.signals
            .iter()
            .map(|row| (SignalId::from(row.signal_id), None))
    });
    SignalResult {
        verdicts: decided.chain(kept).collect(),
        duplicates: 0,
        after: AfterCommit {
            moved: moved.collect(),
            trace_exports: Vec::new(),
            pool: Some(shared.pool.clone()),
            wakeup: Some(shared.wakeup.clone()),
        },
    }
}

/// Why compensation began, as a metric label, if this write began it.
fn why_compensated(transition: &Transition) -> Option<&'static str> {
    let compensation = transition.compensation();
    compensation.map(|why| match why.cause {
        CompensationCause::DeadlinePassed => "deadline",
        CompensationCause::Refused => "refused",
        CompensationCause::BudgetSpent => "budget_spent",
        CompensationCause::Aborted | CompensationCause::Canceled if why.by_operator => "operator",
        CompensationCause::Aborted | CompensationCause::Canceled => "canceled",
    })
}

/// Runs the operations of the decisions inside the transaction: forward steps in plan order, then
/// the record of each compensation that begins, then undos in reverse. Each runs for all sagas of
/// the batch at once, one plan version after the other.
async fn run_ops(
    shared: &EngineShared,
    conn: &mut PgConnection,
    moving: &[Moving<'_>],
) -> Result<(), EngineError> {
    for registered in shared.registered_plans() {
        let of_it = moving.iter().filter(|saga| saga.registered.is(registered));
        let of_it: Vec<_> = of_it.collect();
        let steps = 0..registered.plan.shape.steps.len();
        let forward = steps
            .clone()
            .flat_map(|step| [Op::Record(step), Op::Run(step)]);
        let backward = steps.rev().map(Op::Undo);
        for op in forward.chain([Op::BeginCompensation]).chain(backward) {
            let sagas: Vec<_> = of_it
                .iter()
                .filter(|saga| saga.transition.ops.contains(&op))
                .map(|saga| (&saga.input, &saga.transition))
                .collect();
            if !sagas.is_empty() {
                let workflow = registered.workflow;
                workflow
                    .run_op(conn, registered.version, op, &sagas)
                    .await?;
            }
        }
    }
    Ok(())
}
