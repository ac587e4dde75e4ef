//! The journal: what a saga has done, a row for each thing.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What a row of the journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// The saga was created.
    Begun,
    /// A remote step took effect.
    Done,
    /// A remote step was refused for a business reason.
    Refused,
    /// An attempt that never reached its participant.
    Transient,
    /// An attempt that may or may not have taken effect.
    Unknown,
    /// A remote step was undone.
    Undone,
    /// An undo found that the participant had decided the other way before.
    Overtaken,
    /// An attempt whose process never said how it ended.
    Lost,
    /// The wait ended without a signal.
    DeadlinePassed,
    /// A worker looked at it for the sake of kept signals alone.
    Woken,
    /// A signal came in, or one that was kept got its verdict.
    Signal,
    /// An operator acted.
    Operator,
    /// It is being undone from here on.
    CompensationBegun,
    /// A fact contradicts what was already decided.
    Breach,
}

impl JournalKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Begun,
        Self::Done,
        Self::Refused,
        Self::Transient,
        Self::Unknown,
        Self::Undone,
        Self::Overtaken,
        Self::Lost,
        Self::DeadlinePassed,
        Self::Woken,
        Self::Signal,
        Self::Operator,
        Self::CompensationBegun,
        Self::Breach,
    ];

    /// As stored: rename only with a migration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Undone => "undone",
            Self::Overtaken => "overtaken",
            Self::Lost => "lost",
            Self::DeadlinePassed => "deadline_passed",
            Self::Woken => "woken",
            Self::Signal => "signal",
            Self::Operator => "operator",
            Self::CompensationBegun => "compensation_begun",
            Self::Breach => "breach",
        }
    }

    /// Reads a stored one; nothing if this binary does not know it.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == stored)
    }
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalRow {
    /// What happened.
    pub kind: JournalKind,
    /// At which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// In which attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Error, verdict or reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When it began, of what took time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// Of an attempt: the span that its calls are children of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Of an attempt: who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Local steps, and undos as `<step>/undo`, that ran in the same transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Vec<String>>,
}

impl JournalRow {
    /// A moment.
    pub const fn moment(kind: JournalKind) -> Self {
        Self {
            kind,
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
    fn each_kind_is_stored_as_it_is_serialized_and_read_back() {
        for kind in JournalKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(JournalKind::from_stored(kind.as_str()), Some(kind));
        }
        assert_eq!(JournalKind::from_stored("dreamt"), None);
    }
}
