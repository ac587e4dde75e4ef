//! Processes killed at the worst moment.

use std::time::Duration;

use crate::text;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::{Fault, System, SystemOptions, Upstream, eventually};

use super::hurried;

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_worker_killed_in_mid_call_is_replaced_by_another() {
    let mut options = SystemOptions {
        proxies: true,
        ..hurried()
    };
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned()); // workers make the first attempt
    let system = System::prepare(options).await;
    for role in ["payments", "api", "worker saga"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::NoAnswers);
    let (_, order) = buyer.order().await;
    eventually("the call to reach payments", || async {
        let there: i64 = sqlx::query_scalar("select count(*) from payments.transaction")
            .fetch_one(&system.payments)
            .await
            .unwrap();
        there == 1
    })
    .await;
    system.kill("worker saga");
    system.fault(Upstream::Payments, Fault::None);
    system.spawn("worker").await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_killed_right_after_the_create_commit_loses_nothing() {
    let system = System::start(SystemOptions {
        proxies: true,
        ..hurried()
    })
    .await;
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::NoRequests);
    let mug = system.product("enamel-mug").await;
    let ordering = buyer.try_order(&mug, 1, "killed");
    let killing = async {
        eventually("the order to be committed", || async {
            let there: i64 = sqlx::query_scalar("select count(*) from commerce.\"order\"")
                .fetch_one(&system.shop)
                .await
                .unwrap();
            there == 1
        })
        .await;
        system.kill("api");
    };
    let (answer, ()) = tokio::join!(ordering, killing);
    assert!(answer.is_err(), "the client hears nothing");
    system.fault(Upstream::Payments, Fault::None);
    system.spawn("api").await;
    // the client retries under its key
    let again: Value = buyer
        .try_order(&mug, 1, "killed")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let order = buyer.awaits(text(&again, "id"), "awaiting_payment").await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payments_worker_killed_between_commit_and_ack_has_its_event_delivered_again_without_effect()
 {
    let system = System::prepare(SystemOptions {
        proxies: true,
        ..hurried()
    })
    .await;
    for role in ["payments", "api", "worker saga relay", "worker payments"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    buyer.pay(text(&first, "transaction_id")).await;
    buyer.awaits(text(&first, "id"), "completed").await; // it is consuming
    let (_, order) = buyer.order().await;
    // from now on the worker receives from RabbitMQ but cannot send: its ack is lost
    let link = system.link("worker payments", Upstream::RabbitMq);
    link.will(Fault::NoRequests);
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.kill("worker payments");
    system.spawn("worker").await;
    let (_, next) = buyer.order().await;
    buyer.pay(text(&next, "transaction_id")).await;
    buyer.awaits(text(&next, "id"), "completed").await; // behind the redelivered one
    system.settle().await;
    system.assert_whole().await;
    let signals: i64 = sqlx::query_scalar("select count(*) from saga.signal")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(signals, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_past_its_lease_is_fenced_out() {
    let mut options = SystemOptions {
        proxies: true,
        ..hurried()
    };
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    let system = System::prepare(options).await;
    for role in ["payments", "api", "worker saga"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    system.fault(
        Upstream::Payments,
        Fault::SlowAnswers(Duration::from_millis(500)),
    );
    let (_, order) = buyer.order().await;
    eventually("the call to reach payments", || async {
        let there: i64 = sqlx::query_scalar("select count(*) from payments.transaction")
            .fetch_one(&system.payments)
            .await
            .unwrap();
        there == 1
    })
    .await;
    system.signal("worker saga", Signal::SIGSTOP);
    system.fault(Upstream::Payments, Fault::None);
    system.spawn("worker").await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    system.signal("worker saga", Signal::SIGCONT);
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}
