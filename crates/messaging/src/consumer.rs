//! The consumer: passes messages to a handler, in batches, and acks only those that are done.
//!
//! An outage is not an attempt: `docs/decisions/0022-outages.md`.

mod session;
mod settle;

use std::time::Duration;

use kernel::{RetryPolicy, TraceRef};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::session::{Session, SessionEnd};
use crate::{ConnectionHealth, rabbit::UnackedDelivery};

/// A message as the handler receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message id that the producer chose.
    pub message_id: Option<String>,
    /// AMQP `type`.
    pub message_type: Option<String>,
    /// The routing key under which the message was first published.
    pub routing_key: String,
    /// The message body.
    pub body: Vec<u8>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// The trace that the message belongs to.
    pub trace: Option<TraceRef>,
    /// The detached signature that came with the body, not yet verified.
    pub signature: Option<String>,
}

/// The handler's result for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The message's effect is committed, now or by an earlier delivery.
    Done,
    /// A later attempt may work: the message goes through the delay queues and, after the last, to
    /// `failed`.
    Retry(String),
    /// No attempt can work: the message goes to `failed` at once.
    Failed(Failure),
    /// Another session locks a row that the message needs: this is not an attempt. The message
    /// waits on its own while others are handled.
    Locked(String),
    /// A dependency that every message needs is unreachable: this is not an attempt, and no further
    /// message is taken until the outage is over.
    Unreachable(String),
}

/// Why a message goes to `failed`, as recorded on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure, for code; its names belong to the handler.
    pub kind: Option<&'static str>,
    /// The reason, for people: no code reads it.
    pub reason: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            reason: reason.into(),
        }
    }
}

impl From<String> for Failure {
    /// A failure without a kind.
    fn from(reason: String) -> Self {
        Self { kind: None, reason }
    }
}

/// A dependency of the handler is unreachable: this is not an attempt. The batch had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Handles messages.
pub trait Handler: Send + Sync + 'static {
    /// Handles a batch, idempotently, and commits its effects; returns one verdict per message, in
    /// order.
    ///
    /// # Errors
    /// [`Unreachable`] when a dependency is unreachable; the messages are held and tried again.
    fn handle(
        &self,
        batch: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Verdict>, Unreachable>> + Send;

    /// Whether the dependency works again. If the handler writes to it, this check must write, too.
    fn is_usable(&self) -> impl Future<Output = bool> + Send;
}

/// Settings of a consumer.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerConfig {
    /// The most unacknowledged messages that the broker hands out.
    pub prefetch: u16,
    /// The most messages in one batch.
    pub max_batch: usize,
    /// Number of batches handled concurrently.
    pub concurrency: usize,
    /// How long the handler may take for a batch. After that, the dependency that it waits for
    /// counts as unreachable, and the messages go back to the queue at once: the other end of a
    /// connection may have forgotten it, and would never report an error.
    pub deadline: Duration,
}

/// Bytes of unsettled messages that a consumer holds, and bytes of one batch; a single message may
/// be larger than either.
const HELD: usize = 8 * 1024 * 1024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How long the handler's check whether its dependency works again may take.
const USABLE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long messages are held during an outage before they are given back; each further time, twice
/// as long. Another process may be able to handle them, and giving a message back costs one of its
/// twenty deliveries.
const HOLD: Duration = Duration::from_secs(20);
/// Limits a hold: RabbitMQ closes the channel of a consumer that holds a message for half an hour.
const LONGEST_HOLD: Duration = Duration::from_mins(15);

/// Pause between two tries of held messages. The try itself is the probe: it repeats the operation
/// that failed.
const TRY_AGAIN: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(30),
    jitter: 0.2,
    budget: Duration::MAX,
};

/// Pause between two tries of messages that wait for a lock: they should be handled within seconds
/// of its release.
const TRY_LOCKED_AGAIN: RetryPolicy = RetryPolicy {
    cap: Duration::from_secs(3),
    ..TRY_AGAIN
};

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            prefetch: 200,
            max_batch: 100,
            concurrency: 1,
            deadline: Duration::from_secs(20),
        }
    }
}

/// Consumes `queue` until `shutdown`. Rebuilds connection, channels and consumer when they break,
/// and after an outage of the handler's dependency. `health` is up while the broker is connected.
pub async fn run<H: Handler>(
    amqp_url: &str,
    queue: &str,
    config: ConsumerConfig,
    handler: &H,
    health: &ConnectionHealth,
    shutdown: CancellationToken,
) {
    let pause = RetryPolicy {
        base: Duration::from_millis(200),
        cap: Duration::from_secs(5),
        ..RetryPolicy::default()
    };
    let mut failures = 0;
    let mut hold = HOLD;
    while !shutdown.is_cancelled() {
        let begun = tokio::time::Instant::now();
        let session = Session {
            queue,
            config,
            handler,
            health,
            hold,
        };
        match session.run(amqp_url, &shutdown, &mut failures).await {
            Ok(SessionEnd::Shutdown) => return,
            Ok(SessionEnd::Canceled) => {
                health.down(&"RabbitMQ ended the subscription");
                warn!("RabbitMQ ended the subscription to {queue}: subscribing again");
            }
            Ok(SessionEnd::Unreachable(why)) => {
                warn!("{why}: consumption of {queue} is paused, its messages are given back");
                let again = begun.elapsed() < hold * 4;
                hold = if again { hold * 2 } else { HOLD }.min(LONGEST_HOLD);
                until_usable(handler, &shutdown).await;
                info!("Dependency reachable again; resuming consumption of {queue}");
                continue;
            }
            Err(error) => {
                health.down(&error);
                warn!("{queue} cannot be consumed ({error}): trying again");
            }
        }
        failures += 1;
        sleep(pause.delay(failures.min(6)), &shutdown).await;
    }
}

/// Returns when the handler's dependency works again, or at `shutdown`.
async fn until_usable<H: Handler>(handler: &H, shutdown: &CancellationToken) {
    let pause = RetryPolicy {
        base: Duration::from_millis(500),
        ..RetryPolicy::default()
    };
    let mut tries = 0;
    while !shutdown.is_cancelled() {
        let usable = tokio::time::timeout(USABLE_TIMEOUT, handler.is_usable());
        if usable.await.unwrap_or(false) {
            return;
        }
        tries += 1;
        sleep(pause.delay(tries), shutdown).await;
    }
}

async fn sleep(time: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Messages, each with the delivery that the handler sees.
#[derive(Default)]
struct Batch {
    unacked: Vec<UnackedDelivery>,
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, unacked: UnackedDelivery) {
        let mut unacked = unacked.in_queue();
        self.bytes += unacked.size();
        self.deliveries.push(Delivery {
            message_id: unacked.message_id(),
            message_type: unacked.message_type(),
            routing_key: unacked.original_key(),
            attempt: unacked.attempt(),
            trace: unacked.trace(),
            signature: unacked.signature(),
            body: unacked.take_body(),
        });
        self.unacked.push(unacked);
    }

    fn append(&mut self, mut other: Self) {
        self.unacked.append(&mut other.unacked);
        self.deliveries.append(&mut other.deliveries);
        self.bytes += other.bytes;
    }

    /// Splits the batch into batches of one message.
    fn into_iter(self) -> impl Iterator<Item = Self> {
        let messages = self.unacked.into_iter().zip(self.deliveries);
        messages.map(|(unacked, delivery)| Self {
            bytes: unacked.size(),
            unacked: vec![unacked],
            deliveries: vec![delivery],
        })
    }

    /// The messages' ids, for log lines.
    fn names(&self) -> String {
        let ids = self
            .deliveries
            .iter()
            .map(|delivery| delivery.message_id.as_deref());
        let ids: Vec<_> = ids.map(|id| id.unwrap_or("without id")).collect();
        format!("message {}", ids.join(", "))
    }
}
