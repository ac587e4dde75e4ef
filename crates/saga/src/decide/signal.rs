//! Signals: input from outside. Every signal is kept, with its verdict.

use std::fmt;

use kernel::{SagaId, SignalId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the signal by which a user or an operator requests compensation.
pub const CANCEL: &str = "cancel";

/// The effect of a signal on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalKind {
    /// The wait ends, and the saga continues.
    Proceed,
    /// The wait ends, and the saga is compensated.
    Abort,
    /// A customer or an operator requests compensation; the pivot's participant still decides.
    Cancel,
}

/// The meaning of a signal to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meaning {
    /// The effect of the signal.
    pub kind: SignalKind,
    /// Index of the wait that the signal ends; absent for a request to cancel, which ends no wait.
    pub wait: Option<usize>,
    /// Index of the step that must have taken effect before this signal can exist. A saga that has
    /// lost the answer of that step, and of no other step, may continue as if the answer had
    /// arrived.
    pub proves: Option<usize>,
}

/// The engine's verdict on a signal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = SignalVerdict)]
pub enum Verdict {
    /// The signal changed the saga's state.
    Applied,
    /// The signal reports what the saga already knows.
    Duplicate,
    /// The signal cannot act yet; a later transition applies it.
    Early,
    /// The signal can no longer act.
    Late,
}

impl Verdict {
    /// The verdict as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Early => "early",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A signal that has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSignal {
    /// The signal's id.
    pub id: SignalId,
    /// The receiving saga.
    pub saga_id: SagaId,
    /// The signal's name; the plan's wait maps it to a [`SignalKind`].
    pub name: String,
    /// The signal's data, for people.
    pub payload: Value,
    /// The sender: a message id, a user or an operator.
    pub source: String,
}

impl NewSignal {
    /// A request to compensate the saga.
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
