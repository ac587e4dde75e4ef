//! The whole system with a payments service of another team, which offers level 1 of
//! `docs/payments-contract.md` and no more; and the conformance run against both kinds of service.

use std::{process::Output, time::Duration};

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Buyer, Level1, System, SystemOptions, eventually, eventually_some, within};

use super::{hurried, impatient, text};

/// The shop's processes beside a payments service of another team.
async fn shop_with_level_1(options: SystemOptions) -> (System, Level1) {
    let options = SystemOptions {
        level1: true,
        ..options
    };
    let system = System::prepare(options).await;
    let payments = Level1::start(&system).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    (system, payments)
}

fn failed_events(system: &System) -> String {
    system.run("shopctl", &["failed", "list", "-o", "json"])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_specified_contract_of_payments_is_enough() {
    let (system, payments) = shop_with_level_1(impatient()).await;
    let buyer = system.buyer().await;
    let before = system.available("enamel-mug").await;
    let transaction = async |order: &Value| payments.transaction(text(order, "id")).await.unwrap();

    let (status, paid) = buyer.order().await;
    assert_eq!(status, StatusCode::CREATED, "{paid}");
    let (id, _) = transaction(&paid).await;
    assert_eq!(text(&paid, "transaction_id"), id, "payments chose the id");
    assert!(payments.pay(&id).await);
    buyer.awaits(text(&paid, "id"), "completed").await;

    let (_, canceled) = buyer.order().await;
    buyer.cancel(text(&canceled, "id")).await;
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    assert_eq!(transaction(&canceled).await.1, "canceled");

    let (_, refused) = buyer.order().await;
    assert!(payments.cancel(&transaction(&refused).await.0).await);
    buyer.awaits(text(&refused, "id"), "canceled").await;

    let (_, late) = buyer.order().await;
    for hasten in [
        "update saga.saga set deadline = clock_timestamp() where state = 'waiting'",
        "update messaging.outbox set due_at = clock_timestamp() where kind = 'timer'",
    ] {
        sqlx::query(hasten).execute(&system.shop).await.unwrap();
    }
    buyer.awaits(text(&late, "id"), "canceled").await;
    assert_eq!(transaction(&late).await.1, "canceled");

    // the answers to its creation are lost until the saga gives up, and then until it is undone
    payments.lose_answers(true);
    let (_, lost) = buyer.order().await;
    eventually("the order to be canceling", || async {
        let order = buyer.find_order(text(&lost, "id")).await;
        order.is_some_and(|order| order["canceling"] == true)
    })
    .await;
    payments.lose_answers(false);
    buyer.awaits(text(&lost, "id"), "canceled").await;
    assert_eq!(transaction(&lost).await.1, "canceled");

    system.settle().await;
    assert_eq!(system.available("enamel-mug").await, before - 1);
    system.assert_whole().await;
    assert_eq!(failed_events(&system), "");
}

/// The answers to the creation are lost and the payer has paid: the event names a transaction that the
/// shop does not know yet. The saga still asks in the first case, and has given up in the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_overtakes_the_answer_completes_the_order() {
    for gives_up in [false, true] {
        let options = if gives_up { impatient() } else { hurried() };
        let (system, payments) = shop_with_level_1(options).await;
        let buyer = system.buyer().await;
        payments.lose_answers(true);
        let (_, order) = buyer.order().await;
        let (id, _) = payments.transaction(text(&order, "id")).await.unwrap();
        assert!(payments.pay(&id).await);
        if gives_up {
            eventually("the order to be canceling", || async {
                let order = buyer.find_order(text(&order, "id")).await;
                order.is_some_and(|order| order["canceling"] == true)
            })
            .await;
        }
        payments.lose_answers(false);
        let completed = buyer.awaits(text(&order, "id"), "completed").await;
        assert_eq!(text(&completed, "transaction_id"), id);
    }
}

/// Without a signature and without a read, nothing proves an event: it goes to `failed` with what to
/// do, and the order still ends.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nothing_proves_leaves_no_order_hanging() {
    let mut options = impatient();
    options.level1 = true;
    let system = System::prepare(options).await;
    let payments = Level1::start(&system).await;
    for role in ["api", "worker"] {
        system
            .spawn_with(role, &[("PAYMENTS_EVENTS", "asked")])
            .await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let (id, _) = payments.transaction(text(&order, "id")).await.unwrap();
    assert!(payments.pay(&id).await);
    let failed = eventually_some("the event to be in `failed`", || async {
        let failed = failed_events(&system);
        failed.contains(&id).then_some(failed)
    })
    .await;
    assert!(failed.contains("PAYMENTS_EVENTS=trusted"), "{failed}");
    // payments says that it is paid when it is asked to cancel
    buyer.cancel(text(&order, "id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
}

/// How an order of the storm is decided.
async fn decide(n: usize, payments: &Level1, buyer: &Buyer<'_>, order: &str) {
    // a creation that gets no answer may never have taken effect
    let transaction = within(
        Duration::from_mins(2),
        "a transaction, or the order's end",
        || async {
            if let Some((id, _)) = payments.transaction(order).await {
                return Some(Some(id));
            }
            let ended = buyer.find_order(order).await?["status"] == "canceled";
            ended.then_some(None)
        },
    )
    .await;
    match (n % 4, transaction) {
        (0, Some(id)) => drop(payments.pay(&id).await),
        (1, Some(id)) => drop(payments.cancel(&id).await),
        (2, _) => drop(buyer.cancel(order).await),
        _ => {} // its deadline passes
    }
}

/// Payers pay and cancel, customers cancel, deadlines pass; payments fails and loses answers; the
/// worker is killed again and again. 500 orders in a wide run.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_beside_a_foreign_service_ends_each_order_right() {
    let number = if std::env::var_os("TEST_WIDE").is_some() {
        500
    } else {
        40
    };
    let (system, payments) = shop_with_level_1(impatient()).await;
    let buyer = system.buyer().await;
    payments.disturb(true);
    let mut orders = Vec::new();
    for batch in (0..number).collect::<Vec<_>>().chunks(20) {
        let placed = batch.iter().map(|_| buyer.order());
        let placed: Vec<_> = join_all(placed).await;
        let ids: Vec<_> = placed
            .iter()
            .map(|(_, order)| text(order, "id").to_owned())
            .collect();
        let decided = batch
            .iter()
            .zip(&ids)
            .map(|(n, id)| decide(*n, &payments, &buyer, id));
        let killed = async {
            system.kill("worker");
            system.spawn("worker").await;
        };
        tokio::join!(join_all(decided), killed);
        orders.extend(ids);
    }
    within(
        Duration::from_mins(10),
        "each saga to be at rest",
        || async {
            for hasten in [
                "update saga.saga set deadline = clock_timestamp() where state = 'waiting'",
                "update messaging.outbox set due_at = clock_timestamp() where kind = 'timer'",
            ] {
                sqlx::query(hasten).execute(&system.shop).await.ok()?;
            }
            let live: i64 =
                sqlx::query_scalar("select count(*) from saga.saga where ended_at is null")
                    .fetch_one(&system.shop)
                    .await
                    .ok()?;
            (live == 0).then_some(())
        },
    )
    .await;
    payments.disturb(false);
    system.settle().await;
    system.assert_whole().await;
    let mut completed = 0;
    for id in &orders {
        let order = buyer.find_order(id).await.unwrap();
        let status = text(&order, "status");
        assert!(matches!(status, "completed" | "canceled"), "{order}");
        completed += usize::from(status == "completed");
    }
    assert!(completed > 0, "some payers paid");
    let mut doctor = system.command("shopctl");
    doctor
        .args(["doctor", "--without", "bindings", "--grace", "0"])
        .env_remove("PAYMENTS_DATABASE_URL");
    let doctor = doctor.output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stderr);
    assert_eq!(doctor.status.code(), Some(6), "{said}");
    assert!(
        said.contains("8 of 11 invariants hold, 3 not checked"),
        "{said}"
    );
    assert!(said.contains("payments: it has neither the read"), "{said}");
}

fn check(system: &System, arguments: &[&str]) -> Output {
    let key = system.setting("SERVICE_SIGNING_KEY_FILE").to_owned();
    let mut command = system.command("payments-check");
    command.args(arguments).args(["--key-file", &key]);
    command.args(["--amqp", &system.amqp_url]);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_is_found_to_be_of_level_2() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api"] {
        system.spawn(role).await; // the api publishes the keys of tokens
    }
    let output = check(&system, &[&system.payments_url, "--level", "2"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("level 2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_service_is_found_to_be_of_level_1() {
    let system = System::prepare(SystemOptions::default()).await;
    let _payments = Level1::start(&system).await;
    let output = check(&system, &[&system.payments_url]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("level 1"), "{said}");
    let demanded = check(&system, &[&system.payments_url, "--level", "2"]);
    assert_eq!(demanded.status.code(), Some(1));
}
