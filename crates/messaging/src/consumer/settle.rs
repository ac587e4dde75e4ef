//! Settles messages: acks them, moves them on and then acks them, or keeps them.

use crashpoint::crash_point;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Batch, Failure, LONGEST_HOLD, TRY_AGAIN, sleep};
use crate::{
    rabbit::{BrokerError, Forward, Published, Publisher, UnackedDelivery, cut},
    topology::{FAILED, RETRY_DELAYS, delay_exchange, delay_queue},
};

/// Longest part of a reason that is logged, in bytes: a reason may repeat a publisher's text.
const LOGGED: usize = 300;

/// Acks messages that are done. `alone` means that no message taken earlier is open, so that one
/// ack of the last message covers all.
pub(super) async fn ack(batch: &Batch, alone: bool) -> Result<(), BrokerError> {
    if alone && let Some(last) = batch.unacked.last() {
        return acked(last.ack_up_to().await);
    }
    for unacked in &batch.unacked {
        acked(unacked.ack().await)?;
    }
    Ok(())
}

fn acked(sent: Result<(), BrokerError>) -> Result<(), BrokerError> {
    sent?;
    crash_point!("consumer.ack.after_send");
    Ok(())
}

/// Messages to be moved to a delay queue or to `failed`, each with the reason.
#[derive(Default)]
pub(super) struct Moving {
    batch: Batch,
    moves: Vec<(Move, Failure)>,
}

impl Moving {
    pub(super) fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    /// Moves the message to the next delay queue or, after the last, to `failed`.
    pub(super) fn retry(&mut self, queue: &str, message: Batch, why: String) {
        let why = Failure::from(why);
        for unacked in &message.unacked {
            self.moves.push((Move::retry(queue, unacked), why.clone()));
        }
        self.batch.append(message);
    }

    pub(super) fn fail(&mut self, message: Batch, failure: &Failure) {
        for unacked in &message.unacked {
            self.moves.push((Move::to_failed(unacked), failure.clone()));
        }
        self.batch.append(message);
    }

    /// Moves the message to the slowest delay queue: it returns after a few seconds, and no attempt
    /// is counted.
    pub(super) fn postpone(&mut self, queue: &str, message: Batch, why: String) {
        let why = Failure::from(why);
        for unacked in &message.unacked {
            self.moves
                .push((Move::postpone(queue, unacked), why.clone()));
        }
        self.batch.append(message);
    }

    /// Moves all messages, and acks each one after its confirm. Messages that the broker refuses
    /// are held and tried again at growing intervals: if they were given back, they would be
    /// handled and refused again at once, without a pause or an end.
    pub(super) async fn carry_out(
        self,
        publisher: &Publisher,
        queue: &str,
        shutdown: &CancellationToken,
    ) -> Result<(), BrokerError> {
        for (unacked, (to, why)) in self.batch.unacked.iter().zip(&self.moves) {
            log(queue, unacked, to, &why.reason);
        }
        let begun = Instant::now();
        let (mut rest, mut tries) = (self, 0);
        loop {
            rest = rest.send(publisher, queue).await?;
            if rest.is_empty() || shutdown.is_cancelled() {
                return Ok(());
            }
            if begun.elapsed() > LONGEST_HOLD {
                for unacked in &rest.batch.unacked {
                    unacked.give_back().await?;
                }
                return Ok(());
            }
            tries += 1;
            sleep(TRY_AGAIN.delay(tries), shutdown).await;
        }
    }

    /// Publishes all messages together, so that a flood of garbage is settled at the pace of the
    /// broker's batches, not of round trips. Returns the messages that the broker refused.
    async fn send(self, publisher: &Publisher, queue: &str) -> Result<Self, BrokerError> {
        let Self { batch, moves } = self;
        reached(&moves, Point::BeforeSend);
        let forwards: Vec<_> = batch
            .unacked
            .iter()
            .zip(&batch.deliveries)
            .zip(&moves)
            .map(|((unacked, delivery), (to, why))| Forward {
                unacked,
                body: &delivery.body,
                queue,
                exchange: &to.exchange,
                key: &to.key,
                attempts: to.attempts,
                failure: why,
            })
            .collect();
        let answers = publisher.forward(&forwards).await?;
        reached(&moves, Point::AfterConfirm);
        let mut refused = Self::default();
        for ((message, moved), answer) in batch.into_iter().zip(moves).zip(answers) {
            match answer {
                Published::Confirmed => {
                    for unacked in &message.unacked {
                        acked(unacked.ack().await)?;
                    }
                    reached(std::slice::from_ref(&moved), Point::AfterAck);
                }
                Published::Refused(_, why) => {
                    error!(
                        "A message of {queue} could not be put aside ({why}): it is held and tried again"
                    );
                    refused.batch.append(message);
                    refused.moves.push(moved);
                }
            }
        }
        Ok(refused)
    }
}

/// The destination of a message that was not handled.
struct Move {
    exchange: String,
    key: String,
    failed: bool,
    /// Attempts already made when the message arrives there.
    attempts: u32,
    result: &'static str,
}

impl Move {
    /// To the next delay queue or, after the last, to `failed`.
    fn retry(queue: &str, unacked: &UnackedDelivery) -> Self {
        let index = usize::try_from(unacked.attempt() - 1).unwrap_or(usize::MAX);
        match RETRY_DELAYS.get(index) {
            Some(delay) => Self {
                exchange: delay_exchange(queue),
                key: delay_queue(queue, *delay),
                failed: false,
                attempts: unacked.attempt(),
                result: "retry",
            },
            None => Self {
                result: "retry",
                ..Self::to_failed(unacked)
            },
        }
    }

    fn to_failed(unacked: &UnackedDelivery) -> Self {
        Self {
            exchange: FAILED.to_owned(),
            key: unacked.original_key(),
            failed: true,
            attempts: unacked.attempt(),
            result: "failed",
        }
    }

    /// To the slowest delay queue, without counting an attempt.
    fn postpone(queue: &str, unacked: &UnackedDelivery) -> Self {
        let [.., delay] = RETRY_DELAYS;
        Self {
            exchange: delay_exchange(queue),
            key: delay_queue(queue, delay),
            failed: false,
            attempts: unacked.attempt() - 1,
            result: "postponed",
        }
    }
}

fn log(queue: &str, unacked: &UnackedDelivery, to: &Move, why: &str) {
    let id = unacked.message_id();
    let id = id.as_deref().unwrap_or("without id");
    let (attempt, why) = (unacked.attempt(), cut(why, LOGGED));
    metrics::counter!("inbox_handled_total", "queue" => queue.to_owned(), "result" => to.result)
        .increment(1);
    if to.result == "failed" {
        error!(
            message.id = id,
            "Message {id} of {queue} goes to `failed`: {why}"
        );
    } else if to.result == "postponed" {
        debug!(
            message.id = id,
            "Message {id} of {queue} is postponed: {why}"
        );
    } else {
        warn!(
            message.id = id,
            "Message {id} of {queue} was not handled in attempt {attempt}: {why}"
        );
    }
}

/// Progress of the messages being moved.
#[derive(Clone, Copy)]
enum Point {
    BeforeSend,
    AfterConfirm,
    AfterAck,
}

/// Crash points: a crash at any of them leaves each message in at least one queue.
fn reached(moves: &[(Move, Failure)], point: Point) {
    for (to, _) in moves {
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
