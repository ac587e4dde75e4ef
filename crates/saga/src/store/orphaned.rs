//! Orphaned live sagas: neither this binary nor any live process knows their plan.

use std::fmt;

use kernel::SagaId;

use crate::{
    engine::Engine,
    heartbeat::{SILENCE, plan_name},
};

/// The orphaned sagas of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedSagas {
    /// Name of the plan.
    pub plan: String,
    /// Its version.
    pub version: i32,
    /// Its hash.
    pub hash: String,
    /// The number of sagas.
    pub sagas: i64,
    /// Ids of the oldest sagas, at most five.
    pub oldest: Vec<SagaId>,
}

impl fmt::Display for OrphanedSagas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plan,
            version,
            hash,
            sagas,
            oldest,
        } = self;
        let oldest: Vec<_> = oldest.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{sagas} of plan {plan} v{version} ({hash}), the oldest: {}",
            oldest.join(", ")
        )
    }
}

impl Engine {
    /// Live sagas that would not advance if this were the only binary: neither this binary nor a
    /// process with a recent heartbeat runs their plan. A paused saga is not meant to advance.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn orphaned(&self) -> sqlx::Result<Vec<OrphanedSagas>> {
        let known: Vec<_> = self.plan_keys().iter().map(plan_name).collect();
        let rows = sqlx::query!(
            r#"
            select plan, plan_version, plan_hash, count(*) as "sagas!",
                   (array_agg(saga_id order by saga_id))[1:5] as "oldest!: Vec<SagaId>"
            from saga.saga
            where ended_at is null
              and not paused -- an operator parked it
              and plan || '/' || plan_version || '/' || plan_hash not in (
                  select unnest($1::text[])
                  union all
                  select unnest(plans) from saga.heartbeat
                  where 'saga' = any(roles) and stopped_at is null and seen_at >= clock_timestamp() - make_interval(secs => $2))
            group by plan, plan_version, plan_hash
            order by plan, plan_version, plan_hash
            "#,
            &known,
            SILENCE.as_secs_f64(),
        )
        .fetch_all(self.pool())
        .await?;
        let orphaned = rows.into_iter().map(|row| OrphanedSagas {
            plan: row.plan,
            version: row.plan_version,
            hash: row.plan_hash,
            sagas: row.sagas,
            oldest: row.oldest,
        });
        Ok(orphaned.collect())
    }
}
