//! The saga engine: durable jobs of several steps that end either complete or fully undone.
//!
//! ```text
//! define/   the author's part of a workflow: plan.rs (a saga and its plan), step.rs (the kinds of
//!    │      steps), registry.rs (the workflows of a program; types erased from here on)
//!    │ shapes, without code
//!    ▼
//! decide/   pure: machine.rs (state, event, pending signals → decision), progress.rs (the fold
//!    ▲      over every input of one saga), transition.rs (turns decisions into rows), replay.rs
//!    │      (the same fold over the journal), journal.rs, signal.rs, shape.rs
//!    │
//! run/      engine.rs (create, signal), operator.rs (operators' actions), commit.rs (the body of
//!    │      every transaction that moves sagas), runner.rs (one attempt at a remote step),
//!    │      worker.rs (claims due work)
//!    ▼
//! store/    all SQL: store.rs (only `save` moves a stored saga), claim.rs (leases on entries),
//!           codec.rs (encoding of states), trace_export.rs (traces), heartbeat.rs, orphaned.rs
//! ```
//!
//! - **The row holds the state, the entry grants the right to act.** `saga.saga` stores a saga's
//!   position (state, revision, deadline). The saga's one entry in `messaging.outbox` stores when
//!   to act next and, by its epoch, which worker may write. A worker that has lost its lease
//!   cannot write.
//! - **Unknown is not failed.** A time-out is [`Outcome::Unknown`]: the step is retried under the
//!   same effect key, and is compensated whether or not an answer ever came.
//! - **Every signal is kept**, with a verdict; every transition applies the signals that are
//!   pending.
//! - **Local steps join the transition's transaction**, so they take effect exactly once.
//!
//! Start with [`Saga`] and [`Plan`] to write a workflow, with [`machine`] to understand the engine.

mod decide;
mod define;
mod run;
pub mod store;

pub use decide::{journal, machine, progress, replay, transition};
use decide::{preview, shape, signal};
use define::{plan, registry, step};
use run::{commit, engine, operator, runner};
pub use store::{claim, codec, heartbeat, trace_export};

pub use commit::{AfterCommit, SignalResult};
pub use define::{Milestone, PlanStep};
pub use engine::{
    Engine, EngineConfig, EngineConfigError, EngineError, NewSaga, StartError, StartedSaga,
};
pub use operator::{Operation, OperationResult, Preview, Resolution, Standing, Verb};
pub use plan::{
    BeforePivot, Compensation, Complete, IntoCompensable, IntoPivot, IntoRetryable, Local, Plan,
    Remote, Saga, Sleep, Wait,
};
pub use preview::{Assertion, Description, PlannedEffect, VerifyError};
pub use registry::{PlanVersion, Registry};
pub use run::worker::Worker;
pub use runner::Runner;
pub use shape::{Kind, Reasons, Role, Shape, SignalShape, StepShape};
pub use signal::{CANCEL, Meaning, NewSignal, SignalKind, Verdict};
pub use step::{
    FirstStep, FirstStepError, LocalStep, LocalUndo, Outcome, Refusal, RemoteStep, RemoteUndo,
    Signal, SleepStep, StepCx, Undo, WaitStep,
};
pub use store::orphaned::OrphanedSagas;
