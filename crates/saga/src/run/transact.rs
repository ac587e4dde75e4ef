//! The body of every transaction that moves sagas, and the export that follows its commit.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::{SagaId, SignalId, TraceRef};
use sqlx::{PgConnection, PgPool};
use tracing::{debug, error};

use crate::{
    define::Milestone,
    engine::{EngineError, Inner, Known},
    journal::CompensationCause,
    machine::{Op, State, StateKind},
    registry::{AnyInput, Logger},
    signal::Verdict,
    store::{self, EntryChange, Save},
    stored::Unreadable,
    story::{self, Chapter, Subject},
    transition::{Cause, Transition, undecided},
};

/// The work that follows a commit: spans, metrics and wake-ups.
#[derive(Debug, Default)]
#[must_use = "call `emit` after the commit"]
pub struct AfterCommit {
    moved: Vec<Moved>,
    told: Vec<(Subject, Chapter)>,
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
    /// The class of the reason why compensation began with this write.
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
        let created_at = story::created_at(self.saga_id).unwrap_or(self.at);
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
        for (subject, chapter) in self.told {
            story::tell(subject, &chapter, self.pool.as_ref());
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
pub struct Signaled {
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
    known: Known<'a>,
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
    told: Vec<(Subject, Chapter)>,
}

/// Locks the sagas, computes their transitions from the causes, stores the transitions and runs the
/// local steps: the body of every transaction that moves sagas, one or a batch.
pub(crate) async fn transact(
    inner: &Inner,
    conn: &mut PgConnection,
    causes: Vec<(SagaId, Cause)>,
) -> Result<Signaled, EngineError> {
    let mut by_saga = BTreeMap::<SagaId, Vec<Cause>>::new();
    for (saga_id, cause) in causes {
        by_saga.entry(saga_id).or_default().push(cause);
    }
    let ids: Vec<_> = by_saga.keys().map(|id| id.uuid()).collect();
    let rows = store::lock(conn, &ids).await?;
    let duplicates = drop_known(conn, &mut by_saga).await?;
    let kept = kept_of(conn, &rows).await?;
    let mut moves = Moves::default();
    for row in &rows {
        let causes = by_saga.remove(&row.saga_id).unwrap_or_default();
        if !causes.is_empty() && moves.add(inner, row, &kept, causes)?.is_stale() {
            return Err(EngineError::Fenced);
        }
    }
    let mut signaled = moves.store(inner, conn).await?;
    signaled.duplicates = duplicates;
    Ok(signaled)
}

/// Removes the signals that an earlier transaction, or an earlier cause of this one, has brought.
/// Returns how many. Their sagas are locked, so no other transaction brings one meanwhile.
async fn drop_known(
    conn: &mut PgConnection,
    by_saga: &mut BTreeMap<SagaId, Vec<Cause>>,
) -> sqlx::Result<usize> {
    let signal = |cause: &Cause| match cause {
        Cause::Signal(signal) => Some(signal.id.uuid()),
        Cause::Begun(_) | Cause::Attempt(..) | Cause::Operator(_) => None,
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
    for causes in by_saga.values_mut() {
        causes.retain(|cause| signal(cause).is_none_or(|id| known.insert(id)));
    }
    Ok(before - by_saga.values().map(Vec::len).sum::<usize>())
}

/// Like [`transact`], with one cause a saga and without waiting for locks. Returns for each cause
/// whether it was stored; absent if it must be stored alone, because another session has locked the
/// saga or because it fails.
pub(crate) async fn transact_free(
    inner: &Inner,
    conn: &mut PgConnection,
    causes: &[(SagaId, Cause)],
) -> Result<(Vec<Option<Result<(), EngineError>>>, AfterCommit), EngineError> {
    let mut by_saga = BTreeMap::<SagaId, usize>::new();
    for (index, (saga_id, _)) in causes.iter().enumerate() {
        by_saga.entry(*saga_id).or_insert(index);
    }
    let ids: Vec<_> = by_saga.keys().map(|id| id.uuid()).collect();
    let rows = store::lock_free(conn, &ids).await?;
    let kept = kept_of(conn, &rows).await?;
    let mut answers: Vec<_> = causes.iter().map(|_| None).collect();
    let mut moves = Moves::default();
    for row in &rows {
        let index = by_saga[&row.saga_id];
        let added = moves.add(inner, row, &kept, vec![causes[index].1.clone()]);
        answers[index] = match added {
            Ok(Added::Moving) => Some(Ok(())),
            Ok(Added::Stale) => Some(Err(EngineError::Fenced)),
            Err(_) => None, // alone, it fails for its own caller
        };
    }
    let stored = moves.store(inner, conn).await?;
    Ok((answers, stored.after))
}

/// The pending signals of those sagas that have some.
async fn kept_of(
    conn: &mut PgConnection,
    rows: &[store::Row],
) -> sqlx::Result<Vec<store::KeptRow>> {
    let with_kept = rows.iter().filter(|row| row.kept > 0);
    let with_kept: Vec<_> = with_kept.map(|row| row.saga_id.uuid()).collect();
    if with_kept.is_empty() {
        return Ok(Vec::new());
    }
    store::kept_signals(conn, &with_kept).await
}

/// The result of adding one saga's causes.
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
        inner: &'a Inner,
        row: &store::Row,
        kept: &[store::KeptRow],
        causes: Vec<Cause>,
    ) -> Result<Added, EngineError> {
        let known = inner.known(row);
        if let (Err(_), Some(save)) = (&known, undecided(row, &causes)) {
            let attributes = || inner.attributes(&row.plan, &row.input);
            self.told.extend(told_of(row, attributes, &save));
            self.undecided.push(save);
            return Ok(Added::Moving);
        }
        let kept = kept.iter().filter(|it| it.saga_id == row.saga_id);
        let kept: Vec<_> = kept.cloned().collect();
        let work_out = || {
            let known = known?;
            let input = known.workflow.read(row.input.clone())?;
            let transition = inner.rules(known).transition(row, &kept, causes)?;
            Ok((known, input, transition))
        };
        let (known, input, transition) =
            work_out().map_err(|why: Unreadable| EngineError::Unreadable {
                saga_id: row.saga_id,
                why: why.to_string(),
            })?;
        if transition.stale {
            return Ok(Added::Stale);
        }
        self.push(known, row, input, transition);
        Ok(Added::Moving)
    }

    /// Adds a transition that has been computed.
    pub(crate) fn push(
        &mut self,
        known: Known<'a>,
        row: &store::Row,
        input: AnyInput,
        transition: Transition,
    ) {
        let attributes = || known.workflow.attributes(&input);
        self.told.extend(told_of(row, attributes, &transition.save));
        self.moving.push(Moving {
            known,
            trace_id: row.trace_id.clone(),
            input,
            transition,
        });
    }

    /// Takes the export of the transition that was added last.
    pub(crate) fn take_told(&mut self) -> Option<(Subject, Chapter)> {
        self.told.pop()
    }

    /// Stores the transitions and runs the local steps.
    pub(crate) async fn store(
        self,
        inner: &Inner,
        conn: &mut PgConnection,
    ) -> Result<Signaled, EngineError> {
        save_all(conn, &self.moving, &self.undecided).await?;
        run_ops(inner, conn, &self.moving).await?;
        let mut signaled = signaled(inner, &self.moving, &self.undecided);
        signaled.after.told = self.told;
        Ok(signaled)
    }
}

/// The export of a write; `None` if telemetry is disabled or the stored trace is invalid.
fn told_of(
    row: &store::Row,
    attributes: impl FnOnce() -> Vec<(&'static str, String)>,
    save: &Save,
) -> Option<(Subject, Chapter)> {
    if !telemetry::listens() {
        return None;
    }
    let subject = Subject {
        saga_id: row.saga_id,
        plan: row.plan.clone(),
        trace: TraceRef::new(&row.trace_id, &row.root_span_id).ok()?,
        attributes: attributes(),
    };
    let chapter = Chapter {
        revision: save.revision + 1,
        at: save.at,
        before: (!row.is_unborn()).then(|| row.state.clone()),
        after: save.state.to_owned(),
        rows: save.journal.clone(),
    };
    Some((subject, chapter))
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

fn signaled(inner: &Inner, moving: &[Moving<'_>], undecided: &[Save]) -> Signaled {
    let moved = moving.iter().map(|saga| Moved {
        saga_id: SagaId::from(saga.transition.save.saga_id),
        trace_id: saga.trace_id.clone(),
        plan: saga.known.workflow.name(),
        before: saga.transition.before,
        after: saga.transition.after,
        breach: saga.transition.breach,
        compensated: why_compensated(&saga.transition),
        reason: saga.transition.save.reason.clone(),
        at: saga.transition.save.at,
        input: saga.input.clone(),
        logger: saga.known.workflow.logger(),
    });
    let decided = moving
        .iter()
        .flat_map(|saga| saga.transition.verdicts.iter().copied());
    let kept = undecided.iter().flat_map(|save| {
        save.signals
            .iter()
            .map(|row| (SignalId::from(row.signal_id), None))
    });
    Signaled {
        verdicts: decided.chain(kept).collect(),
        duplicates: 0,
        after: AfterCommit {
            moved: moved.collect(),
            told: Vec::new(),
            pool: Some(inner.pool.clone()),
            wakeup: Some(inner.wakeup.clone()),
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
    inner: &Inner,
    conn: &mut PgConnection,
    moving: &[Moving<'_>],
) -> Result<(), EngineError> {
    for known in inner.all_known() {
        let of_it = moving.iter().filter(|saga| saga.known.is(known));
        let of_it: Vec<_> = of_it.collect();
        let steps = 0..known.plan.shape.steps.len();
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
                let workflow = known.workflow;
                workflow.run_op(conn, known.version, op, &sagas).await?;
            }
        }
    }
    Ok(())
}
