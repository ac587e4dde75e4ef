use std::time::Duration;

use db::{Lane, PoolConfig};
use futures::FutureExt;
use sqlx::{PgConnection, PgPool};
use testkit::{Fault, Proxy, eventually};

/// Of four connections, a lane keeps one.
const CONNECTIONS: u32 = 4;

async fn lane() -> Lane {
    lane_to(&testkit::database("shop", &db::SHOP).await)
}

fn lane_to(url: &str) -> Lane {
    Lane::new(db::connect(url, &PoolConfig::new("test", CONNECTIONS)).unwrap())
}

async fn process(conn: &mut PgConnection) -> i32 {
    let pid = sqlx::query_scalar("select pg_backend_pid()");
    pid.fetch_one(conn).await.unwrap()
}

async fn write(conn: &mut PgConnection) {
    let written = "insert into messaging.inbox (consumer, message_id) values ('test', '1')";
    sqlx::query(written).execute(conn).await.unwrap();
}

async fn rows(pool: &PgPool) -> i64 {
    let rows = sqlx::query_scalar("select count(*) from messaging.inbox");
    rows.fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_released_connection_goes_to_the_next_user() {
    let lane = lane().await;
    let mut first = lane.acquire().await.unwrap();
    let pid = process(&mut first).await;
    first.release();
    assert_eq!(lane.pool().num_idle(), 0, "it is not given back");
    let mut next = lane.acquire().await.unwrap();
    assert_eq!(process(&mut next).await, pid);
    drop(next);
    eventually("a dropped one is given back", async || {
        lane.pool().num_idle() == 1
    })
    .await;
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    let lane = lane().await;
    let mut conn = lane.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    write(&mut tx).await;
    drop(tx);
    drop(conn);
    let mut conn = lane.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    write(&mut tx).await;
    tx.commit().await.unwrap();
    conn.release();
    assert_eq!(rows(lane.pool()).await, 1);
}

#[tokio::test]
async fn a_connection_whose_begin_was_canceled_is_closed() {
    let url = testkit::database("shop", &db::SHOP).await;
    let address = url.split(['@', '/']).nth(3).unwrap();
    // a fast database may answer before the caller gives up
    let proxy = Proxy::new(address).await;
    proxy.will(Fault::SlowAnswers(Duration::from_millis(5)));
    let lane = lane_to(&url.replace(address, &proxy.address));
    let mut conn = lane.acquire().await.unwrap();
    let pid = process(&mut conn).await;
    assert!(
        conn.begin().now_or_never().is_none(),
        "it is not answered at once"
    );
    conn.release();
    eventually("the session to end", async || {
        let there = "select count(*) from pg_stat_activity where pid = $1";
        let there = sqlx::query_scalar::<_, i64>(there).bind(pid);
        there.fetch_one(lane.pool()).await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn a_lane_keeps_nothing_that_others_wait_for() {
    let lane = lane().await;
    let conn = lane.acquire().await.unwrap();
    let mut others = Vec::new();
    for _ in 1..CONNECTIONS {
        others.push(lane.pool().acquire().await.unwrap());
    }
    let waiting = lane.pool().acquire();
    conn.release();
    waiting.await.unwrap();
}
