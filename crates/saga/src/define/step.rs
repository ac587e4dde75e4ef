//! The kinds of steps that a [`Plan`](crate::Plan) is made of, and the results of their attempts.

use std::{any::Any, time::Duration};

use kernel::{SagaId, TraceRef};
use sqlx::{Connection as _, PgConnection};

use crate::{plan::Saga, signal::SignalKind};

/// A business refusal: the saga must not be done, or can no longer be done.
#[derive(Debug)]
pub struct Refusal {
    /// The reason, for people.
    pub reason: String,
    /// For callers that distinguish refusals: downcast it.
    pub cause: Box<dyn Any + Send>,
}

/// Why a saga's first step did not run. No saga was created.
#[derive(Debug)]
pub enum FirstStepError {
    /// The step was refused for a business reason.
    Refused(Refusal),
    /// The database failed; the transaction rolls back.
    Db(sqlx::Error),
}

impl From<sqlx::Error> for FirstStepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error)
    }
}

/// The result of an attempt to run a remote step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The step took effect.
    Done,
    /// The step was refused for a business reason: compensate.
    Refused(String),
    /// The request never left, which only a connect error proves. Try again.
    Transient(String),
    /// The step may have taken effect: ask again under the same key. A time-out is always this.
    Unknown(String),
    /// The participant's answer contradicts the saga's input, for example with another amount. The
    /// step is retried, since a person may correct the participant's data; meanwhile an operator
    /// must investigate.
    Contradicted(String),
}

/// The result of an attempt to undo a remote step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// The step is undone, or never took effect and no longer can.
    Done,
    /// The participant had already decided the other way: the saga turns forward.
    Overtaken,
    /// The request never left. Try again.
    Transient(String),
    /// The undo may have taken effect: ask again under the same key.
    Unknown(String),
    /// See [`Outcome::Contradicted`]: neither direction is safe.
    Contradicted(String),
}

/// The local step that a saga begins with. It joins the transaction that creates the saga, and is
/// the only local step that may refuse: a refused saga is never created.
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

    /// Like [`FirstStep::run`], for all sagas of a batch: statements for many rows are faster. The
    /// answers are in the order of the sagas; a saga that is refused leaves nothing behind.
    fn run_all(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&S::Input, &S::Details)],
    ) -> impl Future<Output = sqlx::Result<Vec<Result<(), Refusal>>>> + Send {
        async move {
            let mut answers = Vec::with_capacity(sagas.len());
            for (input, details) in sagas {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a savepoint of the caller's transaction: it takes back what the step did before it refused"
                )]
                let mut alone = conn.begin().await?;
                let answer = match self.run(&mut alone, input, details).await {
                    Ok(()) => Ok(alone.commit().await?),
                    Err(FirstStepError::Refused(refusal)) => {
                        alone.rollback().await?;
                        Err(refusal)
                    }
                    Err(FirstStepError::Db(error)) => return Err(error),
                };
                answers.push(answer);
            }
            Ok(answers)
        }
    }

    /// Undoes the step, for this reason.
    fn undo(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
        reason: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Like [`FirstStep::undo`], for all sagas of a batch: statements for many rows are faster.
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

/// A step whose effect is in the shop's own database. It joins the transition's transaction, so it
/// takes effect exactly once.
pub trait LocalStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// Runs it.
    fn run(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Like [`LocalStep::run`], for all sagas of a batch: statements for many rows are faster.
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
    /// Undoes the step, for this reason.
    fn undo(
        &self,
        conn: &mut PgConnection,
        input: &S::Input,
        reason: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Like [`LocalUndo::undo`], for all sagas of a batch: statements for many rows are faster.
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

/// A step whose effect is at a participant.
pub trait RemoteStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// Makes one attempt. It is dropped at its time-out, which then counts as [`Outcome::Unknown`].
    fn run(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Outcome> + Send;

    /// Records that the step took effect, in the commit that stores its result.
    fn record(
        &self,
        _conn: &mut PgConnection,
        _input: &S::Input,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Like [`RemoteStep::record`], for all sagas of a batch: statements for many rows are faster.
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

/// Undoes a [`RemoteStep`]. Its key is known before the step runs, so the undo works whether or not
/// an answer ever came.
pub trait RemoteUndo<S: Saga>: RemoteStep<S> {
    /// Makes one attempt. The engine never gives up on an undo.
    fn undo(&self, cx: &StepCx<'_, S>) -> impl Future<Output = Undo> + Send;
}

/// A step that waits for a signal.
///
/// Before the pivot and as the pivot, the saga is compensated when the deadline passes. After the
/// pivot, the wait never gives up: each time the deadline passes, the journal records that the wait
/// goes on.
pub trait WaitStep<S: Saga>: Send + Sync + 'static {
    /// Stored name.
    const NAME: &'static str;

    /// The signals that end the wait. No other wait of the plan may list one of them; after the
    /// pivot, none may abort.
    const SIGNALS: &'static [Signal];

    /// How long it waits.
    fn deadline(saga: &S) -> Duration;
}

/// A step that lets time pass: the saga sleeps in the database, and occupies no process. Before the
/// pivot, a request to cancel ends the sleep early.
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
    pub(crate) kind: SignalKind,
    pub(crate) proves: Option<&'static str>,
}

impl Signal {
    /// A signal with this stored name that continues the saga.
    pub const fn proceed(name: &'static str) -> Self {
        Self {
            name,
            kind: SignalKind::Proceed,
            proves: None,
        }
    }

    /// A signal with this stored name that compensates the saga.
    pub const fn abort(name: &'static str) -> Self {
        Self {
            name,
            kind: SignalKind::Abort,
            proves: None,
        }
    }

    /// The signal can exist only if the step `T` took effect: a paid invoice must have been
    /// created. So the saga needs no other answer of `T`. The signal proves nothing about any other
    /// step.
    #[must_use]
    pub const fn proving<S: Saga, T: RemoteStep<S>>(self) -> Self {
        Self {
            proves: Some(T::NAME),
            ..self
        }
    }
}

/// The values and clients that a remote step may use.
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

    /// The clients of the saga's participants.
    pub fn ports(&self) -> &S::Ports {
        self.ports
    }

    /// The values that were chosen before any call left.
    pub fn input(&self) -> &S::Input {
        self.input
    }

    /// The saga's id.
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

    /// The name of the effect, the same for all attempts: sent as `Idempotency-Key`.
    pub fn effect_key(&self) -> String {
        format!("{}/{}", self.saga_id, self.step)
    }

    /// The name of the undo's effect.
    pub fn undo_key(&self) -> String {
        format!("{}/{}/undo", self.saga_id, self.step)
    }
}
