//! What an operator can see and do: one library for shopctl, the HTTP operator API, the workers'
//! batches and the tests.
//!
//! Seeing never changes anything. Every act names who does it and why, and leaves a row in the
//! audit ([`audit`]) in the transaction that acts.

mod actor;
pub mod audit;
mod sight;

pub use actor::{Actor, ActorError};
pub use sight::{PaymentsSight, Sight};
