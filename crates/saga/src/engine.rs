//! The engine of one plan, and two ways in that are not an attempt: create and signal.

use std::{sync::Arc, time::Duration};

use kernel::{EntryId, RetryPolicy, RetryPolicyError, SagaId, TraceRef};
use messaging::{
    Wakeup,
    outbox::{Kind as EntryKind, PlanKey, SagaClaim},
};
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{
    journal::{JournalFact, JournalRow},
    known::{Known, Plans},
    machine::{self, Event, Kept, Op, State},
    plan::{Body, FirstStepError, Refusal, Saga},
    shape::Shape,
    signal::NewSignal,
    store,
    stored::{encode_state, entry_of},
    story::{self, Chapter, Subject},
    transact::{Signaled, transact},
    transition::{Cause, Rules, ran},
};

/// How an engine runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineConfig {
    /// For how long a claim gives the right to act. Another worker takes over after it.
    pub lease: Duration,
    /// Longest time of one attempt at a remote step.
    pub call_timeout: Duration,
    /// Time kept at the end of a lease for storing the outcome.
    pub margin: Duration,
    /// Delays and budget of attempts.
    pub retry: RetryPolicy,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            call_timeout: Duration::from_secs(3),
            margin: Duration::from_secs(2),
            retry: RetryPolicy::default(),
        }
    }
}

/// A configuration that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineConfigError {
    /// The holder would still be calling when its lease ends.
    #[error(
        "the call time-out ({call_timeout:?}) plus {margin:?} must fit into the lease ({lease:?})"
    )]
    TimeoutBeyondLease {
        /// Configured time-out.
        call_timeout: Duration,
        /// Configured margin.
        margin: Duration,
        /// Configured lease.
        lease: Duration,
    },
    /// The retry policy would spin or contradicts itself.
    #[error(transparent)]
    Retry(#[from] RetryPolicyError),
}

impl EngineConfig {
    /// Refuses nonsense.
    ///
    /// # Errors
    /// When the call time-out plus the margin is longer than the lease, or the retry policy is wrong.
    pub fn checked(self) -> Result<Self, EngineConfigError> {
        if self.call_timeout.is_zero() || self.call_timeout + self.margin > self.lease {
            return Err(EngineConfigError::TimeoutBeyondLease {
                call_timeout: self.call_timeout,
                margin: self.margin,
                lease: self.lease,
            });
        }
        self.retry.checked()?;
        Ok(self)
    }
}

/// A saga to be created.
pub struct NewSaga<'a, S: Saga> {
    /// Its id.
    pub id: SagaId,
    /// What was chosen before anything leaves.
    pub input: S::Input,
    /// What its first step needs beside that.
    pub details: &'a S::Details,
    /// Its one trace; the span id is the root span's.
    pub trace: TraceRef,
    /// The span id of the exported request that began it: the root span hangs below it.
    pub parent_span: Option<String>,
}

/// Why a saga was not created. The caller's transaction must roll back.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its first step was refused by business.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// The input cannot be stored as JSON.
    #[error("could not write the saga's input")]
    Input(#[from] serde_json::Error),
    /// The database failed.
    #[error("could not store the saga")]
    Db(#[from] sqlx::Error),
}

/// Why a transition was not stored. The caller's transaction must roll back.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Somebody else moved the saga, or took over its entry, first.
    #[error("somebody else moved a saga of this batch first")]
    Fenced,
    /// There is no such saga.
    #[error("there is no saga {0}")]
    NotFound(SagaId),
    /// What an operator asks for does not fit the saga's state.
    #[error("saga {saga_id} {why}")]
    Conflict {
        /// The saga.
        saga_id: SagaId,
        /// Why not, as the end of a sentence.
        why: String,
    },
    /// A stored saga cannot be worked on by this binary.
    #[error("saga {saga_id}: {why}")]
    Unreadable {
        /// The saga.
        saga_id: SagaId,
        /// Why not.
        why: String,
    },
    /// The machine asked for something that the plan does not have: a fault of this binary.
    #[error("the plan has no {op:?} for `{step}`")]
    NotInPlan {
        /// What it asked for.
        op: Op,
        /// The step.
        step: &'static str,
    },
    /// The database failed.
    #[error("could not store the transition")]
    Db(#[from] sqlx::Error),
}

/// A created saga, before its transaction is committed.
#[derive(Debug)]
#[must_use = "after the commit, hand it to `Engine::go`"]
pub struct Started<I> {
    pub(crate) claim: Option<SagaClaim>,
    pub(crate) saga_id: SagaId,
    pub(crate) state: State,
    pub(crate) input: I,
    pub(crate) trace: TraceRef,
    pub(crate) told: (Subject, Chapter),
}

impl<I> Started<I> {
    /// The saga.
    pub const fn saga_id(&self) -> SagaId {
        self.saga_id
    }
}

/// Runs the sagas of one plan, in the versions of it that this binary knows.
pub struct Engine<S: Saga> {
    pub(crate) inner: Arc<Inner<S>>,
}

impl<S: Saga> Clone for Engine<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

pub(crate) struct Inner<S: Saga> {
    pub(crate) saga: S,
    pub(crate) plans: Plans<S>,
    pub(crate) holder: String,
    pub(crate) config: EngineConfig,
    pub(crate) pool: PgPool,
    pub(crate) wakeup: Wakeup,
    pub(crate) tasks: TaskTracker,
}

impl<S: Saga> Inner<S> {
    /// All that decides on the sagas of `known`.
    pub(crate) fn rules<'a>(&'a self, known: &'a Known<S>) -> Rules<'a, S> {
        Rules {
            saga: &self.saga,
            plan: &known.plan,
            shape: &known.shape,
            hash: &known.hash,
            retry: &self.config.retry,
        }
    }
}

impl<S: Saga> Inner<S> {
    /// Runs a local step in the transaction that creates its saga.
    async fn run_at_start(
        &self,
        conn: &mut PgConnection,
        op: Op,
        new: &NewSaga<'_, S>,
    ) -> Result<(), StartError> {
        let Op::Run(at) = op else {
            return Ok(()); // a saga that begins neither records nor undoes anything
        };
        match &self.plans.current().plan.steps[at].body {
            Body::First(first) => first
                .run(conn, &new.input, new.details)
                .await
                .map_err(|error| match error {
                    FirstStepError::Refused(refusal) => StartError::Refused(refusal),
                    FirstStepError::Db(error) => StartError::Db(error),
                }),
            Body::Local { run, .. } => Ok(run.run(conn, &[&new.input]).await?),
            Body::Remote { .. } | Body::Wait(_) => Ok(()),
        }
    }
}

impl<S: Saga> Engine<S> {
    /// An engine for `saga`'s plan.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn new(
        saga: S,
        pool: PgPool,
        config: EngineConfig,
        wakeup: Wakeup,
    ) -> Result<Self, EngineConfigError> {
        let config = config.checked()?;
        let inner = Inner {
            saga,
            plans: Plans::new(),
            holder: crate::heartbeat::process_name(),
            config,
            pool,
            wakeup,
            tasks: TaskTracker::new(),
        };
        // a counter that is born with its first event shows no increase: these are there from the start
        metrics::counter!("saga_breaches_total", "plan" => S::NAME).increment(0);
        metrics::counter!("saga_fenced_total", "plan" => S::NAME).increment(0);
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The shape of the plan of new sagas.
    pub fn shape(&self) -> &Shape {
        &self.inner.plans.current().shape
    }

    /// The shape of this saga's plan; `None` when this binary does not know it.
    pub fn shape_of(&self, row: &store::Row) -> Option<&Shape> {
        self.inner.plans.of(row).ok().map(|known| &known.shape)
    }

    /// What this engine may claim: the plan of the sagas that it begins, then earlier ones.
    pub fn plan_keys(&self) -> Vec<PlanKey> {
        let plans = self.inner.plans.all();
        plans.map(|known| known.shape.key()).collect()
    }

    /// Who claims here: this process, as its heartbeat names it.
    pub fn holder(&self) -> &str {
        &self.inner.holder
    }

    /// The engine's pool.
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// The engine's configuration.
    pub fn config(&self) -> EngineConfig {
        self.inner.config
    }

    /// Creates a saga in the caller's transaction: its row, its journal, its entry and the local
    /// steps that it begins with commit together, or not at all (I1).
    ///
    /// With `eager`, the entry is inserted as claimed by this process; after the commit, [`Engine::go`]
    /// runs the first attempt at once.
    ///
    /// # Errors
    /// When a first step refuses, or the database fails.
    pub async fn start(
        &self,
        conn: &mut PgConnection,
        new: NewSaga<'_, S>,
        eager: bool,
    ) -> Result<Started<S::Input>, StartError> {
        let claimed_at = std::time::Instant::now();
        let inner = &*self.inner;
        let current = inner.plans.current();
        let begun = State::Running { step: 0 };
        let decision = machine::advance::<kernel::SignalId>(
            &current.shape,
            begun,
            &Event::Begun,
            &[] as &[Kept<_>],
        );
        let entry = entry_of(&current.shape, decision.wake);
        let eager = eager && entry.as_ref().is_some_and(|entry| entry.kind == "step");
        let (step, _) = encode_state(&current.shape, decision.state);
        let wait = match decision.state {
            State::Waiting { step } => Some(inner.rules(current).wait_of(step).as_secs_f64()),
            _ => None,
        };
        let due_in = if eager {
            inner.config.lease.as_secs_f64()
        } else {
            wait.unwrap_or(0.0)
        };
        let ran = ran(&current.shape, &decision.ops);
        let create = store::Create {
            saga_id: new.id,
            plan: S::NAME,
            plan_version: S::VERSION,
            plan_hash: &current.hash,
            state: decision.state.name(),
            step,
            deadline_in: wait,
            input: serde_json::to_value(&new.input)?,
            trace_id: new.trace.trace_id(),
            root_span_id: new.trace.span_id(),
            entry: entry.clone(),
            due_in,
            holder: eager.then_some(inner.holder.as_str()),
            ran: &ran,
            parent_span: new.parent_span.as_deref(),
        };
        let (entry_id, since) = store::create(conn, &create).await?;
        for op in &decision.ops {
            inner.run_at_start(conn, *op, &new).await?;
        }
        let told = (
            Subject {
                saga_id: new.id,
                plan: S::NAME.to_owned(),
                trace: new.trace.clone(),
                attributes: S::attributes(&new.input),
            },
            Chapter {
                revision: 1,
                at: since,
                before: None,
                after: decision.state.name().to_owned(),
                rows: vec![JournalRow {
                    step: entry.as_ref().map(|entry| entry.step.to_string()),
                    ran: Some(ran.clone()),
                    span_id: new.parent_span.clone(),
                    ..JournalRow::new(JournalFact::Begun)
                }],
            },
        );
        let claim = entry.filter(|_| eager).map(|entry| SagaClaim {
            entry_id: EntryId::from(entry_id),
            saga_id: new.id,
            kind: EntryKind::Step,
            step: entry.step.into_owned(),
            epoch: 1,
            attempt: 1,
            since,
            claimed_at,
            began_at: since,
            holder: inner.holder.clone(),
            lost: None,
        });
        Ok(Started {
            claim,
            saga_id: new.id,
            state: decision.state,
            input: new.input,
            trace: new.trace,
            told,
        })
    }

    /// After the commit of [`Engine::start`]: tells the beginning of its trace and runs the first
    /// attempt as a task of its own, so that a client that hangs up cancels nothing.
    ///
    /// Without an eager claim it only wakes the workers of this process, and there is no task.
    pub fn go(&self, started: Started<S::Input>) -> Option<JoinHandle<()>> {
        let (subject, chapter) = started.told;
        story::tell(subject, &chapter, None);
        metrics::counter!("saga_started_total", "plan" => S::NAME).increment(1);
        let Some(claim) = started.claim else {
            self.inner.wakeup.notify();
            return None;
        };
        let engine = self.clone();
        Some(self.inner.tasks.spawn(async move {
            let current = engine.inner.plans.current();
            let attempt = engine.attempt_known(
                &claim,
                current,
                started.state,
                &started.input,
                &started.trace,
            );
            engine.bounded(Box::pin(attempt)).await;
        }))
    }

    /// Records signals in the caller's transaction and moves their sagas, in the sequence given.
    ///
    /// After the commit, call [`Signaled::after`]'s [`crate::AfterCommit::emit`].
    ///
    /// # Errors
    /// When a saga cannot be moved. A signal to a saga that does not exist is no error: its
    /// [`Signaled`] verdict is missing.
    pub async fn signal(
        &self,
        conn: &mut PgConnection,
        signals: Vec<NewSignal>,
    ) -> Result<Signaled, EngineError> {
        let causes = signals
            .into_iter()
            .map(|signal| (signal.saga_id, Cause::Signal(signal)))
            .collect();
        transact(&self.inner, conn, causes).await
    }

    /// Runs `work` as a task of its own, to its end, whatever becomes of whoever awaits it;
    /// [`Engine::drain`] waits for it, too.
    pub fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.inner.tasks.spawn(work.in_current_span())
    }

    /// Waits until the attempts that this process has begun are over.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}
