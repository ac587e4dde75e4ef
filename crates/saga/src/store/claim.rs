//! Claims: the right to act on a saga's outbox entry until a lease ends.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use kernel::{EntryId, SagaId};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// The kind of a saga's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A remote step or a compensation to run.
    Step,
    /// A deadline.
    Timer,
}

/// Identifies a plan that a worker knows. A worker claims only entries whose plan it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanKey {
    /// The plan's stored name.
    pub name: String,
    /// The plan's version.
    pub version: i32,
    /// Hash of the plan's shape.
    pub hash: String,
}

/// The right to act on a saga's entry until the lease ends.
#[derive(Debug, Clone)]
pub struct SagaClaim {
    /// The entry.
    pub entry_id: EntryId,
    /// The saga.
    pub saga_id: SagaId,
    /// The kind of entry.
    pub kind: EntryKind,
    /// The step's name, or `<step>/undo`.
    pub step: String,
    /// The epoch, which fences out earlier lease holders.
    pub epoch: i64,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// When this work first became due.
    pub since: DateTime<Utc>,
    /// When the claim was sent, by this process' clock; the lease is measured from here.
    pub claimed_at: Instant,
    /// When the claim was made, by the database's clock.
    pub began_at: DateTime<Utc>,
    /// The worker that made the claim, by the name in its heartbeat.
    pub holder: String,
    /// The previous attempt, if its holder never reported its end.
    pub lost: Option<LostClaim>,
}

impl SagaClaim {
    /// Id of the attempt's span, 16 hex digits, derived from the claim alone: if the holder dies
    /// before it exports its span, another process can still refer to it.
    pub fn span_id(&self) -> String {
        span_id(self.entry_id, self.epoch)
    }
}

/// A claim whose holder never reported the attempt's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostClaim {
    /// The claim's epoch.
    pub epoch: i64,
    /// Number of the attempt.
    pub attempt: i32,
    /// When the claim was made, calculated with this process' lease; the other process' lease may
    /// have differed.
    pub began_at: DateTime<Utc>,
    /// The worker that made the claim.
    pub holder: String,
}

/// The span id of the attempt that a claim permits.
pub fn span_id(entry_id: EntryId, epoch: i64) -> String {
    let mut hash = Sha256::new();
    hash.update(entry_id.uuid().as_bytes());
    hash.update(epoch.to_be_bytes());
    let hash = hash.finalize();
    // an id of zeros is invalid; the odds are one to 2^64
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Claims up to `limit` due steps and timers of known plans, oldest due first.
///
/// A worker claims no more entries than it has free slots: a claimed entry that waits for a slot
/// loses its lease. `holder` tells operators which worker made the claim; no decision depends on
/// it.
pub async fn claim_sagas(
    conn: &mut PgConnection,
    holder: &str,
    plans: &[PlanKey],
    lease: Duration,
    limit: i64,
) -> sqlx::Result<Vec<SagaClaim>> {
    let claimed_at = Instant::now();
    let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
    let versions: Vec<_> = plans.iter().map(|plan| plan.version).collect();
    let hashes: Vec<_> = plans.iter().map(|plan| plan.hash.clone()).collect();
    let rows = sqlx::query!(
        r#"
        with due as (
            select o.entry_id, o.epoch, o.attempt, o.holder, o.due_at
            from messaging.outbox o
            where o.kind in ('step', 'timer')
              and o.parked_at is null
              -- the sub-select makes the clock a constant, so that the index is bound by it
              and o.due_at <= (select clock_timestamp())
              and (o.plan, o.plan_version, o.plan_hash) in
                  (select * from unnest($1::text[], $2::integer[], $3::text[]))
            order by o.due_at
            limit $5
            -- leave what another worker is claiming right now
            for update skip locked
        )
        update messaging.outbox o
        set due_at = clock_timestamp() + make_interval(secs => $4), epoch = o.epoch + 1, attempt = o.attempt + 1,
            holder = $6
        from due
        where o.entry_id = due.entry_id
        returning o.entry_id, o.saga_id as "saga_id!", o.kind, o.step as "step!", o.epoch, o.attempt, o.since,
                  o.due_at, due.epoch as lost_epoch, due.attempt as lost_attempt, due.holder as lost_holder,
                  due.due_at as lost_due_at
        "#,
        &names,
        &versions,
        &hashes,
        lease.as_secs_f64(),
        limit,
        holder,
    )
    .fetch_all(conn)
    .await?;
    let claims = rows.into_iter().map(|row| SagaClaim {
        entry_id: EntryId::from(row.entry_id),
        saga_id: SagaId::from(row.saga_id),
        kind: if row.kind == "timer" {
            EntryKind::Timer
        } else {
            EntryKind::Step
        },
        step: row.step,
        epoch: row.epoch,
        attempt: row.attempt,
        since: row.since,
        claimed_at,
        began_at: row.due_at - lease,
        holder: holder.to_owned(),
        lost: row.lost_holder.map(|holder| LostClaim {
            epoch: row.lost_epoch,
            attempt: row.lost_attempt,
            began_at: row.lost_due_at - lease,
            holder,
        }),
    });
    Ok(claims.collect())
}

/// Whether each of these claims still holds: whether its entry is there under the claim's epoch.
pub(crate) async fn held(
    conn: &mut PgConnection,
    entries: &[Uuid],
    epochs: &[i64],
) -> sqlx::Result<Vec<bool>> {
    sqlx::query_scalar!(
        r#"
        select o.entry_id is not null as "held!"
        from unnest($1::uuid[], $2::bigint[]) with ordinality as c(entry_id, epoch, n)
             left join messaging.outbox o using (entry_id, epoch)
        order by c.n
        "#,
        entries,
        epochs,
    )
    .fetch_all(conn)
    .await
}
