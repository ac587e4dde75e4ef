//! The engine: decides and stores, with the two entry points that are not attempts, create and
//! signal.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use db::Lane;
use kernel::{EntryId, RetryPolicy, RetryPolicyError, SagaId, TraceRef};
use messaging::Wakeup;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use uuid::Uuid;

use crate::{
    codec::Unreadable,
    commit::{Moves, SignalResult, apply_triggers},
    machine::{Op, State},
    plan::Saga,
    preview::{Description, PlannedEffect},
    registry::{AnyDetails, AnyInput, Definition, PlanVersion, Registry},
    shape::Shape,
    signal::NewSignal,
    step::Refusal,
    store::{
        self, EntryChange, Fence, FirstClaim, Row, Save,
        claim::{EntryKind, PlanKey, SagaClaim},
    },
    trace_export::{JournalBatch, SagaTrace},
    transition::{Beginning, TransitionContext, Trigger},
};

/// The engine's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineConfig {
    /// How long a claim gives the right to act. After the lease, another worker may take over.
    pub lease: Duration,
    /// The longest time of one attempt at a remote step.
    pub call_timeout: Duration,
    /// The time at the end of a lease that is reserved for storing the outcome.
    pub margin: Duration,
    /// Delays and the retry budget of attempts.
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

/// An invalid configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineConfigError {
    /// The lease holder would still be calling when its lease ends.
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
    /// The retry policy would retry without a delay, or contradicts itself.
    #[error(transparent)]
    Retry(#[from] RetryPolicyError),
}

impl EngineConfig {
    /// Rejects an invalid configuration.
    ///
    /// # Errors
    /// When the call time-out plus the margin is longer than the lease, or the retry policy is
    /// invalid.
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
    /// The values that are chosen before any call leaves.
    pub input: S::Input,
    /// Input of the first step alone, not stored with the saga.
    pub details: &'a S::Details,
    /// The trace of the whole saga; the span id is the root span's.
    pub trace: TraceRef,
    /// The span id of the exported request that began the saga; it becomes the root span's parent.
    pub parent_span: Option<String>,
    /// Whether this process makes the first attempt at a remote step itself: the entry is inserted
    /// as claimed, and after the commit [`crate::Runner::launch`] runs the attempt at once.
    pub eager: bool,
}

/// Why a saga was not created. The caller's transaction must roll back.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The saga's first step was refused for a business reason.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// The registry does not have its workflow.
    #[error("workflow `{0}` is not in the registry of this program")]
    Unknown(&'static str),
    /// The input cannot be stored as JSON.
    #[error("could not write the saga's input")]
    Input(#[from] serde_json::Error),
    /// The saga could not be stored, for another reason than the database.
    #[error(transparent)]
    NotStored(EngineError),
    /// The database failed.
    #[error("could not store the saga")]
    Db(#[from] sqlx::Error),
}

/// Why a transition was not stored. The caller's transaction must roll back.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another transaction moved the saga, or took over its entry, first.
    #[error("somebody else moved a saga of this batch first")]
    Fenced,
    /// The saga does not exist.
    #[error("there is no saga {0}")]
    NotFound(SagaId),
    /// The operator's request does not fit the saga's state.
    #[error("saga {saga_id} {why}")]
    Conflict {
        /// The saga.
        saga_id: SagaId,
        /// The reason, as the end of a sentence.
        why: String,
    },
    /// This binary cannot process the stored saga.
    #[error("saga {saga_id}: {why}")]
    Unreadable {
        /// The saga.
        saga_id: SagaId,
        /// The reason.
        why: String,
    },
    /// The machine requested an operation that the plan does not have: a bug in this binary.
    #[error("the plan has no {op:?} for `{step}`")]
    NotInPlan {
        /// The operation.
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
#[must_use = "after the commit, hand it to `Runner::launch`"]
pub struct StartedSaga {
    pub(crate) claim: Option<SagaClaim>,
    pub(crate) saga_id: SagaId,
    pub(crate) plan: &'static str,
    pub(crate) state: State,
    pub(crate) input: AnyInput,
    pub(crate) trace: TraceRef,
    pub(crate) trace_export: Option<(SagaTrace, JournalBatch)>,
}

impl StartedSaga {
    /// The saga.
    pub const fn saga_id(&self) -> SagaId {
        self.saga_id
    }
}

/// Decides on the sagas of the workflows and plan versions that it knows, and stores the decisions.
/// It runs no remote step: a [`crate::Runner`] does.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<EngineShared>,
}

pub(crate) struct EngineShared {
    workflows: Vec<Arc<dyn Definition>>,
    pub(crate) holder: String,
    pub(crate) config: EngineConfig,
    pub(crate) pool: PgPool,
    pub(crate) lane: Lane,
    pub(crate) wakeup: Wakeup,
    pub(crate) tasks: TaskTracker,
}

/// One version of the plan of a registered workflow.
#[derive(Clone, Copy)]
pub(crate) struct RegisteredPlan<'a> {
    pub(crate) workflow: &'a dyn Definition,
    /// Its index among the workflow's versions.
    pub(crate) version: usize,
    pub(crate) plan: &'a PlanVersion,
}

impl RegisteredPlan<'_> {
    pub(crate) fn is(&self, other: RegisteredPlan<'_>) -> bool {
        (self.workflow.name(), self.version) == (other.workflow.name(), other.version)
    }
}

impl EngineShared {
    /// The context for deciding on sagas of this version.
    pub(crate) fn context<'a>(&'a self, registered: RegisteredPlan<'a>) -> TransitionContext<'a> {
        TransitionContext {
            plan: registered.plan,
            retry: &self.config.retry,
        }
    }

    /// Every version of every plan.
    pub(crate) fn registered_plans(&self) -> impl Iterator<Item = RegisteredPlan<'_>> {
        let workflows = self.workflows.iter();
        workflows.flat_map(|workflow| {
            let versions = workflow.versions().iter().enumerate();
            versions.map(|(version, plan)| RegisteredPlan {
                workflow: &**workflow,
                version,
                plan,
            })
        })
    }

    /// The version of this row's plan.
    pub(crate) fn registered(&self, row: &store::Row) -> Result<RegisteredPlan<'_>, Unreadable> {
        let mut plans = self.registered_plans();
        let found = plans.find(|registered| registered.plan.is_of(row));
        found.ok_or_else(|| Unreadable::of(row))
    }

    /// See [`Engine::attributes`].
    pub(crate) fn attributes(&self, plan: &str, input: &Value) -> Vec<(&'static str, String)> {
        let read = self.current(plan).and_then(|registered| {
            let input = registered.workflow.read(input.clone()).ok()?;
            Some(registered.workflow.attributes(&input))
        });
        read.unwrap_or_default()
    }

    /// The plan version that new sagas of this workflow get.
    pub(crate) fn current(&self, name: &str) -> Option<RegisteredPlan<'_>> {
        let mut plans = self.registered_plans();
        plans.find(|registered| registered.workflow.name() == name)
    }
}

impl Engine {
    /// An engine for the workflows of `registry`.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn new<P, V>(
        registry: &Registry<P, V>,
        pool: PgPool,
        config: EngineConfig,
        wakeup: Wakeup,
    ) -> Result<Self, EngineConfigError>
    where
        P: Send + Sync + 'static,
        V: ?Sized + Send + Sync + 'static,
    {
        let config = config.checked()?;
        let shared = EngineShared {
            workflows: registry.definitions(),
            holder: crate::heartbeat::process_name(),
            config,
            lane: Lane::new(pool.clone()),
            pool,
            wakeup,
            tasks: TaskTracker::new(),
        };
        for workflow in &shared.workflows {
            // a counter that first appears with its first event shows no increase: these start at
            // zero
            metrics::counter!("saga_breaches_total", "plan" => workflow.name()).increment(0);
            metrics::counter!("saga_fenced_total", "plan" => workflow.name()).increment(0);
        }
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The shape of this saga's plan; `None` when this binary does not know it.
    pub fn shape_of(&self, row: &store::Row) -> Option<&Shape> {
        self.shared
            .registered(row)
            .ok()
            .map(|registered| &registered.plan.shape)
    }

    /// The plans that this engine may claim: every version that it knows.
    pub fn plan_keys(&self) -> Vec<PlanKey> {
        self.shared
            .registered_plans()
            .map(|registered| registered.plan.key())
            .collect()
    }

    /// Attributes for the traces of a saga of this plan with this stored input; empty if the plan
    /// is unknown or the input is unreadable.
    pub fn attributes(&self, plan: &str, input: &Value) -> Vec<(&'static str, String)> {
        self.shared.attributes(plan, input)
    }

    /// Describes the real-world effect of a planned effect, with a saga's stored input.
    ///
    /// # Errors
    /// When the plan is unknown, its input cannot be read, or the database fails.
    pub async fn describe(
        &self,
        conn: &mut PgConnection,
        row: &store::Row,
        effect: PlannedEffect,
    ) -> Result<Description, EngineError> {
        let (registered, input) = self.read(row)?;
        Ok(registered.workflow.describe(conn, &input, effect).await?)
    }

    pub(crate) fn read(
        &self,
        row: &store::Row,
    ) -> Result<(RegisteredPlan<'_>, AnyInput), EngineError> {
        let registered = self.shared.registered(row);
        let read = registered
            .and_then(|registered| Ok((registered, registered.workflow.read(row.input.clone())?)));
        read.map_err(|why| EngineError::Unreadable {
            saga_id: row.saga_id,
            why: why.to_string(),
        })
    }

    /// The lease holder's name in claims of this engine: this process, as its heartbeat names it.
    pub fn holder(&self) -> &str {
        &self.shared.holder
    }

    /// Connections of the engine's pool for the statements of each order.
    pub fn lane(&self) -> &Lane {
        &self.shared.lane
    }

    /// The engine's pool.
    pub fn pool(&self) -> &PgPool {
        &self.shared.pool
    }

    /// The engine's configuration.
    pub fn config(&self) -> EngineConfig {
        self.shared.config
    }

    /// Creates a saga; see [`Engine::start_all`].
    ///
    /// # Errors
    /// When its first step refuses, or the database fails.
    pub async fn start<S: Saga>(
        &self,
        conn: &mut PgConnection,
        new: NewSaga<'_, S>,
    ) -> Result<StartedSaga, StartError> {
        let mut started = self.start_all(conn, vec![new]).await?;
        let started = started.pop().expect("one answer a saga");
        started.map_err(StartError::Refused)
    }

    /// Creates sagas in the caller's transaction. The row of a saga, its journal, its entry and the
    /// local steps that it begins with commit together, or not at all (I1). The answers are in the
    /// order of the sagas; one whose first step refuses leaves nothing behind.
    ///
    /// # Errors
    /// When the workflow is unknown or the database fails; the transaction must then roll back.
    pub async fn start_all<S: Saga>(
        &self,
        conn: &mut PgConnection,
        new: Vec<NewSaga<'_, S>>,
    ) -> Result<Vec<Result<StartedSaga, Refusal>>, StartError> {
        let claimed_at = std::time::Instant::now();
        let shared = &*self.shared;
        let registered = shared.current(S::NAME);
        let registered = registered.ok_or(StartError::Unknown(S::NAME))?;
        let now = store::now(conn).await?;
        let mut unborn = Vec::with_capacity(new.len());
        for saga in new {
            let input = serde_json::to_value(&saga.input)?;
            let row = Row::unborn(saga.id, registered.plan.key(), input, &saga.trace, now);
            let claim = saga.eager.then(|| self.first_claim());
            let beginning = Beginning {
                parent_span: saga.parent_span,
                claim,
            };
            let transition = shared.context(registered).begin(&row, beginning);
            let input = AnyInput::new::<S>(saga.input);
            unborn.push((
                row,
                input,
                saga.details as &AnyDetails,
                saga.trace,
                transition,
            ));
        }
        let first: Vec<_> = unborn
            .iter()
            .map(|(_, input, details, ..)| (input, *details))
            .collect();
        let answers = registered.workflow.run_first(conn, &first).await?;
        drop(first);
        let mut moves = Moves::default();
        let mut started = Vec::with_capacity(answers.len());
        for ((row, input, _, trace, transition), answer) in unborn.into_iter().zip(answers) {
            started.push(answer.map(|()| {
                let claim = first_claim_of(&transition.save, claimed_at);
                let state = transition.after;
                moves.push(registered, &row, input.clone(), transition);
                StartedSaga {
                    claim,
                    saga_id: row.saga_id,
                    plan: S::NAME,
                    state,
                    input,
                    trace,
                    trace_export: moves.take_trace_export(),
                }
            }));
        }
        let stored = moves.store(shared, conn).await;
        stored.map_err(|error| match error {
            EngineError::Db(error) => StartError::Db(error),
            error => StartError::NotStored(error),
        })?;
        Ok(started)
    }

    /// The claim of an entry that this process inserts for itself, and the length of its lease.
    fn first_claim(&self) -> (FirstClaim, TimeDelta) {
        let lease = self.shared.config.lease;
        let claim = FirstClaim {
            fence: Fence {
                held: Uuid::now_v7(),
                epoch: 1,
            },
            holder: self.shared.holder.clone(),
        };
        (claim, TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX))
    }

    /// Records signals in the caller's transaction and moves their sagas, in the given order. A
    /// signal whose id is known already has no effect.
    ///
    /// After the commit, the caller emits [`SignalResult::after`] with [`crate::AfterCommit::emit`].
    ///
    /// # Errors
    /// When a saga cannot be moved. A signal to a saga that does not exist is no error: it has no
    /// verdict in [`SignalResult`].
    pub async fn signal(
        &self,
        conn: &mut PgConnection,
        signals: Vec<NewSignal>,
    ) -> Result<SignalResult, EngineError> {
        let triggers = signals
            .into_iter()
            .map(|signal| (signal.saga_id, Trigger::Signal(signal)))
            .collect();
        apply_triggers(&self.shared, conn, triggers).await
    }

    /// [`Engine::drain`] waits until this token is dropped, too.
    pub fn hold(&self) -> TaskTrackerToken {
        self.shared.tasks.token()
    }

    /// Waits until the attempts and tasks that this process has begun are finished.
    pub async fn drain(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

/// The claim under which the first attempt at a new saga's step is made, if its entry was inserted
/// as claimed.
fn first_claim_of(save: &Save, claimed_at: std::time::Instant) -> Option<SagaClaim> {
    let EntryChange::Ensure {
        step,
        claimed: Some(claimed),
        ..
    } = &save.entry
    else {
        return None;
    };
    Some(SagaClaim {
        entry_id: EntryId::from(claimed.fence.held),
        saga_id: SagaId::from(save.saga_id),
        kind: EntryKind::Step,
        step: step.clone(),
        epoch: claimed.fence.epoch,
        attempt: 1,
        since: save.at,
        claimed_at,
        began_at: save.at,
        holder: claimed.holder.clone(),
        lost: None,
    })
}
