//! Trouble that nothing reports by itself: a binding that is gone, a frozen holder of a lock, one bad row at payments.

use lapin::{
    BasicProperties,
    options::{QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{System, eventually, foreign_client};

use super::{count, outages::failed, whole};
use crate::{hurried, text};

const QUEUE: &str = "payments_events_queue";
const EXCHANGE: &str = "payments_events";
const PAID: &str = "transaction_completed";

#[tokio::test(flavor = "multi_thread")]
async fn f65_a_lost_binding_is_noticed_while_another_queue_is_bound_and_made_again() {
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
    // another system listens, so that no event comes back as unroutable
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
    // its event may have been lost: then its deadline asks payments
    buyer.awaits(text(&lost, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f66_gauges_survive_a_frozen_process_that_published_them() {
    let mut options = hurried();
    options.env.insert("CENSUS_INTERVAL_MS", "200".to_owned());
    let system = System::prepare(options).await;
    for process in ["payments", "api", "worker async"] {
        system.spawn(process).await;
    }
    eventually("the first to take the census", || {
        takes_census(&system, "worker async")
    })
    .await;
    system.spawn("worker async#2").await;
    system.signal("worker async", Signal::SIGSTOP);
    eventually("the second to take it over", || {
        takes_census(&system, "worker async#2")
    })
    .await;
    system.signal("worker async", Signal::SIGCONT);
    eventually("one session to hold the lock", || async {
        let holders = "select count(*) from pg_locks join pg_stat_activity using (pid)
                       where locktype = 'advisory' and application_name = 'worker census'
                       and datname = current_database()";
        count(&system.shop, holders).await == 1
    })
    .await;
}

async fn takes_census(system: &System, process: &str) -> bool {
    let page = system.admin(process, "/metrics").await;
    page.is_some_and(|page| page.contains("queue_missing{"))
}

#[tokio::test(flavor = "multi_thread")]
async fn f67_a_500_of_payments_for_one_transaction_is_that_messages_trouble_alone() {
    const ORDERS: usize = 12;
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let (_, order) = buyer.order().await;
        orders.push(buyer.awaits(text(&order, "id"), "awaiting_payment").await);
    }
    let run = async |statement: String| {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&system.payments)
            .await
            .unwrap();
    };
    // paid, and only foreign, unsigned events say so: payments is asked about each, and cannot read one
    run("set session_replication_role = replica;
         update payments.transaction set status = 'paid', completed_at = clock_timestamp();
         alter table payments.transaction drop constraint transaction_currency_shape"
        .to_owned())
    .await;
    let bad = text(&orders[3], "transaction_id");
    let set_currency = |currency: &str| {
        format!(
            "set session_replication_role = replica;
             update payments.transaction set currency = '{currency}' where transaction_id = '{bad}'"
        )
    };
    run(set_currency("no currency")).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    for order in &orders {
        let body = json!({
            "transaction_id": order["transaction_id"],
            "completed_at": "2026-01-01T00:00:00Z",
            "routing_key": PAID,
        });
        let properties = BasicProperties::default();
        let body = body.to_string();
        testkit::publish(&channel, EXCHANGE, PAID, properties, body.as_bytes()).await;
    }
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
    run(set_currency("EUR")).await;
    let retry = ["failed", "retry", "--all", "--reason", "mended", "--yes"];
    system.run("shopctl", &retry);
    buyer.awaits(text(&orders[3], "id"), "completed").await;
    whole(&system).await;
}
