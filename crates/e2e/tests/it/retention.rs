//! Old sagas at rest are archived; live ones, however old, are never touched.

use reqwest::StatusCode;
use serde_json::Value;
use testkit::System;

use crate::{hurried, text};

#[tokio::test(flavor = "multi_thread")]
async fn old_finished_sagas_are_archived_and_invariants_hold() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (_, paid) = buyer.order().await;
    let (_, canceled) = buyer.order().await;
    let (_, waiting) = buyer.order().await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    let transaction = text(&canceled, "transaction_id");
    buyer.decide("cancel", transaction).await.unwrap();
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    let journal: i64 = sqlx::query_scalar(
        "select count(*) from saga.journal join saga.saga using (saga_id) where saga.state in ('completed', 'compensated')",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    // recent sagas stay
    system.run("worker", &["retention"]);
    assert_eq!(archived(&system).await, []);

    for statement in [
        "update saga.saga set created_at = created_at - interval '60 days', updated_at = updated_at - interval '60 days'",
        "update messaging.inbox set handled_at = handled_at - interval '60 days'",
        "update commerce.idempotency_key set created_at = created_at - interval '60 days'",
    ] {
        sqlx::query(statement).execute(&system.shop).await.unwrap();
    }
    system.run("worker", &["retention"]);
    let archive = archived(&system).await;
    let states: Vec<_> = archive.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["compensated", "completed"]);
    let kept: usize = archive
        .iter()
        .map(|(_, story)| story["journal"].as_array().unwrap().len())
        .sum();
    assert_eq!(i64::try_from(kept).unwrap(), journal);
    for (_, story) in &archive {
        assert_eq!(story["signals"].as_array().unwrap().len(), 1, "{story}");
    }
    let left: Vec<String> = sqlx::query_scalar("select state from saga.saga")
        .fetch_all(&system.shop)
        .await
        .unwrap();
    assert_eq!(left, ["waiting"]);
    system.assert_whole().await;

    // the orders are unchanged, and live sagas continue
    let refused = buyer.cancel(text(&paid, "id")).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    buyer.pay(text(&waiting, "transaction_id")).await;
    buyer.awaits(text(&waiting, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}

async fn archived(system: &System) -> Vec<(String, Value)> {
    sqlx::query_as("select state, story from saga.archive order by state")
        .fetch_all(&system.shop)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_shorter_than_a_sagas_life_is_refused() {
    let system = System::prepare(hurried()).await;
    for variable in [
        "RETENTION_SAGAS_DAYS",
        "RETENTION_INBOX_DAYS",
        "RETENTION_KEYS_DAYS",
    ] {
        for task in ["async", "retention"] {
            let output = system
                .command("worker")
                .arg(task)
                .env(variable, "1")
                .env("PAYMENT_DEADLINE_MS", "86400000")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && said.contains(variable),
                "{said}"
            );
        }
    }
}
