//! The shape of a plan: all that deciding needs to know of it.

use sha2::{Digest, Sha256};

/// Where a step's effect takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// In the transition's own transaction.
    Local,
    /// Somewhere else, over the network.
    Remote,
    /// Nowhere: it waits for a signal or a deadline.
    Wait,
}

impl Kind {
    /// As rendered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Wait => "wait",
        }
    }
}

/// What may still happen at a step. (Garcia-Molina and Salem, "Sagas", 1987; the names
/// compensable, pivot and retryable are Mehrotra's and Richardson's.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It can be undone.
    Compensable,
    /// The last step that may end the other way.
    Pivot,
    /// It must succeed in the end.
    Retryable,
}

impl Role {
    /// As rendered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compensable => "compensable",
            Self::Pivot => "pivot",
            Self::Retryable => "retryable",
        }
    }
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepShape {
    /// Stored name.
    pub name: &'static str,
    /// Where it takes place.
    pub kind: Kind,
    /// What may still happen there.
    pub role: Role,
}

/// A plan without its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Stored name of the plan.
    pub name: &'static str,
    /// Version, raised by whoever changes what a stored saga means.
    pub version: i32,
    /// The steps in order; exactly one is the pivot.
    pub steps: Vec<StepShape>,
}

impl Shape {
    /// Index of the pivot.
    pub fn pivot(&self) -> usize {
        self.steps
            .iter()
            .position(|step| step.role == Role::Pivot)
            .expect("the plan's typestate puts a pivot into every plan")
    }

    /// Sixteen hex digits that change with any step's name, kind, role or place.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.to_string());
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl std::fmt::Display for Shape {
    /// The plan as a table; snapshot-tested, so that a change of life shows up in review.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} v{}", self.name, self.version)?;
        for step in &self.steps {
            writeln!(
                f,
                "{:<16} {:<7} {}",
                step.name,
                step.kind.as_str(),
                step.role.as_str()
            )?;
        }
        Ok(())
    }
}
