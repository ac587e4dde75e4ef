//! Outages: dependencies that respond but cannot be used, or fall silent, while no process dies.

use std::time::Duration;

use super::{Act, Event, SAFETY, WINDOW_MS};
use crate::random::Random;

/// A dependency that responds but cannot be used, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// A database is read-only.
    ReadOnly {
        /// The affected database, and how it became read-only.
        how: ReadOnly,
        /// Duration.
        time: Duration,
    },
    /// Another session holds a row lock.
    Lock {
        /// The table.
        row: Row,
        /// Index of the row, counted from the newest.
        nth: u32,
        /// Duration.
        time: Duration,
    },
    /// RabbitMQ blocks publishers.
    Alarm {
        /// The resource that it reports as scarce.
        of: Resource,
        /// Duration.
        time: Duration,
    },
    /// The server process behind one of our sessions is stopped (SIGSTOP).
    FrozenBackend {
        /// Index of the session, by process id.
        nth: u32,
        /// Duration.
        time: Duration,
    },
    /// Payments answers all callers late.
    SlowPayments {
        /// The delay.
        delay: Duration,
        /// Duration.
        time: Duration,
    },
    /// The mail server falls silent in each dialogue.
    SilentMail {
        /// Duration.
        time: Duration,
    },
    /// The shop's queue of payment events lacks the binding of one of its keys.
    Unbound {
        /// The key.
        key: &'static str,
        /// Whether another system's queue is bound, so that a published event is still routed.
        foreign: bool,
        /// Duration.
        time: Duration,
    },
}

/// How a database becomes read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// The whole server, in every open session.
    Server,
    /// The shop's database: all sessions end, and those opened in the meantime stay read-only, as
    /// after a failover.
    Shop,
    /// Payments' database, in the same way.
    Payments,
}

/// A row that sagas, consumers and the API write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A saga that is not at rest.
    Saga,
    /// An order that is not at rest.
    Order,
    /// A product's stock.
    Stock,
}

/// The resource of a broker's alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Free space on the disk.
    Disk,
    /// Memory.
    Memory,
}

/// One or two row locks, and four of the other kinds, each once.
pub(super) fn outages(random: &mut Random) -> Vec<Event> {
    let mut acts = Vec::new();
    for _ in 0..=random.below(2) {
        acts.push(lock(random));
    }
    let mut kinds = [0_u64, 1, 2, 3, 4, 5].to_vec();
    for _ in 0..4 {
        let kind = random.pick(&kinds);
        kinds.retain(|other| *other != kind);
        acts.push(of_kind(random, kind));
    }
    let mut events = Vec::with_capacity(acts.len());
    for outage in acts {
        let at = random.millis(0, WINDOW_MS / 2);
        events.push(Event {
            at,
            act: Act::Outage(outage),
        });
    }
    // sometimes a process also dies during the outages
    if random.chance(25) {
        let process = random.pick(&SAFETY);
        let down = random.millis(50, 1_500);
        let at = random.millis(0, WINDOW_MS);
        let act = Act::Kill { process, down };
        events.push(Event { at, act });
    }
    events
}

fn lock(random: &mut Random) -> Outage {
    Outage::Lock {
        row: random.pick(&[Row::Saga, Row::Order, Row::Stock]),
        nth: u32::try_from(random.below(8)).unwrap_or_default(),
        time: random.millis(2_500, 8_000),
    }
}

fn of_kind(random: &mut Random, kind: u64) -> Outage {
    match kind {
        // long enough for a message to be retried after one, two and four seconds
        0 => Outage::ReadOnly {
            how: random.pick(&[ReadOnly::Server, ReadOnly::Shop, ReadOnly::Payments]),
            time: random.millis(4_000, 12_000),
        },
        1 => Outage::Alarm {
            of: random.pick(&[Resource::Disk, Resource::Memory]),
            time: random.millis(2_000, 8_000),
        },
        2 => Outage::FrozenBackend {
            nth: u32::try_from(random.below(40)).unwrap_or_default(),
            time: random.millis(2_500, 7_000),
        },
        3 => Outage::SlowPayments {
            delay: random.millis(200, 1_500),
            time: random.millis(2_000, 8_000),
        },
        4 => Outage::SilentMail {
            time: random.millis(2_000, 8_000),
        },
        _ => Outage::Unbound {
            key: random.pick(&["transaction_completed", "transaction_canceled"]),
            foreign: random.chance(50),
            time: random.millis(1_000, 6_000),
        },
    }
}
