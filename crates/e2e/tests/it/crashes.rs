//! Processes that die or freeze where the crash matrix does not reach: past a lease, and in a batch of
//! orders.

use std::{path::PathBuf, time::Duration};

use crate::text;
use futures::future::join_all;
use nix::sys::signal::Signal;
use testkit::{Fault, System, SystemOptions, Upstream, eventually};
use uuid::Uuid;

use super::hurried;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_past_its_lease_is_fenced_out() {
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

/// A batch of orders, of which every second one is refused, dies with its process: between its
/// statements and its commit, right behind it, and where the outcomes of its first attempts are
/// stored. All that was committed is whole, the rest left nothing, and each client that asks again under
/// its key has its own answer, and its order once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_batch_of_orders_is_whole_or_absent() {
    let system = System::prepare(hurried()).await;
    let dev = std::env::var("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
    let dir = PathBuf::from(dev)
        .join("run")
        .join(format!("batch-{}", Uuid::new_v4().simple()));
    std::fs::create_dir_all(&dir).unwrap();
    let crashing = [("CRASH_DIR", dir.to_str().unwrap())];
    for role in ["payments", "worker"] {
        system.spawn(role).await;
    }
    let mug = system.product("enamel-mug").await;
    let before = system.available("enamel-mug").await;
    let mut placed = 0;
    for point in [
        "submit.before_commit",
        "submit.after_commit",
        "saga.outcome.before_commit",
        "saga.outcome.after_commit",
    ] {
        system.spawn_with("api", &crashing).await;
        let buyer = system.buyer().await;
        // the second time: the first batch is that of the request which arrived first
        std::fs::write(dir.join("at"), format!("SIGKILL {point} 2")).unwrap();
        let ordering = |round: i64| {
            join_all((0..32).map(|number| {
                let (quantity, buyer, mug) = (1 + 999 * (number % 2), &buyer, &mug);
                let key = format!("{point} {round} {number}");
                async move { buyer.try_order(mug, quantity, &key).await }
            }))
        };
        // all 32 may fit into one batch: more of them, until one gets no answer
        let mut rounds = 1;
        while ordering(rounds).await.iter().all(Result::is_ok) {
            assert!(rounds < 10, "the api does not die at {point}");
            rounds += 1;
        }
        eventually("the api to die", || async { !system.runs("api") }).await;
        assert!(!dir.join("at").exists(), "it died at {point}");
        system.spawn("api").await;
        for round in 1..=rounds {
            for (number, answer) in ordering(round).await.into_iter().enumerate() {
                let status = answer.unwrap().status().as_u16();
                let expected: &[u16] = if number % 2 == 0 { &[201, 202] } else { &[409] };
                assert!(expected.contains(&status), "{point} {number}: {status}");
            }
        }
        placed += 16 * rounds;
        eventually("each order to wait for its payment", || async {
            let waiting: i64 =
                sqlx::query_scalar("select count(*) from saga.saga where state = 'waiting'")
                    .fetch_one(&system.shop)
                    .await
                    .unwrap();
            waiting == placed
        })
        .await;
        assert_eq!(
            before - system.available("enamel-mug").await,
            placed,
            "{point}"
        );
        system.assert_whole().await;
        system.kill("api");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
