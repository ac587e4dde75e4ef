//! Answers that arrive late, or never.

use std::time::Duration;

use crate::text;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Fault, System, SystemOptions, Upstream, eventually};

use super::hurried;

fn proxied(options: SystemOptions) -> SystemOptions {
    SystemOptions {
        proxies: true,
        ..options
    }
}

async fn journal(system: &System, kind: &str) -> i64 {
    sqlx::query_scalar("select count(*) from saga.journal where kind = $1")
        .bind(kind)
        .fetch_one(&system.shop)
        .await
        .unwrap()
}

async fn transactions(system: &System) -> i64 {
    sqlx::query_scalar("select count(*) from payments.transaction")
        .fetch_one(&system.payments)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_requested_again_for_one_transaction() {
    let system = System::start(proxied(hurried())).await;
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::NoAnswers);
    let (status, order) = buyer.order().await;
    assert_eq!(
        (status, text(&order, "status")),
        (StatusCode::ACCEPTED, "pending")
    );
    assert_eq!(transactions(&system).await, 1, "payments did its part");
    eventually("an unknown outcome in the journal", || async {
        journal(&system, "unknown").await > 0
    })
    .await;
    system.fault(Upstream::Payments, Fault::None);
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    assert_eq!(transactions(&system).await, 1);
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_event_that_overtakes_its_init_completes_the_order() {
    // the usual lease and timeouts: payments' answer takes three seconds
    let system = System::start(proxied(SystemOptions::default())).await;
    let buyer = system.buyer().await;
    system.fault(
        Upstream::Payments,
        Fault::SlowAnswers(Duration::from_millis(2_800)),
    );
    let mug = system.product("enamel-mug").await;
    let ordering = buyer.try_order(&mug, 1, "overtaken");
    let paying = async {
        let transaction: uuid::Uuid = testkit::eventually_some("the transaction", || async {
            sqlx::query_scalar("select transaction_id from payments.transaction")
                .fetch_optional(&system.payments)
                .await
                .unwrap()
        })
        .await;
        buyer.pay(&transaction.to_string()).await;
    };
    let (answer, ()) = tokio::join!(ordering, paying);
    let order: Value = answer.unwrap().json().await.unwrap();
    buyer.awaits(text(&order, "id"), "completed").await;
    let verdict: String = sqlx::query_scalar("select verdict from saga.signal")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(verdict, "applied");
    assert_eq!(journal(&system, "deadline_passed").await, 0);
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_unknown_budget_spent_and_paid_while_compensating_completes() {
    let mut options = proxied(hurried());
    // long enough to cut the link before the saga compensates
    options
        .env
        .insert("SAGA_RETRY_BUDGET_MS", "4000".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::NoAnswers);
    let (_, order) = buyer.order().await;
    assert_eq!(transactions(&system).await, 1);
    system.fault(Upstream::Payments, Fault::Cut);
    eventually("the order to be canceling", || async {
        buyer
            .find_order(text(&order, "id"))
            .await
            .is_some_and(|order| order["canceling"] == true)
    })
    .await;
    buyer.pay(text(&order, "transaction_id")).await;
    let completed = buyer.awaits(text(&order, "id"), "completed").await;
    assert_eq!(completed["canceling"], false);
    system.fault(Upstream::Payments, Fault::None);
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_finds_the_payment_turns_forward() {
    let mut options = proxied(hurried());
    options.env.insert("PAYMENT_DEADLINE_MS", "1500".to_owned());
    let system = System::prepare(options).await;
    // no worker consumes payment events: only payments' answer can decide
    for role in ["payments", "api", "worker saga relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    assert_eq!(journal(&system, "overtaken").await, 1);
    system.spawn("worker payments async").await;
    system.settle().await;
    eventually("the event to be found a duplicate", || async {
        let verdict: Option<String> = sqlx::query_scalar("select verdict from saga.signal")
            .fetch_optional(&system.shop)
            .await
            .unwrap();
        verdict.as_deref() == Some("duplicate")
    })
    .await;
    system.assert_whole().await;
}
