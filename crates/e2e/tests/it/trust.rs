//! No forged event is accepted, and no message wedges a queue or kills a process.

mod clocks;
mod flood;
mod fuzz;
mod keys;
mod rotation;

use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use testkit::{System, SystemOptions, eventually, eventually_some, foreign_client};
use tokens::DetachedSigner;

use crate::text;

const EVENTS: &str = "payments_events";
const COMPLETED: &str = "transaction_completed";
const CANCELED: &str = "transaction_canceled";

/// Properties with these headers.
fn headed(headers: &[(&str, &str)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    BasicProperties::default()
        .with_headers(table)
        .with_delivery_mode(2)
}

async fn send(channel: &Channel, exchange: &str, key: &str, how: BasicProperties, body: &Value) {
    let body = body.to_string();
    testkit::publish(channel, exchange, key, how, body.as_bytes()).await;
}

/// The payment event of an order, as payments would publish it.
fn paid(order: &Value) -> Value {
    json!({
        "transaction_id": order["transaction_id"],
        "completed_at": "2026-11-28T20:00:00Z",
        "routing_key": COMPLETED,
        "order_id": order["id"],
        "amount": order["total"],
    })
}

/// A queue that receives everything that payments publishes.
async fn spy(channel: &Channel) {
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let made = channel.queue_declare("spy".into(), options, FieldTable::default());
    made.await.unwrap();
    let bound = channel.queue_bind(
        "spy".into(),
        EVENTS.into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
}

/// Body and signature of the next event that payments itself publishes: only its own events have an
/// event id.
async fn next_event(channel: &Channel) -> (Vec<u8>, String) {
    let options = BasicGetOptions { no_ack: true };
    let event = eventually_some("an event of payments", || async {
        let event = channel.basic_get("spy".into(), options).await.unwrap()?;
        let body: Value = serde_json::from_slice(&event.delivery.data).ok()?;
        body["event_id"].is_string().then_some(event)
    })
    .await;
    let headers = event.delivery.properties.headers().clone().unwrap();
    match headers.inner().get("x-signature") {
        Some(AMQPValue::LongString(signature)) => {
            (event.delivery.data.clone(), signature.to_string())
        }
        other => panic!("no signature: {other:?}"),
    }
}

fn failed(system: &System) -> Vec<Value> {
    let listed = system.run("shopctl", &["failed", "list", "-o", "json"]);
    listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn fails(system: &System, count: usize) -> Vec<Value> {
    eventually_some(&format!("{count} messages to fail"), || async {
        let failed = failed(system);
        (failed.len() == count).then_some(failed)
    })
    .await
}

/// Edits failed messages so that they claim the order is paid: payments is asked, and denies it.
async fn edits_prove_nothing(system: &System, channel: &Channel, order: &Value, signature: &str) {
    let mut wrong = paid(order);
    wrong["amount"]["amount"] = json!(1);
    let before = failed(system).len();
    // the second has payments' signature of another body: an edited body loses its signature
    for (id, how) in [
        ("plain", headed(&[])),
        ("signed", headed(&[("x-signature", signature)])),
    ] {
        send(
            channel,
            EVENTS,
            COMPLETED,
            how.with_message_id(id.into()),
            &wrong,
        )
        .await;
    }
    fails(system, before + 2).await;
    for id in ["plain", "signed"] {
        let recorded = reason(system, id).unwrap();
        assert!(recorded.contains("payment-mismatch"), "{id}: {recorded}");
        edit(system, id, &paid(order));
        let transaction = text(order, "transaction_id");
        let denied = format!("payments says that transaction {transaction} is pending");
        eventually(&format!("`{id}` to fail as payments says"), || async {
            reason(system, id).is_some_and(|why| why.contains(&denied))
        })
        .await;
    }
    let log = std::fs::read_to_string(system.log("worker")).unwrap();
    let refused = "The signature of message signed proves nothing";
    assert_eq!(
        log.matches(refused).count(),
        1,
        "only the first body came with a signature"
    );
}

/// Sends `body` in place of the failed message `id`.
fn edit(system: &System, id: &str, body: &Value) {
    let file = system.log(id).with_extension("json");
    std::fs::write(&file, body.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let edit = ["failed", "edit", id, "--body", file];
    system.run(
        "shopctl",
        &[&edit[..], &["--reason", "r", "--yes"]].concat(),
    );
}

/// The reason recorded on the failed message `id`.
fn reason(system: &System, id: &str) -> Option<String> {
    let failed = failed(system);
    let message = failed.iter().find(|message| message["id"] == id)?;
    message["reason"].as_str().map(str::to_owned)
}

/// A confirmed claim still carries a time: payments' time counts, not the publisher's.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_event_carries_the_time_of_payments() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    // only the forged event reaches the worker
    system.stop("worker");
    buyer.pay(text(&order, "transaction_id")).await;
    eventually("payments' own event to be lost", || async {
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get("payments_events_queue".into(), options);
        got.await.unwrap().is_some()
    })
    .await;
    let mut forged = paid(&order);
    forged["completed_at"] = json!("1999-12-31T23:59:59Z");
    send(&channel, EVENTS, COMPLETED, headed(&[]), &forged).await;
    system.spawn("worker").await;
    buyer.awaits(text(&order, "id"), "completed").await;
    let recorded: chrono::DateTime<chrono::Utc> = sqlx::query_scalar(
        "select (payload->>'completed_at')::timestamptz from saga.signal where name = $1",
    )
    .bind(COMPLETED)
    .fetch_one(&system.shop)
    .await
    .unwrap();
    let decided: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select completed_at from payments.transaction")
            .fetch_one(&system.payments)
            .await
            .unwrap();
    assert_eq!(recorded, decided);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::too_many_lines,
    reason = "a table of forgeries, and what becomes of them"
)]
async fn only_the_true_event_moves_an_order() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    spy(&channel).await;
    let (_, other) = buyer.order().await;
    buyer.pay(text(&other, "transaction_id")).await;
    buyer.awaits(text(&other, "id"), "completed").await;
    let (_, true_signature) = next_event(&channel).await;
    let (_, order) = buyer.order().await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;

    let with = |field: &str, value: Value| {
        let mut body = paid(&order);
        body[field] = value;
        body
    };
    let whole = paid(&order);
    let amount = whole["amount"]["amount"].clone();
    let stranger = DetachedSigner::from_pem(&tokens::generate_key_pem()).unwrap();
    let strange = stranger.sign(whole.to_string().as_bytes());
    let (their_header, _) = true_signature.split_once("..").unwrap();
    let (_, strange_made) = strange.split_once("..").unwrap();
    let posing = format!("{their_header}..{strange_made}");
    let minimal = json!({
        "transaction_id": order["transaction_id"], "completed_at": "2026-11-28T20:00:00Z", "routing_key": COMPLETED,
    });
    let canceled = json!({
        "transaction_id": order["transaction_id"], "canceled_at": "2026-11-28T20:00:00Z", "routing_key": CANCELED,
        "order_id": order["id"], "amount": order["total"],
    });
    let unknown = with("transaction_id", json!(uuid::Uuid::now_v7()));
    let elsewhere = with("transaction_id", other["transaction_id"].clone());
    let signed = |signature: &str| headed(&[("x-signature", signature)]);
    let plain = || headed(&[]);
    let forged = [
        (EVENTS, COMPLETED, plain(), &whole),
        (EVENTS, COMPLETED, plain(), &minimal),
        (EVENTS, CANCELED, plain(), &canceled),
        (
            EVENTS,
            COMPLETED,
            plain(),
            &with("amount", json!({"amount": 1, "currency": "EUR"})),
        ),
        (
            EVENTS,
            COMPLETED,
            plain(),
            &with("amount", json!({"amount": amount, "currency": "USD"})),
        ),
        (
            EVENTS,
            COMPLETED,
            plain(),
            &with("completed_at", json!("1970-01-01T00:00:00Z")),
        ),
        (
            EVENTS,
            COMPLETED,
            plain(),
            &with("completed_at", json!("9999-12-31T23:59:59Z")),
        ),
        (
            EVENTS,
            COMPLETED,
            plain(),
            &with("order_id", other["id"].clone()),
        ),
        (EVENTS, COMPLETED, plain(), &unknown),
        (EVENTS, COMPLETED, plain(), &elsewhere),
        (EVENTS, COMPLETED, signed(&strange), &whole),
        (EVENTS, COMPLETED, signed(&posing), &whole),
        (EVENTS, COMPLETED, signed(&true_signature), &whole),
        (EVENTS, CANCELED, plain(), &whole),
        (
            EVENTS,
            CANCELED,
            headed(&[("x-original-routing-key", COMPLETED)]),
            &whole,
        ),
        (
            "",
            "payments_events_queue",
            headed(&[("x-original-routing-key", COMPLETED)]),
            &whole,
        ),
        (
            "redrive",
            "payments_events_queue",
            headed(&[("x-original-routing-key", COMPLETED)]),
            &whole,
        ),
    ];
    for (number, (exchange, key, how, body)) in forged.iter().enumerate() {
        let id = format!("forged-{number}");
        let how = how.clone().with_message_id(id.as_str().into());
        send(&channel, exchange, key, how, body).await;
    }
    fails(&system, forged.len()).await;

    // sent again, edited, or steered by headers: payments is still asked
    let steered = headed(&[
        ("x-original-queue", "payments_events_queue"),
        ("x-original-exchange", EVENTS),
        ("x-original-routing-key", COMPLETED),
        ("x-reason", "the shop's database could not be used"),
    ]);
    send(
        &channel,
        "failed",
        "",
        steered.with_message_id("steered".into()),
        &whole,
    )
    .await;
    fails(&system, forged.len() + 1).await;
    let refused = system
        .command("shopctl")
        .args(["failed", "retry", "steered", "--reason", "r", "--yes"])
        .output();
    assert!(
        !refused.unwrap().status.success(),
        "its consumer did not make this record"
    );
    let retry = [
        "failed",
        "retry",
        "steered",
        "--to",
        "payments_events_queue",
        "--reason",
        "r",
        "--yes",
    ];
    system.run("shopctl", &retry);
    fails(&system, forged.len() + 1).await;
    edits_prove_nothing(&system, &channel, &order, &true_signature).await;

    let now = buyer.find_order(text(&order, "id")).await.unwrap();
    assert_eq!(text(&now, "status"), "awaiting_payment");
    let status: String =
        sqlx::query_scalar("select status from payments.transaction where transaction_id = $1")
            .bind(
                text(&order, "transaction_id")
                    .parse::<uuid::Uuid>()
                    .unwrap(),
            )
            .fetch_one(&system.payments)
            .await
            .unwrap();
    assert_eq!(status, "pending");
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    let (body, signature) = next_event(&channel).await;
    // the genuine event, replayed, takes effect once
    let properties = headed(&[("x-signature", &signature)]);
    testkit::publish(&channel, EVENTS, COMPLETED, properties, &body).await;
    system.settle().await;
    system.assert_whole().await;
}
