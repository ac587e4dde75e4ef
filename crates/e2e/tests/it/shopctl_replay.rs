//! A saga is exported and replayed elsewhere; and every verb runs while other processes are down.

use std::collections::HashMap;

use serde_json::Value;
use testkit::{System, eventually};

use crate::{
    hurried,
    shopctl::{lines, shopctl, shopctl_with},
    shopctl_verbs::masked,
    text,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_saga_says_who_nobody_is_and_replays_offline() {
    let system = System::prepare(hurried()).await;
    for role in [
        "payments",
        "api",
        "worker saga async relay",
        "worker payments",
    ] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, paid) = buyer.order().await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    // payments' own event of the cancellation is delivered last, so that all runs are alike
    system.stop("worker payments");
    let (_, canceled) = buyer.order().await;
    buyer.cancel(text(&canceled, "id")).await;
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    let (_, held) = buyer.order().await;
    let held = text(&held, "id");
    let saga = |order: &str| {
        let listed = shopctl(&system, &["saga", "list", "--order", order, "-o", "json"]).1;
        text(&lines(&listed)[0], "saga_id").to_owned()
    };
    let run_action = |verb: &str| {
        let because = ["--reason", "Ada Lovelace called", "--yes"];
        let held = saga(held);
        let arguments = [&["saga", verb, &held], &because[..]].concat();
        let (code, _, talk) = shopctl(&system, &arguments);
        assert_eq!(code, 0, "{talk}");
    };
    run_action("pause");
    buyer.cancel(held).await; // kept
    run_action("resume");
    buyer.awaits(held, "canceled").await;
    system.spawn("worker payments").await;
    let nowhere = [
        ("SHOP_DATABASE_URL", "postgres://127.0.0.1:1/x"),
        ("AMQP_URL", "amqp://127.0.0.1:1"),
    ];
    eventually("payments' own word on both has arrived", async || {
        let heard: i64 = sqlx::query_scalar(
            "select count(*) from saga.signal where name = 'transaction_canceled'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap();
        heard == 2
    })
    .await;
    let (mut seen, mut ids) = (String::new(), HashMap::new());
    for (name, order) in [
        ("paid", text(&paid, "id")),
        ("canceled", text(&canceled, "id")),
        ("held", held),
    ] {
        let (code, export, talk) = shopctl(&system, &["saga", "export", &saga(order)]);
        assert_eq!(code, 0, "{talk}");
        for secret in [order, &saga(order), "Lovelace", "@", "user_id"] {
            assert!(!export.contains(secret), "{secret} in {export}");
        }
        let file = system.log(name);
        std::fs::write(&file, &export).unwrap();
        let (code, talk) = shopctl_with(
            &system,
            &nowhere,
            &["saga", "replay", file.to_str().unwrap()],
        );
        assert_eq!(code, 0, "{name}: {talk}");
        seen.extend(["# ", name, "\n"]);
        let out = shopctl(&system, &["saga", "replay", file.to_str().unwrap()]).1;
        let trimmed: Vec<_> = out.lines().map(str::trim_end).collect();
        seen.push_str(&masked(&trimmed.join("\n"), &mut ids));
        seen.push('\n');
    }
    insta::assert_snapshot!("replay", seen);
    // a journal that contradicts the machine's decision
    let file = system.log("paid");
    let mut export: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let journal = export["journal"].as_array_mut().unwrap();
    let done = journal
        .iter_mut()
        .find(|event| event["fact"]["kind"] == "done")
        .unwrap();
    done["fact"]["kind"] = "transient".into();
    std::fs::write(&file, export.to_string()).unwrap();
    let (code, talk) = shopctl_with(
        &system,
        &nowhere,
        &["saga", "replay", file.to_str().unwrap()],
    );
    assert_eq!(code, 1);
    assert!(
        talk.contains("revision 2: the machine says running, the journal waiting"),
        "{talk}"
    );
}

/// With any dependency down, each verb works or names the sources that it could not read.
#[tokio::test(flavor = "multi_thread")]
async fn during_outages_each_verb_works_or_names_the_missing_source() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let order = text(&order, "id").to_owned();
    eventually("the mail is sent", async || {
        let messages = shopctl(
            &system,
            &["outbox", "list", "--kind", "message", "-o", "json"],
        )
        .1;
        messages.is_empty()
    })
    .await;
    for role in ["api", "payments", "worker"] {
        system.kill(role);
    }
    let down = [
        ("AMQP_URL", "amqp://127.0.0.1:1"),
        ("PAYMENTS_DATABASE_URL", "postgres://127.0.0.1:1/payments"),
    ];
    let saga = shopctl(&system, &["saga", "list", "--order", &order, "-o", "json"]).1;
    let saga = text(&lines(&saga)[0], "saga_id").to_owned();
    for (arguments, expected, says) in [
        (&["saga", "list"][..], 0, "1 saga"),
        (&["saga", "show", &saga], 0, "waiting"),
        (&["saga", "stats"], 0, "1 sagas"),
        (&["saga", "stats", "--by", "cause"], 0, "1 live sagas"),
        (&["saga", "list", "--stuck"], 0, "0 sagas"),
        (&["saga", "why", &saga], 0, "Not seen: RabbitMQ"),
        (&["saga", "why", &saga], 0, "Not seen: payments"),
        (&["saga", "trace", &saga], 0, "trace id"),
        (&["saga", "check-compat"], 0, "works on every live saga"),
        (&["saga", "plan"], 0, ""),
        (&["saga", "export", &saga], 0, ""),
        (&["outbox", "list"], 0, "1 entry"),
        (&["audit", "list"], 0, "0 acts"),
        (&["batch", "list"], 0, "0 plans"),
        (
            &["order", "show", &order],
            0,
            "Not all was seen: payments cannot be seen",
        ),
        (&["doctor"], 6, "3 not checked"),
        (
            &["saga", "pause", &saga, "--reason", "r", "--yes"],
            0,
            "Done",
        ),
        (
            &["saga", "resume", &saga, "--reason", "r", "--yes"],
            0,
            "Done",
        ),
        (&["failed", "list"], 6, "RabbitMQ"),
        (&["failed", "show", "m"], 6, "RabbitMQ"),
        (
            &["failed", "retry", "--all", "--reason", "r", "--yes"],
            6,
            "RabbitMQ",
        ),
        (
            &["failed", "drop", "m", "--reason", "r", "--yes"],
            6,
            "RabbitMQ",
        ),
        (
            &[
                "saga",
                "signal",
                &saga,
                "transaction_completed",
                "--reason",
                "r",
                "--yes",
            ],
            6,
            "payments",
        ),
    ] {
        let (code, talk) = shopctl_with(&system, &down, arguments);
        assert_eq!(code, expected, "{arguments:?}: {talk}");
        assert!(talk.contains(says), "{arguments:?}: {talk}");
    }
}
