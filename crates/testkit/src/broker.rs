use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use uuid::Uuid;

use crate::variable;

/// URL of a fresh vhost on the test run's RabbitMQ.
///
/// # Panics
/// When the vhost cannot be created.
pub async fn vhost() -> String {
    let name = format!("test-{}", Uuid::new_v4().simple());
    let management = variable("TEST_RABBITMQ_MANAGEMENT_URL");
    let client = reqwest::Client::new();
    let put = |path: String, body: &'static str| {
        client
            .put(format!("{management}{path}"))
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let made = put(format!("/api/vhosts/{name}"), "{}")
        .await
        .expect("RabbitMQ's management answers");
    assert!(
        made.status().is_success(),
        "vhost {name}: {}",
        made.status()
    );
    let granted = put(
        format!("/api/permissions/{name}/shop"),
        r#"{"configure": ".*", "write": ".*", "read": ".*"}"#,
    )
    .await
    .expect("RabbitMQ's management answers");
    assert!(
        granted.status().is_success(),
        "permissions of {name}: {}",
        granted.status()
    );
    variable("TEST_AMQP_URL").replacen("/?", &format!("/{name}?"), 1)
}

/// A broker client that is not one of ours, on a channel in confirm mode.
///
/// # Panics
/// When the broker cannot be reached at this URL.
pub async fn foreign_client(amqp_url: &str) -> (Connection, Channel) {
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(amqp_url, properties);
    let connection = connection.await.expect("RabbitMQ can be reached");
    let channel = connection.create_channel().await;
    let channel = channel.expect("RabbitMQ opens a channel");
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    confirms.await.expect("RabbitMQ confirms");
    (connection, channel)
}

/// Publishes on a [`foreign_client`]'s channel; the message must be routed to a queue.
///
/// # Panics
/// When the broker does not confirm the message, or no queue is bound for it.
pub async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    properties: BasicProperties,
    body: &[u8],
) {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    let confirm = sent.await.expect("the channel is open");
    let confirmed = confirm.await.expect("RabbitMQ answers");
    assert_eq!(confirmed, Confirmation::Ack(None), "{exchange} {key}");
}

/// Puts a message into `failed`, as if the consumer of `queue` could not handle it; `kind` is the
/// kind of failure that the consumer recorded.
///
/// # Panics
/// When the broker does not confirm the message, or there is no `failed`.
pub async fn publish_failed(
    channel: &Channel,
    kind: Option<&str>,
    id: Option<&str>,
    queue: &str,
    body: &[u8],
    reason: &str,
) {
    let mut headers = FieldTable::default();
    let recorded = [
        ("x-original-queue", queue),
        ("x-original-exchange", "messages"),
        ("x-original-routing-key", "send_welcome_email"),
        ("x-reason", reason),
    ];
    let kind = kind.map(|kind| ("x-failure-kind", kind));
    for (name, value) in recorded.into_iter().chain(kind) {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("x-attempt".into(), AMQPValue::LongInt(4));
    let mut properties = BasicProperties::default()
        .with_type("send_welcome_email".into())
        // the consumer's own record, which the broker vouches for
        .with_user_id("shop".into())
        .with_delivery_mode(2)
        .with_headers(headers);
    if let Some(id) = id {
        properties = properties.with_message_id(id.into());
    }
    publish(channel, "failed", "send_welcome_email", properties, body).await;
}
