//! Who acts, and why.

use serde::{Deserialize, Serialize};

/// Longest reason kept, characters.
const LONGEST: usize = 1000;

/// Somebody who changes something, with the reason: both go into audit, journal and trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    name: String,
    reason: String,
}

/// An act without a name or a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// Nobody would know later why.
    #[error("a reason must be given, of at most {LONGEST} characters, without invisible ones")]
    Reason,
    /// Nobody would know later who.
    #[error("it must be known who acts")]
    Name,
}

impl Actor {
    /// `name` is a user id or a login name, `reason` for people.
    ///
    /// # Errors
    /// When one of them is blank, or the reason too long.
    pub fn new(name: impl Into<String>, reason: &str) -> Result<Self, ActorError> {
        let name = name.into();
        let reason = reason.trim();
        if name.trim().is_empty() {
            return Err(ActorError::Name);
        }
        if reason.is_empty() || reason.chars().count() > LONGEST || !kernel::is_displayable(reason)
        {
            return Err(ActorError::Reason);
        }
        Ok(Self {
            name,
            reason: reason.to_owned(),
        })
    }

    /// Who.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
