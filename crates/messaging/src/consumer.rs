//! The consumer: hands what arrives to a handler, in batches, and acks only what it is done with.

use std::{panic::AssertUnwindSafe, time::Duration};

use crashpoint::crash_point;
use futures::FutureExt;
use kernel::{RetryPolicy, TraceRef};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    LinkHealth,
    rabbit::{Link, LinkError, Publisher, Subscription, Taken},
};

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
    /// What it needs cannot be reached: no attempt, it stays with the broker until that is back.
    Unreachable(String),
}

/// Something the handler needs cannot be reached: no attempt. Nothing of the batch took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Handles messages.
pub trait Handler: Send + Sync + 'static {
    /// Handles a batch, idempotently, and commits its effects; one verdict for each, in order.
    ///
    /// # Errors
    /// [`Unreachable`] when what it needs is not there; the messages stay with the broker.
    fn handle(
        &self,
        batch: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Verdict>, Unreachable>> + Send;

    /// Whether what was unreachable is back.
    fn is_reachable(&self) -> impl Future<Output = bool> + Send;
}

/// How a consumer runs.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerConfig {
    /// Most messages that the broker hands out without an ack.
    pub prefetch: u16,
    /// Most messages a batch.
    pub max_batch: usize,
    /// How long a batch waits for more.
    pub max_wait: Duration,
    /// How long the handler may take for a batch. After that, what it waits for counts as
    /// unreachable, and the messages go back: nobody says that a connection is dead whose other
    /// end was forgotten.
    pub deadline: Duration,
}

/// How long the handler may take to find out whether what it needs is back.
const REACHABLE: Duration = Duration::from_secs(5);

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            prefetch: 200,
            max_batch: 100,
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
    while !shutdown.is_cancelled() {
        let session = Session {
            queue,
            config,
            handler,
            health,
        };
        match session.run(amqp_url, &shutdown, &mut failures).await {
            Ok(Ended::Shutdown) => return,
            Ok(Ended::Canceled) => {
                health.down(&"RabbitMQ ended the subscription");
                warn!("RabbitMQ ended the subscription to {queue}: subscribing again");
            }
            Ok(Ended::Unreachable(why)) => {
                warn!("{why}: {queue} is left alone until it is back");
                while !shutdown.is_cancelled() && !is_reachable(handler).await {
                    sleep(pause.delay(3), &shutdown).await;
                }
                info!("It is back: consuming {queue} again");
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

async fn is_reachable<H: Handler>(handler: &H) -> bool {
    tokio::time::timeout(REACHABLE, handler.is_reachable())
        .await
        .unwrap_or(false)
}

async fn sleep(time: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

enum Ended {
    Shutdown,
    Canceled,
    Unreachable(String),
}

/// One connection to the broker, from its start to its end.
struct Session<'a, H> {
    queue: &'a str,
    config: ConsumerConfig,
    handler: &'a H,
    health: &'a LinkHealth,
}

impl<H: Handler> Session<'_, H> {
    async fn run(
        &self,
        amqp_url: &str,
        shutdown: &CancellationToken,
        failures: &mut u32,
    ) -> Result<Ended, LinkError> {
        let (queue, config) = (self.queue, self.config);
        let link = Link::open(amqp_url, queue).await?;
        link.check_queue(queue).await?;
        let publisher = link.publisher().await?;
        let mut subscription = link.subscribe(queue, config.prefetch).await?;
        *failures = 0;
        self.health.up();
        let ended = loop {
            let Some(batch) = next_batch(&mut subscription, config, shutdown).await? else {
                break if shutdown.is_cancelled() {
                    Ended::Shutdown
                } else {
                    Ended::Canceled
                };
            };
            crash_point!("consumer.receive.before_handle");
            let handled = tokio::time::timeout(config.deadline, handle(self.handler, &batch)).await;
            match handled.unwrap_or_else(|_| Err(unanswered(config.deadline))) {
                Ok(verdicts) => {
                    crash_point!("consumer.handle.before_ack");
                    if let Some(why) =
                        settle(&subscription, &publisher, queue, &batch, verdicts).await?
                    {
                        break Ended::Unreachable(why);
                    }
                }
                Err(Unreachable(why)) => break Ended::Unreachable(why),
            }
        };
        // what is not acked goes back to the queue with the channel
        subscription.close().await;
        link.close().await;
        Ok(ended)
    }
}

/// What has arrived, at least one message; `None` at shutdown or when the subscription ended.
async fn next_batch(
    subscription: &mut Subscription,
    config: ConsumerConfig,
    shutdown: &CancellationToken,
) -> Result<Option<Vec<Taken>>, LinkError> {
    let first = tokio::select! {
        () = shutdown.cancelled() => return Ok(None),
        next = subscription.next() => match next {
            Some(taken) => taken?,
            None => return Ok(None),
        },
    };
    let mut batch = vec![first];
    let until = tokio::time::Instant::now() + config.max_wait;
    while batch.len() < config.max_batch {
        match tokio::time::timeout_at(until, subscription.next()).await {
            Ok(Some(taken)) => batch.push(taken?),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Some(batch))
}

fn unanswered(deadline: Duration) -> Unreachable {
    Unreachable(format!(
        "what the handler needs gave no answer within {deadline:?}"
    ))
}

async fn handle<H: Handler>(handler: &H, batch: &[Taken]) -> Result<Vec<Verdict>, Unreachable> {
    let deliveries: Vec<_> = batch.iter().map(delivery).collect();
    let guarded = |part| AssertUnwindSafe(handler.handle(part)).catch_unwind();
    if let Ok(verdicts) = guarded(&deliveries[..]).await {
        return verdicts;
    }
    // somebody in the batch makes the handler panic: alone, each answers for itself
    let mut verdicts = Vec::with_capacity(deliveries.len());
    for one in &deliveries {
        match guarded(std::slice::from_ref(one)).await {
            Ok(verdict) => verdicts.extend(verdict?),
            Err(_) => verdicts.push(Verdict::Retry("the handler panicked".to_owned())),
        }
    }
    Ok(verdicts)
}

fn delivery(taken: &Taken) -> Delivery {
    Delivery {
        message_id: taken.message_id(),
        message_type: taken.message_type(),
        routing_key: taken.original_key(),
        body: taken.body().to_vec(),
        attempt: taken.attempt(),
        trace: taken.trace(),
    }
}

/// Does with each message what its verdict says; returns what was unreachable, if anything was.
async fn settle(
    subscription: &Subscription,
    publisher: &Publisher,
    queue: &str,
    batch: &[Taken],
    verdicts: Vec<Verdict>,
) -> Result<Option<String>, LinkError> {
    let mut unreachable = None;
    for (taken, verdict) in batch.iter().zip(verdicts) {
        let id = taken
            .message_id()
            .unwrap_or_else(|| "without id".to_owned());
        match verdict {
            Verdict::Done => {
                taken.ack().await?;
                crash_point!("consumer.ack.after_send");
            }
            Verdict::Retry(why) => {
                let attempt = taken.attempt();
                warn!(
                    message.id = id,
                    "Message {id} of {queue} was not handled in attempt {attempt}: {why}"
                );
                metrics::counter!("inbox_handled_total", "queue" => queue.to_owned(), "result" => "retry").increment(1);
                subscription.send_up(publisher, taken, &why).await?;
            }
            Verdict::Failed(why) => {
                error!(
                    message.id = id,
                    "Message {id} of {queue} goes to `failed`: {why}"
                );
                metrics::counter!("inbox_handled_total", "queue" => queue.to_owned(), "result" => "failed").increment(1);
                subscription.send_to_failed(publisher, taken, &why).await?;
            }
            Verdict::Unreachable(why) => unreachable = Some(why),
        }
    }
    Ok(unreachable)
}
