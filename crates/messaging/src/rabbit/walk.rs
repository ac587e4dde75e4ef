//! Walking through a queue: one message after the other, each held until the walk ends.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};

use super::{
    CALL_TIMEOUT, LinkError, close,
    record::short,
    subscription::{Taken, making_room},
    wire::Intake,
    within,
};

/// How long a message is waited for that the broker has counted.
const PATIENCE: Duration = Duration::from_secs(2);
/// And one that it has not: what another reader gave back is counted a moment later.
const GRACE: Duration = Duration::from_millis(200);

/// Messages that the broker hands out ahead: as many as are small, few when they are large, because
/// those that are under way when a walk ends early must still be read.
const WINDOW: std::ops::RangeInclusive<u16> = 4..=512;
/// Bytes of a window above which the next one is smaller.
const LARGE_WINDOW: usize = 1024 * 1024;

/// Acks under way to a queue at once, below the number from which the broker holds them back.
const ACKS_AT_ONCE: usize = 16;

/// A walk. What it passed is held until [`Walk::close`], or until the connection breaks.
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

    /// How many it has passed.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// The next message; `None` at the end of the queue, in which the broker has `counted` so many.
    pub(crate) async fn next(&mut self, counted: usize) -> Result<Option<Taken>, LinkError> {
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
            PATIENCE
        } else {
            GRACE
        };
        let next = making_room(self.intake.as_deref(), window.consumer.next());
        let Ok(Some(next)) = tokio::time::timeout(wait, next).await else {
            self.end_window().await?;
            return Ok(None);
        };
        let mut taken = Taken::new(next?, self.intake.clone());
        taken.make_room();
        window.left -= 1;
        window.bytes += taken.size();
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
        Ok(Some(taken))
    }

    async fn subscribe(&self) -> Result<Consumer, LinkError> {
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

    async fn end_window(&mut self) -> Result<(), LinkError> {
        let Some(window) = self.window.take() else {
            return Ok(());
        };
        let cancel = self
            .channel
            .basic_cancel(window.consumer.tag(), BasicCancelOptions::default());
        within(CALL_TIMEOUT, cancel).await
    }

    /// Looks no further; what it passed is still held. What is under way is read, so that the broker's
    /// answers can come through behind it.
    pub(crate) async fn stop(&mut self) -> Result<(), LinkError> {
        while let Some(window) = self.window.as_mut().filter(|window| window.left > 0) {
            let next = making_room(self.intake.as_deref(), window.consumer.next());
            let Ok(Some(next)) = tokio::time::timeout(GRACE, next).await else {
                break;
            };
            drop(Taken::new(next?, self.intake.clone()));
            window.left -= 1;
        }
        self.end_window().await
    }

    /// The message at the queue's head, if one is ready.
    pub(crate) async fn get(&self) -> Result<Option<Taken>, LinkError> {
        let get = self
            .channel
            .basic_get(short(&self.queue), BasicGetOptions::default());
        let get = making_room(self.intake.as_deref(), within(CALL_TIMEOUT, get)).await?;
        Ok(get.map(|message| {
            let mut taken = Taken::new(message.delivery, self.intake.clone());
            taken.make_room();
            taken
        }))
    }

    /// Acks, and waits until the queue has heard of it. A channel holds acks back while some 32 of
    /// them are under way to a quorum queue, and forgets those when it closes; a get is answered
    /// after what was sent before it. What it takes is held like the rest, and goes back.
    pub(crate) async fn ack_all(&self, taken: &[&Taken]) -> Result<(), LinkError> {
        for some in taken.chunks(ACKS_AT_ONCE) {
            for taken in some {
                taken.ack().await?;
            }
            self.get().await?;
        }
        Ok(())
    }

    /// Ends: what is held goes back.
    pub(crate) async fn close(mut self) {
        if let Err(error) = self.stop().await {
            tracing::debug!(%error, "The walk was over before it was ended");
        }
        close(&self.channel).await;
    }
}
