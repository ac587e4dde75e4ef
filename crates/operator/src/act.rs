//! One act on one saga.

use kernel::SagaId;
use messaging::inbox;
use saga::{
    AfterCommit, Engine, EngineError, Operation, Preview, Saga as _, Verb, VerifyError, store,
};
use serde_json::json;
use sqlx::PgConnection;
use workflows::checkout::{Checkout, CheckoutInput};

use crate::{Actor, Effects, PaymentsSight, Sight, audit, effects::effects};

/// Sees and acts for an operator.
#[derive(Clone)]
pub struct Operator {
    pub(crate) engine: Engine<Checkout>,
    pub(crate) sight: Sight,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such saga.
    #[error("there is no saga {0}")]
    NotFound(SagaId),
    /// The act does not fit the saga's state, or it has moved since it was looked at.
    #[error("{0}")]
    Conflict(String),
    /// The participant does not bear out what the operator asserts.
    #[error("saga {saga_id} is left as it is: {why}")]
    Contradicted {
        /// The saga.
        saga_id: SagaId,
        /// What the participant says.
        why: String,
    },
    /// The participant could not be asked about what the operator asserts.
    #[error(
        "saga {saga_id} is left as it is: an operator's word on a payment counts only with the transaction in sight, and {why}"
    )]
    Unavailable {
        /// The saga.
        saga_id: SagaId,
        /// What could not be asked.
        why: String,
    },
    /// This binary cannot work on the saga.
    #[error("{0}")]
    Unreadable(String),
    /// The database failed.
    #[error("the shop's database failed")]
    Db(#[from] sqlx::Error),
}

impl From<EngineError> for ActError {
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

/// A saga before something is done to it.
struct Inspected {
    preview: Preview,
    input: CheckoutInput,
    trace_id: String,
}

impl Operator {
    /// Acts through `engine`, which decides and stores and never runs a step, with `sight`.
    pub fn new(engine: Engine<Checkout>, sight: Sight) -> Self {
        Self { engine, sight }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine<Checkout> {
        &self.engine
    }

    /// What can be looked at.
    pub fn sight(&self) -> &Sight {
        &self.sight
    }

    /// What an act would do to a saga as it stands now. Changes nothing.
    ///
    /// # Errors
    /// As of [`Operator::act`].
    pub async fn preview(&self, saga_id: SagaId, verb: &Verb) -> Result<Effects, ActError> {
        let mut conn = self.engine.pool().acquire().await?;
        let saga = self.inspect(&mut conn, saga_id, verb).await?;
        let effects = effects(&mut conn, &saga.preview, &saga.input).await?;
        drop(conn);
        self.verify(&saga.input, saga_id, verb).await?;
        Ok(effects)
    }

    /// Does one act, in one commit with its rows in journal and audit. With `revision`, only if the
    /// saga has not moved since.
    ///
    /// # Errors
    /// See [`ActError`]; nothing is done then.
    pub async fn act(
        &self,
        saga_id: SagaId,
        verb: Verb,
        actor: &Actor,
        revision: Option<i64>,
    ) -> Result<Effects, ActError> {
        let mut tx = db::begin(self.engine.pool()).await?;
        let (effects, after) = self
            .act_in(&mut tx, saga_id, verb, actor, revision, None)
            .await?;
        tx.commit().await?;
        after.emit();
        Ok(effects)
    }

    /// The same in the caller's transaction, as a part of a batch.
    pub(crate) async fn act_in(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: Verb,
        actor: &Actor,
        revision: Option<i64>,
        batch_id: Option<i64>,
    ) -> Result<(Effects, AfterCommit), ActError> {
        let saga = self.inspect(conn, saga_id, &verb).await?;
        // a participant's decision is final: what it says before the lock is true under it
        self.verify(&saga.input, saga_id, &verb).await?;
        let operation = Operation {
            verb: verb.clone(),
            actor: actor.name().to_owned(),
            reason: actor.reason().to_owned(),
        };
        let operated = self
            .engine
            .operate(&mut *conn, saga_id, operation, revision)
            .await?;
        let assertion = verb.assertion();
        let message = assertion.and_then(|it| Checkout::message_of(&saga.input, it));
        if let Some((consumer, key)) = message {
            inbox::record(&mut *conn, consumer, &[key]).await?;
        }
        let done = &operated.done;
        let act = audit::Act {
            actor,
            verb: &format!("saga {}", verb.as_str()),
            subject: audit::Subject::Saga(&saga_id.to_string()),
            before: json!({ "revision": done.revision, "standing": done.before.to_string() }),
            after: json!({ "act": verb, "standing": done.after.to_string() }),
            batch_id,
            trace_id: Some(&saga.trace_id),
        };
        audit::record(&mut *conn, &act).await?;
        let effects = effects(conn, done, &saga.input).await?;
        Ok((effects, operated.after))
    }

    async fn inspect(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<Inspected, ActError> {
        let preview = self.engine.preview(&mut *conn, saga_id, verb).await?;
        let row = store::load(conn, &[saga_id.uuid()]).await?.pop();
        let row = row.ok_or(ActError::NotFound(saga_id))?;
        let input = serde_json::from_value(row.input)
            .map_err(|error| ActError::Unreadable(format!("saga {saga_id}: {error}")))?;
        Ok(Inspected {
            preview,
            input,
            trace_id: row.trace_id,
        })
    }

    /// An operator's assertion counts only if the participant bears it out.
    async fn verify(
        &self,
        input: &CheckoutInput,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<(), ActError> {
        let Some(assertion) = verb.assertion() else {
            return Ok(());
        };
        let verified = Checkout::verify(&self.sight.payments, input, assertion).await;
        verified.map_err(|error| match error {
            VerifyError::Contradicted(why) => ActError::Contradicted { saga_id, why },
            VerifyError::Unavailable(why) => ActError::Unavailable { saga_id, why },
        })
    }
}

impl PaymentsSight {
    /// Whether there is anything to look at.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}
