//! One state of the whole: the shop's rows, payments' row, what is on the wire, who works at what.
//! Small, `Copy` and hashed, since a check holds millions of them.

use saga::{
    Class,
    machine::{State, Wake},
};

use crate::decide::OperatorVerb;

/// Most signals that one saga has open at a time in any scenario.
pub const MOST_KEPT: usize = 4;

/// A signal without a final verdict, as `saga.signal` keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kept {
    /// What it says.
    pub class: Class,
    /// Whether it has the verdict `early`; else it has none.
    pub early: bool,
}

/// The rows of `saga.signal` that are open, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signals([Option<Kept>; MOST_KEPT]);

impl Signals {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Kept> + '_ {
        self.0.iter().flatten().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<Kept> for Signals {
    fn from_iter<T: IntoIterator<Item = Kept>>(kept: T) -> Self {
        let mut signals = Self::default();
        for (at, kept) in kept.into_iter().enumerate() {
            signals.0[at] = Some(kept);
        }
        signals
    }
}

/// The row of `saga.saga`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// Where the saga stands.
    pub state: State,
    /// Whether an operator holds it.
    pub paused: bool,
    /// The column `kept`: whether anybody looks for kept signals at all.
    pub kept: u8,
}

/// What an entry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// Run this remote step.
    Step(u8),
    /// Undo this remote step.
    Undo(u8),
    /// Look whether this wait is over.
    Timer(u8),
}

impl Work {
    /// What `wake` asks for, if it asks for an entry.
    pub fn of(wake: Wake) -> Option<Self> {
        let small = |step: usize| u8::try_from(step).unwrap_or(u8::MAX);
        match wake {
            Wake::Step(step) => Some(Self::Step(small(step))),
            Wake::Undo(step) => Some(Self::Undo(small(step))),
            Wake::Deadline(step) => Some(Self::Timer(small(step))),
            Wake::Unchanged | Wake::Retry | Wake::Nothing => None,
        }
    }
}

/// The saga's row in `messaging.outbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Which row: raised whenever a new one is inserted.
    pub id: u8,
    /// Raised by every claim and replacement.
    pub epoch: u8,
    /// What for.
    pub work: Work,
    /// Whether a lease runs: somebody claimed it and nothing has made it due since.
    pub leased: bool,
}

/// The right that a worker believes to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The entry's id.
    pub id: u8,
    /// Its epoch after the claim.
    pub epoch: u8,
    /// What is to be done.
    pub work: Work,
    /// The truth, which no program knows: whether nobody has taken it over.
    pub valid: bool,
}

/// How an entry's work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The step took effect.
    Done,
    /// The step was refused by business.
    Refused,
    /// The step's answer is unknown, or it never left.
    NotDone,
    /// It is undone.
    Undone,
    /// Payments said paid, and it fits the order.
    Overtaken,
    /// The undo's answer is unknown, or does not fit, or it never left.
    NotUndone,
    /// A timer was due.
    Timer,
}

/// What a transaction without a lock has read. Only scenarios without the row lock have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The saga's row.
    pub row: Row,
    /// Its kept signals.
    pub signals: Signals,
    /// Whether the row still has the revision that was read.
    pub current: bool,
}

/// One of the two workers; the first is also the process that created the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Free.
    Idle,
    /// Its request is on the way to payments.
    Calls(Claim),
    /// It knows how its work ended and has not stored it.
    Holds(Claim, Ended),
    /// It has read the saga and not yet written it.
    Decides(Claim, Ended, Seen),
}

impl Worker {
    /// What it believes to hold.
    pub fn claim(self) -> Option<Claim> {
        match self {
            Self::Idle => None,
            Self::Calls(claim) | Self::Holds(claim, _) | Self::Decides(claim, ..) => Some(claim),
        }
    }

    /// The same, with another claim.
    #[must_use]
    pub fn with(self, claim: Claim) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Calls(_) => Self::Calls(claim),
            Self::Holds(_, ended) => Self::Holds(claim, ended),
            Self::Decides(_, ended, seen) => Self::Decides(claim, ended, seen),
        }
    }
}

/// The row of `commerce.order`, and its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Its status.
    pub status: Status,
    /// Whether it is being undone.
    pub canceling: bool,
    /// Pieces held for it, of one wanted.
    pub reserved: i8,
    /// Pieces sold to it.
    pub sold: i8,
}

/// An order's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Its saga has started.
    Pending,
    /// Its transaction exists.
    Awaiting,
    /// Paid.
    Completed,
    /// Canceled.
    Canceled,
}

/// The order's row at payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tx {
    /// There is none.
    None,
    /// Created.
    Pending,
    /// Paid; the other amount is the lie of a scenario.
    Paid {
        /// Whether amount and currency are the order's.
        right: bool,
    },
    /// Was there, and is canceled.
    Canceled,
    /// Canceled before it was there.
    Tombstone,
}

/// A payment's event on its way. A transaction is decided once, so there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct News {
    /// Whether it is in payments' outbox.
    pub outbox: bool,
    /// Copies in the queue.
    pub queued: u8,
    /// Copies parked in `failed`.
    pub failed: u8,
    /// How often it was recorded as a signal.
    pub heard: u8,
    /// Whether the shop's inbox knows it.
    pub inbox: bool,
}

/// What may still go wrong, and what people may still do. Each use takes one, so that whatever
/// repeats without end does so by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Workers killed.
    pub crashes: u8,
    /// Requests or answers lost, late, or never sent.
    pub network: u8,
    /// Leases that run out under a worker that lives.
    pub steals: u8,
    /// Requests or messages that come twice.
    pub duplicates: u8,
    /// COMMITs whose answer is lost.
    pub commits: u8,
    /// Requests that payments refuses.
    pub refusals: u8,
    /// Cancels by the user.
    pub cancels: u8,
    /// Acts of an operator.
    pub acts: u8,
    /// Payments of another amount than the order's.
    pub lies: u8,
}

/// The whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// `saga.saga`.
    pub row: Row,
    /// `saga.signal`, open ones.
    pub signals: Signals,
    /// `messaging.outbox`, the saga's part.
    pub entry: Option<Entry>,
    /// `commerce.order`.
    pub order: Order,
    /// Who works at what.
    pub workers: [Worker; 2],
    /// `payments.transaction`.
    pub tx: Tx,
    /// The event of its decision.
    pub news: News,
    /// Creations on the way that nobody waits for any more.
    pub late_inits: u8,
    /// Cancellations on the way that nobody waits for any more.
    pub late_cancels: u8,
    /// Whether the wait's deadline has passed.
    pub deadline_passed: bool,
    /// Whether the undo of `init_payment` is stored.
    pub payment_undone: bool,
    /// What may still go wrong, and be wished for.
    pub left: Budget,
}

/// What happened between two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker takes the entry.
    Claim {
        /// Who.
        worker: usize,
        /// Whether a living holder loses it.
        stolen: bool,
    },
    /// Payments handles the worker's request, and the answer arrives.
    Answered(usize),
    /// Payments handles the request, and the answer is lost.
    AnswerLost(usize),
    /// Payments refuses the request by business.
    Refused(usize),
    /// The request has not been handled when the worker gives up; it stays on the way.
    TimedOut(usize),
    /// No connection: the request never left.
    Unreachable(usize),
    /// The network repeats the worker's request.
    Repeated(usize),
    /// A request that nobody waits for arrives.
    LateArrives {
        /// Whether it cancels.
        cancel: bool,
    },
    /// A request that nobody waits for is lost.
    LateLost {
        /// Whether it cancels.
        cancel: bool,
    },
    /// Without the row lock: a worker reads the saga.
    Reads(usize),
    /// A worker stores how its work ended.
    Stores {
        /// Who.
        worker: usize,
        /// Of what is not done: whether its time is used up.
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
        /// Whether it dies before it deletes the row.
        again: bool,
    },
    /// The shop's consumer handles a copy of the event.
    Delivered {
        /// Whether it dies before the ack.
        again: bool,
    },
    /// The wait's time is over.
    DeadlinePasses,
    /// The user cancels the order.
    UserCancels,
    /// An operator acts.
    Operates(OperatorVerb),
}
