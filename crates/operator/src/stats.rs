//! Counts of sagas by state, and of live sagas by plan.

use kernel::Stored;
use saga::{claim::PlanKey, machine::StateKind};
use serde::Serialize;
use sqlx::PgConnection;

/// The sagas of one state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InState {
    /// The state.
    pub state: Stored<StateKind>,
    /// Sagas in this state; of those at rest, only the ones not archived.
    pub sagas: i64,
    /// How many of them an operator has paused.
    pub paused: i64,
    /// Age of the saga that has gone longest without a change, in seconds.
    pub oldest_seconds: f64,
}

/// Counts sagas by state, live states first.
pub async fn by_state(conn: &mut PgConnection) -> sqlx::Result<Vec<InState>> {
    sqlx::query_as!(
        InState,
        r#"
        select state as "state: Stored<StateKind>", count(*) as "sagas!", count(*) filter (where paused) as "paused!",
               extract(epoch from clock_timestamp() - min(updated_at))::float8 as "oldest_seconds!"
        from saga.saga
        group by state
        order by array_position(array['running', 'waiting', 'compensating', 'completed', 'compensated'], state)
        "#,
    )
    .fetch_all(conn)
    .await
}

/// Counts the sagas that are not at rest, by the index of live sagas. The age is the time since the
/// saga entered its state.
pub async fn by_state_live(conn: &mut PgConnection) -> sqlx::Result<Vec<InState>> {
    sqlx::query_as!(
        InState,
        r#"
        select state as "state: Stored<StateKind>", count(*) as "sagas!", count(*) filter (where paused) as "paused!",
               extract(epoch from clock_timestamp() - min(coalesce(state_since, updated_at)))::float8
                   as "oldest_seconds!"
        from saga.saga
        where ended_at is null
        group by state
        "#,
    )
    .fetch_all(conn)
    .await
}

/// The live sagas of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LivePlan {
    /// The plan's stored name.
    pub plan: String,
    /// The plan's version.
    pub version: i32,
    /// Hash of the plan's shape.
    pub hash: String,
    /// How many of its sagas are not at rest.
    pub sagas: i64,
    /// The oldest of these sagas.
    pub oldest: kernel::SagaId,
    /// Whether this binary can work on them.
    pub known: bool,
}

/// Lists the plans of all live sagas; `known` are the plans of this binary.
pub async fn live_plans(conn: &mut PgConnection, known: &[PlanKey]) -> sqlx::Result<Vec<LivePlan>> {
    let rows = sqlx::query!(
        r#"
        select plan, plan_version, plan_hash, count(*) as "sagas!",
               (array_agg(saga_id order by created_at))[1] as "oldest!"
        from saga.saga
        where ended_at is null
        group by plan, plan_version, plan_hash
        order by plan, plan_version, plan_hash
        "#,
    )
    .fetch_all(conn)
    .await?;
    let plans = rows.into_iter().map(|row| {
        let key = PlanKey {
            name: row.plan,
            version: row.plan_version,
            hash: row.plan_hash,
        };
        LivePlan {
            known: known.contains(&key),
            plan: key.name,
            version: key.version,
            hash: key.hash,
            sagas: row.sagas,
            oldest: row.oldest.into(),
        }
    });
    Ok(plans.collect())
}
