//! The actor of a change, and the reason given for it.

use serde::{Deserialize, Serialize};

/// Longest accepted reason, in characters.
const MAX_LENGTH: usize = 1000;

/// The person or service that changes something, with the reason. Both are recorded in the audit,
/// the journal and the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    name: String,
    reason: String,
}

/// An action without a name or a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// The reason is missing, too long or not displayable; the audit could not explain the action.
    #[error("a reason must be given, of at most {MAX_LENGTH} characters, without invisible ones")]
    Reason,
    /// The name is missing; the audit could not attribute the action.
    #[error("it must be known who acts")]
    Name,
}

impl Actor {
    /// `name` is a user id or a login name; `reason` is free text for other operators.
    ///
    /// # Errors
    /// When the name or the reason is blank, or the reason is too long or contains invisible
    /// characters.
    pub fn new(name: impl Into<String>, reason: &str) -> Result<Self, ActorError> {
        let name = name.into();
        let reason = reason.trim();
        if name.trim().is_empty() {
            return Err(ActorError::Name);
        }
        if reason.is_empty()
            || reason.chars().count() > MAX_LENGTH
            || !kernel::is_displayable(reason)
        {
            return Err(ActorError::Reason);
        }
        Ok(Self {
            name,
            reason: reason.to_owned(),
        })
    }

    /// The user id or login name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reason given.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
