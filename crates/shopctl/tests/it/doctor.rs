//! A check that did not run is neither well nor ill: the exit code says so.

use serde_json::json;

use crate::place::{Place, ran};

const NOWHERE: &str = "postgres://app:hush@127.0.0.1:1/payments";

#[tokio::test]
async fn a_check_that_could_not_run_is_exit_code_6() {
    let place = Place::open().await;
    let ran = place.run(&["doctor"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let summary = "8 of 11 invariants hold, 3 not checked, 8 rules of hygiene not checked: \
                   payments: PAYMENTS_URL is not set; RabbitMQ: AMQP_URL is not set; \
                   RabbitMQ's bindings: RABBITMQ_MANAGEMENT_URL is not set";
    assert!(ran.err.contains(summary), "{}", ran.err);
    assert!(
        ran.err.contains("--without payments,rabbitmq,bindings"),
        "the hint can be pasted: {}",
        ran.err
    );
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_exit_code_6() {
    let place = Place::open().await;
    let mut command = place.command(&["doctor", "--without", "rabbitmq,bindings", "-o", "json"]);
    let ran = ran(command.env("PAYMENTS_DATABASE_URL", NOWHERE));
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let results = |id: &str| {
        let checks = ran.objects();
        let check = checks.iter().find(|check| check["id"] == id).cloned();
        check.unwrap()["result"].clone()
    };
    assert_eq!(results("I3"), "not checked");
    assert_eq!(results("missing-queue"), "left out");
    assert_eq!(results("I7"), "holds");
    let error: serde_json::Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&error["error"], &error["exit_code"]),
        (&json!("unreachable"), &json!(6))
    );
    assert!(!ran.err.contains("hush"), "{}", ran.err);
}

#[tokio::test]
async fn sources_left_out_by_name_are_exit_code_0() {
    let place = Place::open().await;
    let ran = place.run(&["doctor", "--without", "payments,rabbitmq,bindings"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let last = ran.err.lines().last().unwrap();
    assert_eq!(last, "8 of 11 invariants hold, 3 left out.");
}

#[tokio::test]
async fn a_violation_outweighs_a_check_that_could_not_run() {
    let place = Place::open().await;
    assert_eq!(place.run(&["seed"]).code, Some(0));
    sqlx::query("update commerce.stock set sold = sold + 1")
        .execute(&place.shop)
        .await
        .unwrap();
    let ran = place.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err
            .contains("7 of 11 invariants hold, 1 violated, 3 not checked"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn an_unknown_source_is_a_usage_error() {
    let place = Place::open().await;
    let ran = place.run(&["doctor", "--without", "mailserver"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
