//! The journal: the append-only record of each saga, one typed entry for each thing that happened.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signal::Verdict;

/// The event that a journal row records, with the facts that replay, diagnosis and metrics read.
///
/// Texts for people stand beside it, in [`JournalRow::detail`]; no code reads a meaning out of them.
/// Variants and their fields are stored as columns of `saga.journal`: rename only with a migration.
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
        /// Whether this attempt used up the step's retry budget; absent for an undo, which has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// An attempt may or may not have taken effect.
    Unknown {
        /// As of [`JournalFact::Transient`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// The participant answered with something that contradicts the saga's input, such as another amount.
    Contradicted {
        /// As of [`JournalFact::Transient`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_spent: Option<bool>,
    },
    /// A remote step was undone.
    Undone,
    /// An undo found that the participant had decided the other way before.
    Overtaken,
    /// The process that made an attempt disappeared before it stored a result.
    Lost,
    /// A wait ended without a signal.
    DeadlinePassed,
    /// A worker loaded the saga only to consume pending signals.
    Woken,
    /// A signal arrived.
    Signal {
        /// Its name.
        signal: String,
        /// Absent while it is kept undecided: the saga is paused, or its receiver did not know the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
    },
    /// A signal that was kept got its verdict.
    SignalDecided {
        /// Its name.
        signal: String,
        /// The verdict.
        verdict: Verdict,
    },
    /// An operator acted.
    Operator {
        /// The operator's act.
        verb: VerbKind,
    },
    /// Compensation began.
    CompensationBegun {
        /// Why.
        cause: CompensationCause,
    },
    /// A fact contradicts what was already decided.
    Breach,
}

impl JournalFact {
    /// The stored kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Transient { .. } => "transient",
            Self::Unknown { .. } => "unknown",
            Self::Contradicted { .. } => "contradicted",
            Self::Undone => "undone",
            Self::Overtaken => "overtaken",
            Self::Lost => "lost",
            Self::DeadlinePassed => "deadline_passed",
            Self::Woken => "woken",
            Self::Signal { .. } => "signal",
            Self::SignalDecided { .. } => "signal_decided",
            Self::Operator { .. } => "operator",
            Self::CompensationBegun { .. } => "compensation_begun",
            Self::Breach => "breach",
        }
    }

    /// Whether something outside the decision caused it. All other facts follow from a decision.
    pub const fn is_input(&self) -> bool {
        !matches!(
            self,
            Self::SignalDecided { .. } | Self::CompensationBegun { .. } | Self::Breach
        )
    }
}

impl fmt::Display for JournalFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
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

/// An operator's act on a saga, without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerbKind {
    /// Run the current work now.
    Retry,
    /// Keep signals, run nothing.
    Pause,
    /// Apply the kept signals, then go on.
    Resume,
    /// Ask for compensation.
    Cancel,
    /// Assert what a participant has decided.
    Signal,
    /// Assert how the current step ended.
    Resolve,
}

impl VerbKind {
    /// As typed and stored.
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
    /// A signal ended the wait with an abort.
    Aborted,
    /// A user or an operator canceled it.
    Canceled,
}

impl CompensationCause {
    /// As stored.
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
    /// At which step; `<step>/undo` for an undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// In which attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Error, verdict or reason, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The author of an act, or the source of a signal that arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When it began, of what took time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// Of an attempt: the span that its calls are children of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Of an attempt: the process that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Local steps, and undos as `<step>/undo`, that ran in the same transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Vec<String>>,
}

/// A row as read back, maybe one that a newer release wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRow {
    /// When.
    pub at: DateTime<Utc>,
    /// The revision that it made.
    pub revision: i64,
    /// A stored [`JournalFact`], if this binary knows it.
    pub fact: Value,
    /// As of [`JournalRow::step`].
    pub step: Option<String>,
    /// As of [`JournalRow::attempt`].
    pub attempt: Option<i32>,
    /// The saga's state after it.
    pub state: String,
    /// As of [`JournalRow::detail`].
    pub detail: Option<String>,
    /// As of [`JournalRow::actor`].
    pub actor: Option<String>,
    /// As of [`JournalRow::ran`].
    pub ran: Vec<String>,
}

impl JournalRow {
    /// A row with nothing but its fact.
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
            assert_eq!(stored["kind"], fact.kind());
            assert_eq!(serde_json::from_value::<JournalFact>(stored).unwrap(), fact);
        }
        let unknown = serde_json::json!({ "kind": "dreamt" });
        assert!(serde_json::from_value::<JournalFact>(unknown).is_err());
    }
}
