//! An outage of payments under load: ten minutes in the wide run only; `OUTAGE_SECONDS` sets another
//! length for any run.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Buyer, System, within};

use super::{file, prometheus::Prometheus};
use crate::{hurried, outage_length, text};

/// Between two orders.
const PACE: Duration = Duration::from_secs(2);
/// Longest recovery after the outage; generous, as a slow machine must not fail a test.
const DEADLINE: Duration = Duration::from_mins(5);

/// Runs a command line of `shopctl`. Returns its exit code and the objects that it prints.
fn shopctl(system: &System, line: &str) -> (i32, Vec<Value>) {
    let words = shlex::split(line).unwrap();
    let mut command = system.command("shopctl");
    let output = command
        .args(words.iter().skip(1))
        .args(["-o", "json"])
        .output();
    let output = output.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {out}")));
    (output.status.code().unwrap(), lines.collect())
}

/// The command of docs/shopctl.md that begins like this.
fn recipe(begin: &str) -> String {
    let page = file("docs/shopctl.md");
    let line = page.lines().find(|line| line.starts_with(begin));
    line.unwrap_or_else(|| panic!("docs/shopctl.md has no `{begin}`"))
        .to_owned()
}

/// A token of the system's one account that lives as long as the test.
async fn long_token(system: &System) -> String {
    let user: uuid::Uuid = sqlx::query_scalar(r#"select user_id from auth."user""#)
        .fetch_one(&system.shop)
        .await
        .unwrap();
    let key = system.signing_key();
    let signer = tokens::Signer::from_pem(&key, kernel::Clock::System).unwrap();
    signer.access_token(user.into(), &[], Duration::from_hours(1))
}

async fn ordered(buyer: &Buyer<'_>, product: &str, number: usize) -> String {
    let answer = buyer.try_order(product, 1, &format!("away-{number}")).await;
    let answer = answer.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let order: Value = answer.json().await.unwrap();
    text(&order, "id").to_owned()
}

/// Orders at a steady pace until the end, with a look at doctor every ten orders.
async fn orders_during(system: &System, buyer: &Buyer<'_>, time: Duration) -> Vec<String> {
    let product = system.product("enamel-mug").await;
    let begun = Instant::now();
    let mut pace = tokio::time::interval(PACE);
    let mut orders = Vec::new();
    while begun.elapsed() < time {
        pace.tick().await;
        orders.push(ordered(buyer, &product, orders.len()).await);
        if orders.len().is_multiple_of(10) {
            let (code, report) = shopctl(system, "shopctl doctor --without bindings");
            // 6: a source could not be read
            assert!(matches!(code, 0 | 6), "exit code {code}: {report:#?}");
        }
    }
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_payments_pages_and_breaks_no_invariant() {
    let Some(time) = outage_length() else { return };
    let mut options = hurried();
    options.env.extend([
        ("CENSUS_INTERVAL_MS", "200".to_owned()),
        ("SAGA_RETRY_CAP_MS", "30000".to_owned()),
    ]);
    let system = System::start(options).await;
    sqlx::query("update commerce.stock set received = received + 10000")
        .execute(&system.shop)
        .await
        .unwrap();
    system.buyer().await;
    let buyer = system.returning(long_token(&system).await);
    let prometheus = Prometheus::start(&system, &["api", "worker"]);
    prometheus.rests(&["saga_stuck"], &["SagaStuck"]).await;

    system.stop("payments");
    let paged = async {
        let cause = [("cause", "participant-unreachable")];
        prometheus.raises("SagaStuck", &cause).await;
    };
    let (orders, ()) = tokio::join!(orders_during(&system, &buyer, time), paged);
    prometheus.rests(&[] as &[&str], &["InvariantBroken"]).await;

    system.spawn("payments").await;
    let (code, preview) = shopctl(&system, &recipe("shopctl saga retry --error"));
    assert_eq!(code, 0);
    let plan = preview[0]["plan"].to_string();
    for canary in [
        "shopctl apply $PLAN --first 1",
        "shopctl apply $PLAN --rps 20",
    ] {
        let line = recipe(canary).replace("$PLAN", &plan);
        let (code, results) = shopctl(&system, &format!("{line} --yes"));
        assert_eq!(code, 0, "{line}: {results:#?}");
    }
    for order in &orders {
        let healed = within(DEADLINE, "an order to await its payment", || async {
            let order = buyer.find_order(order).await?;
            (order["status"] == "awaiting_payment").then_some(order)
        });
        buyer.pay(text(&healed.await, "transaction_id")).await;
    }
    for order in &orders {
        within(DEADLINE, "an order to be completed", || async {
            let order = buyer.find_order(order).await?;
            (order["status"] == "completed").then_some(())
        })
        .await;
    }
    eprintln!("{} orders placed and healed", orders.len());
    prometheus.rests(&[] as &[&str], &["InvariantBroken"]).await;
    system.settle().await;
    system.assert_whole().await;
}
