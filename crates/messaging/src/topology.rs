//! Exchanges and queues, described as plain data: the migrate step declares them, and the processes
//! check them passively.
//!
//! All queues are durable quorum queues. A consumer's queue dead-letters to `failed`, so that a
//! broker's own delivery limit drops nothing. Its delay queues dead-letter back to the *queue*,
//! through the default exchange, at least once.

use std::time::Duration;

use crate::rabbit::{BrokerConnection, BrokerError};

/// Exchange and queue of messages that could not be handled.
pub const FAILED: &str = "failed";

/// Exchange by which operators send a failed message to the queue that its routing key names; only
/// consumers' queues are bound to it.
pub const REDRIVE: &str = "redrive";

/// Delays between retries, one delay queue each; after the last, a message goes to [`FAILED`].
pub const RETRY_DELAYS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeType {
    /// By the exact routing key.
    Direct,
    /// By a pattern of the routing key.
    Topic,
}

/// An exchange with the queue that one consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The exchange.
    pub exchange: String,
    /// How the exchange routes.
    pub exchange_type: ExchangeType,
    /// The queue.
    pub queue: String,
    /// The routing keys that bind the queue to the exchange.
    pub routing_keys: Vec<String>,
}

/// Name of the delay queue of `queue` for `delay`.
pub fn delay_queue(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}s", delay.as_secs())
}

/// Name of the exchange in front of the delay queues of `queue`, whose names are its routing keys.
/// A consumer that retries thus needs no right to the default exchange, which leads to every queue.
pub fn delay_exchange(queue: &str) -> String {
    format!("{queue}.retry")
}

/// Declares all exchanges and queues. Those that exist unchanged stay as they are.
///
/// # Errors
/// When the broker cannot be reached, or a queue or exchange exists with other arguments.
pub async fn declare(amqp_url: &str, routes: &[Route]) -> Result<(), BrokerError> {
    let connection = BrokerConnection::open(amqp_url, "migrate").await?;
    connection.declare_failed().await?;
    for route in routes {
        connection.declare_route(route).await?;
    }
    connection.close().await;
    Ok(())
}

/// The broker's counts for a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages ready for delivery; excludes those that a consumer holds.
    pub messages: u32,
    /// Number of consumers of the queue.
    pub consumers: u32,
}

/// Reads the state of queues; `None` for a queue that does not exist. Changes nothing.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn inspect<'a>(
    amqp_url: &str,
    queues: &[&'a str],
) -> Result<Vec<(&'a str, Option<QueueState>)>, BrokerError> {
    let connection = BrokerConnection::open(amqp_url, "inspect").await?;
    let mut states = Vec::with_capacity(queues.len());
    for queue in queues {
        let state = match connection.check_queue(queue).await {
            Ok(state) => Some(state),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        states.push((*queue, state));
    }
    connection.close().await;
    Ok(states)
}
