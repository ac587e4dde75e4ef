//! The events of the service under test, read from a queue of our own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use contracts::{
    payment_event::PaymentEvent,
    topology::{PAYMENTS_EVENTS, TRANSACTION_CANCELED, TRANSACTION_COMPLETED},
};
use futures::StreamExt;
use kernel::TransactionId;
use lapin::{
    Connection, ConnectionProperties,
    message::Delivery,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;

use crate::{
    report::{Fault, broken},
    service::Service,
};

/// How long an event may take to arrive.
const ARRIVES: Duration = Duration::from_secs(10);
/// Interval between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// An event as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) routing_key: String,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: Option<String>,
}

/// Events by the transaction that their body names.
type ByTransaction = Arc<Mutex<HashMap<TransactionId, Vec<Arrived>>>>;

/// All events that have arrived.
pub(crate) struct Events {
    arrived: ByTransaction,
    _connection: Connection,
}

impl Events {
    /// Binds a queue of our own to the exchange of payments' events.
    pub(crate) async fn listen(amqp_url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await;
        let connection = connection.context("--amqp: RabbitMQ cannot be reached")?;
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare("".into(), own, FieldTable::default())
            .await?;
        let name = queue.name().clone();
        for key in [TRANSACTION_COMPLETED, TRANSACTION_CANCELED] {
            let options = QueueBindOptions::default();
            channel
                .queue_bind(
                    name.clone(),
                    PAYMENTS_EVENTS.into(),
                    key.into(),
                    options,
                    FieldTable::default(),
                )
                .await
                .with_context(|| {
                    format!("no queue can be bound to the exchange `{PAYMENTS_EVENTS}`")
                })?;
        }
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let mut consumer = channel
            .basic_consume(name, "".into(), options, FieldTable::default())
            .await?;
        let arrived = ByTransaction::default();
        let sink = Arc::clone(&arrived);
        tokio::spawn(async move {
            // the channel lives as long as its consumer
            let _channel = channel;
            while let Some(Ok(delivery)) = consumer.next().await {
                keep(&sink, &delivery);
            }
        });
        Ok(Self {
            arrived,
            _connection: connection,
        })
    }

    /// Waits for an event about this transaction, and checks that it is this one alone.
    pub(crate) async fn only(
        &self,
        service: &Service,
        id: TransactionId,
        key: &str,
    ) -> Result<Arrived, Fault> {
        let begun = Instant::now();
        let all = loop {
            let found = self.about(id);
            if !found.is_empty() {
                break found;
            }
            if begun.elapsed() > ARRIVES {
                return broken(format!("no event about it within {ARRIVES:?}"));
            }
            tokio::time::sleep(LOOK).await;
        };
        for event in &all {
            let body = String::from_utf8_lossy(&event.body);
            service.note(format!("< event {} {body}", event.routing_key));
        }
        for event in &all {
            if event.routing_key != key {
                return broken(format!("its event is {}", event.routing_key));
            }
            match serde_json::from_slice::<PaymentEvent>(&event.body) {
                Ok(said) if said.outcome.routing_key() == key => {}
                Ok(_) => return broken("`routing_key` in the body is not the key it came under"),
                Err(error) => return broken(format!("the body cannot be read: {error}")),
            }
        }
        Ok(all[0].clone())
    }

    fn about(&self, id: TransactionId) -> Vec<Arrived> {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.get(&id).cloned().unwrap_or_default()
    }
}

fn keep(sink: &ByTransaction, delivery: &Delivery) {
    let body: serde_json::Value = serde_json::from_slice(&delivery.data).unwrap_or_default();
    let Ok(id) = serde_json::from_value(body["transaction_id"].clone()) else {
        return;
    };
    let headers = delivery.properties.headers().as_ref();
    let signature = headers.and_then(|headers| match headers.inner().get("x-signature") {
        Some(AMQPValue::LongString(text)) => Some(text.to_string()),
        _ => None,
    });
    let event = Arrived {
        routing_key: delivery.routing_key.to_string(),
        body: delivery.data.clone(),
        signature,
    };
    let mut arrived = sink.lock().unwrap_or_else(PoisonError::into_inner);
    arrived.entry(id).or_default().push(event);
}
