//! The operator's command line, against a running system.

use std::process::Output;

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{System, SystemOptions, eventually};

use crate::{hurried, text};

fn shopctl(system: &System, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = system.command("shopctl").args(arguments).output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_a_saga_that_waits_for_payments_and_gets_it_going_again() {
    let mut options = hurried();
    // the next attempt by itself is an hour away
    options
        .env
        .insert("SAGA_RETRY_BASE_MS", "3600000".to_owned());
    options
        .env
        .insert("SAGA_RETRY_CAP_MS", "3600000".to_owned());
    options
        .env
        .insert("SAGA_RETRY_BUDGET_MS", "36000000".to_owned());
    let system = System::prepare(options).await;
    system.spawn("payments").await;
    system.spawn("api").await;
    system.spawn("worker").await;
    system.stop("payments");
    let buyer = system.buyer().await;
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let order = text(&order, "id");

    let list = ["saga", "list", "--order", order, "-o", "json"];
    let (code, out, _) = shopctl(&system, &list);
    assert_eq!(code, 0);
    let row = lines(&out).remove(0);
    assert_eq!(text(&row, "state"), "running");
    assert_eq!(text(&row, "step"), "init_payment");
    assert!(
        text(&row, "last_error").contains("cannot be reached"),
        "{row}"
    );
    let saga = text(&row, "saga_id");

    let (code, table, talk) = shopctl(&system, &["saga", "show", saga]);
    assert_eq!(code, 0);
    assert!(table.contains("init_payment"), "{table}");
    assert!(talk.contains("last error"), "{talk}");

    let retry = ["saga", "retry", saga, "--reason", "payments is back"];
    let (code, _, talk) = shopctl(&system, &retry);
    assert_eq!(code, 1, "nobody can be asked: {talk}");
    assert!(talk.contains("--yes"), "{talk}");
    system.spawn("payments").await;
    let (code, _, talk) = shopctl(&system, &[&retry[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{talk}");
    let awaiting = buyer.awaits(order, "awaiting_payment").await;
    buyer.pay(text(&awaiting, "transaction_id")).await;
    buyer.awaits(order, "completed").await;
    let (_, out, _) = shopctl(&system, &["saga", "show", saga, "-o", "json"]);
    let life = lines(&out).remove(0);
    let mut timeline = life["timeline"].as_array().unwrap().iter();
    let asked = timeline.find(|event| event["detail"] == "retry: payments is back");
    assert!(
        asked.is_some_and(|event| !event["actor"].is_null()),
        "{out}"
    );
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_hints_tell_what_is_wrong() {
    let system = System::prepare(SystemOptions::default()).await;
    let nobody = uuid::Uuid::now_v7().to_string();
    for (arguments, expected) in [
        (vec!["doctor"], 0),
        (vec!["saga", "list"], 0),
        (vec!["saga", "show", "not-an-id"], 2),
        (vec!["saga", "show", &nobody], 3),
        (vec!["saga", "retry", &nobody, "--reason", "r", "--yes"], 3),
        (vec!["failed", "show", &nobody], 3),
        (vec!["failed", "retry", &nobody, "--yes"], 3),
        (
            vec![
                "user",
                "grant",
                "--email",
                "no@body.example",
                "--role",
                "admin",
            ],
            3,
        ),
        (
            vec!["--shop-database-url", "postgres://127.0.0.1:1/x", "doctor"],
            6,
        ),
        (
            vec!["--amqp-url", "amqp://127.0.0.1:1", "failed", "list"],
            6,
        ),
        (vec!["no-such-noun"], 2),
    ] {
        let (code, _, talk) = shopctl(&system, &arguments);
        assert_eq!(code, expected, "{arguments:?}: {talk}");
        assert!(
            code == 0 || talk.starts_with("error: "),
            "{arguments:?}: {talk}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_the_invariant_that_is_broken_and_the_order() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let id = text(&order, "id");
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(id, "completed").await;
    system.settle().await;
    assert_eq!(shopctl(&system, &["doctor", "--grace", "0"]).0, 0);
    sqlx::query("update payments.transaction set amount = amount + 1 where order_id = $1::uuid")
        .bind(id)
        .execute(&system.payments)
        .await
        .unwrap();
    let (code, out, talk) = shopctl(&system, &["doctor", "--grace", "0", "-o", "json"]);
    assert_eq!(code, 1);
    assert!(talk.contains(id), "{talk}");
    let broken: Vec<_> = lines(&out)
        .into_iter()
        .filter(|line| !line["found"].as_array().unwrap().is_empty())
        .map(|line| text(&line, "id").to_owned())
        .collect();
    assert_eq!(broken, ["I3"], "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_command_takes_effect_once_its_cause_is_gone() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    eventually("the welcome mail is sent", async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from messaging.inbox where consumer = 'messages'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap()
            == 1
    })
    .await;
    drop(buyer);
    // an account that is not there yet: its mail cannot be sent
    let id = uuid::Uuid::now_v7();
    let body = serde_json::json!({"command": "send_welcome_email", "user_id": id});
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body)
         values (gen_random_uuid(), 'message', 'messages', 'send_welcome_email', 'send_welcome_email', $1)",
    )
    .bind(body)
    .execute(&system.shop)
    .await
    .unwrap();
    eventually("it is in failed", async || {
        lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).len() == 1
    })
    .await;
    let failed = lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).remove(0);
    let message = text(&failed, "message_id");
    let (code, whole, _) = shopctl(&system, &["failed", "show", message]);
    assert_eq!(code, 0);
    assert!(whole.contains(&id.to_string()), "{whole}");
    sqlx::query(
        r#"insert into auth."user" (user_id, email, name, password_hash) values ($1, 'late@shop.example', 'Late', 'x')"#,
    )
    .bind(id)
    .execute(&system.shop)
    .await
    .unwrap();
    let (code, _, talk) = shopctl(&system, &["failed", "retry", message, "--yes"]);
    assert_eq!(code, 0, "{talk}");
    eventually("it has taken effect", async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from messaging.inbox where consumer = 'messages'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap()
            == 2
    })
    .await;
    assert!(lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).is_empty());
}
