//! The closed list of causes that explain why a saga is in its current state. Each has a page in
//! `docs/runbooks`.

use std::fmt;

use serde::Serialize;

/// A cause. `saga why`, `saga list --stuck`, the HTTP API and the metric `saga_stuck` use the same
/// codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Cause)]
pub enum Code {
    /// The saga waits for an outside decision, and its deadline has not passed.
    WaitingForSignal,
    /// The last attempt failed; the next one is due soon.
    RetryBackoff,
    /// A process is working on the saga right now.
    LeaseHeld,
    /// The process that worked on the saga did not finish.
    LeaseExpired,
    /// No worker is running that could work on the saga.
    NoWorker,
    /// A session of the database holds a lock that the saga's work needs.
    BlockedBySession,
    /// The saga has no entry in the outbox, so nothing will ever wake it.
    JobLost,
    /// Payments has decided and not published its decision yet.
    OutboxUnpublished,
    /// Payments has decided, and the broker has no queue for its event.
    Unroutable,
    /// The event is in a queue that has no consumer.
    QueueWithoutConsumer,
    /// The saga waits behind other work.
    QueueBacklog,
    /// The event could not be handled and is in `failed`.
    MessageFailed,
    /// Payments cannot be reached.
    ParticipantUnreachable,
    /// Payments has decided, and its event is lost.
    PaymentEventLost,
    /// Payments was asked, and its answers do not arrive.
    OutcomeUnknown,
    /// An operator has paused the saga.
    PausedBy,
    /// The payment differs from the order, or contradicts an earlier decision.
    PaymentMismatch,
    /// No process knows the saga's plan.
    UnknownPlanVersion,
    /// The saga has been compensating for too long.
    CompensationOverdue,
    /// The saga is at rest, or has just moved.
    Healthy,
}

/// The static description of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The code as typed and stored.
    pub code: &'static str,
    /// A short title, for lists.
    pub title: &'static str,
    /// Whether the saga does not continue by itself, as far as the shop can influence it.
    pub stuck: bool,
    /// The meaning of the cause, for the engineer on call.
    pub explanation: &'static str,
    /// Names of the evidence that is always given for the cause.
    pub evidence: &'static [&'static str],
    /// Its runbook, as Markdown.
    pub page: &'static str,
}

impl Code {
    /// All causes.
    pub const ALL: [Self; 20] = [
        Self::WaitingForSignal,
        Self::RetryBackoff,
        Self::LeaseHeld,
        Self::LeaseExpired,
        Self::NoWorker,
        Self::BlockedBySession,
        Self::JobLost,
        Self::OutboxUnpublished,
        Self::Unroutable,
        Self::QueueWithoutConsumer,
        Self::QueueBacklog,
        Self::MessageFailed,
        Self::ParticipantUnreachable,
        Self::PaymentEventLost,
        Self::OutcomeUnknown,
        Self::PausedBy,
        Self::PaymentMismatch,
        Self::UnknownPlanVersion,
        Self::CompensationOverdue,
        Self::Healthy,
    ];

    /// The code as typed and stored.
    pub const fn as_str(self) -> &'static str {
        self.about().code
    }

    /// Whether a saga with this cause does not continue by itself.
    pub const fn is_stuck(self) -> bool {
        self.about().stuck
    }

    /// The path of its runbook, from the root of the repository.
    pub fn runbook(self) -> String {
        format!("docs/runbooks/{}.md", self.as_str())
    }

    /// The static description of the cause.
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub const fn about(self) -> &'static About {
        match self {
            Self::WaitingForSignal => &About {
                code: "waiting-for-signal",
                title: "waits for a signal",
                stuck: false,
                explanation: "Of an order: the customer has not paid yet, and the deadline has not passed. At the \
                              deadline the order is rolled back automatically. After its pivot a saga waits on.",
                evidence: &["since", "deadline"],
                page: include_str!("../../../docs/runbooks/waiting-for-signal.md"),
            },
            Self::RetryBackoff => &About {
                code: "retry-backoff",
                title: "will be tried again",
                stuck: false,
                explanation: "The last attempt did not end well; the next one is due soon, by itself.",
                evidence: &["attempt", "next_at", "budget_left"],
                page: include_str!("../../../docs/runbooks/retry-backoff.md"),
            },
            Self::LeaseHeld => &About {
                code: "lease-held",
                title: "is being worked on",
                stuck: false,
                explanation: "A process has claimed it and is making an attempt. Should that process die, another \
                              one takes over when the lease ends.",
                evidence: &["by", "until", "attempt"],
                page: include_str!("../../../docs/runbooks/lease-held.md"),
            },
            Self::LeaseExpired => &About {
                code: "lease-expired",
                title: "its worker did not finish",
                stuck: true,
                explanation: "The process that had claimed it did not finish within the lease: it died, or lost the \
                              database. The next free worker takes over.",
                evidence: &["by", "expired_at", "attempt"],
                page: include_str!("../../../docs/runbooks/lease-expired.md"),
            },
            Self::NoWorker => &About {
                code: "no-worker",
                title: "no worker is there for it",
                stuck: true,
                explanation: "It is due, and no living process has the role saga and knows its plan.",
                evidence: &["role", "plan", "last_seen", "due_at"],
                page: include_str!("../../../docs/runbooks/no-worker.md"),
            },
            Self::BlockedBySession => &About {
                code: "blocked-by-session",
                title: "a database session blocks it",
                stuck: true,
                explanation: "A session of the shop's database holds a lock that the work on it needs, such as a prompt \
                              with an open transaction. It goes on by itself when that session ends.",
                evidence: &["session", "locked"],
                page: include_str!("../../../docs/runbooks/blocked-by-session.md"),
            },
            Self::JobLost => &About {
                code: "job-lost",
                title: "not scheduled: its job is missing",
                stuck: true,
                explanation: "It is not at rest and owns no entry in the outbox (I7 is broken): somebody removed it \
                              by hand, or a backup was restored in parts. A retry writes it anew.",
                evidence: &["state", "moved_at"],
                page: include_str!("../../../docs/runbooks/job-lost.md"),
            },
            Self::OutboxUnpublished => &About {
                code: "outbox-unpublished",
                title: "payments has not published its decision",
                stuck: true,
                explanation: "Payments has decided; its event still lies in its outbox. Payments' relay does not \
                              run, or cannot reach RabbitMQ. It is published by itself when it can.",
                evidence: &["transaction", "status", "message", "age"],
                page: include_str!("../../../docs/runbooks/outbox-unpublished.md"),
            },
            Self::Unroutable => &About {
                code: "unroutable",
                title: "the broker has no queue for the decision",
                stuck: true,
                explanation: "Payments has decided; RabbitMQ gave its event back, because no queue is bound for it, \
                              or the message is parked after its last attempt.",
                evidence: &["transaction", "status", "message", "error"],
                page: include_str!("../../../docs/runbooks/unroutable.md"),
            },
            Self::QueueWithoutConsumer => &About {
                code: "queue-without-consumer",
                title: "no worker reads the payment events",
                stuck: true,
                explanation: "Payments has decided and published; the queue has no consumer. No worker has the \
                              role payments, or it stopped taking because its database or payments is away.",
                evidence: &["transaction", "status", "queue", "messages", "consumers"],
                page: include_str!("../../../docs/runbooks/queue-without-consumer.md"),
            },
            Self::QueueBacklog => &About {
                code: "queue-backlog",
                title: "waits behind others",
                stuck: true,
                explanation: "Workers are there and do not keep up: what it needs waits in a queue, with others.",
                evidence: &["queue", "messages"],
                page: include_str!("../../../docs/runbooks/queue-backlog.md"),
            },
            Self::MessageFailed => &About {
                code: "message-failed",
                title: "the payment event failed to process",
                stuck: true,
                explanation: "The message that it needs could not be handled and was put aside, whole, with the \
                              reason. It takes effect once it is sent again.",
                evidence: &["message", "queue", "reason"],
                page: include_str!("../../../docs/runbooks/message-failed.md"),
            },
            Self::ParticipantUnreachable => &About {
                code: "participant-unreachable",
                title: "payments cannot be reached",
                stuck: true,
                explanation: "The last attempts never left: payments refuses connections, or its address is wrong. \
                              Nothing has happened there. It goes on by itself when payments is back.",
                evidence: &["attempts", "next_at", "last_error"],
                page: include_str!("../../../docs/runbooks/participant-unreachable.md"),
            },
            Self::PaymentEventLost => &About {
                code: "payment-event-lost",
                title: "the payment event was lost",
                stuck: true,
                explanation: "Payments has decided and published, and its event is neither in a queue nor in \
                              failed. Telling the saga what payments decided is safe: payments is asked first, \
                              and what comes twice takes effect once.",
                evidence: &["transaction", "status", "decided_at"],
                page: include_str!("../../../docs/runbooks/payment-event-lost.md"),
            },
            Self::OutcomeUnknown => &About {
                code: "outcome-unknown",
                title: "payments' answers do not arrive",
                stuck: true,
                explanation: "Payments was asked, and its answers were lost or make no sense: it may have happened. \
                              It is asked again under the same key, which does it at most once.",
                evidence: &["attempts", "next_at", "last_error"],
                page: include_str!("../../../docs/runbooks/outcome-unknown.md"),
            },
            Self::PausedBy => &About {
                code: "paused-by",
                title: "paused by an operator",
                stuck: true,
                explanation: "Nothing of it runs until it is resumed; signals are kept meanwhile.",
                evidence: &["by", "why", "since"],
                page: include_str!("../../../docs/runbooks/paused-by.md"),
            },
            Self::PaymentMismatch => &About {
                code: "payment-mismatch",
                title: "payment and order contradict one another",
                stuck: true,
                explanation: "What payments says does not fit the order, in amount, currency, transaction or \
                              outcome. Needs manual review: it is neither completed nor rolled back until then.",
                evidence: &["what"],
                page: include_str!("../../../docs/runbooks/payment-mismatch.md"),
            },
            Self::UnknownPlanVersion => &About {
                code: "unknown-plan-version",
                title: "no process knows its plan",
                stuck: true,
                explanation: "It was begun by another release: neither this program nor any living worker knows its \
                              plan in that version. A worker of that release must run until it has drained.",
                evidence: &["plan", "known_here"],
                page: include_str!("../../../docs/runbooks/unknown-plan-version.md"),
            },
            Self::CompensationOverdue => &About {
                code: "compensation-overdue",
                title: "is being undone for too long",
                stuck: true,
                explanation: "It has been undone for longer than a quarter of an hour. It is never given up; its \
                              stock stays held until payments has confirmed.",
                evidence: &["since", "step", "attempt", "next_at"],
                page: include_str!("../../../docs/runbooks/compensation-overdue.md"),
            },
            Self::Healthy => &About {
                code: "healthy",
                title: "on schedule",
                stuck: false,
                explanation: "It is at rest, or it moved a moment ago.",
                evidence: &["state", "moved_at"],
                page: include_str!("../../../docs/runbooks/healthy.md"),
            },
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|code| code.as_str() == text);
        found.ok_or_else(|| {
            let all: Vec<_> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("`{text}` is no cause; the causes are {}", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_written_and_serialized() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            let json = serde_json::to_value(code).unwrap();
            assert_eq!(json, code.as_str());
        }
        assert!("nothing-at-all".parse::<Code>().is_err());
    }

    #[test]
    fn every_cause_has_a_runbook_page_in_the_index() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let index = std::fs::read_to_string(root.join("docs/runbooks/README.md")).unwrap();
        for code in Code::ALL {
            let page = code.about().page;
            for part in [
                "What it means",
                "How to confirm",
                "What to do",
                "How to know that it is over",
            ] {
                let heading = format!("## {part}\n");
                assert!(
                    page.contains(&heading),
                    "{} has no `{part}`",
                    code.runbook()
                );
            }
            assert!(
                page.starts_with(&format!("# {code}\n")),
                "{}",
                code.runbook()
            );
            assert!(
                index.contains(&format!("({code}.md)")),
                "the index names no {code}"
            );
        }
    }
}
