//! Previews for operators: the effects that a saga will have, and their descriptions.

use crate::machine::Op;
use crate::shape::Shape;

/// Something that a saga will do. Steps are named as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlannedEffect {
    /// It is recorded that compensation began.
    BeginCompensation,
    /// A remote step is called.
    Call(&'static str),
    /// The undo of a remote step is called.
    CallUndo(&'static str),
    /// It is recorded that a remote step took effect.
    Record(&'static str),
    /// A local step runs.
    Run(&'static str),
    /// A local step is undone.
    Undo(&'static str),
}

/// Describes a planned effect, a sentence for each thing.
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

    /// In general words, for a workflow that has none of its own.
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
    /// It decided what this signal says.
    Signal(&'a str),
    /// This step took effect.
    Done(&'a str),
    /// This step is undone, and cannot take effect any more.
    Undone(&'a str),
}

/// Why an operator's assertion does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The participant says otherwise.
    #[error("{0}")]
    Contradicted(String),
    /// The participant could not be asked.
    #[error("{0}")]
    Unavailable(String),
}
