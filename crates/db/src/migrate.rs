//! Migrations whose lock waits are limited: all later statements queue behind a statement that
//! waits for a lock.

use std::{future::Future, time::Duration};

use kernel::RetryPolicy;
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
};
use tokio::time::Instant;
use tracing::warn;

use crate::lock::{is_locked, open_transactions};

/// How long a migration's statement waits for a lock. Orders that arrive meanwhile wait as long.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a migration is retried because of a lock.
const LOCK_TIMEOUT: Duration = Duration::from_mins(10);
/// Pause between two tries; orders proceed meanwhile.
const PAUSE: RetryPolicy = RetryPolicy {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(15),
    jitter: 0.2,
    budget: LOCK_TIMEOUT,
};

/// Brings a database up to date. A database with newer migrations stays as it is: after a rollback,
/// an earlier release runs on the migrations of a later one, which only expand the schema at first.
///
/// # Errors
/// When the database cannot be reached, a migration differs from the one applied before, or a lock
/// cannot be acquired within ten minutes.
pub async fn migrate(pool: &PgPool, migrator: &Migrator) -> Result<(), MigrateError> {
    retry_locked(pool, is_locked_out, || apply(pool, migrator)).await
}

async fn apply(pool: &PgPool, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    let mut conn = pool.acquire().await?.detach();
    drop_invalid_indexes(&mut conn).await?;
    for migration in migrator.iter() {
        // a concurrent index build waits for old transactions, and no session waits for it
        // meanwhile
        let limit = if migration.no_tx {
            Duration::ZERO
        } else {
            MIGRATION_LOCK_TIMEOUT
        };
        sqlx::query("select set_config('lock_timeout', $1, false)")
            .bind(limit.as_millis().to_string())
            .execute(&mut conn)
            .await?;
        migrator.run_to(migration.version, &mut conn).await?;
    }
    Ok(())
}

/// Drops the invalid indexes that interrupted concurrent builds left behind: `if not exists` would
/// keep them forever.
async fn drop_invalid_indexes(conn: &mut PgConnection) -> sqlx::Result<()> {
    let statements: Vec<String> = sqlx::query_scalar(
        "select format('drop index concurrently if exists %s', indexrelid::regclass)
         from pg_index join pg_class on oid = indexrelid
         where not indisvalid and relnamespace::regnamespace::text not like 'pg\\_%'",
    )
    .fetch_all(&mut *conn)
    .await?;
    for statement in statements {
        warn!("{statement}: its building was interrupted");
        // PostgreSQL has quoted the name
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Retries `change` for ten minutes while other sessions hold locks that it needs. Each failure is
/// logged with the sessions whose transactions have been open longest.
///
/// # Errors
/// The error of `change`: at once if `is_locked` is false for it, otherwise the last one.
pub async fn retry_locked<E: std::fmt::Display, F: Future<Output = Result<(), E>>>(
    pool: &PgPool,
    is_locked: impl Fn(&E) -> bool,
    mut change: impl FnMut() -> F,
) -> Result<(), E> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        match change().await {
            Err(error) if is_locked(&error) && begun.elapsed() < LOCK_TIMEOUT => {
                tries += 1;
                let pause = PAUSE.delay(tries);
                let sessions = open_transactions(pool).await.unwrap_or_default();
                warn!(
                    %error,
                    "A migration did not get its lock within {MIGRATION_LOCK_TIMEOUT:?}; trying again in {pause:?}. Open \
                     transactions: {sessions}"
                );
                tokio::time::sleep(pause).await;
            }
            done => return done,
        }
    }
}

fn is_locked_out(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => is_locked(error),
        _ => false,
    }
}
