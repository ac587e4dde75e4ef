//! What a decision means for rows and entries: pure, like the machine, but in terms of what is
//! stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::RetryPolicy;
use messaging::outbox::{SagaClaim, span_id};
use uuid::Uuid;

use crate::{
    journal::{JournalKind, JournalRow},
    machine::{self, Event, Kept, Op, State, Wake},
    operate::{Operation, Resolution, Verb},
    plan::{Body, Outcome, Plan, Saga, Undo},
    shape::Shape,
    signal::{NewSignal, Verdict},
    store::{EntryChange, EntryWrite, Fence, KeptRow, Row, Save, SignalRow, VerdictRow},
    stored::{Unreadable, decode_state, encode_state, entry_of, stored_state},
};

/// Why a saga is looked at.
#[derive(Debug, Clone)]
pub enum Cause {
    /// An entry's work has ended.
    Attempt(SagaClaim, Ended),
    /// Input from outside.
    Signal(NewSignal),
    /// An operator's act. The signal of one that sends a signal follows as a cause of its own.
    Operator(Operation),
}

/// How an entry's work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A step was run.
    Step(Outcome),
    /// An undo was run.
    Undo(Undo),
    /// A timer was due.
    Timer,
}

/// What is to be stored for one saga, and done in the same transaction.
pub struct Transition<S: Saga> {
    /// The rows.
    pub save: Save,
    /// The saga's input.
    pub input: S::Input,
    /// Where it stood.
    pub before: State,
    /// Where it stands now.
    pub after: State,
    /// What to do in the same transaction, in this order.
    pub ops: Vec<Op>,
    /// Verdicts on the signals that came in now; none for one that is kept undecided.
    pub verdicts: Vec<(kernel::SignalId, Option<Verdict>)>,
    /// A fact arrived that contradicts what was already decided.
    pub breach: bool,
    /// It comes from an attempt that this saga has left behind, and must not be stored.
    pub stale: bool,
}

impl<S: Saga> Transition<S> {
    /// Why it is compensated; empty while it is not.
    pub(crate) fn reason(&self) -> &str {
        self.save.reason.as_deref().unwrap_or_default()
    }
}

/// The plan with all that is needed to work on its rows.
pub struct Rules<'a, S: Saga> {
    /// What its steps need.
    pub saga: &'a S,
    /// The plan.
    pub plan: &'a Plan<S, crate::plan::Complete>,
    /// Its shape.
    pub shape: &'a Shape,
    /// Its shape's hash.
    pub hash: &'a str,
    /// Delays and budget of attempts.
    pub retry: &'a RetryPolicy,
}

impl<S: Saga> Rules<'_, S> {
    /// Whether this binary's plan is the row's.
    pub(crate) fn knows(&self, row: &Row) -> Result<(), Unreadable> {
        if row.plan == self.shape.name
            && row.plan_version == self.shape.version
            && row.plan_hash == self.hash
        {
            Ok(())
        } else {
            Err(Unreadable::Plan {
                plan: row.plan.clone(),
                version: row.plan_version,
                hash: row.plan_hash.clone(),
            })
        }
    }

    /// Works out, one after the other, what `causes` mean for the locked `row`.
    pub fn transition(
        &self,
        row: &Row,
        kept: &[KeptRow],
        causes: Vec<Cause>,
    ) -> Result<Transition<S>, Unreadable> {
        self.knows(row)?;
        let state = decode_state(self.shape, row)?;
        let input = serde_json::from_value(row.input.clone())
            .map_err(|_| Unreadable::Corrupt { what: "input" })?;
        let mut work = Work {
            rules: self,
            row,
            kept: kept.to_vec(),
            state,
            paused: row.paused,
            reason: row.reason.clone(),
            deadline: row.deadline,
            ops: Vec::new(),
            wake: Wake::Unchanged,
            fence: None,
            retry_at: row.now,
            error: String::new(),
            rewrite: false,
            journal: Vec::new(),
            signals: Vec::new(),
            verdict_rows: Vec::new(),
            verdicts: Vec::new(),
            breach: false,
        };
        for cause in causes {
            work.apply(cause);
        }
        Ok(work.finish(input, state))
    }

    pub(crate) fn wait_of(&self, step: usize) -> Duration {
        match &self.plan.steps[step].body {
            Body::Wait(wait) => (wait.deadline)(self.saga),
            Body::Local(_) | Body::Remote(_) => Duration::ZERO,
        }
    }
}

/// A keeps-and-decides pass over one saga.
struct Work<'a, S: Saga> {
    rules: &'a Rules<'a, S>,
    row: &'a Row,
    kept: Vec<KeptRow>,
    state: State,
    paused: bool,
    reason: Option<String>,
    deadline: Option<DateTime<Utc>>,
    ops: Vec<Op>,
    wake: Wake,
    fence: Option<Fence>,
    retry_at: DateTime<Utc>,
    error: String,
    /// An operator wants the entry written anew.
    rewrite: bool,
    journal: Vec<JournalRow>,
    signals: Vec<SignalRow>,
    verdict_rows: Vec<VerdictRow>,
    verdicts: Vec<(kernel::SignalId, Option<Verdict>)>,
    breach: bool,
}

impl<S: Saga> Work<'_, S> {
    fn apply(&mut self, cause: Cause) {
        match cause {
            Cause::Attempt(claim, ended) => self.ended(&claim, ended),
            Cause::Signal(signal) => self.signal(signal),
            Cause::Operator(operation) => self.operator(operation),
        }
    }

    fn ended(&mut self, claim: &SagaClaim, ended: Ended) {
        let delay = self.rules.retry.delay(claim.attempt.unsigned_abs());
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
                ..JournalRow::moment(JournalKind::Lost)
            });
        }
        let (kind, event, detail) = match ended {
            Ended::Step(Outcome::Done) => (JournalKind::Done, Event::Done, None),
            Ended::Step(Outcome::Refused(why)) => {
                (JournalKind::Refused, Event::Refused(why.clone()), Some(why))
            }
            Ended::Step(outcome @ (Outcome::Transient(_) | Outcome::Unknown(_))) => {
                let budget_spent = self.retry_at > claim.since + self.rules.retry.budget;
                let (kind, why) = match outcome {
                    Outcome::Transient(why) => (JournalKind::Transient, why),
                    Outcome::Unknown(why) | Outcome::Refused(why) => (JournalKind::Unknown, why),
                    Outcome::Done => (JournalKind::Unknown, String::new()),
                };
                self.error.clone_from(&why);
                (kind, Event::NotDone { budget_spent }, Some(why))
            }
            Ended::Undo(Undo::Done) => (JournalKind::Undone, Event::Undone, None),
            Ended::Undo(Undo::Overtaken) => (JournalKind::Overtaken, Event::Overtaken, None),
            Ended::Undo(Undo::Transient(why)) => (
                JournalKind::Transient,
                Event::NotUndone,
                Some(self.failed(why)),
            ),
            Ended::Undo(Undo::Unknown(why)) => (
                JournalKind::Unknown,
                Event::NotUndone,
                Some(self.failed(why)),
            ),
            Ended::Timer
                if self
                    .deadline
                    .is_some_and(|deadline| deadline <= self.row.now) =>
            {
                (JournalKind::DeadlinePassed, Event::DeadlinePassed, None)
            }
            Ended::Timer => (JournalKind::Woken, Event::Woken, None),
        };
        self.journal.push(JournalRow {
            step: Some(claim.step.clone()),
            attempt: Some(claim.attempt),
            detail,
            began_at: Some(claim.began_at),
            span_id: Some(claim.span_id()),
            process: Some(claim.holder.clone()),
            ..JournalRow::moment(kind)
        });
        self.decide(&event);
    }

    fn failed(&mut self, why: String) -> String {
        self.error.clone_from(&why);
        why
    }

    fn signal(&mut self, signal: NewSignal) {
        let meaning = self.rules.shape.meaning(&signal.name);
        let verdict = match meaning {
            // kept without a verdict: `resume` applies it first
            _ if self.paused => None,
            None => Some(Verdict::Late),
            Some(meaning) => self.decide(&Event::Signal(meaning)),
        };
        let said = verdict.map_or("kept", Verdict::as_str);
        self.journal.push(JournalRow {
            detail: Some(format!("{}: {said}", signal.name)),
            actor: Some(signal.source.clone()),
            ..JournalRow::moment(JournalKind::Signal)
        });
        if verdict.is_none_or(|verdict| verdict == Verdict::Early) {
            self.kept.push(KeptRow {
                saga_id: signal.saga_id,
                signal_id: signal.id,
                name: signal.name.clone(),
                verdict: verdict.map(|verdict| verdict.as_str().to_owned()),
            });
        }
        self.verdicts.push((signal.id, verdict));
        self.signals.push(SignalRow {
            signal_id: signal.id.uuid(),
            name: signal.name,
            verdict: verdict.map(Verdict::as_str),
            payload: signal.payload,
            source: signal.source,
        });
    }

    fn operator(&mut self, operation: Operation) {
        let Operation {
            verb,
            actor,
            reason,
        } = operation;
        self.journal.push(JournalRow {
            detail: Some(format!("{verb}: {reason}")),
            actor: Some(actor),
            ..JournalRow::moment(JournalKind::Operator)
        });
        match verb {
            Verb::Retry => {}
            Verb::Pause => self.paused = true,
            Verb::Resume => {
                self.paused = false;
                self.decide(&Event::Woken);
            }
            Verb::Resolve { step, to, evidence } => {
                let (kind, step, event) = match to {
                    Resolution::Done => (JournalKind::Done, step, Event::Done),
                    Resolution::Undone => {
                        (JournalKind::Undone, format!("{step}/undo"), Event::Undone)
                    }
                };
                self.journal.push(JournalRow {
                    step: Some(step),
                    detail: Some(evidence),
                    ..JournalRow::moment(kind)
                });
                self.decide(&event);
            }
            // the signal decides, and what it does not change goes on as it was
            Verb::Cancel | Verb::Signal { .. } => return,
        }
        self.rewrite = true;
    }

    /// Asks the machine, and takes up what was kept.
    fn decide(&mut self, event: &Event) -> Option<Verdict> {
        let kept: Vec<_> = self
            .kept
            .iter()
            .filter_map(|row| {
                Some(Kept {
                    id: row.signal_id,
                    meaning: self.rules.shape.meaning(&row.name)?,
                })
            })
            .collect();
        let decision = machine::advance(self.rules.shape, self.state, event, &kept);
        for (id, verdict) in decision.taken_up {
            self.took_up(id, verdict);
        }
        let entered_wait =
            matches!(decision.state, State::Waiting { .. }) && decision.state != self.state;
        if let (true, State::Waiting { step }) = (entered_wait, decision.state) {
            self.deadline = Some(self.row.now + self.rules.wait_of(step));
        }
        self.state = decision.state;
        self.ops.extend(decision.ops);
        if decision.wake != Wake::Unchanged {
            self.wake = decision.wake;
        }
        if let Some(reason) = decision.reason {
            self.journal.push(JournalRow {
                detail: Some(reason.clone()),
                ..JournalRow::moment(JournalKind::CompensationBegun)
            });
            self.reason = Some(reason);
        }
        if decision.breach {
            self.breach = true;
            let what = "a fact contradicts what was already decided; compare the order with its transaction";
            self.journal.push(JournalRow {
                detail: Some(what.to_owned()),
                ..JournalRow::moment(JournalKind::Breach)
            });
        }
        decision.verdict
    }

    fn took_up(&mut self, id: kernel::SignalId, verdict: Verdict) {
        let Some(at) = self.kept.iter().position(|row| row.signal_id == id) else {
            return;
        };
        if self.kept[at].verdict.as_deref() == Some(verdict.as_str()) {
            return;
        }
        self.journal.push(JournalRow {
            detail: Some(format!("{}: {}", self.kept[at].name, verdict.as_str())),
            ..JournalRow::moment(JournalKind::Signal)
        });
        match self
            .signals
            .iter_mut()
            .find(|row| row.signal_id == id.uuid())
        {
            Some(new) => new.verdict = Some(verdict.as_str()),
            None => self.verdict_rows.push(VerdictRow {
                signal_id: id.uuid(),
                verdict: verdict.as_str(),
            }),
        }
        if let Some(told) = self.verdicts.iter_mut().find(|(told, _)| *told == id) {
            told.1 = Some(verdict);
        }
        if verdict == Verdict::Early {
            self.kept[at].verdict = Some(verdict.as_str().to_owned());
        } else {
            self.kept.remove(at);
        }
    }

    /// What the last row says beside its own: which local steps ran with it, and the wait that it
    /// ended.
    fn complete_journal(&mut self) {
        let ran = ran(self.rules.shape, &self.ops);
        if let (Some(last), false) = (self.journal.last_mut(), ran.is_empty()) {
            last.ran = Some(ran);
        }
        let waited = self.row.state == "waiting" && !matches!(self.state, State::Waiting { .. });
        let ended_it = self.journal.iter_mut().rfind(|row| {
            matches!(
                row.kind,
                JournalKind::Signal
                    | JournalKind::DeadlinePassed
                    | JournalKind::Done
                    | JournalKind::Undone
            )
        });
        if let (true, Some(row)) = (waited, ended_it) {
            row.began_at = Some(self.row.state_since);
        }
    }

    fn finish(mut self, input: S::Input, before: State) -> Transition<S> {
        self.complete_journal();
        let entry = self.entry();
        // whoever holds the entry has something to change in it: an outcome that changes nothing
        // comes from somebody whose lease is over, after the saga has moved on
        let stale = self.fence.is_some() && entry == EntryChange::Unchanged;
        let (step, undo_from) = encode_state(self.rules.shape, self.state);
        let turned_forward = undo_from.is_none();
        let save = Save {
            saga_id: self.row.saga_id.uuid(),
            revision: self.row.revision,
            at: self.row.now,
            state: self.state.name(),
            step,
            undo_from,
            paused: self.paused,
            deadline: self.deadline,
            reason: if turned_forward { None } else { self.reason },
            kept: i32::try_from(self.kept.len()).unwrap_or(i32::MAX),
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
            input,
            before,
            after: self.state,
            ops: self.ops,
            verdicts: self.verdicts,
            breach: self.breach,
            stale,
        }
    }

    /// What becomes of the entry, in the end.
    fn entry(&self) -> EntryChange {
        if self.paused {
            // pausing removes it; a paused saga has none that could change
            return if self.row.paused {
                EntryChange::Unchanged
            } else {
                EntryChange::Remove { fence: None }
            };
        }
        let wake = if self.rewrite {
            machine::wake_of(self.rules.shape, self.state)
        } else {
            self.wake
        };
        let fence = if self.rewrite { None } else { self.fence };
        match (wake, entry_of(self.rules.shape, wake)) {
            (Wake::Retry, _) => fence.map_or(EntryChange::Unchanged, |fence| EntryChange::Retry {
                fence,
                due_at: self.retry_at,
                error: self.error.clone(),
            }),
            (_, Some(EntryWrite { kind, step })) => {
                let step = step.into_owned();
                let due_at = match wake {
                    Wake::Deadline(_) => self.deadline.unwrap_or(self.row.now),
                    _ => self.row.now,
                };
                match fence {
                    Some(fence) => EntryChange::Replace {
                        fence,
                        kind,
                        step,
                        due_at,
                    },
                    None => EntryChange::Ensure { kind, step, due_at },
                }
            }
            (Wake::Nothing, None) if !self.row.paused => EntryChange::Remove { fence },
            _ => EntryChange::Unchanged,
        }
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

/// What to store for a signal to a saga that this binary cannot decide on: the signal without a
/// verdict, and the entry due now, for a binary that can.
pub(crate) fn keep_undecided(row: &Row, signals: Vec<NewSignal>) -> Save {
    let journal = signals.iter().map(|signal| JournalRow {
        detail: Some(format!(
            "{}: kept, the plan is not known to the receiver",
            signal.name
        )),
        actor: Some(signal.source.clone()),
        ..JournalRow::moment(JournalKind::Signal)
    });
    let journal = journal.collect();
    let added = i32::try_from(signals.len()).unwrap_or(i32::MAX);
    let at_rest = matches!(row.state.as_str(), "completed" | "compensated");
    Save {
        saga_id: row.saga_id.uuid(),
        revision: row.revision,
        at: row.now,
        state: stored_state(&row.state),
        step: row.step,
        undo_from: row.undo_from,
        paused: row.paused,
        deadline: row.deadline,
        reason: row.reason.clone(),
        kept: row.kept.saturating_add(added),
        entry: if row.paused || at_rest {
            EntryChange::Unchanged
        } else {
            EntryChange::DueNow
        },
        plan: row.plan.clone(),
        plan_version: row.plan_version,
        plan_hash: row.plan_hash.clone(),
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
        verdicts: Vec::new(),
    }
}
