//! A saga's journal, run through the machine again: offline, step by step.
//!
//! The machine is the one that runs in production. What it is told comes from the journal; what it
//! decides must be what the journal says that happened.

use std::collections::VecDeque;

use saga::{
    Shape, Verdict,
    machine::{self, Event, Kept, Op, State},
    stored::encode_state,
};
use serde::Serialize;

use crate::export::{Event as Row, Export};

/// One event and what it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The revision that it made.
    pub revision: i64,
    /// What happened.
    pub event: String,
    /// Where the saga stood.
    pub from: String,
    /// Where it stood then.
    pub to: String,
    /// What was done in the same transaction.
    pub ops: Vec<String>,
}

/// Where machine and journal differ, or why they cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It is of another plan, or of another version of it.
    #[error("the file is of {file}, and this binary knows {ours}")]
    Plan {
        /// The file's plan.
        file: String,
        /// Ours.
        ours: String,
    },
    /// The first difference.
    #[error("revision {revision}: the machine says {machine}, the journal {journal}")]
    Differs {
        /// Where.
        revision: i64,
        /// What the machine says.
        machine: String,
        /// What the journal says.
        journal: String,
    },
    /// The journal tells of something that this binary does not know.
    #[error("revision {revision}: `{kind}` is not known to this binary")]
    Unknown {
        /// Where.
        revision: i64,
        /// What.
        kind: String,
    },
}

/// Runs the machine over an exported journal. Returns the steps up to the first difference.
pub fn replay(shape: &Shape, export: &Export) -> (Vec<Step>, Result<(), ReplayError>) {
    let mut player = Player {
        shape,
        state: State::Running { step: 0 },
        paused: false,
        kept: Vec::new(),
        next: 0,
        followed: Vec::new(),
        steps: Vec::new(),
    };
    let played = player.play(export);
    (player.steps, played)
}

struct Waiting {
    id: usize,
    name: String,
    verdict: Option<Verdict>,
}

struct Player<'a> {
    shape: &'a Shape,
    state: State,
    paused: bool,
    kept: Vec<Waiting>,
    next: usize,
    /// What the machine said beside the state, of the revision under way.
    followed: Vec<String>,
    steps: Vec<Step>,
}

impl Player<'_> {
    fn play(&mut self, export: &Export) -> Result<(), ReplayError> {
        let file = format!(
            "{} v{} ({})",
            export.plan, export.plan_version, export.plan_hash
        );
        let shape = self.shape;
        let ours = format!("{} v{} ({})", shape.name, shape.version, shape.hash());
        if file != ours {
            return Err(ReplayError::Plan { file, ours });
        }
        let mut rows: VecDeque<_> = export.journal.iter().collect();
        let mut last = 0;
        while let Some(first) = rows.front() {
            last = first.revision;
            let many = rows.iter().take_while(|row| row.revision == last).count();
            let revision: Vec<_> = rows.drain(..many).collect();
            self.revision(last, &revision)?;
        }
        let (step, undo_from) = encode_state(shape, self.state);
        let machine = (self.state.name(), step, undo_from, self.paused);
        let journal = (
            export.state.as_str(),
            export.step,
            export.undo_from,
            export.paused,
        );
        same(
            last,
            &format!("{machine:?} in the end"),
            &format!("{journal:?}"),
            machine == journal,
        )
    }

    fn revision(&mut self, revision: i64, rows: &[&Row]) -> Result<(), ReplayError> {
        self.followed.clear();
        let mut recorded = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match row.kind.as_str() {
                "compensation_begun" | "breach" => {
                    recorded.push(told(&row.kind, row.detail.as_deref()));
                }
                "signal" if row.actor.is_none() => {
                    recorded.push(told("signal", row.detail.as_deref()));
                }
                // nothing came of it that the machine would have heard
                "lost" => {}
                _ => self.row(row, &rows[at + 1..])?,
            }
        }
        // the rows of one revision are in no particular order to one another
        let mut machine = self.followed.clone();
        machine.sort();
        recorded.sort();
        same(
            revision,
            &list(&machine),
            &list(&recorded),
            machine == recorded,
        )?;
        let journal = rows.last().map_or("", |row| row.state.as_str());
        let machine = self.state.name();
        same(revision, machine, journal, machine == journal)
    }

    fn row(&mut self, row: &Row, rest: &[&Row]) -> Result<(), ReplayError> {
        let detail = row.detail.clone().unwrap_or_default();
        let undo = row
            .step
            .as_deref()
            .is_some_and(|step| step.ends_with("/undo"));
        let event = match row.kind.as_str() {
            "begun" => Event::Begun,
            "done" => Event::Done,
            "refused" => Event::Refused(detail),
            "transient" | "unknown" if undo => Event::NotUndone,
            "transient" | "unknown" => Event::NotDone {
                // the journal does not keep it; what followed tells
                budget_spent: rest.iter().any(|row| {
                    let spent = self.shape.reasons.budget_spent;
                    row.kind == "compensation_begun" && row.detail.as_deref() == Some(spent)
                }),
            },
            "undone" => Event::Undone,
            "overtaken" => Event::Overtaken,
            "deadline_passed" => Event::DeadlinePassed,
            "woken" => Event::Woken,
            "signal" => return self.signal(row, &detail),
            "operator" => {
                self.operator(row, &detail);
                return Ok(());
            }
            kind => {
                return Err(ReplayError::Unknown {
                    revision: row.revision,
                    kind: kind.to_owned(),
                });
            }
        };
        self.decide(row, &event);
        Ok(())
    }

    fn signal(&mut self, row: &Row, detail: &str) -> Result<(), ReplayError> {
        let (name, said) = detail.split_once(": ").unwrap_or((detail, ""));
        let unknown_plan = said.starts_with("kept, the plan");
        let meaning = self.shape.meaning(name);
        let verdict = match meaning {
            _ if self.paused || unknown_plan => None,
            None => Some(Verdict::Late),
            Some(meaning) => self.decide(row, &Event::Signal(meaning)),
        };
        if self.paused || unknown_plan || meaning.is_none() {
            self.note(row, format!("signal {name}"), self.state, Vec::new());
        }
        if verdict.is_none_or(|verdict| verdict == Verdict::Early) {
            self.next += 1;
            self.kept.push(Waiting {
                id: self.next,
                name: name.to_owned(),
                verdict,
            });
        }
        let machine = verdict.map_or("kept", Verdict::as_str);
        same(row.revision, machine, said, said.starts_with(machine))
    }

    fn operator(&mut self, row: &Row, detail: &str) {
        let verb = detail.split(' ').next().unwrap_or_default();
        self.paused = match verb {
            "pause" => true,
            "resume" => false,
            _ => self.paused,
        };
        if verb == "resume" {
            self.decide(row, &Event::Woken);
        } else {
            self.note(row, format!("operator: {detail}"), self.state, Vec::new());
        }
    }

    /// As production does: asks the machine, and takes up what was kept.
    fn decide(&mut self, row: &Row, event: &Event) -> Option<Verdict> {
        let kept: Vec<_> = self
            .kept
            .iter()
            .filter_map(|signal| {
                Some(Kept {
                    id: signal.id,
                    meaning: self.shape.meaning(&signal.name)?,
                })
            })
            .collect();
        let decision = machine::advance(self.shape, self.state, event, &kept);
        for (id, verdict) in decision.taken_up {
            self.took_up(id, verdict);
        }
        if let Some(reason) = &decision.reason {
            self.followed.push(told("compensation_begun", Some(reason)));
        }
        if decision.breach {
            self.followed.push(told("breach", None));
        }
        let from = self.state;
        self.state = decision.state;
        let what = match (event, &row.step) {
            (Event::Signal(_), _) => {
                format!("signal {}", row.detail.as_deref().unwrap_or_default())
            }
            (_, Some(step)) => format!("{} {step}", row.kind),
            (Event::Woken, None) => {
                format!("operator: {}", row.detail.as_deref().unwrap_or_default())
            }
            (_, None) => row.kind.clone(),
        };
        self.note(row, what, from, decision.ops);
        decision.verdict
    }

    fn took_up(&mut self, id: usize, verdict: Verdict) {
        let Some(at) = self.kept.iter().position(|signal| signal.id == id) else {
            return;
        };
        if self.kept[at].verdict == Some(verdict) {
            return;
        }
        let what = format!("{}: {}", self.kept[at].name, verdict.as_str());
        self.followed.push(told("signal", Some(&what)));
        if verdict == Verdict::Early {
            self.kept[at].verdict = Some(verdict);
        } else {
            self.kept.remove(at);
        }
    }

    fn note(&mut self, row: &Row, event: String, from: State, ops: Vec<Op>) {
        let step = Step {
            revision: row.revision,
            event,
            from: self.named(from),
            to: self.named(self.state),
            ops: ops.into_iter().map(|op| self.op(op)).collect(),
        };
        self.steps.push(step);
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

/// A row beside the event's own; a breach always says the same.
fn told(kind: &str, detail: Option<&str>) -> String {
    match detail {
        Some(detail) if kind != "breach" => format!("{kind} ({detail})"),
        _ => kind.to_owned(),
    }
}

fn list(rows: &[String]) -> String {
    if rows.is_empty() {
        return "nothing more".to_owned();
    }
    rows.join(", ")
}

fn same(revision: i64, machine: &str, journal: &str, same: bool) -> Result<(), ReplayError> {
    if same {
        return Ok(());
    }
    Err(ReplayError::Differs {
        revision,
        machine: machine.to_owned(),
        journal: journal.to_owned(),
    })
}
