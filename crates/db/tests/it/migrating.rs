use std::collections::BTreeSet;

use db::PoolConfig;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, migrate::Migrator};
use testkit::{eventually, eventually_some};
use tokio::task::{LocalSet, spawn_local};

/// The shop's migrations before this version.
fn earlier(than: i64) -> Migrator {
    let all = db::SHOP.iter();
    Migrator::with_migrations(all.filter(|one| one.version < than).cloned().collect())
}

/// The existing tables that this migration and the later ones alter.
async fn altered(since: i64, conn: &mut PgConnection) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for migration in db::SHOP.iter().filter(|one| one.version >= since) {
        let words: Vec<_> = migration.sql.as_str().split_whitespace().collect();
        for window in words.windows(3) {
            if let ["alter", "table", table] = window {
                let there = sqlx::query_scalar::<_, bool>("select to_regclass($1) is not null");
                if there.bind(table).fetch_one(&mut *conn).await.unwrap() {
                    tables.insert((*table).to_owned());
                }
            }
        }
    }
    tables
}

/// Whether a migration waits for a lock.
async fn waits(pool: &PgPool) -> bool {
    let waiting = "select exists (select from pg_stat_activity
        where application_name = 'migrate' and datname = current_database() and wait_event_type = 'Lock')";
    sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_migration_behind_a_reader_blocks_no_one_for_long_f57() {
    LocalSet::new().run_until(behind_a_reader()).await;
}

async fn behind_a_reader() {
    const SINCE: i64 = 20_260_202_000_001;
    let url = testkit::database("migrating", &earlier(SINCE)).await;
    let mut reader = PgConnection::connect(&url).await.unwrap();
    let tables = altered(SINCE, &mut reader).await;
    assert!(
        tables.contains("saga.saga") && tables.contains("messaging.outbox"),
        "{tables:?}"
    );
    for table in tables {
        behind(&earlier(SINCE), &format!("{table} in access share mode")).await;
    }
    // each migration adds a row to the list of migrations, which another session may lock
    let list = "_sqlx_migrations in share row exclusive mode";
    behind(&earlier(SINCE), list).await;
}

/// Migrates from `earlier` on while another session holds this lock.
async fn behind(earlier: &Migrator, lock: &str) {
    let url = testkit::database("migrating", earlier).await;
    let pool = db::connect(&url, &PoolConfig::new("test", 4)).unwrap();
    let mut holding = pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("lock table {lock}")))
        .execute(&mut *holding)
        .await
        .unwrap();

    let migrating = db::connect(&url, &PoolConfig::new("migrate", 2)).unwrap();
    let migration = spawn_local(async move { db::migrate(&migrating, &db::SHOP).await });
    eventually("the migration waits for the lock", async || {
        waits(&pool).await
    })
    .await;
    eventually("the migration gives way", async || !waits(&pool).await).await;
    assert!(
        !migration.is_finished(),
        "the lock on {lock} is still there"
    );
    // a statement issued after the migration is served
    let table = lock.split(' ').next().unwrap();
    let count = format!("select count(*) from {table}");
    let counted = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count))
        .fetch_one(&pool)
        .await;
    counted.unwrap();

    holding.rollback().await.unwrap();
    migration.await.unwrap().unwrap();
    assert_eq!(db::missing(&pool, &db::SHOP).await.unwrap(), None);
}

#[tokio::test]
async fn an_index_whose_building_was_interrupted_is_built_again_f57() {
    LocalSet::new().run_until(interrupted()).await;
}

async fn interrupted() {
    let url = testkit::database("migrating", &earlier(20_260_301_000_001)).await;
    let pool = db::connect(&url, &PoolConfig::new("test", 4)).unwrap();
    let mut writing = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table commerce.\"order\" in row exclusive mode")
        .execute(&mut *writing)
        .await
        .unwrap();
    let migrating = db::connect(&url, &PoolConfig::new("migrate", 2)).unwrap();
    let first = migrating.clone();
    let migration = spawn_local(async move { db::migrate(&first, &db::SHOP).await });
    let building = eventually_some("the index waits for the old transaction", async || {
        let building =
            "select pid from pg_stat_activity where query like '%create index concurrently%' and pid <> pg_backend_pid()
             and datname = current_database() and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i32>(building)
            .fetch_optional(&pool)
            .await
            .unwrap()
    })
    .await;
    let ended = sqlx::query_scalar::<_, bool>("select pg_terminate_backend($1)");
    assert!(ended.bind(building).fetch_one(&pool).await.unwrap());
    assert!(migration.await.unwrap().is_err());
    let valid =
        "select indisvalid from pg_index where indexrelid = 'commerce.order_number'::regclass";
    assert!(
        !sqlx::query_scalar::<_, bool>(valid)
            .fetch_one(&pool)
            .await
            .unwrap()
    );
    writing.rollback().await.unwrap();

    db::migrate(&migrating, &db::SHOP).await.unwrap();
    assert!(
        sqlx::query_scalar::<_, bool>(valid)
            .fetch_one(&pool)
            .await
            .unwrap()
    );
}
