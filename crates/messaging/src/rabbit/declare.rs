//! Declarations at the broker: quorum queues that dead-letter the messages they drop.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{BrokerConnection, BrokerError, CALL_TIMEOUT, close, short, text, within};
use crate::topology::{
    ExchangeType, FAILED, REDRIVE, RETRY_DELAYS, Route, delay_exchange, delay_queue,
};

/// Deliveries after which the broker itself moves a message to `failed`: the safety net for
/// messages that kill their consumer. This is RabbitMQ 4's default, stated explicitly because
/// RabbitMQ 3 has none.
const DELIVERY_LIMIT: i32 = 20;

impl BrokerConnection {
    pub(crate) async fn declare_failed(&self) -> Result<(), BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        declare_exchange(&channel, FAILED, ExchangeKind::Fanout).await?;
        // every inspection is a delivery, and RabbitMQ 4 would drop a message after twenty
        let limit = ("x-delivery-limit", AMQPValue::LongInt(i32::MAX));
        let channel = match declare_queue(&channel, FAILED, &[limit]).await {
            Err(error) if error.is_declared_otherwise() => {
                tracing::warn!(
                    "Queue {FAILED} was declared without a delivery limit of its own: under RabbitMQ 4 it drops \
                     a message after twenty looks. Once it is empty, delete it and migrate again"
                );
                within(CALL_TIMEOUT, self.connection.create_channel()).await?
            }
            declared => declared.map(|()| channel)?,
        };
        bind(&channel, FAILED, FAILED, "").await?;
        declare_exchange(&channel, REDRIVE, ExchangeKind::Direct).await?;
        close(&channel).await;
        Ok(())
    }

    pub(crate) async fn bind_queues(
        &self,
        bindings: &[(&str, &str, &str)],
    ) -> Result<(), BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        for (exchange, queue, key) in bindings {
            bind(&channel, queue, exchange, key).await?;
        }
        close(&channel).await;
        Ok(())
    }

    pub(crate) async fn declare_route(&self, route: &Route) -> Result<(), BrokerError> {
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
        let exchange = delay_exchange(&route.queue);
        declare_exchange(&channel, &exchange, ExchangeKind::Direct).await?;
        for delay in RETRY_DELAYS {
            let mut arguments = at_least_once("", Some(&route.queue));
            let millis = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
            arguments.push(("x-message-ttl", AMQPValue::LongInt(millis)));
            let queue = delay_queue(&route.queue, delay);
            declare_queue(&channel, &queue, &arguments).await?;
            bind(&channel, &queue, &exchange, &queue).await?;
        }
        bind(&channel, &route.queue, REDRIVE, &route.queue).await?;
        close(&channel).await;
        Ok(())
    }
}

/// Arguments of a queue that dead-letters dropped messages to `exchange`, at least once.
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
) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    within(
        CALL_TIMEOUT,
        channel.exchange_declare(short(name), kind, options, FieldTable::default()),
    )
    .await
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: &[(&str, AMQPValue)],
) -> Result<(), BrokerError> {
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
        channel.queue_declare(short(name), options, table),
    )
    .await?;
    Ok(())
}

async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> Result<(), BrokerError> {
    let bind = channel.queue_bind(
        short(queue),
        short(exchange),
        short(key),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    within(CALL_TIMEOUT, bind).await
}
