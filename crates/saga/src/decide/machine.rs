//! Deciding, as a pure function: `(plan's shape, state, event, pending signals) → decision`.
//!
//! The module has no database, clock or network. The same function runs in production, in model
//! checks, in `why` and in dry runs; the engine carries out the decision in one transaction.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    journal::CompensationCause,
    preview::PlannedEffect,
    shape::{Kind, Role, Shape},
    signal::{Meaning, SignalKind, Verdict},
};

/// The state of a saga. Numbers are indices into the plan's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The remote step is due, or is running.
    Running {
        /// The remote step.
        step: usize,
    },
    /// Waits for a signal, a deadline, or the end of a sleep.
    Waiting {
        /// The wait or sleep step.
        step: usize,
    },
    /// The undo of the remote step is due, or is running; every started step above it is undone.
    Compensating {
        /// The step being undone.
        step: usize,
        /// The highest step that had started when compensation began.
        from: usize,
    },
    /// At rest: every step is done.
    Completed,
    /// At rest: every started step is undone.
    Compensated {
        /// The highest step that had started.
        from: usize,
    },
}

impl State {
    /// The state's name, as stored and shown.
    pub const fn name(self) -> &'static str {
        self.kind().as_str()
    }

    /// The state without its position.
    pub const fn kind(self) -> StateKind {
        match self {
            Self::Running { .. } => StateKind::Running,
            Self::Waiting { .. } => StateKind::Waiting,
            Self::Compensating { .. } => StateKind::Compensating,
            Self::Completed => StateKind::Completed,
            Self::Compensated { .. } => StateKind::Compensated,
        }
    }

    /// Whether the saga is finished: no further event changes it.
    pub const fn is_at_rest(self) -> bool {
        self.kind().is_at_rest()
    }
}

/// The state of a saga, without its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SagaState)]
pub enum StateKind {
    /// See [`State::Running`].
    Running,
    /// See [`State::Waiting`].
    Waiting,
    /// See [`State::Compensating`].
    Compensating,
    /// See [`State::Completed`].
    Completed,
    /// See [`State::Compensated`].
    Compensated,
}

impl StateKind {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Waiting,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
    ];

    /// The state as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }

    /// Whether the saga is finished: no further event changes it.
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StateKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// An event of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// The saga is being created.
    Begun,
    /// The running step took effect.
    Done,
    /// The running step was refused for a business reason.
    Refused(String),
    /// The running step has no result: the request never left, or its answer is unknown.
    NotDone {
        /// Whether the retry budget is used up.
        budget_spent: bool,
    },
    /// The undo took effect.
    Undone,
    /// The undo found that the pivot had been decided the other way.
    Overtaken,
    /// The undo has no result.
    NotUndone,
    /// The wait's deadline has passed.
    DeadlinePassed,
    /// A worker loaded the saga only because of pending signals.
    Woken,
    /// A signal arrived.
    Signal(Meaning),
}

/// Work inside the transaction that stores the decision, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Record that the remote step took effect.
    Record(usize),
    /// Run the local step.
    Run(usize),
    /// Record that compensation begins.
    BeginCompensation,
    /// Undo the local step.
    Undo(usize),
}

/// The change to the saga's outbox entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextEntry {
    /// The entry stays as it is.
    Unchanged,
    /// The same work is due again, after a backoff.
    Retry,
    /// This remote step is due now.
    Step(usize),
    /// The undo of this remote step is due now.
    Undo(usize),
    /// The entry is due at the deadline of this wait.
    Deadline(usize),
    /// No entry: the saga is at rest.
    Nothing,
}

/// A pending signal with its meaning to the plan. The process that received it could not decide on
/// it, or it came early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterpretedSignal<Id> {
    /// The signal's id.
    pub id: Id,
    /// The signal's meaning.
    pub meaning: Meaning,
}

/// The result of one decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<Id> {
    /// The new state.
    pub state: State,
    /// Work inside the transaction.
    pub ops: Vec<Op>,
    /// The change to the entry.
    pub next_entry: NextEntry,
    /// The verdict on the event, if the event is a signal.
    pub verdict: Option<Verdict>,
    /// Changed verdicts on pending signals.
    pub decided: Vec<(Id, Verdict)>,
    /// Why compensation begins, if it does: the cause for code, and the text for people.
    pub reason: Option<(CompensationCause, String)>,
    /// A fact contradicts an earlier decision: an operator must investigate.
    pub breach: bool,
}

/// Decides on `event` for a saga in `state`, and consumes its pending signals.
pub fn advance<Id: Copy + PartialEq>(
    shape: &Shape,
    state: State,
    event: &Event,
    pending: &[InterpretedSignal<Id>],
) -> Decision<Id> {
    let mut machine = Machine {
        shape,
        decision: unchanged(state),
    };
    machine.decision.verdict = machine.apply(event, pending);
    machine.consume_pending(pending);
    machine.decision
}

/// The entry that a saga in `state` must have; `resume` and `retry` write it.
pub fn next_entry_of(shape: &Shape, state: State) -> NextEntry {
    debug_assert!(shape.steps.len() < usize::from(u16::MAX));
    match state {
        State::Running { step } => NextEntry::Step(step),
        State::Waiting { step } => NextEntry::Deadline(step),
        State::Compensating { step, .. } => NextEntry::Undo(step),
        State::Completed | State::Compensated { .. } => NextEntry::Nothing,
    }
}

/// Simulates a saga from `state`, assuming that every step succeeds: its effects until it waits or
/// is at rest, and the state that it reaches.
pub fn simulate(shape: &Shape, mut state: State) -> (Vec<PlannedEffect>, State) {
    let mut planned = Vec::new();
    let name = |step: usize| shape.steps[step].name;
    // every iteration ends a step or undoes one
    for _ in 0..2 * shape.steps.len() {
        let event = match state {
            State::Running { step } => {
                planned.push(PlannedEffect::Call(name(step)));
                Event::Done
            }
            State::Compensating { step, .. } => {
                planned.push(PlannedEffect::CallUndo(name(step)));
                Event::Undone
            }
            State::Waiting { .. } | State::Completed | State::Compensated { .. } => break,
        };
        let decision = advance::<()>(shape, state, &event, &[]);
        let ops = decision.ops.into_iter();
        planned.extend(ops.map(|op| PlannedEffect::of(shape, op)));
        state = decision.state;
    }
    (planned, state)
}

fn unchanged<Id>(state: State) -> Decision<Id> {
    Decision {
        state,
        ops: Vec::new(),
        next_entry: NextEntry::Unchanged,
        verdict: None,
        decided: Vec::new(),
        reason: None,
        breach: false,
    }
}

struct Machine<'a, Id> {
    shape: &'a Shape,
    decision: Decision<Id>,
}

impl<Id: Copy + PartialEq> Machine<'_, Id> {
    fn apply(&mut self, event: &Event, pending: &[InterpretedSignal<Id>]) -> Option<Verdict> {
        if let Event::Signal(meaning) = event {
            return Some(self.signal(*meaning));
        }
        let proven = |step| {
            pending
                .iter()
                .any(|signal| signal.meaning.proves == Some(step))
        };
        match (self.decision.state, event) {
            (State::Running { step: 0 }, Event::Begun) => self.forward(0),
            (State::Running { step }, Event::Done) => self.recorded(step),
            (State::Running { step }, Event::NotDone { .. }) if proven(step) => {
                self.recorded(step);
            }
            (State::Running { step }, Event::Refused(why))
                if self.role(step) != Role::Retryable =>
            {
                self.compensate(step, CompensationCause::Refused, why);
            }
            // a pivot may have taken effect and has no undo, so it is retried until it answers
            (State::Running { step }, Event::NotDone { budget_spent: true })
                if self.role(step) == Role::Compensable =>
            {
                self.compensate(
                    step,
                    CompensationCause::BudgetSpent,
                    self.shape.reasons.budget_spent,
                );
            }
            (State::Running { .. }, Event::Refused(_) | Event::NotDone { .. })
            | (State::Compensating { .. }, Event::NotUndone) => {
                self.decision.next_entry = NextEntry::Retry;
            }
            (State::Compensating { step, from }, Event::Undone) => self.undo_below(step, from),
            (State::Compensating { step, from }, Event::Overtaken) => {
                // only the participant that decides the pivot can decide before the undo reaches it
                let decides = self.shape.decides_the_pivot(step);
                if decides && self.may_turn_forward(step, from, Some(step)) {
                    self.turn_forward(from);
                    self.end_wait(self.shape.pivot());
                } else {
                    self.decision.breach = true;
                    self.decision.next_entry = NextEntry::Retry;
                }
            }
            (State::Waiting { step }, Event::DeadlinePassed) => {
                let decided = pending
                    .iter()
                    .any(|signal| signal.meaning.wait == Some(step));
                match (self.shape.steps[step].kind, self.role(step)) {
                    (Kind::Sleep, _) => self.forward(step + 1),
                    // after the pivot the saga never gives up: the wait begins anew
                    (_, Role::Retryable) => self.decision.next_entry = NextEntry::Deadline(step),
                    // its signal is there and is consumed below; no later signal could turn the
                    // saga forward
                    (_, Role::Compensable) if decided => {
                        self.decision.next_entry = NextEntry::Deadline(step);
                    }
                    _ => self.compensate(
                        step,
                        CompensationCause::DeadlinePassed,
                        self.shape.reasons.deadline_passed,
                    ),
                }
            }
            (State::Waiting { step }, Event::Woken) => {
                self.decision.next_entry = NextEntry::Deadline(step);
            }
            _ => {}
        }
        None
    }

    fn signal(&mut self, meaning: Meaning) -> Verdict {
        match (meaning.kind, meaning.wait) {
            (SignalKind::Proceed, Some(wait)) => self.proceed(wait, meaning.proves),
            (SignalKind::Abort, Some(wait)) => self.abort(wait),
            (SignalKind::Cancel, _) | (_, None) => self.cancel(),
        }
    }

    fn proceed(&mut self, wait: usize, proven: Option<usize>) -> Verdict {
        match self.decision.state {
            State::Running { step } | State::Waiting { step } if step < wait => Verdict::Early,
            State::Waiting { step } if step == wait => {
                self.end_wait(wait);
                Verdict::Applied
            }
            State::Running { .. } | State::Waiting { .. } | State::Completed => Verdict::Duplicate,
            State::Compensating { step, from }
                if wait == self.shape.pivot() && self.may_turn_forward(step, from, proven) =>
            {
                self.turn_forward(from);
                if self.end_wait(wait) {
                    Verdict::Applied
                } else {
                    Verdict::Early // steps between the proven step and the wait must run first
                }
            }
            State::Compensating { step, from } if self.may_come_back_to(wait, step, from) => {
                Verdict::Early
            }
            State::Compensating { from, .. } | State::Compensated { from } if from > wait => {
                Verdict::Duplicate
            }
            // the pivot is decided, but a step is undone already: an operator must investigate
            State::Compensating { .. } | State::Compensated { .. } => {
                self.decision.breach |= wait >= self.shape.pivot();
                Verdict::Late
            }
        }
    }

    fn abort(&mut self, wait: usize) -> Verdict {
        match self.decision.state {
            State::Running { step } | State::Waiting { step } if step < wait => Verdict::Early,
            State::Waiting { step } if step == wait => {
                self.compensate(step, CompensationCause::Aborted, self.shape.reasons.aborted);
                Verdict::Applied
            }
            State::Running { .. } | State::Waiting { .. } | State::Completed => {
                self.decision.breach = true;
                Verdict::Late
            }
            State::Compensating { step, from } if self.may_come_back_to(wait, step, from) => {
                Verdict::Early
            }
            State::Compensating { .. } | State::Compensated { .. } => Verdict::Duplicate,
        }
    }

    fn cancel(&mut self) -> Verdict {
        match self.decision.state {
            // the pivot's answer decides
            State::Running { step } if self.role(step) == Role::Pivot => Verdict::Early,
            State::Running { step } | State::Waiting { step }
                if self.role(step) != Role::Retryable =>
            {
                self.compensate(
                    step,
                    CompensationCause::Canceled,
                    self.shape.reasons.canceled,
                );
                Verdict::Applied
            }
            State::Running { .. } | State::Waiting { .. } | State::Completed => Verdict::Late,
            State::Compensating { .. } | State::Compensated { .. } => Verdict::Duplicate,
        }
    }

    /// Applies the pending signals until none of them changes anything.
    fn consume_pending(&mut self, pending: &[InterpretedSignal<Id>]) {
        let mut open: Vec<_> = pending.to_vec();
        loop {
            let before = self.decision.state;
            open.retain(|signal| match self.signal(signal.meaning) {
                Verdict::Early => true,
                verdict => {
                    self.decision.decided.push((signal.id, verdict));
                    false
                }
            });
            if self.decision.state == before {
                break;
            }
        }
        self.decision
            .decided
            .extend(open.iter().map(|signal| (signal.id, Verdict::Early)));
    }

    fn role(&self, step: usize) -> Role {
        self.shape.steps[step].role
    }

    fn recorded(&mut self, step: usize) {
        self.decision.ops.push(Op::Record(step));
        self.forward(step + 1);
    }

    /// Runs local steps until a step needs the network or has to wait.
    fn forward(&mut self, first: usize) {
        for step in first..self.shape.steps.len() {
            let (state, next_entry) = match self.shape.steps[step].kind {
                Kind::Local => {
                    self.decision.ops.push(Op::Run(step));
                    continue;
                }
                Kind::Remote => (State::Running { step }, NextEntry::Step(step)),
                Kind::Wait | Kind::Sleep => (State::Waiting { step }, NextEntry::Deadline(step)),
            };
            self.decision.state = state;
            self.decision.next_entry = next_entry;
            return;
        }
        self.decision.state = State::Completed;
        self.decision.next_entry = NextEntry::Nothing;
    }

    fn compensate(&mut self, from: usize, cause: CompensationCause, why: &str) {
        self.decision.reason = Some((cause, why.to_owned()));
        self.decision.ops.push(Op::BeginCompensation);
        self.undo_below(from + 1, from);
    }

    /// Undoes the started steps below `above`, in reverse, until an undo needs the network.
    fn undo_below(&mut self, above: usize, from: usize) {
        for step in (0..above).rev() {
            match (self.role(step), self.shape.steps[step].kind) {
                // a saga is compensated only if its pivot had no effect
                (Role::Pivot, _) | (_, Kind::Wait | Kind::Sleep) => {}
                (_, Kind::Local) => self.decision.ops.push(Op::Undo(step)),
                (_, Kind::Remote) => {
                    self.decision.state = State::Compensating { step, from };
                    self.decision.next_entry = NextEntry::Undo(step);
                    return;
                }
            }
        }
        self.decision.state = State::Compensated { from };
        self.decision.next_entry = NextEntry::Nothing;
    }

    /// Allowed only while no step is undone and the last started step is done: the saga had reached
    /// a wait or a sleep, or the fact that overtook the undo proves that very step.
    fn may_turn_forward(&self, step: usize, from: usize, proven: Option<usize>) -> bool {
        let is_waiting = !self.shape.steps[from].has_an_effect();
        self.nothing_is_undone(step, from) && (is_waiting || proven == Some(from))
    }

    fn nothing_is_undone(&self, step: usize, from: usize) -> bool {
        (step + 1..=from).all(|above| !self.shape.steps[above].has_an_effect())
    }

    /// Whether a saga that turns forward would come to this wait, which is not the pivot: its signals are kept
    /// until then.
    fn may_come_back_to(&self, wait: usize, step: usize, from: usize) -> bool {
        wait >= from && wait != self.shape.pivot() && self.nothing_is_undone(step, from)
    }

    /// Continues from the point where compensation began.
    fn turn_forward(&mut self, from: usize) {
        if self.shape.steps[from].has_an_effect() {
            self.recorded(from);
        } else {
            self.decision.state = State::Waiting { step: from };
            self.decision.next_entry = NextEntry::Deadline(from);
        }
    }

    /// Continues after this wait, if the saga is at it.
    fn end_wait(&mut self, wait: usize) -> bool {
        let at_it = self.decision.state == State::Waiting { step: wait };
        if at_it {
            self.forward(wait + 1);
        }
        at_it
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
