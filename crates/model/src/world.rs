//! A state of the whole system: the shop's rows, payments' row, requests in flight, the workers.
//! Small, `Copy` and hashed, since a check holds millions of states.

use saga::{
    SignalKind,
    machine::{NextEntry, State},
};

use crate::decide::OperatorVerb;

/// Most open signals of one saga in any scenario.
pub const MAX_PENDING: usize = 4;

/// A signal without a final verdict, as `saga.signal` keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PendingSignal {
    /// The kind of the signal.
    pub kind: SignalKind,
    /// Whether it has the verdict `early`; otherwise it has none.
    pub early: bool,
}

/// The rows of `saga.signal` that are open, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signals([Option<PendingSignal>; MAX_PENDING]);

impl Signals {
    /// All open signals.
    pub fn iter(&self) -> impl Iterator<Item = PendingSignal> + '_ {
        self.0.iter().flatten().copied()
    }

    /// The number of open signals.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are no open signals.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<PendingSignal> for Signals {
    fn from_iter<T: IntoIterator<Item = PendingSignal>>(pending: T) -> Self {
        let mut signals = Self::default();
        for (at, signal) in pending.into_iter().enumerate() {
            signals.0[at] = Some(signal);
        }
        signals
    }
}

/// The row of `saga.saga`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// The saga's state.
    pub state: State,
    /// Whether an operator has paused the saga.
    pub paused: bool,
    /// The column `kept`, the number of pending signals: production reads no signals when it is 0.
    pub kept: u8,
}

/// The work of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryWork {
    /// Run this remote step.
    Step(u8),
    /// Undo this remote step.
    Undo(u8),
    /// Check whether this wait is over.
    Timer(u8),
}

impl EntryWork {
    /// The work that `next_entry` requires, if it requires an entry.
    pub fn of(next_entry: NextEntry) -> Option<Self> {
        let small = |step: usize| u8::try_from(step).unwrap_or(u8::MAX);
        match next_entry {
            NextEntry::Step(step) => Some(Self::Step(small(step))),
            NextEntry::Undo(step) => Some(Self::Undo(small(step))),
            NextEntry::Deadline(step) => Some(Self::Timer(small(step))),
            NextEntry::Unchanged | NextEntry::Retry | NextEntry::Nothing => None,
        }
    }
}

/// The saga's row in `messaging.outbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Id of the row: incremented for each inserted row.
    pub id: u8,
    /// Incremented by every claim and replacement.
    pub epoch: u8,
    /// The work.
    pub work: EntryWork,
    /// Whether a lease is running: the entry was claimed and has not become due since.
    pub leased: bool,
}

/// The claim that a worker believes to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The entry's id.
    pub id: u8,
    /// Its epoch after the claim.
    pub epoch: u8,
    /// The work.
    pub work: EntryWork,
    /// Whether the claim still holds. No program can know this; only the model does.
    pub valid: bool,
}

/// The result of an entry's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// The step took effect.
    Done,
    /// The step was refused for a business reason.
    Refused,
    /// The step's answer is unknown, or the request was never sent.
    NotDone,
    /// The step is undone.
    Undone,
    /// The undo found the order paid, by the right amount.
    Overtaken,
    /// The undo's answer is unknown or does not fit the order, or the request was never sent.
    NotUndone,
    /// A timer was due.
    Timer,
}

/// The data that a transaction without a lock has read. Only used in scenarios without the row
/// lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The saga's row.
    pub row: Row,
    /// Its pending signals.
    pub signals: Signals,
    /// Whether the row still has the revision that was read.
    pub current: bool,
}

/// One of the two workers; the first is also the process that created the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// The worker is free.
    Idle,
    /// The worker's request is on its way to payments.
    Calls(Claim),
    /// The worker knows its result and has not stored it.
    Holds(Claim, AttemptResult),
    /// The worker has read the saga and not yet written it.
    Decides(Claim, AttemptResult, Snapshot),
}

impl Worker {
    /// The claim that the worker believes to hold.
    pub fn claim(self) -> Option<Claim> {
        match self {
            Self::Idle => None,
            Self::Calls(claim) | Self::Holds(claim, _) | Self::Decides(claim, ..) => Some(claim),
        }
    }

    /// The same worker state with another claim.
    #[must_use]
    pub fn with(self, claim: Claim) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Calls(_) => Self::Calls(claim),
            Self::Holds(_, result) => Self::Holds(claim, result),
            Self::Decides(_, result, snapshot) => Self::Decides(claim, result, snapshot),
        }
    }
}

/// The row of `commerce.order`, and its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Its status.
    pub status: Status,
    /// Whether the order is being canceled.
    pub canceling: bool,
    /// Pieces reserved for the order, which wants one.
    pub reserved: i8,
    /// Pieces sold to the order.
    pub sold: i8,
}

/// An order's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The saga has started.
    Pending,
    /// The transaction exists.
    Awaiting,
    /// The order is paid.
    Completed,
    /// The order is canceled.
    Canceled,
}

/// The order's row at payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tx {
    /// No row exists.
    None,
    /// Created.
    Pending,
    /// Paid; a wrong amount occurs only in the scenario with lies.
    Paid {
        /// Whether amount and currency are the order's.
        right: bool,
    },
    /// The transaction existed and is canceled.
    Canceled,
    /// Canceled before the transaction was created.
    Tombstone,
}

/// A payment's event in transit. A transaction is decided once, so one event exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct News {
    /// Whether it is in payments' outbox.
    pub outbox: bool,
    /// Copies in the queue.
    pub queued: u8,
    /// Copies parked in `failed`.
    pub failed: u8,
    /// How often the event was recorded as a signal.
    pub heard: u8,
    /// Whether the shop knows the event's signal.
    pub known: bool,
}

/// The remaining faults and acts of people. Each use takes one, so an endless repetition is the
/// system's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Workers killed.
    pub crashes: u8,
    /// Requests or answers lost, late, or never sent.
    pub network: u8,
    /// Leases that expire under a living worker.
    pub steals: u8,
    /// Requests or messages that are duplicated.
    pub duplicates: u8,
    /// COMMITs whose answer is lost.
    pub commits: u8,
    /// Requests that payments refuses.
    pub refusals: u8,
    /// Cancels by the user.
    pub cancels: u8,
    /// Acts of an operator.
    pub acts: u8,
    /// Payments of a wrong amount.
    pub lies: u8,
}

/// A state of the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// The row of `saga.saga`.
    pub row: Row,
    /// The open rows of `saga.signal`.
    pub signals: Signals,
    /// The saga's row in `messaging.outbox`.
    pub entry: Option<Entry>,
    /// The row of `commerce.order`.
    pub order: Order,
    /// The workers.
    pub workers: [Worker; 2],
    /// The row of `payments.transaction`.
    pub tx: Tx,
    /// The event of the payment's decision.
    pub news: News,
    /// Creation requests in flight whose sender has given up.
    pub late_inits: u8,
    /// Cancellation requests in flight whose sender has given up.
    pub late_cancels: u8,
    /// Whether the wait's deadline has passed.
    pub deadline_passed: bool,
    /// Whether the undo of `init_payment` is stored.
    pub payment_undone: bool,
    /// The remaining faults and acts of people.
    pub left: Budget,
}

/// A transition between two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker claims the entry.
    Claim {
        /// The worker.
        worker: usize,
        /// Whether a living holder loses the entry.
        stolen: bool,
    },
    /// Payments handles the worker's request, and the answer arrives.
    Answered(usize),
    /// Payments handles the request, and the answer is lost.
    AnswerLost(usize),
    /// Payments refuses the request for a business reason.
    Refused(usize),
    /// The worker gives up before the request is handled; the request stays in flight.
    TimedOut(usize),
    /// No connection: the request was never sent.
    Unreachable(usize),
    /// The network repeats the worker's request.
    Repeated(usize),
    /// A request whose sender has given up arrives.
    LateArrives {
        /// Whether the request is a cancellation.
        cancel: bool,
    },
    /// A request whose sender has given up is lost.
    LateLost {
        /// Whether the request is a cancellation.
        cancel: bool,
    },
    /// Without the row lock: a worker reads the saga.
    Reads(usize),
    /// A worker stores its result.
    Stores {
        /// The worker.
        worker: usize,
        /// For a result other than done: whether the retry budget is used up.
        spent: bool,
        /// Whether the answer of COMMIT is lost.
        unheard: bool,
    },
    /// A worker is killed.
    Crashes(usize),
    /// The user pays.
    Pays {
        /// Whether amount and currency are the order's.
        right: bool,
    },
    /// The user cancels the payment, at payments.
    CancelsPayment,
    /// Payments' relay publishes the event.
    Publishes {
        /// Whether the relay dies before it deletes the row.
        again: bool,
    },
    /// The shop's consumer handles a copy of the event.
    Delivered {
        /// Whether the consumer dies before the ack.
        again: bool,
    },
    /// The deadline of the wait passes.
    DeadlinePasses,
    /// The user cancels the order.
    UserCancels,
    /// An operator acts.
    Operates(OperatorVerb),
}
