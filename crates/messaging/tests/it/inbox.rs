use std::time::Duration;

use messaging::inbox;
use sqlx::AssertSqlSafe;
use testkit::shop_db;

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn an_id_is_new_once_for_each_consumer() {
    let pool = shop_db().await;
    let mut conn = pool.acquire().await.unwrap();
    let first = inbox::record(&mut conn, "a", &ids(&["1", "2", "1"])).await;
    assert_eq!(first.unwrap(), [true, true, false], "twice in one batch");
    let again = inbox::record(&mut conn, "a", &ids(&["2", "3"])).await;
    assert_eq!(again.unwrap(), [false, true]);
    let other = inbox::record(&mut conn, "b", &ids(&["2"])).await;
    assert_eq!(other.unwrap(), [true], "another consumer");
}

#[tokio::test]
async fn an_id_and_its_effect_are_recorded_together() {
    let pool = shop_db().await;
    let mut tx = pool.begin().await.unwrap();
    inbox::record(&mut tx, "a", &ids(&["1"])).await.unwrap();
    tx.rollback().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let after = inbox::record(&mut conn, "a", &ids(&["1"])).await;
    assert_eq!(after.unwrap(), [true]);
}

#[tokio::test]
async fn a_batch_at_two_consumers_is_new_at_one() {
    let pool = shop_db().await;
    let forward: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let backward: Vec<_> = forward.iter().rev().cloned().collect();
    let record = async |ids: &[String]| {
        let mut tx = pool.begin().await.unwrap();
        let fresh = inbox::record(&mut tx, "a", ids).await.unwrap();
        tx.commit().await.unwrap();
        fresh.into_iter().filter(|fresh| *fresh).count()
    };
    let (one, two) = tokio::join!(record(&forward), record(&backward));
    assert_eq!(one + two, 50);
}

#[tokio::test]
async fn only_what_is_older_than_the_window_is_forgotten() {
    let pool = shop_db().await;
    let mut conn = pool.acquire().await.unwrap();
    inbox::record(&mut conn, "a", &ids(&["old", "new"]))
        .await
        .unwrap();
    sqlx::query("update messaging.inbox set handled_at = now() - interval '8 days' where message_id = 'old'")
        .execute(&pool)
        .await
        .unwrap();
    let week = Duration::from_hours(7 * 24);
    assert_eq!(inbox::purge(&mut conn, week).await.unwrap(), 1);
    let after = inbox::record(&mut conn, "a", &ids(&["old", "new"])).await;
    assert_eq!(after.unwrap(), [true, false]);
}

#[tokio::test]
async fn a_lookup_planned_on_a_small_table_reads_by_id() {
    let url = testkit::database("shop", &db::SHOP).await;
    let one = db::connect(&url, &db::PoolConfig::new("test", 1).by_key()).unwrap();
    let mut conn = one.acquire().await.unwrap();
    inbox::record(&mut conn, "a", &ids(&["1", "2", "3"]))
        .await
        .unwrap();
    sqlx::raw_sql("analyze messaging.inbox")
        .execute(&mut *conn)
        .await
        .unwrap();
    let handled = inbox::handled(&mut conn, "a", &ids(&["3", "4"]))
        .await
        .unwrap();
    assert_eq!(handled.into_iter().collect::<Vec<_>>(), ids(&["3"]));

    let name: String = sqlx::query_scalar(
        "select name from pg_prepared_statements where statement ~ 'from messaging.inbox' and statement !~ 'pg_prepared'",
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    let explain = AssertSqlSafe(format!("explain execute \"{name}\" (null, null)"));
    let plan: Vec<String> = sqlx::query_scalar(explain)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let condition = plan.iter().find(|line| line.contains("Index Cond"));
    assert!(
        condition.is_some_and(|it| it.contains("message_id")),
        "{plan:#?}"
    );
}
