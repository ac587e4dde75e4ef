//! Each process runs in its own role, with secrets from files as `docker/secrets.sh` creates them:
//! it can do its work, and nothing else.

mod forged;
mod rig;

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Buyer, eventually};

use crate::{platform::manifests, text};
use rig::Rig;

const PROCESSES: [&str; 6] = [
    "payments",
    "api",
    "worker saga",
    "worker payments",
    "worker async",
    "worker relay",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_process_works_with_its_own_role() {
    let rig = Rig::start().await;
    let system = &rig.system;
    for process in PROCESSES {
        rig.spawn(process).await;
    }
    let buyer = system.buyer().await;

    // one is paid, one is canceled
    let (_, paid) = buyer.order().await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    let (_, canceled) = buyer.order().await;
    buyer
        .decide("cancel", text(&canceled, "transaction_id"))
        .await
        .unwrap();
    buyer.awaits(text(&canceled, "id"), "canceled").await;

    // one is refused, and its key is free for another one
    let mug = system.product("enamel-mug").await;
    let refused = buyer.try_order(&mug, 1000, "refused").await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let placed = buyer.try_order(&mug, 1, "refused").await.unwrap();
    let placed: Value = placed.json().await.unwrap();
    assert!(
        buyer
            .cancel(text(&placed, "id"))
            .await
            .status()
            .is_success()
    );
    buyer.awaits(text(&placed, "id"), "canceled").await;

    // payments is down for a while: the saga worker retries
    system.kill("payments");
    let (_, late) = buyer.order().await;
    rig.spawn("payments").await;
    let late = buyer.awaits(text(&late, "id"), "awaiting_payment").await;
    assert!(buyer.cancel(text(&late, "id")).await.status().is_success());
    buyer.awaits(text(&late, "id"), "canceled").await;

    // a worker is killed while an event is on its way
    let (_, order) = buyer.order().await;
    system.kill("worker payments");
    buyer.pay(text(&order, "transaction_id")).await;
    rig.spawn("worker payments").await;
    buyer.awaits(text(&order, "id"), "completed").await;

    an_operator_works(&rig, &buyer, text(&order, "id")).await;

    eventually("the mails", || async {
        let mails: i64 =
            sqlx::query_scalar("select count(*) from messaging.inbox where consumer = 'messages'")
                .fetch_one(&system.shop)
                .await
                .unwrap();
        mails == 3
    })
    .await;
    system.assert_whole().await;
    let doctor = rig.run("doctor", "shopctl", &["doctor", "--grace", "0"]);
    assert!(doctor.contains("holds"), "{doctor}");
    assert!(!doctor.contains("RabbitMQ's bindings:"), "{doctor}");
    let gauges = system.admin("worker payments", "/metrics").await.unwrap();
    assert!(gauges.contains("queue_bindings_missing"), "{gauges}");
    for process in PROCESSES {
        assert!(system.runs(process), "{process}");
        let log = std::fs::read_to_string(system.log(process)).unwrap();
        for refused in ["permission denied", "ACCESS_REFUSED", "access_refused"] {
            assert!(!log.contains(refused), "{process}: {refused}");
        }
        for secret in [
            "roles/api",
            "roles/payments",
            "roles/worker-async",
            "rabbitmq_password",
        ] {
            assert!(
                !log.contains(&rig.secret(secret)),
                "{process} logs {secret}"
            );
        }
    }
}

/// Work of an operator that uses the broker, and the async role's part in it.
async fn an_operator_works(rig: &Rig, buyer: &Buyer<'_>, order: &str) {
    let system = &rig.system;
    // an unknown message fails, and an operator sends it again
    assert!(
        rig.may_publish("payments", "payments_events", "transaction_completed")
            .await
    );
    eventually("the message to fail", || async {
        rig.run("operator", "shopctl", &["failed", "list"])
            .contains("payments_events_queue")
    })
    .await;
    let retry = ["failed", "retry", "--all", "--reason", "a test", "--yes"];
    rig.run("operator", "shopctl", &retry);
    let drop = [
        "failed",
        "drop",
        "--queue",
        "payments_events_queue",
        "--reason",
        "a test",
        "--yes",
    ];
    eventually("it to fail again", || async {
        rig.run("operator", "shopctl", &["failed", "list"])
            .contains("payments_events_queue")
    })
    .await;
    rig.run("operator", "shopctl", &drop);

    // an operator's batch is run by the async role, whose retention archives
    let (_, unpaid) = buyer.order().await;
    let cancel = [
        "saga",
        "cancel",
        "--state",
        "waiting",
        "--dry-run",
        "--reason",
        "a test",
    ];
    rig.run("operator", "shopctl", &cancel);
    rig.run("operator", "shopctl", &["apply", "1", "--yes"]);
    buyer.awaits(text(&unpaid, "id"), "canceled").await;
    system.settle().await;
    rig.run("worker-async", "worker", &["retention"]);
    rig.run("operator", "shopctl", &["saga", "stats"]);
    rig.run("operator", "shopctl", &["order", "show", order]);
    rig.run("operator", "shopctl", &["audit", "list"]);
}

/// PostgreSQL's code for a missing right.
const DENIED: &str = "42501";
/// PostgreSQL's code for a write in a read-only transaction.
const READ_ONLY: &str = "25006";

/// Role, database, statement, and the code with which it is refused.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("payments", "shop", "select 1", DENIED),
    ("api", "payments", "select 1", DENIED),
    ("worker-saga", "payments", "select 1", DENIED),
    ("worker-payments", "payments", "select 1", DENIED),
    ("worker-async", "payments", "select 1", DENIED),
    ("worker-relay", "payments", "select 1", DENIED),
    (
        "api",
        "shop",
        "alter table commerce.\"order\" add column extra text",
        DENIED,
    ),
    ("api", "shop", "drop table saga.journal", DENIED),
    ("api", "shop", "create table commerce.mine (id int)", DENIED),
    ("api", "shop", "create schema mine", DENIED),
    ("api", "shop", "update saga.journal set at = at", DENIED),
    ("api", "shop", "delete from saga.audit", DENIED),
    ("api", "shop", "delete from commerce.\"order\"", DENIED),
    (
        "payments",
        "payments",
        "alter table payments.transaction add column extra text",
        DENIED,
    ),
    (
        "payments",
        "payments",
        "delete from payments.transaction",
        DENIED,
    ),
    (
        "worker-saga",
        "shop",
        "select email from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-saga",
        "shop",
        "insert into commerce.product default values",
        DENIED,
    ),
    (
        "worker-payments",
        "shop",
        "select email from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-payments",
        "shop",
        "update commerce.product set slug = slug",
        DENIED,
    ),
    (
        "worker-async",
        "shop",
        "update auth.\"user\" set email = email",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "select * from commerce.\"order\"",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "select * from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "update saga.saga set revision = revision",
        DENIED,
    ),
    ("operator", "shop", "delete from saga.audit", DENIED),
    ("api", "shop", "select saga.end_session(1)", DENIED),
    ("worker-saga", "shop", "select saga.end_session(1)", DENIED),
    ("doctor", "shop", "select saga.end_session(1)", DENIED),
    (
        "worker-relay",
        "shop",
        "select * from saga.blocking_sessions()",
        DENIED,
    ),
    // the right is for sessions that block sagas alone
    (
        "operator",
        "shop",
        "select saga.end_session(pg_backend_pid())",
        "55000",
    ),
    (
        "operator",
        "payments",
        "update payments.transaction set status = status",
        DENIED,
    ),
    ("doctor", "shop", "select * from auth.\"user\"", DENIED),
    (
        "doctor",
        "shop",
        "update saga.saga set revision = revision",
        READ_ONLY,
    ),
    (
        "doctor",
        "payments",
        "delete from payments.transaction",
        READ_ONLY,
    ),
    (
        "doctor",
        "shop",
        "set transaction read write; delete from saga.saga",
        DENIED,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_process_can_do_what_is_not_its_own() {
    let rig = Rig::start().await;
    for (role, database, statement, code) in REFUSED {
        let said = rig.sql(role, database, statement).await;
        assert_eq!(said, Err((*code).to_owned()), "{role}: {statement}");
    }
    // a role's name without its password gives no access
    for (role, database) in [
        ("api", "shop"),
        ("payments", "payments"),
        ("doctor", "shop"),
    ] {
        let guess = rig.sql_with(role, "guessed", database, "select 1").await;
        assert_eq!(guess, Err("28P01".to_owned()), "{role}");
    }
    // and the same check accepts allowed statements
    for (role, database, statement) in [
        ("payments", "payments", "select * from payments.transaction"),
        ("doctor", "shop", "select * from commerce.\"order\""),
        ("doctor", "payments", "select * from payments.transaction"),
        ("doctor", "shop", "select * from saga.blocking_sessions()"),
        ("api", "shop", "select * from saga.blocking_sessions()"),
        (
            "worker-relay",
            "shop",
            "update messaging.outbox set due_at = due_at",
        ),
    ] {
        assert_eq!(
            rig.sql(role, database, statement).await,
            Ok(()),
            "{role}: {statement}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_payments_may_publish_payment_events_and_nobody_may_declare() {
    let rig = Rig::start().await;
    let users = [
        "api",
        "payments",
        "worker-payments",
        "worker-async",
        "worker-relay",
        "operator",
        "doctor",
    ];
    for (exchange, key, may) in [
        (
            "payments_events",
            "transaction_completed",
            &["payments"][..],
        ),
        ("messages", "send_welcome_email", &["worker-relay"]),
        (
            "payments_events_queue.retry",
            "payments_events_queue.retry.4s",
            &["worker-payments"],
        ),
        ("messages.retry", "messages.retry.4s", &["worker-async"]),
        ("failed", "", &["worker-payments", "worker-async"]),
        ("redrive", "payments_events_queue", &["operator", "api"]),
        ("", "payments_events_queue", &[]),
        ("", "failed", &[]),
    ] {
        for user in users {
            let allowed = rig.may_publish(user, exchange, key).await;
            assert_eq!(allowed, may.contains(&user), "{user} to `{exchange}`");
        }
    }
    for (queue, may) in [
        ("payments_events_queue", &["worker-payments"][..]),
        ("messages", &["worker-async"]),
        ("failed", &["operator", "api"]),
    ] {
        for user in users {
            let allowed = rig.may_consume(user, queue).await;
            assert_eq!(allowed, may.contains(&user), "{user} from {queue}");
        }
    }
    for user in users {
        assert!(!rig.may_declare(user).await, "{user}");
    }
}

/// Autoscaling reads the shop's database in the doctor's role.
#[tokio::test(flavor = "multi_thread")]
async fn the_scaling_queries_run_in_their_role() {
    let rig = Rig::start().await;
    let objects = manifests("components/keda");
    let triggers = objects
        .iter()
        .filter_map(|object| object["spec"]["triggers"].as_array());
    let queries: Vec<_> = triggers
        .flatten()
        .filter_map(|trigger| trigger["metadata"]["query"].as_str())
        .collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        assert_eq!(rig.sql("doctor", "shop", query).await, Ok(()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_may_leave_a_transaction_idle() {
    let rig = Rig::start().await;
    for pool in [&rig.system.shop, &rig.system.payments] {
        let without: Vec<String> = sqlx::query_scalar(
            "select rolname from pg_roles
             where rolname in ('api', 'operator', 'doctor', 'payments', 'worker-saga', 'worker-payments', 'worker-async',
                               'worker-relay')
               and not coalesce(rolconfig @> '{idle_in_transaction_session_timeout=60s}', false)",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert!(without.is_empty(), "{without:?}");
    }
}
