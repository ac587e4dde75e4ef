//! A system without orders leaves its database alone.

use std::time::Duration;

use sqlx::PgPool;
use testkit::{System, SystemOptions};

/// Transactions that an idle system may send to a database in [`WINDOW`].
const FEW: i64 = 400;
const WINDOW: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_system_sends_few_transactions() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.pay(crate::text(&order, "transaction_id")).await;
    buyer.awaits(crate::text(&order, "id"), "completed").await;
    system.settle().await;
    let counted = async || {
        let (shop, payments) = (&system.shop, &system.payments);
        [transactions(shop).await, transactions(payments).await]
    };
    let before = counted().await;
    tokio::time::sleep(WINDOW).await; // what is measured, not what is waited for
    let after = counted().await;
    let sent = [after[0] - before[0], after[1] - before[1]];
    assert!(
        sent.iter().all(|sent| (1..FEW).contains(sent)),
        "{sent:?} transactions in {WINDOW:?} at shop and payments"
    );
}

async fn transactions(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}
