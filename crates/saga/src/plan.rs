//! Declaring a saga: its steps, what undoes them, and the order they come in.
//!
//! A [`Plan`] is a typestate: after `.pivot(..)` there is no `.compensable(..)` to call.

use std::{any::Any, fmt, marker::PhantomData, time::Duration};

use futures::future::BoxFuture;
use kernel::{SagaId, TraceRef};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    shape::{Kind, Reasons, Role, Shape, SignalShape, StepShape},
    signal::{Class, Meaning},
};

/// A durable multi-step job. The value itself holds what its steps need (clients of other
/// services), so a test hands in others.
pub trait Saga: Send + Sync + Sized + 'static {
    /// Stored name: rename only with a migration.
    const NAME: &'static str;
    /// Raised whenever a stored saga would mean something else.
    const VERSION: i32;
    /// What was chosen before anything left: ids, amounts.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;

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

    /// What a stored input says of itself in traces, such as `order.id`: nothing that is anybody's
    /// secret.
    fn attributes(_input: &Value) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Told, in the transition's transaction, of sagas that begin to be undone, each with the reason.
    fn begin_compensation(
        &self,
        _conn: &mut PgConnection,
        _sagas: &[(&Self::Input, &str)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
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

/// Why a local step did not run.
#[derive(Debug)]
pub enum LocalError {
    /// Business says no. Only a step that runs in the create-commit may say so.
    Refused(Refusal),
    /// The database says no; the transaction rolls back and is tried again.
    Db(sqlx::Error),
}

impl From<sqlx::Error> for LocalError {
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

/// A step whose effect is in the shop's own database: it joins the transition's transaction.
pub trait LocalStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// Runs it for all sagas of a batch.
    fn run(
        &self,
        conn: &mut PgConnection,
        sagas: &[&S::Input],
    ) -> impl Future<Output = Result<(), LocalError>> + Send;
}

/// Undoes a [`LocalStep`].
pub trait LocalUndo<S: Saga>: LocalStep<S> {
    /// Undoes it for all sagas of a batch, each with the reason.
    fn compensate(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&S::Input, &str)],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// A step whose effect is elsewhere.
pub trait RemoteStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// One attempt. It is dropped at its time-out, which then counts as [`Outcome::Unknown`].
    fn run(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Outcome> + Send;

    /// Writes down, in the commit that ends it, that it took effect.
    fn record(
        &self,
        _conn: &mut PgConnection,
        _sagas: &[&S::Input],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }
}

/// Undoes a [`RemoteStep`], keyed by what was known before it ran: it works whether or not an
/// answer ever came.
pub trait Compensable<S: Saga>: RemoteStep<S> {
    /// One attempt. Never given up.
    fn compensate(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Undo> + Send;
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
    pub(crate) saga_id: SagaId,
    pub(crate) input: &'a S::Input,
    pub(crate) step: &'static str,
    pub(crate) attempt: i32,
    pub(crate) trace: &'a TraceRef,
}

impl<S: Saga> StepCx<'_, S> {
    /// The saga's own value, with its clients.
    pub fn saga(&self) -> &S {
        self.saga
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
    pub(crate) steps: Vec<Step<S>>,
    stage: PhantomData<Stage>,
}

impl<S: Saga> Plan<S, BeforePivot> {
    /// An empty plan.
    pub fn start() -> Self {
        Self {
            steps: Vec::new(),
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
        self.steps.push(Step {
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
                Body::Local(_) => Kind::Local,
                Body::Remote(_) => Kind::Remote,
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
            Body::Local(_) | Body::Remote(_) => None,
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
pub struct Step<S: Saga> {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) body: Body<S>,
}

pub(crate) enum Body<S: Saga> {
    Local(Box<dyn DynLocal<S>>),
    Remote(Box<dyn DynRemote<S>>),
    Wait(Wait<S>),
}

pub(crate) struct Wait<S> {
    pub(crate) deadline: fn(&S) -> Duration,
    pub(crate) signals: &'static [Signal],
}

/// A step that can be undone: [`Local`] or [`Remote`].
pub trait IntoCompensable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> Step<S>;
}

/// A step that must succeed in the end: [`Local`] or [`Remote`].
pub trait IntoRetryable<S: Saga> {
    #[doc(hidden)]
    fn into_step(self) -> Step<S>;
}

impl<S: Saga, T: LocalUndo<S>> IntoCompensable<S> for Local<T> {
    fn into_step(self) -> Step<S> {
        Step {
            name: T::NAME,
            role: Role::Compensable,
            body: Body::Local(Box::new(Undoable(self.0))),
        }
    }
}

impl<S: Saga, T: Compensable<S>> IntoCompensable<S> for Remote<T> {
    fn into_step(self) -> Step<S> {
        Step {
            name: T::NAME,
            role: Role::Compensable,
            body: Body::Remote(Box::new(Undoable(self.0))),
        }
    }
}

impl<S: Saga, T: LocalStep<S>> IntoRetryable<S> for Local<T> {
    fn into_step(self) -> Step<S> {
        Step {
            name: T::NAME,
            role: Role::Retryable,
            body: Body::Local(Box::new(Final(self.0))),
        }
    }
}

impl<S: Saga, T: RemoteStep<S>> IntoRetryable<S> for Remote<T> {
    fn into_step(self) -> Step<S> {
        Step {
            name: T::NAME,
            role: Role::Retryable,
            body: Body::Remote(Box::new(Final(self.0))),
        }
    }
}

struct Undoable<T>(T);
struct Final<T>(T);

pub(crate) trait DynLocal<S: Saga>: Send + Sync {
    fn run<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, Result<(), LocalError>>;
    fn undo<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [(&'a S::Input, &'a str)],
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}

pub(crate) trait DynRemote<S: Saga>: Send + Sync {
    fn run<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Outcome>;
    fn undo<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Undo>;
    fn record<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}

impl<S: Saga, T: LocalUndo<S>> DynLocal<S> for Undoable<T> {
    fn run<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, Result<(), LocalError>> {
        Box::pin(self.0.run(conn, sagas))
    }

    fn undo<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [(&'a S::Input, &'a str)],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(self.0.compensate(conn, sagas))
    }
}

impl<S: Saga, T: LocalStep<S>> DynLocal<S> for Final<T> {
    fn run<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, Result<(), LocalError>> {
        Box::pin(self.0.run(conn, sagas))
    }

    fn undo<'a>(
        &'a self,
        _conn: &'a mut PgConnection,
        _sagas: &'a [(&'a S::Input, &'a str)],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async { Err(never_undone(T::NAME)) })
    }
}

impl<S: Saga, T: Compensable<S>> DynRemote<S> for Undoable<T> {
    fn run<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.0.run(cx))
    }

    fn undo<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Undo> {
        Box::pin(self.0.compensate(cx))
    }

    fn record<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(self.0.record(conn, sagas))
    }
}

impl<S: Saga, T: RemoteStep<S>> DynRemote<S> for Final<T> {
    fn run<'a>(&'a self, cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.0.run(cx))
    }

    fn undo<'a>(&'a self, _cx: &'a StepCx<'a, S>) -> BoxFuture<'a, Undo> {
        Box::pin(async { Undo::Unknown(never_undone(T::NAME).to_string()) })
    }

    fn record<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        sagas: &'a [&'a S::Input],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(self.0.record(conn, sagas))
    }
}

/// The machine never undoes a retryable step; should it ever ask, nothing is written.
fn never_undone(step: &str) -> sqlx::Error {
    sqlx::Error::InvalidArgument(format!("`{step}` comes after the pivot and has no undo"))
}
