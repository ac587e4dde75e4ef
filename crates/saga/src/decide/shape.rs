//! The shape of a plan: everything about the plan that decisions depend on.

use std::collections::HashSet;

use crate::store::claim::PlanKey;
use sha2::{Digest, Sha256};

use crate::signal::{CANCEL, Meaning, SignalKind};

/// Where a step takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SagaStepKind)]
pub enum Kind {
    /// In the transaction of the saga's own transition.
    Local,
    /// At a participant, over the network.
    Remote,
    /// Nowhere: the step waits for a signal.
    Wait,
    /// Nowhere: the step lets time pass.
    Sleep,
}

impl Kind {
    /// The kind, as rendered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Wait => "wait",
            Self::Sleep => "sleep",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a step can be undone, decides the saga, or must succeed. (Garcia-Molina and Salem,
/// "Sagas", 1987; the names compensable, pivot and retryable are Mehrotra's and Richardson's.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The step can be undone.
    Compensable,
    /// The last step that may end the other way.
    Pivot,
    /// The step must succeed in the end.
    Retryable,
}

impl Role {
    /// The role, as rendered.
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
    /// Where the step takes effect.
    pub kind: Kind,
    /// Whether the step can be undone, decides, or must succeed.
    pub role: Role,
}

impl StepShape {
    /// Whether the step can be undone: it stands before the pivot, and has an effect.
    pub fn has_an_undo(&self) -> bool {
        self.role == Role::Compensable && self.has_an_effect()
    }

    /// Whether the step changes something that an undo would have to revert.
    pub fn has_an_effect(&self) -> bool {
        matches!(self.kind, Kind::Local | Kind::Remote)
    }
}

/// A signal that a plan's wait knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalShape {
    /// Stored name.
    pub name: &'static str,
    /// The signal's meaning.
    pub meaning: Meaning,
}

/// Why a saga is compensated, in the words that are stored with it and shown to its customer. A
/// refused step supplies its own reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reasons {
    /// The retry budget of a step is used up.
    pub budget_spent: &'static str,
    /// The deadline of the wait has passed.
    pub deadline_passed: &'static str,
    /// A signal aborted the wait.
    pub aborted: &'static str,
    /// A user or an operator requested cancellation.
    pub canceled: &'static str,
}

/// A plan without its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Stored name of the plan.
    pub name: &'static str,
    /// Version. A change to the meaning of a stored saga increases it.
    pub version: i32,
    /// The steps in order; exactly one is the pivot.
    pub steps: Vec<StepShape>,
    /// The signals that the plan's waits know; every plan knows a request to cancel.
    pub signals: Vec<SignalShape>,
    /// Why sagas of this plan are compensated.
    pub reasons: Reasons,
}

impl Shape {
    /// Index of the pivot.
    pub fn pivot(&self) -> usize {
        self.steps
            .iter()
            .position(|step| step.role == Role::Pivot)
            .expect("the plan's typestate puts a pivot into every plan")
    }

    /// The key that marks the rows and entries of this plan's sagas.
    pub fn key(&self) -> PlanKey {
        PlanKey {
            name: self.name.to_owned(),
            version: self.version,
            hash: self.hash(),
        }
    }

    /// The plan's steps, one per line. The plan's hash is computed from this text: never change its
    /// form.
    fn table(&self) -> String {
        let head = format!("{} v{}\n", self.name, self.version);
        let steps = self.steps.iter().map(|step| {
            let (kind, role) = (step.kind.as_str(), step.role.as_str());
            format!("{:<16} {kind:<7} {role}\n", step.name)
        });
        std::iter::once(head).chain(steps).collect()
    }

    /// The meaning of a signal; `None` if the plan does not know it.
    pub fn meaning(&self, signal: &str) -> Option<Meaning> {
        if signal == CANCEL {
            return Some(Meaning {
                kind: SignalKind::Cancel,
                wait: None,
                proves: None,
            });
        }
        let known = self.signals.iter().find(|known| known.name == signal);
        known.map(|known| known.meaning)
    }

    /// Whether a signal of the pivot proves that this step took effect, so that the step's
    /// participant decides the pivot.
    pub fn decides_the_pivot(&self, step: usize) -> bool {
        let pivot = self.pivot();
        let mut meanings = self.signals.iter().map(|signal| signal.meaning);
        meanings.any(|it| it.proves == Some(step) && it.wait == Some(pivot))
    }

    /// Checks the rules that types cannot express.
    ///
    /// # Errors
    /// A sentence that names the step.
    pub(crate) fn check(&self) -> Result<(), String> {
        let duplicate = |names: &[&'static str]| {
            let mut seen = HashSet::new();
            names.iter().copied().find(|name| !seen.insert(*name))
        };
        let steps: Vec<_> = self.steps.iter().map(|step| step.name).collect();
        if let Some(name) = duplicate(&steps) {
            return Err(format!("two steps are called `{name}`"));
        }
        let signals: Vec<_> = self.signals.iter().map(|signal| signal.name).collect();
        if let Some(name) = duplicate(&signals) {
            return Err(format!(
                "the signal `{name}` is listed twice: it can end one wait, in one way"
            ));
        }
        for SignalShape { name, meaning } in &self.signals {
            let Some(wait) = meaning.wait else { continue };
            let at = self.steps[wait].name;
            if *name == CANCEL {
                return Err(format!(
                    "`{at}` waits for `{CANCEL}`, which is the request to cancel of every plan"
                ));
            }
            if meaning.kind == SignalKind::Abort && wait > self.pivot() {
                return Err(format!(
                    "the signal `{name}` aborts at `{at}`, which stands after the pivot: nothing is undone from there"
                ));
            }
            if meaning.proves.is_some_and(|proven| proven >= wait) {
                return Err(format!(
                    "the signal `{name}` proves a step that does not stand before its wait `{at}`"
                ));
            }
        }
        let mut waits = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.kind == Kind::Wait);
        let endless = waits.find(|(at, _)| {
            !self
                .signals
                .iter()
                .any(|signal| signal.meaning.wait == Some(*at))
        });
        if let Some((_, step)) = endless {
            return Err(format!(
                "`{}` waits for no signal: a step that lets time pass is a sleep",
                step.name
            ));
        }
        Ok(())
    }

    /// Sixteen hex digits that change with any step's name, kind, role or position. Signals are not
    /// part of the hash: each process interprets a stored signal with the plan that it has.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.table());
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl std::fmt::Display for Shape {
    /// The plan as a table, with its signals; snapshot-tested, so that a change to the plan shows
    /// up in review.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table())?;
        for SignalShape { name, meaning } in &self.signals {
            let decides = match meaning.kind {
                SignalKind::Proceed => "proceed",
                SignalKind::Abort => "abort",
                SignalKind::Cancel => "cancel",
            };
            let proves = meaning.proves.map_or("nothing", |at| self.steps[at].name);
            writeln!(f, "{name}: {decides}, proves {proves}")?;
        }
        Ok(())
    }
}
