//! A database of one's own, on the server of `TEST_POSTGRES_URL`.

use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use uuid::Uuid;

pub(crate) async fn payments_db() -> PgPool {
    let server = std::env::var("TEST_POSTGRES_URL")
        .expect("TEST_POSTGRES_URL names a PostgreSQL server for tests");
    let server: PgConnectOptions = server.parse().unwrap();
    let name = format!("payments_test_{}", Uuid::new_v4().simple());
    let mut admin = PgConnection::connect_with(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(16)
        .connect_with(server.database(&name))
        .await
        .unwrap();
    db::PAYMENTS.run(&pool).await.unwrap();
    pool
}
