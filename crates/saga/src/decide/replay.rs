//! Replaying a journal: the fold that decides in production, fed with what the journal says happened.
//!
//! A journal replays when everything that follows from its inputs stands in it, and nothing else does, and when
//! it ends where the saga's row stands. Every other journal is corrupt, or this binary decides differently.

use serde::{Deserialize, Serialize};

use crate::{
    journal::{CompensationCause, JournalFact, StoredRow},
    machine::{Event, Op, State, Wake},
    progress::{Input, Progress},
    shape::Shape,
    store,
    stored::encode_state,
    transition::ran,
};

/// Where a saga's row stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How often it was written.
    pub revision: i64,
    /// Stored state.
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
    /// Where this row stands.
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

/// One input and what it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayedInput {
    /// The revision that it made.
    pub revision: i64,
    /// The event.
    pub event: String,
    /// Where the saga stood.
    pub from: String,
    /// Where it stood then.
    pub to: String,
    /// Local work in the same transaction.
    pub ops: Vec<String>,
}

/// The first difference between a journal and what the fold makes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Both disagree.
    #[error("revision {revision}: the machine says {machine}, the journal {journal}")]
    Differs {
        /// Where.
        revision: i64,
        /// The machine's result.
        machine: String,
        /// The journal's.
        journal: String,
    },
    /// The journal has a row of a kind that this binary does not know.
    #[error("revision {revision}: {what} is not known to this binary")]
    UnknownFact {
        /// Where.
        revision: i64,
        /// The stored fact.
        what: String,
    },
}

/// Replays a journal, whose rows are in their order, to where its saga's row stands.
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
    /// How many signals have arrived: the next one's id.
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

    /// Applies the inputs of one write, and compares what followed.
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
                // a lost attempt changes nothing, and nothing but its row tells of it
                followed.extend((*fact == JournalFact::Lost).then(|| fact.clone()));
                continue;
            };
            let from = self.progress.state;
            let step = self.progress.apply(self.shape, input);
            // production stores no result that decides nothing: it comes from a claim that is over
            let stored = !is_result(fact) || step.wake != Wake::Unchanged;
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

    /// The input that a row records; none if the row follows from another one's.
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
                // undecided though the saga is not paused: its receiver did not know the plan
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

    /// An attempt can only be one at what the saga's state asks for.
    fn check_step(&self, row: &StoredRow, fact: &JournalFact) -> Result<(), ReplayError> {
        let name = |step: usize| self.shape.steps[step].name.to_owned();
        let current = match self.progress.state {
            State::Running { step } | State::Waiting { step } => Some(name(step)),
            State::Compensating { step, .. } => Some(format!("{}/undo", name(step))),
            State::Completed | State::Compensated { .. } => None,
        };
        if is_result(fact) || *fact == JournalFact::Lost {
            same(row.revision, &current, &row.step)?;
            // a paused saga has no entry that could be claimed
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

/// Whether it is how an attempt or a wait ended.
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
            // the release before did not record it; what followed tells
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
        (fact, None) => fact.kind().to_owned(),
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
