//! Our processes: killed twice, frozen, stopped, and without a collector.

use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Fault, System, Upstream, eventually};
use tokio::{net::TcpListener, task::block_in_place};

use super::{completes, left_to, transactions, whole, with};
use crate::{hurried, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_during_a_recovery_is_replaced_f04() {
    let system = left_to(&["worker saga"]).await;
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::NoAnswers);
    let (_, order) = buyer.order().await;
    for (dying, next) in [
        ("worker saga", "worker saga#2"),
        ("worker saga#2", "worker"),
    ] {
        let link = system.link(dying, Upstream::Payments);
        eventually(&format!("{dying} to have asked payments"), || async {
            link.hits() > 0
        })
        .await;
        system.kill(dying);
        if next == "worker" {
            system.fault(Upstream::Payments, Fault::None);
        }
        system.spawn(next).await;
    }
    completes(&buyer, &order).await;
    assert_eq!(transactions(&system).await, 1);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_past_its_lease_hits_the_fence_f34() {
    const ORDERS: i64 = 5;
    let mut options = hurried();
    options.proxies = true;
    // long enough for all calls to be under way at the same time
    options.env.extend([
        ("EAGER_ATTEMPTS", "0".to_owned()),
        ("SAGA_CALL_TIMEOUT_MS", "8000".to_owned()),
        ("SAGA_LEASE_MS", "9000".to_owned()),
    ]);
    let system = System::prepare(options).await;
    for role in ["payments", "api", "worker saga"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let link = system.link("worker saga", Upstream::Payments);
    link.will(Fault::StallAnswers);
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        orders.push(buyer.order().await.1);
    }
    eventually("all calls to have reached payments", || async {
        transactions(&system).await == ORDERS
    })
    .await;
    system.signal("worker saga", Signal::SIGSTOP);
    link.will(Fault::None);
    system.spawn("worker").await;
    for order in &orders {
        buyer.awaits(text(order, "id"), "awaiting_payment").await;
    }
    let journal =
        || async { super::count(&system.shop, "select count(*) from saga.journal").await };
    let before = journal().await;
    system.signal("worker saga", Signal::SIGCONT);
    let fenced = format!("saga_fenced_total{{plan=\"checkout\"}} {ORDERS}");
    eventually("each of its five writes to be refused", || async {
        let metrics = system.admin("worker saga", "/metrics").await;
        metrics.is_some_and(|metrics| metrics.lines().any(|line| line == fenced))
    })
    .await;
    assert_eq!(journal().await, before, "nothing was written");
    for order in &orders {
        completes(&buyer, order).await;
    }
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_told_to_stop_answers_what_it_has_begun_f44() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let link = system.link("api", Upstream::Payments);
    link.will(Fault::SlowAnswers(Duration::from_millis(600)));
    let mug = system.product("enamel-mug").await;
    let stopping = async {
        eventually("payments to be asked", || async {
            transactions(&system).await == 1
        })
        .await;
        block_in_place(|| system.stop("api"));
    };
    let (answer, ()) = tokio::join!(buyer.try_order(&mug, 1, "the last one"), stopping);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let order: Value = answer.json().await.unwrap();
    system.spawn("api").await;
    completes(&buyer, &order).await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_ends_the_step_it_has_begun_f44() {
    let system = left_to(&["worker saga"]).await;
    let buyer = system.buyer().await;
    let link = system.link("worker saga", Upstream::Payments);
    link.will(Fault::SlowAnswers(Duration::from_millis(600)));
    let (_, order) = buyer.order().await;
    eventually("payments to be asked", || async {
        transactions(&system).await == 1
    })
    .await;
    block_in_place(|| system.stop("worker saga"));
    // no other process is running that could have done it
    let order = buyer.find_order(text(&order, "id")).await.unwrap();
    assert_eq!(text(&order, "status"), "awaiting_payment");
    system.spawn("worker").await;
    completes(&buyer, &order).await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_delays_no_order_and_no_stop_f47() {
    // connections are accepted, and nothing is ever read
    let black_hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", black_hole.local_addr().unwrap());
    let mut options = hurried();
    options.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    for _ in 0..5 {
        let (status, order) = buyer.order().await;
        assert_eq!(status, StatusCode::CREATED);
        completes(&buyer, &order).await;
    }
    whole(&system).await;
    for role in ["worker", "api", "payments"] {
        system.signal(role, Signal::SIGTERM);
        eventually(&format!("{role} to end"), || async { !system.runs(role) }).await;
    }
}
