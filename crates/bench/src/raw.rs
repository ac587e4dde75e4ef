//! The limit: the rows of a checkout written by three prepared statements, each with its own
//! commit, without HTTP, broker or decisions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use servers::Postgres;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    load,
    meter::{self, Costs, Database},
};

const DATABASE: &str = "bench_raw";
/// The most connections that write: more only contend for the same processors.
const MAX_WRITERS: usize = 64;

/// The limit at one concurrency.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Limit {
    pub(crate) concurrency: usize,
    pub(crate) sagas_per_second: f64,
    /// PostgreSQL's processor time and writes, per saga.
    pub(crate) costs: Costs,
}

/// Places the order.
const CREATE: &str = r#"
with key as (
    insert into commerce.idempotency_key (user_id, key, request_hash, order_id) values ($1, $2::text, '\x00', $3)
), placed as (
    insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency, trace_id)
    values ($3, $1, $4, $5, 'pending', 1290, 'EUR', '0af7651916cd43dd8448eb211c80319c')
), line as (
    insert into commerce.order_line (order_id, line_no, product_id, name, quantity, unit_amount)
    values ($3, 1, $6, 'Enamel Mug', 1, 1290)
), held as (
    update commerce.stock set reserved = reserved + 1 where product_id = $6
), saga as (
    insert into saga.saga (saga_id, plan, plan_version, plan_hash, state, step, input, trace_id, root_span_id)
    values ($4, 'checkout', 1, '0123456789abcdef', 'running', 1, $7, '0af7651916cd43dd8448eb211c80319c',
            'b7ad6b7169203331')
), journal as (
    insert into saga.journal (saga_id, revision, n, kind, step, state) values ($4, 1, 0, 'begun', 'init_payment', 'running')
)
insert into messaging.outbox (entry_id, kind, saga_id, plan, plan_version, plan_hash, step, due_at, epoch, attempt)
values (gen_random_uuid(), 'step', $4, 'checkout', 1, '0123456789abcdef', 'init_payment',
        clock_timestamp() + interval '5 seconds', 1, 1)
"#;

/// Records the initialised payment.
const INITIALISED: &str = r#"
with moved as (
    update saga.saga
    set state = 'waiting', step = 2, deadline = clock_timestamp() + interval '30 minutes', revision = revision + 1,
        updated_at = clock_timestamp()
    where saga_id = $1 and revision = 1
), journal as (
    insert into saga.journal (saga_id, revision, n, kind, step, attempt, state)
    values ($1, 2, 0, 'done', 'init_payment', 1, 'waiting')
), entry as (
    update messaging.outbox
    set kind = 'timer', step = 'await_payment', since = clock_timestamp(), epoch = epoch + 1, attempt = 0,
        due_at = clock_timestamp() + interval '30 minutes'
    where saga_id = $1 and kind in ('step', 'timer') and epoch = 1
)
update commerce."order" set status = 'awaiting_payment', updated_at = clock_timestamp()
where order_id = $2 and status = 'pending'
"#;

/// Records the payment and completes the order.
const COMPLETED: &str = r#"
with signal as (
    insert into saga.signal (signal_id, saga_id, name, verdict, payload, source, decided_at)
    values (gen_random_uuid(), $1, 'transaction_completed', 'applied', $5, 'message ' || $3, clock_timestamp())
), moved as (
    update saga.saga
    set state = 'completed', step = 3, deadline = null, revision = revision + 1, updated_at = clock_timestamp(),
        ended_at = clock_timestamp()
    where saga_id = $1 and revision = 2
), journal as (
    insert into saga.journal (saga_id, revision, n, kind, detail, state, actor)
    values ($1, 3, 0, 'signal', 'transaction_completed: applied', 'completed', 'message ' || $3)
), gone as (
    delete from messaging.outbox where saga_id = $1 and kind in ('step', 'timer')
), completed as (
    update commerce."order" set status = 'completed', updated_at = clock_timestamp()
    where order_id = $2 and status = 'awaiting_payment'
), sold as (
    update commerce.stock set reserved = reserved - 1, sold = sold + 1 where product_id = $4
)
insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, traceparent)
values (gen_random_uuid(), 'message', 'messages', 'send_order_confirmation', 'send_order_confirmation', $6,
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
"#;

/// Writes for `time`, after a warm-up of a fifth of it.
pub(crate) async fn run(
    postgres: &Postgres,
    concurrency: usize,
    time: Duration,
) -> anyhow::Result<Limit> {
    prepare(postgres).await?;
    let url = postgres.url(DATABASE);
    let pool = PgPool::connect(&url).await?;
    let products: Vec<Uuid> = sqlx::query_scalar("select product_id from commerce.product")
        .fetch_all(&pool)
        .await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..concurrency.min(MAX_WRITERS) {
        let (url, products, stop) = (url.clone(), products.clone(), Arc::clone(&stop));
        writers.spawn(async move {
            let mut conn = PgConnection::connect(&url).await?;
            let mut done = Vec::new();
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let product = products[load::shuffled(number, turn) % products.len()];
                checkout(&mut conn, product).await?;
                done.push(Instant::now());
            }
            anyhow::Ok(done)
        });
    }
    tokio::time::sleep(time / 5).await;
    let process = postgres.process();
    let cpu = || process.map_or(0.0, meter::family_cpu);
    let (before, cpu_before, begun) = (Database::read(&pool).await?, cpu(), Instant::now());
    tokio::time::sleep(time).await;
    let (ended, seconds) = (Instant::now(), meter::seconds(begun));
    let mut costs = Database::read(&pool).await?.since(before);
    costs.postgres_ms = cpu() - cpu_before;
    stop.store(true, Ordering::Relaxed);
    let mut sagas = 0;
    while let Some(writer) = writers.join_next().await {
        let within = |at: &&Instant| **at >= begun && **at < ended;
        sagas += writer??.iter().filter(within).count();
    }
    pool.close().await;
    Ok(Limit {
        concurrency,
        sagas_per_second: sagas as f64 / seconds,
        costs: costs.per(sagas),
    })
}

/// Creates a database with the shop's own schema, and stocks it.
async fn prepare(postgres: &Postgres) -> anyhow::Result<()> {
    let drop = format!("drop database if exists {DATABASE} with (force)");
    postgres.psql("postgres", &drop).map_err(crate::text)?;
    postgres.create_database(DATABASE).map_err(crate::text)?;
    let pool = PgPool::connect(&postgres.url(DATABASE)).await?;
    db::migrate(&pool, &db::SHOP).await?;
    pool.close().await;
    crate::system::stock_up(postgres, DATABASE)
}

async fn checkout(conn: &mut PgConnection, product: Uuid) -> sqlx::Result<()> {
    let ids: [Uuid; 4] = std::array::from_fn(|_| Uuid::now_v7());
    let [user, order, saga, transaction] = ids;
    sqlx::query(CREATE)
        .bind(user)
        .bind(Uuid::new_v4().to_string())
        .bind(order)
        .bind(saga)
        .bind(transaction)
        .bind(product)
        .bind(input(&ids))
        .execute(&mut *conn)
        .await?;
    sqlx::query(INITIALISED)
        .bind(saga)
        .bind(order)
        .execute(&mut *conn)
        .await?;
    let event = json!({
        "transaction_id": transaction, "completed_at": "2026-01-01T00:00:00.000000Z", "order_id": order,
        "routing_key": "transaction_completed", "event_id": user, "amount": {"amount": 1290, "currency": "EUR"},
    });
    sqlx::query(COMPLETED)
        .bind(saga)
        .bind(order)
        .bind(transaction.to_string())
        .bind(product)
        .bind(event)
        .bind(json!({"command": "send_order_confirmation", "user_id": user, "order_id": order}))
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// An input of the same size as the one checkout stores.
fn input([user, order, saga, transaction]: &[Uuid; 4]) -> Value {
    json!({
        "order_id": order, "saga_id": saga, "user_id": user, "transaction_id": transaction,
        "total": {"amount": 1290, "currency": "EUR"}, "trace_id": "0af7651916cd43dd8448eb211c80319c",
    })
}
