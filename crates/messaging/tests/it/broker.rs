use lapin::{
    BasicProperties, Channel, Connection,
    message::BasicGetMessage,
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use messaging::topology::{self, ExchangeType, Route};
use testkit::{eventually_some, foreign_client};

/// A vhost for one test with our topology in it, and a foreign client that inspects it.
pub(crate) struct Broker {
    pub(crate) url: String,
    pub(crate) channel: Channel,
    connection: Connection,
}

pub(crate) const EXCHANGE: &str = "news";
pub(crate) const QUEUE: &str = "readers";
pub(crate) const KEY: &str = "printed";

impl Broker {
    pub(crate) async fn open() -> Self {
        Self::open_on(testkit::vhost().await).await
    }

    pub(crate) async fn open_on(url: String) -> Self {
        let route = Route {
            exchange: EXCHANGE.to_owned(),
            exchange_type: ExchangeType::Topic,
            queue: QUEUE.to_owned(),
            routing_keys: vec![KEY.to_owned()],
        };
        topology::declare(&url, std::slice::from_ref(&route))
            .await
            .unwrap();
        // declaring an existing topology again does no harm
        topology::declare(&url, &[route]).await.unwrap();
        let (connection, channel) = foreign_client(&url).await;
        Self {
            url,
            channel,
            connection,
        }
    }

    pub(crate) async fn fresh_channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// Declares a delay queue with a delay that differs from ours.
    pub(crate) async fn declare_rung(
        &self,
        channel: &Channel,
        delay: &str,
        millis: i32,
    ) -> lapin::Result<()> {
        let mut arguments = FieldTable::default();
        for (key, value) in [
            ("x-queue-type", "quorum"),
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", QUEUE),
            ("x-dead-letter-strategy", "at-least-once"),
            ("x-overflow", "reject-publish"),
        ] {
            arguments.insert(key.into(), AMQPValue::LongString(value.into()));
        }
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(millis));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = format!("{QUEUE}.retry.{delay}");
        let declared = channel.queue_declare(name.as_str().into(), options, arguments);
        declared.await.map(drop)
    }

    pub(crate) async fn publish(&self, id: &str, body: &[u8]) {
        let mut headers = FieldTable::default();
        headers.insert(
            "x-of-the-producer".into(),
            AMQPValue::LongString("kept".into()),
        );
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_type("note".into())
            .with_content_type("application/json".into())
            .with_headers(headers)
            .with_delivery_mode(2);
        self.channel
            .basic_publish(
                EXCHANGE.into(),
                KEY.into(),
                BasicPublishOptions::default(),
                body,
                properties,
            )
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// Publishes any message to any exchange, and waits for the broker's confirm.
    pub(crate) async fn send(
        &self,
        exchange: &str,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) {
        testkit::publish(&self.channel, exchange, key, properties, body).await;
    }

    /// Publishes the same message many times.
    pub(crate) async fn flood(&self, times: usize, body: &[u8]) {
        let options = BasicPublishOptions::default();
        let mut confirms = Vec::new();
        for _ in 0..times {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let sent =
                self.channel
                    .basic_publish(EXCHANGE.into(), KEY.into(), options, body, properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            confirm.await.unwrap();
        }
    }

    async fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await
            .unwrap()
    }

    /// Awaits and takes the next message of a queue.
    pub(crate) async fn take(&self, queue: &str) -> BasicGetMessage {
        let message = eventually_some(&format!("a message in {queue}"), || self.get(queue)).await;
        message
            .delivery
            .acker
            .ack(BasicAckOptions::default())
            .await
            .unwrap();
        message
    }

    pub(crate) async fn take_now(&self, queue: &str) -> Option<BasicGetMessage> {
        let message = self.get(queue).await?;
        message
            .delivery
            .acker
            .ack(BasicAckOptions::default())
            .await
            .unwrap();
        Some(message)
    }

    /// Takes the next message of a queue and gives it back.
    pub(crate) async fn refuse(&self, queue: &str) -> bool {
        let Some(message) = self.get(queue).await else {
            return false;
        };
        let again = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        message.delivery.acker.nack(again).await.unwrap()
    }
}

/// A header of our record, as text.
pub(crate) fn header(message: &BasicGetMessage, name: &str) -> String {
    let headers = message.delivery.properties.headers().as_ref().unwrap();
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        Some(AMQPValue::LongInt(number)) => number.to_string(),
        other => panic!("header {name}: {other:?}"),
    }
}
