//! Declaring a saga: its steps, their undos, and their order.
//!
//! A [`Plan`] is a typestate: after `.pivot(..)`, there is no method `.compensable(..)`.

use std::{fmt, marker::PhantomData, sync::Arc};

use kernel::SignalId;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use super::{
    erased::{Body, DynLocal, DynLocalUndo, DynRemote, DynRemoteUndo, PlanStep},
    milestone::Milestone,
};
use crate::{
    journal::CompensationCause,
    preview::{Assertion, Description, PlannedEffect, VerifyError},
    shape::{Reasons, Role, Shape, SignalShape, StepShape},
    signal::Meaning,
    step::{FirstStep, LocalStep, LocalUndo, RemoteStep, RemoteUndo, SleepStep, WaitStep},
};

/// Why the compensation of a saga begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compensation<'a> {
    /// The cause, for code.
    pub cause: CompensationCause,
    /// Whether an operator's action began it.
    pub by_operator: bool,
    /// The reason, for people.
    pub reason: &'a str,
}

/// A durable job of several steps. The value itself holds the job's settings.
pub trait Saga: Send + Sync + Sized + 'static {
    /// Stored name: rename only with a migration.
    const NAME: &'static str;
    /// Increased whenever a stored saga would change its meaning.
    const VERSION: i32;
    /// The values that are chosen before any call leaves: ids, amounts.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Input of the [`FirstStep`] alone, not stored with the saga; `()` for none.
    type Details: Send + Sync + 'static;
    /// The clients through which remote steps call their participants.
    type Ports: Send + Sync + 'static;
    /// Read access to the participants, used to verify operators' assertions.
    type View: ?Sized + Send + Sync + 'static;

    /// Why the saga is compensated, in words for its customer. Stored with each compensated saga.
    const REASONS: Reasons;

    /// The steps.
    fn plan() -> Plan<Self, Complete>;

    /// Earlier versions of the plan, whose sagas may still be live: these sagas run to their end,
    /// and no new ones begin. A version may be removed once none of its sagas is live (`shopctl
    /// saga check-compat`); its input must still be readable as [`Saga::Input`].
    /// check-compat`); its input must still be readable as [`Saga::Input`].
    fn earlier() -> Vec<(i32, Plan<Self, Complete>)> {
        Vec::new()
    }

    /// Attributes of the saga's spans, such as `order.id`. Never a secret: many people read traces.
    fn attributes(_input: &Self::Input) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Writes the log line of a milestone, after its commit.
    fn log(_input: &Self::Input, milestone: &Milestone<'_>) {
        milestone.log(Self::NAME);
    }

    /// Describes a planned effect to an operator who previews an action: messages, stock, money.
    fn describe(
        _conn: &mut PgConnection,
        _input: &Self::Input,
        effect: PlannedEffect,
    ) -> impl Future<Output = sqlx::Result<Description>> + Send {
        async move { Ok(effect.describe()) }
    }

    /// Verifies an operator's assertion with the participant: an assertion that the participant
    /// does not confirm moves no saga.
    ///
    /// # Errors
    /// [`VerifyError`].
    fn verify(
        view: &Self::View,
        input: &Self::Input,
        assertion: Assertion<'_>,
    ) -> impl Future<Output = Result<(), VerifyError>> + Send;

    /// The id of a signal that an operator sends in place of a participant. A workflow whose
    /// participants' events have ids of their own returns the event's, so that the event counts as
    /// a duplicate if it still arrives.
    fn signal_id(_input: &Self::Input, _name: &str) -> SignalId {
        SignalId::new()
    }

    /// Records that compensation begins, in the transaction that begins it.
    fn begin_compensation(
        _conn: &mut PgConnection,
        _input: &Self::Input,
        _why: Compensation<'_>,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Like [`Saga::begin_compensation`], for all sagas of a batch.
    fn begin_compensation_all(
        conn: &mut PgConnection,
        sagas: &[(&Self::Input, Compensation<'_>)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for (input, why) in sagas {
                Self::begin_compensation(conn, input, *why).await?;
            }
            Ok(())
        }
    }
}

/// Marks a step as a [`LocalStep`].
pub struct Local<T>(pub T);
/// Marks a step as a [`RemoteStep`].
pub struct Remote<T>(pub T);
/// Marks a step as a [`WaitStep`].
pub struct Wait<T>(pub T);
/// Marks a step as a [`SleepStep`].
pub struct Sleep<T>(pub T);

/// Stage of a [`Plan`]: steps that can be undone.
pub struct BeforePivot;
/// Stage of a [`Plan`]: complete; more retryable steps may follow.
pub struct Complete;

/// The steps of a saga, in order.
pub struct Plan<S: Saga, Stage> {
    pub(crate) steps: Vec<PlanStep<S>>,
    stage: PhantomData<Stage>,
}

impl<S: Saga> Plan<S, BeforePivot> {
    /// A plan that does not begin with a [`FirstStep`].
    pub fn start() -> Self {
        Self {
            steps: Vec::new(),
            stage: PhantomData,
        }
    }

    /// A plan that begins with this [`FirstStep`].
    pub fn first<T: FirstStep<S>>(step: T) -> Self {
        let body = Body::First(Box::new(step));
        Self {
            steps: vec![PlanStep::new(T::NAME, Role::Compensable, body)],
            stage: PhantomData,
        }
    }

    /// Adds a step before the pivot.
    #[must_use]
    pub fn compensable(mut self, step: impl IntoCompensable<S>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// Adds the pivot, the step that decides. A saga can be compensated only if its pivot did not
    /// take effect.
    #[must_use]
    pub fn pivot(mut self, step: impl IntoPivot<S>) -> Plan<S, Complete> {
        self.steps.push(step.into_step());
        Plan {
            steps: self.steps,
            stage: PhantomData,
        }
    }
}

impl<S: Saga> Plan<S, Complete> {
    /// Adds a step after the pivot; the step must succeed in the end.
    #[must_use]
    pub fn retryable(mut self, step: impl IntoRetryable<S>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// The plan without its code.
    ///
    /// # Panics
    /// When the plan breaks a rule that types cannot express, so that no process starts with it.
    pub fn shape(&self) -> Shape {
        self.shape_as(S::VERSION)
    }

    /// Like [`Plan::shape`], for a plan of this version.
    pub(crate) fn shape_as(&self, version: i32) -> Shape {
        let steps = self.steps.iter().map(|step| StepShape {
            name: step.name,
            kind: step.body.kind(),
            role: step.role,
        });
        let shape = Shape {
            name: S::NAME,
            version,
            steps: steps.collect(),
            signals: self.signals().collect(),
            reasons: S::REASONS,
        };
        if let Err(why) = shape.check() {
            panic!("the plan {} v{version} is wrong: {why}", S::NAME);
        }
        shape
    }

    fn signals(&self) -> impl Iterator<Item = SignalShape> {
        let waits = self.steps.iter().enumerate();
        let waits = waits.filter_map(|(at, step)| match &step.body {
            Body::Wait { signals, .. } => Some((at, *signals)),
            _ => None,
        });
        waits.flat_map(move |(at, signals)| {
            signals.iter().map(move |signal| SignalShape {
                name: signal.name,
                meaning: Meaning {
                    kind: signal.kind,
                    wait: Some(at),
                    proves: signal.proves.map(|step| self.index_of(step)),
                },
            })
        })
    }

    fn index_of(&self, name: &str) -> usize {
        let found = self.steps.iter().position(|step| step.name == name);
        found.unwrap_or_else(|| {
            panic!(
                "the plan {} is wrong: a signal proves `{name}`, which is no step of it",
                S::NAME
            )
        })
    }
}

impl<S: Saga, Stage> fmt::Debug for Plan<S, Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.steps.iter().map(|step| step.name))
            .finish()
    }
}

/// A step that may stand before the pivot: it can be undone, or has no effect.
pub trait IntoCompensable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> PlanStep<S>;
}

/// A step that may be the pivot: [`Remote`], which decides by its answer, or [`Wait`], which a
/// signal decides.
pub trait IntoPivot<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> PlanStep<S>;
}

/// A step that may stand after the pivot: any step but the first.
pub trait IntoRetryable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> PlanStep<S>;
}

impl<S: Saga, T: LocalUndo<S>> IntoCompensable<S> for Local<T> {
    fn into_step(self) -> PlanStep<S> {
        let step = Arc::new(self.0);
        let (run, undo) = (Arc::clone(&step) as Arc<dyn DynLocal<S>>, step);
        let undo = Some(undo as Arc<dyn DynLocalUndo<S>>);
        PlanStep::new(T::NAME, Role::Compensable, Body::Local { run, undo })
    }
}

impl<S: Saga, T: RemoteUndo<S>> IntoCompensable<S> for Remote<T> {
    fn into_step(self) -> PlanStep<S> {
        let step = Arc::new(self.0);
        let (run, undo) = (Arc::clone(&step) as Arc<dyn DynRemote<S>>, step);
        let undo = Some(undo as Arc<dyn DynRemoteUndo<S>>);
        PlanStep::new(T::NAME, Role::Compensable, Body::Remote { run, undo })
    }
}

impl<S: Saga, T: RemoteStep<S>> IntoPivot<S> for Remote<T> {
    fn into_step(self) -> PlanStep<S> {
        PlanStep::new(T::NAME, Role::Pivot, Body::remote(self.0))
    }
}

impl<S: Saga, T: LocalStep<S>> IntoRetryable<S> for Local<T> {
    fn into_step(self) -> PlanStep<S> {
        let run = Arc::new(self.0);
        PlanStep::new(T::NAME, Role::Retryable, Body::Local { run, undo: None })
    }
}

impl<S: Saga, T: RemoteStep<S>> IntoRetryable<S> for Remote<T> {
    fn into_step(self) -> PlanStep<S> {
        PlanStep::new(T::NAME, Role::Retryable, Body::remote(self.0))
    }
}

/// Steps without an effect take the role of their zone.
macro_rules! without_effect {
    ($marker:ident, $step:ident, $body:ident: $($zone:ident $role:ident),+) => {$(
        impl<S: Saga, T: $step<S>> $zone<S> for $marker<T> {
            fn into_step(self) -> PlanStep<S> {
                PlanStep::new(T::NAME, Role::$role, Body::$body::<T>())
            }
        }
    )+};
}

without_effect!(Wait, WaitStep, wait: IntoCompensable Compensable, IntoPivot Pivot, IntoRetryable Retryable);
without_effect!(Sleep, SleepStep, sleep: IntoCompensable Compensable, IntoRetryable Retryable);
