//! Signals: input from outside, kept always, with a verdict.

use kernel::{SagaId, SignalId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the signal by which a user or an operator asks for the saga to be undone.
pub const CANCEL: &str = "cancel";

/// The effect of a signal on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The wait ends: the saga goes on.
    Proceed,
    /// The wait ends: the saga is compensated.
    Abort,
    /// A customer or an operator requests compensation; the participant of the pivot still decides.
    Cancel,
}

/// The meaning of a signal to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meaning {
    /// Its effect.
    pub class: Class,
    /// Index of the wait that the signal ends; absent for a request to cancel, which ends none.
    pub wait: Option<usize>,
    /// Index of the step that must have taken effect for this signal to exist at all. A saga that lost
    /// the answer of that step, and of no other, may go on as if the answer had come.
    pub proves: Option<usize>,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Verdict {
    /// It moved the saga.
    Applied,
    /// It says what is already so.
    Duplicate,
    /// It cannot act yet; the next transition takes it up.
    Early,
    /// It cannot act any more.
    Late,
}

impl Verdict {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Early => "early",
            Self::Late => "late",
        }
    }
}

/// A signal as it comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSignal {
    /// Its own id.
    pub id: SignalId,
    /// To whom.
    pub saga_id: SagaId,
    /// What it is called; the plan's wait maps the name to a [`Class`].
    pub name: String,
    /// What came with it, for people.
    pub payload: Value,
    /// Where it came from: a message id, a user, an operator.
    pub source: String,
}

impl NewSignal {
    /// A request to undo the saga.
    pub fn cancel(saga_id: SagaId, source: impl Into<String>) -> Self {
        Self {
            id: SignalId::new(),
            saga_id,
            name: CANCEL.to_owned(),
            payload: Value::Null,
            source: source.into(),
        }
    }
}
