//! Cases of docs/reliability/faults.md: each test is named after its case and states the rule.

mod broker;
mod clients;
mod database;
mod long_outages;
mod outages;
mod payments;
mod processes;
mod table;
mod unseen;

use serde_json::Value;
use sqlx::PgPool;
use testkit::{Buyer, System, SystemOptions};

use crate::{hurried, text};

/// A prepared system: each process behind proxies of its own, short leases, nothing running yet.
async fn prepared() -> System {
    System::prepare(SystemOptions {
        proxies: true,
        ..hurried()
    })
    .await
}

/// As [`prepared`], with payments, the api and these workers running.
async fn with(workers: &[&str]) -> System {
    let system = prepared().await;
    for role in [&["payments", "api"], workers].concat() {
        system.spawn(role).await;
    }
    system
}

/// As [`with`], and only workers call payments.
async fn left_to(workers: &[&str]) -> System {
    let mut options = hurried();
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    options.proxies = true;
    let system = System::prepare(options).await;
    for role in [&["payments", "api"], workers].concat() {
        system.spawn(role).await;
    }
    system
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn transactions(system: &System) -> i64 {
    count(
        &system.payments,
        "select count(*) from payments.transaction",
    )
    .await
}

/// Waits for the order's transaction, pays it, and waits until the order is completed.
async fn completes(buyer: &Buyer<'_>, order: &Value) {
    let id = text(order, "id");
    buyer.awaits(id, "awaiting_payment").await;
    buyer.pay(text(order, "transaction_id")).await;
    buyer.awaits(id, "completed").await;
}

/// Everything comes to rest, and every invariant holds.
async fn whole(system: &System) {
    system.settle().await;
    system.assert_whole().await;
}
