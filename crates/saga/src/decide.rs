//! Deciding: pure functions that know of no database, time or network.
//!
//! [`machine`] decides on one event, [`progress`] on everything that happens to one saga, [`transition`] says what
//! that means for rows; [`replay`] feeds the journal to the same fold.

pub mod journal;
pub mod machine;
pub(crate) mod preview;
pub mod progress;
pub mod replay;
pub(crate) mod shape;
pub(crate) mod signal;
pub mod transition;
