//! Replaying a journal: the fold that decides in production, fed with the inputs that the journal
//! records.
//!
//! A journal replays if it contains exactly the facts that follow from its inputs, and if the fold
//! ends in the state of the saga's row. Otherwise the journal is corrupt, or this binary decides
//! differently.

use serde::{Deserialize, Serialize};

use crate::{
    codec::encode_state,
    journal::{CompensationCause, JournalFact, StoredRow},
    machine::{Event, NextEntry, Op, State},
    progress::{Input, Progress},
    shape::Shape,
    store,
    transition::ran,
};

/// The position of a saga's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How often the row was written.
    pub revision: i64,
    /// The stored state.
    pub state: String,
    /// Index of the current step.
    pub step: i16,
    /// Index of the highest step that had started when compensation began.
    pub undo_from: Option<i16>,
    /// Whether it is paused.
    pub paused: bool,
    /// How many signals are pending.
    pub pending: i32,
}

impl Position {
    /// The position of this row.
    pub fn of(row: &store::Row) -> Self {
        Self {
            revision: row.revision,
            state: row.state.clone(),
            step: row.step,
            undo_from: row.undo_from,
            paused: row.paused,
            pending: row.kept,
        }
    }
}

/// One input and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayedInput {
    /// The revision that the input created.
    pub revision: i64,
    /// The event.
    pub event: String,
    /// The saga's state before the input.
    pub from: String,
    /// The saga's state after the input.
    pub to: String,
    /// Local work in the same transaction.
    pub ops: Vec<String>,
}

/// The first difference between a journal and the fold's results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The machine and the journal disagree.
    #[error("revision {revision}: the machine says {machine}, the journal {journal}")]
    Differs {
        /// The revision.
        revision: i64,
        /// The machine's result.
        machine: String,
        /// The journal's record.
        journal: String,
    },
    /// The journal has a row of a kind that this binary does not know.
    #[error("revision {revision}: {what} is not known to this binary")]
    UnknownFact {
        /// The revision.
        revision: i64,
        /// The stored fact.
        what: String,
    },
}

/// Replays a journal, whose rows must be in journal order, up to the position of its saga's row.
///
/// Returns the inputs up to the first difference.
pub fn replay(
    shape: &Shape,
    rows: &[StoredRow],
    end: &Position,
) -> (Vec<ReplayedInput>, Result<(), ReplayError>) {
    let mut replay = Replay {
        shape,
        progress: Progress {
            state: State::Running { step: 0 },
            paused: false,
            pending: Vec::new(),
        },
        signals: 0,
        inputs: Vec::new(),
    };
    let result = replay.all(rows, end);
    (replay.inputs, result)
}

struct Replay<'a> {
    shape: &'a Shape,
    progress: Progress<usize>,
    /// The number of signals that have arrived, which is the next signal's id.
    signals: usize,
    inputs: Vec<ReplayedInput>,
}

impl Replay<'_> {
    fn all(&mut self, rows: &[StoredRow], end: &Position) -> Result<(), ReplayError> {
        let mut last = 0;
        for revision in rows.chunk_by(|one, next| one.revision == next.revision) {
            let number = revision[0].revision;
            same(last, &(last + 1), &number)?;
            last = number;
            self.revision(number, revision)?;
        }
        let (step, undo_from) = encode_state(self.shape, self.progress.state);
        let reached = Position {
            revision: last,
            state: self.progress.state.name().to_owned(),
            step,
            undo_from,
            paused: self.progress.paused,
            pending: i32::try_from(self.progress.pending.len()).unwrap_or(i32::MAX),
        };
        same(last, &reached, end)
    }

    /// Applies the inputs of one write, and compares the resulting facts with the journal.
    fn revision(&mut self, revision: i64, rows: &[StoredRow]) -> Result<(), ReplayError> {
        let recorded = facts(revision, rows)?;
        let results = recorded.iter().filter(|fact| is_result(fact)).count();
        if results > 1 {
            return Err(ReplayError::Differs {
                revision,
                machine: "that a write stores one result".to_owned(),
                journal: format!("that it stored {results}"),
            });
        }
        let (mut followed, mut ops) = (Vec::new(), Vec::new());
        for (row, fact) in rows.iter().zip(&recorded) {
            self.check_step(row, fact)?;
            let Some(input) = self.input(row, fact) else {
                // a lost attempt changes nothing, and only its own row records it
                followed.extend((*fact == JournalFact::Lost).then(|| fact.clone()));
                continue;
            };
            let from = self.progress.state;
            let step = self.progress.apply(self.shape, input);
            // production stores no result that decides nothing: such a result comes from an expired
            // claim
            let stored = !is_result(fact) || step.next_entry != NextEntry::Unchanged;
            let first = *fact != JournalFact::Begun || revision == 1;
            if !(stored && first) {
                return Err(ReplayError::Differs {
                    revision,
                    machine: "nothing follows, so nothing is stored".to_owned(),
                    journal: fact.to_string(),
                });
            }
            self.inputs.push(ReplayedInput {
                revision,
                event: described(row, fact),
                from: self.named(from),
                to: self.named(self.progress.state),
                ops: step.ops.iter().map(|op| self.op(*op)).collect(),
            });
            followed.extend(step.facts);
            ops.extend(step.ops);
        }
        same_text(revision, &listed(&followed), &listed(&recorded))?;
        let recorded_ran: Vec<_> = rows.iter().flat_map(|row| row.ran.clone()).collect();
        same(revision, &ran(self.shape, &ops), &recorded_ran)?;
        for row in rows {
            same_text(revision, self.progress.state.name(), &row.state)?;
        }
        Ok(())
    }

    /// The input that a row records; `None` if the row follows from another row's input.
    fn input(&mut self, row: &StoredRow, fact: &JournalFact) -> Option<Input<usize>> {
        let event = match fact {
            JournalFact::Begun => Event::Begun,
            JournalFact::Done => Event::Done,
            JournalFact::Refused => Event::Refused(row.detail.clone().unwrap_or_default()),
            JournalFact::Transient { budget_spent }
            | JournalFact::Unknown { budget_spent }
            | JournalFact::Contradicted { budget_spent } => match *budget_spent {
                Some(budget_spent) => Event::NotDone { budget_spent },
                None => Event::NotUndone,
            },
            JournalFact::Undone => Event::Undone,
            JournalFact::Overtaken => Event::Overtaken,
            JournalFact::DeadlinePassed => Event::DeadlinePassed,
            JournalFact::Woken => Event::Woken,
            JournalFact::Signal { signal, verdict } => {
                self.signals += 1;
                let (id, name) = (self.signals, signal.clone());
                // undecided although the saga is not paused: the receiving process did not know the
                // plan
                return Some(if verdict.is_none() && !self.progress.paused {
                    Input::UndecidedSignal { id, name }
                } else {
                    Input::Signal { id, name }
                });
            }
            JournalFact::Operator { verb } => return Some(Input::Operator(*verb)),
            JournalFact::Lost
            | JournalFact::SignalDecided { .. }
            | JournalFact::CompensationBegun { .. }
            | JournalFact::Breach => return None,
        };
        let fact = fact.clone();
        Some(Input::Event { event, fact })
    }

    /// An attempt must be at the step that the saga's state asks for.
    fn check_step(&self, row: &StoredRow, fact: &JournalFact) -> Result<(), ReplayError> {
        let name = |step: usize| self.shape.steps[step].name.to_owned();
        let current = match self.progress.state {
            State::Running { step } | State::Waiting { step } => Some(name(step)),
            State::Compensating { step, .. } => Some(format!("{}/undo", name(step))),
            State::Completed | State::Compensated { .. } => None,
        };
        if is_result(fact) || *fact == JournalFact::Lost {
            same(row.revision, &current, &row.step)?;
            // a paused saga has no entry to claim
            same(row.revision, &self.progress.paused, &false)?;
        }
        Ok(())
    }

    fn named(&self, state: State) -> String {
        let step = match state {
            State::Running { step }
            | State::Waiting { step }
            | State::Compensating { step, .. } => {
                format!(" {}", self.shape.steps[step].name)
            }
            State::Completed | State::Compensated { .. } => String::new(),
        };
        format!("{}{step}", state.name())
    }

    fn op(&self, op: Op) -> String {
        let name = |step: usize| self.shape.steps[step].name;
        match op {
            Op::Record(step) => format!("record {}", name(step)),
            Op::Run(step) => format!("run {}", name(step)),
            Op::BeginCompensation => "begin compensation".to_owned(),
            Op::Undo(step) => format!("undo {}", name(step)),
        }
    }
}

/// Whether the fact is the result of an attempt or a wait.
const fn is_result(fact: &JournalFact) -> bool {
    matches!(
        fact,
        JournalFact::Done
            | JournalFact::Refused
            | JournalFact::Transient { .. }
            | JournalFact::Unknown { .. }
            | JournalFact::Contradicted { .. }
            | JournalFact::Undone
            | JournalFact::Overtaken
            | JournalFact::DeadlinePassed
            | JournalFact::Woken
    )
}

/// The facts of one write.
fn facts(revision: i64, rows: &[StoredRow]) -> Result<Vec<JournalFact>, ReplayError> {
    let read = |row: &StoredRow| {
        JournalFact::deserialize(&row.fact).map_err(|_| ReplayError::UnknownFact {
            revision,
            what: row.fact.to_string(),
        })
    };
    let mut facts = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let spent = facts.contains(&JournalFact::CompensationBegun {
        cause: CompensationCause::BudgetSpent,
    });
    for (row, fact) in rows.iter().zip(&mut facts) {
        let undo = row
            .step
            .as_deref()
            .is_some_and(|step| step.ends_with("/undo"));
        if let JournalFact::Transient { budget_spent }
        | JournalFact::Unknown { budget_spent }
        | JournalFact::Contradicted { budget_spent } = fact
            && !undo
        {
            // the previous release did not record the budget; the facts that follow show it
            budget_spent.get_or_insert(spent);
        }
    }
    Ok(facts)
}

fn listed(facts: &[JournalFact]) -> String {
    let facts: Vec<_> = facts.iter().map(ToString::to_string).collect();
    facts.join(", ")
}

fn described(row: &StoredRow, fact: &JournalFact) -> String {
    let detail = row.detail.as_deref().unwrap_or_default();
    match (fact, &row.step) {
        (JournalFact::Signal { .. }, _) => format!("signal {detail}"),
        (JournalFact::Operator { verb }, _) if detail.is_empty() => {
            format!("operator: {}", verb.as_str())
        }
        (JournalFact::Operator { .. }, _) => format!("operator: {detail}"),
        (fact, Some(step)) => format!("{} {step}", fact.kind()),
        (fact, None) => fact.kind().to_string(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    revision: i64,
    machine: &T,
    journal: &T,
) -> Result<(), ReplayError> {
    if machine == journal {
        return Ok(());
    }
    same_text(revision, &format!("{machine:?}"), &format!("{journal:?}"))
}

fn same_text(revision: i64, machine: &str, journal: &str) -> Result<(), ReplayError> {
    if machine == journal {
        return Ok(());
    }
    Err(ReplayError::Differs {
        revision,
        machine: machine.to_owned(),
        journal: journal.to_owned(),
    })
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
