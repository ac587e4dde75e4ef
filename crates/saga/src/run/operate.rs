//! What operators do to a saga: looked at beforehand by the same pure function that then decides,
//! done under the saga's lock, so that whoever holds its entry cannot finish against it.

use std::fmt;

use kernel::SagaId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    engine::{Engine, EngineError},
    journal::VerbKind,
    machine::{self, State},
    preview::{Assertion, PlannedEffect},
    shape::Shape,
    signal::{CANCEL, NewSignal, Verdict},
    store::{self, Row},
    stored::{Unreadable, decode_state},
    transact::{AfterCommit, transact},
    transition::{Cause, Transition},
};

/// What an operator may do to a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Run the current work now; its retry budget begins again. A saga that has lost its entry
    /// gets one.
    Retry,
    /// Keep signals, run nothing.
    Pause,
    /// Apply what was kept, then go on.
    Resume,
    /// Ask for it to be undone; the participant still decides.
    Cancel,
    /// Assert what a participant has decided. The caller verifies it ([`crate::Registry::verify`]).
    Signal {
        /// A name that the plan's wait knows.
        name: String,
        /// What comes with it, for people.
        payload: Value,
    },
    /// Assert how the step ended that is being run or undone. The caller verifies it ([`crate::Registry::verify`]).
    Resolve {
        /// The step, which must be the current one.
        step: String,
        /// How it ended.
        to: Resolution,
        /// How the operator knows.
        evidence: String,
    },
}

/// How a step ended, by an operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It took effect.
    Done,
    /// It is undone, and cannot take effect any more.
    Undone,
}

impl Verb {
    /// Without its arguments.
    pub const fn kind(&self) -> VerbKind {
        match self {
            Self::Retry => VerbKind::Retry,
            Self::Pause => VerbKind::Pause,
            Self::Resume => VerbKind::Resume,
            Self::Cancel => VerbKind::Cancel,
            Self::Signal { .. } => VerbKind::Signal,
            Self::Resolve { .. } => VerbKind::Resolve,
        }
    }

    /// As typed.
    pub const fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The assertion about a participant that it makes, if any.
    pub fn assertion(&self) -> Option<Assertion<'_>> {
        match self {
            Self::Signal { name, .. } => Some(Assertion::Signal(name)),
            Self::Resolve { step, to, .. } => Some(match to {
                Resolution::Done => Assertion::Done(step),
                Resolution::Undone => Assertion::Undone(step),
            }),
            Self::Retry | Self::Pause | Self::Resume | Self::Cancel => None,
        }
    }
}

impl fmt::Display for Verb {
    /// With what was said of it, for the journal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal { name, .. } => write!(f, "signal {name}"),
            Self::Resolve { step, to, evidence } => {
                let to = match to {
                    Resolution::Done => "done",
                    Resolution::Undone => "undone",
                };
                write!(f, "resolve {step} as {to} ({evidence})")
            }
            verb => f.write_str(verb.as_str()),
        }
    }
}

/// An operator's act on one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What.
    pub verb: Verb,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Operation {
    /// What the machine is told: the act, and the signal that some acts are.
    pub fn causes(self, saga_id: SagaId) -> Vec<Cause> {
        let source = format!("operator {}", self.actor);
        let signal = match &self.verb {
            Verb::Cancel => Some(NewSignal::cancel(saga_id, source)),
            Verb::Signal { name, payload } => Some(NewSignal {
                id: kernel::SignalId::new(),
                saga_id,
                name: name.clone(),
                payload: payload.clone(),
                source,
            }),
            _ => None,
        };
        [Cause::Operator(self)]
            .into_iter()
            .chain(signal.map(Cause::Signal))
            .collect()
    }
}

/// Where a saga stands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Stored state.
    pub state: String,
    /// The step that is run, waited at or undone.
    pub step: Option<String>,
    /// Whether an operator holds it.
    pub paused: bool,
}

impl Standing {
    fn of(shape: &Shape, state: State, paused: bool) -> Self {
        let step = match state {
            State::Running { step } | State::Waiting { step } => Some(step),
            State::Compensating { step, .. } => Some(step),
            State::Completed | State::Compensated { .. } => None,
        };
        Self {
            state: state.name().to_owned(),
            step: step.map(|step| shape.steps[step].name.to_owned()),
            paused,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state)?;
        if let Some(step) = &self.step {
            write!(f, " {step}")?;
        }
        if self.paused {
            f.write_str(" (paused)")?;
        }
        Ok(())
    }
}

/// What an act would do to a saga, or has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The saga.
    pub saga_id: SagaId,
    /// The revision that this was worked out on.
    pub revision: i64,
    /// Where it stands.
    pub before: Standing,
    /// Where it stands right after the act.
    pub after: Standing,
    /// The effects at once, and the later ones if every answer is a good one.
    pub planned: Vec<PlannedEffect>,
    /// Where that ends.
    pub ends: Standing,
    /// Verdict on the act's signal; none when it is no signal or is kept undecided.
    pub verdict: Option<Verdict>,
}

/// What became of an act.
#[derive(Debug)]
pub struct Operated {
    /// What it did.
    pub done: Preview,
    /// To be emitted after the commit.
    pub after: AfterCommit,
}

impl Engine {
    /// What `verb` would do to a saga as it stands now. Changes nothing, locks nothing.
    ///
    /// # Errors
    /// As of [`Engine::operate`].
    pub async fn preview(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        verb: &Verb,
    ) -> Result<Preview, EngineError> {
        let row = store::load(conn, &[saga_id.uuid()]).await?.pop();
        let row = row.ok_or(EngineError::NotFound(saga_id))?;
        self.work_out(conn, &row, verb).await
    }

    /// Does what an operator asks for, in the caller's transaction, under the saga's lock: whoever
    /// holds the saga's entry is fenced out. With `revision`, only if the saga has not moved since.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] when the verb does not fit the state, or
    /// the saga has moved; [`EngineError::Unreadable`] when its plan is not this binary's.
    pub async fn operate(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        operation: Operation,
        revision: Option<i64>,
    ) -> Result<Operated, EngineError> {
        let row = store::lock(conn, &[saga_id.uuid()]).await?.pop();
        let row = row.ok_or(EngineError::NotFound(saga_id))?;
        if let Some(seen) = revision.filter(|seen| *seen != row.revision) {
            let why = format!(
                "has moved since it was looked at: revision {seen} then, {} now",
                row.revision
            );
            return Err(EngineError::Conflict { saga_id, why });
        }
        let done = self.work_out(conn, &row, &operation.verb).await?;
        let causes = operation.causes(saga_id);
        let causes = causes.into_iter().map(|cause| (saga_id, cause)).collect();
        let after = transact(&self.inner, conn, causes).await?.after;
        Ok(Operated { done, after })
    }

    async fn work_out(
        &self,
        conn: &mut PgConnection,
        row: &Row,
        verb: &Verb,
    ) -> Result<Preview, EngineError> {
        let saga_id = row.saga_id;
        let unreadable = |why: Unreadable| EngineError::Unreadable {
            saga_id,
            why: why.to_string(),
        };
        let conflict = |why: String| EngineError::Conflict { saga_id, why };
        let known = self.inner.known(row).map_err(unreadable)?;
        let (rules, shape) = (self.inner.rules(known), &known.plan.shape);
        let state = decode_state(shape, row).map_err(unreadable)?;
        refuse(shape, state, row.paused, verb).map_err(conflict)?;
        let kept = match row.kept {
            0 => Vec::new(),
            _ => store::kept_signals(conn, &[saga_id.uuid()]).await?,
        };
        let operation = Operation {
            verb: verb.clone(),
            actor: String::new(),
            reason: String::new(),
        };
        let transition = rules
            .transition(row, &kept, operation.causes(saga_id))
            .map_err(unreadable)?;
        let verdict = transition
            .verdicts
            .first()
            .and_then(|(_, verdict)| *verdict);
        if let (Verb::Cancel | Verb::Signal { .. }, Some(verdict)) = (verb, verdict) {
            ineffective(verb, verdict).map_err(conflict)?;
        }
        Ok(preview(shape, row, &transition, verdict))
    }
}

fn preview(shape: &Shape, row: &Row, transition: &Transition, verdict: Option<Verdict>) -> Preview {
    let (before, after, paused) = (transition.before, transition.after, transition.save.paused);
    let (ahead, ends) = if paused {
        (Vec::new(), after)
    } else {
        machine::simulate(shape, after)
    };
    let now = transition.ops.iter();
    let now = now.map(|op| PlannedEffect::of(shape, *op));
    Preview {
        saga_id: row.saga_id,
        revision: row.revision,
        before: Standing::of(shape, before, row.paused),
        after: Standing::of(shape, after, paused),
        planned: now.chain(ahead).collect(),
        ends: Standing::of(shape, ends, paused),
        verdict,
    }
}

/// Whether the state admits the verb at all; if not, the end of a sentence that says why.
fn refuse(shape: &Shape, state: State, paused: bool, verb: &Verb) -> Result<(), String> {
    let no = |why: &str| Err(why.to_owned());
    let current = Standing::of(shape, state, paused).step.unwrap_or_default();
    match (verb, state) {
        (_, State::Completed | State::Compensated { .. }) => {
            no("is at rest: there is nothing to do")
        }
        (Verb::Pause, _) if paused => no("is paused already"),
        (Verb::Resume, _) if !paused => no("is not paused"),
        (Verb::Retry | Verb::Resolve { .. }, _) if paused => no("is paused: resume it first"),
        (Verb::Resolve { step, .. }, _) if *step != current => {
            Err(format!("is at {current}, not at {step}"))
        }
        (Verb::Resolve { .. }, State::Waiting { .. }) => no("waits for a signal: send the signal"),
        (
            Verb::Resolve {
                to: Resolution::Undone,
                ..
            },
            State::Running { .. },
        ) => no("is not being undone: cancel it"),
        (
            Verb::Resolve {
                to: Resolution::Done,
                ..
            },
            State::Compensating { .. },
        ) => no("is being undone: its step cannot be done any more"),
        _ => Ok(()),
    }
}

/// A signal that would change nothing is no act.
fn ineffective(verb: &Verb, verdict: Verdict) -> Result<(), String> {
    let name = match verb {
        Verb::Signal { name, .. } => name,
        _ => CANCEL,
    };
    match verdict {
        Verdict::Applied | Verdict::Early => Ok(()),
        Verdict::Duplicate if name == CANCEL => Err("is being undone already".to_owned()),
        Verdict::Duplicate => Err(format!("knows of {name} already")),
        Verdict::Late if name == CANCEL => {
            Err("is decided: it can only go forward any more".to_owned())
        }
        Verdict::Late => Err(format!("cannot hear {name} where it stands")),
    }
}
