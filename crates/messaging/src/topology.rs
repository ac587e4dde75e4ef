//! Exchanges and queues, described as plain data; declared by the migrate step, checked passively
//! by the processes.
//!
//! All queues are durable quorum queues. A consumer's queue dead-letters to `failed`, so that a
//! broker's own delivery limit drops nothing. Its delay queues dead-letter back to the *queue*,
//! through the default exchange, at least once.

use std::time::Duration;

use crate::rabbit::{Link, LinkError};

/// Exchange and queue of messages that could not be handled.
pub const FAILED: &str = "failed";

/// Exchange by which operators send a failed message to the queue that is its key: the queues of
/// consumers, and no others.
pub const REDRIVE: &str = "redrive";

/// Delays of the retry ladder; after the last, a message goes to [`FAILED`].
pub const LADDER: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeType {
    /// By the exact key.
    Direct,
    /// By a pattern of the key.
    Topic,
}

/// An exchange with the queue that one consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The exchange.
    pub exchange: String,
    /// How it routes.
    pub exchange_type: ExchangeType,
    /// The queue.
    pub queue: String,
    /// The keys that bind them.
    pub routing_keys: Vec<String>,
}

/// Name of the delay queue of `queue` for `delay`.
pub fn delay_queue(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}s", delay.as_secs())
}

/// Name of the exchange before the delay queues of `queue`, whose names are its keys. Whoever retries
/// needs no right to the default exchange, which leads into every queue.
pub fn delay_exchange(queue: &str) -> String {
    format!("{queue}.retry")
}

/// Declares everything. Declaring what is there already, unchanged, does nothing.
///
/// # Errors
/// When the broker cannot be reached, or something stands there under other arguments.
pub async fn declare(amqp_url: &str, routes: &[Route]) -> Result<(), LinkError> {
    let link = Link::open(amqp_url, "migrate").await?;
    link.declare_failed().await?;
    for route in routes {
        link.declare_route(route).await?;
    }
    link.close().await;
    Ok(())
}

/// What the broker says of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages ready to be delivered; not those that a consumer holds.
    pub messages: u32,
    /// Consumers that take from it.
    pub consumers: u32,
}

/// Looks at queues; none for a queue that is not there. Changes nothing.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn look<'a>(
    amqp_url: &str,
    queues: &[&'a str],
) -> Result<Vec<(&'a str, Option<QueueState>)>, LinkError> {
    let link = Link::open(amqp_url, "look").await?;
    let mut states = Vec::with_capacity(queues.len());
    for queue in queues {
        let state = match link.check_queue(queue).await {
            Ok(state) => Some(state),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        states.push((*queue, state));
    }
    link.close().await;
    Ok(states)
}
