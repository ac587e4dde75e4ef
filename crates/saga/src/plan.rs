//! Declaring a saga: its steps, what undoes them, and the order they come in.
//!
//! A [`Plan`] is a typestate: after `.pivot(..)` there is no `.compensable(..)` to call.

use std::{any::Any, fmt, marker::PhantomData, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use kernel::{SagaId, TraceRef};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use crate::{
    preview::{Assertion, Description, PlannedEffect, VerifyError},
    shape::{Kind, Reasons, Role, Shape, SignalShape, StepShape},
    signal::{Class, Meaning},
};

/// A durable multi-step job. The value itself holds its settings.
pub trait Saga: Send + Sync + Sized + 'static {
    /// Stored name: rename only with a migration.
    const NAME: &'static str;
    /// Raised whenever a stored saga would mean something else.
    const VERSION: i32;
    /// What was chosen before anything left: ids, amounts.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Input of its [`FirstStep`] alone, not stored with the saga; `()` for none.
    type Details: Send + Sync + 'static;
    /// The clients by which its remote steps call their participants.
    type Ports: Send + Sync + 'static;
    /// Read access to its participants, by which assertions of operators are verified.
    type View: ?Sized + Send + Sync + 'static;

    /// Why it is undone, in words for its customer. Stored with each saga that is.
    const REASONS: Reasons;

    /// The steps.
    fn plan() -> Plan<Self, Complete>;

    /// Earlier versions of the plan, whose sagas may still be under way: they are brought to their end,
    /// and no new ones begin. A version may go once none of its sagas is live (`shopctl saga
    /// check-compat`); its input must still be readable as [`Saga::Input`].
    fn earlier() -> Vec<(i32, Plan<Self, Complete>)> {
        Vec::new()
    }

    /// Attributes of its spans, such as `order.id`. No secrets: traces are read by many.
    fn attributes(_input: &Self::Input) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Describes a planned effect to an operator who looks before acting: messages, stock, money.
    fn describe(
        _conn: &mut PgConnection,
        _input: &Self::Input,
        effect: PlannedEffect,
    ) -> impl Future<Output = sqlx::Result<Description>> + Send {
        async move { Ok(effect.describe()) }
    }

    /// Verifies what an operator asserts against the participant: nothing that it does not bear out moves a saga.
    ///
    /// # Errors
    /// [`VerifyError`].
    fn verify(
        view: &Self::View,
        input: &Self::Input,
        assertion: Assertion<'_>,
    ) -> impl Future<Output = Result<(), VerifyError>> + Send;

    /// The message that says the same as an operator's assertion: its consumer, and the key that deduplicates it.
    /// Recorded with the act, so that the message is a duplicate, should it still arrive.
    fn message_of(
        _input: &Self::Input,
        _assertion: Assertion<'_>,
    ) -> Option<(&'static str, String)> {
        None
    }

    /// Records, in the transaction that begins to compensate a saga, that it does.
    fn begin_compensation(
        _conn: &mut PgConnection,
        _input: &Self::Input,
        _reason: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// As [`Saga::begin_compensation`], for all sagas of a batch, each with its reason.
    fn begin_compensation_all(
        conn: &mut PgConnection,
        sagas: &[(&Self::Input, &str)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for (input, reason) in sagas {
                Self::begin_compensation(conn, input, reason).await?;
            }
            Ok(())
        }
    }
}

/// A business refusal: the saga must not, or can no longer, be done.
#[derive(Debug)]
pub struct Refusal {
    /// For people.
    pub reason: String,
    /// For callers that tell refusals apart: downcast it.
    pub cause: Box<dyn Any + Send>,
}

/// Why a saga's first step did not run, and nothing was created.
#[derive(Debug)]
pub enum FirstStepError {
    /// Business says no.
    Refused(Refusal),
    /// The database failed; the transaction rolls back.
    Db(sqlx::Error),
}

impl From<sqlx::Error> for FirstStepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error)
    }
}

/// How an attempt to run a remote step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Done,
    /// Business says no: compensate.
    Refused(String),
    /// It never left: only a connect error is that. Try again.
    Transient(String),
    /// It may have happened: ask again under the same key. A time-out is never anything else.
    Unknown(String),
    /// The participant's answer contradicts the saga's input, such as another amount. It is asked again, since
    /// a person may correct it there; meanwhile an operator has to look.
    Contradicted(String),
}

/// How an attempt to undo a remote step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// It is undone, or was never done and cannot be any more.
    Done,
    /// The participant had decided the other way before: the saga turns forward.
    Overtaken,
    /// It never left. Try again.
    Transient(String),
    /// It may have happened: ask again under the same key.
    Unknown(String),
    /// As of [`Outcome::Contradicted`]: neither direction is safe.
    Contradicted(String),
}

/// The local step that a saga begins with. It joins the transaction that creates the saga, and is the only local
/// step that may refuse: a saga that is refused was never there.
pub trait FirstStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// Runs it.
    fn run(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
        details: &S::Details,
    ) -> impl Future<Output = Result<(), FirstStepError>> + Send;

    /// Undoes it, for this reason.
    fn undo(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
        reason: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// As [`FirstStep::undo`], for all sagas of a batch: with statements for many rows it is faster.
    fn undo_all(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&S::Input, &str)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for (input, reason) in sagas {
                self.undo(conn, input, reason).await?;
            }
            Ok(())
        }
    }
}

/// A step whose effect is in the shop's own database: it joins the transition's transaction, so it takes effect
/// exactly once.
pub trait LocalStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// Runs it.
    fn run(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// As [`LocalStep::run`], for all sagas of a batch: with statements for many rows it is faster.
    fn run_all(
        &self,
        conn: &mut PgConnection,
        inputs: &[&S::Input],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for input in inputs {
                self.run(conn, input).await?;
            }
            Ok(())
        }
    }
}

/// Undoes a [`LocalStep`].
pub trait LocalUndo<S: Saga>: LocalStep<S> {
    /// Undoes it, for this reason.
    fn undo(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
        reason: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// As [`LocalUndo::undo`], for all sagas of a batch: with statements for many rows it is faster.
    fn undo_all(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&S::Input, &str)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for (input, reason) in sagas {
                self.undo(conn, input, reason).await?;
            }
            Ok(())
        }
    }
}

/// A step whose effect is elsewhere.
pub trait RemoteStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// One attempt. It is dropped at its time-out, which then counts as [`Outcome::Unknown`].
    fn run(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Outcome> + Send;

    /// Records, in the commit that stores its result, that it took effect.
    fn record(
        &self,
        _conn: &mut PgConnection,
        _input: &S::Input,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// As [`RemoteStep::record`], for all sagas of a batch: with statements for many rows it is faster.
    fn record_all(
        &self,
        conn: &mut PgConnection,
        inputs: &[&S::Input],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async move {
            for input in inputs {
                self.record(conn, input).await?;
            }
            Ok(())
        }
    }
}

/// Undoes a [`RemoteStep`], keyed by what was known before it ran: it works whether or not an
/// answer ever came.
pub trait RemoteUndo<S: Saga>: RemoteStep<S> {
    /// One attempt. Never given up.
    fn undo(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Undo> + Send;
}

/// A step that waits for a signal: the pivot.
pub trait WaitStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// The signals that end it.
    const SIGNALS: &'static [Signal];

    /// How long it waits.
    fn deadline(saga: &S) -> Duration;
}

/// A signal that a [`WaitStep`] knows.
#[derive(Debug, Clone, Copy)]
pub struct Signal {
    name: &'static str,
    class: Class,
    proves: Option<&'static str>,
}

impl Signal {
    /// A signal with this stored name that says: go on.
    pub const fn proceed(name: &'static str) -> Self {
        Self {
            name,
            class: Class::Proceed,
            proves: None,
        }
    }

    /// A signal with this stored name that says: undo.
    pub const fn abort(name: &'static str) -> Self {
        Self {
            name,
            class: Class::Abort,
            proves: None,
        }
    }

    /// The step `T` must have taken effect for this signal to exist, as an invoice that is paid must have been
    /// made: the saga needs no other answer of `T`. It says nothing of any other step.
    #[must_use]
    pub const fn proving<S: Saga, T: RemoteStep<S>>(self) -> Self {
        Self {
            proves: Some(T::NAME),
            ..self
        }
    }
}

/// What a remote step may use.
pub struct StepCx<'a, S: Saga> {
    pub(crate) saga: &'a S,
    pub(crate) ports: &'a S::Ports,
    pub(crate) saga_id: SagaId,
    pub(crate) input: &'a S::Input,
    pub(crate) step: &'static str,
    pub(crate) attempt: i32,
    pub(crate) trace: &'a TraceRef,
}

impl<S: Saga> StepCx<'_, S> {
    /// The saga's own value, with its settings.
    pub fn saga(&self) -> &S {
        self.saga
    }

    /// The clients of its participants.
    pub fn ports(&self) -> &S::Ports {
        self.ports
    }

    /// What was chosen before anything left.
    pub fn input(&self) -> &S::Input {
        self.input
    }

    /// The saga.
    pub fn saga_id(&self) -> SagaId {
        self.saga_id
    }

    /// Number of this attempt, from 1.
    pub fn attempt(&self) -> i32 {
        self.attempt
    }

    /// The saga's trace, under the span of this attempt.
    pub fn trace(&self) -> &TraceRef {
        self.trace
    }

    /// Names the effect, the same for all attempts: sent as `Idempotency-Key`.
    pub fn effect_key(&self) -> String {
        format!("{}/{}", self.saga_id, self.step)
    }

    /// Names the undo's effect.
    pub fn undo_key(&self) -> String {
        format!("{}/{}/undo", self.saga_id, self.step)
    }
}

/// Marks a step as a [`LocalStep`].
pub struct Local<T>(pub T);
/// Marks a step as a [`RemoteStep`].
pub struct Remote<T>(pub T);

/// Stage of a [`Plan`]: steps that can be undone.
pub struct BeforePivot;
/// Stage of a [`Plan`]: whole; more retryable steps may follow.
pub struct Complete;

/// The steps of a saga, in order.
pub struct Plan<S: Saga, Stage> {
    pub(crate) steps: Vec<PlanStep<S>>,
    stage: PhantomData<Stage>,
}

impl<S: Saga> Plan<S, BeforePivot> {
    /// A plan that begins with something other than a [`FirstStep`].
    pub fn start() -> Self {
        Self {
            steps: Vec::new(),
            stage: PhantomData,
        }
    }

    /// A plan that begins with this step.
    pub fn first<T: FirstStep<S>>(step: T) -> Self {
        let first = PlanStep {
            name: T::NAME,
            role: Role::Compensable,
            body: Body::First(Box::new(step)),
        };
        Self {
            steps: vec![first],
            stage: PhantomData,
        }
    }

    /// Adds a step that can be undone.
    #[must_use]
    pub fn compensable(mut self, step: impl IntoCompensable<S>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// Adds the pivot: the wait that decides. From here on, only forward.
    #[must_use]
    pub fn pivot<W: WaitStep<S>>(mut self, _wait: W) -> Plan<S, Complete> {
        let wait = Wait {
            deadline: W::deadline,
            signals: W::SIGNALS,
        };
        self.steps.push(PlanStep {
            name: W::NAME,
            role: Role::Pivot,
            body: Body::Wait(wait),
        });
        Plan {
            steps: self.steps,
            stage: PhantomData,
        }
    }
}

impl<S: Saga> Plan<S, Complete> {
    /// Adds a step that must succeed in the end.
    #[must_use]
    pub fn retryable(mut self, step: impl IntoRetryable<S>) -> Self {
        self.steps.push(step.into_step());
        self
    }

    /// The plan without its code.
    pub fn shape(&self) -> Shape {
        self.shape_as(S::VERSION)
    }

    /// As [`Plan::shape`], of a plan of this version.
    pub(crate) fn shape_as(&self, version: i32) -> Shape {
        let steps = self.steps.iter().map(|step| {
            let kind = match step.body {
                Body::First(_) | Body::Local { .. } => Kind::Local,
                Body::Remote { .. } => Kind::Remote,
                Body::Wait(_) => Kind::Wait,
            };
            StepShape {
                name: step.name,
                kind,
                role: step.role,
            }
        });
        Shape {
            name: S::NAME,
            version,
            steps: steps.collect(),
            signals: self.signals().collect(),
            reasons: S::REASONS,
        }
    }

    fn signals(&self) -> impl Iterator<Item = SignalShape> {
        let waits = self.steps.iter().filter_map(|step| match &step.body {
            Body::Wait(wait) => Some(wait.signals),
            Body::First(_) | Body::Local { .. } | Body::Remote { .. } => None,
        });
        waits.flatten().map(|signal| SignalShape {
            name: signal.name,
            meaning: Meaning {
                class: signal.class,
                proves: signal.proves.map(|step| self.before_the_pivot(step)),
            },
        })
    }

    /// # Panics
    /// When a signal proves a step that the plan does not have before its pivot: the plan is wrong, and no
    /// process may start with it.
    fn before_the_pivot(&self, name: &str) -> usize {
        let before = self
            .steps
            .iter()
            .take_while(|step| step.role != Role::Pivot);
        let mut named = before.enumerate().filter(|(_, step)| step.name == name);
        let found = named.next().map(|(at, _)| at);
        found.unwrap_or_else(|| {
            panic!(
                "a signal of the plan {} proves `{name}`, which is no step before its pivot",
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

/// A step with its code, its types erased.
pub struct PlanStep<S: Saga> {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) body: Body<S>,
}

pub(crate) enum Body<S: Saga> {
    First(Box<dyn DynFirst<S>>),
    Local {
        run: Arc<dyn DynLocal<S>>,
        undo: Option<Arc<dyn DynLocalUndo<S>>>,
    },
    Remote {
        run: Arc<dyn DynRemote<S>>,
        undo: Option<Arc<dyn DynRemoteUndo<S>>>,
    },
    Wait(Wait<S>),
}

pub(crate) struct Wait<S> {
    pub(crate) deadline: fn(&S) -> Duration,
    pub(crate) signals: &'static [Signal],
}

/// A step that can be undone: [`Local`] or [`Remote`].
pub trait IntoCompensable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> PlanStep<S>;
}

/// A step that must succeed in the end: [`Local`] or [`Remote`].
pub trait IntoRetryable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> PlanStep<S>;
}

impl<S: Saga, T: LocalUndo<S>> IntoCompensable<S> for Local<T> {
    fn into_step(self) -> PlanStep<S> {
        let step = Arc::new(self.0);
        let (run, undo) = (Arc::clone(&step) as Arc<dyn DynLocal<S>>, step);
        let undo = Some(undo as Arc<dyn DynLocalUndo<S>>);
        PlanStep {
            name: T::NAME,
            role: Role::Compensable,
            body: Body::Local { run, undo },
        }
    }
}

impl<S: Saga, T: RemoteUndo<S>> IntoCompensable<S> for Remote<T> {
    fn into_step(self) -> PlanStep<S> {
        let step = Arc::new(self.0);
        let (run, undo) = (Arc::clone(&step) as Arc<dyn DynRemote<S>>, step);
        let undo = Some(undo as Arc<dyn DynRemoteUndo<S>>);
        PlanStep {
            name: T::NAME,
            role: Role::Compensable,
            body: Body::Remote { run, undo },
        }
    }
}

impl<S: Saga, T: LocalStep<S>> IntoRetryable<S> for Local<T> {
    fn into_step(self) -> PlanStep<S> {
        let run = Arc::new(self.0);
        PlanStep {
            name: T::NAME,
            role: Role::Retryable,
            body: Body::Local { run, undo: None },
        }
    }
}

impl<S: Saga, T: RemoteStep<S>> IntoRetryable<S> for Remote<T> {
    fn into_step(self) -> PlanStep<S> {
        let run = Arc::new(self.0);
        PlanStep {
            name: T::NAME,
            role: Role::Retryable,
            body: Body::Remote { run, undo: None },
        }
    }
}

type Inputs<'a, S> = &'a [&'a <S as Saga>::Input];
type WithReasons<'a, S> = &'a [(&'a <S as Saga>::Input, &'a str)];
type Stored<'a> = BoxFuture<'a, sqlx::Result<()>>;

pub(crate) trait DynFirst<S: Saga>: Send + Sync {
    fn run<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        input: &'a S::Input,
        details: &'a S::Details,
    ) -> BoxFuture<'a, Result<(), FirstStepError>>;
    fn undo<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithReasons<'a, S>) -> Stored<'a>;
}

pub(crate) trait DynLocal<S: Saga>: Send + Sync {
    fn run<'a>(&'a self, conn: &'a mut PgConnection, inputs: Inputs<'a, S>) -> Stored<'a>;
}

pub(crate) trait DynLocalUndo<S: Saga>: Send + Sync {
    fn undo<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithReasons<'a, S>) -> Stored<'a>;
}

pub(crate) trait DynRemote<S: Saga>: Send + Sync {
    fn run<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Outcome>;
    fn record<'a>(&'a self, conn: &'a mut PgConnection, inputs: Inputs<'a, S>) -> Stored<'a>;
}

pub(crate) trait DynRemoteUndo<S: Saga>: Send + Sync {
    fn undo<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Undo>;
}

impl<S: Saga, T: FirstStep<S>> DynFirst<S> for T {
    fn run<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        input: &'a S::Input,
        details: &'a S::Details,
    ) -> BoxFuture<'a, Result<(), FirstStepError>> {
        Box::pin(FirstStep::run(self, conn, input, details))
    }

    fn undo<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithReasons<'a, S>) -> Stored<'a> {
        Box::pin(self.undo_all(conn, sagas))
    }
}

impl<S: Saga, T: LocalStep<S>> DynLocal<S> for T {
    fn run<'a>(&'a self, conn: &'a mut PgConnection, inputs: Inputs<'a, S>) -> Stored<'a> {
        Box::pin(self.run_all(conn, inputs))
    }
}

impl<S: Saga, T: LocalUndo<S>> DynLocalUndo<S> for T {
    fn undo<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithReasons<'a, S>) -> Stored<'a> {
        Box::pin(self.undo_all(conn, sagas))
    }
}

impl<S: Saga, T: RemoteStep<S>> DynRemote<S> for T {
    fn run<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Outcome> {
        Box::pin(RemoteStep::run(self, cx))
    }

    fn record<'a>(&'a self, conn: &'a mut PgConnection, inputs: Inputs<'a, S>) -> Stored<'a> {
        Box::pin(self.record_all(conn, inputs))
    }
}

impl<S: Saga, T: RemoteUndo<S>> DynRemoteUndo<S> for T {
    fn undo<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Undo> {
        Box::pin(RemoteUndo::undo(self, cx))
    }
}
