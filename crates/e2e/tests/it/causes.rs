//! Why a saga stands where it stands: each situation is made on the real system, and `why` names it,
//! with its evidence.

use std::cell::RefCell;

use lapin::{ConnectionProperties, options::QueuePurgeOptions};
use operator::cause::Code;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Buyer, Fault, System, SystemOptions, Upstream, eventually};
use uuid::Uuid;

use crate::{hurried, text};

fn with(settings: &[(&'static str, &str)], proxies: bool) -> SystemOptions {
    let mut options = hurried();
    for (name, value) in settings {
        options.env.insert(name, (*value).to_owned());
    }
    options.proxies = proxies;
    options
}

/// Attempts by themselves are an hour apart.
const PATIENT: [(&str, &str); 3] = [
    ("SAGA_RETRY_BASE_MS", "3600000"),
    ("SAGA_RETRY_CAP_MS", "3600000"),
    ("SAGA_RETRY_BUDGET_MS", "36000000"),
];

async fn saga_of(system: &System, order: &Value) -> String {
    let order: Uuid = text(order, "id").parse().unwrap();
    let saga: Uuid =
        sqlx::query_scalar(r#"select saga_id from commerce."order" where order_id = $1"#)
            .bind(order)
            .fetch_one(&system.shop)
            .await
            .unwrap();
    saga.to_string()
}

/// What `shopctl saga why` says, with its exit code.
fn why_with(system: &System, saga: &str, without: &[&str]) -> (i32, Value) {
    let mut command = system.command("shopctl");
    command.args(["saga", "why", saga, "-o", "json"]);
    for name in without {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    let why = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{talk}"));
    (output.status.code().unwrap(), why)
}

/// Waits until the cause is this one, in JSON and in the table, and checks what comes with it.
async fn assert_cause(system: &System, saga: &str, cause: &str, evidence: &[&str]) -> Value {
    let found = RefCell::new((0, Value::Null));
    eventually(
        &format!("saga {saga} to have the cause {cause}"),
        || async {
            let why = why_with(system, saga, &[]);
            let is_it = text(&why.1, "code") == cause;
            found.replace(why);
            is_it
        },
    )
    .await;
    let (code, why) = found.into_inner();
    assert_eq!(code, i32::from(why["stuck"] == json!(true)), "{why}");
    let named: Vec<_> = why["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|evidence| text(evidence, "name"))
        .collect();
    let always: Code = cause.parse().unwrap();
    for name in evidence.iter().chain(always.about().evidence) {
        assert!(named.contains(name), "{name} in {why}");
    }
    assert!(!why["next"].as_array().unwrap().is_empty(), "{why}");
    eventually(&format!("the table to name {cause}"), || async {
        let mut shopctl = system.command("shopctl");
        let table = shopctl.args(["saga", "why", saga]).output().unwrap();
        let table = String::from_utf8(table.stdout).unwrap();
        table.contains(cause) && named.iter().all(|name| table.contains(name))
    })
    .await;
    why
}

async fn awaiting(buyer: &Buyer<'_>) -> Value {
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_waits_is_paused_or_rests_says_so_and_is_not_stuck_by_itself() {
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
async fn payments_that_cannot_be_reached_or_does_not_answer_is_named_after_three_attempts() {
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
            // the proxy before it would take the connection in its place
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
async fn a_first_failed_attempt_is_a_backoff_and_a_lost_entry_is_lost() {
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
async fn without_a_worker_a_due_saga_says_so_and_of_an_unknown_plan_too() {
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
async fn while_a_worker_is_at_it_the_lease_tells_by_whom_and_until_when() {
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
async fn a_decision_that_was_not_heard_of_is_found_where_it_lies() {
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    buyer.pay(text(&order, "transaction_id")).await;
    assert_cause(
        &system,
        &saga,
        "queue-without-consumer",
        &["queue", "messages", "consumers"],
    )
    .await;
    let blind = why_with(&system, &saga, &["PAYMENTS_DATABASE_URL", "AMQP_URL"]).1;
    assert_eq!(
        blind["could_not_see"].as_array().unwrap().len(),
        2,
        "{blind}"
    );
    assert_eq!(
        (text(&blind, "code"), text(&blind, "sure")),
        ("waiting-for-signal", "likely"),
        "{blind}"
    );

    let broker = lapin::Connection::connect(&system.amqp_url, ConnectionProperties::default());
    let channel = broker.await.unwrap().create_channel().await.unwrap();
    let purge = channel.queue_purge("payments_events_queue".into(), QueuePurgeOptions::default());
    assert_eq!(purge.await.unwrap(), 1);
    let why = assert_cause(
        &system,
        &saga,
        "participant-has-answer-we-missed",
        &["transaction", "status"],
    )
    .await;
    let command = why["next"][0]["command"].as_str().unwrap();
    assert!(command.contains("transaction_completed"), "{command}");
}
