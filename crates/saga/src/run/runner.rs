//! Runs remote steps. Each attempt runs here, and its result goes to [`apply_triggers`].

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use crate::store::claim::{EntryKind, SagaClaim};
use crashpoint::crash_point;
use db::{Batch, BatchError, Batcher};
use futures::{FutureExt, future::join_all};
use kernel::{SagaId, TraceRef};
use sqlx::PgTransaction;
use tokio::task::JoinHandle;
use tracing::{Instrument, debug, error, info_span, warn};
use uuid::Uuid;

use crate::{
    codec::{Unreadable, decode_state},
    commit::{AfterCommit, apply_triggers, try_apply_triggers},
    engine::{Engine, EngineError, StartedSaga},
    machine::State,
    registry::{AnyInput, At, Registry, Runs},
    step::{Outcome, Undo},
    store, trace_export,
    transition::{AttemptResult, Trigger},
};

/// Maximum number of timers that are stored one by one at the same time.
const TIMERS_AT_ONCE: usize = 8;
/// Delay between tries to read a saga, or to store an attempt's outcome, while the database is
/// unreachable.
const DB_RETRY: Duration = Duration::from_millis(100);

/// Runs the remote steps of the workflows that an engine decides on.
pub struct Runner<P> {
    engine: Engine,
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    workflows: Vec<Arc<dyn Runs<P>>>,
    ports: P,
    outcomes: Batcher<Outcomes>,
}

/// Stores the outcomes of attempts.
struct Outcomes(Engine);

impl Batch for Outcomes {
    type Item = (SagaId, Trigger);
    type Answer = Result<(), EngineError>;

    async fn together(&self, outcomes: &[Self::Item]) -> Vec<Option<Self::Answer>> {
        match self.0.try_commit(outcomes).await {
            Ok(stored) => stored,
            Err(error) if outcomes.len() == 1 => vec![Some(Err(error))],
            Err(EngineError::Fenced) => self.without_fenced(outcomes).await,
            Err(error) => {
                debug!(%error, "{} outcomes could not be stored together: one by one", outcomes.len());
                outcomes.iter().map(|_| None).collect()
            }
        }
    }

    async fn alone(&self, outcome: Self::Item) -> Self::Answer {
        self.0.commit(vec![outcome]).await
    }
}

impl Outcomes {
    /// Stores the outcomes whose claims still hold, together, and answers the others.
    async fn without_fenced(
        &self,
        outcomes: &[(SagaId, Trigger)],
    ) -> Vec<Option<Result<(), EngineError>>> {
        let Ok(held) = self.held(outcomes).await else {
            return outcomes.iter().map(|_| None).collect();
        };
        let fenced = |held: &bool| (!held).then_some(Err(EngineError::Fenced));
        let mut answers: Vec<_> = held.iter().map(fenced).collect();
        let rest: Vec<_> = (0..outcomes.len()).filter(|index| held[*index]).collect();
        let triggers: Vec<_> = rest.iter().map(|index| outcomes[*index].clone()).collect();
        if let Ok(stored) = self.0.try_commit(&triggers).await {
            for (index, answer) in rest.into_iter().zip(stored) {
                answers[index] = answer;
            }
        }
        answers
    }

    /// Whether the claim of each outcome still holds.
    async fn held(&self, outcomes: &[(SagaId, Trigger)]) -> sqlx::Result<Vec<bool>> {
        let claims = outcomes.iter().map(|(_, trigger)| match trigger {
            Trigger::Attempt(claim, _) => (claim.entry_id.uuid(), claim.epoch),
            Trigger::Begun(_) | Trigger::Signal(_) | Trigger::Operator(_) => (Uuid::nil(), 0),
        });
        let (entries, epochs): (Vec<_>, Vec<_>) = claims.unzip();
        let mut conn = self.0.lane().acquire().await?;
        let held = store::claim::held(&mut conn, &entries, &epochs).await?;
        conn.release();
        Ok(held)
    }
}

impl<P> Clone for Runner<P> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Send + Sync + 'static> Runner<P> {
    /// A runner for the workflows of `registry`, which must be the registry of `engine`, with these
    /// `ports`.
    pub fn new<V: ?Sized + Send + Sync + 'static>(
        engine: Engine,
        registry: &Registry<P, V>,
        ports: P,
    ) -> Self {
        let shared = Shared {
            workflows: registry.runnable(),
            ports,
            outcomes: Batcher::new(Outcomes(engine.clone())),
        };
        Self {
            engine,
            shared: Arc::new(shared),
        }
    }

    /// The engine that decides.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Call this after the commit of [`Engine::start`]. It exports the beginning of the saga's
    /// trace, and runs the first attempt as a separate task, so that a client that disconnects
    /// cancels nothing.
    ///
    /// Without an eager claim, it only wakes the workers of this process and returns no task.
    pub fn launch(&self, started: StartedSaga) -> Option<JoinHandle<()>> {
        let engine = &self.engine.shared;
        export_start(&started);
        let Some(claim) = started.claim else {
            engine.wakeup.notify();
            return None;
        };
        let runner = self.clone();
        Some(engine.tasks.spawn(async move {
            let attempt = Attempt {
                claim: &claim,
                plan: started.plan,
                version: 0,
                state: started.state,
                input: &started.input,
                trace: &started.trace,
            };
            let attempt = runner.run_attempt(attempt);
            runner.engine.with_timeout(Box::pin(attempt)).await;
        }))
    }

    /// Does the work of one claimed entry and stores the result. No other code runs a step.
    ///
    /// Never fails: a result that cannot be stored is left to the next claim, after the lease.
    pub async fn attempt(&self, claim: &SagaClaim) {
        self.engine
            .with_timeout(Box::pin(self.try_attempt(claim)))
            .await;
    }

    async fn try_attempt(&self, claim: &SagaClaim) {
        let row = match self.load(claim).await {
            Ok(Some(row)) => row,
            Ok(None) => {
                return warn!(saga.id = %claim.saga_id, "An entry names saga {}, which is not there", claim.saga_id);
            }
            Err(error) => {
                return warn!(saga.id = %claim.saga_id, %error, "Could not read saga {}: left to the next claim", claim.saga_id);
            }
        };
        let engine = &self.engine.shared;
        let read = engine.registered(&row).and_then(|registered| {
            let state = decode_state(&registered.plan.shape, &row)?;
            let input = registered.workflow.read(row.input.clone())?;
            let trace = TraceRef::new(&row.trace_id, &row.root_span_id)
                .map_err(|_| Unreadable::Corrupt { what: "trace" })?;
            Ok((registered, state, input, trace))
        });
        match read {
            Ok((registered, state, input, trace)) => {
                let attempt = Attempt {
                    claim,
                    plan: registered.workflow.name(),
                    version: registered.version,
                    state,
                    input: &input,
                    trace: &trace,
                };
                self.run_attempt(attempt).await;
            }
            Err(error) => {
                error!(saga.id = %claim.saga_id, %error, "Saga {} cannot be worked on", claim.saga_id);
            }
        }
    }

    /// Reads the saga of a claim; while the database is unreachable, tries again until the lease ends.
    async fn load(&self, claim: &SagaClaim) -> sqlx::Result<Option<store::Row>> {
        let lease = self.engine.config().lease;
        loop {
            match self.engine.load(claim.saga_id).await {
                Err(error)
                    if db::is_unreachable(&error)
                        && claim.claimed_at.elapsed() + DB_RETRY <= lease =>
                {
                    tokio::time::sleep(DB_RETRY).await;
                }
                loaded => return loaded,
            }
        }
    }

    async fn run_attempt(&self, attempt: Attempt<'_>) {
        let Attempt { claim, plan, .. } = attempt;
        // for the logs; the exported span is built from the journal, under the claim's own span id
        let span = info_span!(
            target: "saga::attempt",
            "saga.step",
            saga.id = %claim.saga_id,
            saga.name = plan,
            saga.state = attempt.state.name(),
            saga.step = %claim.step,
            saga.attempt = claim.attempt,
            saga.outcome = tracing::field::Empty,
            trace_id = attempt.trace.trace_id(),
            error = tracing::field::Empty,
        );
        telemetry::continue_trace(&span, attempt.trace);
        async {
            let begun = std::time::Instant::now();
            let Some(result) = self.run(&attempt).await else {
                return debug!("The entry is not what its saga needs any more: nothing to do");
            };
            let outcome = describe(&result);
            tracing::Span::current().record("saga.outcome", outcome);
            self.store_outcome(plan, claim, result).await;
            metrics::histogram!(
                "saga_step_duration_seconds", "plan" => plan, "step" => claim.step.clone(), "outcome" => outcome
            )
            .record(begun.elapsed().as_secs_f64());
        }
        .instrument(span)
        .await;
    }

    /// Runs the step or undo that the saga's state asks for; `None` when the entry is stale.
    async fn run(&self, attempt: &Attempt<'_>) -> Option<AttemptResult> {
        let Attempt { claim, state, .. } = *attempt;
        let (step, undo) = match state {
            State::Running { step } => (step, false),
            State::Compensating { step, .. } => (step, true),
            State::Waiting { .. } if claim.kind == EntryKind::Timer => {
                return Some(AttemptResult::Timer);
            }
            State::Waiting { .. } | State::Completed | State::Compensated { .. } => return None,
        };
        let mut workflows = self.shared.workflows.iter();
        let workflow = workflows.find(|workflow| workflow.name() == attempt.plan)?;
        let name = workflow.versions()[attempt.version].shape.steps[step].name;
        let expected = claim
            .step
            .strip_suffix("/undo")
            .map_or((claim.step.as_str(), false), |name| (name, true));
        if expected != (name, undo) {
            return None;
        }
        let here = TraceRef::new(attempt.trace.trace_id(), &claim.span_id());
        let here = here.unwrap_or_else(|_| attempt.trace.child());
        let at = At {
            ports: &self.shared.ports,
            saga_id: claim.saga_id,
            input: attempt.input,
            version: attempt.version,
            step,
            attempt: claim.attempt,
            trace: &here,
        };
        // the holder's lease is measured from before the claim
        let config = self.engine.config();
        let left = config
            .lease
            .saturating_sub(config.margin + claim.claimed_at.elapsed());
        let limit = config.call_timeout.min(left);
        Some(if undo {
            let work = workflow.undo(at)?;
            crash_point!("saga.undo.before_call");
            let answer = guarded(limit, work).await;
            crash_point!("saga.undo.after_call");
            AttemptResult::Undo(answer.unwrap_or_else(Undo::Unknown))
        } else {
            let work = workflow.run(at)?;
            crash_point!("saga.step.before_call");
            let answer = guarded(limit, work).await;
            crash_point!("saga.step.after_call");
            AttemptResult::Step(answer.unwrap_or_else(Outcome::Unknown))
        })
    }

    /// Stores the outcome; retries until the lease ends.
    async fn store_outcome(&self, plan: &'static str, claim: &SagaClaim, result: AttemptResult) {
        if let Some(why) = failure(&result) {
            tracing::Span::current().record("error", why);
            warn!(
                "Step {} of saga {} did not end: {why}",
                claim.step, claim.saga_id
            );
        }
        let trigger = (claim.saga_id, Trigger::Attempt(claim.clone(), result));
        let alone = || self.engine.commit(vec![trigger.clone()]);
        // with the outcomes of others; a later try is by itself
        let mut stored = match self.shared.outcomes.run(trigger.clone()).await {
            Ok(stored) => stored,
            Err(BatchError::Full | BatchError::Broke) => alone().await,
        };
        loop {
            match stored {
                Ok(()) => return,
                Err(EngineError::Fenced) => {
                    metrics::counter!("saga_fenced_total", "plan" => plan).increment(1);
                    return debug!("Fenced out: somebody else has moved on");
                }
                Err(EngineError::Db(error))
                    if db::is_unreachable(&error)
                        || db::is_retryable(&error)
                        || db::is_locked(&error) =>
                {
                    if claim.claimed_at.elapsed() + DB_RETRY > self.engine.config().lease {
                        return warn!(%error, "Could not store the outcome within the lease: left to the next claim");
                    }
                    tokio::time::sleep(DB_RETRY).await;
                    stored = alone().await;
                }
                Err(error) => {
                    return error!(%error, cause = ?std::error::Error::source(&error), "Could not store the outcome: left to the next claim");
                }
            }
        }
    }
}

/// An attempt whose saga has been read.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    claim: &'a SagaClaim,
    plan: &'static str,
    version: usize,
    state: State,
    input: &'a AnyInput,
    trace: &'a TraceRef,
}

impl Engine {
    /// Call this after the commit of [`Engine::start`] where no runner is available. It exports the
    /// beginning of the saga's trace and wakes the workers of this process.
    pub fn announce(&self, started: &StartedSaga) {
        export_start(started);
        self.shared.wakeup.notify();
    }

    /// Stores that timers were due, in one transaction; if that fails, one by one.
    pub async fn timers(&self, claims: &[SagaClaim]) {
        self.with_timeout(Box::pin(self.try_timers(claims))).await;
    }

    async fn try_timers(&self, claims: &[SagaClaim]) {
        let triggers = |claims: &[SagaClaim]| -> Vec<_> {
            claims
                .iter()
                .map(|claim| {
                    (
                        claim.saga_id,
                        Trigger::Attempt(claim.clone(), AttemptResult::Timer),
                    )
                })
                .collect()
        };
        crash_point!("saga.timer.before_commit");
        if self.commit(triggers(claims)).await.is_ok() {
            crash_point!("saga.timer.after_commit");
            return;
        }
        // concurrently: a saga that another session has locked delays no other saga
        for some in claims.chunks(TIMERS_AT_ONCE) {
            let mut alone = Vec::with_capacity(some.len());
            for claim in some {
                alone.push(
                    self.timer_alone(claim, triggers(std::slice::from_ref(claim)))
                        .boxed(),
                );
            }
            join_all(alone).await;
        }
    }

    async fn timer_alone(&self, claim: &SagaClaim, triggers: Vec<(SagaId, Trigger)>) {
        if let Err(error) = self.commit(triggers).await {
            debug!(saga.id = %claim.saga_id, %error, "A timer was not stored: left to the next claim");
        }
    }

    /// Gives up after twice the lease: a silently dropped connection never reports an error.
    pub(crate) async fn with_timeout(&self, work: impl Future<Output = ()>) {
        let limit = self.shared.config.lease * 2;
        if tokio::time::timeout(limit, work).await.is_err() {
            warn!("The database gave no answer within {limit:?}: left to the next claim");
        }
    }

    async fn load(&self, saga_id: SagaId) -> sqlx::Result<Option<store::Row>> {
        let mut conn = self.shared.lane.acquire().await?;
        let mut rows = store::load(&mut conn, &[saga_id.uuid()]).await?;
        conn.release();
        Ok(rows.pop())
    }

    /// Stores what it can without waiting for another session; see [`try_apply_triggers`].
    async fn try_commit(
        &self,
        triggers: &[(SagaId, Trigger)],
    ) -> Result<Vec<Option<Result<(), EngineError>>>, EngineError> {
        let mut conn = self.shared.lane.acquire().await?;
        let mut tx = conn.begin().await?;
        match try_apply_triggers(&self.shared, &mut tx, triggers).await {
            Ok((stored, after)) => {
                commit_and_emit(tx, after).await?;
                conn.release();
                Ok(stored)
            }
            Err(error) => {
                // before the answer: the next try skips rows that are still locked
                if db::rollback(tx).await {
                    conn.release();
                }
                Err(error)
            }
        }
    }

    async fn commit(&self, triggers: Vec<(SagaId, Trigger)>) -> Result<(), EngineError> {
        let mut conn = self.shared.lane.acquire().await?;
        let mut tx = conn.begin().await?;
        let result = apply_triggers(&self.shared, &mut tx, triggers).await?;
        commit_and_emit(tx, result.after).await?;
        conn.release();
        Ok(())
    }
}

async fn commit_and_emit(tx: PgTransaction<'_>, after: AfterCommit) -> sqlx::Result<()> {
    crash_point!("saga.outcome.before_commit");
    tx.commit().await?;
    crash_point!("saga.outcome.after_commit");
    after.emit();
    Ok(())
}

fn export_start(started: &StartedSaga) {
    if let Some((saga_trace, batch)) = started.trace_export.clone() {
        trace_export::export(saga_trace, &batch, None);
    }
    metrics::counter!("saga_started_total", "plan" => started.plan).increment(1);
}

/// Awaits `work` for at most `limit`. A time-out and a panic are unknown outcomes: the call may
/// have taken effect.
async fn guarded<T>(limit: Duration, work: impl Future<Output = T> + Send) -> Result<T, String> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err("the step panicked; whether it took effect is unknown".to_owned()),
        Err(_) => Err(format!(
            "no answer within {limit:?}; whether it took effect is unknown"
        )),
    }
}

fn describe(result: &AttemptResult) -> &'static str {
    match result {
        AttemptResult::Step(Outcome::Done) => "done",
        AttemptResult::Step(Outcome::Refused(_)) => "refused",
        AttemptResult::Step(Outcome::Transient(_)) | AttemptResult::Undo(Undo::Transient(_)) => {
            "transient"
        }
        AttemptResult::Step(Outcome::Unknown(_)) | AttemptResult::Undo(Undo::Unknown(_)) => {
            "unknown"
        }
        AttemptResult::Step(Outcome::Contradicted(_))
        | AttemptResult::Undo(Undo::Contradicted(_)) => "contradicted",
        AttemptResult::Undo(Undo::Done) => "undone",
        AttemptResult::Undo(Undo::Overtaken) => "overtaken",
        AttemptResult::Timer => "timer",
    }
}

fn failure(result: &AttemptResult) -> Option<&str> {
    match result {
        AttemptResult::Step(
            Outcome::Transient(why) | Outcome::Unknown(why) | Outcome::Contradicted(why),
        )
        | AttemptResult::Undo(
            Undo::Transient(why) | Undo::Unknown(why) | Undo::Contradicted(why),
        ) => Some(why),
        _ => None,
    }
}
