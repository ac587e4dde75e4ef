//! Tables full of finished sagas, as after busy weeks. None is old enough to be archived, or the
//! retention would run during the measurement.

use servers::Postgres;
use sqlx::Connection;

/// Sagas whose rows are inserted per statement.
const STEP: u64 = 100_000;

/// Ages of the oldest saga and the oldest idempotency key, in days: one day less than their
/// retention.
const OLDEST_SAGA: u32 = 29;
const OLDEST_KEY: u32 = 6;

/// Fills a prepared database with `sagas` completed checkouts, and lets PostgreSQL analyze them.
pub(crate) async fn fill(postgres: &Postgres, database: &str, sagas: u64) -> anyhow::Result<()> {
    let mut from = 0;
    while from < sagas {
        let to = (from + STEP).min(sagas);
        run(postgres, database, &rows(from, to, sagas)).await?;
        from = to;
    }
    run(postgres, database, "vacuum analyze").await?;
    run(postgres, database, "checkpoint").await
}

/// Bytes of a database on disk.
pub(crate) async fn size(postgres: &Postgres, database: &str) -> anyhow::Result<i64> {
    let mut conn = sqlx::PgConnection::connect(&postgres.url(database)).await?;
    let size = sqlx::query_scalar("select pg_database_size(current_database())");
    let size = size.fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok(size)
}

async fn run(postgres: &Postgres, database: &str, sql: &str) -> anyhow::Result<()> {
    let mut conn = sqlx::PgConnection::connect(&postgres.url(database)).await?;
    // the text is ours and contains only two numbers
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    Ok(())
}

fn rows(from: u64, to: u64, of: u64) -> String {
    format!(
        r#"
        -- the rows are right by construction: neither triggers nor foreign keys are asked
        set session_replication_role = replica;
        create temporary table t as
        select n, ('00000000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as order_id,
               ('00000000-0002-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as saga_id,
               ('00000000-0003-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as transaction_id,
               ('00000000-0004-7000-8000-' || lpad(to_hex(n % 50000), 12, '0'))::uuid as user_id,
               now() - interval '{OLDEST_SAGA} days' * (1 - n / {of}.0) as at,
               p.product_id
        from generate_series({from} + 1, {to}) as n
        join (select product_id, row_number() over () - 1 as i, count(*) over () as of from commerce.product) as p
             on p.i = n % p.of;
        insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency,
                                      trace_id, created_at, updated_at, awaiting_at, ended_at)
        select order_id, user_id, saga_id, transaction_id, 'completed', 1290, 'EUR', md5(n::text), at, at, at, at
        from t;
        insert into commerce.order_line (order_id, line_no, product_id, name, quantity, unit_amount)
        select order_id, 1, product_id, 'Enamel Mug', 1, 1290 from t;
        insert into commerce.idempotency_key (user_id, key, request_hash, order_id, created_at)
        select user_id, order_id::text, '\x00', order_id, at from t where at > now() - interval '{OLDEST_KEY} days';
        insert into saga.saga (saga_id, plan, plan_version, plan_hash, state, step, revision, input, trace_id,
                               root_span_id, created_at, updated_at, ended_at)
        select saga_id, 'checkout', 1, 'finished', 'completed', 3, 3,
               jsonb_build_object('order_id', order_id, 'saga_id', saga_id, 'user_id', user_id,
                                  'transaction_id', transaction_id), md5(n::text), 'b7ad6b7169203331', at, at,
               at
        from t;
        insert into saga.journal (saga_id, revision, n, at, kind, step, state)
        select saga_id, r, 0, at, 'done', 'init_payment', 'completed' from t, generate_series(1, 3) as r;
        insert into saga.signal (signal_id, saga_id, name, verdict, payload, source, received_at, decided_at)
        select transaction_id, saga_id, 'transaction_completed', 'applied',
               jsonb_build_object('transaction_id', transaction_id), 'filled', at, at
        from t;
        insert into messaging.inbox (consumer, message_id, handled_at)
        select 'messages', order_id, at from t;
        update commerce.stock s
        set sold = s.sold + c.n
        from (select product_id, count(*) as n from t group by product_id) as c
        where s.product_id = c.product_id;
        drop table t;
        "#
    )
}
