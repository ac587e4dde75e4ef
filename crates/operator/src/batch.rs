//! One action on many sagas: a dry run, stored under a number, then applied by the workers.
//!
//! An item's result is written in the commit that acts, so no item acts twice, even if processes
//! are killed at any time and several workers run the batch. An item acts only while its saga is at
//! the previewed revision; if the saga has moved, the item is skipped and says so.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use kernel::{SagaId, Stored};
use saga::Verb;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{ActionError, Actor, Effects, Operator, audit};

/// Maximum number of sagas in one batch.
pub const MAX_ITEMS: usize = 10_000;

/// Why a batch was not planned, applied or stopped.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The batch does not exist.
    #[error("there is no plan {0}")]
    NotFound(i64),
    /// The batch's state does not allow the action.
    #[error("plan {batch_id} is {state}: {what}")]
    Conflict {
        /// The batch's number.
        batch_id: i64,
        /// The batch's state.
        state: Stored<State>,
        /// Why this state rules the action out.
        what: &'static str,
    },
    /// More sagas than one batch may hold.
    #[error("more than {MAX_ITEMS} sagas: narrow the filter")]
    TooMany,
    /// The database failed.
    #[error("the shop's database failed")]
    Db(#[from] sqlx::Error),
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Batch {
    /// The batch's number, as passed to `apply`.
    pub batch_id: i64,
    /// The action, the same for each saga.
    pub act: Value,
    /// The operator who planned it.
    pub actor: String,
    /// The operator's reason.
    pub reason: String,
    /// When it was planned.
    pub planned_at: DateTime<Utc>,
    /// The batch's state.
    pub state: Stored<State>,
    /// The operator who applied it.
    pub applied_by: Option<String>,
    /// When it was applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it was stopped.
    pub error: Option<String>,
    /// Number of sagas in it.
    pub items: i64,
    /// Items applied.
    pub done: i64,
    /// Items skipped: the saga had moved, or the action did not fit it.
    pub skipped: i64,
    /// Items not applied because of an error.
    pub failed: i64,
}

/// The state of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Previewed; it waits to be applied.
    Planned,
    /// The workers process it.
    Queued,
    /// Its canary is processed; it waits to be applied further.
    CanaryDone,
    /// An error or an operator stopped it.
    Stopped,
    /// Each item has its result.
    Done,
}

impl State {
    /// The state as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Queued => "queued",
            Self::CanaryDone => "canary_done",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of one saga of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemResult {
    /// The action was applied.
    Done,
    /// The saga had moved, or the action did not fit it.
    Skipped,
    /// An error prevented the action.
    Failed,
}

impl ItemResult {
    /// The result as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ItemResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One saga of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// The item's position.
    pub n: i64,
    /// The saga.
    pub saga_id: SagaId,
    /// The revision of the preview.
    pub revision: i64,
    /// The previewed [`Effects`]; null where the action does not fit.
    pub preview: Value,
    /// None until the item is processed.
    pub result: Option<Stored<ItemResult>>,
    /// Why the item was skipped or failed.
    pub detail: Option<String>,
    /// When the item was processed.
    pub done_at: Option<DateTime<Utc>>,
}

/// The outcome of one step of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// An item has received its result.
    Went,
    /// No item is left, or an operator stopped the batch.
    Over,
}

impl Operator {
    /// Previews `verb` on each of these sagas and stores the batch under a number. Changes no saga;
    /// a saga that the action does not fit is stored as skipped, with the reason.
    ///
    /// # Errors
    /// When there are too many sagas, or the database fails.
    pub async fn plan(
        &self,
        sagas: &[SagaId],
        verb: &Verb,
        actor: &Actor,
    ) -> Result<i64, BatchError> {
        if sagas.len() > MAX_ITEMS {
            return Err(BatchError::TooMany);
        }
        let mut items = Vec::with_capacity(sagas.len());
        for saga_id in sagas {
            items.push(match self.preview(*saga_id, verb).await {
                Ok(effects) => (Some(effects), None),
                Err(ActionError::Db(error)) => return Err(error.into()),
                Err(error) => (None, Some(error.to_string())),
            });
        }
        let mut tx = db::begin(self.engine.pool()).await?;
        let batch_id = sqlx::query_scalar!(
            "insert into saga.batch (act, actor, reason) values ($1, $2, $3) returning batch_id",
            serde_json::to_value(verb).unwrap_or_default(),
            actor.name(),
            actor.reason(),
        )
        .fetch_one(&mut *tx)
        .await?;
        let ids: Vec<_> = sagas.iter().map(|id| id.uuid()).collect();
        let revisions: Vec<_> = items
            .iter()
            .map(|(effects, _)| effects.as_ref().map_or(0, |effects| effects.revision))
            .collect();
        let previews: Vec<_> = items
            .iter()
            .map(|(effects, _)| serde_json::to_value(effects).unwrap_or_default())
            .collect();
        let whys: Vec<_> = items.into_iter().map(|(_, why)| why).collect();
        sqlx::query!(
            r#"
            insert into saga.batch_item (batch_id, n, saga_id, revision, preview, result, detail, done_at)
            select $1, i.n, i.saga_id, i.revision, i.preview, case when i.why is not null then 'skipped' end, i.why,
                   case when i.why is not null then clock_timestamp() end
            from unnest($2::uuid[], $3::bigint[], $4::jsonb[], $5::text[]) with ordinality
                 as i(saga_id, revision, preview, why, n)
            "#,
            batch_id,
            &ids,
            &revisions,
            &previews,
            &whys as &[Option<String>],
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(batch_id)
    }

    /// Queues a batch for the workers: all of it, or the next `first` items as a canary. A batch
    /// whose canary is done, or which was stopped, continues where it was. The workers process at
    /// most `rps` sagas per second.
    ///
    /// Of two concurrent calls for the same batch, one succeeds.
    ///
    /// # Errors
    /// When the batch does not exist, runs already or is done.
    pub async fn apply(
        &self,
        batch_id: i64,
        rps: Option<f64>,
        first: Option<u32>,
        by: &str,
    ) -> Result<(), BatchError> {
        let mut conn = self.engine.pool().acquire().await?;
        let queued = sqlx::query!(
            r#"
            update saga.batch b
            set state = 'queued', rps = $2, applied_by = $4, applied_at = clock_timestamp(), ended_at = null, error = null,
                run_until = (select max(i.n) from (select n from saga.batch_item
                                                   where batch_id = $1 and result is null
                                                   order by n
                                                   limit $3) as i)
            where b.batch_id = $1
              and b.state in ('planned', 'canary_done', 'stopped')
            "#,
            batch_id,
            rps,
            first.map(i64::from),
            by,
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        if queued == 1 {
            return Ok(());
        }
        let batch = find(&mut conn, batch_id).await?;
        let state = batch.ok_or(BatchError::NotFound(batch_id))?.state;
        let what = if state == State::Done {
            "each of its sagas has its result"
        } else {
            "a worker runs it"
        };
        Err(BatchError::Conflict {
            batch_id,
            state,
            what,
        })
    }

    /// Stops a batch after the item under way.
    ///
    /// # Errors
    /// When the batch does not exist, or is not running.
    pub async fn stop(&self, batch_id: i64, actor: &Actor) -> Result<(), BatchError> {
        let mut tx = db::begin(self.engine.pool()).await?;
        let why = format!("by {}: {}", actor.name(), actor.reason());
        if end(&mut tx, batch_id, State::Stopped, Some(&why)).await? {
            let act = audit::Act {
                actor,
                verb: audit::Verb::BatchStop,
                subject: audit::Subject::Batch(&batch_id.to_string()),
                before: json!({ "state": State::Queued }),
                after: json!({ "state": State::Stopped }),
                batch_id: Some(batch_id),
                trace_id: None,
            };
            audit::record(&mut tx, &act).await?;
            return Ok(tx.commit().await?);
        }
        let batch = find(&mut tx, batch_id).await?;
        Err(BatchError::Conflict {
            batch_id,
            state: batch.ok_or(BatchError::NotFound(batch_id))?.state,
            what: "nothing of it runs",
        })
    }

    /// Processes a queued batch, as a worker does. Any number of workers may process it at the same
    /// time.
    ///
    /// # Errors
    /// When the database fails. Processed items keep their results, and the next run continues the
    /// batch.
    pub async fn run_batch(&self, batch_id: i64) -> Result<(), BatchError> {
        let mut conn = self.engine.pool().acquire().await?;
        let batch = sqlx::query!(
            "select act, actor, reason, rps from saga.batch where batch_id = $1",
            batch_id,
        )
        .fetch_optional(&mut *conn)
        .await?
        .ok_or(BatchError::NotFound(batch_id))?;
        drop(conn);
        let verb: Result<Verb, _> = serde_json::from_value(batch.act);
        let actor = Actor::new(batch.actor, &batch.reason);
        let (Ok(verb), Ok(actor)) = (verb, actor) else {
            return self.broke(batch_id, "its act cannot be read").await;
        };
        let pace = batch.rps.map(|rps| Duration::from_secs_f64(1.0 / rps));
        while self.next(batch_id, &verb, &actor).await? == Next::Went {
            if let Some(pace) = pace {
                tokio::time::sleep(pace).await;
            }
        }
        Ok(())
    }

    async fn broke(&self, batch_id: i64, why: &str) -> Result<(), BatchError> {
        let mut conn = self.engine.pool().acquire().await?;
        end(&mut conn, batch_id, State::Stopped, Some(why)).await?;
        Ok(())
    }

    /// Processes the next item, in one commit with its result.
    async fn next(&self, batch_id: i64, verb: &Verb, actor: &Actor) -> Result<Next, BatchError> {
        let mut tx = db::begin(self.engine.pool()).await?;
        let item = sqlx::query!(
            r#"
            select i.n, i.saga_id as "saga_id: SagaId", i.revision
            from saga.batch b
                 join saga.batch_item i on i.batch_id = b.batch_id
            where b.batch_id = $1
              and b.state = 'queued'
              and i.result is null
              and i.n <= b.run_until
            order by i.n
            limit 1
            -- another worker has the ones that are locked
            for update of i skip locked
            "#,
            batch_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(item) = item else {
            finish(&mut tx, batch_id).await?;
            tx.commit().await?;
            return Ok(Next::Over);
        };
        let executed = self
            .execute_in(
                &mut tx,
                item.saga_id,
                verb.clone(),
                actor,
                Some(item.revision),
                Some(batch_id),
            )
            .await;
        match executed {
            Ok((_, after)) => {
                settle(&mut tx, batch_id, item.n, ItemResult::Done, None).await?;
                tx.commit().await?;
                after.emit();
                Ok(Next::Went)
            }
            Err(ActionError::Db(error)) => Err(error.into()),
            Err(error) => {
                tx.rollback().await?;
                self.leave(batch_id, item.n, &error).await
            }
        }
    }

    /// Records why an item was not applied; an error that is not the item's own stops the batch.
    async fn leave(&self, batch_id: i64, n: i64, error: &ActionError) -> Result<Next, BatchError> {
        let skipped = matches!(
            error,
            ActionError::Conflict(_)
                | ActionError::NotFound(_)
                | ActionError::Contradicted { .. }
                // its lock must not hold up the other sagas of the batch
                | ActionError::Locked { .. }
        );
        let why = error.to_string();
        let result = if skipped {
            ItemResult::Skipped
        } else {
            ItemResult::Failed
        };
        let mut tx = db::begin(self.engine.pool()).await?;
        settle(&mut tx, batch_id, n, result, Some(&why)).await?;
        if !skipped {
            end(&mut tx, batch_id, State::Stopped, Some(&why)).await?;
        }
        tx.commit().await?;
        Ok(if skipped { Next::Went } else { Next::Over })
    }
}

async fn settle(
    conn: &mut PgConnection,
    batch_id: i64,
    n: i64,
    result: ItemResult,
    detail: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update saga.batch_item set result = $3, detail = $4, done_at = clock_timestamp()
         where batch_id = $1 and n = $2 and result is null",
        batch_id,
        n,
        result.as_str(),
        detail,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Ends a queued batch. Returns whether it was queued.
async fn end(
    conn: &mut PgConnection,
    batch_id: i64,
    state: State,
    error: Option<&str>,
) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "update saga.batch set state = $2, error = $3, ended_at = clock_timestamp()
         where batch_id = $1 and state = 'queued'",
        batch_id,
        state.as_str(),
        error,
    )
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends a batch that has no items left. While other workers process its last items, the batch stays
/// queued.
async fn finish(conn: &mut PgConnection, batch_id: i64) -> sqlx::Result<()> {
    let left = sqlx::query!(
        r#"
        select count(*) filter (where i.n <= b.run_until) as "now!", count(*) as "ever!"
        from saga.batch b
             join saga.batch_item i on i.batch_id = b.batch_id
        where b.batch_id = $1
          and i.result is null
        "#,
        batch_id,
    )
    .fetch_one(&mut *conn)
    .await?;
    match (left.now, left.ever) {
        (0, 0) => end(conn, batch_id, State::Done, None).await.map(drop),
        (0, _) => end(conn, batch_id, State::CanaryDone, None).await.map(drop),
        _ => Ok(()),
    }
}

/// One batch, with its counts.
pub async fn find(conn: &mut PgConnection, batch_id: i64) -> sqlx::Result<Option<Batch>> {
    Ok(some(conn, Some(batch_id), 1).await?.pop())
}

/// Batches, newest first.
pub async fn list(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Batch>> {
    some(conn, None, limit).await
}

async fn some(
    conn: &mut PgConnection,
    batch_id: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Batch>> {
    sqlx::query_as!(
        Batch,
        r#"
        select b.batch_id, b.act, b.actor, b.reason, b.planned_at, b.state as "state: Stored<State>",
               b.applied_by, b.applied_at, b.ended_at, b.error, i.items as "items!", i.done as "done!",
               i.skipped as "skipped!", i.failed as "failed!"
        from saga.batch b
             cross join lateral (
                 select count(*) as items, count(*) filter (where result = 'done') as done,
                        count(*) filter (where result = 'skipped') as skipped,
                        count(*) filter (where result = 'failed') as failed
                 from saga.batch_item
                 where batch_id = b.batch_id) as i
        where ($1::bigint is null or b.batch_id = $1)
        order by b.batch_id desc
        limit $2
        "#,
        batch_id,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The sagas of a batch, in its order.
pub async fn items(conn: &mut PgConnection, batch_id: i64) -> sqlx::Result<Vec<Item>> {
    sqlx::query_as!(
        Item,
        r#"
        select n, saga_id as "saga_id: SagaId", revision, preview, result as "result: Stored<ItemResult>", detail, done_at
        from saga.batch_item
        where batch_id = $1
        order by n
        "#,
        batch_id,
    )
    .fetch_all(conn)
    .await
}

impl Item {
    /// The previewed effects.
    pub fn effects(&self) -> Option<Effects> {
        serde_json::from_value(self.preview.clone()).ok().flatten()
    }
}
