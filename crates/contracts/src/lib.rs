//! Everything that crosses a process or module boundary, in one place and versioned by its name.
//!
//! - [`payments`]: the HTTP calls that the shop and the browser make to payments.
//! - [`payment_event`]: the event that payments publishes; its body is flat and fixed.
//! - [`command`]: requests of the shop to its own async worker.
//! - [`domain_event`]: events between the shop's modules, handled synchronously in one transaction.
//! - [`decode`]: the one way in which a message's body is read.
//! - [`failure`]: why a consumer gave a message up.
//! - [`topology`]: the names of exchanges, queues, routing keys and headers.

pub mod command;
pub mod decode;
pub mod domain_event;
pub mod failure;
pub mod payment_event;
pub mod payments;
pub mod topology;
