//! The kinds of steps that a [`Plan`](crate::Plan) is made of, and the results of their attempts.

use std::{any::Any, time::Duration};

use kernel::{SagaId, TraceRef};
use sqlx::PgConnection;

use crate::{plan::Saga, signal::Class};

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

/// A step that waits for a signal.
///
/// Before the pivot and as the pivot, the saga is compensated when the deadline passes. After the pivot it is never
/// given up: the deadline is then the time after which the journal records that the wait goes on.
pub trait WaitStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// The signals that end it. No other wait of the plan may list one of them; after the pivot, none may abort.
    const SIGNALS: &'static [Signal];

    /// How long it waits.
    fn deadline(saga: &S) -> Duration;
}

/// A step that lets time pass: the saga sleeps in the database, in no process. A request to cancel ends it early
/// when it stands before the pivot.
pub trait SleepStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// How long it sleeps.
    fn duration(saga: &S) -> Duration;
}

/// A signal that a [`WaitStep`] knows.
#[derive(Debug, Clone, Copy)]
pub struct Signal {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) proves: Option<&'static str>,
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
