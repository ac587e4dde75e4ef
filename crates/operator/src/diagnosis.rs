//! Diagnosis as a pure function: it maps the facts about one saga and its environment to a cause,
//! with the evidence and the safe next steps.
//!
//! The first rule that matches decides; [`diagnose`] lists the rules in that order. An unavailable
//! fact is never guessed: the diagnosis names it, and a conclusion that depends on it is merely
//! likely.

mod next;
mod rules;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{failure::FailureKind, payments::Status};
use kernel::{Money, OrderId, SagaId, Stored, TransactionId};
use messaging::outbox::Refusal;
use saga::claim::PlanKey;
use saga::{heartbeat::Process, journal::JournalFact, machine::StateKind};
use serde::Serialize;

use crate::blocking::{BlockingSession, LockedRow};
pub use crate::cause::Code;

/// A compensation is overdue after this time.
pub const OVERDUE: Duration = Duration::from_mins(15);

/// This many failed attempts in a row are no longer bad luck.
pub const IN_A_ROW: usize = 3;

/// A fact whose source may not have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T> {
    /// The source was read.
    Available(T),
    /// The source was not read: nothing may be concluded.
    Unavailable,
}

impl<T> Observed<T> {
    /// The fact, if its source was read.
    pub const fn available(&self) -> Option<&T> {
        match self {
            Self::Available(fact) => Some(fact),
            Self::Unavailable => None,
        }
    }
}

/// A saga's entry in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whether the entry is a deadline, not a step.
    pub timer: bool,
    /// Step name, or `<step>/undo`.
    pub step: String,
    /// When this work was first due.
    pub since: DateTime<Utc>,
    /// When to act; while the entry is claimed, the end of the lease.
    pub due_at: DateTime<Utc>,
    /// Attempts begun.
    pub attempt: i32,
    /// The worker that claimed the entry last.
    pub holder: Option<String>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
}

/// A finished attempt at the entry's work, from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedAttempt {
    /// Number of the attempt.
    pub attempt: i32,
    /// The attempt's result.
    pub fact: JournalFact,
    /// The attempt's error or answer.
    pub detail: Option<String>,
}

/// An operator's pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The operator who paused the saga.
    pub by: String,
    /// The operator's reason.
    pub why: String,
    /// When the saga was paused.
    pub at: DateTime<Utc>,
}

/// The order's transaction at payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub transaction_id: TransactionId,
    /// Its status.
    pub status: Stored<Status>,
    /// Minor units; none in a tombstone.
    pub amount: Option<Money>,
    /// When the transaction was paid or canceled.
    pub decided_at: Option<DateTime<Utc>>,
}

/// Payments' event about its decision, still in its outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// The message.
    pub message_id: String,
    /// When the event was first due.
    pub since: DateTime<Utc>,
    /// Attempts begun.
    pub attempt: i32,
    /// Whether the message is parked, to be released by an operator.
    pub parked: bool,
    /// How the broker refused the last attempt.
    pub refusal: Option<Stored<Refusal>>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
}

/// A message in `failed` that names this saga's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedMessage {
    /// The message's id, if it has one.
    pub message_id: Option<String>,
    /// The queue that the message came from.
    pub queue: Option<String>,
    /// The routing key under which the message was published.
    pub routing_key: String,
    /// Why the message failed, for people.
    pub reason: Option<String>,
    /// The kind of failure; none if neither its consumer nor its content tells.
    pub kind: Option<Stored<FailureKind>>,
}

/// The facts about one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The saga.
    pub saga_id: SagaId,
    /// Its plan.
    pub plan: PlanKey,
    /// Stored state.
    pub state: Stored<StateKind>,
    /// Whether it is paused.
    pub paused: bool,
    /// The time at which the saga's wait ends.
    pub deadline: Option<DateTime<Utc>>,
    /// When the saga last moved, by the journal.
    pub moved_at: DateTime<Utc>,
    /// When the saga began to compensate.
    pub compensating_since: Option<DateTime<Utc>>,
    /// The last pause.
    pub pause: Option<Pause>,
    /// A fact that contradicts an earlier, final decision.
    pub breach: Option<String>,
    /// The saga's order.
    pub order_id: Option<OrderId>,
    /// The transaction by which the order is paid.
    pub transaction_id: Option<TransactionId>,
    /// The order's total price.
    pub total: Option<Money>,
    /// The saga's entry in the outbox.
    pub entry: Option<Entry>,
    /// The last attempts at the entry's work, newest first.
    pub attempts: Vec<FinishedAttempt>,
    /// The transaction at payments.
    pub payment: Observed<Option<Payment>>,
    /// Payments' event about the transaction, if it is not published yet.
    pub unpublished: Observed<Option<Unpublished>>,
    /// Messages in `failed` that name the transaction.
    pub failed: Observed<Vec<FailedMessage>>,
    /// The rows of the saga that blocking sessions have locked.
    pub locked: Vec<LockedRow>,
}

impl Facts {
    /// Payments' event, if it is parked in payments' outbox.
    fn parked(&self) -> Option<&Unpublished> {
        let unpublished = self.unpublished.available()?.as_ref();
        unpublished.filter(|message| message.parked)
    }
}

/// The queue of payments' decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Messages ready for delivery.
    pub messages: u32,
    /// Messages in the retry queues.
    pub retrying: u32,
    /// Number of consumers.
    pub consumers: u32,
}

/// The facts about the environment of all sagas.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The database's time.
    pub now: DateTime<Utc>,
    /// The plans that this binary knows.
    pub plans: Vec<PlanKey>,
    /// Processes, including those that died within the last hour.
    pub processes: Vec<Process>,
    /// How long a claim lasts.
    pub lease: Duration,
    /// How long a step is retried before the saga compensates.
    pub retry_budget: Duration,
    /// Number of steps and timers that are due and unclaimed.
    pub due: i64,
    /// Sessions that block the work on sagas, the oldest transaction first.
    pub blocking: Observed<Vec<BlockingSession>>,
    /// The queue of payments' decisions, if it exists.
    pub queue: Observed<Option<Queue>>,
    /// The sources that could not be read, and why.
    pub unavailable: Vec<String>,
}

impl World {
    /// Whether the process that claimed this entry last has ended or fallen silent.
    fn is_gone(&self, entry: &Entry) -> bool {
        let Some(holder) = &entry.holder else {
            return false;
        };
        let mut processes = self.processes.iter();
        !processes.any(|process| process.process == *holder && process.is_alive(self.now))
    }
}

/// Name of the queue of payments' decisions.
pub const EVENTS: &str = contracts::topology::PAYMENTS_EVENTS_QUEUE;

/// How certain a diagnosis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Sure)]
pub enum Confidence {
    /// Every fact on which the diagnosis depends was read.
    Certain,
    /// A fact on which the diagnosis depends was unavailable, or a session that blocks other sagas
    /// may be the reason.
    Likely,
}

impl Confidence {
    /// The word shown to operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
        }
    }
}

/// One piece of evidence for a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Name of the evidence; see [`crate::cause::About::evidence`].
    pub name: &'static str,
    /// Value of the evidence, for people.
    pub value: String,
}

/// A next step that is safe to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NextStep {
    /// The purpose of the step.
    pub title: String,
    /// The command, ready to be pasted.
    pub command: String,
}

/// The diagnosis of a saga: why it is in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Judgement)]
pub struct Diagnosis {
    /// The cause.
    pub code: Code,
    /// The cause in a few words.
    pub title: &'static str,
    /// Whether the saga does not continue by itself.
    pub stuck: bool,
    /// Since when the cause has applied.
    pub since: DateTime<Utc>,
    /// How certain the diagnosis is.
    #[serde(rename = "sure")]
    pub confidence: Confidence,
    /// The meaning of the cause.
    pub explanation: &'static str,
    /// The evidence for the cause.
    pub evidence: Vec<Evidence>,
    /// Next steps, the best first.
    pub next: Vec<NextStep>,
    /// The sources that could not be read, and why.
    #[serde(rename = "could_not_see")]
    pub unavailable: Vec<String>,
    /// The path of the cause's runbook.
    pub runbook: String,
}

/// Diagnoses a saga.
pub fn diagnose(facts: &Facts, world: &World) -> Diagnosis {
    let found = rules::first(facts, world);
    let about = found.code.about();
    Diagnosis {
        code: found.code,
        title: about.title,
        stuck: about.stuck,
        since: found.since,
        confidence: found.confidence,
        explanation: about.explanation,
        next: next::steps(&found, facts, world),
        evidence: found.evidence,
        unavailable: world.unavailable.clone(),
        runbook: found.code.runbook(),
    }
}

/// A time, formatted for output.
pub(crate) fn at(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
