//! Payment events of foreign producers.

use crate::text;
use lapin::{BasicProperties, Channel};
use serde_json::{Value, json};
use testkit::{System, SystemOptions, eventually, foreign_client};

async fn publish(channel: &Channel, key: &str, body: &[u8]) {
    let properties = BasicProperties::default();
    testkit::publish(channel, "payments_events", key, properties, body).await;
}

fn paid(transaction: &str) -> Value {
    json!({"transaction_id": transaction, "completed_at": "2026-01-01T00:00:00Z", "routing_key": "transaction_completed"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimal_event_sent_three_times_completes_the_order_once() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api", "worker"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let transaction = text(&order, "transaction_id");
    // paid without an event of our own: only the foreign event reports it
    sqlx::query(
        "update payments.transaction set status = 'paid', completed_at = clock_timestamp()",
    )
    .execute(&system.payments)
    .await
    .unwrap();
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    for _ in 0..3 {
        publish(
            &channel,
            "transaction_completed",
            paid(transaction).to_string().as_bytes(),
        )
        .await;
    }
    buyer.awaits(text(&order, "id"), "completed").await;
    let (_, next) = buyer.order().await;
    buyer.pay(text(&next, "transaction_id")).await;
    buyer.awaits(text(&next, "id"), "completed").await; // all three are handled
    let applied: i64 = sqlx::query_scalar("select count(*) from saga.signal")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(applied, 2, "one of each order");
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_event_ends_in_failed_while_later_messages_flow() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    publish(
        &channel,
        "transaction_completed",
        paid(&unknown).to_string().as_bytes(),
    )
    .await;
    publish(&channel, "transaction_completed", b"{not json").await;
    let mut wrong = paid(text(&order, "transaction_id"));
    wrong["amount"] = json!({"amount": 1, "currency": "EUR"});
    wrong["order_id"] = order["id"].clone();
    publish(
        &channel,
        "transaction_completed",
        wrong.to_string().as_bytes(),
    )
    .await;

    let failed = || async { system.run("shopctl", &["failed", "list", "-o", "json"]) };
    eventually("three failed messages", || async {
        failed().await.lines().count() == 3
    })
    .await;
    let listed = failed().await;
    for reason in [
        "payments does not know transaction",
        "undecodable",
        "payment-mismatch",
    ] {
        assert!(listed.contains(reason), "{reason} in {listed}");
    }
    assert!(listed.contains("{not json"), "kept whole: {listed}");
    assert_eq!(
        text(
            &buyer.find_order(text(&order, "id")).await.unwrap(),
            "status"
        ),
        "awaiting_payment"
    );

    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;

    // sent again, the messages fail again: none is lost on the way
    system.run(
        "shopctl",
        &["failed", "retry", "--all", "--reason", "again", "--yes"],
    );
    eventually("three failed messages again", || async {
        failed().await.lines().count() == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_message_leaves_its_batch_alone() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let mut orders = Vec::new();
    for _ in 0..6 {
        let (_, order) = buyer.order().await;
        buyer.pay(text(&order, "transaction_id")).await;
        orders.push(order);
    }
    let bad = text(&orders[2], "id");
    // this order's row cannot be completed; the reason does not matter
    let refuse = format!(
        "create function commerce.refuse() returns trigger language plpgsql as
         $$ begin raise exception 'this order cannot be completed'; end $$;
         create trigger refuse before update of status on commerce.\"order\"
         for each row when (new.order_id = '{bad}') execute function commerce.refuse();"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(refuse))
        .execute(&system.shop)
        .await
        .unwrap();
    // all six wait, so they arrive as one batch
    eventually("six events wait", || async {
        let unpublished: i64 = sqlx::query_scalar("select count(*) from messaging.outbox")
            .fetch_one(&system.payments)
            .await
            .unwrap();
        unpublished == 0
    })
    .await;
    system.spawn("worker payments").await;
    for order in orders.iter().filter(|order| text(order, "id") != bad) {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    let failed = || async { system.run("shopctl", &["failed", "list", "-o", "json"]) };
    eventually("the one is in failed", || async {
        failed().await.lines().count() == 1
    })
    .await;
    let listed = failed().await;
    assert!(
        listed.contains("this order cannot be completed"),
        "{listed}"
    );
    assert!(
        listed.contains(text(&orders[2], "transaction_id")),
        "{listed}"
    );
    sqlx::raw_sql("drop trigger refuse on commerce.\"order\"")
        .execute(&system.shop)
        .await
        .unwrap();
    system.run(
        "shopctl",
        &["failed", "retry", "--all", "--reason", "again", "--yes"],
    );
    buyer.awaits(bad, "completed").await;
    system.settle().await;
    system.assert_whole().await;
}
