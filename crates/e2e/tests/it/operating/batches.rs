//! Many sagas at once: one dry run, one apply, and a worker killed in the middle of it.

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{System, SystemOptions, eventually, eventually_some};

use super::{ShopctlOutput, run_action, shopctl, state, stuck_for_long, whole};
use crate::{saga_of, text};

/// Places this many orders, which wait for payments to come back.
async fn pile_up(system: &System, orders: usize) -> Vec<Value> {
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let mut accepted = Vec::new();
    let keys: Vec<_> = (0..orders).map(|n| format!("order {n}")).collect();
    for some in keys.chunks(50) {
        let orders = some.iter().map(|key| buyer.try_order(&mug, 1, key));
        for answer in futures::future::join_all(orders).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
            accepted.push(answer.json().await.unwrap());
        }
    }
    let failed =
        "select count(*) from messaging.outbox where kind = 'step' and last_error is not null";
    eventually("all to have failed once", || async {
        let failed: i64 = sqlx::query_scalar(failed)
            .fetch_one(&system.shop)
            .await
            .unwrap();
        usize::try_from(failed).unwrap() == orders
    })
    .await;
    accepted
}

fn plan_number(output: &ShopctlOutput) -> String {
    let line = output.lines().remove(0);
    line["plan"].to_string()
}

/// For two hundred at once: a call that a busy machine cuts off would have another cause.
fn without_haste() -> SystemOptions {
    let mut options = stuck_for_long();
    for (name, value) in [
        ("API_DATABASE_MAX_CONNECTIONS", "20"),
        ("SAGA_LEASE_MS", "15000"),
        ("SAGA_CALL_TIMEOUT_MS", "10000"),
    ] {
        options.env.insert(name, value.to_owned());
    }
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_stuck_sagas_are_healed_by_one_batch() {
    let system = System::prepare(without_haste()).await;
    let often = [("SAGA_RETRY_BASE_MS", "200"), ("SAGA_RETRY_CAP_MS", "1000")];
    for role in ["api", "worker"] {
        system.spawn_with(role, &often).await;
    }
    sqlx::query("update commerce.stock set received = received + 1000")
        .execute(&system.shop)
        .await
        .unwrap();
    let orders = pile_up(&system, 200).await;
    let list = ["saga", "list", "--stuck", "--limit", "500"];
    eventually("all to be stuck", || async {
        shopctl(&system, &list).with(0).lines().len() == 200
    })
    .await;
    // from now on attempts are an hour apart: nothing moves by itself during the preview
    system.stop("worker");
    system.spawn("worker").await;
    let soon = "select count(*) from messaging.outbox where kind = 'step' and due_at < clock_timestamp() + interval '5 min'";
    eventually("the last attempts to have failed", || async {
        let soon: i64 = sqlx::query_scalar(soon)
            .fetch_one(&system.shop)
            .await
            .unwrap();
        soon == 0
    })
    .await;
    system.spawn("payments").await;
    let listed = shopctl(&system, &list).with(0).lines();
    assert_eq!(listed.len(), 200);
    for saga in &listed {
        assert_eq!(text(saga, "cause"), "participant-unreachable", "{saga}");
    }

    let dry = [
        "saga",
        "cancel",
        "--stuck",
        "--dry-run",
        "--reason",
        "ticket 4711",
    ];
    let plan = shopctl(&system, &dry).with(0);
    assert_eq!(plan.lines().len(), 200);
    let number = plan_number(&plan);
    // one saga moves in between
    let moved = saga_of(&system, &orders[7]).await;
    run_action(&system, "retry", &moved).with(0);
    eventually("it to have moved on", || async {
        state(&system, &moved).await == "waiting"
    })
    .await;

    let canary = shopctl(&system, &["apply", &number, "--first", "1", "--yes"]).with(0);
    assert!(
        canary.talk.contains("canary_done: 1 done"),
        "{}",
        canary.talk
    );
    let applied = shopctl(&system, &["apply", &number, "--yes"]).with(0);
    let results = applied.lines();
    let count = |result: &str| {
        results
            .iter()
            .filter(|item| item["result"] == result)
            .count()
    };
    assert_eq!(
        (count("done"), count("skipped")),
        (199, 1),
        "{}",
        applied.talk
    );
    let skipped = results
        .iter()
        .find(|item| item["result"] == "skipped")
        .unwrap();
    assert_eq!(text(skipped, "saga_id"), moved);
    assert!(text(skipped, "detail").contains("has moved"), "{skipped}");
    shopctl(&system, &["apply", &number, "--yes"]).with(4);

    let rest = "select count(*) from saga.saga where state = 'compensated'";
    eventually("all to be at rest", || async {
        let rest: i64 = sqlx::query_scalar(rest)
            .fetch_one(&system.shop)
            .await
            .unwrap();
        rest == 199
    })
    .await;
    let acts: Vec<(i64, i64)> = sqlx::query_as(
        "select count(*), count(distinct subject_id) from saga.audit where verb = 'saga cancel' and batch_id is not null",
    )
    .fetch_all(&system.shop)
    .await
    .unwrap();
    assert_eq!(acts, [(199, 199)], "none twice");
    run_action(&system, "cancel", &moved).with(0);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_killed_worker_continues_without_repeats() {
    let system = System::prepare(stuck_for_long()).await;
    for role in ["api", "worker saga relay", "worker async"] {
        system.spawn(role).await;
    }
    pile_up(&system, 20).await;
    system.spawn("payments").await;
    let dry = [
        "saga",
        "cancel",
        "--state",
        "running",
        "--dry-run",
        "--reason",
        "ticket 4711",
    ];
    let number = plan_number(&shopctl(&system, &dry).with(0));
    shopctl(
        &system,
        &["apply", &number, "--rps", "5", "--detach", "--yes"],
    )
    .with(0);
    let done = "select count(*) from saga.batch_item where result = 'done'";
    let done = || async {
        let done: i64 = sqlx::query_scalar(done)
            .fetch_one(&system.shop)
            .await
            .unwrap();
        done
    };
    eventually("some to be done", || async { done().await >= 3 }).await;
    let stop = ["batch", "stop", &number, "--reason", "a closer look"];
    shopctl(&system, &stop).with(0);
    shopctl(&system, &stop).with(4);
    let audited: Vec<(String, String)> = sqlx::query_as(
        "select actor, reason from saga.audit where verb = 'batch stop' and subject_id = $1",
    )
    .bind(&number)
    .fetch_all(&system.shop)
    .await
    .unwrap();
    assert_eq!(audited, [("olga".to_owned(), "a closer look".to_owned())]);
    let on = ["apply", &number, "--rps", "5", "--detach", "--yes"];
    shopctl(&system, &on).with(0);
    system.kill("worker async");
    assert!(done().await < 20, "it was killed in the middle");
    system.spawn("worker async").await;
    // the batch makes no progress, so its worker must be dead
    let ended = eventually_some("the batch to end", || async {
        let state = "select state from saga.batch where state <> 'queued'";
        let state: Option<String> = sqlx::query_scalar(state)
            .fetch_optional(&system.shop)
            .await
            .unwrap();
        state
    })
    .await;
    assert_eq!(ended, "done");
    let (acts, sagas): (i64, i64) = sqlx::query_as(
        "select count(*), count(distinct subject_id) from saga.audit where subject_kind = 'saga'",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert_eq!((acts, sagas), (20, 20), "each once");
    whole(&system).await;
}
