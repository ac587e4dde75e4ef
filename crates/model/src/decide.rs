//! Asks production for its decisions. The model calls the engine's own
//! [`transition::TransitionContext::transition`] with checkout's own plan, translates the answer
//! into the small terms of [`crate::world`], and caches it, since a check asks the same question
//! many thousand times.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use commerce::order::{PaymentTerms, verify_payment};
use contracts::topology;
use kernel::{Clock, EntryId, Money, OrderId, RetryPolicy, SagaId, SignalId, TransactionId};
use rustc_hash::FxHashMap;
use saga::claim::{EntryKind, SagaClaim};
use saga::{
    CANCEL, NewSignal, Operation, Outcome, PlanVersion, Resolution, Shape, SignalKind, Undo, Verb,
    Verdict, codec,
    machine::{self, Event, Op, State},
    store::{self, EntryChange, PendingSignalRow},
    transition,
};
use workflows::Settings;

use crate::world::{AttemptResult, EntryWork, PendingSignal, Row, Signals};

/// The trigger of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A worker's attempt has ended.
    Attempt {
        /// The work that was attempted.
        work: EntryWork,
        /// The result of the attempt.
        result: AttemptResult,
        /// Whether the retry budget is used up.
        spent: bool,
    },
    /// Input from outside.
    Signal(SignalKind),
    /// An operator's act.
    Operator(OperatorVerb),
}

impl Trigger {
    /// The kind of the signal, if the trigger carries one.
    pub fn signal_kind(self) -> Option<SignalKind> {
        match self {
            Self::Signal(kind) | Self::Operator(OperatorVerb::Signal(kind)) => Some(kind),
            Self::Operator(OperatorVerb::Cancel) => Some(SignalKind::Cancel),
            _ => None,
        }
    }
}

/// An operator's act: [`Verb`] in the model's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorVerb {
    /// Run the saga now.
    Retry,
    /// Pause the saga.
    Pause,
    /// Resume the saga.
    Resume,
    /// Compensate the saga.
    Cancel,
    /// Give the saga a decision of payments that it has not received.
    Signal(SignalKind),
    /// Declare the running step done.
    Done,
    /// Declare the step that is being compensated undone.
    Undone,
}

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question {
    /// The saga's row, as it was read.
    pub row: Row,
    /// The pending signals, as they were read.
    pub signals: Signals,
    /// Whether the deadline has passed.
    pub deadline_passed: bool,
    /// The trigger.
    pub trigger: Trigger,
}

/// The change of the saga's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The entry stays as it is.
    Unchanged,
    /// The same work again, under the claim.
    Retry,
    /// Other work, under the claim.
    Replace {
        /// The new work.
        work: EntryWork,
    },
    /// The entry is removed.
    Remove {
        /// Whether the removal requires the claim.
        fenced: bool,
    },
    /// An entry for this work, whether or not one exists.
    Ensure {
        /// The work.
        work: EntryWork,
    },
}

/// The changes to store in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The new row.
    pub row: Row,
    /// The open signals after the decision.
    pub signals: Signals,
    /// The change of the entry.
    pub change: Change,
    /// Local operations, in this order.
    pub ops: Vec<Op>,
    /// The verdict on the incoming signal; `None` when it is kept undecided.
    pub verdict: Option<Verdict>,
    /// Whether an operator must investigate.
    pub breach: bool,
}

/// Production's decisions, for the model.
pub struct Production {
    plan: PlanVersion,
    /// Checkout's shape.
    pub shape: Shape,
    retry: RetryPolicy,
    now: DateTime<Utc>,
    saga_id: SagaId,
    fits: [bool; 2],
    answers: RefCell<FxHashMap<Question, Option<Answer>>>,
}

impl Default for Production {
    fn default() -> Self {
        let mut plans = workflows::registry(&Settings::default()).versions();
        let plan = plans.swap_remove(0);
        let total = Money::new(1999, "EUR".parse().expect("a currency"));
        let terms = PaymentTerms {
            order_id: OrderId::new(),
            saga_id: SagaId::new(),
            transaction_id: TransactionId::new(),
            total: total.clone(),
        };
        let fits = [total.amount - 1, total.amount].map(|amount| {
            let paid = Money::new(amount, total.currency.clone());
            verify_payment(&terms, terms.transaction_id, Some(&paid)).is_ok()
        });
        Self {
            shape: plan.shape.clone(),
            plan,
            retry: RetryPolicy::default(),
            now: Clock::System.now(),
            saga_id: terms.saga_id,
            fits,
            answers: RefCell::default(),
        }
    }
}

impl Production {
    /// Whether a payment, of the right or of another amount, passes the shop's amount check.
    pub fn fits(&self, right: bool) -> bool {
        self.fits[usize::from(right)]
    }

    /// The decision for a new saga.
    pub fn begin(&self) -> machine::Decision<SignalId> {
        machine::advance(&self.shape, State::Running { step: 0 }, &Event::Begun, &[])
    }

    /// The work for which a saga in `state` must have an entry.
    pub fn work_of(&self, state: State) -> Option<EntryWork> {
        EntryWork::of(machine::next_entry_of(&self.shape, state))
    }

    /// The answer to `question`; `None` when the attempt has lost its claim.
    pub fn decide(&self, question: Question) -> Option<Answer> {
        if let Some(known) = self.answers.borrow().get(&question) {
            return known.clone();
        }
        let answer = self.ask(question);
        self.answers.borrow_mut().insert(question, answer.clone());
        answer
    }

    fn ask(&self, question: Question) -> Option<Answer> {
        let row = self.stored(question);
        // a zero count means that the signals are not read
        let pending: Vec<_> = match question.row.kept {
            0 => Vec::new(),
            _ => question
                .signals
                .iter()
                .map(|signal| self.pending_row(signal))
                .collect(),
        };
        let new = SignalId::new();
        let context = transition::TransitionContext {
            plan: &self.plan,
            retry: &self.retry,
        };
        let transition = context
            .transition(&row, &pending, self.triggers(question, new))
            .unwrap_or_else(|error| panic!("production cannot read the model's row: {error}"));
        if transition.stale {
            return None;
        }
        let save = &transition.save;
        let unread = question.signals.iter().skip(pending.len());
        let new_verdict = |id: SignalId| {
            let row = save.verdicts.iter().find(|row| row.signal_id == id.uuid());
            row.map(|row| row.verdict)
        };
        let still_open = pending
            .iter()
            .zip(question.signals.iter())
            .filter_map(|(row, signal)| match new_verdict(row.signal_id) {
                None => Some(signal),
                Some("early") => Some(PendingSignal {
                    early: true,
                    ..signal
                }),
                Some(_) => None,
            });
        let added = save.signals.iter().filter_map(|row| {
            let early = match row.verdict {
                None => false,
                Some("early") => true,
                Some(_) => return None,
            };
            let kind = question.trigger.signal_kind()?;
            Some(PendingSignal { kind, early })
        });
        Some(Answer {
            row: Row {
                state: transition.after,
                paused: save.paused,
                kept: u8::try_from(save.kept).unwrap_or(u8::MAX),
            },
            signals: still_open.chain(unread).chain(added).collect(),
            change: self.change(&save.entry),
            ops: transition.ops.clone(),
            verdict: transition
                .verdicts
                .first()
                .and_then(|(_, verdict)| *verdict),
            breach: transition.breach,
        })
    }

    fn stored(&self, question: Question) -> store::Row {
        let (step, undo_from) = codec::encode_state(&self.shape, question.row.state);
        let ago = TimeDelta::minutes(if question.deadline_passed { -1 } else { 1 });
        store::Row {
            saga_id: self.saga_id,
            plan: self.shape.name.to_owned(),
            plan_version: self.shape.version,
            plan_hash: self.plan.hash.clone(),
            state: question.row.state.name().to_owned(),
            step,
            undo_from,
            paused: question.row.paused,
            revision: 1,
            deadline: Some(self.now + ago),
            reason: undo_from.map(|_| "why".to_owned()),
            kept: i32::from(question.row.kept),
            input: serde_json::Value::Null,
            trace_id: String::new(),
            root_span_id: String::new(),
            state_since: self.now,
            now: self.now,
        }
    }

    fn pending_row(&self, signal: PendingSignal) -> PendingSignalRow {
        PendingSignalRow {
            saga_id: self.saga_id,
            signal_id: SignalId::new(),
            name: signal_name(signal.kind).to_owned(),
            verdict: signal.early.then_some(Verdict::Early),
        }
    }

    fn triggers(&self, question: Question, id: SignalId) -> Vec<transition::Trigger> {
        match question.trigger {
            Trigger::Attempt {
                work,
                result,
                spent,
            } => {
                vec![transition::Trigger::Attempt(
                    self.claim(work, spent),
                    production_result(result),
                )]
            }
            Trigger::Signal(kind) => vec![transition::Trigger::Signal(NewSignal {
                id,
                saga_id: self.saga_id,
                name: signal_name(kind).to_owned(),
                payload: serde_json::Value::Null,
                source: "model".to_owned(),
            })],
            Trigger::Operator(verb) => Operation {
                verb: self.verb(verb, question.row.state),
                actor: "operator".to_owned(),
                reason: "model".to_owned(),
            }
            .triggers(self.saga_id, id),
        }
    }

    fn verb(&self, verb: OperatorVerb, state: State) -> Verb {
        let current = match state {
            State::Running { step } | State::Compensating { step, .. } => step,
            _ => self.shape.pivot(),
        };
        let resolve = |to| Verb::Resolve {
            step: self.shape.steps[current].name.to_owned(),
            to,
            evidence: "model".to_owned(),
        };
        match verb {
            OperatorVerb::Retry => Verb::Retry,
            OperatorVerb::Pause => Verb::Pause,
            OperatorVerb::Resume => Verb::Resume,
            OperatorVerb::Cancel => Verb::Cancel,
            OperatorVerb::Signal(kind) => Verb::Signal {
                name: signal_name(kind).to_owned(),
                payload: serde_json::Value::Null,
            },
            OperatorVerb::Done => resolve(Resolution::Done),
            OperatorVerb::Undone => resolve(Resolution::Undone),
        }
    }

    fn claim(&self, work: EntryWork, spent: bool) -> SagaClaim {
        let name = |step: u8| self.shape.steps[usize::from(step)].name;
        let (kind, step) = match work {
            EntryWork::Step(step) => (EntryKind::Step, name(step).to_owned()),
            EntryWork::Undo(step) => (EntryKind::Step, format!("{}/undo", name(step))),
            EntryWork::Timer(step) => (EntryKind::Timer, name(step).to_owned()),
        };
        let begun = if spent {
            self.retry.budget + self.retry.cap
        } else {
            Duration::ZERO
        };
        SagaClaim {
            entry_id: EntryId::new(),
            saga_id: self.saga_id,
            kind,
            step,
            epoch: 1,
            attempt: 1,
            since: self.now - begun,
            claimed_at: Instant::now(),
            began_at: self.now,
            holder: String::new(),
            lost: None,
        }
    }

    fn change(&self, entry: &EntryChange) -> Change {
        match entry {
            EntryChange::Unchanged => Change::Unchanged,
            EntryChange::Retry { .. } => Change::Retry,
            EntryChange::Replace { kind, step, .. } => Change::Replace {
                work: self.work(kind, step),
            },
            EntryChange::Remove { fence } => Change::Remove {
                fenced: fence.is_some(),
            },
            EntryChange::Ensure { kind, step, .. } => Change::Ensure {
                work: self.work(kind, step),
            },
            EntryChange::DueNow => panic!("only for plans that are not known"),
        }
    }

    fn work(&self, kind: &str, step: &str) -> EntryWork {
        let (name, undo) = match step.strip_suffix("/undo") {
            Some(name) => (name, true),
            None => (step, false),
        };
        let at = self.shape.steps.iter().position(|step| step.name == name);
        let at = at
            .and_then(|at| u8::try_from(at).ok())
            .expect("a step of the plan");
        match (kind, undo) {
            ("timer", _) => EntryWork::Timer(at),
            (_, true) => EntryWork::Undo(at),
            (_, false) => EntryWork::Step(at),
        }
    }
}

fn signal_name(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Proceed => topology::TRANSACTION_COMPLETED,
        SignalKind::Abort => topology::TRANSACTION_CANCELED,
        SignalKind::Cancel => CANCEL,
    }
}

fn production_result(result: AttemptResult) -> transition::AttemptResult {
    let why = || "model".to_owned();
    match result {
        AttemptResult::Done => transition::AttemptResult::Step(Outcome::Done),
        AttemptResult::Refused => transition::AttemptResult::Step(Outcome::Refused(why())),
        // `Transient` and `Unknown` differ only in the journal
        AttemptResult::NotDone => transition::AttemptResult::Step(Outcome::Unknown(why())),
        AttemptResult::Undone => transition::AttemptResult::Undo(Undo::Done),
        AttemptResult::Overtaken => transition::AttemptResult::Undo(Undo::Overtaken),
        AttemptResult::NotUndone => transition::AttemptResult::Undo(Undo::Unknown(why())),
        AttemptResult::Timer => transition::AttemptResult::Timer,
    }
}
