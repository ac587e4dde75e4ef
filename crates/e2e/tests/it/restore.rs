//! A restore as described in `docs/operations.md`: both databases as of one instant, the broker
//! empty.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Buyer, System, SystemOptions, eventually};

use crate::{hurried, text};

async fn order(buyer: &Buyer<'_>) -> Value {
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::CREATED);
    order
}

/// Pays, and waits until payments has published the event.
async fn pay(system: &System, buyer: &Buyer<'_>, order: &Value) {
    buyer.pay(text(order, "transaction_id")).await;
    eventually("the event to be published", || async {
        let left: i64 = sqlx::query_scalar("select count(*) from messaging.outbox")
            .fetch_one(&system.payments)
            .await
            .unwrap();
        left == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_order_of_the_backup_goes_on() {
    let system = System::prepare(SystemOptions {
        own_servers: true,
        ..hurried()
    })
    .await;
    for process in ["payments", "api", "worker"] {
        system.spawn(process).await;
    }
    let buyer = system.buyer().await;
    let done = order(&buyer).await;
    pay(&system, &buyer, &done).await;
    buyer.awaits(text(&done, "id"), "completed").await;
    let waiting = order(&buyer).await;
    // paid, but only the broker has the event
    system.stop("worker");
    system.stop("api");
    let soon = [("PAYMENT_DEADLINE_MS", "1000")];
    system.spawn_with("api", &soon).await;
    let told = order(&buyer).await;
    pay(&system, &buyer, &told).await;

    let servers = system.servers.as_ref().unwrap();
    let postgres = || servers.postgres.lock().unwrap();
    tokio::task::block_in_place(|| postgres().back_up().unwrap());

    // changes that the restore will undo: an order from start to end, and a payment whose event is
    // newer than the restored databases
    system.spawn("worker").await;
    let mug = system.product("enamel-mug").await;
    let key = "asked for before and after";
    let lost = buyer.try_order(&mug, 1, key).await.unwrap();
    let lost: Value = lost.json().await.unwrap();
    pay(&system, &buyer, &lost).await;
    for order in [&lost, &told] {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    system.stop("worker");
    pay(&system, &buyer, &waiting).await;

    for process in ["api", "payments"] {
        system.kill(process);
    }
    tokio::task::block_in_place(|| {
        postgres().restore().unwrap();
        let mut rabbitmq = servers.rabbitmq.lock().unwrap();
        rabbitmq.relaunch_empty().unwrap();
    });
    system.run("worker", &["migrate"]);
    let report = system.examine(Duration::ZERO).await.unwrap();
    assert!(report.violations.is_empty(), "{report:?}");
    let mut late = report.warnings.iter();
    let late = late.find(|warning| warning.check == "late-outcomes");
    assert!(
        late.is_some_and(|late| late.subject.contains(text(&told, "id"))),
        "{report:?}"
    );

    for process in ["payments", "worker", "api"] {
        system.spawn(process).await;
    }
    buyer.awaits(text(&told, "id"), "completed").await;
    let again = buyer.find_order(text(&waiting, "id")).await.unwrap();
    assert_eq!(text(&again, "status"), "awaiting_payment");
    pay(&system, &buyer, &waiting).await;
    buyer.awaits(text(&waiting, "id"), "completed").await;
    buyer.awaits(text(&done, "id"), "completed").await;
    assert!(buyer.find_order(text(&lost, "id")).await.is_none());
    let asked_again = buyer.try_order(&mug, 1, key).await.unwrap();
    assert_eq!(asked_again.status(), StatusCode::CREATED);
    let asked_again: Value = asked_again.json().await.unwrap();
    assert_ne!(text(&asked_again, "id"), text(&lost, "id"));
    pay(&system, &buyer, &asked_again).await;
    buyer.awaits(text(&asked_again, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
    let failed = system.run("shopctl", &["failed", "list", "-o", "json"]);
    assert_eq!(failed, "");
}
