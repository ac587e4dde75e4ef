//! An order's life can be read from the logs alone.

use std::fs;

use serde_json::Value;
use testkit::{System, SystemOptions, eventually};

use crate::text;

const ROLES: [&str; 3] = ["api", "payments", "worker"];
/// Bytes that a completed order may add to the logs of all processes.
const BYTES_PER_ORDER: usize = 2_048;

fn lines(system: &System) -> Vec<Value> {
    let logs = ROLES.map(|role| fs::read_to_string(system.log(role)).unwrap());
    let lines = logs.iter().flat_map(|log| log.lines());
    lines
        .map(|line| serde_json::from_str(line).expect("a log line is JSON"))
        .collect()
}

/// The lines that name this order, in the order of their times: message and line.
fn lines_of(system: &System, order: &str) -> Vec<(String, Value)> {
    let mut lines: Vec<_> = lines(system)
        .into_iter()
        .filter(|line| line["order.id"] == order)
        .collect();
    lines.sort_by_key(|line| line["timestamp"].as_str().unwrap().to_owned());
    let named = lines.into_iter();
    named
        .map(|line| (line["message"].as_str().unwrap().to_owned(), line))
        .collect()
}

async fn logged(system: &System, order: &str, message: &str) {
    let there = async || lines_of(system, order).iter().any(|(it, _)| it == message);
    eventually(&format!("`{message}` in the log of {order}"), there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_can_be_followed_in_the_logs() {
    let mut options = SystemOptions::default();
    options.env.insert("RUST_LOG", "info".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;

    let (_, order) = buyer.order().await;
    let paid = text(&order, "id");
    buyer.pay(text(&order, "transaction_id")).await;
    logged(&system, paid, "Order is completed").await;
    logged(&system, paid, "Sent send_order_confirmation").await;
    let lines = lines_of(&system, paid).into_iter();
    let written: usize = lines.map(|(_, line)| line.to_string().len() + 1).sum();
    assert!(written <= BYTES_PER_ORDER, "{written} bytes for one order");

    let (_, order) = buyer.order().await;
    let canceled = text(&order, "id");
    assert_eq!(buyer.cancel(canceled).await.status(), 202);
    logged(&system, canceled, "Order is canceled").await;

    for (order, end) in [
        (paid, "Order is completed"),
        (canceled, "Order is canceled"),
    ] {
        let lines = lines_of(&system, order);
        let [accepted, awaits, end] =
            ["Accepted order", "Order awaits its payment", end].map(|message| {
                let line = lines.iter().find(|(it, _)| it == message);
                line.unwrap_or_else(|| panic!("no `{message}`: {lines:#?}"))
                    .1
                    .clone()
            });
        assert_eq!(end["order.reason"].is_string(), order == canceled, "{end}");
        for line in [&awaits, &end] {
            assert!(line["elapsed_ms"].as_u64().is_some(), "{line}");
            assert!(line["saga.id"].is_string(), "{line}");
            assert!(line["trace_id"].is_string(), "{line}");
            assert_eq!(line["trace_id"], accepted["trace_id"]);
        }
    }
}
