//! Whoever gives up while a transaction begins leaves none behind.

use db::PoolConfig;
use futures::poll;
use sqlx::PgPool;

/// A pool of one connection, so that everybody gets the same.
async fn one() -> PgPool {
    let url = testkit::database("payments", &db::PAYMENTS).await;
    db::connect(&url, &PoolConfig::new("test", 1)).unwrap()
}

/// Whether two statements find themselves in one transaction, that nobody here began.
async fn is_open(pool: &PgPool) -> bool {
    let id =
        || sqlx::query_scalar::<_, String>("select pg_current_xact_id()::text").fetch_one(pool);
    id().await.unwrap() == id().await.unwrap()
}

#[tokio::test]
async fn a_beginning_that_is_given_up_leaves_no_transaction_open() {
    let pool = one().await;
    assert!(!is_open(&pool).await);
    for polls in 1..20 {
        {
            let mut begun = std::pin::pin!(db::begin(&pool));
            for _ in 0..polls {
                if poll!(begun.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert!(!is_open(&pool).await, "after {polls} polls");
    }
}
