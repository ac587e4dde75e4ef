//! The one place that runs a step, and the one transaction that stores what came of it.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use crashpoint::crash_point;
use futures::FutureExt;
use kernel::{SagaId, SignalId, TraceRef};
use messaging::outbox::{Kind as EntryKind, SagaClaim};
use sqlx::{PgConnection, PgPool};
use tracing::{Instrument, debug, error, info_span, warn};

use crate::{
    engine::{Engine, EngineError, Inner},
    known::Known,
    machine::{Op, State},
    plan::{Body, LocalError, Outcome, Saga, StepCx, Undo},
    signal::{NewSignal, Verdict},
    store::{self, EntryChange, Save},
    stored::{Unreadable, decode_state},
    story::{self, Chapter, Subject},
    transition::{Cause, Ended, Transition, keep_undecided},
};

/// How long the outcome of an attempt is held while the database cannot be reached.
const COMMIT_RETRY: Duration = Duration::from_millis(100);

/// What is to be said once a transaction is committed: spans, metrics, wake-ups.
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
    plan: &'static str,
    before: State,
    after: State,
    breach: bool,
    /// Why compensation began with it, as a class.
    compensated: Option<&'static str>,
}

impl AfterCommit {
    /// Wakes this process' workers, counts what moved, and tells it to those who trace.
    pub fn emit(self) {
        for (subject, chapter) in self.told {
            story::tell(subject, &chapter, self.pool.as_ref());
        }
        for moved in &self.moved {
            if moved.before != moved.after {
                metrics::counter!("saga_transitions_total", "plan" => moved.plan, "state" => moved.after.name())
                    .increment(1);
                debug!(saga.id = %moved.saga_id, saga.state = moved.after.name(), "Saga moved");
            }
            if let Some(reason) = moved.compensated {
                metrics::counter!("saga_compensations_total", "plan" => moved.plan, "reason" => reason)
                    .increment(1);
            }
            if moved.breach {
                metrics::counter!("saga_breaches_total", "plan" => moved.plan).increment(1);
                error!(
                    saga.id = %moved.saga_id,
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

/// What became of a batch of signals.
#[derive(Debug)]
pub struct Signaled {
    /// Verdicts by signal; none for a signal that is kept undecided. Signals to sagas that do not
    /// exist are missing.
    pub verdicts: BTreeMap<SignalId, Option<Verdict>>,
    /// To be emitted after the commit.
    pub after: AfterCommit,
}

/// Locks the sagas, works out what the causes mean, stores it and runs the local steps: the body
/// of every transaction that moves sagas, one or a batch.
pub(crate) async fn transact<S: Saga>(
    inner: &Inner<S>,
    conn: &mut PgConnection,
    causes: Vec<(SagaId, Cause)>,
) -> Result<Signaled, EngineError> {
    let mut by_saga = BTreeMap::<SagaId, Vec<Cause>>::new();
    for (saga_id, cause) in causes {
        by_saga.entry(saga_id).or_default().push(cause);
    }
    let ids: Vec<_> = by_saga.keys().map(|id| id.uuid()).collect();
    let rows = store::lock(conn, &ids).await?;
    let with_kept: Vec<_> = rows
        .iter()
        .filter(|row| row.kept > 0)
        .map(|row| row.saga_id.uuid())
        .collect();
    let kept = if with_kept.is_empty() {
        Vec::new()
    } else {
        store::kept_signals(conn, &with_kept).await?
    };

    let (mut transitions, mut undecided, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let causes = by_saga.remove(&row.saga_id).unwrap_or_default();
        let kept: Vec<_> = kept
            .iter()
            .filter(|signal| signal.saga_id == row.saga_id)
            .cloned()
            .collect();
        let known = inner.plans.of(row);
        if let (Err(Unreadable::Plan { .. }), Some(signals)) = (&known, only_signals(&causes)) {
            let save = keep_undecided(row, signals);
            told.extend(told_of::<S>(row, &save));
            undecided.push(save);
            continue;
        }
        let transition = known.and_then(|known| inner.rules(known).transition(row, &kept, causes));
        let transition = transition.map_err(|why| EngineError::Unreadable {
            saga_id: row.saga_id,
            why: why.to_string(),
        })?;
        told.extend(told_of::<S>(row, &transition.save));
        transitions.push(transition);
    }
    if transitions.iter().any(|transition| transition.stale) {
        return Err(EngineError::Fenced);
    }
    save_all(conn, &transitions, &undecided).await?;
    inner.run_ops(conn, &transitions).await?;
    let mut signaled = signaled(inner, &transitions, &undecided);
    signaled.after.told = told;
    Ok(signaled)
}

/// What there is to tell of a write, if anybody listens.
fn told_of<S: Saga>(row: &store::Row, save: &Save) -> Option<(Subject, Chapter)> {
    if !telemetry::listens() {
        return None;
    }
    let subject = Subject {
        saga_id: row.saga_id,
        plan: row.plan.clone(),
        trace: TraceRef::new(&row.trace_id, &row.root_span_id).ok()?,
        attributes: S::attributes(&row.input),
    };
    let chapter = Chapter {
        revision: save.revision + 1,
        at: save.at,
        before: Some(row.state.clone()),
        after: save.state.to_owned(),
        rows: save.journal.clone(),
    };
    Some((subject, chapter))
}

fn only_signals(causes: &[Cause]) -> Option<Vec<NewSignal>> {
    causes
        .iter()
        .map(|cause| match cause {
            Cause::Signal(signal) => Some(signal.clone()),
            Cause::Attempt(..) | Cause::Operator(_) => None,
        })
        .collect()
}

async fn save_all<S: Saga>(
    conn: &mut PgConnection,
    transitions: &[Transition<S>],
    undecided: &[Save],
) -> Result<(), EngineError> {
    let saves: Vec<_> = transitions
        .iter()
        .map(|transition| &transition.save)
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

fn signaled<S: Saga>(
    inner: &Inner<S>,
    transitions: &[Transition<S>],
    undecided: &[Save],
) -> Signaled {
    let moved = transitions.iter().map(|transition| Moved {
        saga_id: SagaId::from(transition.save.saga_id),
        plan: S::NAME,
        before: transition.before,
        after: transition.after,
        breach: transition.breach,
        compensated: why_compensated(&transition.save),
    });
    let decided = transitions
        .iter()
        .flat_map(|transition| transition.verdicts.iter().copied());
    let kept = undecided.iter().flat_map(|save| {
        save.signals
            .iter()
            .map(|row| (SignalId::from(row.signal_id), None))
    });
    Signaled {
        verdicts: decided.chain(kept).collect(),
        after: AfterCommit {
            moved: moved.collect(),
            told: Vec::new(),
            pool: Some(inner.pool.clone()),
            wakeup: Some(inner.wakeup.clone()),
        },
    }
}

/// What made compensation begin, if this write did: a label must not be anybody's words.
fn why_compensated(save: &Save) -> Option<&'static str> {
    let mut rows = save.journal.iter();
    rows.any(|row| row.kind == "compensation_begun").then(|| {
        let of = |kind| save.journal.iter().any(|row| row.kind == kind);
        match () {
            () if of("deadline_passed") => "deadline",
            () if of("refused") => "refused",
            () if of("transient") || of("unknown") => "budget_spent",
            () if of("operator") => "operator",
            () => "canceled",
        }
    })
}

impl<S: Saga> Inner<S> {
    /// Runs what the decisions ask for inside the transaction: forward steps in plan order, then
    /// the news of compensations, then undos in reverse, each for all sagas of the batch at once,
    /// one version of the plan after the other.
    async fn run_ops(
        &self,
        conn: &mut PgConnection,
        transitions: &[Transition<S>],
    ) -> Result<(), EngineError> {
        for known in self.plans.all() {
            let of_it = transitions.iter().filter(|transition| {
                known.is(transition.save.plan_version, &transition.save.plan_hash)
            });
            let of_it: Vec<_> = of_it.collect();
            let steps = 0..known.plan.steps.len();
            let forward = steps
                .clone()
                .flat_map(|step| [Op::Record(step), Op::Run(step)]);
            let backward = steps.rev().map(Op::Undo);
            for op in forward.chain([Op::BeginCompensation]).chain(backward) {
                let sagas: Vec<_> = of_it
                    .iter()
                    .filter(|transition| transition.ops.contains(&op))
                    .map(|transition| (&transition.input, transition.reason()))
                    .collect();
                if sagas.is_empty() {
                    continue;
                }
                let ran = self.run_op(conn, known, op, &sagas).await;
                ran.map_err(|error| match error {
                    LocalError::Refused(refusal) => EngineError::Refused(refusal.reason),
                    LocalError::Db(error) => EngineError::Db(error),
                })?;
            }
        }
        Ok(())
    }

    pub(crate) async fn run_op(
        &self,
        conn: &mut PgConnection,
        known: &Known<S>,
        op: Op,
        sagas: &[(&S::Input, &str)],
    ) -> Result<(), LocalError> {
        let inputs: Vec<_> = sagas.iter().map(|(input, _)| *input).collect();
        match op {
            Op::BeginCompensation => self.saga.begin_compensation(conn, sagas).await?,
            Op::Record(step) => {
                if let Body::Remote(body) = &known.plan.steps[step].body {
                    body.record(conn, &inputs).await?;
                }
            }
            Op::Run(step) => {
                if let Body::Local(body) = &known.plan.steps[step].body {
                    body.run(conn, &inputs).await?;
                }
            }
            Op::Undo(step) => {
                if let Body::Local(body) = &known.plan.steps[step].body {
                    body.undo(conn, sagas).await?;
                }
            }
        }
        Ok(())
    }
}

impl<S: Saga> Engine<S> {
    /// Does the work of one claimed entry and stores what came of it. No other code runs a step.
    ///
    /// Never fails: what cannot be stored is left to whoever claims the entry after the lease.
    pub async fn attempt(&self, claim: &SagaClaim) {
        self.bounded(Box::pin(self.try_attempt(claim))).await;
    }

    /// Ends what a database never answers, long after somebody else could have taken over: nobody
    /// says that a connection is dead whose other end was forgotten.
    pub(crate) async fn bounded(&self, work: impl Future<Output = ()>) {
        let limit = self.inner.config.lease * 2;
        if tokio::time::timeout(limit, work).await.is_err() {
            warn!("The database gave no answer within {limit:?}: left to the next claim");
        }
    }

    async fn try_attempt(&self, claim: &SagaClaim) {
        let row = match self.load(claim.saga_id).await {
            Ok(Some(row)) => row,
            Ok(None) => {
                return warn!(saga.id = %claim.saga_id, "An entry names saga {}, which is not there", claim.saga_id);
            }
            Err(error) => {
                return warn!(saga.id = %claim.saga_id, %error, "Could not read saga {}: left to the next claim", claim.saga_id);
            }
        };
        let read = self.inner.plans.of(&row).and_then(|known| {
            let state = decode_state(&known.shape, &row)?;
            let input = serde_json::from_value(row.input.clone())
                .map_err(|_| Unreadable::Corrupt { what: "input" })?;
            let trace = TraceRef::new(&row.trace_id, &row.root_span_id)
                .map_err(|_| Unreadable::Corrupt { what: "trace" })?;
            Ok((known, state, input, trace))
        });
        match read {
            Ok((known, state, input, trace)) => {
                self.attempt_known(claim, known, state, &input, &trace)
                    .await;
            }
            Err(error) => {
                error!(saga.id = %claim.saga_id, %error, "Saga {} cannot be worked on", claim.saga_id);
            }
        }
    }

    /// Stores that timers were due, in one transaction; should that fail, one by one.
    pub async fn timers(&self, claims: &[SagaClaim]) {
        self.bounded(Box::pin(self.try_timers(claims))).await;
    }

    async fn try_timers(&self, claims: &[SagaClaim]) {
        let causes = |claims: &[SagaClaim]| -> Vec<_> {
            claims
                .iter()
                .map(|claim| (claim.saga_id, Cause::Attempt(claim.clone(), Ended::Timer)))
                .collect()
        };
        crash_point!("saga.timer.before_commit");
        if self.commit(causes(claims)).await.is_ok() {
            crash_point!("saga.timer.after_commit");
            return;
        }
        for claim in claims {
            if let Err(error) = self.commit(causes(std::slice::from_ref(claim))).await {
                debug!(saga.id = %claim.saga_id, %error, "A timer was not stored: left to the next claim");
            }
        }
    }

    async fn load(&self, saga_id: SagaId) -> sqlx::Result<Option<store::Row>> {
        let mut conn = self.inner.pool.acquire().await?;
        Ok(store::load(&mut conn, &[saga_id.uuid()]).await?.pop())
    }

    pub(crate) async fn attempt_known(
        &self,
        claim: &SagaClaim,
        known: &Known<S>,
        state: State,
        input: &S::Input,
        trace: &TraceRef,
    ) {
        // for the logs; what is exported is told from the journal, under the claim's own span id
        let span = info_span!(
            target: "saga::story",
            "saga.step",
            saga.id = %claim.saga_id,
            saga.name = S::NAME,
            saga.state = state.name(),
            saga.step = %claim.step,
            saga.attempt = claim.attempt,
            saga.outcome = tracing::field::Empty,
            trace_id = trace.trace_id(),
            error = tracing::field::Empty,
        );
        telemetry::continue_trace(&span, trace);
        async {
            let begun = std::time::Instant::now();
            let Some(ended) = self.run(claim, known, state, input, trace).await else {
                return debug!("The entry is not what its saga needs any more: nothing to do");
            };
            let outcome = describe(&ended);
            tracing::Span::current().record("saga.outcome", outcome);
            self.store_outcome(claim, ended).await;
            metrics::histogram!(
                "saga_step_duration_seconds", "plan" => S::NAME, "step" => claim.step.clone(), "outcome" => outcome
            )
            .record(begun.elapsed().as_secs_f64());
        }
        .instrument(span)
        .await;
    }

    /// Runs the step or undo that the saga's state asks for; `None` when the entry is stale.
    async fn run(
        &self,
        claim: &SagaClaim,
        known: &Known<S>,
        state: State,
        input: &S::Input,
        trace: &TraceRef,
    ) -> Option<Ended> {
        let (index, undo) = match state {
            State::Running { step } => (step, false),
            State::Compensating { step, .. } => (step, true),
            State::Waiting { .. } if claim.kind == EntryKind::Timer => return Some(Ended::Timer),
            State::Waiting { .. } | State::Completed | State::Compensated { .. } => return None,
        };
        let step = &known.plan.steps[index];
        let Body::Remote(body) = &step.body else {
            return None;
        };
        let expected = claim
            .step
            .strip_suffix("/undo")
            .map_or((claim.step.as_str(), false), |name| (name, true));
        if expected != (step.name, undo) {
            return None;
        }
        let here = TraceRef::new(trace.trace_id(), &claim.span_id());
        let here = here.unwrap_or_else(|_| trace.child());
        let cx = StepCx {
            saga: &self.inner.saga,
            saga_id: claim.saga_id,
            input,
            step: step.name,
            attempt: claim.attempt,
            trace: &here,
        };
        // the holder's clock runs from before the claim
        let config = self.inner.config;
        let left = config
            .lease
            .saturating_sub(config.margin + claim.claimed_at.elapsed());
        let limit = config.call_timeout.min(left);
        Some(if undo {
            crash_point!("saga.undo.before_call");
            let answer = guarded(limit, body.undo(&cx)).await;
            crash_point!("saga.undo.after_call");
            Ended::Undo(answer.unwrap_or_else(Undo::Unknown))
        } else {
            crash_point!("saga.step.before_call");
            let answer = guarded(limit, body.run(&cx)).await;
            crash_point!("saga.step.after_call");
            Ended::Step(answer.unwrap_or_else(Outcome::Unknown))
        })
    }

    /// Stores the outcome, for as long as the lease lasts.
    async fn store_outcome(&self, claim: &SagaClaim, ended: Ended) {
        if let Some(why) = failure(&ended) {
            tracing::Span::current().record("error", why);
            warn!(
                "Step {} of saga {} did not end: {why}",
                claim.step, claim.saga_id
            );
        }
        loop {
            let causes = vec![(claim.saga_id, Cause::Attempt(claim.clone(), ended.clone()))];
            match self.commit(causes).await {
                Ok(()) => return,
                Err(EngineError::Fenced) => {
                    metrics::counter!("saga_fenced_total", "plan" => S::NAME).increment(1);
                    return debug!("Fenced out: somebody else has moved on");
                }
                Err(EngineError::Db(error))
                    if db::is_unreachable(&error) || db::is_retryable(&error) =>
                {
                    if claim.claimed_at.elapsed() + COMMIT_RETRY > self.inner.config.lease {
                        return warn!(%error, "Could not store the outcome within the lease: left to the next claim");
                    }
                    tokio::time::sleep(COMMIT_RETRY).await;
                }
                Err(error) => {
                    return error!(%error, cause = ?std::error::Error::source(&error), "Could not store the outcome: left to the next claim");
                }
            }
        }
    }

    async fn commit(&self, causes: Vec<(SagaId, Cause)>) -> Result<(), EngineError> {
        let mut tx = db::begin(&self.inner.pool).await?;
        let signaled = transact(&self.inner, &mut tx, causes).await?;
        crash_point!("saga.outcome.before_commit");
        tx.commit().await?;
        crash_point!("saga.outcome.after_commit");
        signaled.after.emit();
        Ok(())
    }
}

/// Awaits `work` for at most `limit`. A time-out and a panic are unknown outcomes: what was asked
/// for may have happened.
async fn guarded<T>(limit: Duration, work: impl Future<Output = T> + Send) -> Result<T, String> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err("the step panicked; whether it took effect is unknown".to_owned()),
        Err(_) => Err(format!(
            "no answer within {limit:?}; whether it took effect is unknown"
        )),
    }
}

fn describe(ended: &Ended) -> &'static str {
    match ended {
        Ended::Step(Outcome::Done) => "done",
        Ended::Step(Outcome::Refused(_)) => "refused",
        Ended::Step(Outcome::Transient(_)) | Ended::Undo(Undo::Transient(_)) => "transient",
        Ended::Step(Outcome::Unknown(_)) | Ended::Undo(Undo::Unknown(_)) => "unknown",
        Ended::Undo(Undo::Done) => "undone",
        Ended::Undo(Undo::Overtaken) => "overtaken",
        Ended::Timer => "timer",
    }
}

fn failure(ended: &Ended) -> Option<&str> {
    match ended {
        Ended::Step(Outcome::Transient(why) | Outcome::Unknown(why))
        | Ended::Undo(Undo::Transient(why) | Undo::Unknown(why)) => Some(why),
        _ => None,
    }
}
