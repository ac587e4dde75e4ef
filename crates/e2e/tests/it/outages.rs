//! RabbitMQ and PostgreSQL fail under load.

use serde_json::Value;
use testkit::{System, SystemOptions};

use super::hurried;

/// Places and pays orders, one after the other, through any fault; returns the accepted orders.
pub(crate) async fn load(system: &System, orders: usize) -> Vec<String> {
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let mut accepted = Vec::new();
    for n in 0..orders {
        let key = format!("{}-{n}", buyer.token.len());
        // a client without an answer retries under its key
        let order: Value = testkit::eventually_some("an order to be accepted", || async {
            let answer = buyer.try_order(&mug, 1, &key).await.ok()?;
            if answer.status().is_success() {
                answer.json().await.ok()
            } else {
                None
            }
        })
        .await;
        let id = order["id"].as_str().unwrap().to_owned();
        let order = testkit::eventually_some("the order to have its transaction", || async {
            buyer
                .find_order(&id)
                .await
                .filter(|order| order["status"] != "pending")
        })
        .await;
        buyer.pay(order["transaction_id"].as_str().unwrap()).await;
        accepted.push(id);
    }
    for id in &accepted {
        buyer.awaits(id, "completed").await;
    }
    accepted
}

async fn completed(system: &System, orders: i64) {
    testkit::eventually(&format!("{orders} orders to be completed"), || async {
        let completed: Result<i64, _> = sqlx::query_scalar(
            "select count(*) from commerce.\"order\" where status = 'completed'",
        )
        .fetch_one(&system.shop)
        .await;
        completed.is_ok_and(|completed| completed >= orders)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_rabbitmq_and_postgresql_under_load_loses_nothing() {
    let system = System::start(SystemOptions {
        own_servers: true,
        ..hurried()
    })
    .await;
    let outages = async {
        let servers = system.servers.as_ref().unwrap();
        completed(&system, 5).await;
        tokio::task::block_in_place(|| {
            let mut rabbitmq = servers.rabbitmq.lock().unwrap();
            rabbitmq.kill();
            rabbitmq.launch().unwrap();
        });
        completed(&system, 25).await;
        tokio::task::block_in_place(|| {
            let mut postgres = servers.postgres.lock().unwrap();
            postgres.stop_immediate();
            postgres.launch().unwrap();
        });
    };
    let shoppers = futures::future::join_all((0..4).map(|_| load(&system, 15)));
    let (accepted, ()) = tokio::join!(shoppers, outages);
    assert_eq!(accepted.iter().map(Vec::len).sum::<usize>(), 60);
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_refused_by_rabbitmq_is_not_ready() {
    let system = System::prepare(SystemOptions::default()).await;
    let address = system.amqp_url.split('@').nth(1).unwrap();
    let refused = format!("amqp://nobody:wrong@{address}");
    for role in [
        "payments",
        "worker payments",
        "worker async",
        "worker relay",
    ] {
        system.launch_with(role, &[("AMQP_URL", &refused)]).await;
        let admin = system.admin_address(role).unwrap();
        let said = testkit::eventually_some("the refusal to be told", || async {
            let answer = system.http.get(format!("http://{admin}/readyz")).send();
            let answer = answer.await.ok()?;
            assert_ne!(answer.status(), 200, "{role}");
            let said = answer.text().await.ok()?;
            said.contains("ACCESS_REFUSED").then_some(said)
        })
        .await;
        assert!(!said.contains("wrong"), "{role}: {said}");
        system.kill(role);
        system.spawn(role).await;
    }
}

/// Number of the broker's connections.
fn connections(system: &System) -> usize {
    let rabbitmq = system.servers.as_ref().unwrap().rabbitmq.lock().unwrap();
    let answer = rabbitmq.management("GET", "/api/connections", "").unwrap();
    answer.matches("\"client_properties\"").count()
}

fn control(system: &System, arguments: &[&str]) {
    let rabbitmq = system.servers.as_ref().unwrap().rabbitmq.lock().unwrap();
    tokio::task::block_in_place(|| rabbitmq.control(arguments).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_relay_opens_no_connections_and_repeats_nothing_f59() {
    const ORDERS: usize = 10;
    let system = System::start(SystemOptions {
        own_servers: true,
        ..hurried()
    })
    .await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let mut orders = Vec::new();
    for n in 0..ORDERS {
        let key = format!("blocked-{n}");
        let order = buyer.try_order(&mug, 1, &key).await.unwrap();
        let order: Value = order.json().await.unwrap();
        let id = order["id"].as_str().unwrap().to_owned();
        orders.push(buyer.awaits(&id, "awaiting_payment").await);
    }
    let threads = || {
        let pid = system.pid("payments").unwrap();
        std::fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .count()
    };
    testkit::eventually("the broker to count its connections", async || {
        connections(&system) >= 4
    })
    .await;
    let before = (connections(&system), threads());

    // an event reaches the queue before the alarm, while no consumer runs
    system.kill("worker");
    let (early, orders) = orders.split_first().unwrap();
    buyer.pay(early["transaction_id"].as_str().unwrap()).await;
    testkit::eventually("the event to be published", async || {
        let waiting = sqlx::query_scalar("select count(*) from messaging.outbox");
        let waiting: i64 = waiting.fetch_one(&system.payments).await.unwrap();
        waiting == 0
    })
    .await;
    control(&system, &["set_disk_free_limit", "9000GB"]);
    for order in orders {
        buyer.pay(order["transaction_id"].as_str().unwrap()).await;
    }
    // messages already in the queue are consumed nevertheless
    system.spawn("worker").await;
    let early = early["id"].as_str().unwrap();
    buyer.awaits(early, "completed").await;
    // a relay that gave up its blocked connection would do so every few seconds
    let renewed = std::sync::Mutex::new(std::collections::BTreeSet::new());
    testkit::eventually("the claims to be renewed four times", async || {
        let due: Option<String> =
            sqlx::query_scalar("select max(due_at)::text from messaging.outbox where epoch > 0")
                .fetch_one(&system.payments)
                .await
                .unwrap();
        let mut renewed = renewed.lock().unwrap();
        renewed.extend(due);
        renewed.len() > 4
    })
    .await;
    let during = (connections(&system), threads());
    assert!(
        during.0 <= before.0 && during.1 <= before.1 + 1,
        "connections and threads grew from {before:?} to {during:?}"
    );

    testkit::eventually(
        "the gauge to show how long events have waited",
        async || system.metric("payments", "outbox_lag_seconds").await > 5.0,
    )
    .await;
    for order in orders {
        let order = buyer
            .find_order(order["id"].as_str().unwrap())
            .await
            .unwrap();
        assert_eq!(order["status"], "awaiting_payment", "the alarm goes on");
    }

    control(&system, &["set_disk_free_limit", "50MB"]);
    for order in orders {
        buyer
            .awaits(order["id"].as_str().unwrap(), "completed")
            .await;
    }
    system.settle().await;
    system.assert_whole().await;
    let page = system.admin("worker", "/metrics").await.unwrap();
    let duplicates = page
        .lines()
        .filter(|line| line.starts_with("inbox_handled_total") && line.contains("duplicate"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>();
    assert!(duplicates < 1.0, "{duplicates} events came twice");
}
