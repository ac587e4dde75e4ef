//! Defining a workflow: its plan, its steps, and the registry of the workflows that a program
//! knows.

mod erased;
mod milestone;
pub(crate) mod plan;
pub(crate) mod registry;
pub(crate) mod step;

pub use erased::PlanStep;
pub use milestone::Milestone;
