//! The outbox, its relay, the consumer and the inbox, on a real PostgreSQL and a real RabbitMQ.
//!
//! Each test is named after the rule that it checks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod broker;
mod consumer;
mod failed;
mod inbox;
mod outbox;
mod poison;
mod relay;
