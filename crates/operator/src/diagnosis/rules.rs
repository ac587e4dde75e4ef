//! The rules of the diagnosis, in order.

mod blocked;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{failure::FailureKind, payments::Status};
use messaging::outbox::Refusal;
use saga::{journal::JournalFact, machine::StateKind};

use super::{
    Confidence, EVENTS, Entry, Evidence, Facts, FinishedAttempt, IN_A_ROW, OVERDUE, Observed,
    Payment, World, at,
};
use crate::cause::Code;

/// The result of a rule.
pub(super) struct Found {
    pub(super) code: Code,
    pub(super) since: DateTime<Utc>,
    pub(super) confidence: Confidence,
    pub(super) evidence: Vec<Evidence>,
    /// The session to end, if one blocks the saga.
    pub(super) session: Option<i32>,
}

/// Returns the result of the first rule that matches.
pub(super) fn first(facts: &Facts, world: &World) -> Found {
    let case = Case { facts, world };
    if let Some(found) = case.at_rest().or_else(|| case.blocked()) {
        return found;
    }
    let found = case
        .paused()
        .or_else(|| case.unknown_plan())
        .or_else(|| case.mismatch())
        .unwrap_or_else(|| match &facts.entry {
            None => case.lost(),
            Some(entry) => case
                .unattended(entry)
                .or_else(|| case.overdue(entry))
                .or_else(|| case.failing(entry))
                .or_else(|| case.claimed(entry))
                .or_else(|| case.due(entry))
                .unwrap_or_else(|| {
                    if entry.timer && entry.attempt == 0 {
                        case.waiting(entry)
                    } else {
                        case.retrying(entry)
                    }
                }),
        });
    case.beside_locks(found)
}

struct Case<'a> {
    facts: &'a Facts,
    world: &'a World,
}

impl Case<'_> {
    fn found<const N: usize>(
        &self,
        code: Code,
        since: DateTime<Utc>,
        own: [(&'static str, String); N],
    ) -> Found {
        let mut evidence = vec![Evidence {
            name: "state",
            value: self.facts.state.to_string(),
        }];
        let own = own.into_iter();
        evidence.extend(
            own.filter(|(name, _)| *name != "state")
                .map(|(name, value)| Evidence { name, value }),
        );
        Found {
            code,
            since,
            confidence: Confidence::Certain,
            evidence,
            session: None,
        }
    }

    fn age(&self, since: DateTime<Utc>) -> Duration {
        (self.world.now - since).to_std().unwrap_or_default()
    }

    fn at_rest(&self) -> Option<Found> {
        let facts = self.facts;
        if !facts.state.known().is_some_and(StateKind::is_at_rest) {
            return None;
        }
        // what payments says now decides: a contradiction is over once both agree
        let what = match facts.payment.available() {
            Some(Some(payment)) => self.differs(payment),
            Some(None) | None => self.contradiction(),
        };
        if let Some(what) = what {
            return Some(self.mismatched(what));
        }
        let payments = if facts.payment.available().is_some() || facts.transaction_id.is_none() {
            Confidence::Certain
        } else {
            Confidence::Likely
        };
        let mut healthy = self.found(
            Code::Healthy,
            facts.moved_at,
            [("moved_at", at(facts.moved_at))],
        );
        healthy.evidence.extend(self.left_behind());
        Some(healthy.with_confidence(payments))
    }

    /// The messages about an order at rest that still wait for an operator.
    fn left_behind(&self) -> Option<Evidence> {
        let failed = self.facts.failed.available().into_iter().flatten();
        let failed = failed.map(|message| {
            let id = message.message_id.clone().unwrap_or_else(unknown);
            format!("message {id} in failed")
        });
        let parked = self.facts.parked();
        let parked = parked
            .map(|message| format!("message {} parked at payments", message.message_id))
            .into_iter();
        let all: Vec<_> = failed.chain(parked).collect();
        (!all.is_empty()).then(|| Evidence {
            name: "left_behind",
            value: all.join(", "),
        })
    }

    fn paused(&self) -> Option<Found> {
        let facts = self.facts;
        if !facts.paused {
            return None;
        }
        let (by, why, since) = match &facts.pause {
            Some(pause) => (pause.by.clone(), pause.why.clone(), pause.at),
            None => (unknown(), unknown(), facts.moved_at),
        };
        let own = [("by", by), ("why", why), ("since", at(since))];
        Some(self.found(Code::PausedBy, since, own))
    }

    fn unknown_plan(&self) -> Option<Found> {
        let (plan, world) = (&self.facts.plan, self.world);
        let known_here = world.plans.contains(plan);
        let known_there = world
            .processes
            .iter()
            .any(|process| process.is_alive(world.now) && process.advances(plan));
        if known_here || known_there {
            return None;
        }
        let same = |known: &&saga::claim::PlanKey| known.name == plan.name;
        let here = world.plans.iter().filter(same);
        let here: Vec<_> = here.map(saga::heartbeat::plan_name).collect();
        let own = [
            ("plan", saga::heartbeat::plan_name(plan)),
            ("known_here", here.join(" ")),
        ];
        Some(self.found(Code::UnknownPlanVersion, self.facts.moved_at, own))
    }

    fn mismatch(&self) -> Option<Found> {
        self.contradiction().map(|what| self.mismatched(what))
    }

    fn mismatched(&self, what: String) -> Found {
        let found = self.found(Code::PaymentMismatch, self.facts.moved_at, [("what", what)]);
        self.with_payment(found)
    }

    /// The contradiction between payments and the order, if both cannot be true.
    fn contradiction(&self) -> Option<String> {
        let facts = self.facts;
        if let Some(breach) = &facts.breach {
            return Some(breach.clone());
        }
        let mut attempts = facts.attempts.iter();
        let last = attempts.find(|attempt| attempt.fact != JournalFact::Lost);
        if let Some(last) = last.filter(|last| is_contradicted(&last.fact)) {
            return Some(last.detail.clone().unwrap_or_default());
        }
        let mut failed = facts.failed.available().into_iter().flatten();
        let mismatch = Some(FailureKind::PaymentMismatch.into());
        if let Some(message) = failed.find(|message| message.kind == mismatch) {
            return Some(message.reason.clone().unwrap_or_else(unknown));
        }
        let Some(payment) = facts.payment.available()? else {
            let is_paid_for = facts.transaction_id.is_some();
            return (facts.state == StateKind::Waiting && is_paid_for)
                .then(|| "payments knows no transaction of this order".to_owned());
        };
        self.differs(payment)
    }

    fn differs(&self, payment: &Payment) -> Option<String> {
        let facts = self.facts;
        let id = payment.transaction_id;
        let outcome = matches!(
            (facts.state.known(), payment.status.known()),
            (
                Some(StateKind::Completed),
                Some(Status::Pending | Status::Canceled)
            ) | (
                Some(StateKind::Compensated),
                Some(Status::Pending | Status::Paid)
            )
        );
        if outcome {
            let (state, status) = (&facts.state, &payment.status);
            return Some(format!(
                "the saga is {state}, its transaction {id} is {status}"
            ));
        }
        if facts.transaction_id.is_some_and(|expected| expected != id) {
            return Some(format!("payments knows the order by transaction {id}"));
        }
        if (facts.state.known(), payment.status.known())
            == (Some(StateKind::Compensated), Some(Status::Canceled))
        {
            return None; // nothing is owed, over whatever amount the transaction was
        }
        // a tombstone has no amount, and a payments service of another team may leave it out
        let (total, paid) = (facts.total.as_ref()?, payment.amount.as_ref()?);
        (paid != total).then(|| format!("the order costs {total}, transaction {id} is over {paid}"))
    }

    fn lost(&self) -> Found {
        let moved = self.facts.moved_at;
        self.found(Code::JobLost, moved, [("moved_at", at(moved))])
    }

    /// Whether an attempt has begun and not ended.
    fn under_way(&self, entry: &Entry) -> bool {
        let is_this = |finished: &FinishedAttempt| finished.attempt == entry.attempt;
        entry.attempt > 0 && !self.facts.attempts.iter().any(is_this)
    }

    /// The entry is due and unclaimed: not claimed within the lease, or no worker is running.
    fn unattended(&self, entry: &Entry) -> Option<Found> {
        if entry.due_at > self.world.now {
            return None;
        }
        if !self.has_worker() {
            return Some(self.no_worker(entry));
        }
        if self.under_way(entry) {
            let own = [
                ("by", self.holder(entry)),
                ("expired_at", at(entry.due_at)),
                ("attempt", entry.attempt.to_string()),
                ("step", entry.step.clone()),
            ];
            return Some(self.found(Code::LeaseExpired, entry.due_at, own));
        }
        if self.age(entry.due_at) < self.world.lease {
            return None;
        }
        let own = [
            ("queue", "messaging.outbox".to_owned()),
            ("messages", self.world.due.to_string()),
            ("due_at", at(entry.due_at)),
            ("step", entry.step.clone()),
        ];
        Some(self.found(Code::QueueBacklog, entry.due_at, own))
    }

    /// An attempt is under way.
    fn claimed(&self, entry: &Entry) -> Option<Found> {
        if !self.under_way(entry) {
            return None;
        }
        let own = [
            ("by", self.holder(entry)),
            ("until", at(entry.due_at)),
            ("attempt", entry.attempt.to_string()),
            ("step", entry.step.clone()),
        ];
        let found = self.found(Code::LeaseHeld, self.facts.moved_at, own);
        Some(if self.world.is_gone(entry) {
            found.with_confidence(Confidence::Likely)
        } else {
            found
        })
    }

    fn holder(&self, entry: &Entry) -> String {
        let Some(holder) = &entry.holder else {
            return unknown();
        };
        let known = self
            .world
            .processes
            .iter()
            .find(|process| process.process == *holder);
        match known {
            Some(process) => {
                let silent = match process.stopped_at {
                    Some(stopped) => format!(", stopped at {}", at(stopped)),
                    None if process.is_alive(self.world.now) => String::new(),
                    None => format!(", silent since {}", at(process.seen_at)),
                };
                format!(
                    "{holder} ({} on {}, pid {}{silent})",
                    process.roles.join(" "),
                    process.host,
                    process.pid
                )
            }
            None => format!("{holder} (gone)"),
        }
    }

    fn has_worker(&self) -> bool {
        let advances = |process: &saga::heartbeat::Process| {
            process.is_alive(self.world.now) && process.advances(&self.facts.plan)
        };
        self.world.processes.iter().any(advances)
    }

    fn no_worker(&self, entry: &Entry) -> Found {
        let workers = self.world.processes.iter();
        let last = workers
            .filter(|process| process.advances(&self.facts.plan))
            .max_by_key(|process| process.seen_at);
        let last_seen = last.map(|process| match process.stopped_at {
            Some(stopped) => format!("{}, when {} stopped", at(stopped), process.process),
            None => format!(
                "{}, when {} fell silent",
                at(process.seen_at),
                process.process
            ),
        });
        let own = [
            ("role", "saga".to_owned()),
            ("plan", saga::heartbeat::plan_name(&self.facts.plan)),
            (
                "last_seen",
                last_seen.unwrap_or_else(|| "not within the last hour".to_owned()),
            ),
            ("due_at", at(entry.due_at)),
            ("step", entry.step.clone()),
        ];
        self.found(Code::NoWorker, entry.due_at, own)
    }

    /// The entry became due a moment ago, for its first attempt.
    fn due(&self, entry: &Entry) -> Option<Found> {
        if entry.due_at > self.world.now || entry.attempt > 0 {
            return None;
        }
        let own = [
            ("moved_at", at(self.facts.moved_at)),
            ("due_at", at(entry.due_at)),
        ];
        Some(self.found(Code::Healthy, entry.due_at, own))
    }

    fn overdue(&self, entry: &Entry) -> Option<Found> {
        let since = self.facts.compensating_since?;
        if self.facts.state != StateKind::Compensating || self.age(since) < OVERDUE {
            return None;
        }
        let own = [
            ("since", at(since)),
            ("step", entry.step.clone()),
            ("attempt", entry.attempt.to_string()),
            ("next_at", at(entry.due_at)),
            ("last_error", last_error(entry)),
        ];
        Some(self.found(Code::CompensationOverdue, since, own))
    }

    /// Attempts fail one after the other, whether the next one is far away, due or under way.
    fn failing(&self, entry: &Entry) -> Option<Found> {
        let failed = |attempt: &&FinishedAttempt| {
            let fact = &attempt.fact;
            is_unknown(fact) || matches!(fact, JournalFact::Transient { .. })
        };
        // a lost attempt ends with the worker's death, which says nothing about payments
        let attempts = self.facts.attempts.iter();
        let known = attempts.filter(|attempt| attempt.fact != JournalFact::Lost);
        let in_a_row: Vec<_> = known.take_while(failed).collect();
        let last = in_a_row.get(..IN_A_ROW)?;
        // an attempt that may have taken effect weighs more than any number that never left
        let code = if last.iter().any(|attempt| is_unknown(&attempt.fact)) {
            Code::OutcomeUnknown
        } else {
            Code::ParticipantUnreachable
        };
        let own = [
            ("attempts", entry.attempt.to_string()),
            ("next_at", self.next_at(entry)),
            ("last_error", last_error(entry)),
            ("budget_left", self.budget_left(entry)),
        ];
        Some(self.found(code, entry.since, own))
    }

    /// The last attempt failed, and the next one is still to come.
    fn retrying(&self, entry: &Entry) -> Found {
        let own = [
            ("attempt", entry.attempt.to_string()),
            ("next_at", self.next_at(entry)),
            ("budget_left", self.budget_left(entry)),
            ("last_error", last_error(entry)),
        ];
        self.found(Code::RetryBackoff, entry.since, own)
    }

    fn next_at(&self, entry: &Entry) -> String {
        if self.under_way(entry) {
            format!("now, by {}", self.holder(entry))
        } else {
            at(entry.due_at)
        }
    }

    fn budget_left(&self, entry: &Entry) -> String {
        if entry.step.ends_with("/undo") {
            return "without end: an undo is never given up".to_owned();
        }
        let left = self
            .world
            .retry_budget
            .saturating_sub(self.age(entry.since));
        format!("{} s", left.as_secs())
    }

    fn waiting(&self, entry: &Entry) -> Found {
        let facts = self.facts;
        let decided = match &facts.payment {
            Observed::Available(Some(payment)) => payment.decided_at,
            Observed::Available(None) | Observed::Unavailable => None,
        };
        let is_available = facts.payment.available().is_some();
        // while payments cannot be read, a message in `failed` is still evidence
        if let (false, Some(found)) = (is_available, self.failed()) {
            return found;
        }
        // an event takes a moment to arrive
        let Some(since) = decided.filter(|at| self.age(*at) >= self.world.lease) else {
            let confidence = if is_available {
                Confidence::Certain
            } else {
                Confidence::Likely
            };
            return self.waits(entry).with_confidence(confidence);
        };
        let found = self
            .unpublished(since)
            .or_else(|| self.failed())
            .unwrap_or_else(|| self.queued(since));
        self.with_payment(found)
    }

    fn waits(&self, entry: &Entry) -> Found {
        let since = self.facts.moved_at.min(self.world.now);
        let deadline = self.facts.deadline.unwrap_or(entry.due_at);
        let own = [("since", at(since)), ("deadline", at(deadline))];
        let found = self.found(Code::WaitingForSignal, since, own);
        self.with_payment(found)
    }

    fn unpublished(&self, since: DateTime<Utc>) -> Option<Found> {
        let message = self.facts.unpublished.available()?.as_ref()?;
        let said = message
            .last_error
            .clone()
            .unwrap_or_else(|| "none".to_owned());
        let unroutable = message.parked || message.refusal == Some(Refusal::Unroutable.into());
        let id = ("message", message.message_id.clone());
        let attempts = ("attempts", message.attempt.to_string());
        Some(if unroutable {
            let parked = ("parked", message.parked.to_string());
            self.found(
                Code::Unroutable,
                since,
                [id, ("error", said), parked, attempts],
            )
        } else {
            let age = ("age", format!("{} s", self.age(message.since).as_secs()));
            let own = [id, age, attempts, ("last_error", said)];
            self.found(Code::OutboxUnpublished, since, own)
        })
    }

    fn failed(&self) -> Option<Found> {
        let message = self.facts.failed.available()?.first()?;
        let own = [
            (
                "message",
                message.message_id.clone().unwrap_or_else(unknown),
            ),
            ("queue", message.queue.clone().unwrap_or_else(unknown)),
            ("reason", message.reason.clone().unwrap_or_else(unknown)),
        ];
        Some(self.found(Code::MessageFailed, self.facts.moved_at, own))
    }

    /// Payments has published its event: the event is in the queue, or lost.
    fn queued(&self, since: DateTime<Utc>) -> Found {
        let published = self.facts.unpublished.available().is_some();
        let queue = match &self.world.queue {
            Observed::Unavailable => None,
            Observed::Available(queue) => Some(queue),
        };
        let name = ("queue", EVENTS.to_owned());
        match queue {
            Some(Some(queue)) if queue.messages + queue.retrying > 0 => {
                let messages = ("messages", queue.messages.to_string());
                let consumers = ("consumers", queue.consumers.to_string());
                let retrying = ("retrying", queue.retrying.to_string());
                let code = if queue.consumers == 0 {
                    Code::QueueWithoutConsumer
                } else {
                    Code::QueueBacklog
                };
                let alone = queue.consumers == 0 && published;
                let found = self.found(code, since, [name, messages, consumers, retrying]);
                found.with_confidence(if alone {
                    Confidence::Certain
                } else {
                    Confidence::Likely
                })
            }
            queue => {
                // messages held by a consumer at this moment are not counted
                let nowhere = match queue {
                    Some(Some(queue)) => queue.consumers == 0,
                    Some(None) => true,
                    None => false,
                };
                let all = published && nowhere && self.facts.failed.available().is_some();
                let state = match queue {
                    Some(Some(_)) => format!("{EVENTS} is empty"),
                    Some(None) => format!("{EVENTS} does not exist"),
                    None => unknown(),
                };
                let found = self.found(Code::PaymentEventLost, since, [("queue", state)]);
                found.with_confidence(if all {
                    Confidence::Certain
                } else {
                    Confidence::Likely
                })
            }
        }
    }

    fn with_payment(&self, mut found: Found) -> Found {
        if let Some(Some(payment)) = self.facts.payment.available() {
            let mut more = vec![
                ("transaction", payment.transaction_id.to_string()),
                ("status", payment.status.to_string()),
            ];
            more.extend(payment.decided_at.map(|time| ("decided_at", at(time))));
            let more = more.into_iter();
            found
                .evidence
                .extend(more.map(|(name, value)| Evidence { name, value }));
        }
        found
    }
}

impl Found {
    fn with_confidence(self, confidence: Confidence) -> Self {
        Self { confidence, ..self }
    }
}

const fn is_unknown(fact: &JournalFact) -> bool {
    matches!(
        fact,
        JournalFact::Unknown { .. } | JournalFact::Contradicted { .. }
    )
}

const fn is_contradicted(fact: &JournalFact) -> bool {
    matches!(fact, JournalFact::Contradicted { .. })
}

fn last_error(entry: &Entry) -> String {
    entry
        .last_error
        .clone()
        .unwrap_or_else(|| "none".to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
