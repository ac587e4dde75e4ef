//! The shop's sagas, one file each: open it and the whole life is there.
//!
//! - [`checkout`]: from a submitted basket to a paid order.
//! - [`settings`]: how they run, by environment.
//! - [`payments`]: the port through which sagas talk to payments; `payments-client` is its HTTP
//!   adapter.

pub mod checkout;
#[cfg(feature = "next")]
mod next;
pub mod payments;
pub mod settings;
pub mod submit;

use saga::Shape;

/// The plans that this release knows, of every workflow: those of new sagas, and earlier ones whose sagas it
/// brings to their end.
pub fn plans() -> Vec<Shape> {
    saga::shapes::<checkout::Checkout>()
}
