//! The most expensive statements, by PostgreSQL's own count.

use serde::Serialize;
use sqlx::PgPool;

/// The cost of a statement in a run, warm-up included.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(crate) struct Statement {
    /// The beginning of its text.
    pub(crate) query: String,
    pub(crate) calls: i64,
    /// Milliseconds of execution, all calls together.
    pub(crate) exec_ms: f64,
    /// Milliseconds of planning.
    pub(crate) plan_ms: f64,
    pub(crate) wal_bytes: f64,
}

pub(crate) async fn reset(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("select pg_stat_statements_reset()")
        .execute(pool)
        .await
        .map(drop)
}

pub(crate) async fn costliest(pool: &PgPool) -> sqlx::Result<Vec<Statement>> {
    sqlx::query_as(
        r"
        select left(regexp_replace(query, '\s+', ' ', 'g'), 100) as query, calls, total_exec_time as exec_ms,
               total_plan_time as plan_ms, wal_bytes::float8 as wal_bytes
        from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database())
        order by total_exec_time + total_plan_time desc
        limit 25
        ",
    )
    .fetch_all(pool)
    .await
}
