//! Background jobs, run by apalis with its PostgreSQL backend. Only this file names apalis.
//!
//! - The first process in an hour queues the retention job (the idempotency key is the hour), and
//!   one process runs it.
//! - An operator's batch is queued by the first process that sees that it is to be applied, or that
//!   its worker fell silent (the key is the batch, the time of its application, and its progress).
//!
//! `docs/decisions/0003-apalis.md` records the lessons about the backend: each incarnation of a
//! worker has a unique name, heartbeats are short, the NOTIFY trigger is off, and the handler
//! catches its own panics and time-outs, since one outside the handler leaves a job running for
//! ever.

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::Context as _;
use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use futures::FutureExt;
use operator::Operator;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use workflows::settings::Retention;

const RETENTION: &str = "retention";
const BATCHES: &str = "operator-batches";
const HOUR: Duration = Duration::from_hours(1);
/// Longest wait for the database to queue a job.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between polls for batches that are to be applied, and for jobs.
const LOOK: Duration = Duration::from_secs(1);
/// A batch without a result for this long counts as abandoned and is queued again. If its worker is
/// still alive, both work on the batch, and no saga is acted on twice.
const SILENCE: Duration = Duration::from_secs(10);
/// Wait before a failed worker is replaced.
const PAUSE: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_mins(10);

/// Age at which mailed links and requests for mails are deleted; longer than a mail waits for its
/// server.
const MAIL_LINKS: Duration = Duration::from_hours(96);
/// Sagas archived in one commit.
const ARCHIVE_BATCH: i64 = 200;

/// Prepares the backend's tables, as the owner of the database.
pub(crate) async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    PostgresStorage::setup(pool).await?;
    // NOTIFY takes a database-wide lock at commit and prevents group commit: jobs are polled
    // instead
    sqlx::query("alter table apalis.jobs disable trigger notify_workers")
        .execute(pool)
        .await?;
    Ok(())
}

/// Queues and runs jobs until `shutdown`.
pub(crate) async fn run(
    database_url: String,
    windows: Retention,
    operator: Operator,
    shutdown: CancellationToken,
) {
    let pool = match db::connect(&database_url, &db::PoolConfig::new("worker jobs", 4)) {
        Ok(pool) => pool,
        Err(error) => {
            return error!(%error, "Background jobs cannot run: SHOP_DATABASE_URL is no PostgreSQL URL");
        }
    };
    let job_pool = pool.clone();
    let retained = serve(&pool, RETENTION, 1, &shutdown, move |_hour| {
        retention(job_pool.clone(), windows)
    });
    let stop = shutdown.clone();
    let batches = serve(&pool, BATCHES, 4, &shutdown, move |batch_id| {
        batch(operator.clone(), batch_id, stop.clone())
    });
    tokio::join!(
        retained,
        batches,
        schedule(&pool, &shutdown),
        watch(&pool, &shutdown)
    );
}

/// Runs the jobs of a queue. An apalis worker asks for jobs some ten times a second, so there is one
/// only while there are jobs. A failed worker is replaced by one with a new name.
async fn serve<W, R>(
    pool: &PgPool,
    queue: &'static str,
    concurrency: usize,
    shutdown: &CancellationToken,
    work: W,
) where
    W: Fn(String) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxDynError>> + Send + 'static,
{
    while until_jobs(pool, queue, true, shutdown).await {
        let config = Config::default()
            .queue(queue)
            .batch_size(1)
            .heartbeat_interval(Duration::from_secs(2))
            .missed_heartbeats(15);
        let strategy = Strategy::new().interval(Duration::from_secs(1));
        let backend = PostgresStorage::new(pool)
            .with_config(config)
            .poll_with_strategy(strategy);
        let work = work.clone();
        let worker = WorkerBuilder::new(format!("{queue}-{}", uuid::Uuid::new_v4()))
            .backend(backend)
            .concurrency(concurrency)
            .build(move |job: String| work(job));
        let (jobs, stop) = (pool.clone(), shutdown.clone());
        let ended = worker.run_until(async move {
            until_jobs(&jobs, queue, false, &stop).await;
            Ok::<(), WorkerError>(())
        });
        if let Err(error) = ended.await {
            warn!(%error, "The worker of {queue} ended: starting another one");
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// Waits until the queue has jobs that are not over, or has none any more. Returns false at
/// `shutdown`.
async fn until_jobs(
    pool: &PgPool,
    queue: &str,
    wanted: bool,
    shutdown: &CancellationToken,
) -> bool {
    while !shutdown.is_cancelled() {
        // no compile-time check: apalis owns this table
        let waiting = sqlx::query_scalar::<_, bool>(
            "select exists (select from apalis.jobs
                            where job_type = $1
                              and (status in ('Pending', 'Queued', 'Running')
                                   or (status = 'Failed' and attempts < max_attempts)))",
        )
        .bind(queue)
        .fetch_one(pool);
        match db::within(ANSWER_TIMEOUT, waiting).await {
            Ok(waiting) if waiting == wanted => return true,
            Ok(_) => {}
            Err(error) => warn!(%error, "Could not look for jobs of {queue}: trying again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    false
}

/// Queues operators' batches that are to be applied, unless another process has queued them.
async fn watch(pool: &PgPool, shutdown: &CancellationToken) {
    loop {
        // no compile-time check: apalis owns this table
        let queued = sqlx::query(
            "insert into apalis.jobs (id, job_type, job, max_attempts, run_at, priority, idempotency_key)
             select apalis.generate_ulid(), $1, convert_to(to_jsonb(b.batch_id::text)::text, 'UTF8'), 5, now(), 0,
                    b.batch_id || ' ' || b.applied_at
                        || case when i.silences > 0 then ' after ' || i.results || ', ' || i.silences else '' end
             from saga.batch b
                  cross join lateral (
                      select count(result) as results,
                             floor(extract(epoch from clock_timestamp() - greatest(b.applied_at, max(done_at)))
                                   / ($2 + coalesce(2 / b.rps, 0))) as silences
                      from saga.batch_item
                      where batch_id = b.batch_id) as i
             where b.state = 'queued'
             on conflict (job_type, idempotency_key) do nothing",
        )
        .bind(BATCHES)
        .bind(SILENCE.as_secs_f64())
        .execute(pool);
        let queued = db::within(ANSWER_TIMEOUT, queued).await;
        if let Err(error) = queued {
            warn!(%error, "Could not look for operators' batches: trying again");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Runs an operator's batch. If the process stops before the batch is done, the job fails here, and
/// another process runs it again.
async fn batch(
    operator: Operator,
    batch_id: String,
    shutdown: CancellationToken,
) -> Result<(), BoxDynError> {
    let batch_id: i64 = batch_id.parse()?;
    let work = AssertUnwindSafe(operator.run_batch(batch_id)).catch_unwind();
    tokio::select! {
        () = shutdown.cancelled() => Err("the worker stops".into()),
        done = work => match done {
            Ok(result) => Ok(result?),
            Err(_) => Err(format!("batch {batch_id} panicked").into()),
        },
    }
}

/// Queues this hour's retention job, unless another process has queued it.
async fn schedule(pool: &PgPool, shutdown: &CancellationToken) {
    loop {
        // no compile-time check: apalis owns this table. Its own push aborts the transaction on a
        // repeated key
        let queued = sqlx::query(
            "insert into apalis.jobs (id, job_type, job, max_attempts, run_at, priority, idempotency_key)
             select apalis.generate_ulid(), $1, convert_to(to_jsonb(hour)::text, 'UTF8'), 5, now(), 0, hour
             from (select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24') as hour) as h
             on conflict (job_type, idempotency_key) do nothing",
        )
        .bind(RETENTION)
        .execute(pool);
        let queued = db::within(ANSWER_TIMEOUT, queued).await;
        if let Err(error) = queued {
            warn!(%error, "The retention job could not be queued: trying again in an hour");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(HOUR) => {}
        }
    }
}

/// Runs the hourly retention job once, now.
pub(crate) async fn retain_once(database_url: &str, windows: Retention) -> anyhow::Result<()> {
    let pool = db::connect(database_url, &db::PoolConfig::new("worker retention", 2))
        .context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
    retain(&pool, windows).await?;
    Ok(())
}

/// Archives or deletes data past its retention window.
async fn retention(pool: PgPool, windows: Retention) -> Result<(), BoxDynError> {
    let work = AssertUnwindSafe(retain(&pool, windows)).catch_unwind();
    match tokio::time::timeout(TIMEOUT, work).await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(_)) => Err("the retention job panicked".into()),
        Err(_) => Err(format!("the retention job took longer than {TIMEOUT:?}").into()),
    }
}

/// Works in small commits, so that no row is locked for long and a crash loses at most one commit.
async fn retain(pool: &PgPool, windows: Retention) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let (mut sagas, mut inbox, mut keys, mut tokens, mut counters, mut links) = (0, 0, 0, 0, 0, 0);
    loop {
        let done = [
            saga::store::archive(&mut conn, windows.sagas, ARCHIVE_BATCH).await?,
            messaging::inbox::purge(&mut conn, windows.inbox).await?,
            commerce::idempotency::purge(&mut conn, windows.keys).await?,
            auth::purge_refresh_tokens(&mut conn, windows.keys).await?,
            auth::purge_login_throttle(&mut conn).await?,
            auth::purge_mail_links(&mut conn, MAIL_LINKS).await?,
        ];
        if done == [0; 6] {
            break;
        }
        sagas += done[0];
        inbox += done[1];
        keys += done[2];
        tokens += done[3];
        counters += done[4];
        links += done[5];
    }
    let jobs = sqlx::query("delete from apalis.jobs where status in ('Done', 'Killed') and done_at < now() - interval '1 day'")
        .execute(&mut *conn)
        .await?
        .rows_affected();
    sqlx::query(
        "delete from apalis.workers w
         where last_seen < now() - interval '1 day'
           and not exists (select from apalis.jobs where lock_by = w.id)",
    )
    .execute(&mut *conn)
    .await?;
    info!(
        "Archived {sagas} sagas; forgot {inbox} inbox rows, {keys} idempotency keys, {tokens} refresh tokens, {counters} counters of logins, {links} mailed links and {jobs} jobs"
    );
    Ok(())
}
