//! Everything that crosses a process or module boundary, in one place and versioned by its name.
//!
//! - [`payments`]: the HTTP calls that the shop and the browser make to payments.
//! - [`payment_event`]: what payments tells everybody; its body is flat and fixed.
//! - [`command`]: what the shop asks its own async worker to do.
//! - [`domain_event`]: what the shop's modules tell each other, synchronously, in one transaction.
//! - [`topology`]: the names of exchanges, queues, routing keys and headers.

pub mod command;
pub mod domain_event;
pub mod payment_event;
pub mod payments;
pub mod topology;
