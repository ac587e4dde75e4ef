use std::time::Duration;

use db::PoolConfig;
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use testkit::{Proxy, eventually};

const CONNECTIONS: u32 = 4;

async fn run(url: &str, statement: String) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("set default_transaction_read_only = off")
        .execute(&mut conn)
        .await
        .unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut conn)
        .await
        .unwrap();
}

async fn write(pool: &PgPool) -> sqlx::Result<()> {
    let written = sqlx::query(
        "insert into messaging.inbox (consumer, message_id) values ('test', gen_random_uuid()::text)",
    );
    written.execute(pool).await.map(drop)
}

/// Writes once on each connection concurrently, so that no connection is idle for long.
async fn all_write(pool: &PgPool) -> bool {
    join_all((0..CONNECTIONS).map(|_| write(pool)))
        .await
        .iter()
        .all(Result::is_ok)
}

#[tokio::test]
async fn read_only_sessions_leave_the_pool_once_writes_work_f55() {
    let url = testkit::database("shop", &db::SHOP).await;
    let database = url.rsplit_once('/').unwrap().1.to_owned();
    run(
        &url,
        format!("alter database {database} set default_transaction_read_only = on"),
    )
    .await;
    let pool = db::connect(&url, &PoolConfig::new("test", CONNECTIONS)).unwrap();
    assert!(!all_write(&pool).await, "the database is read-only");
    let reading = sqlx::query_scalar::<_, i64>("select count(*) from messaging.inbox")
        .fetch_one(&pool)
        .await;
    assert_eq!(reading.unwrap(), 0, "reads go on");

    run(
        &url,
        format!("alter database {database} reset default_transaction_read_only"),
    )
    .await;
    eventually("each connection writes", async || all_write(&pool).await).await;
    for _ in 0..20 {
        assert!(all_write(&pool).await, "no read-only session is left");
    }
}

#[tokio::test]
async fn connections_to_a_silent_server_leave_the_pool_f56() {
    let url = testkit::database("shop", &db::SHOP).await;
    let address = url.split(['@', '/']).nth(3).unwrap().to_owned();
    let proxy = Proxy::new(address.clone()).await;
    let pool = db::connect(
        &url.replace(&address, &proxy.address),
        &PoolConfig::new("test", CONNECTIONS),
    )
    .unwrap();
    assert!(all_write(&pool).await);
    // open connections are silent from now on, while new ones are answered
    proxy.silence();
    let given_up =
        join_all((0..CONNECTIONS).map(|_| db::within(Duration::from_millis(100), write(&pool))))
            .await;
    assert!(
        given_up
            .iter()
            .all(|write| write.as_ref().is_err_and(db::is_unreachable)),
        "{given_up:?}"
    );
    eventually("each connection writes", async || all_write(&pool).await).await;
}

#[tokio::test]
async fn notices_of_the_server_are_not_sent() {
    let url = testkit::database("shop", &db::SHOP).await;
    let pool = db::connect(&url, &PoolConfig::new("test", 1)).unwrap();
    let level: String = sqlx::query_scalar("show client_min_messages")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(level, "warning");
}

#[tokio::test]
async fn a_full_disk_and_want_of_memory_count_as_unreachable() {
    let url = testkit::database("shop", &db::SHOP).await;
    let pool = db::connect(&url, &PoolConfig::new("test", 1)).unwrap();
    let raised = async |code: &str| {
        let statement = format!("do $$ begin raise exception using errcode = '{code}'; end $$");
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&pool).await.unwrap_err()
    };
    // insufficient resources; disk full, out of memory, too many connections, a configured limit
    for code in ["53000", "53100", "53200", "53300", "53400"] {
        assert!(db::is_unreachable(&raised(code).await), "{code}");
    }
    assert!(!db::is_unreachable(&raised("23514").await));
}
