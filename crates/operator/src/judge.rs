//! Judging, as a pure function: what is known of one saga and of the world around it → its cause,
//! with the evidence and the safe next steps.
//!
//! The first rule that fits decides; the rules stand in that order in [`judge`]. What could not be
//! seen is never guessed: it is said, and makes what depends on it merely likely.

mod next;
mod rules;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use kernel::{Money, OrderId, SagaId, TransactionId};
use messaging::outbox::PlanKey;
use saga::{heartbeat::Process, journal::JournalFact};
use serde::Serialize;

pub use crate::cause::Code;

/// From when on a compensation is overdue.
pub const OVERDUE: Duration = Duration::from_mins(15);

/// Failed attempts in a row that say more than bad luck.
pub const IN_A_ROW: usize = 3;

/// Something that may not have been looked at, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It was looked at.
    Seen(T),
    /// It was not: nothing may be concluded.
    Unseen,
}

impl<T> Seen<T> {
    /// What was seen.
    pub const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(what) => Some(what),
            Self::Unseen => None,
        }
    }
}

/// A saga's entry in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is a deadline, not a step.
    pub timer: bool,
    /// Step name, or `<step>/undo`.
    pub step: String,
    /// When this work was first due.
    pub since: DateTime<Utc>,
    /// When to act; while claimed, the end of the lease.
    pub due_at: DateTime<Utc>,
    /// Attempts begun.
    pub attempt: i32,
    /// Who claimed it last.
    pub holder: Option<String>,
    /// What the last attempt said.
    pub last_error: Option<String>,
}

/// An attempt at the entry's work that ended, by the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Number of the attempt.
    pub attempt: i32,
    /// How it ended.
    pub fact: JournalFact,
    /// What it said.
    pub detail: Option<String>,
}

/// An operator's pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The order's transaction at payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub transaction_id: TransactionId,
    /// `pending`, `paid`, `canceled`.
    pub status: String,
    /// Minor units; none in a tombstone.
    pub amount: Option<Money>,
    /// When it was paid or canceled.
    pub decided_at: Option<DateTime<Utc>>,
}

/// Payments' event of its decision, still in its outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// The message.
    pub message_id: String,
    /// Since when it should be published.
    pub since: DateTime<Utc>,
    /// Attempts begun.
    pub attempt: i32,
    /// Whether it waits for an operator.
    pub parked: bool,
    /// What the last attempt said.
    pub last_error: Option<String>,
}

/// A message in `failed` that names this saga's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedMessage {
    /// Its id, if it has one.
    pub message_id: Option<String>,
    /// The queue that it came from.
    pub queue: Option<String>,
    /// Why it is there.
    pub reason: Option<String>,
}

/// What is known of one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The saga.
    pub saga_id: SagaId,
    /// Its plan.
    pub plan: PlanKey,
    /// Stored state.
    pub state: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Absolute end of its wait.
    pub deadline: Option<DateTime<Utc>>,
    /// When it moved last, by the journal.
    pub moved_at: DateTime<Utc>,
    /// Since when it is being undone.
    pub compensating_since: Option<DateTime<Utc>>,
    /// The last pause.
    pub pause: Option<Pause>,
    /// A fact that came after what it contradicts had been decided.
    pub breach: Option<String>,
    /// Its order.
    pub order_id: Option<OrderId>,
    /// The transaction that the order is paid through.
    pub transaction_id: Option<TransactionId>,
    /// What the order costs.
    pub total: Option<Money>,
    /// Its entry.
    pub entry: Option<Entry>,
    /// The last attempts at the entry's work, newest first.
    pub ended: Vec<Ended>,
    /// What payments holds.
    pub payment: Seen<Option<Payment>>,
    /// What payments has not published of it.
    pub unpublished: Seen<Option<Unpublished>>,
    /// What could not be handled of it.
    pub failed: Seen<Vec<FailedMessage>>,
}

/// The queue that payments' decisions come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Messages that wait to be taken.
    pub messages: u32,
    /// Messages on the retry ladder.
    pub retrying: u32,
    /// Who takes from it.
    pub consumers: u32,
}

/// What is known of everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Database time.
    pub now: DateTime<Utc>,
    /// The plans that this binary knows.
    pub plans: Vec<PlanKey>,
    /// Processes, the dead ones of the last hour, too.
    pub processes: Vec<Process>,
    /// For how long a claim lasts.
    pub lease: Duration,
    /// For how long a step is tried before the saga compensates.
    pub retry_budget: Duration,
    /// Steps and timers that are due and that nobody has claimed.
    pub due: i64,
    /// The queue of payments' decisions, if there is one.
    pub queue: Seen<Option<Queue>>,
    /// What could not be looked at, and why.
    pub could_not_see: Vec<String>,
}

/// Name of the queue of payments' decisions.
pub const EVENTS: &str = contracts::topology::PAYMENTS_EVENTS_QUEUE;

/// How sure a judgement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// All that it depends on was seen.
    Certain,
    /// Something was not.
    Likely,
}

impl Sure {
    /// As shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
        }
    }
}

/// One thing that speaks for a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Its name; see [`crate::cause::About::evidence`].
    pub name: &'static str,
    /// Its value, for people.
    pub value: String,
}

/// A safe thing to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NextStep {
    /// What for.
    pub title: String,
    /// To be pasted as it is.
    pub command: String,
}

/// Why a saga stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Judgement {
    /// The cause.
    pub code: Code,
    /// In a few words.
    pub title: &'static str,
    /// Whether it does not go on by itself.
    pub stuck: bool,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How sure this is.
    pub sure: Sure,
    /// What the cause means.
    pub explanation: &'static str,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What to do, the best first.
    pub next: Vec<NextStep>,
    /// What could not be looked at, and why.
    pub could_not_see: Vec<String>,
    /// The page that tells more.
    pub runbook: String,
}

/// Why the saga stands where it stands.
pub fn judge(facts: &Facts, world: &World) -> Judgement {
    let found = rules::first(facts, world);
    let about = found.code.about();
    Judgement {
        code: found.code,
        title: about.title,
        stuck: about.stuck,
        since: found.since,
        sure: found.sure,
        explanation: about.explanation,
        next: next::steps(found.code, facts),
        evidence: found.evidence,
        could_not_see: world.could_not_see.clone(),
        runbook: found.code.runbook(),
    }
}

/// A time as it is shown.
pub(crate) fn at(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
