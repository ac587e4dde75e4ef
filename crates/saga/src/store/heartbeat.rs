//! Heartbeats: every process that runs sagas or consumes messages writes its row every two seconds.
//!
//! No decision on a saga depends on heartbeats: a lease ends by its own time. Heartbeats show
//! operators which process holds a lease, and whether a live process could take the next one. A
//! starting worker also learns from them whether another process runs the sagas whose plan it does
//! not know.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::store::claim::PlanKey;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::Engine;

/// Interval between two heartbeats.
pub const BEAT: Duration = Duration::from_secs(2);

/// A process without a heartbeat for longer than this counts as dead: four intervals.
pub const SILENCE: Duration = Duration::from_secs(8);

/// How long the rows of processes that ended are kept, so that operators can see when a process was
/// last alive.
const KEPT: Duration = Duration::from_hours(1);

/// A name for this process, new at every start: the program's name and eight hex digits.
pub(crate) fn process_name() -> String {
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(|path| path.file_stem())
        .map_or_else(
            || "process".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
    let unique = Uuid::new_v4().simple().to_string();
    format!("{program}-{}", &unique[..8])
}

/// A plan as a heartbeat names it.
pub fn plan_name(plan: &PlanKey) -> String {
    format!("{}/{}/{}", plan.name, plan.version, plan.hash)
}

/// Settings and findings of a process that operators need to know. Each heartbeat writes them anew.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notes {
    /// Sets a note, or removes it.
    pub fn set(&self, name: &'static str, value: Option<String>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => notes.insert(name, value),
            None => notes.remove(name),
        };
    }

    fn to_json(&self) -> Value {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}

/// The row that a process writes about itself.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    process: String,
    roles: Vec<String>,
    plans: Vec<String>,
    lease: Duration,
    retry_budget: Duration,
    notes: Notes,
}

impl Heartbeat {
    /// The heartbeat of a process that has `roles` and runs the sagas of `engine`.
    pub fn new(engine: &Engine, roles: impl IntoIterator<Item = String>) -> Self {
        let config = engine.config();
        Self {
            process: engine.holder().to_owned(),
            roles: roles.into_iter().collect(),
            plans: engine.plan_keys().iter().map(plan_name).collect(),
            lease: config.lease,
            retry_budget: config.retry.budget,
            notes: Notes::default(),
        }
    }

    /// The heartbeat of a process that runs no sagas, and whose claims last for `lease`.
    pub fn without_sagas(roles: impl IntoIterator<Item = String>, lease: Duration) -> Self {
        Self {
            process: process_name(),
            roles: roles.into_iter().collect(),
            plans: Vec::new(),
            lease,
            retry_budget: Duration::ZERO,
            notes: Notes::default(),
        }
    }

    /// Writes these notes, too.
    #[must_use]
    pub fn noting(mut self, notes: Notes) -> Self {
        self.notes = notes;
        self
    }

    /// Writes heartbeats until `shutdown`, then records the end. An unreachable database does not
    /// end the loop.
    pub async fn run(self, pool: PgPool, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match tokio::time::timeout(SILENCE, self.beat(&pool)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "Could not say that this process is there"),
                Err(_) => debug!("The database gave no answer to a heartbeat"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        if let Ok(Err(error)) = tokio::time::timeout(BEAT, self.goodbye(&pool)).await {
            warn!(%error, "Could not record this process's end: it will be taken for dead in {SILENCE:?}");
        }
    }

    async fn beat(&self, pool: &PgPool) -> sqlx::Result<()> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        sqlx::query!(
            r#"
            with forgotten as (
                delete from saga.heartbeat
                where seen_at < clock_timestamp() - make_interval(secs => $9)
            )
            insert into saga.heartbeat
                (process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, notes)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $10)
            on conflict (process) do update set seen_at = clock_timestamp(), notes = excluded.notes, stopped_at = null
            "#,
            self.process,
            &self.roles,
            &self.plans,
            host.trim(),
            i32::try_from(std::process::id()).unwrap_or_default(),
            env!("CARGO_PKG_VERSION"),
            millis(self.lease),
            millis(self.retry_budget),
            KEPT.as_secs_f64(),
            self.notes.to_json(),
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    async fn goodbye(&self, pool: &PgPool) -> sqlx::Result<()> {
        sqlx::query!(
            "update saga.heartbeat set seen_at = clock_timestamp(), stopped_at = clock_timestamp() where process = $1",
            self.process
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A process, as its heartbeat describes it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Process {
    /// Its name, new with every start.
    pub process: String,
    /// `api`, `saga`, `payments`, `async`, `relay`.
    pub roles: Vec<String>,
    /// The plans that it knows, as name/version/hash.
    pub plans: Vec<String>,
    /// The host that it runs on.
    pub host: String,
    /// Its process id on that host.
    pub pid: i32,
    /// Its release.
    pub version: String,
    /// How long its claims last, in milliseconds.
    pub lease_ms: i64,
    /// How long it tries a step before it compensates, in milliseconds.
    pub retry_budget_ms: i64,
    /// When the process started.
    pub started_at: DateTime<Utc>,
    /// Time of its last heartbeat.
    pub seen_at: DateTime<Utc>,
    /// When it ended by itself; absent of a process that runs or was killed.
    pub stopped_at: Option<DateTime<Utc>>,
}

impl Process {
    /// Whether its last heartbeat is recent enough, and it has not stopped since.
    pub fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.stopped_at.is_none() && (now - self.seen_at).to_std().unwrap_or_default() <= SILENCE
    }

    /// Whether it runs the sagas of this plan.
    pub fn advances(&self, plan: &PlanKey) -> bool {
        self.has_role("saga") && self.plans.contains(&plan_name(plan))
    }

    /// Whether it has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }
}

/// All processes of the last hour, dead ones included, most recently seen first.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Process>> {
    sqlx::query_as!(
        Process,
        r#"
        select process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, started_at, seen_at, stopped_at
        from saga.heartbeat
        order by seen_at desc
        "#,
    )
    .fetch_all(conn)
    .await
}

/// The notes of the process with this role that started last, be it dead or alive; none if no such
/// process was there within the last hour.
pub async fn notes_of(
    conn: &mut PgConnection,
    role: &str,
) -> sqlx::Result<Option<BTreeMap<String, String>>> {
    let notes = sqlx::query_scalar!(
        r#"
        select notes
        from saga.heartbeat
        where $1 = any(roles)
        order by started_at desc
        limit 1
        "#,
        role,
    )
    .fetch_optional(conn)
    .await?;
    Ok(notes.map(|notes| serde_json::from_value(notes).unwrap_or_default()))
}
