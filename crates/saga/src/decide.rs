//! Deciding: pure functions without a database, a clock or a network.
//!
//! [`machine`] decides on one event; [`progress`] decides on every input of one saga;
//! [`transition`] turns a decision into rows; [`replay`] feeds the journal to the same fold.

pub mod journal;
pub mod machine;
pub(crate) mod preview;
pub mod progress;
pub mod replay;
pub(crate) mod shape;
pub(crate) mod signal;
pub mod transition;
