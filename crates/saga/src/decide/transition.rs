//! Turns a decision into rows and entries: pure, like the machine, but in terms of stored data.

use crate::store::claim::{SagaClaim, span_id};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::RetryPolicy;
use uuid::Uuid;

use crate::{
    codec::{Unreadable, decode_state, encode_state, entry_of, stored_state},
    journal::{JournalFact, JournalRow},
    machine::{self, Event, NextEntry, Op, State},
    operator::{Operation, Resolution, Verb},
    plan::Compensation,
    progress::{Input, PendingSignal, Progress},
    registry::PlanVersion,
    shape::Shape,
    signal::{NewSignal, Verdict},
    step::{Outcome, Undo},
    store::{
        Born, EntryChange, EntryWrite, Fence, FirstClaim, PendingSignalRow, Row, Save, SignalRow,
        VerdictRow,
    },
};

/// An input that triggers a transition.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// The saga begins.
    Begun(Beginning),
    /// The work of an entry has ended.
    Attempt(SagaClaim, AttemptResult),
    /// A signal arrived.
    Signal(NewSignal),
    /// An operator acted. If the action sends a signal, that signal follows as a separate trigger.
    Operator(Operation),
}

/// How a saga begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The span that is the parent of the trace's root.
    pub parent_span: Option<String>,
    /// The claim of the process that makes the first attempt itself, and the length of its lease;
    /// ignored if the saga does not begin with a remote step.
    pub claim: Option<(FirstClaim, TimeDelta)>,
}

/// The result of an entry's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// A step was run.
    Step(Outcome),
    /// An undo was run.
    Undo(Undo),
    /// A timer was due.
    Timer,
}

/// The change to be stored for one saga, with the work in the same transaction.
#[derive(Debug)]
pub struct Transition {
    /// The rows.
    pub save: Save,
    /// The state before.
    pub before: State,
    /// The state after.
    pub after: State,
    /// Work in the same transaction, in this order.
    pub ops: Vec<Op>,
    /// Verdicts on the signals that have just arrived; `None` for a signal that is kept undecided.
    pub verdicts: Vec<(kernel::SignalId, Option<Verdict>)>,
    /// A fact contradicts an earlier decision.
    pub breach: bool,
    /// The transition comes from an attempt that the saga has already moved past, and must not be
    /// stored.
    pub stale: bool,
}

impl Transition {
    /// Why the saga is compensated; empty while it is not.
    pub(crate) fn reason(&self) -> &str {
        self.save.reason.as_deref().unwrap_or_default()
    }

    /// Why compensation begins, if it begins with this transition.
    pub(crate) fn compensation(&self) -> Option<Compensation<'_>> {
        let journal = &self.save.journal;
        let cause = journal.iter().rev().find_map(|row| match row.fact {
            JournalFact::CompensationBegun { cause } => Some(cause),
            _ => None,
        })?;
        let act = |row: &JournalRow| matches!(row.fact, JournalFact::Operator { .. });
        Some(Compensation {
            cause,
            by_operator: journal.iter().any(act),
            reason: self.reason(),
        })
    }
}

/// The plan and the retry policy that a transition follows.
#[derive(Debug, Clone, Copy)]
pub struct TransitionContext<'a> {
    /// The saga's plan.
    pub plan: &'a PlanVersion,
    /// Delays and budget of attempts.
    pub retry: &'a RetryPolicy,
}

impl TransitionContext<'_> {
    /// Computes the effect of `triggers`, in their order, on the locked `row`.
    ///
    /// # Errors
    /// When the row belongs to another plan, or does not fit its plan.
    pub fn transition(
        &self,
        row: &Row,
        pending: &[PendingSignalRow],
        triggers: Vec<Trigger>,
    ) -> Result<Transition, Unreadable> {
        if !self.plan.is_of(row) {
            return Err(Unreadable::of(row));
        }
        let state = decode_state(&self.plan.shape, row)?;
        Ok(self.decide(row, state, pending, triggers))
    }

    /// The first transition of a saga.
    pub(crate) fn begin(&self, row: &Row, beginning: Beginning) -> Transition {
        let triggers = vec![Trigger::Begun(beginning)];
        self.decide(row, State::Running { step: 0 }, &[], triggers)
    }

    fn decide(
        &self,
        row: &Row,
        state: State,
        pending: &[PendingSignalRow],
        triggers: Vec<Trigger>,
    ) -> Transition {
        let pending = pending.iter().map(|signal| PendingSignal {
            id: signal.signal_id,
            name: signal.name.clone(),
            verdict: signal.verdict,
        });
        let mut builder = TransitionBuilder {
            context: self,
            row,
            progress: Progress {
                state,
                paused: row.paused,
                pending: pending.collect(),
            },
            reason: row.reason.clone(),
            deadline: row.deadline,
            ops: Vec::new(),
            next_entry: NextEntry::Unchanged,
            fence: None,
            retry_at: row.now,
            error: String::new(),
            rewrite: false,
            beginning: None,
            journal: Vec::new(),
            signals: Vec::new(),
            verdict_rows: Vec::new(),
            verdicts: Vec::new(),
            breach: false,
        };
        for trigger in triggers {
            builder.apply(trigger);
        }
        builder.build(state)
    }

    fn shape(&self) -> &Shape {
        &self.plan.shape
    }
}

/// Computes one saga's transition: [`Progress`] decides, and the builder adds the data to be
/// stored.
struct TransitionBuilder<'a> {
    context: &'a TransitionContext<'a>,
    row: &'a Row,
    progress: Progress<kernel::SignalId>,
    reason: Option<String>,
    deadline: Option<DateTime<Utc>>,
    ops: Vec<Op>,
    next_entry: NextEntry,
    fence: Option<Fence>,
    retry_at: DateTime<Utc>,
    error: String,
    /// An operator's action requires that the entry is written again.
    rewrite: bool,
    beginning: Option<Beginning>,
    journal: Vec<JournalRow>,
    signals: Vec<SignalRow>,
    verdict_rows: Vec<VerdictRow>,
    verdicts: Vec<(kernel::SignalId, Option<Verdict>)>,
    breach: bool,
}

impl TransitionBuilder<'_> {
    fn apply(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Begun(beginning) => self.begin(beginning),
            Trigger::Attempt(claim, result) => self.attempt(&claim, result),
            Trigger::Signal(signal) => self.signal(signal),
            Trigger::Operator(operation) => self.operator(operation),
        }
    }

    fn begin(&mut self, beginning: Beginning) {
        let own = JournalRow {
            span_id: beginning.parent_span.clone(),
            ..JournalRow::new(JournalFact::Begun)
        };
        self.beginning = Some(beginning);
        let (event, fact) = (Event::Begun, JournalFact::Begun);
        self.decide(Input::Event { event, fact }, &own);
        let entry = entry_of(self.context.shape(), self.next_entry);
        if let Some(row) = self.journal.last_mut() {
            row.step = entry.map(|entry| entry.step.into_owned());
        }
    }

    fn attempt(&mut self, claim: &SagaClaim, result: AttemptResult) {
        let delay = self.context.retry.delay(claim.attempt.unsigned_abs());
        self.fence = Some(Fence {
            held: claim.entry_id.uuid(),
            epoch: claim.epoch,
        });
        self.retry_at = self.row.now + delay;
        if let Some(lost) = &claim.lost {
            self.journal.push(JournalRow {
                step: Some(claim.step.clone()),
                attempt: Some(lost.attempt),
                detail: Some("its process never said how it ended".to_owned()),
                began_at: Some(lost.began_at),
                span_id: Some(span_id(claim.entry_id, lost.epoch)),
                process: Some(lost.holder.clone()),
                ..JournalRow::new(JournalFact::Lost)
            });
        }
        let budget_spent = self.retry_at > claim.since + self.context.retry.budget;
        let (fact, event, detail) = self.read_result(result, budget_spent);
        if let (Event::NotDone { .. } | Event::NotUndone, Some(why)) = (&event, &detail) {
            self.error.clone_from(why);
        }
        let own = JournalRow {
            step: Some(claim.step.clone()),
            attempt: Some(claim.attempt),
            detail,
            began_at: Some(claim.began_at),
            span_id: Some(claim.span_id()),
            process: Some(claim.holder.clone()),
            ..JournalRow::new(fact.clone())
        };
        self.decide(Input::Event { event, fact }, &own);
    }

    /// The journal entry, the machine's event and the text for people that belong to an attempt's
    /// result.
    fn read_result(
        &self,
        result: AttemptResult,
        budget_spent: bool,
    ) -> (JournalFact, Event, Option<String>) {
        let failed = |outcome: fn(Option<bool>) -> JournalFact, why| {
            let fact = outcome(Some(budget_spent));
            (fact, Event::NotDone { budget_spent }, Some(why))
        };
        let not_undone = |fact, why| (fact, Event::NotUndone, Some(why));
        let transient = |budget_spent| JournalFact::Transient { budget_spent };
        let unknown = |budget_spent| JournalFact::Unknown { budget_spent };
        let contradicted = |budget_spent| JournalFact::Contradicted { budget_spent };
        match result {
            AttemptResult::Step(Outcome::Done) => (JournalFact::Done, Event::Done, None),
            AttemptResult::Step(Outcome::Refused(why)) => {
                (JournalFact::Refused, Event::Refused(why.clone()), Some(why))
            }
            AttemptResult::Step(Outcome::Transient(why)) => failed(transient, why),
            AttemptResult::Step(Outcome::Unknown(why)) => failed(unknown, why),
            AttemptResult::Step(Outcome::Contradicted(why)) => failed(contradicted, why),
            AttemptResult::Undo(Undo::Done) => (JournalFact::Undone, Event::Undone, None),
            AttemptResult::Undo(Undo::Overtaken) => {
                (JournalFact::Overtaken, Event::Overtaken, None)
            }
            AttemptResult::Undo(Undo::Transient(why)) => not_undone(transient(None), why),
            AttemptResult::Undo(Undo::Unknown(why)) => not_undone(unknown(None), why),
            AttemptResult::Undo(Undo::Contradicted(why)) => not_undone(contradicted(None), why),
            AttemptResult::Timer
                if self
                    .deadline
                    .is_some_and(|deadline| deadline <= self.row.now) =>
            {
                (JournalFact::DeadlinePassed, Event::DeadlinePassed, None)
            }
            AttemptResult::Timer => (JournalFact::Woken, Event::Woken, None),
        }
    }

    fn signal(&mut self, signal: NewSignal) {
        let own = JournalRow {
            actor: Some(signal.source.clone()),
            ..JournalRow::new(JournalFact::Begun)
        };
        self.signals.push(SignalRow {
            signal_id: signal.id.uuid(),
            name: signal.name.clone(),
            verdict: None,
            payload: signal.payload,
            source: signal.source,
        });
        let input = Input::Signal {
            id: signal.id,
            name: signal.name,
        };
        let verdict = self.decide(input, &own);
        if let Some(stored) = self.signals.last_mut() {
            stored.verdict = verdict.map(Verdict::as_str);
        }
        self.verdicts.push((signal.id, verdict));
    }

    fn operator(&mut self, operation: Operation) {
        let own = operation.journal_row();
        let verb = operation.verb;
        self.decide(Input::Operator(verb.kind()), &own);
        match verb {
            Verb::Retry | Verb::Pause | Verb::Resume => {}
            Verb::Resolve { step, to, evidence } => {
                let (fact, step, event) = match to {
                    Resolution::Done => (JournalFact::Done, step, Event::Done),
                    Resolution::Undone => {
                        (JournalFact::Undone, format!("{step}/undo"), Event::Undone)
                    }
                };
                let own = JournalRow {
                    step: Some(step),
                    detail: Some(evidence),
                    ..JournalRow::new(fact.clone())
                };
                self.decide(Input::Event { event, fact }, &own);
            }
            // the signal decides; an entry that the signal does not change stays as it is
            Verb::Cancel | Verb::Signal { .. } => return,
        }
        self.rewrite = true;
    }

    /// Lets [`Progress`] decide, and turns the resulting facts into rows; `own` is the input's row.
    fn decide(&mut self, input: Input<kernel::SignalId>, own: &JournalRow) -> Option<Verdict> {
        let before = self.progress.state;
        let anew = matches!(&input, Input::Event { event, .. } if *event == Event::DeadlinePassed);
        let step = self.progress.apply(self.context.shape(), input);
        let after = self.progress.state;
        if let (true, State::Waiting { step }) = (after != before || anew, after) {
            self.deadline = Some(self.row.now + self.context.plan.waits[step]);
        }
        let reason = step.reason.clone();
        for fact in step.facts {
            let own = fact.is_input().then(|| own.clone());
            let mut row = own.unwrap_or_else(|| JournalRow::new(fact.clone()));
            row.detail = text_of(&fact, reason.as_deref()).or(row.detail);
            row.fact = fact;
            self.journal.push(row);
        }
        self.ops.extend(step.ops);
        if step.next_entry != NextEntry::Unchanged {
            self.next_entry = step.next_entry;
        }
        if reason.is_some() {
            self.reason = reason;
        }
        self.breach |= step.breach;
        for (id, verdict) in step.decided {
            self.store_verdict(id, verdict);
        }
        step.verdict
    }

    /// Stores a verdict on a signal that arrived earlier, or earlier in this same transaction.
    fn store_verdict(&mut self, id: kernel::SignalId, verdict: Verdict) {
        let mut new = self.signals.iter_mut();
        match new.find(|row| row.signal_id == id.uuid()) {
            Some(new) => new.verdict = Some(verdict.as_str()),
            None => self.verdict_rows.push(VerdictRow {
                signal_id: id.uuid(),
                verdict: verdict.as_str(),
            }),
        }
        if let Some(answer) = self.verdicts.iter_mut().find(|(answer, _)| *answer == id) {
            answer.1 = Some(verdict);
        }
    }

    /// Adds to the last row the local steps that ran with it, and the wait that it ended.
    fn complete_journal(&mut self, before: State) {
        let ran = ran(self.context.shape(), &self.ops);
        if let (Some(last), false) = (self.journal.last_mut(), ran.is_empty()) {
            last.ran = Some(ran);
        }
        let waited = matches!(before, State::Waiting { .. }) && self.progress.state != before;
        let ended_it = self.journal.iter_mut().rfind(|row| {
            matches!(
                row.fact,
                JournalFact::Signal { .. }
                    | JournalFact::SignalDecided { .. }
                    | JournalFact::DeadlinePassed
                    | JournalFact::Done
                    | JournalFact::Undone
            )
        });
        if let (true, Some(row)) = (waited, ended_it) {
            row.began_at = Some(self.row.state_since);
        }
    }

    fn build(mut self, before: State) -> Transition {
        self.complete_journal(before);
        let entry = self.entry();
        // a current lease holder always changes its entry; an outcome that changes nothing comes
        // from a holder whose lease expired and whose saga has moved on
        let stale = self.fence.is_some() && entry == EntryChange::Unchanged;
        let (step, undo_from) = encode_state(self.context.shape(), self.progress.state);
        let turned_forward = undo_from.is_none();
        let save = Save {
            saga_id: self.row.saga_id.uuid(),
            revision: self.row.revision,
            born: self.born(),
            at: self.row.now,
            state: self.progress.state.name(),
            step,
            undo_from,
            paused: self.progress.paused,
            deadline: self.deadline,
            reason: if turned_forward { None } else { self.reason },
            kept: i32::try_from(self.progress.pending.len()).unwrap_or(i32::MAX),
            entry,
            plan: self.row.plan.clone(),
            plan_version: self.row.plan_version,
            plan_hash: self.row.plan_hash.clone(),
            journal: self.journal,
            signals: self.signals,
            verdicts: self.verdict_rows,
        };
        Transition {
            save,
            before,
            after: self.progress.state,
            ops: self.ops,
            verdicts: self.verdicts,
            breach: self.breach,
            stale,
        }
    }

    fn born(&self) -> Option<Born> {
        self.row.is_unborn().then(|| Born {
            input: self.row.input.clone(),
            trace_id: self.row.trace_id.clone(),
            root_span_id: self.row.root_span_id.clone(),
        })
    }

    /// The final change to the entry.
    fn entry(&self) -> EntryChange {
        if self.progress.paused {
            // pausing removes the entry; a paused saga has no entry to change
            return if self.row.paused {
                EntryChange::Unchanged
            } else {
                EntryChange::Remove { fence: None }
            };
        }
        let next_entry = if self.rewrite {
            machine::next_entry_of(self.context.shape(), self.progress.state)
        } else {
            self.next_entry
        };
        let fence = if self.rewrite { None } else { self.fence };
        match (next_entry, entry_of(self.context.shape(), next_entry)) {
            (NextEntry::Retry, _) => {
                fence.map_or(EntryChange::Unchanged, |fence| EntryChange::Retry {
                    fence,
                    due_at: self.retry_at,
                    error: self.error.clone(),
                })
            }
            (_, Some(EntryWrite { kind, step })) => {
                let step = step.into_owned();
                let due_at = match next_entry {
                    NextEntry::Deadline(_) => self.deadline.unwrap_or(self.row.now),
                    _ => self.row.now,
                };
                match fence {
                    Some(fence) => EntryChange::Replace {
                        fence,
                        kind,
                        step,
                        due_at,
                    },
                    None => self.ensure(kind, step, due_at),
                }
            }
            (NextEntry::Nothing, None) if !self.row.paused => EntryChange::Remove { fence },
            _ => EntryChange::Unchanged,
        }
    }

    fn ensure(&self, kind: &'static str, step: String, due_at: DateTime<Utc>) -> EntryChange {
        let beginning = self.beginning.as_ref();
        let claim = beginning.and_then(|beginning| beginning.claim.clone());
        let (claimed, due_at) = match claim {
            Some((claim, lease)) if kind == "step" => (Some(claim), self.row.now + lease),
            _ => (None, due_at),
        };
        EntryChange::Ensure {
            kind,
            step,
            due_at,
            claimed,
        }
    }
}

/// The text of a fact for people, if the fact's own row has none.
fn text_of(fact: &JournalFact, reason: Option<&str>) -> Option<String> {
    match fact {
        JournalFact::Signal { signal, verdict } => {
            let verdict = verdict.map_or("kept", Verdict::as_str);
            Some(format!("{signal}: {verdict}"))
        }
        JournalFact::SignalDecided { signal, verdict } => {
            Some(format!("{signal}: {}", verdict.as_str()))
        }
        JournalFact::CompensationBegun { .. } => reason.map(str::to_owned),
        JournalFact::Breach => Some(
            "a fact contradicts what was already decided; compare the order with its transaction"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Names of the local steps and undos among `ops`, in their order.
pub(crate) fn ran(shape: &Shape, ops: &[Op]) -> Vec<String> {
    let name = |op: &Op| match *op {
        Op::Run(step) => Some(shape.steps[step].name.to_owned()),
        Op::Undo(step) => Some(format!("{}/undo", shape.steps[step].name)),
        Op::Record(_) | Op::BeginCompensation => None,
    };
    ops.iter().filter_map(name).collect()
}

/// The change to be stored when this binary does not know the saga's plan, and so cannot decide on
/// it; none if it cannot be stored without a decision. Signals are kept without a verdict, and the
/// entry is due now, so that a binary that knows the plan decides. An operator's pause needs no
/// decision.
pub(crate) fn undecided(row: &Row, triggers: &[Trigger]) -> Option<Save> {
    if let [Trigger::Operator(operation)] = triggers {
        return (operation.verb == Verb::Pause && !row.paused).then(|| Save {
            paused: true,
            entry: EntryChange::Remove { fence: None },
            journal: vec![operation.journal_row()],
            ..unchanged(row)
        });
    }
    let signals = triggers.iter().map(|trigger| match trigger {
        Trigger::Signal(signal) => Some(signal.clone()),
        Trigger::Begun(_) | Trigger::Attempt(..) | Trigger::Operator(_) => None,
    });
    signals
        .collect::<Option<_>>()
        .map(|signals| store_undecided(row, signals))
}

fn store_undecided(row: &Row, signals: Vec<NewSignal>) -> Save {
    let journal = signals.iter().map(|signal| JournalRow {
        detail: Some(format!(
            "{}: kept, the plan is not known to the receiver",
            signal.name
        )),
        actor: Some(signal.source.clone()),
        ..JournalRow::new(JournalFact::Signal {
            signal: signal.name.clone(),
            verdict: None,
        })
    });
    let journal = journal.collect();
    let added = i32::try_from(signals.len()).unwrap_or(i32::MAX);
    let at_rest = matches!(row.state.as_str(), "completed" | "compensated");
    Save {
        kept: row.kept.saturating_add(added),
        entry: if row.paused || at_rest {
            EntryChange::Unchanged
        } else {
            EntryChange::DueNow
        },
        journal,
        signals: signals
            .into_iter()
            .map(|signal| SignalRow {
                signal_id: Uuid::from(signal.id),
                name: signal.name,
                verdict: None,
                payload: signal.payload,
                source: signal.source,
            })
            .collect(),
        ..unchanged(row)
    }
}

/// A write that leaves the saga where it is.
fn unchanged(row: &Row) -> Save {
    Save {
        saga_id: row.saga_id.uuid(),
        revision: row.revision,
        born: None,
        at: row.now,
        state: stored_state(&row.state),
        step: row.step,
        undo_from: row.undo_from,
        paused: row.paused,
        deadline: row.deadline,
        reason: row.reason.clone(),
        kept: row.kept,
        entry: EntryChange::Unchanged,
        plan: row.plan.clone(),
        plan_version: row.plan_version,
        plan_hash: row.plan_hash.clone(),
        journal: Vec::new(),
        signals: Vec::new(),
        verdicts: Vec::new(),
    }
}
