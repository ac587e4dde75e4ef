//! One action on one saga.

use std::time::Duration;

use commerce::order;
use kernel::SagaId;
use saga::{AfterCommit, Engine, EngineError, Operation, Preview, Verb, VerifyError, store};
use serde_json::{Value, json};
use sqlx::PgConnection;
use workflows::Registry;

use crate::{
    Actor, DataSources, Effects, audit,
    blocking::{self, BlockingSession},
    effects::effects,
};

/// How long an operator's action waits for a lock of another session.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// Shows sagas to an operator and executes an operator's actions.
#[derive(Clone)]
pub struct Operator {
    pub(crate) engine: Engine,
    registry: Registry,
    pub(crate) sources: DataSources,
}

/// Why an action was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The saga does not exist.
    #[error("there is no saga {0}")]
    NotFound(SagaId),
    /// The action does not fit the saga's state, or the saga has moved since the preview.
    #[error("{0}")]
    Conflict(String),
    /// The participant's answer contradicts the operator's assertion.
    #[error("saga {saga_id} is left as it is: {why}")]
    Contradicted {
        /// The saga.
        saga_id: SagaId,
        /// The participant's answer.
        why: String,
    },
    /// The participant could not be asked to verify the operator's assertion.
    #[error(
        "saga {saga_id} is left as it is: an operator's word on a payment counts only with the transaction in sight, and {why}"
    )]
    Unavailable {
        /// The saga.
        saga_id: SagaId,
        /// Why the participant could not be asked.
        why: String,
    },
    /// This binary cannot work on the saga.
    #[error("{0}")]
    Unreadable(String),
    /// Other sessions hold a lock that the action waited for in vain.
    #[error("saga {saga_id} is left as it is: it is locked by {}", named(sessions))]
    Locked {
        /// The saga.
        saga_id: SagaId,
        /// The sessions that hold the lock, as far as this process may see them.
        sessions: Vec<BlockingSession>,
    },
    /// The database failed.
    #[error("the shop's database failed")]
    Db(#[from] sqlx::Error),
}

/// The sessions, for people.
fn named(sessions: &[BlockingSession]) -> String {
    if sessions.is_empty() {
        return "another session of the database".to_owned();
    }
    let sessions: Vec<_> = sessions.iter().map(ToString::to_string).collect();
    sessions.join("; ")
}

impl From<EngineError> for ActionError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(saga_id) => Self::NotFound(saga_id),
            EngineError::Db(error) => Self::Db(error),
            EngineError::Unreadable { .. } | EngineError::NotInPlan { .. } => {
                Self::Unreadable(error.to_string())
            }
            EngineError::Conflict { .. } | EngineError::Fenced => Self::Conflict(error.to_string()),
        }
    }
}

/// A saga as read before an action.
struct Inspected {
    preview: Preview,
    row: store::Row,
}

impl Operator {
    /// Executes actions through `engine`, built from `registry`; `sources` lists the data sources.
    pub fn new(engine: Engine, registry: Registry, sources: DataSources) -> Self {
        Self {
            engine,
            registry,
            sources,
        }
    }

    /// The workflows that it knows.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The data sources that this process can read.
    pub fn sources(&self) -> &DataSources {
        &self.sources
    }

    /// Previews the effects of an action on a saga in its current state. Changes nothing.
    ///
    /// # Errors
    /// The same as of [`Operator::execute`].
    pub async fn preview(&self, saga_id: SagaId, verb: &Verb) -> Result<Effects, ActionError> {
        let previewed = self.compute_effects(saga_id, verb).await;
        match previewed {
            Err(error) => Err(self.name_locks(saga_id, error).await),
            done => done,
        }
    }

    async fn compute_effects(&self, saga_id: SagaId, verb: &Verb) -> Result<Effects, ActionError> {
        let mut conn = self.engine.pool().acquire().await?;
        let saga = self.inspect(&mut conn, saga_id, verb).await?;
        let effects = effects(&self.engine, &mut conn, &saga.preview, &saga.row).await?;
        drop(conn);
        self.verify(&saga.row, verb).await?;
        Ok(effects)
    }

    /// Names the sessions behind a lock that the pool's `lock_timeout` gave up. Their names are
    /// missing where they cannot be read.
    async fn name_locks(&self, saga_id: SagaId, error: ActionError) -> ActionError {
        match error {
            ActionError::Db(error) if db::is_locked(&error) => {
                let sessions = blocking::of_saga(self.engine.pool(), saga_id).await;
                let sessions = sessions.unwrap_or_else(|error| {
                    tracing::warn!(%error, saga.id = %saga_id, "Could not read which session locks saga {saga_id}");
                    Vec::new()
                });
                ActionError::Locked { saga_id, sessions }
            }
            error => error,
        }
    }

    /// Executes one action, in one commit with its rows in the journal and the audit. With
    /// `revision`, only if the saga is still at that revision.
    ///
    /// # Errors
    /// See [`ActionError`]; on an error, nothing is changed.
    pub async fn execute(
        &self,
        saga_id: SagaId,
        verb: Verb,
        actor: &Actor,
        revision: Option<i64>,
    ) -> Result<Effects, ActionError> {
        let mut tx = db::begin(self.engine.pool()).await?;
        db::set_lock_timeout(&mut tx, LOCK_TIMEOUT).await?;
        let (effects, after) = self
            .execute_in(&mut tx, saga_id, verb, actor, revision, None)
            .await?;
        tx.commit().await?;
        after.emit();
        Ok(effects)
    }

    /// Executes one action in the caller's transaction, perhaps as a part of a batch. After the commit, call
    /// [`AfterCommit::emit`].
    ///
    /// # Errors
    /// As [`Operator::execute`].
    pub async fn execute_in(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: Verb,
        actor: &Actor,
        revision: Option<i64>,
        batch_id: Option<i64>,
    ) -> Result<(Effects, AfterCommit), ActionError> {
        let executed = self
            .try_execute(conn, saga_id, verb, actor, revision, batch_id)
            .await;
        match executed {
            Err(error) => Err(self.name_locks(saga_id, error).await),
            done => done,
        }
    }

    async fn try_execute(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: Verb,
        actor: &Actor,
        revision: Option<i64>,
        batch_id: Option<i64>,
    ) -> Result<(Effects, AfterCommit), ActionError> {
        let saga = self.inspect(conn, saga_id, &verb).await?;
        // a participant's decision is final: an answer read before the lock still holds under it
        self.verify(&saga.row, &verb).await?;
        let operation = Operation {
            verb: verb.clone(),
            actor: actor.name().to_owned(),
            reason: actor.reason().to_owned(),
        };
        let operated = self
            .engine
            .apply_operation(&mut *conn, saga_id, operation, revision)
            .await?;
        let done = &operated.done;
        let act = audit::Act {
            actor,
            verb: verb.kind().into(),
            subject: audit::Subject::Saga(&saga_id.to_string()),
            before: json!({ "revision": done.revision, "standing": done.before.to_string() }),
            after: json!({ "act": verb, "standing": done.after.to_string() }),
            batch_id,
            trace_id: Some(&saga.row.trace_id),
        };
        audit::record(&mut *conn, &act).await?;
        let effects = effects(&self.engine, conn, done, &saga.row).await?;
        Ok((effects, operated.after))
    }

    async fn inspect(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<Inspected, ActionError> {
        let preview = self.engine.preview(&mut *conn, saga_id, verb).await?;
        let row = store::load(conn, &[saga_id.uuid()]).await?.pop();
        let mut row = row.ok_or(ActionError::NotFound(saga_id))?;
        adopted(conn, &mut row.input).await?;
        Ok(Inspected { preview, row })
    }

    /// Verifies an operator's assertion with the participant: it counts only if the participant
    /// confirms it.
    async fn verify(&self, row: &store::Row, verb: &Verb) -> Result<(), ActionError> {
        let Some(assertion) = verb.assertion() else {
            return Ok(());
        };
        let saga_id = row.saga_id;
        let (view, registry) = (&self.sources.payments, &self.registry);
        let verified = registry
            .verify(view, &row.plan, &row.input, assertion)
            .await;
        verified.map_err(|error| match error {
            VerifyError::Contradicted(why) => ActionError::Contradicted { saga_id, why },
            VerifyError::Unavailable(why) => ActionError::Unavailable { saga_id, why },
        })
    }
}

/// Replaces the proposed transaction of a saga's stored input by the one that payments answered with,
/// which the saga's order knows.
async fn adopted(conn: &mut PgConnection, input: &mut Value) -> sqlx::Result<()> {
    let order_id = input.get("order_id").and_then(Value::as_str);
    let Some(order_id) = order_id.and_then(|id| id.parse().ok()) else {
        return Ok(());
    };
    let adopted = order::transactions_of(conn, &[order_id]).await?;
    if let Some(id) = adopted.get(&order_id) {
        input["transaction_id"] = json!(id);
    }
    Ok(())
}
