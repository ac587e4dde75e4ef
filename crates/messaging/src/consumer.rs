//! The consumer: hands what arrives to a handler, in batches, and acks only what it is done with.
//!
//! An outage is not an attempt: `docs/decisions/0022-outages.md`.

mod session;
mod settle;

use std::time::Duration;

use kernel::{RetryPolicy, TraceRef};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::session::{Ended, Session};
use crate::{LinkHealth, rabbit::Taken};

/// A message as the handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The producer's id of it.
    pub message_id: Option<String>,
    /// AMQP `type`.
    pub message_type: Option<String>,
    /// The key it was first published under.
    pub routing_key: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// The trace it belongs to.
    pub trace: Option<TraceRef>,
    /// The detached signature over the body that came with it, unchecked.
    pub signature: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect is committed, or it had been before.
    Done,
    /// It may work later: up the ladder, in the end to `failed`.
    Retry(String),
    /// It can never work: to `failed` at once.
    Failed(String),
    /// Another session holds a row that it needs: no attempt. It waits on its own while others are handled.
    Locked(String),
    /// What it needs cannot be used, which concerns all others as well: no attempt, and no further message is taken
    /// until that is over.
    Unreachable(String),
}

/// Something the handler needs cannot be used: no attempt. Nothing of the batch took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Handles messages.
pub trait Handler: Send + Sync + 'static {
    /// Handles a batch, idempotently, and commits its effects; one verdict for each, in order.
    ///
    /// # Errors
    /// [`Unreachable`] when what it needs cannot be used; the messages are held and tried again.
    fn handle(
        &self,
        batch: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Verdict>, Unreachable>> + Send;

    /// Whether what was unreachable can be used again: a write for what was written.
    fn is_usable(&self) -> impl Future<Output = bool> + Send;
}

/// How a consumer runs.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerConfig {
    /// Most messages that the broker hands out without an ack.
    pub prefetch: u16,
    /// Most messages a batch.
    pub max_batch: usize,
    /// Batches that are handled at the same time.
    pub concurrency: usize,
    /// How long a batch waits for more.
    pub max_wait: Duration,
    /// How long the handler may take for a batch. After that, what it waits for counts as
    /// unreachable, and the messages go back to the queue at once: the other end of a connection may have
    /// forgotten it, and no error would ever say so.
    pub deadline: Duration,
}

/// Bytes of messages that a consumer holds unsettled, and that one batch has; a single message may be
/// larger than either.
const HELD: usize = 8 * 1024 * 1024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How long the handler may take to find out whether what it needs can be used again.
const USABLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages are held for this long during an outage before they are given back, and for twice as long each further time:
/// another process may be able to handle them, and giving back costs one of twenty deliveries.
const HOLD: Duration = Duration::from_secs(20);
/// RabbitMQ closes the channel of a consumer that holds a message for half an hour.
const LONGEST_HOLD: Duration = Duration::from_mins(15);

/// Between two tries of what is held. The try itself is the probe: the very operation that failed.
const TRY_AGAIN: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(30),
    jitter: 0.2,
    budget: Duration::MAX,
};

/// Between two tries of messages that wait for a lock: they are to be handled within seconds of its release.
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
            max_wait: Duration::from_millis(3),
            deadline: Duration::from_secs(20),
        }
    }
}

/// Consumes `queue` until `shutdown`, rebuilding connection, channels and consumer whenever they
/// break or what the handler needs was away. `health` is up while the broker is connected.
pub async fn run<H: Handler>(
    amqp_url: &str,
    queue: &str,
    config: ConsumerConfig,
    handler: &H,
    health: &LinkHealth,
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
            Ok(Ended::Shutdown) => return,
            Ok(Ended::Canceled) => {
                health.down(&"RabbitMQ ended the subscription");
                warn!("RabbitMQ ended the subscription to {queue}: subscribing again");
            }
            Ok(Ended::Unreachable(why)) => {
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

/// Returns when the handler can be used again, or at `shutdown`.
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

/// Messages, and what the handler sees of each.
#[derive(Default)]
struct Batch {
    taken: Vec<Taken>,
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, taken: Taken) {
        let mut taken = taken.in_queue();
        self.bytes += taken.size();
        self.deliveries.push(Delivery {
            message_id: taken.message_id(),
            message_type: taken.message_type(),
            routing_key: taken.original_key(),
            attempt: taken.attempt(),
            trace: taken.trace(),
            signature: taken.signature(),
            body: taken.take_body(),
        });
        self.taken.push(taken);
    }

    fn append(&mut self, mut other: Self) {
        self.taken.append(&mut other.taken);
        self.deliveries.append(&mut other.deliveries);
        self.bytes += other.bytes;
    }

    /// Each message on its own.
    fn into_iter(self) -> impl Iterator<Item = Self> {
        let messages = self.taken.into_iter().zip(self.deliveries);
        messages.map(|(taken, delivery)| Self {
            bytes: taken.size(),
            taken: vec![taken],
            deliveries: vec![delivery],
        })
    }

    /// The messages' ids, for people.
    fn names(&self) -> String {
        let ids = self
            .deliveries
            .iter()
            .map(|delivery| delivery.message_id.as_deref());
        let ids: Vec<_> = ids.map(|id| id.unwrap_or("without id")).collect();
        format!("message {}", ids.join(", "))
    }
}
