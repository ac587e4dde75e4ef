//! Operators' actions on a saga. A preview uses the same pure function that later decides. An
//! action runs under the saga's lock, so that the lease holder of its entry cannot store a result
//! against it.

use std::fmt;

use kernel::{SagaId, SignalId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    codec::{Unreadable, decode_state, stored_state},
    commit::{AfterCommit, apply_triggers},
    engine::{Engine, EngineError},
    journal::{JournalFact, JournalRow, VerbKind},
    machine::{self, State},
    preview::{Assertion, PlannedEffect},
    shape::{Role, Shape},
    signal::{CANCEL, NewSignal, Verdict},
    store::{self, Row},
    transition::{Transition, Trigger},
};

/// An action that an operator may perform on a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Run the current work now; its retry budget starts again. A saga that has lost its entry gets
    /// a new one.
    Retry,
    /// Keep signals, and run no step.
    Pause,
    /// Apply the kept signals, then continue.
    Resume,
    /// Request compensation; the participant still decides.
    Cancel,
    /// Assert a participant's decision. The caller verifies the assertion
    /// ([`crate::Registry::verify`]).
    Signal {
        /// A signal name that a wait of the plan knows.
        name: String,
        /// The signal's data, for people.
        payload: Value,
    },
    /// Assert the result of the step that is being run or undone. The caller verifies the assertion
    /// ([`crate::Registry::verify`]).
    Resolve {
        /// The step; it must be the current one.
        step: String,
        /// The step's result.
        to: Resolution,
        /// How the operator knows the result.
        evidence: String,
    },
}

/// The result of a step, as asserted by an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It took effect.
    Done,
    /// It is undone, and can no longer take effect.
    Undone,
}

impl Verb {
    /// The verb without its arguments.
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

    /// The verb as an operator types it.
    pub const fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The assertion about a participant that this verb makes, if any.
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
    /// The verb with its arguments, for the journal.
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

/// An operator's action on one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The action.
    pub verb: Verb,
    /// The operator.
    pub actor: String,
    /// The operator's reason.
    pub reason: String,
}

impl Operation {
    /// The journal's row of the action.
    pub(crate) fn journal_row(&self) -> JournalRow {
        JournalRow {
            detail: Some(format!("{}: {}", self.verb, self.reason)),
            actor: Some(self.actor.clone()),
            ..JournalRow::new(JournalFact::Operator {
                verb: self.verb.kind(),
            })
        }
    }

    /// The inputs of the machine: the action, and the signal that some actions send. `signal_id` is
    /// the id of a signal that a participant could have sent.
    pub fn triggers(self, saga_id: SagaId, signal_id: SignalId) -> Vec<Trigger> {
        let source = format!("operator {}", self.actor);
        let signal = match &self.verb {
            Verb::Cancel => Some(NewSignal::cancel(saga_id, source)),
            Verb::Signal { name, payload } => Some(NewSignal {
                id: signal_id,
                saga_id,
                name: name.clone(),
                payload: payload.clone(),
                source,
            }),
            _ => None,
        };
        [Trigger::Operator(self)]
            .into_iter()
            .chain(signal.map(Trigger::Signal))
            .collect()
    }
}

/// The position of a saga, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Stored state.
    pub state: String,
    /// The step that is being run, waited at or undone.
    pub step: Option<String>,
    /// Whether an operator has paused it.
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

/// The effect that an action would have on a saga, or has had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The saga.
    pub saga_id: SagaId,
    /// The revision that the preview was computed from.
    pub revision: i64,
    /// The saga's position before the action.
    pub before: Standing,
    /// The saga's position right after the action.
    pub after: Standing,
    /// The immediate effects, and the later ones if every step succeeds.
    pub planned: Vec<PlannedEffect>,
    /// The position after those effects.
    pub ends: Standing,
    /// Verdict on the action's signal; absent if the action sends no signal, or the signal is kept
    /// undecided.
    pub verdict: Option<Verdict>,
}

/// The result of an operator's action.
#[derive(Debug)]
pub struct OperationResult {
    /// The effects of the action.
    pub done: Preview,
    /// To be emitted after the commit.
    pub after: AfterCommit,
}

impl Engine {
    /// The effect that `verb` would have on the saga in its present state. Changes and locks no
    /// row.
    ///
    /// # Errors
    /// As for [`Engine::apply_operation`].
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

    /// Performs an operator's action in the caller's transaction, under the saga's lock, which
    /// fences out the lease holder of the saga's entry. With `revision`, only if the saga has not
    /// moved since.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] when the verb does not fit the state,
    /// or the saga has moved; [`EngineError::Unreadable`] when this binary does not know the saga's
    /// plan, except for [`Verb::Pause`], which needs no plan.
    pub async fn apply_operation(
        &self,
        conn: &mut PgConnection,
        saga_id: SagaId,
        operation: Operation,
        revision: Option<i64>,
    ) -> Result<OperationResult, EngineError> {
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
        let signal_id = match &operation.verb {
            Verb::Signal { name, .. } => {
                let (registered, input) = self.read(&row)?;
                registered.workflow.signal_id(&input, name)
            }
            _ => SignalId::new(),
        };
        let triggers = operation.triggers(saga_id, signal_id);
        let triggers = triggers
            .into_iter()
            .map(|trigger| (saga_id, trigger))
            .collect();
        let after = apply_triggers(&self.shared, conn, triggers).await?.after;
        Ok(OperationResult { done, after })
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
        let registered = match self.shared.registered(row) {
            Err(_) if *verb == Verb::Pause => return preview_pause(row).map_err(conflict),
            registered => registered.map_err(unreadable)?,
        };
        let (context, shape) = (self.shared.context(registered), &registered.plan.shape);
        let state = decode_state(shape, row).map_err(unreadable)?;
        refuse(shape, state, row.paused, verb).map_err(conflict)?;
        let pending = match row.kept {
            0 => Vec::new(),
            _ => store::pending_signals(conn, &[saga_id.uuid()]).await?,
        };
        let operation = Operation {
            verb: verb.clone(),
            actor: String::new(),
            reason: String::new(),
        };
        let transition = context
            .transition(row, &pending, operation.triggers(saga_id, SignalId::new()))
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

/// A pause of a saga whose plan this binary does not know: its step has no name here.
fn preview_pause(row: &Row) -> Result<Preview, String> {
    let state = stored_state(&row.state);
    if ["completed", "compensated"].contains(&state) {
        return Err(AT_REST.to_owned());
    }
    if row.paused {
        return Err(PAUSED.to_owned());
    }
    let standing = |paused| Standing {
        state: state.to_owned(),
        step: None,
        paused,
    };
    Ok(Preview {
        saga_id: row.saga_id,
        revision: row.revision,
        before: standing(false),
        after: standing(true),
        planned: Vec::new(),
        ends: standing(true),
        verdict: None,
    })
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

const AT_REST: &str = "is at rest: there is nothing to do";
const PAUSED: &str = "is paused already";

/// Checks that the state permits the verb at all. The error is the end of a sentence that gives the
/// reason.
fn refuse(shape: &Shape, state: State, paused: bool, verb: &Verb) -> Result<(), String> {
    let no = |why: &str| Err(why.to_owned());
    let current = Standing::of(shape, state, paused).step.unwrap_or_default();
    match (verb, state) {
        (_, State::Completed | State::Compensated { .. }) => no(AT_REST),
        (Verb::Pause, _) if paused => no(PAUSED),
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
            State::Running { step },
        ) => match shape.steps[step].role {
            Role::Compensable => no("is not being undone: cancel it"),
            Role::Pivot => {
                no("is at its pivot: the participant's answer decides, and cancels it by a refusal")
            }
            Role::Retryable => no("is past its pivot: nothing is undone any more"),
        },
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

/// Rejects a signal that would change nothing.
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
