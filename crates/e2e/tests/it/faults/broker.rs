//! RabbitMQ: messages published and consumed, and a broker that is down or full.

use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, QueueBindOptions, QueueDeleteOptions},
    types::FieldTable,
};
use serde_json::json;
use testkit::{Fault, System, SystemOptions, Upstream, eventually, foreign_client};

use super::{completes, count, whole, with};
use crate::{hurried, text};

const EXCHANGE: &str = "payments_events";
const QUEUE: &str = "payments_events_queue";

async fn publish(channel: &Channel, exchange: &str, key: &str, id: Option<&str>, body: &[u8]) {
    let mut properties = BasicProperties::default().with_delivery_mode(2);
    if let Some(id) = id {
        properties = properties.with_message_id(id.into());
    }
    testkit::publish(channel, exchange, key, properties, body).await;
}

/// Waits until payments' relay was refused, for a reason that contains `why`.
async fn refused(system: &System, why: &'static str) {
    eventually(&format!("a message that is {why}"), || async {
        let refused: i64 =
            sqlx::query_scalar("select count(*) from messaging.outbox where last_error ~ $1")
                .bind(why)
                .fetch_one(&system.payments)
                .await
                .unwrap();
        refused > 0
    })
    .await;
}

async fn unpublished(system: &System) -> i64 {
    count(&system.payments, "select count(*) from messaging.outbox").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_confirm_publishes_again_and_takes_effect_once_f10() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await; // the relay is connected
    let (_, order) = buyer.order().await;
    let link = system.link("payments", Upstream::RabbitMq);
    link.will(Fault::NoAnswers);
    completes(&buyer, &order).await;
    assert_eq!(unpublished(&system).await, 1, "not confirmed: not done");
    link.will(Fault::None);
    eventually("it is published again, and found a duplicate", || async {
        let metrics = system.admin("worker", "/metrics").await.unwrap_or_default();
        metrics.lines().any(|line| {
            line.starts_with("inbox_handled_total")
                && line.contains(QUEUE)
                && line.contains("duplicate")
                && !line.ends_with(" 0")
        })
    })
    .await;
    whole(&system).await;
    assert_eq!(
        count(&system.shop, "select count(*) from saga.signal").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_refused_by_a_full_queue_stays_outboxed_f11() {
    let system = with(&["worker saga async relay"]).await;
    let vhost = system.amqp_url.rsplit('/').next().unwrap();
    let vhost = vhost.split('?').next().unwrap();
    let management = std::env::var("TEST_RABBITMQ_MANAGEMENT_URL").unwrap();
    let policy = format!("{management}/api/policies/{vhost}/full");
    let full = json!({"pattern": QUEUE, "apply-to": "queues", "definition": {"max-length": 5}});
    let answer = system.http.put(&policy).json(&full).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let buyer = system.buyer().await;
    let mut orders = Vec::new();
    // the limit is a soft one: some more are accepted
    let refusals = "select count(*) from messaging.outbox where last_error is not null";
    while count(&system.payments, refusals).await == 0 {
        assert!(orders.len() < 60, "the queue takes them all");
        let (_, order) = buyer.order().await;
        buyer.pay(text(&order, "transaction_id")).await;
        orders.push(order);
    }
    refused(&system, "refused by the broker").await;
    system.spawn("worker payments").await;
    for order in &orders {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_event_is_kept_until_a_queue_is_bound_f12() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let key = "transaction_completed";
    channel
        .queue_unbind(
            QUEUE.into(),
            EXCHANGE.into(),
            key.into(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    buyer.pay(text(&order, "transaction_id")).await;
    refused(&system, "unroutable").await;
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(
            QUEUE.into(),
            EXCHANGE.into(),
            key.into(),
            options,
            arguments,
        )
        .await
        .unwrap();
    buyer.awaits(text(&order, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_taken_without_a_broker_and_the_backlog_drains_f15() {
    let system = super::prepared().await;
    system.fault(Upstream::RabbitMq, Fault::Cut);
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    // the worker runs and reports that it is not ready: some of its roles wait for the broker
    system.launch("worker").await;
    let buyer = system.buyer().await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        let (_, order) = buyer.order().await;
        buyer.pay(text(&order, "transaction_id")).await;
        orders.push(order);
    }
    assert_eq!(unpublished(&system).await, 5);
    system.fault(Upstream::RabbitMq, Fault::None);
    for order in &orders {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    whole(&system).await;
}

/// Messages held by a consumer that is cut off go to another consumer, whichever direction of the
/// link is cut.
async fn half_open(break_link: impl Fn(&System)) {
    let system = with(&["worker saga async relay", "worker payments"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await; // it is consuming
    break_link(&system);
    system.spawn("worker payments#2").await;
    for _ in 0..4 {
        let (_, order) = buyer.order().await;
        completes(&buyer, &order).await;
    }
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_silently_cut_from_the_broker_is_replaced_f16() {
    let broken = |fault| {
        move |system: &System| {
            let link = system.link("worker payments", Upstream::RabbitMq);
            link.will(fault);
        }
    };
    tokio::join!(
        half_open(broken(Fault::Stall)),
        half_open(broken(Fault::StallRequests)),
        half_open(broken(Fault::StallAnswers)),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_silently_cut_from_its_database_returns_its_messages_f16() {
    let link = |system: &System| system.link("worker payments", Upstream::Postgres);
    tokio::join!(
        half_open(|system| link(system).will(Fault::Stall)),
        half_open(|system| link(system).silence()),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_disk_space_delays_events_and_nothing_else_f17() {
    let system = System::start(SystemOptions {
        own_servers: true,
        ..hurried()
    })
    .await;
    let control = |arguments: &[&str]| {
        let servers = system.servers.as_ref().unwrap();
        tokio::task::block_in_place(|| servers.rabbitmq.lock().unwrap().control(arguments))
            .unwrap();
    };
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await;
    control(&["set_disk_free_limit", "9000GB"]);
    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    eventually("the relay to say what it waits for", || async {
        let error: Option<String> = sqlx::query_scalar("select last_error from messaging.outbox")
            .fetch_optional(&system.payments)
            .await
            .unwrap()
            .flatten();
        error.is_some_and(|error| error.contains("blocks publishing"))
    })
    .await;
    for role in ["api", "payments", "worker"] {
        assert!(system.is_ready(role).await, "{role} does its other work");
    }
    control(&["set_disk_free_limit", "50MB"]);
    buyer.awaits(text(&order, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_consumed_again_once_declared_f18() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    channel
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    refused(&system, "unroutable").await;
    system.run("worker", &["migrate"]);
    buyer.awaits(text(&order, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_fact_under_a_new_event_id_changes_nothing_f20() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    completes(&buyer, &order).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let again = json!({
        "transaction_id": order["transaction_id"], "order_id": order["id"], "amount": order["total"],
        "event_id": uuid::Uuid::now_v7(), "completed_at": "2026-01-01T00:00:00Z",
        "routing_key": "transaction_completed",
    });
    let body = again.to_string();
    publish(
        &channel,
        EXCHANGE,
        "transaction_completed",
        Some("another id"),
        body.as_bytes(),
    )
    .await;
    let (_, next) = buyer.order().await;
    completes(&buyer, &next).await; // behind the redelivered event
    assert_eq!(
        count(&system.shop, "select count(*) from saga.signal").await,
        2
    );
    let order = buyer.find_order(text(&order, "id")).await.unwrap();
    assert_eq!(order["history"].as_array().unwrap().len(), 3);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_are_whole_in_failed_while_others_flow_f24() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    // RabbitMQ 4 accepts no more than 16 MiB: the publisher is told
    let huge = vec![b'x'; 15 * 1024 * 1024];
    publish(
        &channel,
        EXCHANGE,
        "transaction_completed",
        Some("huge"),
        &huge,
    )
    .await;
    publish(&channel, EXCHANGE, "transaction_completed", None, b"").await;
    publish(
        &channel,
        EXCHANGE,
        "transaction_completed",
        Some("list"),
        b"[1, 2]",
    )
    .await;
    let command = json!({"command": "send_welcome_email", "user_id": uuid::Uuid::now_v7()});
    let unnamed = command.to_string();
    publish(
        &channel,
        "messages",
        "send_welcome_email",
        None,
        unnamed.as_bytes(),
    )
    .await;
    let (_, order) = buyer.order().await;
    completes(&buyer, &order).await;
    let mut sizes = Vec::new();
    while sizes.len() < 4 {
        let got = testkit::eventually_some("a message in `failed`", || async {
            channel
                .basic_get("failed".into(), BasicGetOptions::default())
                .await
                .unwrap()
        })
        .await;
        let headers = got.delivery.properties.headers().clone().unwrap();
        assert!(headers.inner().contains_key("x-reason"), "{headers:?}");
        sizes.push(got.delivery.data.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 6, unnamed.len(), huge.len()]);
    whole(&system).await;
}
