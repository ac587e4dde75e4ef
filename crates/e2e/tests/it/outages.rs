//! RabbitMQ and PostgreSQL going away under load.

use serde_json::Value;
use testkit::{System, SystemOptions};

use super::hurried;

/// Orders and pays, one after the other, whatever happens; returns the orders that were accepted.
pub(crate) async fn load(system: &System, orders: usize) -> Vec<String> {
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let mut accepted = Vec::new();
    for n in 0..orders {
        let key = format!("{}-{n}", buyer.token.len());
        // a client that hears nothing asks again under its key
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
                .try_look(&id)
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
async fn rabbitmq_and_postgresql_are_killed_under_load_and_nothing_is_lost() {
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
async fn a_worker_without_its_broker_is_not_ready_and_says_why() {
    let system = System::prepare(SystemOptions::default()).await;
    let address = system.amqp_url.split('@').nth(1).unwrap();
    let refused = format!("amqp://nobody:wrong@{address}");
    for role in ["worker payments", "worker async", "worker relay"] {
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
