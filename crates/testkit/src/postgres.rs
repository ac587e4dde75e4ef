use sqlx::{
    Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::variable;

/// A pool on a fresh, migrated database of the shop.
///
/// # Panics
/// When the database cannot be created.
pub async fn shop_db() -> PgPool {
    pool(&database("shop", &db::SHOP).await).await
}

/// A pool on a fresh, migrated database of payments.
///
/// # Panics
/// When the database cannot be created.
pub async fn payments_db() -> PgPool {
    pool(&database("payments", &db::PAYMENTS).await).await
}

/// URL of a fresh, migrated database: a copy of a template that is created once per run.
///
/// # Panics
/// When the database cannot be created.
pub async fn database(kind: &str, migrator: &Migrator) -> String {
    let server = variable("TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&server)
        .await
        .expect("the test run's PostgreSQL answers");
    let checksum = migrator
        .iter()
        .flat_map(|migration| migration.checksum.iter())
        .fold(0u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
    let template = format!("template_{kind}_{checksum:x}");
    let name = format!("{kind}_{}", Uuid::new_v4().simple());
    // one at a time: a template cannot be copied while another session is connected to it
    run(&mut admin, "select pg_advisory_lock(42)".to_owned()).await;
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&template)
            .fetch_one(&mut admin)
            .await
            .expect("the catalog can be read");
    if !there {
        let draft = format!("{template}_draft");
        run(&mut admin, format!("drop database if exists {draft}")).await;
        run(&mut admin, format!("create database {draft}")).await;
        let mut conn = PgConnection::connect(&url(&server, &draft))
            .await
            .expect("the new database answers");
        migrator.run(&mut conn).await.expect("the migrations apply");
        conn.close().await.expect("the connection closes");
        run(
            &mut admin,
            format!("alter database {draft} rename to {template}"),
        )
        .await;
    }
    run(
        &mut admin,
        format!("create database {name} template {template}"),
    )
    .await;
    run(&mut admin, "select pg_advisory_unlock(42)".to_owned()).await;
    url(&server, &name)
}

/// URL of a database that was restored from a dump of plain SQL.
///
/// # Panics
/// When the database cannot be created.
pub(crate) async fn restored(kind: &str, dump: &str) -> String {
    let server = variable("TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&server)
        .await
        .expect("the test run's PostgreSQL answers");
    let name = format!("restored_{kind}_{}", Uuid::new_v4().simple());
    run(&mut admin, format!("create database {name}")).await;
    let url = url(&server, &name);
    let mut conn = PgConnection::connect(&url)
        .await
        .expect("the new database answers");
    // a dump also contains psql commands, which a server does not understand
    let statements = dump.lines().filter(|line| !line.starts_with('\\'));
    run(&mut conn, statements.collect::<Vec<_>>().join("\n")).await;
    conn.close().await.expect("the connection closes");
    url
}

/// URL of a copy of the database that `of` connects to. The pool must be closed, and no other
/// session may be connected to the database.
///
/// # Panics
/// When the copy cannot be created.
pub async fn copy_of(of: &PgPool) -> String {
    let server = variable("TEST_POSTGRES_URL");
    let options = of.connect_options();
    let source = options.get_database().expect("a pool names its database");
    let name = format!("copy_{}", Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&server)
        .await
        .expect("the test run's PostgreSQL answers");
    run(
        &mut admin,
        format!("create database {name} template {source}"),
    )
    .await;
    url(&server, &name)
}

fn url(server: &str, database: &str) -> String {
    let (base, _) = server
        .rsplit_once('/')
        .expect("TEST_POSTGRES_URL ends with a database");
    format!("{base}/{database}")
}

async fn run(conn: &mut PgConnection, statement: String) {
    // the names are generated here: none comes from outside
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone()))
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{error}: {statement}"));
}

async fn pool(url: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
    PgPoolOptions::new()
        .max_connections(10)
        .connect_with(options)
        .await
        .expect("the fresh database answers")
}
