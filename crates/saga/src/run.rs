//! Execution: the transactions that move sagas, and the attempts at their remote steps.

pub(crate) mod engine;
pub(crate) mod operate;
pub(crate) mod runner;
pub(crate) mod transact;
pub(crate) mod worker;
