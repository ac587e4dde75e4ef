//! `saga why`: each situation is created on the real system, and `why` names it, with its evidence.

mod decisions;
mod drills;
mod steps;

use std::cell::RefCell;

use operator::cause::Code;
use serde_json::{Value, json};
use testkit::{Buyer, System, SystemOptions, eventually};

use crate::{hurried, text};

fn with(settings: &[(&'static str, &str)], proxies: bool) -> SystemOptions {
    let mut options = hurried();
    for (name, value) in settings {
        options.env.insert(name, (*value).to_owned());
    }
    options.proxies = proxies;
    options
}

/// The output of `shopctl saga why`, with its exit code.
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

/// Waits until the cause is this one, in JSON and in the table, and checks its evidence.
pub(crate) async fn assert_cause(
    system: &System,
    saga: &str,
    cause: &str,
    evidence: &[&str],
) -> Value {
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
