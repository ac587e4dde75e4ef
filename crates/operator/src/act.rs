//! One act on one saga.

use commerce::order::{self, Order};
use contracts::topology;
use kernel::SagaId;
use messaging::inbox;
use saga::{AfterCommit, Engine, EngineError, Operation, Preview, Resolution, Verb, store};
use serde_json::json;
use sqlx::PgConnection;
use workflows::checkout::{Checkout, CheckoutInput};

use crate::{
    Actor, Effects, PaymentsSight, Sight, audit,
    effects::effects,
    truth::{Claim, Unseen, believe},
};

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
    /// Payments does not bear out what the operator says.
    #[error("saga {saga_id} is left as it is: {why}")]
    Disbelieved {
        /// The saga.
        saga_id: SagaId,
        /// What payments says.
        why: String,
    },
    /// What the operator says of a payment could not be checked.
    #[error(
        "saga {saga_id} is left as it is: an operator's word on a payment counts only with the transaction in sight, and {why}"
    )]
    Unseen {
        /// The saga.
        saga_id: SagaId,
        /// What could not be seen.
        why: Unseen,
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

/// What is known of a saga before something is done to it.
struct Looked {
    preview: Preview,
    input: CheckoutInput,
    trace_id: String,
    order: Option<Order>,
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
        let looked = self.look(&mut conn, saga_id, verb).await?;
        drop(conn);
        self.check(&looked.input, saga_id, verb).await?;
        Ok(effects(
            &looked.preview.shape,
            &looked.preview,
            &looked.input,
            looked.order.as_ref(),
        ))
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
        let looked = self.look(conn, saga_id, &verb).await?;
        // payments' decisions are final: what is seen before the lock is true under it
        self.check(&looked.input, saga_id, &verb).await?;
        let operation = Operation {
            verb: verb.clone(),
            actor: actor.name().to_owned(),
            reason: actor.reason().to_owned(),
        };
        let operated = self
            .engine
            .operate(&mut *conn, saga_id, operation, revision)
            .await?;
        if let Verb::Signal { name, .. } = &verb {
            // the event itself, should it still come, is a duplicate from now on
            let key = format!("{}/{name}", looked.input.transaction_id);
            inbox::record(&mut *conn, topology::PAYMENTS_EVENTS_QUEUE, &[key]).await?;
        }
        let done = &operated.done;
        let act = audit::Act {
            actor,
            verb: &format!("saga {}", verb.as_str()),
            subject: audit::Subject::Saga(&saga_id.to_string()),
            before: json!({ "revision": done.revision, "standing": done.before.to_string() }),
            after: json!({ "act": verb, "standing": done.after.to_string() }),
            batch_id,
            trace_id: Some(&looked.trace_id),
        };
        audit::record(&mut *conn, &act).await?;
        let effects = effects(&done.shape, done, &looked.input, looked.order.as_ref());
        Ok((effects, operated.after))
    }

    async fn look(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<Looked, ActError> {
        let preview = self.engine.preview(&mut *conn, saga_id, verb).await?;
        let row = store::load(&mut *conn, &[saga_id.uuid()]).await?.pop();
        let row = row.ok_or(ActError::NotFound(saga_id))?;
        let input: CheckoutInput = serde_json::from_value(row.input)
            .map_err(|error| ActError::Unreadable(format!("saga {saga_id}: {error}")))?;
        let order = order::find(conn, input.order_id, None).await?;
        Ok(Looked {
            preview,
            input,
            trace_id: row.trace_id,
            order,
        })
    }

    /// An operator's word on a payment is believed only if payments bears it out.
    async fn check(
        &self,
        input: &CheckoutInput,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<(), ActError> {
        let claim = match verb {
            Verb::Signal { name, .. } if name == topology::TRANSACTION_COMPLETED => Claim::Paid,
            Verb::Signal { name, .. } if name == topology::TRANSACTION_CANCELED => Claim::Canceled,
            Verb::Resolve { to, .. } => match to {
                Resolution::Done => Claim::Exists,
                Resolution::Undone => Claim::Canceled,
            },
            _ => return Ok(()),
        };
        let found = self
            .sight
            .payments
            .transaction(input.order_id, input.transaction_id)
            .await
            .map_err(|why| ActError::Unseen { saga_id, why })?;
        believe(claim, input, found.as_ref()).map_err(|why| ActError::Disbelieved { saga_id, why })
    }
}

impl PaymentsSight {
    /// Whether there is anything to look at.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}
