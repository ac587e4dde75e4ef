//! I11: each journal, replayed, leads to its saga's stored position.

use std::collections::HashMap;

use kernel::SagaId;
use saga::{
    Shape,
    replay::{Position, ReplayError, replay},
    store,
};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::Violation;

/// Sagas read at a time.
const PAGE: usize = 1_000;

/// Journals read at a time: the journal of a saga that retries for days has thousands of rows.
const JOURNALS: usize = 20;

/// Most violations reported for a check.
const MAX_VIOLATIONS: usize = 100;

/// Replays the journals of sagas whose plan is among `plans`: of all sagas, or of `sample` live
/// ones and the `sample` newest. Journals of archived sagas are not read.
pub(crate) async fn examine(
    conn: &mut PgConnection,
    plans: &[Shape],
    sample: Option<i64>,
) -> sqlx::Result<Vec<Violation>> {
    let shapes: HashMap<_, _> = plans
        .iter()
        .map(|plan| ((plan.name, plan.version, plan.hash()), plan))
        .collect();
    let mut violations = Vec::new();
    for page in select(conn, sample).await?.chunks(PAGE) {
        let mut rows = store::load(conn, page).await?;
        let shape_of = |row: &store::Row| {
            let key = (row.plan.as_str(), row.plan_version, row.plan_hash.clone());
            shapes.get(&key).copied()
        };
        rows.retain(|row| shape_of(row).is_some()); // the check of unknown plans names the others
        for rows in rows.chunks(JOURNALS) {
            let ids: Vec<_> = rows.iter().map(|row| row.saga_id.uuid()).collect();
            let mut journals = store::journals(conn, &ids).await?;
            for row in rows {
                let journal = journals.remove(&row.saga_id).unwrap_or_default();
                let Some(shape) = shape_of(row) else { continue };
                match replay(shape, &journal, &Position::of(row)).1 {
                    // a fact that only a newer release knows is left to that release's doctor
                    Ok(()) | Err(ReplayError::UnknownFact { .. }) => {}
                    Err(error) => violations.push(violation(row.saga_id, &error.to_string())),
                }
            }
            if violations.len() >= MAX_VIOLATIONS {
                violations.truncate(MAX_VIOLATIONS);
                return Ok(violations);
            }
        }
    }
    Ok(violations)
}

async fn select(conn: &mut PgConnection, sample: Option<i64>) -> sqlx::Result<Vec<Uuid>> {
    match sample {
        None => {
            sqlx::query_scalar!("select saga_id from saga.saga")
                .fetch_all(conn)
                .await
        }
        Some(sample) => {
            sqlx::query_scalar!(
                r#"
                (select saga_id as "saga_id!" from saga.saga
                 where ended_at is null order by updated_at limit $1)
                union
                (select saga_id from saga.saga order by created_at desc limit $1)
                "#,
                sample,
            )
            .fetch_all(conn)
            .await
        }
    }
}

fn violation(saga_id: SagaId, what: &str) -> Violation {
    Violation {
        check: "I11",
        subject: format!("saga {saga_id}"),
        what: format!("its journal does not lead to where it stands: {what}"),
    }
}
