//! RabbitMQ: the only file that names lapin.
//!
//! lapin's own recovery stays off: whoever holds a [`Link`] that breaks drops it, with its channels
//! and consumers, and opens a new one. Two recoveries would fight.

use std::time::Duration;

use crashpoint::crash_point;
use futures::StreamExt;
use kernel::TraceRef;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind,
    ExchangeKind,
    message::Delivery as Raw,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions,
        BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use crate::{
    Message,
    topology::{ExchangeType, FAILED, LADDER, QueueState, Route, delay_exchange, delay_queue},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Deliveries after which the broker itself gives a message to `failed`: the net below consumers
/// that die of it. RabbitMQ 4's default, said aloud because RabbitMQ 3 has none.
const DELIVERY_LIMIT: i32 = 20;

/// Acks under way to a queue at once, below the number from which the broker holds them back.
const ACKS_AT_ONCE: usize = 16;

const ATTEMPT: &str = "x-attempt";
const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
const ORIGINAL_KEY: &str = "x-original-routing-key";
const ORIGINAL_QUEUE: &str = "x-original-queue";
const REASON: &str = "x-reason";
const TRACEPARENT: &str = "traceparent";

/// Why the broker could not be used. Nothing is known to be wrong with what was sent.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The client library says so.
    #[error("RabbitMQ: {0}")]
    Amqp(#[from] lapin::Error),
    /// No answer in time.
    #[error("RabbitMQ gave no answer within {0:?}")]
    Timeout(Duration),
    /// A publisher's channel does not confirm: a defect of ours, found at the first publish.
    #[error("this channel does not confirm what is published")]
    NoConfirms,
}

impl LinkError {
    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Amqp(error) if matches!(error.kind(),
            ErrorKind::ProtocolError(error) if error.get_id() == 404))
    }

    /// Whether it is there already, under other arguments.
    fn is_declared_otherwise(&self) -> bool {
        matches!(self, Self::Amqp(error) if matches!(error.kind(),
            ErrorKind::ProtocolError(error) if error.get_id() == 406))
    }

    /// Whether the broker closed the channel over something that was asked on it; the connection
    /// lives on.
    pub(crate) fn closed_the_channel(&self) -> bool {
        match self {
            Self::Amqp(error) => {
                error.is_amqp_soft_error()
                    || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
            }
            Self::Timeout(_) | Self::NoConfirms => false,
        }
    }
}

/// Refuses what is no AMQP URL, before anybody waits for a broker there.
///
/// # Errors
/// Says what is wrong with it; without the URL, which holds a password.
pub fn check_url(url: &str) -> Result<(), String> {
    url.parse::<lapin::uri::AMQPUri>().map(drop)
}

/// A connection.
pub(crate) struct Link {
    connection: Connection,
}

impl Link {
    pub(crate) async fn open(url: &str, name: &str) -> Result<Self, LinkError> {
        let properties =
            ConnectionProperties::default().with_connection_name(LongString::from(name));
        let connection = within(CONNECT_TIMEOUT, Connection::connect(url, properties)).await?;
        Ok(Self { connection })
    }

    pub(crate) async fn close(&self) {
        if let Err(error) = within(CALL_TIMEOUT, self.connection.close(200, "done".into())).await {
            tracing::debug!(%error, "The connection was gone before it was closed");
        }
    }

    pub(crate) async fn publisher(&self) -> Result<Publisher, LinkError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        within(
            CALL_TIMEOUT,
            channel.confirm_select(ConfirmSelectOptions::default()),
        )
        .await?;
        Ok(Publisher { channel })
    }

    pub(crate) async fn subscribe(
        &self,
        queue: &str,
        prefetch: u16,
    ) -> Result<Subscription, LinkError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        within(
            CALL_TIMEOUT,
            channel.basic_qos(prefetch, BasicQosOptions::default()),
        )
        .await?;
        let consume = channel.basic_consume(
            queue.into(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = within(CALL_TIMEOUT, consume).await?;
        Ok(Subscription {
            channel,
            consumer,
            queue: queue.to_owned(),
        })
    }

    /// What the broker says of the queue; an error when it does not exist.
    pub(crate) async fn check_queue(&self, queue: &str) -> Result<QueueState, LinkError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = within(
            CALL_TIMEOUT,
            channel.queue_declare(queue.into(), options, FieldTable::default()),
        )
        .await?;
        // one that is closing by itself when its connection closes would be taken for an error
        close(&channel).await;
        Ok(QueueState {
            messages: queue.message_count(),
            consumers: queue.consumer_count(),
        })
    }

    pub(crate) async fn declare_failed(&self) -> Result<(), LinkError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        declare_exchange(&channel, FAILED, ExchangeKind::Fanout).await?;
        // every look at it is a delivery, and RabbitMQ 4 would drop a message after twenty
        let limit = ("x-delivery-limit", AMQPValue::LongInt(i32::MAX));
        match declare_queue(&channel, FAILED, &[limit]).await {
            Err(error) if error.is_declared_otherwise() => {
                tracing::warn!(
                    "Queue {FAILED} was declared without a delivery limit of its own: under RabbitMQ 4 it drops \
                     a message after twenty looks. Once it is empty, delete it and migrate again"
                );
                let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
                bind(&channel, FAILED, FAILED, "").await
            }
            declared => {
                declared?;
                bind(&channel, FAILED, FAILED, "").await
            }
        }
    }

    pub(crate) async fn declare_route(&self, route: &Route) -> Result<(), LinkError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        let kind = match route.exchange_type {
            ExchangeType::Direct => ExchangeKind::Direct,
            ExchangeType::Topic => ExchangeKind::Topic,
        };
        declare_exchange(&channel, &route.exchange, kind).await?;
        let mut arguments = at_least_once(FAILED, None);
        arguments.push(("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)));
        declare_queue(&channel, &route.queue, &arguments).await?;
        for key in &route.routing_keys {
            bind(&channel, &route.queue, &route.exchange, key).await?;
        }
        let ladder = delay_exchange(&route.queue);
        declare_exchange(&channel, &ladder, ExchangeKind::Direct).await?;
        for delay in LADDER {
            let mut arguments = at_least_once("", Some(&route.queue));
            let millis = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
            arguments.push(("x-message-ttl", AMQPValue::LongInt(millis)));
            let queue = delay_queue(&route.queue, delay);
            declare_queue(&channel, &queue, &arguments).await?;
            bind(&channel, &queue, &ladder, &queue).await?;
        }
        Ok(())
    }
}

/// Arguments of a queue that hands what it drops to `exchange`, and never loses it on the way.
fn at_least_once(exchange: &str, key: Option<&str>) -> Vec<(&'static str, AMQPValue)> {
    let mut arguments = vec![
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ];
    if let Some(key) = key {
        arguments.push(("x-dead-letter-routing-key", text(key)));
    }
    arguments
}

async fn declare_exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
) -> Result<(), LinkError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    within(
        CALL_TIMEOUT,
        channel.exchange_declare(name.into(), kind, options, FieldTable::default()),
    )
    .await
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: &[(&str, AMQPValue)],
) -> Result<(), LinkError> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    for (key, value) in arguments {
        table.insert((*key).into(), value.clone());
    }
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    within(
        CALL_TIMEOUT,
        channel.queue_declare(name.into(), options, table),
    )
    .await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), LinkError> {
    let bind = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    within(CALL_TIMEOUT, bind).await
}

/// What the broker said of one published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in a queue.
    Confirmed,
    /// It is not, for the reason given.
    Refused(String),
}

/// A channel that confirms what is published on it.
pub(crate) struct Publisher {
    channel: Channel,
}

impl Publisher {
    /// Publishes all, then awaits all confirms. An answer is missing for none: a broken link or a
    /// late confirm fails the whole batch, whose messages may or may not have arrived. A message
    /// that the broker closes the channel over, such as one for an exchange that is not there,
    /// falls out: each is then published alone, on a fresh channel of `link`.
    pub(crate) async fn publish_all(
        &mut self,
        link: &Link,
        messages: &[&Message],
        deadline: Duration,
    ) -> Result<Vec<Published>, LinkError> {
        match self.publish(messages, deadline).await {
            Err(error) if error.closed_the_channel() => *self = link.publisher().await?,
            answers => return answers,
        }
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            match self.publish(&[message], deadline).await {
                Ok(answer) => answers.extend(answer),
                Err(error) if error.closed_the_channel() => {
                    answers.push(Published::Refused(error.to_string()));
                    *self = link.publisher().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    async fn publish(
        &self,
        messages: &[&Message],
        deadline: Duration,
    ) -> Result<Vec<Published>, LinkError> {
        let batch = async {
            let mut confirms = Vec::with_capacity(messages.len());
            for message in messages {
                let body = message.body.to_string();
                let properties = properties_of(message);
                confirms.push(
                    self.channel
                        .basic_publish(
                            message.exchange.as_str().into(),
                            message.routing_key.as_str().into(),
                            mandatory(),
                            body.as_bytes(),
                            properties,
                        )
                        .await?,
                );
            }
            crash_point!("relay.publish.before_confirm");
            let mut answers = Vec::with_capacity(confirms.len());
            for confirm in confirms {
                answers.push(judge(confirm.await?)?);
            }
            Ok(answers)
        };
        tokio::time::timeout(deadline, batch)
            .await
            .map_err(|_| LinkError::Timeout(deadline))?
    }

    async fn forward(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Published, LinkError> {
        let publish = async {
            let confirm = self
                .channel
                .basic_publish(exchange.into(), key.into(), mandatory(), body, properties)
                .await?;
            judge(confirm.await?)
        };
        tokio::time::timeout(CALL_TIMEOUT, publish)
            .await
            .map_err(|_| LinkError::Timeout(CALL_TIMEOUT))?
    }
}

/// Unroutable messages come back instead of vanishing.
fn mandatory() -> BasicPublishOptions {
    BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    }
}

fn judge(confirmation: Confirmation) -> Result<Published, LinkError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(Published::Confirmed),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Ok(Published::Refused(format!(
                "unroutable: {} ({})",
                returned.reply_text, returned.reply_code
            )))
        }
        Confirmation::Nack(None) => Ok(Published::Refused(
            "refused by the broker (nack)".to_owned(),
        )),
        Confirmation::NotRequested => Err(LinkError::NoConfirms),
    }
}

fn properties_of(message: &Message) -> BasicProperties {
    #[expect(
        clippy::disallowed_methods,
        reason = "AMQP's timestamp property is for people, nothing is decided by it"
    )]
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
    let mut headers = FieldTable::default();
    if let Some(trace) = &message.trace {
        headers.insert(TRACEPARENT.into(), text(&trace.to_string()));
    }
    BasicProperties::default()
        .with_message_id(message.id.to_string().as_str().into())
        .with_type(message.message_type.as_str().into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(now)
        .with_headers(headers)
}

/// Messages as they arrive.
pub(crate) struct Subscription {
    channel: Channel,
    consumer: Consumer,
    queue: String,
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

async fn close(channel: &Channel) {
    if let Err(error) = within(CALL_TIMEOUT, channel.close(200, "done".into())).await {
        tracing::debug!(%error, "The channel was gone before it was closed");
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

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(LinkError::from),
        Err(_) => Err(LinkError::Timeout(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_a_channel_that_does_not_confirm_fails_at_its_first_publish() {
        let judged = judge(Confirmation::NotRequested);
        assert!(matches!(judged, Err(LinkError::NoConfirms)), "{judged:?}");
        assert_eq!(
            judge(Confirmation::Ack(None)).unwrap(),
            Published::Confirmed
        );
        let nacked = judge(Confirmation::Nack(None)).unwrap();
        assert!(matches!(nacked, Published::Refused(_)), "{nacked:?}");
    }
}
