//! A process that was frozen past its lease cannot write when it wakes: the fence refuses and
//! counts its writes. The tests freeze it by SIGSTOP, in mid-step, at a crash point.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::text;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::{Buyer, System, eventually};
use uuid::Uuid;

use super::hurried;

/// A system with payments, an api that leaves every attempt to workers, and one worker with these
/// roles that freezes at the first hit of a point.
async fn system_with(worker: &str, point: &str) -> (System, PathBuf) {
    let mut options = hurried();
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    let system = System::prepare(options).await;
    let dev = std::env::var("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
    let dir = PathBuf::from(dev)
        .join("run")
        .join(format!("crash-{}", Uuid::new_v4().simple()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("at"), format!("SIGSTOP {point} 1")).unwrap();
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    let env = [("CRASH_DIR", dir.to_str().unwrap())];
    system.spawn_with(worker, &env).await;
    (system, dir.join("at"))
}

async fn frozen(at: &Path) {
    eventually("the worker to freeze", || async { !at.exists() }).await;
}

/// Kinds and states of all journal rows.
async fn journal(system: &System) -> Vec<(String, String)> {
    sqlx::query_as("select kind, state from saga.journal order by saga_id, revision, n")
        .fetch_all(&system.shop)
        .await
        .unwrap()
}

/// Wakes the frozen process; its write is refused, once, and nothing changes.
async fn wake_and_count(system: &System, worker: &str, metric: &str) {
    let before = journal(system).await;
    system.signal(worker, Signal::SIGCONT);
    eventually("its write to hit the fence", || async {
        system.metric(worker, metric).await > 0.0
    })
    .await;
    assert!((system.metric(worker, metric).await - 1.0).abs() < f64::EPSILON);
    assert_eq!(journal(system).await, before, "it wrote nothing");
}

async fn end(system: &System, buyer: &Buyer<'_>, order: &Value, status: &str) {
    buyer.awaits(text(order, "id"), status).await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_in_a_step_writes_nothing_afterwards() {
    let (system, at) = system_with("worker saga", "saga.step.after_call").await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    frozen(&at).await;
    system.spawn("worker").await; // takes over when the lease ends
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    wake_and_count(&system, "worker saga", "saga_fenced_total").await;
    buyer.pay(text(&order, "transaction_id")).await;
    end(&system, &buyer, &order, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_in_an_undo_writes_nothing_afterwards() {
    let (system, at) = system_with("worker saga", "saga.undo.after_call").await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    buyer.cancel(text(&order, "id")).await;
    frozen(&at).await;
    system.spawn("worker").await;
    end(&system, &buyer, &order, "canceled").await;
    wake_and_count(&system, "worker saga", "saga_fenced_total").await;
    end(&system, &buyer, &order, "canceled").await;
}
