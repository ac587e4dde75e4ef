//! The saga engine: durable multi-step jobs that end whole or undone, never in between.
//!
//! ```text
//!  plan.rs ──shape──▶ machine.rs   pure: (state, event, kept signals) → decision
//!     │               progress.rs  pure: the fold over all that happens to one saga; replay.rs runs it again
//!     │                   │
//!     │ code of steps     ▼
//!     └────────▶ transition.rs     pure: what a decision means for rows and entries
//!                         │
//!  transact.rs  ──────────┘        the body of each transaction that moves sagas, and its local steps
//!  runner.rs              │        one attempt: run the remote step, then commit its outcome
//!  engine.rs, operate.rs  │        create, signal, an operator's verbs: the other ways in
//!                         │
//!                         ▼
//!                     store.rs     all SQL; `save` is the only way in which a saga moves
//!  journal.rs                      what a row of the journal is about
//!  stored.rs                       how a state is written down there, and read back
//!  registry.rs, stranded.rs        the plan versions that a binary knows, and live sagas of unknown ones
//!  heartbeat.rs                    which processes are there, for people
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

mod engine;
mod erased;
pub mod heartbeat;
pub mod journal;
pub mod machine;
mod operate;
mod plan;
mod preview;
pub mod progress;
mod registry;
pub mod replay;
mod runner;
mod shape;
mod signal;
mod step;
pub mod store;
pub mod stored;
pub mod story;
mod stranded;
mod transact;
pub mod transition;

pub use engine::{
    Engine, EngineConfig, EngineConfigError, EngineError, NewSaga, StartError, Started,
};
pub use erased::PlanStep;
pub use operate::{Operated, Operation, Preview, Resolution, Standing, Verb};
pub use plan::{
    BeforePivot, Complete, IntoCompensable, IntoPivot, IntoRetryable, Local, Plan, Remote, Saga,
    Sleep, Wait,
};
pub use preview::{Assertion, Description, PlannedEffect, VerifyError};
pub use registry::{PlanVersion, Registry};
pub use runner::Runner;
pub use shape::{Kind, Reasons, Role, Shape, SignalShape, StepShape};
pub use signal::{CANCEL, Class, Meaning, NewSignal, Verdict};
pub use step::{
    FirstStep, FirstStepError, LocalStep, LocalUndo, Outcome, Refusal, RemoteStep, RemoteUndo,
    Signal, SleepStep, StepCx, Undo, WaitStep,
};
pub use stranded::Stranded;
pub use transact::{AfterCommit, Signaled};
