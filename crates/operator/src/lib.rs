//! What an operator can see and do: one library for shopctl, the HTTP operator API, the workers'
//! batches and the tests.
//!
//! - [`sagas`] lists sagas and tells the whole life of one.
//! - [`Operator`] acts on one saga: what an act does is worked out by the engine's own pure
//!   function, shown as [`Effects`], and done under the saga's lock.
//! - [`batch`] does one act to many sagas: looked at first, then applied by the workers, each item
//!   exactly once and only while its saga is what was looked at.
//! - [`why`] tells why a saga stands where it stands: facts of both databases, RabbitMQ and the
//!   processes, judged by a pure function ([`judge`]) into one of a closed list of [`cause`]s.
//! - [`judged`] lists sagas with their causes: the stuck ones, or those of one cause.
//! - [`audit`] keeps every write of an operator, in the transaction that made it.
//! - [`failed`] and [`outbox`] look after messages, [`order`] shows all that is known of an order.
//! - [`stats`] counts; [`export`] writes one saga down, redacted, and [`replay`] runs the machine
//!   over what was written.
//!
//! Seeing never changes anything.

mod act;
mod actor;
pub mod audit;
pub mod batch;
pub mod cause;
pub mod demo;
mod effects;
pub mod export;
mod facts;
pub mod failed;
pub mod judge;
pub mod judged;
pub mod order;
pub mod outbox;
pub mod replay;
pub mod sagas;
mod sight;
pub mod stats;
pub mod story;
mod truth;

pub use act::{ActError, Operator};
pub use actor::{Actor, ActorError};
pub use effects::Effects;
pub use facts::{Why, why};
pub use sight::{PaymentsSight, Sight};
