//! The saga engine: durable multi-step jobs that end whole or undone, never in between.
//!
//! ```text
//! define/   what a workflow's author writes: plan.rs (a saga and its plan), step.rs (its kinds of steps),
//!    │      registry.rs (the workflows of a program; types erased from here on)
//!    │ shapes, without code
//!    ▼
//! decide/   pure: machine.rs (state, event, pending signals → decision), progress.rs (the fold over all that
//!    ▲      happens to one saga), transition.rs (what that means for rows), replay.rs (the fold again, over the
//!    │      journal), journal.rs, signal.rs, shape.rs
//!    │
//! run/      engine.rs (create, signal), operate.rs (an operator's verbs), transact.rs (the body of every
//!    │      transaction that moves sagas), runner.rs (one attempt at a remote step), worker.rs (claims due work)
//!    ▼
//! store/    all SQL: store.rs (`save` is the only way in which a saga moves), claim.rs (leases on entries),
//!           stored.rs (how a state is written), story.rs (traces), heartbeat.rs, stranded.rs
//! ```
//!
//! - **The row is the truth, the entry is the right to act.** `saga.saga` says where a saga
//!   stands (state, revision, deadline); its one entry in `messaging.outbox` says when to act
//!   next and, by its epoch, who may write. A worker that lost its lease writes nothing.
//! - **Unknown is not failed.** A time-out is [`Outcome::Unknown`]: the step is asked again under
//!   the same effect key, and compensated whether or not an answer ever came.
//! - **Signals are kept, always**, with a verdict; every transition takes up those that waited.
//! - **Local steps join the transition's transaction**, so they take effect exactly once.
//!
//! Start with [`Saga`] and [`Plan`] to write one, with [`machine`] to understand one.

mod decide;
mod define;
mod run;
pub mod store;

pub use decide::{journal, machine, progress, replay, transition};
use decide::{preview, shape, signal};
use define::{plan, registry, step};
use run::{engine, operate, runner, transact};
pub use store::{claim, heartbeat, stored, story};

pub use define::PlanStep;
pub use engine::{
    Engine, EngineConfig, EngineConfigError, EngineError, NewSaga, StartError, Started,
};
pub use operate::{Operated, Operation, Preview, Resolution, Standing, Verb};
pub use plan::{
    BeforePivot, Complete, IntoCompensable, IntoPivot, IntoRetryable, Local, Plan, Remote, Saga,
    Sleep, Wait,
};
pub use preview::{Assertion, Description, PlannedEffect, VerifyError};
pub use registry::{PlanVersion, Registry};
pub use run::worker::Worker;
pub use runner::Runner;
pub use shape::{Kind, Reasons, Role, Shape, SignalShape, StepShape};
pub use signal::{CANCEL, Class, Meaning, NewSignal, Verdict};
pub use step::{
    FirstStep, FirstStepError, LocalStep, LocalUndo, Outcome, Refusal, RemoteStep, RemoteUndo,
    Signal, SleepStep, StepCx, Undo, WaitStep,
};
pub use store::stranded::Stranded;
pub use transact::{AfterCommit, Signaled};
