//! A decision of payments that has not reached the saga.

use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, QueueBindOptions, QueuePurgeOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use testkit::{Fault, System, Upstream, eventually_some, foreign_client};

use super::{assert_cause, awaiting, why_with, with};
use crate::{hurried, saga_of, shopctl::shopctl, text};

const EXCHANGE: &str = "payments_events";
const QUEUE: &str = "payments_events_queue";
const PAID: &str = "transaction_completed";

async fn publish(channel: &Channel, body: &[u8]) {
    testkit::publish(channel, EXCHANGE, PAID, BasicProperties::default(), body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_decision_is_found_where_it_lies() {
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    buyer.pay(text(&order, "transaction_id")).await;
    assert_cause(
        &system,
        &saga,
        "queue-without-consumer",
        &["queue", "messages", "consumers"],
    )
    .await;
    let unset = ["PAYMENTS_URL", "PAYMENTS_DATABASE_URL", "AMQP_URL"];
    let blind = why_with(&system, &saga, &unset).1;
    assert_eq!(
        blind["could_not_see"].as_array().unwrap().len(),
        2,
        "{blind}"
    );
    assert_eq!(
        (text(&blind, "code"), text(&blind, "sure")),
        ("waiting-for-signal", "likely"),
        "{blind}"
    );

    let (_broker, channel) = foreign_client(&system.amqp_url).await;
    let purge = channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default());
    assert_eq!(purge.await.unwrap(), 1);
    let why = assert_cause(
        &system,
        &saga,
        "payment-event-lost",
        &["transaction", "status"],
    )
    .await;
    let command = why["next"][0]["command"].as_str().unwrap();
    assert!(command.contains("transaction_completed"), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_broker_keeps_the_decision_in_the_outbox() {
    let system = System::start(with(&[], true)).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let link = system.link("payments", Upstream::RabbitMq);
    link.will(Fault::Reset);
    buyer.pay(text(&order, "transaction_id")).await;
    assert_cause(
        &system,
        &saga,
        "outbox-unpublished",
        &["transaction", "status", "message", "age"],
    )
    .await;
    link.will(Fault::None);
    buyer.awaits(text(&order, "id"), "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_no_queue_is_bound_for_is_unroutable() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let (_broker, channel) = foreign_client(&system.amqp_url).await;
    let none = FieldTable::default;
    channel
        .queue_unbind(QUEUE.into(), EXCHANGE.into(), PAID.into(), none())
        .await
        .unwrap();
    buyer.pay(text(&order, "transaction_id")).await;
    let why = assert_cause(&system, &saga, "unroutable", &["message", "error"]).await;
    assert!(why["evidence"].to_string().contains("NO_ROUTE"), "{why}");
    channel
        .queue_bind(
            QUEUE.into(),
            EXCHANGE.into(),
            PAID.into(),
            QueueBindOptions::default(),
            none(),
        )
        .await
        .unwrap();
    buyer.awaits(text(&order, "id"), "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_came_in_pieces_lies_in_failed() {
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let transaction = text(&order, "transaction_id");
    buyer.pay(transaction).await;
    let (_broker, channel) = foreign_client(&system.amqp_url).await;
    let event = eventually_some("payments' event", || async {
        let options = BasicGetOptions { no_ack: true };
        channel.basic_get(QUEUE.into(), options).await.unwrap()
    })
    .await;
    let mut piece = event.data.clone();
    piece.pop();
    publish(&channel, &piece).await;
    system.spawn("worker payments").await;
    let why = assert_cause(
        &system,
        &saga,
        "message-failed",
        &["message", "queue", "reason"],
    )
    .await;
    assert!(why["evidence"].to_string().contains("undecodable"), "{why}");
    let first = text(&why["next"][0], "command");
    assert!(first.starts_with("shopctl failed edit "), "{first}");

    let settle = ["failed", "drop", "--settle", "--reason", "at rest", "--yes"];
    let (code, _, talk) = shopctl(&system, &settle);
    assert_eq!(code, 0, "{talk}");
    assert!(talk.contains("No message in `failed`"), "{talk}");
    let id = failed_ids(&system).pop().unwrap();
    let (code, _, talk) = shopctl(&system, &[&settle[..], &[&id]].concat());
    assert_eq!(code, 4, "{talk}");
    assert!(talk.contains("is waiting, not at rest"), "{talk}");

    publish(&channel, &event.data).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    let why = assert_cause(&system, &saga, "healthy", &["left_behind"]).await;
    let words = shlex::split(text(&why["next"][0], "command")).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    assert_eq!(words[..4], ["failed", "drop", id.as_str(), "--settle"]);
    system.run("shopctl", &[&words[..], &["--yes"]].concat());
    assert_eq!(failed_ids(&system), Vec::<String>::new());
    let settled: bool = sqlx::query_scalar(
        "select (after->>'settled')::boolean from saga.audit where verb = 'failed drop'",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert!(settled);
    let why = assert_cause(&system, &saga, "healthy", &[]).await;
    assert!(!why.to_string().contains("left_behind"), "{why}");
}

/// The ids of the messages in `failed`.
fn failed_ids(system: &System) -> Vec<String> {
    let listed = system.run("shopctl", &["failed", "list", "-o", "json"]);
    let messages = listed.lines().map(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        text(&message, "id").to_owned()
    });
    messages.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_over_another_amount_moves_nothing_and_is_named() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let (_broker, channel) = foreign_client(&system.amqp_url).await;
    let wrong = json!({
        "transaction_id": order["transaction_id"],
        "order_id": order["id"],
        "amount": { "amount": 1, "currency": "EUR" },
        "completed_at": "2026-01-01T00:00:00Z",
        "routing_key": PAID,
    });
    publish(&channel, wrong.to_string().as_bytes()).await;
    let why = assert_cause(&system, &saga, "payment-mismatch", &["what", "status"]).await;
    let order = buyer.find_order(text(&order, "id")).await.unwrap();
    assert_eq!(text(&order, "status"), "awaiting_payment");

    let words = shlex::split(text(&why["next"][0], "command")).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    assert_eq!(words[..2], ["saga", "cancel"]);
    system.run("shopctl", &[&words[..], &["--yes"]].concat());
    buyer.awaits(text(&order, "id"), "canceled").await;
    assert_cause(&system, &saga, "healthy", &[]).await;
}
