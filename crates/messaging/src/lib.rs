//! Messages that are neither lost nor processed twice: outbox, relay, consumer, inbox.
//!
//! ```text
//!  transaction ──▶ outbox ──relay──▶ RabbitMQ ──consumer──▶ handler: inbox + effect, one commit
//!                    ▲     (confirmed, mandatory)  │
//!                    └ deleted on a clean ack      ├─ Retry ─▶ delay queues 1 s, 2 s, 4 s ─▶ again
//!                                                  └─ Failed ▶ `failed`, whole, with the reason
//! ```
//!
//! - [`outbox`]: work that must still happen outside the transaction that wrote it; claimed by
//!   state and never by id order.
//! - [`relay`]: publishes the outbox's messages. Runs on any number of replicas.
//! - [`consumer`]: passes messages to a [`consumer::Handler`] in batches; acks after the handler is
//!   done.
//! - [`inbox`]: ids of messages that have taken effect.
//! - [`topology`]: exchanges and queues, declared by the migrate step.
//! - [`bindings`]: checks that our queues are bound, and binds them again.
//! - [`BrokerHealth`]: whether this process is connected, for its readiness.
//! - [`failed`]: inspects and resends messages that could not be handled.
//! - `rabbit`: the only module that names lapin.

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

pub use health::{BrokerHealth, ConnectionHealth};
pub use outbox::Message;
pub use rabbit::{BrokerError, check_url};
pub use wakeup::Wakeup;
