//! The journal: the append-only record of each saga, with one typed entry per event.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signal::Verdict;

/// The event that a journal row records, with the facts that replay, diagnosis and metrics read.
///
/// Texts for people are in [`JournalRow::detail`]; no code parses them. Variants and their fields
/// are stored as columns of `saga.journal`: rename only with a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JournalFact {
    /// The saga was created.
    Begun,
    /// A remote step took effect.
    Done,
    /// A remote step was refused for a business reason.
    Refused,
    /// An attempt never reached its participant.
    Transient {
        /// Whether this attempt used up the step's retry budget; absent for an undo, which has no
        /// budget.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// An attempt may or may not have taken effect.
    Unknown {
        /// See [`JournalFact::Transient`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// The participant's answer contradicts the saga's input, for example with another amount.
    Contradicted {
        /// See [`JournalFact::Transient`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// A remote step was undone.
    Undone,
    /// The undo found that the participant had already decided the other way.
    Overtaken,
    /// The process that made an attempt died before it stored a result.
    Lost,
    /// A wait ended without a signal.
    DeadlinePassed,
    /// A worker loaded the saga only to consume pending signals.
    Woken,
    /// A signal arrived.
    Signal {
        /// The signal's name.
        signal: String,
        /// Absent while the signal is kept undecided: the saga is paused, or the receiving process
        /// did not know the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
    },
    /// A kept signal got its verdict.
    SignalDecided {
        /// The signal's name.
        signal: String,
        /// The signal's verdict.
        verdict: Verdict,
    },
    /// An operator acted.
    Operator {
        /// The operator's action.
        verb: VerbKind,
    },
    /// Compensation began.
    CompensationBegun {
        /// The reason.
        cause: CompensationCause,
    },
    /// A fact contradicts an earlier decision.
    Breach,
}

impl JournalFact {
    /// The fact without its payload.
    pub const fn kind(&self) -> JournalKind {
        match self {
            Self::Begun => JournalKind::Begun,
            Self::Done => JournalKind::Done,
            Self::Refused => JournalKind::Refused,
            Self::Transient { .. } => JournalKind::Transient,
            Self::Unknown { .. } => JournalKind::Unknown,
            Self::Contradicted { .. } => JournalKind::Contradicted,
            Self::Undone => JournalKind::Undone,
            Self::Overtaken => JournalKind::Overtaken,
            Self::Lost => JournalKind::Lost,
            Self::DeadlinePassed => JournalKind::DeadlinePassed,
            Self::Woken => JournalKind::Woken,
            Self::Signal { .. } => JournalKind::Signal,
            Self::SignalDecided { .. } => JournalKind::SignalDecided,
            Self::Operator { .. } => JournalKind::Operator,
            Self::CompensationBegun { .. } => JournalKind::CompensationBegun,
            Self::Breach => JournalKind::Breach,
        }
    }

    /// Whether the fact was caused from outside the decision. All other facts follow from a
    /// decision.
    pub const fn is_input(&self) -> bool {
        !matches!(
            self,
            Self::SignalDecided { .. } | Self::CompensationBegun { .. } | Self::Breach
        )
    }
}

impl fmt::Display for JournalFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        match self {
            Self::Transient { budget_spent }
            | Self::Unknown { budget_spent }
            | Self::Contradicted { budget_spent } => match budget_spent {
                Some(true) => f.write_str(" (budget spent)"),
                Some(false) | None => Ok(()),
            },
            Self::Signal { signal, verdict } => {
                write!(
                    f,
                    " ({signal}: {})",
                    verdict.map_or("kept", Verdict::as_str)
                )
            }
            Self::SignalDecided { signal, verdict } => {
                write!(f, " ({signal}: {})", verdict.as_str())
            }
            Self::Operator { verb } => write!(f, " ({})", verb.as_str()),
            Self::CompensationBegun { cause } => write!(f, " ({})", cause.as_str()),
            _ => Ok(()),
        }
    }
}

/// The kind of an event in a saga's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// See [`JournalFact::Begun`].
    Begun,
    /// See [`JournalFact::Done`].
    Done,
    /// See [`JournalFact::Refused`].
    Refused,
    /// See [`JournalFact::Transient`].
    Transient,
    /// See [`JournalFact::Unknown`].
    Unknown,
    /// See [`JournalFact::Contradicted`].
    Contradicted,
    /// See [`JournalFact::Undone`].
    Undone,
    /// See [`JournalFact::Overtaken`].
    Overtaken,
    /// See [`JournalFact::Lost`].
    Lost,
    /// See [`JournalFact::DeadlinePassed`].
    DeadlinePassed,
    /// See [`JournalFact::Woken`].
    Woken,
    /// See [`JournalFact::Signal`].
    Signal,
    /// See [`JournalFact::SignalDecided`].
    SignalDecided,
    /// See [`JournalFact::Operator`].
    Operator,
    /// See [`JournalFact::CompensationBegun`].
    CompensationBegun,
    /// See [`JournalFact::Breach`].
    Breach,
}

impl JournalKind {
    /// The kind as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Contradicted => "contradicted",
            Self::Undone => "undone",
            Self::Overtaken => "overtaken",
            Self::Lost => "lost",
            Self::DeadlinePassed => "deadline_passed",
            Self::Woken => "woken",
            Self::Signal => "signal",
            Self::SignalDecided => "signal_decided",
            Self::Operator => "operator",
            Self::CompensationBegun => "compensation_begun",
            Self::Breach => "breach",
        }
    }
}

impl fmt::Display for JournalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operator's action on a saga, without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerbKind {
    /// Run the current work now.
    Retry,
    /// Keep signals, and run no step.
    Pause,
    /// Apply the kept signals, then continue.
    Resume,
    /// Request compensation.
    Cancel,
    /// Assert a participant's decision.
    Signal,
    /// Assert the result of the current step.
    Resolve,
}

impl VerbKind {
    /// The verb as typed and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Signal => "signal",
            Self::Resolve => "resolve",
        }
    }
}

/// Why compensation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationCause {
    /// A participant refused a step.
    Refused,
    /// The retry budget of a step was used up.
    BudgetSpent,
    /// The deadline of the wait passed.
    DeadlinePassed,
    /// A signal aborted the wait.
    Aborted,
    /// A user or an operator canceled the saga.
    Canceled,
}

impl CompensationCause {
    /// The cause as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::BudgetSpent => "budget_spent",
            Self::DeadlinePassed => "deadline_passed",
            Self::Aborted => "aborted",
            Self::Canceled => "canceled",
        }
    }
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalRow {
    /// The event.
    #[serde(flatten)]
    pub fact: JournalFact,
    /// The step's name; `<step>/undo` for an undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The number of the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// The error, verdict or reason, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The operator who acted, or the source of a signal that arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When the event began, for events that take time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// For an attempt: the span that is the parent of its calls' spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// For an attempt: the process that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Local steps, and undos as `<step>/undo`, that ran in the same transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Vec<String>>,
}

/// A stored row, possibly written by a newer release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRow {
    /// When the row was written.
    pub at: DateTime<Utc>,
    /// The revision that the write created.
    pub revision: i64,
    /// A stored [`JournalFact`]; this binary may not know it.
    pub fact: Value,
    /// See [`JournalRow::step`].
    pub step: Option<String>,
    /// See [`JournalRow::attempt`].
    pub attempt: Option<i32>,
    /// The saga's state after the row.
    pub state: String,
    /// See [`JournalRow::detail`].
    pub detail: Option<String>,
    /// See [`JournalRow::actor`].
    pub actor: Option<String>,
    /// See [`JournalRow::ran`].
    pub ran: Vec<String>,
}

impl JournalRow {
    /// A row with only a fact.
    pub const fn new(fact: JournalFact) -> Self {
        Self {
            fact,
            step: None,
            attempt: None,
            detail: None,
            actor: None,
            began_at: None,
            span_id: None,
            process: None,
            ran: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_stored_under_its_kind_and_read_back() {
        let budget_spent = Some(true);
        let signal = || "paid".to_owned();
        let facts = [
            JournalFact::Begun,
            JournalFact::Done,
            JournalFact::Refused,
            JournalFact::Transient { budget_spent },
            JournalFact::Unknown { budget_spent },
            JournalFact::Contradicted { budget_spent: None },
            JournalFact::Undone,
            JournalFact::Overtaken,
            JournalFact::Lost,
            JournalFact::DeadlinePassed,
            JournalFact::Woken,
            JournalFact::Signal {
                signal: signal(),
                verdict: None,
            },
            JournalFact::SignalDecided {
                signal: signal(),
                verdict: Verdict::Late,
            },
            JournalFact::Operator {
                verb: VerbKind::Resolve,
            },
            JournalFact::CompensationBegun {
                cause: CompensationCause::Aborted,
            },
            JournalFact::Breach,
        ];
        for fact in facts {
            let stored = serde_json::to_value(&fact).unwrap();
            assert_eq!(stored["kind"], fact.kind().as_str());
            assert_eq!(stored["kind"], serde_json::to_value(fact.kind()).unwrap());
            assert_eq!(serde_json::from_value::<JournalFact>(stored).unwrap(), fact);
        }
        let unknown = serde_json::json!({ "kind": "dreamt" });
        assert!(serde_json::from_value::<JournalFact>(unknown).is_err());
    }
}
