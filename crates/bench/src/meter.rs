//! The cost of a saga: processor time, commits, fsyncs and WAL.

use std::{collections::BTreeMap, fs, time::Instant};

use serde::Serialize;
use servers::Process;
use sqlx::PgPool;

use crate::system::System;

/// A clock tick of `/proc/PID/stat`, milliseconds: USER_HZ is 100 on all our Linux systems.
const TICK_MS: f64 = 10.0;

/// Costs of one saga.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Costs {
    /// Processor time of our processes, milliseconds.
    pub(crate) ours_ms: f64,
    /// The same, by process.
    pub(crate) processes_ms: BTreeMap<String, f64>,
    /// Processor time of PostgreSQL, milliseconds.
    pub(crate) postgres_ms: f64,
    /// Processor time of RabbitMQ, milliseconds.
    pub(crate) rabbitmq_ms: f64,
    /// Transactions that wrote something.
    pub(crate) commits: f64,
    /// Times that the WAL was synced.
    pub(crate) fsyncs: f64,
    /// Bytes of WAL.
    pub(crate) wal_bytes: f64,
    /// Number of full-page images in the WAL, written after a checkpoint.
    pub(crate) full_page_images: f64,
    /// Rows inserted.
    pub(crate) inserted: f64,
    /// Row versions that died: by updates and deletes.
    pub(crate) dead_rows: f64,
    /// Statements; only when PostgreSQL counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statements: Option<f64>,
}

#[derive(Debug)]
struct Snapshot {
    ours: BTreeMap<String, f64>,
    postgres: f64,
    rabbitmq: f64,
    statements: Option<i64>,
    database: Database,
}

/// PostgreSQL's own statistics.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct Database {
    transactions: i64,
    fsyncs: i64,
    wal_bytes: i64,
    full_page_images: i64,
    inserted: i64,
    dead_rows: i64,
}

impl Database {
    /// Reads the statistics.
    pub(crate) async fn read(pool: &PgPool) -> sqlx::Result<Self> {
        sqlx::query_as(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as transactions, wal_sync as fsyncs,
                    (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as wal_bytes, wal_fpi as full_page_images,
                    tup_inserted as inserted, tup_updated + tup_deleted as dead_rows
             from pg_stat_wal, pg_stat_database
             where datname = current_database()",
        )
        .fetch_one(pool)
        .await
    }
}

pub(crate) struct Meter {
    before: Snapshot,
    watcher: u32,
}

/// The total cost of all sagas of a run.
pub(crate) struct Totals(Costs);

impl Meter {
    pub(crate) async fn start(system: &System, watcher: u32) -> sqlx::Result<Self> {
        let before = snapshot(system, watcher).await?;
        Ok(Self { before, watcher })
    }

    pub(crate) async fn stop(self, system: &System) -> sqlx::Result<Totals> {
        let (before, after) = (self.before, snapshot(system, self.watcher).await?);
        let processes_ms: BTreeMap<_, _> = after
            .ours
            .into_iter()
            .map(|(name, ms)| {
                let earlier = before.ours.get(&name).copied().unwrap_or_default();
                (name, ms - earlier)
            })
            .collect();
        let statements = after
            .statements
            .zip(before.statements)
            .map(|(after, before)| (after - before) as f64);
        let database = after.database.since(before.database);
        Ok(Totals(Costs {
            ours_ms: processes_ms.values().sum(),
            processes_ms,
            statements,
            postgres_ms: after.postgres - before.postgres,
            rabbitmq_ms: after.rabbitmq - before.rabbitmq,
            ..database
        }))
    }
}

impl Database {
    pub(crate) fn since(self, before: Self) -> Costs {
        let more = |after: i64, before: i64| (after - before) as f64;
        Costs {
            ours_ms: 0.0,
            processes_ms: BTreeMap::new(),
            statements: None,
            postgres_ms: 0.0,
            rabbitmq_ms: 0.0,
            commits: more(self.transactions, before.transactions),
            fsyncs: more(self.fsyncs, before.fsyncs),
            wal_bytes: more(self.wal_bytes, before.wal_bytes),
            full_page_images: more(self.full_page_images, before.full_page_images),
            inserted: more(self.inserted, before.inserted),
            dead_rows: more(self.dead_rows, before.dead_rows),
        }
    }
}

impl Totals {
    pub(crate) fn per(self, sagas: usize) -> Costs {
        self.0.per(sagas)
    }
}

impl Costs {
    /// Processor time of all processes and servers, milliseconds.
    pub(crate) fn processor_ms(&self) -> f64 {
        self.ours_ms + self.postgres_ms + self.rabbitmq_ms
    }

    pub(crate) fn per(self, sagas: usize) -> Self {
        let n = sagas as f64;
        let processes = self.processes_ms.into_iter();
        Self {
            ours_ms: self.ours_ms / n,
            processes_ms: processes.map(|(name, ms)| (name, ms / n)).collect(),
            statements: self.statements.map(|statements| statements / n),
            postgres_ms: self.postgres_ms / n,
            rabbitmq_ms: self.rabbitmq_ms / n,
            commits: self.commits / n,
            fsyncs: self.fsyncs / n,
            wal_bytes: self.wal_bytes / n,
            full_page_images: self.full_page_images / n,
            inserted: self.inserted / n,
            dead_rows: self.dead_rows / n,
        }
    }
}

async fn snapshot(system: &System, watcher: u32) -> sqlx::Result<Snapshot> {
    let database = Database::read(&system.pool).await?;
    Ok(Snapshot {
        ours: system.each(cpu),
        postgres: family_cpu(system.postgres) - cpu(watcher),
        rabbitmq: family_cpu(system.rabbitmq),
        statements: system.statements().await?,
        database,
    })
}

/// Processor time of a process and its descendants, milliseconds.
pub(crate) fn family_cpu(process: Process) -> f64 {
    family(process).into_iter().map(cpu).sum()
}

/// A process and its descendants.
pub(crate) fn family(process: Process) -> Vec<u32> {
    let mut all = vec![process];
    let mut next = 0;
    while next < all.len() {
        all.extend(all[next].children());
        next += 1;
    }
    all.into_iter().map(|process| process.pid).collect()
}

/// Processor time of a process and of its terminated children, milliseconds.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the name, in parentheses, may contain any character
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks = ticks.filter_map(|field| field.parse::<u32>().ok());
    ticks.map(|ticks| f64::from(ticks) * TICK_MS).sum()
}

/// A memory figure of `/proc/PID/status`, MiB.
pub(crate) fn status(pid: u32, figure: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    let kib = line.and_then(|rest| rest.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Elapsed time in seconds.
pub(crate) fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
