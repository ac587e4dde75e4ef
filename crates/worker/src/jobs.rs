//! Background jobs, carried by apalis with its PostgreSQL backend: the one file that names it.
//!
//! For now one job: retention. It is queued once an hour, by whichever process comes first (the
//! idempotency key is the hour), and run by one.
//!
//! What was learnt about the backend stands in `docs/decisions/0003-apalis.md`: a worker's name is
//! unique to its incarnation, heartbeats are short, the NOTIFY trigger is off, and the handler
//! guards itself, since a panic or time-out outside it leaves a job running for ever.

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::Context as _;
use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use futures::FutureExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use workflows::settings::Retention;

const QUEUE: &str = "retention";
const HOUR: Duration = Duration::from_hours(1);
const TIMEOUT: Duration = Duration::from_mins(10);

/// Sagas archived in one commit.
const ARCHIVE_BATCH: i64 = 200;

/// Prepares the backend's tables, as the owner of the database.
pub(crate) async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    PostgresStorage::setup(pool).await?;
    // NOTIFY at commit takes a lock of the whole database and ends group commit: jobs are polled
    sqlx::query("alter table apalis.jobs disable trigger notify_workers")
        .execute(pool)
        .await?;
    Ok(())
}

/// Queues and runs jobs until `shutdown`. A broken worker is started anew, under a new name.
pub(crate) async fn run(database_url: String, windows: Retention, shutdown: CancellationToken) {
    let pool = match db::connect(&database_url, &db::PoolConfig::new("worker jobs", 4)) {
        Ok(pool) => pool,
        Err(error) => {
            return error!(%error, "Background jobs cannot run: SHOP_DATABASE_URL is no PostgreSQL URL");
        }
    };
    let scheduler = tokio::spawn(schedule(pool.clone(), shutdown.clone()));
    while !shutdown.is_cancelled() {
        let config = Config::default()
            .queue(QUEUE)
            .batch_size(1)
            .heartbeat_interval(Duration::from_secs(2))
            .missed_heartbeats(15);
        let strategy = Strategy::new().interval(Duration::from_secs(5));
        let backend = PostgresStorage::new(&pool)
            .with_config(config)
            .poll_with_strategy(strategy);
        let job_pool = pool.clone();
        let worker = WorkerBuilder::new(format!("retention-{}", uuid::Uuid::new_v4()))
            .backend(backend)
            .concurrency(1)
            .build(move |_hour: String| retention(job_pool.clone(), windows));
        let stop = shutdown.clone();
        let ended = worker.run_until(async move {
            stop.cancelled().await;
            Ok::<(), WorkerError>(())
        });
        if let Err(error) = ended.await {
            warn!(%error, "The background jobs' worker ended: starting another one");
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
        }
    }
    if let Err(error) = scheduler.await {
        error!(%error, "The background jobs' scheduler broke");
    }
}

/// Queues this hour's job, unless another process has.
async fn schedule(pool: PgPool, shutdown: CancellationToken) {
    loop {
        // unchecked: the table is apalis', not ours. Its own push aborts the transaction on a repeat
        let queued = sqlx::query(
            "insert into apalis.jobs (id, job_type, job, max_attempts, run_at, priority, idempotency_key)
             select apalis.generate_ulid(), $1, convert_to(to_jsonb(hour)::text, 'UTF8'), 5, now(), 0, hour
             from (select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24') as hour) as h
             on conflict (job_type, idempotency_key) do nothing",
        )
        .bind(QUEUE)
        .execute(&pool)
        .await;
        if let Err(error) = queued {
            warn!(%error, "The retention job could not be queued: trying again in an hour");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(HOUR) => {}
        }
    }
}

/// Does now what is done every hour.
pub(crate) async fn retain_once(database_url: &str, windows: Retention) -> anyhow::Result<()> {
    let pool = db::connect(database_url, &db::PoolConfig::new("worker retention", 2))
        .context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
    retain(&pool, windows).await?;
    Ok(())
}

/// Archives and forgets what is past its window.
async fn retention(pool: PgPool, windows: Retention) -> Result<(), BoxDynError> {
    let work = AssertUnwindSafe(retain(&pool, windows)).catch_unwind();
    match tokio::time::timeout(TIMEOUT, work).await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(_)) => Err("the retention job panicked".into()),
        Err(_) => Err(format!("the retention job took longer than {TIMEOUT:?}").into()),
    }
}

/// In small commits, so that nothing is locked for long and a crash loses nothing.
async fn retain(pool: &PgPool, windows: Retention) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let (mut sagas, mut inbox, mut keys, mut tokens) = (0, 0, 0, 0);
    loop {
        let done = [
            saga::store::archive(&mut conn, windows.sagas, ARCHIVE_BATCH).await?,
            messaging::inbox::purge(&mut conn, windows.inbox).await?,
            commerce::idempotency::purge(&mut conn, windows.keys).await?,
            auth::purge_refresh_tokens(&mut conn, windows.keys).await?,
        ];
        if done == [0; 4] {
            break;
        }
        sagas += done[0];
        inbox += done[1];
        keys += done[2];
        tokens += done[3];
    }
    let jobs = sqlx::query("delete from apalis.jobs where status in ('Done', 'Killed') and done_at < now() - interval '1 day'")
        .execute(&mut *conn)
        .await?
        .rows_affected();
    info!(
        "Archived {sagas} sagas; forgot {inbox} inbox rows, {keys} idempotency keys, {tokens} refresh tokens and {jobs} jobs"
    );
    Ok(())
}
