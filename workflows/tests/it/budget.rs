//! The cost of a checkout for the shop's database, by PostgreSQL's own statistics.

use contracts::topology::TRANSACTION_COMPLETED;
use sqlx::{PgPool, postgres::PgPoolOptions};
use workflows::submit::Submitted;

use crate::shop::{Shop, quick};

/// Number of transactions that this database has committed, including those of this query.
async fn commits(pool: &PgPool) -> i64 {
    sqlx::query("select pg_stat_force_next_flush()")
        .execute(pool)
        .await
        .unwrap();
    // the flush takes place between two statements
    sqlx::query("select 1").execute(pool).await.unwrap();
    sqlx::query_scalar(
        "select xact_commit from pg_stat_database where datname = current_database()",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn checkout(shop: &Shop, key: &str) {
    let Submitted::New { attempt, .. } = shop.try_submit(1, key, true).await.unwrap() else {
        panic!("it is new")
    };
    attempt.unwrap().await.unwrap();
    shop.signal_newest(TRANSACTION_COMPLETED).await;
}

/// A shop whose only session is the test's own.
async fn alone() -> Shop {
    let url = testkit::database("shop", &db::SHOP).await;
    let one = PgPoolOptions::new()
        .max_connections(1)
        .connect(&url)
        .await
        .unwrap();
    let shop = Shop::open_on(one, quick()).await;
    sqlx::query("create extension pg_stat_statements")
        .execute(&shop.pool)
        .await
        .unwrap();
    checkout(&shop, "warm").await;
    shop
}

#[tokio::test]
async fn a_checkout_takes_three_durable_commits() {
    let shop = alone().await;
    commits(&shop.pool).await; // prepares the query's own statements, which counts, too
    let first = commits(&shop.pool).await;
    let looking = commits(&shop.pool).await - first;
    checkout(&shop, "counted").await;
    let finding = 1; // the test itself looks up the newest saga
    let counted = commits(&shop.pool).await - first - 2 * looking - finding;
    assert_eq!(counted, 3, "created; payment initialised; completed");
}

#[tokio::test]
async fn a_checkout_takes_few_statements() {
    let shop = alone().await;
    sqlx::query(
        "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    checkout(&shop, "counted").await;
    let statements: Vec<(String, i64)> = sqlx::query_as(
        "select query, calls from pg_stat_statements
         where dbid = (select oid from pg_database where datname = current_database())
           and query not like '%pg_stat_statements%'",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let calls: i64 = statements.iter().map(|(_, calls)| calls).sum();
    // begin, lock of the key, key, prices, clock, stock, order, save, commit; begin, lock, save,
    // order, commit; begin, lock, known signals, save, order with its stock, mail, commit; and the
    // test's own lookup of the saga
    assert!(calls <= 22, "{calls}: {statements:#?}");
    assert!(calls >= 10, "they are counted: {statements:#?}");
}
