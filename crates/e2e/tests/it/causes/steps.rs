//! A step that makes no progress.

use reqwest::StatusCode;
use testkit::{Fault, System, Upstream, eventually};
use uuid::Uuid;

use super::{assert_cause, awaiting, with};
use crate::{hurried, saga_of, text};

/// Automatic attempts are an hour apart.
const PATIENT: [(&str, &str); 3] = [
    ("SAGA_RETRY_BASE_MS", "3600000"),
    ("SAGA_RETRY_CAP_MS", "3600000"),
    ("SAGA_RETRY_BUDGET_MS", "36000000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_paused_or_finished_saga_is_not_stuck() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    assert_cause(&system, &saga, "waiting-for-signal", &["since", "deadline"]).await;
    system.run(
        "shopctl",
        &["saga", "pause", &saga, "--reason", "looking", "--yes"],
    );
    let why = assert_cause(&system, &saga, "paused-by", &["by", "why", "since"]).await;
    assert!(why["evidence"].to_string().contains("looking"), "{why}");
    system.run(
        "shopctl",
        &["saga", "resume", &saga, "--reason", "looked", "--yes"],
    );
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    assert_cause(&system, &saga, "healthy", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_payments_is_named_after_three_attempts() {
    for (fault, cause) in [
        (None, "participant-unreachable"),
        (Some(Fault::CutAnswers), "outcome-unknown"),
    ] {
        let system = System::prepare(with(&[("SAGA_RETRY_BUDGET_MS", "36000000")], true)).await;
        for role in ["payments", "api", "worker"] {
            system.spawn(role).await;
        }
        if let Some(fault) = fault {
            system.fault(Upstream::Payments, fault);
        } else {
            // the proxy in front of payments would accept the connection
            for role in ["payments", "worker", "api"] {
                system.stop(role);
            }
            let direct = [("PAYMENTS_URL", system.payments_url.as_str())];
            system.spawn_with("api", &direct).await;
            system.spawn_with("worker", &direct).await;
        }
        let buyer = system.buyer().await;
        let (status, order) = buyer.order().await;
        assert_eq!(status, StatusCode::ACCEPTED);
        let saga = saga_of(&system, &order).await;
        assert_cause(&system, &saga, cause, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_is_backoff_a_missing_entry_is_lost() {
    let system = System::prepare(with(&PATIENT, false)).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let saga = saga_of(&system, &order).await;
    assert_cause(&system, &saga, "retry-backoff", &["attempt", "next_at"]).await;
    sqlx::query("delete from messaging.outbox where saga_id = $1")
        .bind(saga.parse::<Uuid>().unwrap())
        .execute(&system.shop)
        .await
        .unwrap();
    let why = assert_cause(&system, &saga, "job-lost", &[]).await;
    for (filter, found) in [
        (&["--stuck"][..], 1),
        (&["--cause", "job-lost"], 1),
        (&["--cause", "no-worker"], 0),
    ] {
        let list = [&["saga", "list", "-o", "json"], filter].concat();
        let list = system.run("shopctl", &list);
        assert_eq!(list.lines().count(), found, "{filter:?}: {list}");
        assert!(list.lines().all(|line| line.contains("job-lost")), "{list}");
    }
    assert!(
        why["next"][0]["command"]
            .as_str()
            .unwrap()
            .starts_with("shopctl saga retry"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_saga_without_a_worker_says_so() {
    let system = System::prepare(with(&[("EAGER_ATTEMPTS", "0")], false)).await;
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let saga = saga_of(&system, &order).await;
    assert_cause(&system, &saga, "no-worker", &["role"]).await;
    sqlx::query("update saga.saga set plan_version = 99 where saga_id = $1")
        .bind(saga.parse::<Uuid>().unwrap())
        .execute(&system.shop)
        .await
        .unwrap();
    assert_cause(
        &system,
        &saga,
        "unknown-plan-version",
        &["plan", "known_here"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_attempt_shows_the_lease_holder_and_end() {
    let long = [
        ("EAGER_ATTEMPTS", "0"),
        ("SAGA_LEASE_MS", "30000"),
        ("SAGA_CALL_TIMEOUT_MS", "25000"),
    ];
    let system = System::start(with(&long, true)).await;
    let buyer = system.buyer().await;
    system
        .link("worker", Upstream::Payments)
        .will(Fault::StallAnswers);
    let (_, order) = buyer.order().await;
    let saga = saga_of(&system, &order).await;
    let why = assert_cause(&system, &saga, "lease-held", &["by", "until", "attempt"]).await;
    assert!(why["evidence"].to_string().contains("worker-"), "{why}");
    system.link("worker", Upstream::Payments).will(Fault::None);
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_workers_claim_is_expired_until_takeover() {
    let system = System::prepare(with(&[("EAGER_ATTEMPTS", "0")], true)).await;
    for role in ["payments", "api", "worker saga", "worker"] {
        system.spawn(role).await;
    }
    for worker in ["worker saga", "worker"] {
        system
            .link(worker, Upstream::Payments)
            .will(Fault::StallAnswers);
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let saga = saga_of(&system, &order).await;
    eventually("an attempt", || async {
        entry(&system, &saga, "attempt > 0").await
    })
    .await;
    // an unknown plan keeps the workers from the entry; a lock would be another cause
    let withheld =
        "update messaging.outbox set plan_version = plan_version + $2 where saga_id = $1";
    let withhold = async |by: i32| {
        sqlx::query(withheld)
            .bind(saga.parse::<Uuid>().unwrap())
            .bind(by)
            .execute(&system.shop)
            .await
            .unwrap();
    };
    withhold(98).await;
    for worker in ["worker saga", "worker"] {
        system.kill(worker);
    }
    system.spawn("worker").await;
    assert_cause(
        &system,
        &saga,
        "lease-expired",
        &["by", "expired_at", "attempt"],
    )
    .await;
    withhold(-98).await;
    system.link("worker", Upstream::Payments).will(Fault::None);
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
}

async fn entry(system: &System, saga: &str, holds: &str) -> bool {
    let query = format!("select {holds} from messaging.outbox where saga_id = $1");
    let found: Option<bool> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .bind(saga.parse::<Uuid>().unwrap())
        .fetch_optional(&system.shop)
        .await
        .unwrap();
    found == Some(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_do_not_keep_up_leave_a_backlog() {
    let few = [
        ("EAGER_ATTEMPTS", "0"),
        ("SAGA_CONCURRENCY", "1"),
        ("SAGA_RETRY_BUDGET_MS", "36000000"),
    ];
    let system = System::start(with(&few, true)).await;
    system
        .link("worker", Upstream::Payments)
        .will(Fault::StallAnswers);
    let buyer = system.buyer().await;
    let mut sagas = Vec::new();
    for _ in 0..12 {
        let (_, order) = buyer.order().await;
        sagas.push((saga_of(&system, &order).await, order));
    }
    let behind = || async {
        let list = ["saga", "list", "--cause", "queue-backlog", "-o", "json"];
        let list = system.run("shopctl", &list);
        list.lines().any(|line| line.contains("queue-backlog"))
    };
    eventually("some to wait behind others", behind).await;
    system.link("worker", Upstream::Payments).will(Fault::None);
    for (_, order) in &sagas {
        buyer.awaits(text(order, "id"), "awaiting_payment").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_of_over_fifteen_minutes_is_overdue() {
    let system = System::start(with(&PATIENT, true)).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    system.fault(Upstream::Payments, Fault::Cut);
    system.run(
        "shopctl",
        &["saga", "cancel", &saga, "--reason", "called", "--yes"],
    );
    assert_cause(&system, &saga, "retry-backoff", &["attempt", "next_at"]).await;
    // the test cannot wait for a quarter of an hour
    let mut tx = system.shop.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica") // disables the journal's trigger
        .execute(&mut *tx)
        .await
        .unwrap();
    let aged = sqlx::query(
        "update saga.journal set at = at - interval '15 min' where saga_id = $1 and kind = 'compensation_begun'",
    )
    .bind(saga.parse::<Uuid>().unwrap())
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(aged.rows_affected(), 1);
    let why = assert_cause(
        &system,
        &saga,
        "compensation-overdue",
        &["since", "step", "last_error"],
    )
    .await;
    assert!(
        why["evidence"].to_string().contains("init_payment/undo"),
        "{why}"
    );
    system.fault(Upstream::Payments, Fault::None);
    system.run(
        "shopctl",
        &[
            "saga",
            "retry",
            &saga,
            "--reason",
            "payments is back",
            "--yes",
        ],
    );
    buyer.awaits(text(&order, "id"), "canceled").await;
}
