use std::{future::Future, time::Duration};

use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::warn;

use crate::session::{self, within};

/// Timeout of one check, while waiting for a database.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses between checks of a database that is not ready: the first one, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Settings of a pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Most connections that this process opens.
    pub max_connections: u32,
    /// How long a caller waits for a connection before it gets an error.
    pub acquire_timeout: Duration,
    /// The name of this process at the server (`pg_stat_activity.application_name`).
    pub application: &'static str,
    lock_timeout: Option<Duration>,
    /// Whether all statements of this pool find their rows by key; see [`PoolConfig::by_key`].
    by_key: bool,
}

/// Makes the planner plan once per connection, and only with indexes. Otherwise it would scan a
/// table that was small at planning time, or plan anew for each call: both cost more than the
/// statements themselves.
const BY_KEY: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_material", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

impl PoolConfig {
    /// The usual pool of a process.
    pub fn new(application: &'static str, max_connections: u32) -> Self {
        Self {
            max_connections,
            acquire_timeout: Duration::from_secs(3),
            application,
            lock_timeout: None,
            by_key: false,
        }
    }

    /// Limits the time for which a statement waits for a lock; without a limit, it waits forever.
    #[must_use]
    pub fn lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = Some(limit);
        self
    }

    /// For a pool whose statements all find their rows by key: the hot path. Do not use it for
    /// lists and searches, whose best plan depends on their parameters.
    #[must_use]
    pub fn by_key(mut self) -> Self {
        self.by_key = true;
        self
    }
}

/// Creates a pool that connects on first use, so that a process can start before its database.
///
/// # Errors
/// When `url` is not a PostgreSQL URL.
pub fn connect(url: &str, config: &PoolConfig) -> sqlx::Result<PgPool> {
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        let what = "the URL does not begin with postgres://";
        return Err(sqlx::Error::Configuration(what.into()));
    }
    let options = url
        .parse::<PgConnectOptions>()?
        .application_name(config.application)
        .options(session::OPTIONS);
    let options = if config.by_key {
        options.options(BY_KEY)
    } else {
        options
    };
    let options = match config.lock_timeout {
        Some(limit) => options.options([("lock_timeout", limit.as_millis())]),
        None => options,
    };
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .after_connect(|conn, _| Box::pin(session::opened(conn)))
        .before_acquire(|conn, meta| {
            Box::pin(async move { Ok(session::is_usable(conn, meta).await) })
        })
        .after_release(|conn, _| Box::pin(session::released(conn)))
        .connect_lazy_with(options))
}

/// Publishes a pool's usage as gauges: `db_pool_connections` and `db_pool_max_connections`.
pub fn gauge(pool: &PgPool, name: &'static str) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let busy = pool.size().saturating_sub(idle);
    metrics::gauge!("db_pool_connections", "pool" => name, "state" => "idle").set(idle);
    metrics::gauge!("db_pool_connections", "pool" => name, "state" => "busy").set(busy);
    let most = pool.options().get_max_connections();
    metrics::gauge!("db_pool_max_connections", "pool" => name).set(most);
}

/// Waits until the database answers, and logs the wait with the name `what`.
pub async fn wait_until_it_answers(pool: &PgPool, what: &str) {
    retry_until_ready(what, || async {
        sqlx::query("select 1").execute(pool).await?;
        Ok(None)
    })
    .await;
}

/// The migrations of this program that the database lacks, as a sentence; `None` if it lacks none.
/// Newer migrations are fine: during a rollout, the old version keeps running.
///
/// # Errors
/// When the database does not answer.
pub async fn missing(pool: &PgPool, migrator: &Migrator) -> sqlx::Result<Option<String>> {
    let wanted: Vec<_> = migrator.iter().map(|migration| migration.version).collect();
    let there = sqlx::query_scalar::<_, i64>(
        "select count(*) from _sqlx_migrations where success and version = any ($1)",
    )
    .bind(&wanted)
    .fetch_one(pool)
    .await;
    let there = match there {
        Err(error) if has_no_table(&error) => 0,
        answer => usize::try_from(answer?).unwrap_or_default(),
    };
    let lacks = wanted.len().saturating_sub(there);
    Ok((lacks > 0).then(|| format!("{lacks} migrations are missing: run `worker migrate`")))
}

/// Waits until the database answers and lacks no migration, and logs the wait with the name `what`.
pub async fn wait_until_ready(pool: &PgPool, what: &str, migrator: &Migrator) {
    retry_until_ready(what, || missing(pool, migrator)).await;
}

/// Whether the table does not exist.
fn has_no_table(error: &sqlx::Error) -> bool {
    let said = error.as_database_error();
    said.is_some_and(|said| said.code().is_some_and(|code| code == "42P01"))
}

/// Repeats the check at growing intervals until nothing is missing.
async fn retry_until_ready<F>(what: &str, mut missing: impl FnMut() -> F)
where
    F: Future<Output = sqlx::Result<Option<String>>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match within(ANSWER_TIMEOUT, missing()).await {
            Ok(None) => return,
            Ok(Some(why)) => warn!("Waiting for {what}: {why}"),
            Err(error) => warn!(%error, "Waiting for {what}: it does not answer yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
