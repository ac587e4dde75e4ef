//! Previews for operators: the planned effects of a saga, and their descriptions.

use crate::machine::Op;
use crate::shape::Shape;

/// A planned effect of a saga. Steps have their stored names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlannedEffect {
    /// The beginning of compensation is recorded.
    BeginCompensation,
    /// A remote step is called.
    Call(&'static str),
    /// The undo of a remote step is called.
    CallUndo(&'static str),
    /// The effect of a remote step is recorded.
    Record(&'static str),
    /// A local step runs.
    Run(&'static str),
    /// A local step is undone.
    Undo(&'static str),
}

/// A description of a planned effect, one sentence per item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Calls and messages.
    pub sends: Vec<String>,
    /// Changes in the shop: orders, stock, money.
    pub moves: Vec<String>,
    /// Further remarks.
    pub notes: Vec<String>,
}

impl PlannedEffect {
    /// The effect of local work.
    pub(crate) fn of(shape: &Shape, op: Op) -> Self {
        let name = |step: usize| shape.steps[step].name;
        match op {
            Op::BeginCompensation => Self::BeginCompensation,
            Op::Record(step) => Self::Record(name(step)),
            Op::Run(step) => Self::Run(name(step)),
            Op::Undo(step) => Self::Undo(name(step)),
        }
    }

    /// A generic description, for a workflow that has none of its own.
    pub fn describe(self) -> Description {
        let sends = |text: String| Description {
            sends: vec![text],
            ..Description::default()
        };
        let moves = |text: String| Description {
            moves: vec![text],
            ..Description::default()
        };
        match self {
            Self::BeginCompensation => moves("compensation begins".to_owned()),
            Self::Call(step) => sends(format!("a call of step {step}")),
            Self::CallUndo(step) => sends(format!("a call of the undo of {step}")),
            Self::Record(step) | Self::Run(step) => moves(format!("step {step} is done")),
            Self::Undo(step) => moves(format!("step {step} is undone")),
        }
    }
}

/// An operator's assertion about a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assertion<'a> {
    /// The participant has decided what this signal reports.
    Signal(&'a str),
    /// This step took effect.
    Done(&'a str),
    /// This step is undone, and can no longer take effect.
    Undone(&'a str),
}

/// Why an operator's assertion is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The participant's data contradict the assertion.
    #[error("{0}")]
    Contradicted(String),
    /// The participant could not be asked.
    #[error("{0}")]
    Unavailable(String),
}
