//! The operator's view and actions: one library for shopctl, the HTTP operator API, the workers'
//! batches and the tests.
//!
//! - [`sagas`] lists sagas and returns one saga with its complete history.
//! - [`Operator`] executes an action on one saga: the engine's own pure function computes its
//!   effects, which are shown as [`Effects`] and executed under the saga's lock.
//! - [`batch`] executes one action on many sagas: previewed first, then applied by the workers.
//!   Each item is applied exactly once, and only while its saga is at the previewed revision.
//! - [`why`] diagnoses a saga: a pure function ([`diagnosis`]) maps facts from both databases, RabbitMQ
//!   and the processes to one of a closed list of [`cause`]s.
//! - [`diagnosed`] lists sagas with their causes: the stuck ones, or those of one cause.
//! - [`audit`] records every write of an operator, in the transaction that made it.
//! - [`blocking`] lists database sessions whose locks block sagas, and ends one.
//! - [`failed`] and [`outbox`] manage messages; [`order`] shows all data about an order.
//! - [`settled`] finds the messages in `failed` that their orders no longer need.
//! - [`saga_ref`] finds the saga that an id is about.
//! - [`stats`] counts sagas; [`export`] writes one saga to a redacted file; [`replay`] runs the
//!   state machine over that file.
//!
//! Reading never changes anything.

mod action;
mod actor;
pub mod audit;
pub mod batch;
pub mod blocking;
pub mod cause;
pub mod diagnosed;
pub mod diagnosis;
mod effects;
pub mod export;
mod facts;
pub mod failed;
pub mod order;
pub mod outbox;
mod payments_view;
pub mod replay;
pub mod saga_ref;
pub mod sagas;
pub mod settled;
mod sources;
pub mod stats;
pub mod trace_export;

pub use action::{ActionError, LOCK_TIMEOUT, Operator};
pub use actor::{Actor, ActorError};
pub use effects::Effects;
pub use facts::{Why, why};
pub use sources::{
    Claim, DataSources, EVENTS_NOTE, INSTANCE_NOTE, NOTING_ROLE, PaymentsAccess, noted,
};
