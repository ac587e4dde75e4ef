//! Taking messages, and settling them: acked, or given back.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use kernel::TraceRef;
use lapin::{
    Acker, BasicProperties, Channel, Consumer,
    message::Delivery as Raw,
    options::{BasicAckOptions, BasicNackOptions},
};

use super::{
    BrokerError, CALL_TIMEOUT, close,
    record::{self, Record, short},
    wire::Intake,
    within,
};
use crate::{consumer::Failure, topology::REDRIVE};

/// How long an idle reader waits before it makes room for the rest of a large message.
const LARGE: Duration = Duration::from_millis(5);

/// A stream of messages from one queue.
pub(crate) struct Subscription {
    channel: Channel,
    consumer: Consumer,
    intake: Option<Arc<Intake>>,
}

impl Subscription {
    pub(super) fn new(channel: Channel, consumer: Consumer, intake: Option<Arc<Intake>>) -> Self {
        Self {
            channel,
            consumer,
            intake,
        }
    }

    /// Returns the next message, or `None` when the broker ended the subscription. `idle` means
    /// that no message taken before is unsettled, so that room can be made for a message of any
    /// size.
    pub(crate) async fn next(
        &mut self,
        idle: bool,
    ) -> Option<Result<UnackedDelivery, BrokerError>> {
        let next = self.consumer.next();
        let next = if idle {
            making_room(self.intake.as_deref(), next).await
        } else {
            next.await
        };
        let intake = self.intake.clone();
        Some(
            next?
                .map(|raw| UnackedDelivery::new(raw, intake))
                .map_err(BrokerError::from),
        )
    }

    pub(crate) async fn close(&self) {
        close(&self.channel).await;
    }
}

/// Awaits a message while no other is held: the bytes read so far can only be a part of it.
pub(super) async fn making_room<T>(intake: Option<&Intake>, message: impl Future<Output = T>) -> T {
    let mut message = std::pin::pin!(message);
    // a message that has already arrived needs no room
    if let Some(there) = (&mut message).now_or_never() {
        return there;
    }
    loop {
        if let Some(intake) = intake {
            intake.drained();
        }
        if let Ok(there) = tokio::time::timeout(LARGE, &mut message).await {
            return there;
        }
    }
}

/// A message that must be acked or given back.
pub(crate) struct UnackedDelivery {
    acker: Acker,
    exchange: String,
    routing_key: String,
    record: Record,
    properties: BasicProperties,
    trace: Option<TraceRef>,
    signature: Option<String>,
    body: Vec<u8>,
    size: usize,
    intake: Option<Arc<Intake>>,
}

impl UnackedDelivery {
    pub(super) fn new(raw: Raw, intake: Option<Arc<Intake>>) -> Self {
        let record = Record::read(&raw.properties);
        // keep only the bounded parts of its properties
        let properties = record.write(&raw.properties, "");
        Self {
            acker: raw.acker,
            exchange: raw.exchange.to_string(),
            routing_key: raw.routing_key.to_string(),
            trace: record::trace(&raw.properties),
            signature: record::signature(&raw.properties),
            properties: match raw.properties.user_id() {
                Some(user) => properties.with_user_id(user.clone()),
                None => properties.with_user_id(short("")),
            },
            record,
            size: raw.data.len(),
            body: raw.data,
            intake,
        }
    }

    /// Takes the body out of the message; the caller passes it along when it forwards the message.
    pub(crate) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Frees the message's bytes in the intake: from here on its holder accounts for them.
    pub(super) fn make_room(&mut self) {
        if let Some(intake) = self.intake.take() {
            intake.settled(self.size);
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Length of the body in bytes, also after the body was taken out.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) async fn ack(&self) -> Result<(), BrokerError> {
        self.acked(false).await
    }

    /// Acks this message and all that were taken before it.
    pub(crate) async fn ack_up_to(&self) -> Result<(), BrokerError> {
        self.acked(true).await
    }

    async fn acked(&self, multiple: bool) -> Result<(), BrokerError> {
        let ack = self.acker.ack(BasicAckOptions { multiple });
        within(CALL_TIMEOUT, ack).await.map(drop)
    }

    pub(crate) async fn give_back(&self) -> Result<(), BrokerError> {
        let options = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        within(CALL_TIMEOUT, self.acker.nack(options))
            .await
            .map(drop)
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        let id = self.properties.message_id().as_ref();
        id.map(ToString::to_string)
    }

    pub(crate) fn message_type(&self) -> Option<String> {
        self.properties.kind().as_ref().map(ToString::to_string)
    }

    pub(crate) fn trace(&self) -> Option<TraceRef> {
        self.trace.clone()
    }

    /// The detached signature of the body, not yet verified.
    pub(crate) fn signature(&self) -> Option<String> {
        self.signature.clone()
    }

    /// The user that moved the message here, proven by the broker; `None` when the message names
    /// none.
    pub(crate) fn moved_by(&self) -> Option<&str> {
        let user = self.properties.user_id().as_ref();
        user.map(lapin::types::ShortString::as_str)
            .filter(|user| !user.is_empty())
    }

    /// Why the message is in `failed`: our reason, or the broker's when it dead-lettered the
    /// message itself.
    pub(crate) fn reason(&self) -> Option<String> {
        self.record.reason.clone()
    }

    /// The kind of the failure, as our consumer recorded it.
    pub(crate) fn failure_kind(&self) -> Option<String> {
        self.record.kind.clone()
    }

    /// The queue whose consumer could not handle the message, as recorded on it.
    pub(crate) fn original_queue(&self) -> Option<String> {
        self.record.queue.clone()
    }

    /// The exchange that the message was first published to, as recorded on it.
    pub(crate) fn original_exchange(&self) -> String {
        let written = self.record.exchange.clone();
        written.unwrap_or_else(|| self.exchange.clone())
    }

    /// The routing key under which the message was first published, as recorded on it.
    pub(crate) fn original_key(&self) -> String {
        let written = self.record.key.clone();
        written.unwrap_or_else(|| self.routing_key.clone())
    }

    /// Interprets a message from a consumer's queue: its record counts only if it came back from a
    /// delay queue or was redriven; otherwise a publisher could have written the
    /// record, and it is discarded.
    pub(crate) fn in_queue(mut self) -> Self {
        if !self.exchange.is_empty() && self.exchange != REDRIVE {
            self.record = Record {
                attempts: 0,
                queue: None,
                exchange: None,
                key: None,
                reason: None,
                kind: None,
            };
        }
        self
    }

    /// Number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.record.attempts.saturating_add(1)
    }

    /// The properties of the message when `user` moves it on from `queue`, with this many attempts
    /// made.
    pub(super) fn moved(
        &self,
        queue: &str,
        attempts: u32,
        failure: &Failure,
        user: &str,
    ) -> BasicProperties {
        let record = Record {
            attempts,
            queue: Some(queue.to_owned()),
            exchange: Some(self.original_exchange()),
            key: Some(self.original_key()),
            reason: Some(failure.reason.clone()),
            kind: failure.kind.map(str::to_owned),
        };
        record.write(&self.properties, user)
    }

    /// The properties of the message when it is sent again as if for the first time; an edited body
    /// drops the signature of the original one.
    pub(super) fn redriven(&self, edited: bool, user: &str) -> BasicProperties {
        let record = Record {
            attempts: 0,
            queue: None,
            exchange: Some(self.original_exchange()),
            key: Some(self.original_key()),
            reason: None,
            kind: None,
        };
        let properties = record.write(&self.properties, user);
        if edited {
            record::unsigned(&properties)
        } else {
            properties
        }
    }
}

impl Drop for UnackedDelivery {
    /// Frees the message's bytes in the intake, settled or not.
    fn drop(&mut self) {
        self.make_room();
    }
}
