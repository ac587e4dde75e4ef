//! Operators see payments through its API, and through its database only if that is payments' own.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Buyer, Level1, System, SystemOptions, eventually};

use super::{hurried, impatient, saga_of, shopctl::lines, text};

/// The exit code and the output of a command.
struct Ran {
    code: i32,
    out: String,
    talk: String,
}

fn run(command: &mut Command, arguments: &[&str]) -> Ran {
    let output = command.args(arguments).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        talk: String::from_utf8(output.stderr).unwrap(),
    }
}

/// shopctl with all settings. Beside a payments service of another team, our own payments database
/// stays set.
fn shopctl(system: &System, arguments: &[&str]) -> Ran {
    run(&mut system.command("shopctl"), arguments)
}

/// shopctl with payments' API alone.
fn without_database(system: &System, arguments: &[&str]) -> Ran {
    let mut command = system.command("shopctl");
    run(command.env_remove("PAYMENTS_DATABASE_URL"), arguments)
}

fn result(doctor: &Ran, id: &str) -> String {
    let checks = lines(&doctor.out);
    let check = checks.iter().find(|check| check["id"] == id);
    text(check.unwrap(), "result").to_owned()
}

const DOCTOR: [&str; 7] = [
    "doctor",
    "--without",
    "bindings",
    "--grace",
    "0",
    "-o",
    "json",
];

async fn completed(buyer: &Buyer<'_>) -> Value {
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_foreign_service_our_empty_database_says_nothing() {
    let system = System::prepare(SystemOptions {
        level1: true,
        ..impatient()
    })
    .await;
    let payments = Level1::start(&system).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, paid) = buyer.order().await;
    assert!(payments.pay(text(&paid, "transaction_id")).await);
    buyer.awaits(text(&paid, "id"), "completed").await;
    let (_, waiting) = buyer.order().await;
    buyer.awaits(text(&waiting, "id"), "awaiting_payment").await;

    let shown = shopctl(&system, &["order", "show", text(&paid, "id")]);
    assert_eq!(shown.code, 0, "{}", shown.talk);
    assert!(!shown.talk.contains("has no transaction"), "{}", shown.talk);
    assert!(
        shown.talk.contains("payments does not offer this"),
        "{}",
        shown.talk
    );

    let why = shopctl(&system, &["why", text(&waiting, "id"), "-o", "json"]);
    assert_eq!(why.code, 0, "{}{}", why.out, why.talk);
    let why = lines(&why.out).remove(0);
    assert_eq!(text(&why, "code"), "waiting-for-signal", "{why}");

    let doctor = shopctl(&system, &DOCTOR);
    assert_eq!(doctor.code, 6, "{}", doctor.talk);
    for id in ["I2", "I3", "I5"] {
        assert_eq!(result(&doctor, id), "not checked", "{}", doctor.talk);
    }
    assert_eq!(result(&doctor, "trusted-events"), "warning");
    assert!(
        doctor.talk.contains("does not name its database"),
        "{}",
        doctor.talk
    );
    assert!(doctor.talk.contains("neither the read"), "{}", doctor.talk);
    let left_out = ["doctor", "--without", "payments,bindings"];
    let doctor = shopctl(&system, &left_out);
    assert_eq!(doctor.code, 0, "{}", doctor.talk);

    let known = shopctl(&system, &["payments", "-o", "json"]);
    assert_eq!(known.code, 0, "{}", known.talk);
    let known = lines(&known.out).remove(0);
    assert_eq!(
        (&known["level"], &known["events"]),
        (&1.into(), &"trusted".into())
    );
    for part in [
        "tombstone",
        "read",
        "bulk_read",
        "problem_types",
        "signed_events",
    ] {
        assert_eq!(known["parts"][part], false, "{known}");
    }
    assert_eq!(known["database"]["read"], false, "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_api_alone_is_enough_for_an_operator() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let paid = completed(&buyer).await;
    let (_, canceled) = buyer.order().await;
    buyer.cancel(text(&canceled, "id")).await;
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    let (_, waiting) = buyer.order().await;

    let shown = without_database(&system, &["order", "show", text(&paid, "id"), "-o", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.talk);
    let shown = lines(&shown.out).remove(0);
    assert_eq!(text(&shown["transaction"], "status"), "paid", "{shown}");

    let doctor = without_database(&system, &DOCTOR);
    assert_eq!(doctor.code, 0, "{}", doctor.talk);
    for id in ["I2", "I3", "I5"] {
        assert_eq!(result(&doctor, id), "holds", "{}", doctor.talk);
    }
    assert!(
        doctor.talk.contains("without payments' database"),
        "{}",
        doctor.talk
    );
    assert!(doctor.talk.contains("level 2"), "{}", doctor.talk);

    // the event of a payment is lost, and the operator gives the signal by hand
    system.stop("worker");
    system.spawn("worker saga async relay").await;
    buyer.pay(text(&waiting, "transaction_id")).await;
    let saga = saga_of(&system, &waiting).await;
    let why = without_database(&system, &["why", &saga, "-o", "json"]);
    let evidence = lines(&why.out)[0]["evidence"].to_string();
    assert!(
        evidence.contains(r#"{"name":"status","value":"paid"}"#),
        "{evidence}"
    );
    let reason = ["--reason", "its event is lost", "--yes"];
    let lie = [
        &["saga", "signal", &saga, "transaction_canceled"],
        &reason[..],
    ]
    .concat();
    assert_eq!(without_database(&system, &lie).code, 4);
    let signal = [
        &["saga", "signal", &saga, "transaction_completed"],
        &reason[..],
    ]
    .concat();
    let signaled = without_database(&system, &signal);
    assert_eq!(signaled.code, 0, "{}", signaled.talk);
    buyer.awaits(text(&waiting, "id"), "completed").await;

    sqlx::query("update payments.transaction set amount = amount + 1 where order_id = $1::uuid")
        .bind(text(&paid, "id"))
        .execute(&system.payments)
        .await
        .unwrap();
    let doctor = without_database(&system, &DOCTOR);
    assert_eq!(doctor.code, 1, "{}", doctor.talk);
    assert_eq!(result(&doctor, "I3"), "violated", "{}", doctor.talk);
}

fn payments_report(system: &System) -> Value {
    let mut command = system.command("shopctl");
    lines(&run(&mut command, &["payments", "-o", "json"]).out).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_read_only_if_payments_owns_it() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    completed(&buyer).await;
    let ours = payments_report(&system);
    assert_eq!(
        (&ours["level"], &ours["database"]["read"]),
        (&2.into(), &true.into()),
        "{ours}"
    );
    assert_eq!(text(&ours, "events"), "asked");

    let own: String = sqlx::query_scalar("select instance_id::text from payments.instance")
        .fetch_one(&system.payments)
        .await
        .unwrap();
    let rename = async |name: &str| {
        sqlx::query("update payments.instance set instance_id = $1::uuid")
            .bind(name)
            .execute(&system.payments)
            .await
            .unwrap();
    };
    rename("00000000-0000-0000-0000-000000000001").await;
    let other = payments_report(&system);
    assert_eq!(other["database"]["read"], false, "{other}");
    assert!(
        text(&other["database"], "why").contains("it is not verified"),
        "{other}"
    );
    let doctor = shopctl(&system, &DOCTOR);
    assert_eq!(doctor.code, 6, "{}", doctor.talk);
    assert_eq!(result(&doctor, "I3"), "holds", "{}", doctor.talk);
    assert_eq!(result(&doctor, "I5"), "not checked", "{}", doctor.talk);

    // while payments is away, its workers' notes prove its database
    rename(&own).await;
    eventually("the worker to note payments' database", || async {
        let noted: Option<String> = sqlx::query_scalar(
            "select notes->>'payments_instance' from saga.heartbeat where 'payments' = any(roles)",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap();
        noted.as_ref() == Some(&own)
    })
    .await;
    system.stop("payments");
    let unreachable = payments_report(&system);
    assert_eq!(unreachable["database"]["read"], true, "{unreachable}");
    assert_eq!(unreachable["level"], Value::Null, "{unreachable}");
    let doctor = shopctl(&system, &DOCTOR);
    assert_eq!(doctor.code, 0, "{}", doctor.talk);
}
