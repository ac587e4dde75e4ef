//! Dumps of the first release's databases with live sagas: this release brings each saga to its
//! end.

use serde_json::Value;
use testkit::{System, SystemOptions, eventually};

use crate::{causes::assert_cause, hurried, text};

/// Dumps of both databases. They contain sagas at rest, waiting, running, compensating and paused,
/// with kept signals, and one that payments contradicts; `orders.json` names the orders.
const DUMPS: [&str; 2] = [
    include_str!("earlier/shop.sql"),
    include_str!("earlier/payments.sql"),
];
const ORDERS: &str = include_str!("earlier/orders.json");

/// Makes work that was due at the dump due relative to now.
const AS_OF_NOW: &str = "
    update saga.saga set deadline = now() + interval '1 hour' where deadline is not null;
    update messaging.outbox set due_at = case kind when 'timer' then now() + interval '1 hour' else now() end";

fn run_action(system: &System, verb: &str, saga: &str) {
    let reason = "after the upgrade";
    system.run(
        "shopctl",
        &["saga", verb, saga, "--reason", reason, "--yes"],
    );
}

async fn one(system: &System, column: &str, order: &str) -> String {
    let statement =
        format!(r#"select {column}::text from commerce."order" where order_id = $1::uuid"#);
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
        .bind(order)
        .fetch_one(&system.shop)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_of_the_release_before_come_to_rest() {
    let orders: Value = serde_json::from_str(ORDERS).unwrap();
    let order = |name: &str| text(&orders, name);
    let system = System::prepare(SystemOptions {
        dumps: Some(DUMPS),
        ..hurried()
    })
    .await;
    sqlx::raw_sql(AS_OF_NOW)
        .execute(&system.shop)
        .await
        .unwrap();
    // sentences of the previous release are read as facts
    let grace = std::time::Duration::from_hours(24 * 365);
    let violations = system.examine(grace).await.unwrap().violations;
    let checks: Vec<_> = violations.iter().map(|found| found.check).collect();
    assert_eq!(
        checks,
        ["I3"],
        "the payment of another amount: {violations:#?}"
    );
    for process in ["payments", "api", "worker"] {
        system.spawn(process).await;
    }
    let mismatch = one(&system, "saga_id", order("mismatch")).await;
    let evidence = ["what", "status"];
    assert_cause(&system, &mismatch, "payment-mismatch", &evidence).await;
    let paused = one(&system, "saga_id", order("running_paused")).await;
    let why = assert_cause(&system, &paused, "paused-by", &["by", "why", "since"]).await;
    let told = why["evidence"].to_string();
    assert!(told.contains("before the upgrade"), "{told}");

    for name in [
        "paid_while_paused",
        "canceled_while_paused",
        "running_paused",
    ] {
        run_action(
            &system,
            "resume",
            &one(&system, "saga_id", order(name)).await,
        );
    }
    let buyer = system.log_in(order("email")).await.unwrap();
    for name in ["waiting", "running", "running_paused"] {
        buyer.awaits(order(name), "awaiting_payment").await;
        buyer
            .pay(&one(&system, "transaction_id", order(name)).await)
            .await;
    }
    sqlx::query("update payments.transaction set amount = amount - 1 where order_id = $1::uuid")
        .bind(order("mismatch"))
        .execute(&system.payments)
        .await
        .unwrap();
    for (names, status) in [
        (
            &[
                "completed",
                "waiting",
                "paid_while_paused",
                "mismatch",
                "running",
                "running_paused",
            ][..],
            "completed",
        ),
        (
            &[
                "refused",
                "canceled",
                "canceled_while_paused",
                "undoing",
                "running_canceled",
            ],
            "canceled",
        ),
    ] {
        for name in names {
            eventually(&format!("{name} to be {status}"), || async {
                one(&system, "status", order(name)).await == status
            })
            .await;
        }
    }
    system.settle().await;
    system.assert_whole().await;
}
