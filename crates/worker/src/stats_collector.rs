//! The stats collector: publishes gauges of the state of all sagas, in one process at a time.
//!
//! The lock holder publishes the gauges until it dies, loses its connection or falls silent; then
//! another process takes over. No other process publishes these gauges, and those of a former lock
//! holder vanish within a minute, so `max` over the processes is correct.

use std::{collections::BTreeMap, time::Duration};

use kernel::SagaId;
use messaging::{outbox, topology as queues};
use operator::{
    Operator,
    cause::Code,
    sagas::{self, Filter},
    stats, trace_export,
};
use saga::{heartbeat, machine::StateKind};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Key of the advisory lock.
const LOCK: i64 = 0x7361_6761_6365_6e73;
/// How many sagas of each state are diagnosed: those unchanged for the longest time.
const DIAGNOSED: [(StateKind, i64); 3] = [
    (StateKind::Running, 500),
    (StateKind::Compensating, 500),
    (StateKind::Waiting, 100),
];
const STATES: [StateKind; 3] = [
    StateKind::Running,
    StateKind::Waiting,
    StateKind::Compensating,
];
/// After this many pauses without a statement, and at least after [`SILENCE`], the server ends the
/// lock holder's session. A frozen process or machine would otherwise keep the lock for as long as
/// its kernel answers.
const SILENT_PAUSES: u32 = 4;
const SILENCE: Duration = Duration::from_secs(10);
const ROLES: [&str; 5] = ["api", "saga", "payments", "async", "relay"];

/// Collects the statistics every `pause`, unless another process does, until `shutdown`.
pub(crate) async fn run(
    database_url: String,
    operator: Operator,
    pause: Duration,
    shutdown: CancellationToken,
) {
    // not `by_key`: queries that count rows need other plans than lookups by key
    let pool = match db::connect(&database_url, &db::PoolConfig::new("worker stats", 1)) {
        Ok(pool) => pool,
        Err(error) => {
            return error!(%error, "Cannot collect statistics: SHOP_DATABASE_URL is no PostgreSQL URL");
        }
    };
    while !shutdown.is_cancelled() {
        tokio::select! {
            () = shutdown.cancelled() => return,
            result = collect_while_locked(&pool, &operator, pause) => {
                if let Err(error) = result {
                    warn!(%error, "Collecting statistics failed: trying again");
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Collects the statistics while this process holds the lock. Returns when another process holds it, or
/// when this connection is lost.
async fn collect_while_locked(
    pool: &PgPool,
    operator: &Operator,
    pause: Duration,
) -> sqlx::Result<()> {
    // the session owns the lock: this connection must not return to the pool
    let mut conn = pool.acquire().await?.detach();
    let silence = (pause * SILENT_PAUSES).max(SILENCE);
    sqlx::query("select set_config('idle_session_timeout', $1, false)")
        .bind(silence.as_millis().to_string())
        .execute(&mut conn)
        .await?;
    let ours = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "ours!""#, LOCK)
        .fetch_one(&mut conn)
        .await?;
    if !ours {
        return Ok(());
    }
    info!("Collecting statistics from now on");
    let mut exported = BTreeMap::new();
    loop {
        collect(&mut conn, operator, &mut exported).await?;
        tokio::time::sleep(pause).await;
    }
}

async fn collect(
    conn: &mut PgConnection,
    operator: &Operator,
    exported: &mut BTreeMap<SagaId, i64>,
) -> sqlx::Result<()> {
    let states = stats::by_state_live(conn).await?;
    for state in STATES {
        let found = states.iter().find(|found| found.state == state);
        let diagnosed = DIAGNOSED.iter().find(|(of, _)| *of == state);
        let state = state.as_str();
        gauge(
            "saga_live",
            "state",
            state,
            found.map_or(0, |found| found.sagas),
        );
        metrics::gauge!("saga_oldest_age_seconds", "state" => state)
            .set(found.map_or(0.0, |found| found.oldest_seconds));
        gauge(
            "saga_paused",
            "state",
            state,
            found.map_or(0, |found| found.paused),
        );
        let left = found.map_or(0, |found| found.sagas) - diagnosed.map_or(0, |(_, limit)| *limit);
        gauge("saga_unjudged", "state", state, left.max(0));
    }
    outbox::gauge_lag(conn).await?;
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *conn)
        .await?;
    let processes = heartbeat::list(conn).await?;
    for role in ROLES {
        let alive = processes
            .iter()
            .filter(|process| process.is_alive(now) && process.has_role(role));
        let alive = i64::try_from(alive.count()).unwrap_or(i64::MAX);
        gauge("shop_processes", "role", role, alive);
    }
    diagnose(conn, operator, exported).await?;
    queues_now(operator).await;
    Ok(())
}

/// Sets `saga_stuck{cause}`, by the same diagnosis as `shopctl saga list --stuck`.
async fn diagnose(
    conn: &mut PgConnection,
    operator: &Operator,
    exported: &mut BTreeMap<SagaId, i64>,
) -> sqlx::Result<()> {
    let mut revisions = BTreeMap::new();
    for (state, limit) in DIAGNOSED {
        let filter = Filter {
            state: Some(state),
            ..Filter::default()
        };
        let found = sagas::list(conn, &filter, limit).await?;
        revisions.extend(found.iter().map(|saga| (saga.saga_id, saga.revision)));
    }
    let ids: Vec<_> = revisions.keys().copied().collect();
    let mut causes = BTreeMap::<Code, i64>::new();
    let mut stuck = BTreeMap::new();
    for why in operator::why(operator, &ids).await? {
        *causes.entry(why.diagnosis.code).or_default() += 1;
        if why.diagnosis.stuck {
            stuck.extend(revisions.remove_entry(&why.saga_id));
        }
    }
    for code in Code::ALL.into_iter().filter(|code| code.is_stuck()) {
        let sagas = causes.get(&code).copied().unwrap_or_default();
        gauge("saga_stuck", "cause", code.as_str(), sagas);
    }
    export_traces(operator, conn, &stuck, exported).await?;
    *exported = stuck;
    Ok(())
}

/// Exports the spans of stuck sagas that are not sampled, again after each new revision.
async fn export_traces(
    operator: &Operator,
    conn: &mut PgConnection,
    stuck: &BTreeMap<SagaId, i64>,
    exported: &BTreeMap<SagaId, i64>,
) -> sqlx::Result<()> {
    if !telemetry::span_export::is_enabled() {
        return Ok(());
    }
    for (saga_id, revision) in stuck {
        if exported.get(saga_id) == Some(revision) {
            continue;
        }
        let trace = trace_export::rebuild(operator.engine(), conn, *saga_id).await?;
        let spans = trace.into_iter().flat_map(|trace| trace.spans);
        spans
            .filter(|span| !telemetry::samples(&span.at))
            .for_each(telemetry::span_export::export);
    }
    Ok(())
}

async fn queues_now(operator: &Operator) {
    let Some(url) = operator.sources().amqp_url.as_deref() else {
        return;
    };
    let names = [
        contracts::topology::PAYMENTS_EVENTS_QUEUE,
        contracts::topology::MESSAGES,
        contracts::topology::FAILED,
    ];
    match queues::inspect(url, &names).await {
        Ok(found) => {
            for (name, state) in found {
                metrics::gauge!("queue_missing", "queue" => name).set(f64::from(state.is_none()));
                let Some(state) = state else { continue };
                metrics::gauge!("queue_messages", "queue" => name).set(state.messages);
                metrics::gauge!("queue_consumers", "queue" => name).set(state.consumers);
            }
        }
        Err(error) => warn!(%error, "The stats collector could not inspect RabbitMQ's queues"),
    }
}

fn gauge(name: &'static str, label: &'static str, value: &'static str, number: i64) {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    metrics::gauge!(name, label => value).set(number as f64);
}
