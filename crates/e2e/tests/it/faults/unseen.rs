//! Faults that nothing reports by itself: a missing binding, a frozen lock holder, bad rows at
//! payments.

use lapin::{
    BasicProperties,
    options::{QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{Buyer, System, eventually, foreign_client};

use super::{count, outages::failed, whole};
use crate::{hurried, text};

const QUEUE: &str = "payments_events_queue";
const EXCHANGE: &str = "payments_events";
const PAID: &str = "transaction_completed";

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_binding_is_noticed_and_restored_f65() {
    let mut options = hurried();
    let management = std::env::var("TEST_RABBITMQ_MANAGEMENT_URL").unwrap();
    options.env.extend([
        ("RABBITMQ_MANAGEMENT_URL", management),
        ("BINDINGS_INTERVAL_MS", "2000".to_owned()),
        ("PAYMENT_DEADLINE_MS", "20000".to_owned()),
    ]);
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    // another system's queue is bound, so that no event is returned as unroutable
    let declare = channel.queue_declare(
        "foreign".into(),
        QueueDeclareOptions::default(),
        FieldTable::default(),
    );
    declare.await.unwrap();
    let bind = channel.queue_bind(
        "foreign".into(),
        EXCHANGE.into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await.unwrap();
    let (_, lost) = buyer.order().await;
    eventually("the first look to find all", || async {
        let page = system.admin("worker", "/metrics").await;
        page.is_some_and(|page| page.contains("queue_bindings_missing"))
    })
    .await;
    let unbind = channel.queue_unbind(
        QUEUE.into(),
        EXCHANGE.into(),
        PAID.into(),
        FieldTable::default(),
    );
    unbind.await.unwrap();
    buyer.pay(text(&lost, "transaction_id")).await;
    eventually("the lost binding to be counted", || async {
        system.metric("worker", "queue_bindings_missing").await > 0.0
    })
    .await;
    eventually("the binding to be there again", || async {
        let log = std::fs::read_to_string(system.log("worker")).unwrap();
        log.contains("is not bound to exchange payments_events for transaction_completed")
            && log.contains("Queue payments_events_queue is bound again")
    })
    .await;
    eventually("the next look to find all", || async {
        system.metric("worker", "queue_bindings_missing").await < 1.0
    })
    .await;
    let (_, next) = buyer.order().await;
    buyer.pay(text(&next, "transaction_id")).await;
    buyer.awaits(text(&next, "id"), "completed").await;
    // its event may have been lost: its saga then asks payments at the deadline
    buyer.awaits(text(&lost, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_survive_a_frozen_process_that_published_them_f66() {
    let mut options = hurried();
    options.env.insert("CENSUS_INTERVAL_MS", "200".to_owned());
    let system = System::prepare(options).await;
    for process in ["payments", "api", "worker async"] {
        system.spawn(process).await;
    }
    eventually("the first to publish the gauges", || {
        publishes_stats(&system, "worker async")
    })
    .await;
    system.spawn("worker async#2").await;
    system.signal("worker async", Signal::SIGSTOP);
    eventually("the second to publish them", || {
        publishes_stats(&system, "worker async#2")
    })
    .await;
    system.signal("worker async", Signal::SIGCONT);
    eventually("one session to hold the lock", || async {
        let holders = "select count(*) from pg_locks join pg_stat_activity using (pid)
                       where locktype = 'advisory' and application_name = 'worker stats'
                       and datname = current_database()";
        count(&system.shop, holders).await == 1
    })
    .await;
}

async fn publishes_stats(system: &System, process: &str) -> bool {
    let page = system.admin(process, "/metrics").await;
    page.is_some_and(|page| page.contains("queue_missing{"))
}

/// Orders that await payment.
pub(super) async fn awaiting(buyer: &Buyer<'_>, orders: usize) -> Vec<Value> {
    let mut awaiting = Vec::with_capacity(orders);
    for _ in 0..orders {
        let (_, order) = buyer.order().await;
        awaiting.push(buyer.awaits(text(&order, "id"), "awaiting_payment").await);
    }
    awaiting
}

async fn in_payments(system: &System, statement: &str) {
    let statement = format!("set session_replication_role = replica; {statement}");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&system.payments)
        .await
        .unwrap();
}

/// Pays all orders without an event of payments. Only foreign, unsigned events report the payments,
/// so the consumer has to ask payments about each.
pub(super) async fn pay_unsigned(system: &System, orders: &[Value]) {
    let paid = "update payments.transaction set status = 'paid', completed_at = clock_timestamp()";
    in_payments(system, paid).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    for order in orders {
        let body = json!({
            "transaction_id": order["transaction_id"],
            "completed_at": "2026-01-01T00:00:00Z",
            "routing_key": PAID,
        });
        let properties = BasicProperties::default();
        let body = body.to_string();
        testkit::publish(&channel, EXCHANGE, PAID, properties, body.as_bytes()).await;
    }
}

/// Makes payments answer 500 to reads of these transactions: it cannot parse their currency.
async fn break_reads(system: &System, of: &str) {
    let statement = format!(
        "alter table payments.transaction drop constraint if exists transaction_currency_shape;
         update payments.transaction set currency = 'no currency' where {of}"
    );
    in_payments(system, &statement).await;
}

async fn mend_reads(system: &System) {
    in_payments(system, "update payments.transaction set currency = 'EUR'").await;
}

/// A system in which no worker consumes payment events yet.
pub(super) async fn without_payment_events() -> System {
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    system
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_for_one_transaction_is_one_messages_trouble_f67() {
    let system = without_payment_events().await;
    let buyer = system.buyer().await;
    let orders = awaiting(&buyer, 12).await;
    let bad = text(&orders[3], "transaction_id");
    break_reads(&system, &format!("transaction_id = '{bad}'")).await;
    pay_unsigned(&system, &orders).await;
    system.spawn("worker payments").await;
    for order in orders
        .iter()
        .filter(|order| text(order, "transaction_id") != bad)
    {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    eventually("the one to be in `failed`", || async {
        failed(&system).await == 1
    })
    .await;
    mend_reads(&system).await;
    let retry = ["failed", "retry", "--all", "--reason", "mended", "--yes"];
    system.run("shopctl", &retry);
    buyer.awaits(text(&orders[3], "id"), "completed").await;
    whole(&system).await;
}

/// Payments still answers 404 about unknown transactions, which says nothing about known ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_500_for_every_known_transaction_is_an_outage_f67() {
    let system = without_payment_events().await;
    let buyer = system.buyer().await;
    let orders = awaiting(&buyer, 12).await;
    break_reads(&system, "true").await;
    // an event of an unknown transaction, about which payments has an answer
    let unknown = json!({"id": "", "transaction_id": kernel::TransactionId::new()});
    pay_unsigned(&system, &[&orders[..], &[unknown]].concat()).await;
    system.spawn("worker payments").await;
    let paused = "consumption of payments_events_queue is paused, its messages are given back";
    eventually("the consumer to pause", || async {
        assert!(failed(&system).await <= 1, "an outage is no attempt");
        logged(&system, paused)
    })
    .await;
    // the consumer asks again after 0.5 s, 1 s, 2 s: it must not resume before reads work
    let asked = || system.metric("payments", "http_server_request_duration_seconds_count");
    let before = asked().await;
    eventually("the consumer to ask three times more", || async {
        asked().await >= before + 3.0
    })
    .await;
    assert!(!logged(&system, "Dependency reachable again"));
    mend_reads(&system).await;
    for order in &orders {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    assert_eq!(failed(&system).await, 1, "the unknown transaction alone");
    let drop = [
        "failed", "drop", "--queue", QUEUE, "--reason", "unknown", "--yes",
    ];
    system.run("shopctl", &drop);
    whole(&system).await;
}

fn logged(system: &System, what: &str) -> bool {
    std::fs::read_to_string(system.log("worker payments")).is_ok_and(|log| log.contains(what))
}
