//! Payment events that each broker role forges, through every exchange that the role may publish
//! to.

use lapin::{
    BasicProperties, Confirmation,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use testkit::{Buyer, eventually};

use super::{PROCESSES, rig::Rig};
use crate::text;

const QUEUE: &str = "payments_events_queue";
const COMPLETED: &str = "transaction_completed";

/// Role, exchange and key of every path to a queue of ours.
const WAYS: [(&str, &str, &str); 8] = [
    ("payments", "payments_events", COMPLETED),
    (
        "worker-payments",
        "payments_events_queue.retry",
        "payments_events_queue.retry.1s",
    ),
    ("worker-payments", "failed", ""),
    ("worker-async", "messages.retry", "messages.retry.1s"),
    ("worker-async", "failed", ""),
    ("worker-relay", "messages", "send_welcome_email"),
    ("operator", "redrive", QUEUE),
    ("api", "redrive", QUEUE),
];

/// The properties of a message that claims to have been handled by our own consumer before.
fn steered(id: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("x-original-queue", QUEUE),
        ("x-original-exchange", "payments_events"),
        ("x-original-routing-key", COMPLETED),
        ("x-reason", "the shop's database could not be used"),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default()
        .with_headers(headers)
        .with_message_id(id.into())
        .with_delivery_mode(2)
}

/// Publishes as a role; returns whether the broker accepted the message.
async fn publish(
    rig: &Rig,
    (role, exchange, key): (&str, &str, &str),
    how: BasicProperties,
    body: &Value,
) -> bool {
    let channel = rig.channel(role).await;
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let body = body.to_string();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), how);
    match sent.await {
        Ok(confirm) => matches!(confirm.await, Ok(Confirmation::Ack(None))),
        Err(_) => false,
    }
}

async fn undecided(rig: &Rig, buyer: &Buyer<'_>, order: &Value) {
    let now = buyer.find_order(text(order, "id")).await.unwrap();
    assert_eq!(text(&now, "status"), "awaiting_payment");
    let status: String =
        sqlx::query_scalar("select status from payments.transaction where order_id = $1::uuid")
            .bind(text(order, "id"))
            .fetch_one(&rig.system.payments)
            .await
            .unwrap();
    assert_eq!(status, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_forged_by_any_broker_role_moves_no_order() {
    let rig = Rig::start().await;
    for process in PROCESSES {
        rig.spawn(process).await;
    }
    let buyer = rig.system.buyer().await;
    let (_, order) = buyer.order().await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    let forged = json!({
        "transaction_id": order["transaction_id"], "completed_at": "2026-11-28T20:00:00Z", "routing_key": COMPLETED,
        "order_id": order["id"], "amount": order["total"],
    });
    for (number, way) in WAYS.into_iter().enumerate() {
        let id = format!("forged-{number}");
        assert!(publish(&rig, way, steered(&id), &forged).await, "{way:?}");
        // the record of another process: the broker checks the publisher's user
        let posing = steered(&id).with_user_id("worker-payments".into());
        let taken = publish(&rig, way, posing, &forged).await;
        assert_eq!(
            taken,
            way.0 == "worker-payments",
            "{way:?} under another name"
        );
    }
    // all of them end in `failed`; two were published twice
    let listed = || {
        let listed = rig.run("operator", "shopctl", &["failed", "list", "-o", "json"]);
        let ids = listed.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            text(&line, "id").to_owned()
        });
        ids.collect::<Vec<_>>()
    };
    let count = WAYS.len() + 2;
    eventually("every forged event to fail", || async {
        listed().len() == count
    })
    .await;
    undecided(&rig, &buyer, &order).await;

    // an operator sends all of them again, to the recorded queues and to other ones
    let arguments = ["failed", "retry", "--all", "--reason", "a test", "--yes"];
    rig.attempt("operator", "shopctl", &arguments);
    eventually("those that were sent again to fail again", || async {
        listed().len() == count
    })
    .await;
    let arguments = [&arguments[..], &["--to", QUEUE]].concat();
    rig.attempt("operator", "shopctl", &arguments);
    eventually("all to fail once more", || async {
        listed().len() == count
    })
    .await;
    undecided(&rig, &buyer, &order).await;

    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
}
