//! Every check: its promise, its severity and the remedy.

use serde::Serialize;

/// Severity of a failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A promise is broken: the fault stays until an operator repairs it.
    Violation,
    /// Something is late or waits for an operator; nothing is wrong yet.
    Warning,
}

/// The sources that a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The shop's database.
    Shop,
    /// Payments, through its API or in its database.
    Payments,
    /// Payments' database too, as far as it is configured.
    PaymentsDatabase,
    /// RabbitMQ.
    Broker,
    /// RabbitMQ's management API.
    Management,
}

impl Reads {
    /// The sources that the check needs besides the shop's database.
    pub const fn sources(self) -> &'static [Source] {
        match self {
            Self::Shop => &[],
            Self::Payments => &[Source::Payments],
            Self::PaymentsDatabase => &[Source::Payments, Source::PaymentsDatabase],
            Self::Broker => &[Source::RabbitMq],
            Self::Management => &[Source::Bindings],
        }
    }
}

/// A source besides the shop's database; a run can leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Payments: its API, or its database.
    Payments,
    /// Payments' database: besides the transactions, it shows the outbox.
    PaymentsDatabase,
    /// RabbitMQ's queues.
    #[serde(rename = "rabbitmq")]
    RabbitMq,
    /// RabbitMQ's bindings, which only its management API shows.
    Bindings,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 4] = [
        Self::Payments,
        Self::PaymentsDatabase,
        Self::RabbitMq,
        Self::Bindings,
    ];

    /// The name as typed: `payments`, `payments-database`, `rabbitmq` or `bindings`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::PaymentsDatabase => "payments-database",
            Self::RabbitMq => "rabbitmq",
            Self::Bindings => "bindings",
        }
    }

    /// The name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::PaymentsDatabase => "payments' database",
            Self::RabbitMq => "RabbitMQ",
            Self::Bindings => "RabbitMQ's bindings",
        }
    }
}

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `I1` to `I11` for an invariant, a name for a rule of hygiene.
    pub id: &'static str,
    /// The promise that holds when all is well, in a sentence.
    pub promise: &'static str,
    /// The severity of a failure.
    pub severity: Severity,
    /// The sources that the check reads.
    pub reads: Reads,
    /// The meaning of a failure.
    pub explanation: &'static str,
    /// The remedy.
    pub hint: &'static str,
}

const fn invariant(
    id: &'static str,
    reads: Reads,
    promise: &'static str,
    explanation: &'static str,
    hint: &'static str,
) -> Check {
    Check {
        id,
        promise,
        severity: Severity::Violation,
        reads,
        explanation,
        hint,
    }
}

const fn hygiene(
    id: &'static str,
    reads: Reads,
    promise: &'static str,
    explanation: &'static str,
    hint: &'static str,
) -> Check {
    Check {
        id,
        promise,
        severity: Severity::Warning,
        reads,
        explanation,
        hint,
    }
}

/// All checks: the invariants in order, then the rules of hygiene.
pub const CHECKS: [Check; 29] = [
    invariant(
        "I1",
        Reads::Shop,
        "an order, its saga, its journal and its first entry exist together or not at all",
        "rows of one commit were torn apart, by hand or by a restore of single tables",
        "restore the missing rows from the backup that has the others; compare order and saga by `shopctl saga list --order ID`",
    ),
    invariant(
        "I2",
        Reads::Payments,
        "no order is left without a transaction, unless it is canceled",
        "an order waits for a payment that nobody can make, or a transaction belongs to no order",
        "`shopctl saga show` tells what payments answered; was one of the databases restored from an older backup?",
    ),
    invariant(
        "I3",
        Reads::Payments,
        "completed order ⇔ paid transaction of the same amount; canceled order ⇒ no payment",
        "shop and payments disagree about how an order ended: money is at stake",
        "the transaction decides; bring the order in line by hand, with the customer told, and keep the evidence",
    ),
    invariant(
        "I4",
        Reads::Shop,
        "orders only make allowed transitions, and a final state never changes",
        "a status was changed past the code and its triggers",
        "find who wrote to commerce.order or order_status by hand; the order's saga tells what it should be",
    ),
    invariant(
        "I5",
        Reads::PaymentsDatabase,
        "every outcome is published, and takes effect once",
        "payments gave an outcome up, or a signal took effect twice or never",
        "`shopctl outbox list` shows the outcome and the reason, and `shopctl outbox retry ID` publishes it: an order that \
         knows it already is not changed; `shopctl saga show` shows what became of the signal",
    ),
    invariant(
        "I6",
        Reads::Shop,
        "every started step of a compensated saga is undone once; nothing after the pivot is",
        "a saga was undone wrongly, or a fact contradicts what it had decided",
        "compare the order with its transaction at payments; the journal says which fact came when",
    ),
    invariant(
        "I7",
        Reads::Shop,
        "every saga that is neither at rest nor paused owns exactly one entry",
        "nothing will wake the saga, or two would",
        "`shopctl saga retry ID` writes the entry that its state asks for",
    ),
    invariant(
        "I8",
        Reads::Shop,
        "stock adds up: reserved by live orders, sold by completed ones",
        "stock was changed past the code",
        "count the orders of the product and correct commerce.stock in one transaction",
    ),
    invariant(
        "I9",
        Reads::Shop,
        "an order costs the sum of its lines",
        "an order or its lines were changed past the code",
        "what the customer was asked to pay is the transaction's amount; correct the shop's rows",
    ),
    invariant(
        "I10",
        Reads::Shop,
        "what cannot be delivered is kept, with the reason",
        "a parked message does not say why it is parked",
        "look at its body and exchange; then publish it again or drop it, with the reason written down",
    ),
    invariant(
        "I11",
        Reads::Shop,
        "each saga's journal, replayed, leads to where the saga stands",
        "a saga was moved past the code, or its journal was changed",
        "`shopctl saga export` and `shopctl saga replay` show the first difference; the order and its transaction tell what is true",
    ),
    hygiene(
        "late-messages",
        Reads::PaymentsDatabase,
        "no message waits in an outbox for long",
        "the relay does not run, RabbitMQ is away, or it refuses the message",
        "`shopctl outbox list` tells the last error; is worker-relay (or payments) running?",
    ),
    hygiene(
        "parked-messages",
        Reads::PaymentsDatabase,
        "no message is parked",
        "RabbitMQ refused it again and again: mostly an exchange or a binding that is missing",
        "`worker migrate` declares what is missing; then send it again",
    ),
    hygiene(
        "late-outcomes",
        Reads::Payments,
        "every decision of payments reaches its order in time",
        "its event waits in an outbox or a queue, or was lost: the saga asks payments at its deadline at the latest",
        "`shopctl saga list --stuck` names the cause, and `shopctl saga why` the command that helps",
    ),
    hygiene(
        "late-work",
        Reads::Shop,
        "no overdue steps, deadlines or signals",
        "no worker of the saga role runs, none knows the plan, or all are busy",
        "is worker-saga running, and of this version? scale it out if it is busy",
    ),
    hygiene(
        "nothing-wakes",
        Reads::Shop,
        "every live saga is woken in time",
        "its entry is due long after the deadline that it is for, or further away than any retry delay",
        "`shopctl saga retry ID` makes it due now",
    ),
    hygiene(
        "unknown-plan",
        Reads::Shop,
        "every live saga is of a plan that this release knows",
        "only a binary that knows the plan's version may move it; none may be left",
        "run a worker of the release that began these sagas until they are at rest",
    ),
    hygiene(
        "overdue-compensation",
        Reads::Shop,
        "no stuck compensations",
        "payments does not answer the cancel, so the order keeps its stock: compensation is never given up",
        "`shopctl saga show ID` tells the last answer; when payments is back it goes on by itself, at once with `shopctl saga retry ID`",
    ),
    hygiene(
        "long-pause",
        Reads::Shop,
        "no saga is paused for more than a day",
        "an operator paused it and has not come back: its order and stock wait",
        "`shopctl saga show ID` tells who and why; `shopctl saga resume ID`",
    ),
    hygiene(
        "retention-too-short",
        Reads::Shop,
        "no live saga is older than what the inbox remembers",
        "a repeat of its events would not be known as one (the saga's own verdicts still catch it)",
        "find out why it lives so long, and raise RETENTION_INBOX_DAYS",
    ),
    hygiene(
        "retention-behind",
        Reads::Shop,
        "what is past its window is archived or forgotten",
        "the retention job does not run: worker-async is down, or its job fails",
        "`worker retention` does it now; look for failed jobs",
    ),
    hygiene(
        "stuck-jobs",
        Reads::Shop,
        "no background job has failed or runs for more than an hour",
        "a job gave up, or the process that ran it died",
        "its last result stands in apalis.jobs; the log of worker-async has more",
    ),
    hygiene(
        "trusted-events",
        Reads::Shop,
        "payment events are verified by a proof",
        "PAYMENTS_EVENTS=trusted: each client that RabbitMQ lets publish to `payments_events` can complete orders",
        "let RabbitMQ allow only payments to publish there; if payments signs its events or shows transactions (`shopctl payments`), unset PAYMENTS_EVENTS",
    ),
    hygiene(
        "blocking-session",
        Reads::Shop,
        "no session has held locks of sagas for two seconds or longer",
        "workers, payment events and operators wait for it, and so do orders that it has not locked",
        "`shopctl db end-session PID` ends it; find the program that forgot to end its transaction",
    ),
    hygiene(
        "idle-in-transaction",
        Reads::PaymentsDatabase,
        "no session idles in a transaction",
        "it holds locks and keeps old rows from being cleaned up: outbox and sagas slow down",
        "the statement that ends it stands beside it; find the program that forgot to end its transaction",
    ),
    hygiene(
        "missing-queue",
        Reads::Broker,
        "all queues exist",
        "what is published for it comes back as unroutable and waits in the outbox",
        "`worker migrate` declares exchanges, queues and bindings",
    ),
    hygiene(
        "unbound-queue",
        Reads::Management,
        "our queues are bound for all that is published for them",
        "what is published meanwhile comes back as unroutable or, when another system's queue takes it, never reaches us",
        "`worker migrate` binds them; an order whose event was lost goes on at its payment deadline",
    ),
    hygiene(
        "no-consumer",
        Reads::Broker,
        "every queue has a consumer",
        "its messages wait",
        "start worker-payments (payments_events_queue) or worker-async (messages)",
    ),
    hygiene(
        "failed-messages",
        Reads::Broker,
        "`failed` is empty",
        "messages could not be handled: each is there whole, with the reason",
        "`shopctl failed list`; mend the reason, then `shopctl failed retry`; `shopctl failed drop --settle` removes those \
         whose orders are at rest without them",
    ),
];
