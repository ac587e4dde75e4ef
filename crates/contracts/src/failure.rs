//! Why a message can never be handled, as its consumer records it beside the sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of a failure. A message that was retried until its last attempt has none, and neither
/// has a message that another program, the broker or an earlier release put into `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The message cannot be read, or lacks a required part.
    Undecodable,
    /// The message contradicts itself.
    Contradictory,
    /// The message names a transaction or an account that does not exist.
    UnknownSubject,
    /// The payment differs from its order in transaction, order, amount or currency.
    PaymentMismatch,
    /// The mail that the message requests cannot be written or delivered.
    Undeliverable,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Undecodable,
        Self::Contradictory,
        Self::UnknownSubject,
        Self::PaymentMismatch,
        Self::Undeliverable,
    ];

    /// The kind as recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Contradictory => "contradictory",
            Self::UnknownSubject => "unknown_subject",
            Self::PaymentMismatch => "payment_mismatch",
            Self::Undeliverable => "undeliverable",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_recorded_as_it_is_serialized() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
