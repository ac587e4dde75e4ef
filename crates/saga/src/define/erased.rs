//! Steps with their types erased, so that one plan holds all of them.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    plan::Saga,
    shape::{Kind, Role},
    step::{
        FirstStep, LocalStep, LocalUndo, Outcome, Refusal, RemoteStep, RemoteUndo, Signal,
        SleepStep, StepCx, Undo, WaitStep,
    },
};

/// A step with its code, its types erased.
pub struct PlanStep<S: Saga> {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) body: Body<S>,
}

impl<S: Saga> PlanStep<S> {
    pub(crate) fn new(name: &'static str, role: Role, body: Body<S>) -> Self {
        Self { name, role, body }
    }
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
    Wait {
        deadline: fn(&S) -> Duration,
        signals: &'static [Signal],
    },
    Sleep(fn(&S) -> Duration),
}

impl<S: Saga> Body<S> {
    /// A remote step without an undo.
    pub(crate) fn remote<T: RemoteStep<S>>(step: T) -> Self {
        let run = Arc::new(step);
        Self::Remote { run, undo: None }
    }

    pub(crate) fn wait<W: WaitStep<S>>() -> Self {
        Self::Wait {
            deadline: W::deadline,
            signals: W::SIGNALS,
        }
    }

    pub(crate) fn sleep<T: SleepStep<S>>() -> Self {
        Self::Sleep(T::duration)
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::First(_) | Self::Local { .. } => Kind::Local,
            Self::Remote { .. } => Kind::Remote,
            Self::Wait { .. } => Kind::Wait,
            Self::Sleep(_) => Kind::Sleep,
        }
    }

    /// How long the step waits or sleeps; zero for the other kinds.
    pub(crate) fn waits(&self, saga: &S) -> Duration {
        match self {
            Self::Wait { deadline, .. } => deadline(saga),
            Self::Sleep(duration) => duration(saga),
            Self::First(_) | Self::Local { .. } | Self::Remote { .. } => Duration::ZERO,
        }
    }
}

type Inputs<'a, S> = &'a [&'a <S as Saga>::Input];
type WithReasons<'a, S> = &'a [(&'a <S as Saga>::Input, &'a str)];
type WithDetails<'a, S> = &'a [(&'a <S as Saga>::Input, &'a <S as Saga>::Details)];
type Begun<'a> = BoxFuture<'a, sqlx::Result<Vec<Result<(), Refusal>>>>;
type Stored<'a> = BoxFuture<'a, sqlx::Result<()>>;

pub(crate) trait DynFirst<S: Saga>: Send + Sync {
    fn run<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithDetails<'a, S>) -> Begun<'a>;
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
    fn run<'a>(&'a self, conn: &'a mut PgConnection, sagas: WithDetails<'a, S>) -> Begun<'a> {
        Box::pin(FirstStep::run_all(self, conn, sagas))
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
