//! The consumer: hands what arrives to a handler, in batches, and acks only what it is done with.

use std::{panic::AssertUnwindSafe, time::Duration};

use crashpoint::crash_point;
use futures::FutureExt;
use kernel::{RetryPolicy, TraceRef};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    LinkHealth,
    rabbit::{Forward, Link, LinkError, Published, Publisher, Subscription, Taken, cut},
    topology::{FAILED, LADDER, delay_exchange, delay_queue},
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

/// Bytes of messages that a consumer holds unsettled, and that one batch has; a single message may be
/// larger than either.
const HELD: usize = 8 * 1024 * 1024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Longest part of a reason that is logged, bytes: it may repeat what a publisher wrote.
const LOGGED: usize = 300;

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
        // two connections: what holds messages back must not hold confirms back
        let link = Link::open(amqp_url, queue).await?;
        link.check_queue(queue).await?;
        let publisher = link.publisher().await?;
        let source = Link::open_to_read(amqp_url, queue, HELD).await?;
        let mut subscription = source.subscribe(queue, config.prefetch).await?;
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
            let handled = handle(self.handler, &batch.deliveries);
            let handled = tokio::time::timeout(config.deadline, handled).await;
            match handled.unwrap_or_else(|_| Err(unanswered(config.deadline))) {
                Ok(verdicts) => {
                    crash_point!("consumer.handle.before_ack");
                    if let Some(why) = settle(&publisher, queue, &batch, verdicts).await? {
                        break Ended::Unreachable(why);
                    }
                }
                Err(Unreachable(why)) => break Ended::Unreachable(why),
            }
        };
        // what is not acked goes back to the queue with the channel
        subscription.close().await;
        source.close().await;
        link.close().await;
        Ok(ended)
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
}

/// What has arrived, at least one message; `None` at shutdown or when the subscription ended.
async fn next_batch(
    subscription: &mut Subscription,
    config: ConsumerConfig,
    shutdown: &CancellationToken,
) -> Result<Option<Batch>, LinkError> {
    let mut batch = Batch::default();
    tokio::select! {
        () = shutdown.cancelled() => return Ok(None),
        next = subscription.next(true) => match next {
            Some(taken) => batch.push(taken?),
            None => return Ok(None),
        },
    }
    let until = tokio::time::Instant::now() + config.max_wait;
    while batch.taken.len() < config.max_batch && batch.bytes < BATCH_BYTES {
        match tokio::time::timeout_at(until, subscription.next(false)).await {
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

async fn handle<H: Handler>(
    handler: &H,
    deliveries: &[Delivery],
) -> Result<Vec<Verdict>, Unreachable> {
    let guarded = |part| AssertUnwindSafe(handler.handle(part)).catch_unwind();
    if let Ok(verdicts) = guarded(deliveries).await {
        return verdicts;
    }
    // somebody in the batch makes the handler panic: alone, each answers for itself
    let mut verdicts = Vec::with_capacity(deliveries.len());
    for one in deliveries {
        match guarded(std::slice::from_ref(one)).await {
            Ok(verdict) => verdicts.extend(verdict?),
            Err(_) => verdicts.push(Verdict::Retry("the handler panicked".to_owned())),
        }
    }
    Ok(verdicts)
}

/// Does with each message what its verdict says; returns what was unreachable, if anything was.
///
/// Messages that move on are published together and acked after the confirms: a flood of garbage is settled at
/// the pace of the broker's batches, not of its round trips.
async fn settle(
    publisher: &Publisher,
    queue: &str,
    batch: &Batch,
    verdicts: Vec<Verdict>,
) -> Result<Option<String>, LinkError> {
    let mut unreachable = None;
    let mut moving = Vec::new();
    let mut settled = vec![false; batch.taken.len()];
    for (place, (taken, verdict)) in batch.taken.iter().zip(verdicts).enumerate() {
        match verdict {
            Verdict::Done => settled[place] = true,
            Verdict::Retry(why) => moving.push((place, Move::retry(queue, taken), why)),
            Verdict::Failed(why) => moving.push((place, Move::to_failed(taken), why)),
            Verdict::Unreachable(why) => unreachable = Some(why),
        }
    }
    for (place, to, why) in &moving {
        log(queue, &batch.taken[*place], to, why);
    }
    if !moving.is_empty() {
        reached(&moving, Point::BeforeSend);
        let forwards: Vec<_> = moving
            .iter()
            .map(|(place, to, why)| Forward {
                taken: &batch.taken[*place],
                body: &batch.deliveries[*place].body,
                queue,
                exchange: &to.exchange,
                key: &to.key,
                why,
            })
            .collect();
        let answers = publisher.forward(&forwards).await?;
        reached(&moving, Point::AfterConfirm);
        for ((place, ..), answer) in moving.iter().zip(answers) {
            match answer {
                Published::Confirmed => settled[*place] = true,
                Published::Refused(why) => {
                    error!("A message could not be put aside ({why}): it stays in {queue}");
                    batch.taken[*place].give_back().await?;
                }
            }
        }
    }
    ack(&batch.taken, &settled).await?;
    if !moving.is_empty() {
        reached(&moving, Point::AfterAck);
    }
    Ok(unreachable)
}

/// Acks what is settled: in one word when all is, since nothing that was taken earlier is open.
async fn ack(taken: &[Taken], settled: &[bool]) -> Result<(), LinkError> {
    let all = settled.iter().all(|settled| *settled);
    let last = taken.len().saturating_sub(1);
    for (place, (taken, settled)) in taken.iter().zip(settled).enumerate() {
        if all && place == last {
            taken.ack_up_to().await?;
        } else if !all && *settled {
            taken.ack().await?;
        } else {
            continue;
        }
        crash_point!("consumer.ack.after_send");
    }
    Ok(())
}

/// Where a message goes that was not handled.
struct Move {
    exchange: String,
    key: String,
    failed: bool,
    result: &'static str,
}

impl Move {
    /// The ladder's next rung or, after the last, `failed`.
    fn retry(queue: &str, taken: &Taken) -> Self {
        let rung = usize::try_from(taken.attempt() - 1).unwrap_or(usize::MAX);
        match LADDER.get(rung) {
            Some(delay) => Self {
                exchange: delay_exchange(queue),
                key: delay_queue(queue, *delay),
                failed: false,
                result: "retry",
            },
            None => Self {
                result: "retry",
                ..Self::to_failed(taken)
            },
        }
    }

    fn to_failed(taken: &Taken) -> Self {
        Self {
            exchange: FAILED.to_owned(),
            key: taken.original_key(),
            failed: true,
            result: "failed",
        }
    }
}

fn log(queue: &str, taken: &Taken, to: &Move, why: &str) {
    let id = taken.message_id();
    let id = id.as_deref().unwrap_or("without id");
    let (attempt, why) = (taken.attempt(), cut(why, LOGGED));
    metrics::counter!("inbox_handled_total", "queue" => queue.to_owned(), "result" => to.result)
        .increment(1);
    if to.result == "failed" {
        error!(
            message.id = id,
            "Message {id} of {queue} goes to `failed`: {why}"
        );
    } else {
        warn!(
            message.id = id,
            "Message {id} of {queue} was not handled in attempt {attempt}: {why}"
        );
    }
}

/// How far the messages that move on are.
#[derive(Clone, Copy)]
enum Point {
    BeforeSend,
    AfterConfirm,
    AfterAck,
}

/// A crash here leaves each message in one place at least.
fn reached(moving: &[(usize, Move, String)], point: Point) {
    for (_, to, _) in moving {
        match (point, to.failed) {
            (Point::BeforeSend, false) => crash_point!("ladder.publish.before_send"),
            (Point::AfterConfirm, false) => crash_point!("ladder.publish.after_confirm"),
            (Point::AfterAck, false) => crash_point!("ladder.ack.after_send"),
            (Point::BeforeSend, true) => crash_point!("failed.publish.before_send"),
            (Point::AfterConfirm, true) => crash_point!("failed.publish.after_confirm"),
            (Point::AfterAck, true) => crash_point!("failed.ack.after_send"),
        }
    }
}
