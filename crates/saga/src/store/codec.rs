//! How a saga's state and entry are stored and read back.

use std::borrow::Cow;

use crate::{
    machine::{NextEntry, State},
    shape::Shape,
    store::{EntryWrite, Row},
};

/// Why a row cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The row's plan has another name, version or hash than every plan of this binary.
    #[error("plan {plan} v{version} ({hash}) is not known to this binary")]
    Plan {
        /// Name.
        plan: String,
        /// Version.
        version: i32,
        /// Hash.
        hash: String,
    },
    /// The row's state or input does not fit its plan.
    #[error("stored {what} does not fit the plan")]
    Corrupt {
        /// The part that does not fit.
        what: &'static str,
    },
}

impl Unreadable {
    /// The error for a row whose plan is unknown.
    pub(crate) fn of(row: &Row) -> Self {
        Self::Plan {
            plan: row.plan.clone(),
            version: row.plan_version,
            hash: row.plan_hash.clone(),
        }
    }
}

/// Reads the state of a stored saga.
pub fn decode_state(shape: &Shape, row: &Row) -> Result<State, Unreadable> {
    let corrupt = Unreadable::Corrupt { what: "state" };
    let index = |n: i16| {
        usize::try_from(n)
            .ok()
            .filter(|n| *n < shape.steps.len())
            .ok_or(corrupt.clone())
    };
    let from = || row.undo_from.ok_or(corrupt.clone()).and_then(index);
    match row.state.as_str() {
        "running" => Ok(State::Running {
            step: index(row.step)?,
        }),
        "waiting" => Ok(State::Waiting {
            step: index(row.step)?,
        }),
        "compensating" => Ok(State::Compensating {
            step: index(row.step)?,
            from: from()?,
        }),
        "completed" => Ok(State::Completed),
        "compensated" => Ok(State::Compensated { from: from()? }),
        _ => Err(corrupt),
    }
}

/// The step index and `undo_from`, as stored.
pub fn encode_state(shape: &Shape, state: State) -> (i16, Option<i16>) {
    let small = |n: usize| i16::try_from(n).expect("a plan has fewer than 32768 steps");
    match state {
        State::Running { step } | State::Waiting { step } => (small(step), None),
        State::Compensating { step, from } => (small(step), Some(small(from))),
        State::Completed => (small(shape.steps.len() - 1), None),
        State::Compensated { from } => (0, Some(small(from))),
    }
}

/// Kind and stored step name of the entry that `next_entry` asks for; `None` if it asks for none.
pub(crate) fn entry_of(shape: &Shape, next_entry: NextEntry) -> Option<EntryWrite<'static>> {
    match next_entry {
        NextEntry::Step(i) => Some(EntryWrite {
            kind: "step",
            step: Cow::Borrowed(shape.steps[i].name),
        }),
        NextEntry::Undo(i) => Some(EntryWrite {
            kind: "step",
            step: Cow::Owned(format!("{}/undo", shape.steps[i].name)),
        }),
        NextEntry::Deadline(i) => Some(EntryWrite {
            kind: "timer",
            step: Cow::Borrowed(shape.steps[i].name),
        }),
        NextEntry::Unchanged | NextEntry::Retry | NextEntry::Nothing => None,
    }
}

pub(crate) fn stored_state(state: &str) -> &'static str {
    ["running", "waiting", "compensating", "completed"]
        .into_iter()
        .find(|known| *known == state)
        .unwrap_or("compensated")
}
