//! Execution: the transactions that move sagas, and the attempts at their remote steps.

pub(crate) mod commit;
pub(crate) mod engine;
pub(crate) mod operator;
pub(crate) mod runner;
pub(crate) mod worker;
