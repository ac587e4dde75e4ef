//! A caller that gives up while a transaction begins leaves no open transaction behind.

use std::time::Duration;

use db::PoolConfig;
use sqlx::PgPool;
use testkit::{Fault, Proxy, hangs_up_in_pause};

/// A pool of one connection, which all callers share, to a database with slow answers: a call to a
/// fast database is seldom canceled in the middle.
async fn one() -> (PgPool, Proxy) {
    let url = testkit::database("payments", &db::PAYMENTS).await;
    let address = url.split(['@', '/']).nth(3).unwrap();
    let proxy = Proxy::new(address).await;
    proxy.will(Fault::SlowAnswers(Duration::from_millis(5)));
    let url = url.replace(address, &proxy.address);
    let pool = db::connect(&url, &PoolConfig::new("test", 1)).unwrap();
    (pool, proxy)
}

/// Whether two statements run in one transaction that the test did not begin.
async fn is_open(pool: &PgPool) -> bool {
    let id =
        || sqlx::query_scalar::<_, String>("select pg_current_xact_id()::text").fetch_one(pool);
    id().await.unwrap() == id().await.unwrap()
}

#[tokio::test]
async fn a_beginning_that_is_given_up_leaves_no_transaction_open() {
    let (pool, _slow) = one().await;
    assert!(!is_open(&pool).await);
    let mut pause = 0;
    while hangs_up_in_pause(pause, db::begin(&pool)).await.is_none() {
        assert!(!is_open(&pool).await, "given up in pause {pause}");
        pause += 1;
        assert!(pause < 100, "it never begins");
    }
    assert!(pause > 0, "nobody could give up");
    assert!(!is_open(&pool).await);
}
