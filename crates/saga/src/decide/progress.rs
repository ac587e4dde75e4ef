//! Deciding for one saga, input by input: the one fold over its journal.
//!
//! Production feeds it events and stores its results; [`crate::replay`] feeds it the journal's
//! events and compares its results with the journal. Like the machine, it has no database, clock or
//! network.

use crate::{
    journal::{JournalFact, VerbKind},
    machine::{self, Event, InterpretedSignal, NextEntry, Op, State},
    shape::Shape,
    signal::Verdict,
};

/// A signal without a final verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignal<Id> {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// [`Verdict::Early`], or absent while it is undecided.
    pub verdict: Option<Verdict>,
}

/// The part of a saga's state that decisions depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<Id> {
    /// Its state.
    pub state: State,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Its pending signals, oldest first.
    pub pending: Vec<PendingSignal<Id>>,
}

/// An input of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<Id> {
    /// An event that the machine decides on: the saga begins, or an attempt or a timer ended.
    Event {
        /// The machine's input.
        event: Event,
        /// Its journal entry.
        fact: JournalFact,
    },
    /// A signal arrived.
    Signal {
        /// Its id.
        id: Id,
        /// Its name.
        name: String,
    },
    /// A signal arrived at a process that does not know the saga's plan.
    UndecidedSignal {
        /// Its id.
        id: Id,
        /// Its name.
        name: String,
    },
    /// An operator acted. If the action sends a signal or asserts a result, that signal or event
    /// follows as a separate input.
    Operator(VerbKind),
}

/// The result of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<Id> {
    /// Journal entries, in this order; exactly one of them records the input.
    pub facts: Vec<JournalFact>,
    /// Work inside the transaction.
    pub ops: Vec<Op>,
    /// The change to the saga's outbox entry.
    pub next_entry: NextEntry,
    /// Verdict on the signal that arrived; absent if the signal is kept undecided, or if the input
    /// was no signal.
    pub verdict: Option<Verdict>,
    /// Changed verdicts on pending signals.
    pub decided: Vec<(Id, Verdict)>,
    /// Why the saga is compensated, for people, if compensation begins.
    pub reason: Option<String>,
    /// Whether a fact contradicts an earlier decision.
    pub breach: bool,
}

impl<Id: Copy + PartialEq> Progress<Id> {
    /// Applies one input.
    pub fn apply(&mut self, shape: &Shape, input: Input<Id>) -> Step<Id> {
        let mut step = Step {
            facts: Vec::new(),
            ops: Vec::new(),
            next_entry: NextEntry::Unchanged,
            verdict: None,
            decided: Vec::new(),
            reason: None,
            breach: false,
        };
        match input {
            Input::Event { event, fact } => {
                step.facts.push(fact);
                self.decide(shape, &event, &mut step);
            }
            Input::Signal { id, name } => self.signal(shape, id, name, &mut step),
            Input::UndecidedSignal { id, name } => self.keep(id, name, None, &mut step),
            Input::Operator(verb) => {
                step.facts.push(JournalFact::Operator { verb });
                match verb {
                    VerbKind::Pause => self.paused = true,
                    VerbKind::Resume => {
                        self.paused = false;
                        self.decide(shape, &Event::Woken, &mut step);
                    }
                    VerbKind::Retry | VerbKind::Cancel | VerbKind::Signal | VerbKind::Resolve => {}
                }
            }
        }
        step
    }

    fn signal(&mut self, shape: &Shape, id: Id, name: String, step: &mut Step<Id>) {
        let verdict = match shape.meaning(&name) {
            // kept without a verdict: `resume` applies the signal first
            _ if self.paused => None,
            None => Some(Verdict::Late),
            Some(meaning) => self.decide(shape, &Event::Signal(meaning), step),
        };
        self.keep(id, name, verdict, step);
    }

    /// Records a signal that arrived, and keeps it for a later input if this input did not settle
    /// it.
    fn keep(&mut self, id: Id, name: String, verdict: Option<Verdict>, step: &mut Step<Id>) {
        step.verdict = verdict;
        step.facts.push(JournalFact::Signal {
            signal: name.clone(),
            verdict,
        });
        if verdict.is_none_or(|verdict| verdict == Verdict::Early) {
            self.pending.push(PendingSignal { id, name, verdict });
        }
    }

    /// Runs the machine, and consumes pending signals.
    fn decide(&mut self, shape: &Shape, event: &Event, step: &mut Step<Id>) -> Option<Verdict> {
        let interpreted: Vec<_> = self
            .pending
            .iter()
            .filter_map(|signal| {
                Some(InterpretedSignal {
                    id: signal.id,
                    meaning: shape.meaning(&signal.name)?,
                })
            })
            .collect();
        let decision = machine::advance(shape, self.state, event, &interpreted);
        for (id, verdict) in decision.decided {
            self.consume(id, verdict, step);
        }
        self.state = decision.state;
        step.ops.extend(decision.ops);
        step.next_entry = decision.next_entry;
        if let Some((cause, reason)) = decision.reason {
            step.facts.push(JournalFact::CompensationBegun { cause });
            step.reason = Some(reason);
        }
        if decision.breach {
            step.facts.push(JournalFact::Breach);
            step.breach = true;
        }
        decision.verdict
    }

    fn consume(&mut self, id: Id, verdict: Verdict, step: &mut Step<Id>) {
        let Some(at) = self.pending.iter().position(|signal| signal.id == id) else {
            return;
        };
        if self.pending[at].verdict == Some(verdict) {
            return;
        }
        step.facts.push(JournalFact::SignalDecided {
            signal: self.pending[at].name.clone(),
            verdict,
        });
        step.decided.push((id, verdict));
        if verdict == Verdict::Early {
            self.pending[at].verdict = Some(verdict);
        } else {
            self.pending.remove(at);
        }
    }
}
