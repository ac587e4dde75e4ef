//! Messages that are neither lost nor believed twice: outbox, relay, consumer, inbox.
//!
//! ```text
//!  transaction ──▶ outbox ──relay──▶ RabbitMQ ──consumer──▶ handler: inbox + effect, one commit
//!                    ▲     (confirmed, mandatory)  │
//!                    └ deleted on a clean ack      ├─ Retry ─▶ delay queues 1 s, 2 s, 4 s ─▶ again
//!                                                  └─ Failed ▶ `failed`, whole, with the reason
//! ```
//!
//! - [`outbox`]: everything that must still happen outside the transaction that wrote it; claimed
//!   by state and never by id order.
//! - [`relay`]: publishes the outbox' messages. Runs on any number of replicas.
//! - [`consumer`]: hands what arrives to a [`consumer::Handler`] in batches; acks after it is done.
//! - [`inbox`]: what has taken effect already.
//! - [`topology`]: exchanges and queues, declared by the migrate step.
//! - [`bindings`]: whether our queues are bound, and binding them again.
//! - [`BrokerHealth`]: whether this process is connected, for its readiness.
//! - [`failed`]: look at, and send again, what could not be handled.
//! - `rabbit`: the only file that names lapin.

pub mod bindings;
pub mod consumer;
pub mod failed;
mod health;
pub mod inbox;
pub mod outbox;
mod rabbit;
pub mod relay;
pub mod topology;
mod wakeup;

pub use health::{BrokerHealth, LinkHealth};
pub use outbox::Message;
pub use rabbit::{LinkError, check_url};
pub use wakeup::Wakeup;
