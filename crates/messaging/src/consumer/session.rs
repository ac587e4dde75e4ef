//! One connection to the broker. Messages are handled concurrently, and each is settled when its
//! own work is done.
//!
//! Messages that met an outage or a lock are held here, unsettled, and tried again: the broker
//! counts a message that is given back as a delivery, and gives up on it after twenty.

use std::{panic::AssertUnwindSafe, time::Duration};

use crashpoint::{crash_point, planted};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    BATCH_BYTES, Batch, ConsumerConfig, HELD, Handler, LONGEST_HOLD, TRY_AGAIN, TRY_LOCKED_AGAIN,
    Unreachable, Verdict,
    settle::{self, Moving},
};
use crate::{
    ConnectionHealth,
    rabbit::{BrokerConnection, BrokerError, Publisher, Subscription},
};

pub(super) struct Session<'a, H> {
    pub(super) queue: &'a str,
    pub(super) config: ConsumerConfig,
    pub(super) handler: &'a H,
    pub(super) health: &'a ConnectionHealth,
    /// How long messages are held during an outage before they are given back.
    pub(super) hold: Duration,
}

/// Why a session ended.
pub(super) enum SessionEnd {
    Shutdown,
    Canceled,
    /// The outage continues; the messages are back in the queue.
    Unreachable(String),
}

/// Messages to be handled in one batch.
struct PendingBatch {
    batch: Batch,
    held: Option<Held>,
}

/// State of messages whose last try failed on an obstacle.
#[derive(Clone, Copy)]
struct Held {
    by: Obstacle,
    tries: u32,
    since: Instant,
}

impl Held {
    /// The pause before the next try.
    fn delay(&self) -> Duration {
        let policy = match self.by {
            Obstacle::Outage => TRY_AGAIN,
            Obstacle::Lock => TRY_LOCKED_AGAIN,
        };
        policy.delay(self.tries)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// A dependency is unreachable: no further message is taken.
    Outage,
    /// A lock blocks these messages only.
    Lock,
}

enum Step {
    /// The verdicts are `None` when the process stops before the messages were tried again.
    Handled(PendingBatch, Option<Result<Vec<Verdict>, Unreachable>>),
    Unanswered,
    Moved,
}

type Steps<'s> = FuturesUnordered<BoxFuture<'s, Result<Step, BrokerError>>>;

/// Numbers of batches in progress.
#[derive(Default)]
struct Counts {
    fresh: usize,
    outage: usize,
    locked: usize,
}

impl<H: Handler> Session<'_, H> {
    pub(super) async fn run(
        &self,
        amqp_url: &str,
        shutdown: &CancellationToken,
        failures: &mut u32,
    ) -> Result<SessionEnd, BrokerError> {
        let queue = self.queue;
        // two connections: back-pressure on incoming messages must not delay confirms, and a broker
        // alarm, which blocks publishers, must not stop consumption
        let connection = BrokerConnection::open(amqp_url, queue).await?;
        connection.check_queue(queue).await?;
        let publisher = connection.publisher().await?;
        let source = BrokerConnection::open_to_read(amqp_url, queue, HELD).await?;
        let mut subscription = source.subscribe(queue, self.config.prefetch).await?;
        *failures = 0;
        self.health.up();
        let end = self
            .consume(&mut subscription, &publisher, shutdown)
            .await?;
        // messages that are not acked go back to the queue when the channel closes
        subscription.close().await;
        source.close().await;
        connection.close().await;
        Ok(end)
    }

    async fn consume(
        &self,
        subscription: &mut Subscription,
        publisher: &Publisher,
        shutdown: &CancellationToken,
    ) -> Result<SessionEnd, BrokerError> {
        let mut steps = Steps::new();
        let mut counts = Counts::default();
        loop {
            let stops = shutdown.is_cancelled();
            if stops && steps.is_empty() {
                return Ok(SessionEnd::Shutdown);
            }
            let takes = !stops && counts.outage == 0 && counts.fresh < self.config.concurrency;
            let idle = steps.is_empty();
            tokio::select! {
                () = shutdown.cancelled(), if !stops => {}
                Some(step) = steps.next(), if !idle => {
                    match step? {
                        Step::Unanswered => return Ok(SessionEnd::Unreachable(unanswered(self.config.deadline))),
                        Step::Moved => {}
                        Step::Handled(pending, result) => {
                            let end = self.settle(pending, result, publisher, shutdown, &mut steps, &mut counts);
                            if let Some(end) = end.await? {
                                return Ok(end);
                            }
                        }
                    }
                }
                first = subscription.next(idle), if takes => {
                    let Some(first) = first else { return Ok(SessionEnd::Canceled) };
                    let mut batch = Batch::default();
                    batch.push(first?);
                    fill(&mut batch, subscription, self.config)?;
                    counts.fresh += 1;
                    steps.push(self.handle(PendingBatch { batch, held: None }, shutdown).boxed());
                }
            }
        }
    }

    /// The most messages held for locks: the prefetch window must keep room for others.
    fn most_locked(&self) -> usize {
        (usize::from(self.config.prefetch) / 4).max(1)
    }

    async fn handle(
        &self,
        pending: PendingBatch,
        shutdown: &CancellationToken,
    ) -> Result<Step, BrokerError> {
        if let Some(held) = pending.held {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(Step::Handled(pending, None)),
                () = tokio::time::sleep(held.delay()) => {}
            }
        }
        crash_point!("consumer.receive.before_handle");
        let handled = guarded(self.handler, &pending.batch);
        Ok(
            match tokio::time::timeout(self.config.deadline, handled).await {
                Ok(result) => Step::Handled(pending, Some(result)),
                Err(_) => Step::Unanswered,
            },
        )
    }

    /// Settles each message according to its verdict.
    async fn settle<'s>(
        &'s self,
        pending: PendingBatch,
        result: Option<Result<Vec<Verdict>, Unreachable>>,
        publisher: &'s Publisher,
        shutdown: &'s CancellationToken,
        steps: &mut Steps<'s>,
        counts: &mut Counts,
    ) -> Result<Option<SessionEnd>, BrokerError> {
        let held = pending.held;
        match held {
            None => counts.fresh -= 1,
            Some(held) if held.by == Obstacle::Outage => counts.outage -= 1,
            Some(_) => counts.locked -= 1,
        }
        let Some(result) = result else {
            return Ok(None);
        };
        crash_point!("consumer.handle.before_ack");
        let all = pending.batch.unacked.len();
        let (mut done, mut moving) = (Batch::default(), Moving::default());
        let (mut unreachable_batch, mut locked) = (Batch::default(), Vec::new());
        let mut unreachable = None;
        let verdicts =
            result.unwrap_or_else(|Unreachable(why)| vec![Verdict::Unreachable(why); all]);
        for (message, verdict) in pending.batch.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Done => done.append(message),
                Verdict::Retry(why) => moving.retry(self.queue, message, why),
                Verdict::Failed(failure) => moving.fail(message, &failure),
                Verdict::Locked(why) => locked.push((message, why)),
                Verdict::Unreachable(why) if planted!("an-outage-is-an-attempt") => {
                    moving.retry(self.queue, message, why);
                }
                Verdict::Unreachable(why) => {
                    unreachable_batch.append(message);
                    unreachable = Some(why);
                }
            }
        }
        let alone = steps.is_empty() && done.unacked.len() == all;
        settle::ack(&done, alone).await?;
        for (batch, why) in locked {
            let held = next(held, Obstacle::Lock);
            if counts.locked >= self.most_locked() || held.since.elapsed() > LONGEST_HOLD {
                warn!(
                    "{} of {} waits for a lock outside of the queue, and others proceed ({why})",
                    batch.names(),
                    self.queue
                );
                moving.postpone(self.queue, batch, why);
                continue;
            }
            warn!(
                "{} of {} waits for a lock, and others proceed ({why}): trying again in {:?}",
                batch.names(),
                self.queue,
                held.delay()
            );
            let pending = PendingBatch {
                batch,
                held: Some(held),
            };
            counts.locked += 1;
            steps.push(self.handle(pending, shutdown).boxed());
        }
        if !moving.is_empty() {
            let moved = moving.carry_out(publisher, self.queue, shutdown);
            steps.push(moved.map(|moved| moved.map(|()| Step::Moved)).boxed());
        }
        match unreachable {
            Some(why) => {
                let held = next(held, Obstacle::Outage);
                if held.since.elapsed() > self.hold {
                    return Ok(Some(SessionEnd::Unreachable(why)));
                }
                if held.tries == 1 {
                    warn!(
                        "{why}: {} messages of {} are held until it can be used again",
                        unreachable_batch.unacked.len(),
                        self.queue
                    );
                }
                debug!(
                    "Try {} of {} held messages of {} was in vain ({why}): trying again in {:?}",
                    held.tries,
                    unreachable_batch.unacked.len(),
                    self.queue,
                    held.delay()
                );
                counts.outage += 1;
                let pending = PendingBatch {
                    batch: unreachable_batch,
                    held: Some(held),
                };
                steps.push(self.handle(pending, shutdown).boxed());
            }
            None if counts.outage == 0 && held.is_some_and(|held| held.by == Obstacle::Outage) => {
                info!(
                    "Dependency reachable again; resuming consumption of {}",
                    self.queue
                );
            }
            None => {}
        }
        Ok(None)
    }
}

/// Counts one more failed try.
fn next(held: Option<Held>, by: Obstacle) -> Held {
    match held {
        Some(held) if held.by == by => Held {
            tries: held.tries.saturating_add(1),
            ..held
        },
        _ => Held {
            by,
            tries: 1,
            since: Instant::now(),
        },
    }
}

/// Adds the messages that have arrived. It waits for none: while this batch is handled, the next one
/// gathers.
fn fill(
    batch: &mut Batch,
    subscription: &mut Subscription,
    config: ConsumerConfig,
) -> Result<(), BrokerError> {
    while batch.unacked.len() < config.max_batch && batch.bytes < BATCH_BYTES {
        match subscription.next(false).now_or_never() {
            Some(Some(unacked)) => batch.push(unacked?),
            Some(None) | None => break,
        }
    }
    Ok(())
}

fn unanswered(deadline: Duration) -> String {
    format!("what the handler needs gave no answer within {deadline:?}")
}

async fn guarded<H: Handler>(handler: &H, batch: &Batch) -> Result<Vec<Verdict>, Unreachable> {
    let guarded = |part| AssertUnwindSafe(handler.handle(part)).catch_unwind();
    if let Ok(verdicts) = guarded(&batch.deliveries).await {
        return verdicts;
    }
    // one message of the batch makes the handler panic: handle each alone, so that only that one
    // fails
    let mut verdicts = Vec::with_capacity(batch.deliveries.len());
    for one in &batch.deliveries {
        match guarded(std::slice::from_ref(one)).await {
            Ok(verdict) => verdicts.extend(verdict?),
            Err(_) => verdicts.push(Verdict::Retry("the handler panicked".to_owned())),
        }
    }
    Ok(verdicts)
}
