//! Taking messages, and settling what was taken: acked, put on the ladder or into `failed`.

use crashpoint::crash_point;
use futures::StreamExt;
use kernel::TraceRef;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery as Raw,
    options::{BasicAckOptions, BasicCancelOptions, BasicGetOptions, BasicNackOptions},
    types::AMQPValue,
};

use super::{CALL_TIMEOUT, LinkError, Published, Publisher, TRACEPARENT, close, text, within};
use crate::topology::{FAILED, LADDER, delay_exchange, delay_queue};

/// Acks under way to a queue at once, below the number from which the broker holds them back.
const ACKS_AT_ONCE: usize = 16;

const ATTEMPT: &str = "x-attempt";
const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
const ORIGINAL_KEY: &str = "x-original-routing-key";
const ORIGINAL_QUEUE: &str = "x-original-queue";
const REASON: &str = "x-reason";

/// Messages as they arrive.
pub(crate) struct Subscription {
    pub(super) channel: Channel,
    pub(super) consumer: Consumer,
    pub(super) queue: String,
}

impl Subscription {
    /// The next message; `None` when the broker ended the subscription.
    pub(crate) async fn next(&mut self) -> Option<Result<Taken, LinkError>> {
        let next = self.consumer.next().await?;
        Some(next.map(|raw| Taken { raw }).map_err(LinkError::from))
    }

    /// Takes nothing more; what was taken is still held.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        let cancel = self
            .channel
            .basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        within(CALL_TIMEOUT, cancel).await
    }

    /// Acks, and waits until the queue has heard of it. A channel holds acks back while some 32 of
    /// them are under way to a quorum queue, and forgets those when it closes; a get is answered
    /// after what was sent before it. What it takes is held like the rest, and goes back.
    pub(crate) async fn ack_all(&self, taken: &[&Taken]) -> Result<(), LinkError> {
        for some in taken.chunks(ACKS_AT_ONCE) {
            for taken in some {
                taken.ack().await?;
            }
            let get = self
                .channel
                .basic_get(self.queue.as_str().into(), BasicGetOptions::default());
            within(CALL_TIMEOUT, get).await?;
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        close(&self.channel).await;
    }

    /// Puts the message on the ladder's next rung or, after the last, into `failed`; then acks it.
    pub(crate) async fn send_up(
        &self,
        publisher: &Publisher,
        taken: &Taken,
        why: &str,
    ) -> Result<(), LinkError> {
        let attempt = taken.attempt();
        match LADDER.get(attempt as usize - 1) {
            Some(delay) => {
                let properties = taken.properties(&self.queue, attempt, why);
                let ladder = delay_exchange(&self.queue);
                let queue = delay_queue(&self.queue, *delay);
                crash_point!("ladder.publish.before_send");
                let sent = publisher
                    .forward(&ladder, &queue, taken.body(), properties)
                    .await?;
                crash_point!("ladder.publish.after_confirm");
                self.settle(taken, sent).await?;
                crash_point!("ladder.ack.after_send");
                Ok(())
            }
            None => self.send_to_failed(publisher, taken, why).await,
        }
    }

    /// Puts the message into `failed`, whole, with the reason; then acks it.
    pub(crate) async fn send_to_failed(
        &self,
        publisher: &Publisher,
        taken: &Taken,
        why: &str,
    ) -> Result<(), LinkError> {
        let properties = taken.properties(&self.queue, taken.attempt(), why);
        crash_point!("failed.publish.before_send");
        let sent = publisher
            .forward(FAILED, &taken.original_key(), taken.body(), properties)
            .await?;
        crash_point!("failed.publish.after_confirm");
        self.settle(taken, sent).await?;
        crash_point!("failed.ack.after_send");
        Ok(())
    }

    /// Acks what is safe elsewhere; what is not stays with the broker.
    async fn settle(&self, taken: &Taken, sent: Published) -> Result<(), LinkError> {
        match sent {
            Published::Confirmed => taken.ack().await,
            Published::Refused(why) => {
                tracing::error!(
                    "A message could not be put aside ({why}): it stays in {}",
                    self.queue
                );
                taken.give_back().await
            }
        }
    }
}
/// A message that must be acked or goes back.
pub(crate) struct Taken {
    raw: Raw,
}

impl Taken {
    pub(crate) async fn ack(&self) -> Result<(), LinkError> {
        within(CALL_TIMEOUT, self.raw.acker.ack(BasicAckOptions::default()))
            .await
            .map(drop)
    }

    pub(crate) async fn give_back(&self) -> Result<(), LinkError> {
        let options = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        within(CALL_TIMEOUT, self.raw.acker.nack(options))
            .await
            .map(drop)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.raw.data
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        self.raw
            .properties
            .message_id()
            .as_ref()
            .map(ToString::to_string)
    }

    pub(crate) fn message_type(&self) -> Option<String> {
        self.raw.properties.kind().as_ref().map(ToString::to_string)
    }

    pub(crate) fn trace(&self) -> Option<TraceRef> {
        self.header(TRACEPARENT)?.parse().ok()
    }

    /// Why it is in `failed`: our reason, or the broker's when it dead-lettered the message itself.
    pub(crate) fn reason(&self) -> Option<String> {
        self.header(REASON).or_else(|| {
            let why = self.header("x-first-death-reason")?;
            Some(format!("dead-lettered by the broker: {why}"))
        })
    }

    /// The queue that it could not be handled from.
    pub(crate) fn original_queue(&self) -> Option<String> {
        self.header(ORIGINAL_QUEUE)
            .or_else(|| self.header("x-first-death-queue"))
    }

    pub(crate) fn original_exchange(&self) -> String {
        self.header(ORIGINAL_EXCHANGE)
            .or_else(|| self.header("x-first-death-exchange"))
            .unwrap_or_else(|| self.raw.exchange.to_string())
    }

    pub(crate) fn original_key(&self) -> String {
        self.header(ORIGINAL_KEY)
            .unwrap_or_else(|| self.raw.routing_key.to_string())
    }

    /// Number of the attempt that is under way, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        let made = match self.value(ATTEMPT) {
            Some(AMQPValue::LongInt(n)) => u32::try_from(*n).unwrap_or_default(),
            _ => 0,
        };
        made + 1
    }

    fn value(&self, header: &str) -> Option<&AMQPValue> {
        self.raw.properties.headers().as_ref()?.inner().get(header)
    }

    fn header(&self, header: &str) -> Option<String> {
        match self.value(header)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            AMQPValue::ShortString(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// Its properties, unchanged but for our headers.
    fn properties(&self, queue: &str, attempts: u32, why: &str) -> BasicProperties {
        let mut headers = self.raw.properties.headers().clone().unwrap_or_default();
        let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(attempts));
        headers.insert(ORIGINAL_QUEUE.into(), text(queue));
        headers.insert(ORIGINAL_EXCHANGE.into(), text(&self.original_exchange()));
        headers.insert(ORIGINAL_KEY.into(), text(&self.original_key()));
        headers.insert(REASON.into(), text(why));
        self.raw
            .properties
            .clone()
            .with_headers(headers)
            .with_delivery_mode(2)
    }

    /// Sends it, with this body, to the queue it came from, as if for the first time. It is still
    /// held, whatever the answer.
    pub(crate) async fn redrive(
        &self,
        publisher: &Publisher,
        queue: &str,
        body: &[u8],
    ) -> Result<Published, LinkError> {
        let mut headers = self.raw.properties.headers().clone().unwrap_or_default();
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(0));
        headers.insert(ORIGINAL_KEY.into(), text(&self.original_key()));
        headers.insert(ORIGINAL_EXCHANGE.into(), text(&self.original_exchange()));
        let properties = self.raw.properties.clone().with_headers(headers);
        publisher.forward("", queue, body, properties).await
    }
}
