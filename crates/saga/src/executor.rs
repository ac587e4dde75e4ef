//! The one place that runs a step: an entry's attempt, and what came of it handed to [`transact`].

use std::{panic::AssertUnwindSafe, time::Duration};

use crashpoint::crash_point;
use futures::{FutureExt, future::join_all};
use kernel::{SagaId, TraceRef};
use messaging::outbox::{Kind as EntryKind, SagaClaim};
use tracing::{Instrument, debug, error, info_span, warn};

use crate::{
    engine::{Engine, EngineError},
    known::Known,
    machine::State,
    plan::{Body, Outcome, Saga, StepCx, Undo},
    store,
    stored::{Unreadable, decode_state},
    transact::transact,
    transition::{Cause, Ended},
};

/// Timers that are stored alone at the same time.
const TIMERS_AT_ONCE: usize = 8;
/// How long the outcome of an attempt is held while the database cannot be reached.
const COMMIT_RETRY: Duration = Duration::from_millis(100);

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
        // beside each other: one whose saga is locked by another session holds up no other
        for some in claims.chunks(TIMERS_AT_ONCE) {
            let mut alone = Vec::with_capacity(some.len());
            for claim in some {
                alone.push(
                    self.timer_alone(claim, causes(std::slice::from_ref(claim)))
                        .boxed(),
                );
            }
            join_all(alone).await;
        }
    }

    async fn timer_alone(&self, claim: &SagaClaim, causes: Vec<(SagaId, Cause)>) {
        if let Err(error) = self.commit(causes).await {
            debug!(saga.id = %claim.saga_id, %error, "A timer was not stored: left to the next claim");
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
        let Body::Remote {
            run,
            undo: compensate,
        } = &step.body
        else {
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
            let answer = guarded(limit, compensate.as_ref()?.undo(&cx)).await;
            crash_point!("saga.undo.after_call");
            Ended::Undo(answer.unwrap_or_else(Undo::Unknown))
        } else {
            crash_point!("saga.step.before_call");
            let answer = guarded(limit, run.run(&cx)).await;
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
                    if db::is_unreachable(&error)
                        || db::is_retryable(&error)
                        || db::is_locked(&error) =>
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
        Ended::Step(Outcome::Contradicted(_)) | Ended::Undo(Undo::Contradicted(_)) => {
            "contradicted"
        }
        Ended::Undo(Undo::Done) => "undone",
        Ended::Undo(Undo::Overtaken) => "overtaken",
        Ended::Timer => "timer",
    }
}

fn failure(ended: &Ended) -> Option<&str> {
    match ended {
        Ended::Step(
            Outcome::Transient(why) | Outcome::Unknown(why) | Outcome::Contradicted(why),
        )
        | Ended::Undo(Undo::Transient(why) | Undo::Unknown(why) | Undo::Contradicted(why)) => {
            Some(why)
        }
        _ => None,
    }
}
