//! The shop's sagas, one file per saga, which holds the saga's whole life.
//!
//! - [`checkout`]: from a submitted basket to a paid order.
//! - [`registry`]: all workflows; adding one takes one line there.
//! - [`settings`]: their settings, from the environment.
//! - [`payments`]: the port through which sagas call payments; `payments-client` is its HTTP
//!   adapter.

pub mod checkout;
pub mod payments;
mod registry;
pub mod settings;
pub mod submit;

pub use registry::{Ports, Registry, Runner, Settings, plans, registry};
