//! A release with another plan is rolled out under load and rolled back, with its own binaries.

use std::process::{Child, Command, Output};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use testkit::{Buyer, System, ended, eventually};

use crate::{hurried, next_release, saga_of, text};

const WORKER: [&str; 4] = ["saga", "payments", "async", "relay"];

/// A program of the next release.
fn next(system: &System, program: &str) -> Command {
    let path = next_release().programs.join(program);
    system.command(path.to_str().unwrap())
}

/// A process of the next release; killed when dropped.
struct Next(Child);

impl Next {
    async fn start(system: &System, mut command: Command, admin: &str) -> Self {
        let process = Self(command.spawn().unwrap());
        eventually("the next release to be ready", || async {
            let ready = system.http.get(format!("http://{admin}/readyz"));
            ready
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        process
    }

    async fn worker(system: &System) -> Self {
        let admin = system.free_address();
        let mut command = next(system, "worker");
        command.args(WORKER).env("WORKER_ADMIN_LISTEN", &admin);
        Self::start(system, command, &admin).await
    }

    /// Sends SIGTERM; the process must exit successfully.
    fn stop(mut self) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(ended(&mut self.0).success());
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        // already stopped, if `stop` was called
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn awaiting(system: &System, buyer: &Buyer<'_>, version: i32) -> Value {
    let (_, order) = buyer.order().await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    let saga: uuid::Uuid = saga_of(system, &order).await.parse().unwrap();
    let of: i32 = sqlx::query_scalar("select plan_version from saga.saga where saga_id = $1")
        .bind(saga)
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(of, version);
    order
}

async fn paid(buyer: &Buyer<'_>, order: &Value) {
    buyer.pay(text(order, "transaction_id")).await;
    buyer.awaits(text(order, "id"), "completed").await;
}

/// Restarts an old worker, and waits until it exits by itself.
fn old_worker(system: &System) -> Output {
    let mut command = system.command("worker");
    let admin = system.free_address();
    command.args(WORKER).env("WORKER_ADMIN_LISTEN", admin);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_would_orphan_sagas_does_not_start() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (first, second) = (
        awaiting(&system, &buyer, 1).await,
        awaiting(&system, &buyer, 1).await,
    );

    // the next release's worker runs beside ours, then its api replaces ours
    let worker = Next::worker(&system).await;
    system.stop("api");
    let admin = system.setting("API_ADMIN_LISTEN").to_owned();
    let api = Next::start(&system, next(&system, "api"), &admin).await;
    for _ in 0..5 {
        let order = awaiting(&system, &buyer, 2).await;
        paid(&buyer, &order).await;
    }
    paid(&buyer, &first).await;
    let remembered: i64 =
        sqlx::query_scalar("select count(*) from saga.journal where 'remember' = any(ran)")
            .fetch_one(&system.shop)
            .await
            .unwrap();
    assert_eq!(remembered, 5, "the next plan's own step ran for each");

    // alone, it completes the sagas that ours began
    system.stop("worker");
    paid(&buyer, &second).await;

    // rollback: ours does not start while sagas exist that only the next release knows, and names
    // them
    let third = awaiting(&system, &buyer, 2).await;
    worker.stop();
    let refused = old_worker(&system);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    let saga = saga_of(&system, &third).await;
    for part in [
        "1 of plan checkout v2",
        &saga,
        "check-compat",
        "UNKNOWN_PLANS=leave",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // unless it is told to; then it leaves those sagas alone
    system
        .spawn_with("worker", &[("UNKNOWN_PLANS", "leave")])
        .await;
    buyer.pay(text(&third, "transaction_id")).await;
    eventually("what payments says to be kept", || async {
        let kept: Option<i32> = sqlx::query_scalar(
            "select kept from saga.saga where saga_id = $1 and state = 'waiting'",
        )
        .bind(saga.parse::<uuid::Uuid>().unwrap())
        .fetch_optional(&system.shop)
        .await
        .unwrap();
        kept == Some(1)
    })
    .await;
    // a worker that knows them applies the kept signals; after that ours starts, and all is as
    // before
    let worker = Next::worker(&system).await;
    buyer.awaits(text(&third, "id"), "completed").await;
    system.stop("worker");
    worker.stop();
    system.spawn("worker").await;
    drop(api);
    system.spawn("api").await;
    let last = awaiting(&system, &buyer, 1).await;
    paid(&buyer, &last).await;
    system.settle().await;
    system.assert_whole().await;
}
