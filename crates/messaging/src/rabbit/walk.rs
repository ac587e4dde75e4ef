//! Walking through a queue: one message after the other, each held until the walk ends.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};

use super::{
    BrokerError, CALL_TIMEOUT, close,
    record::short,
    subscription::{UnackedDelivery, making_room},
    wire::Intake,
    within,
};

/// How long to wait for a message that the broker has counted.
const COUNTED_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait for a message that it has not counted: a message given back by another reader
/// is counted a moment later.
const UNCOUNTED_TIMEOUT: Duration = Duration::from_millis(200);

/// Messages that the broker hands out ahead: many small ones, or few large ones, because all
/// messages in transit when a walk ends early must still be read.
const WINDOW: std::ops::RangeInclusive<u16> = 4..=512;
/// A window of more bytes than this makes the next window smaller.
const LARGE_WINDOW: usize = 1024 * 1024;

/// Acks in transit to a queue at once, below the number at which the broker starts to hold them
/// back.
const ACK_BATCH_SIZE: usize = 16;

/// A walk through a queue. The messages it passed are held until [`Walk::close`], or until the
/// connection breaks.
pub(crate) struct Walk {
    channel: Channel,
    queue: String,
    intake: Option<Arc<Intake>>,
    window: Option<Window>,
    size: u16,
    passed: usize,
}

struct Window {
    consumer: Consumer,
    left: u16,
    bytes: usize,
}

impl Walk {
    pub(super) fn new(channel: Channel, queue: &str, intake: Option<Arc<Intake>>) -> Self {
        Self {
            channel,
            queue: queue.to_owned(),
            intake,
            window: None,
            size: 32,
            passed: 0,
        }
    }

    /// Number of messages passed.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// Returns the next message, or `None` at the end of the queue. `counted` is the number of
    /// messages that the broker reported.
    pub(crate) async fn next(
        &mut self,
        counted: usize,
    ) -> Result<Option<UnackedDelivery>, BrokerError> {
        if self.window.is_none() {
            self.window = Some(Window {
                consumer: self.subscribe().await?,
                left: self.size,
                bytes: 0,
            });
        }
        let Some(window) = &mut self.window else {
            return Ok(None);
        };
        let wait = if self.passed < counted {
            COUNTED_TIMEOUT
        } else {
            UNCOUNTED_TIMEOUT
        };
        let next = making_room(self.intake.as_deref(), window.consumer.next());
        let Ok(Some(next)) = tokio::time::timeout(wait, next).await else {
            self.end_window().await?;
            return Ok(None);
        };
        let mut unacked = UnackedDelivery::new(next?, self.intake.clone());
        unacked.make_room();
        window.left -= 1;
        window.bytes += unacked.size();
        self.passed += 1;
        if window.left == 0 {
            let small = window.bytes < LARGE_WINDOW;
            self.end_window().await?;
            self.size = if small {
                (self.size * 2).min(*WINDOW.end())
            } else {
                *WINDOW.start()
            };
        }
        Ok(Some(unacked))
    }

    async fn subscribe(&self) -> Result<Consumer, BrokerError> {
        let qos = self
            .channel
            .basic_qos(self.size, BasicQosOptions::default());
        within(CALL_TIMEOUT, qos).await?;
        let consume = self.channel.basic_consume(
            short(&self.queue),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        within(CALL_TIMEOUT, consume).await
    }

    async fn end_window(&mut self) -> Result<(), BrokerError> {
        let Some(window) = self.window.take() else {
            return Ok(());
        };
        let cancel = self
            .channel
            .basic_cancel(window.consumer.tag(), BasicCancelOptions::default());
        within(CALL_TIMEOUT, cancel).await
    }

    /// Stops reading; the messages passed are still held. Messages in transit are read, so that the
    /// broker's answers behind them can get through.
    pub(crate) async fn stop(&mut self) -> Result<(), BrokerError> {
        while let Some(window) = self.window.as_mut().filter(|window| window.left > 0) {
            let next = making_room(self.intake.as_deref(), window.consumer.next());
            let Ok(Some(next)) = tokio::time::timeout(UNCOUNTED_TIMEOUT, next).await else {
                break;
            };
            drop(UnackedDelivery::new(next?, self.intake.clone()));
            window.left -= 1;
        }
        self.end_window().await
    }

    /// The message at the head of the queue, if one is ready.
    pub(crate) async fn get(&self) -> Result<Option<UnackedDelivery>, BrokerError> {
        let get = self
            .channel
            .basic_get(short(&self.queue), BasicGetOptions::default());
        let get = making_room(self.intake.as_deref(), within(CALL_TIMEOUT, get)).await?;
        Ok(get.map(|message| {
            let mut unacked = UnackedDelivery::new(message.delivery, self.intake.clone());
            unacked.make_room();
            unacked
        }))
    }

    /// Acks messages, and waits until the queue has received the acks. A channel holds acks back
    /// while some 32 of them are in transit to a quorum queue, and drops those when it closes; a
    /// get is answered after everything sent before it. The message that the get takes is held like
    /// the rest, and goes back.
    pub(crate) async fn ack_all(&self, unacked: &[&UnackedDelivery]) -> Result<(), BrokerError> {
        for some in unacked.chunks(ACK_BATCH_SIZE) {
            for unacked in some {
                unacked.ack().await?;
            }
            self.get().await?;
        }
        Ok(())
    }

    /// Ends the walk: held messages go back to the queue.
    pub(crate) async fn close(mut self) {
        if let Err(error) = self.stop().await {
            tracing::debug!(%error, "The walk was over before it was ended");
        }
        close(&self.channel).await;
    }
}
