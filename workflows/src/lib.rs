//! The shop's sagas, one file each: open it and the whole life is there.
//!
//! - [`checkout`]: from a submitted basket to a paid order.
//! - [`registry`]: all of them; a new one is a line there.
//! - [`settings`]: how they run, by environment.
//! - [`payments`]: the port through which sagas talk to payments; `payments-client` is its HTTP
//!   adapter.

pub mod checkout;
pub mod payments;
mod registry;
pub mod settings;
pub mod submit;

pub use registry::{Ports, Registry, Runner, Settings, plans, registry};
