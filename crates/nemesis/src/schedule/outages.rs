//! Outages: what is needed answers and cannot be used, or falls silent, and nothing dies.

use std::time::Duration;

use super::{Act, Event, SAFETY, WINDOW_MS};
use crate::random::Random;

/// Something that answers and cannot be used, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// A database takes no writes.
    ReadOnly {
        /// Which, and how.
        how: ReadOnly,
        /// For how long.
        time: Duration,
    },
    /// Another session holds a row.
    Lock {
        /// Of which table.
        row: Row,
        /// Which one, counted from the newest.
        nth: u32,
        /// For how long.
        time: Duration,
    },
    /// RabbitMQ takes nothing from publishers.
    Alarm {
        /// What it says it is short of.
        of: Resource,
        /// For how long.
        time: Duration,
    },
    /// The server's process behind one of our sessions stops (SIGSTOP).
    FrozenBackend {
        /// Which one, by process id.
        nth: u32,
        /// For how long.
        time: Duration,
    },
    /// Payments answers everybody late.
    SlowPayments {
        /// By how much.
        delay: Duration,
        /// For how long.
        time: Duration,
    },
    /// The mail server falls silent in each dialogue.
    SilentMail {
        /// For how long.
        time: Duration,
    },
    /// The shop's queue of payment events is not bound for one of its keys.
    Unbound {
        /// Which key.
        key: &'static str,
        /// Whether another system's queue is, so that what is published reaches somebody.
        foreign: bool,
        /// For how long.
        time: Duration,
    },
}

/// How a database comes to take no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// The whole server, in every session that there is.
    Server,
    /// The shop's database: all sessions end, and those that are opened meanwhile stay read-only, as after a failover.
    Shop,
    /// Payments' database, likewise.
    Payments,
}

/// A row that sagas, consumers and the api write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A saga that is not at rest.
    Saga,
    /// An order that is not at rest.
    Order,
    /// A product's stock.
    Stock,
}

/// What a broker's alarm is about.
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
    // now and then a process dies in the middle of it
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
        // long enough for a message to be tried four times at a second, two and four
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
