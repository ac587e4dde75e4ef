//! The faults and their times: a pure function of the seed.

mod outages;

use std::{fmt, time::Duration};

use clap::ValueEnum;
use serde::Serialize;
use testkit::{Fault, Upstream};

pub use self::outages::{Outage, ReadOnly, Resource, Row};
use crate::random::Random;

/// The faults to inject, and the promise to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rounds of temporary faults: after each, the system must come to rest with nothing lost.
    Safety,
    /// Permanent faults in one part: the system must come to rest in spite of them.
    Liveness,
    /// Ten workers, killed, stopped and started as an autoscaler would: afterwards throughput must
    /// recover, and each worker must do its share.
    Scaling,
    /// Every process is replaced by a new one, as in a deployment: no request may fail.
    Rolling,
    /// Dependencies that respond but cannot be used, or fall silent: afterwards the system must
    /// come to rest by itself, with nothing in `failed` and no mail sent more than twice.
    Outages,
}

impl Mode {
    /// The processes that run in this mode.
    pub fn processes(self) -> &'static [&'static str] {
        match self {
            Self::Safety | Self::Outages => &SAFETY,
            Self::Liveness => &LIVENESS,
            Self::Scaling => &SCALING,
            Self::Rolling => &ROLLING,
        }
    }
}

/// The processes of safety mode: every component, with more than one worker of each role.
pub const SAFETY: [&str; 5] = [
    "payments",
    "api",
    "worker",
    "worker saga payments#2",
    "worker relay#2",
];

/// The processes of liveness mode: three workers of all roles, one of which stays unaffected.
pub const LIVENESS: [&str; 5] = ["payments", "api", "worker#1", "worker#2", "worker#3"];

/// The processes of scaling mode: ten workers of all roles.
pub const SCALING: [&str; 12] = [
    "payments",
    "api",
    "worker#1",
    "worker#2",
    "worker#3",
    "worker#4",
    "worker#5",
    "worker#6",
    "worker#7",
    "worker#8",
    "worker#9",
    "worker#10",
];

/// The processes of rolling mode, as Kubernetes runs them: two of each.
pub const ROLLING: [&str; 12] = [
    "payments#1",
    "payments#2",
    "api#1",
    "api#2",
    "worker saga#1",
    "worker saga#2",
    "worker payments#1",
    "worker payments#2",
    "worker async#1",
    "worker async#2",
    "worker relay#1",
    "worker relay#2",
];

/// The clients, as one end of a link.
pub const CLIENTS: &str = "clients";

/// The time window of a round in which faults may begin.
const WINDOW_MS: u64 = 8_000;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// An orderly stop (RabbitMQ), or one as after a crash (`pg_ctl -m immediate`).
    Stop,
    /// SIGKILL, with its children.
    Kill,
}

/// A connection between two parts of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkLink {
    /// The connecting side.
    pub from: &'static str,
    /// The side that it connects to.
    pub to: Upstream,
}

/// A fault, most of which end after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL; started again after `down`.
    Kill {
        /// The process.
        process: &'static str,
        /// How long it is down.
        down: Duration,
    },
    /// SIGTERM; started again once it has ended.
    Stop {
        /// The process.
        process: &'static str,
    },
    /// SIGTERM, after which it must shut down cleanly; started again after `down`.
    Retire {
        /// The process.
        process: &'static str,
        /// How long it is down.
        down: Duration,
    },
    /// A new process is started and becomes ready, takes the old one's place at the load balancer,
    /// and only then the old one gets SIGTERM, after which it must shut down cleanly
    /// (`maxUnavailable: 0`).
    Replace {
        /// The process.
        process: &'static str,
    },
    /// SIGSTOP; SIGCONT after `time`, which is longer than a lease.
    Pause {
        /// The process.
        process: &'static str,
        /// How long it is frozen.
        time: Duration,
    },
    /// PostgreSQL stops and is started again.
    Postgres(How),
    /// RabbitMQ stops and is started again.
    RabbitMq(How),
    /// Every session of ours at PostgreSQL is ended (`pg_terminate_backend`).
    EndSessions,
    /// A link is disturbed for `time`.
    Break {
        /// The link.
        link: NetworkLink,
        /// The kind of disturbance.
        fault: Fault,
        /// Its duration.
        time: Duration,
    },
    /// A dependency cannot be used.
    Outage(Outage),
    /// SIGKILL, without a restart.
    KillForGood {
        /// The process.
        process: &'static str,
    },
    /// A link is disturbed for good.
    BreakForGood {
        /// The link.
        link: NetworkLink,
        /// The kind of disturbance.
        fault: Fault,
    },
}

/// A scheduled fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Time since the beginning of the round.
    pub at: Duration,
    /// The fault.
    pub act: Act,
}

/// All faults of a round; after them the system is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Ordered by their start.
    pub events: Vec<Event>,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, event) in self.events.iter().enumerate() {
            let before = if number == 0 { "" } else { "; " };
            write!(f, "{before}{:.1} s {:?}", event.at.as_secs_f64(), event.act)?;
        }
        Ok(())
    }
}

/// The round with this number.
pub fn round(mode: Mode, seed: u64, number: u64) -> Round {
    let mut random = Random::new(seed, &[mode as u64, number]);
    let mut events = match mode {
        Mode::Safety => safety(&mut random),
        Mode::Liveness => liveness(&mut random),
        Mode::Scaling => scaling(&mut random),
        Mode::Rolling => rolling(&mut random),
        Mode::Outages => outages::outages(&mut random),
    };
    events.sort_by_key(|event| event.at);
    Round { events }
}

fn safety(random: &mut Random) -> Vec<Event> {
    let mut events = Vec::new();
    let mut add = |random: &mut Random, act| {
        let at = random.millis(0, WINDOW_MS);
        events.push(Event { at, act });
    };
    // at most one server per round: it takes seconds to come back
    let server = match random.below(6) {
        0 => Some(Act::Postgres(How::Stop)),
        1 => Some(Act::Postgres(How::Kill)),
        2 => Some(Act::RabbitMq(How::Stop)),
        3 => Some(Act::RabbitMq(How::Kill)),
        _ => None,
    };
    if let Some(act) = server {
        add(random, act);
    }
    for _ in 0..4 + random.below(4) {
        let process = random.pick(&SAFETY);
        let act = match random.below(100) {
            0..25 => Act::Kill {
                process,
                down: random.millis(50, 1_500),
            },
            25..32 => Act::Stop { process },
            32..47 => Act::Pause {
                process,
                time: random.millis(2_000, 4_000),
            },
            47..52 => Act::EndSessions,
            _ => {
                let link = any_link(random);
                Act::Break {
                    link,
                    fault: any_fault(random, link.to),
                    time: random.millis(300, 4_000),
                }
            }
        };
        add(random, act);
    }
    events
}

fn liveness(random: &mut Random) -> Vec<Event> {
    let mut workers = LIVENESS[2..].to_vec();
    let dead = random.pick(&workers);
    workers.retain(|worker| *worker != dead);
    let half = random.pick(&workers);
    let link = random.pick(&[
        NetworkLink {
            from: half,
            to: Upstream::Postgres,
        },
        NetworkLink {
            from: half,
            to: Upstream::RabbitMq,
        },
        NetworkLink {
            from: half,
            to: Upstream::Payments,
        },
        NetworkLink {
            from: "api",
            to: Upstream::Payments,
        },
    ]);
    let fault = random.pick(&[Fault::Stall, Fault::StallRequests, Fault::StallAnswers]);
    let moment = |random: &mut Random| random.millis(3_000, 6_000);
    vec![
        Event {
            at: moment(random),
            act: Act::KillForGood { process: dead },
        },
        Event {
            at: moment(random),
            act: Act::BreakForGood { link, fault },
        },
    ]
}

/// Kills, stops and starts workers like a flapping autoscaler.
fn scaling(random: &mut Random) -> Vec<Event> {
    let one = |random: &mut Random| {
        let process = random.pick(&SCALING[2..]);
        let down = random.millis(100, 5_000);
        let act = if random.chance(60) {
            Act::Kill { process, down }
        } else {
            Act::Retire { process, down }
        };
        let at = random.millis(0, WINDOW_MS);
        Event { at, act }
    };
    (0..8 + random.below(7)).map(|_| one(random)).collect()
}

/// Replaces all processes at once, as a new release does, but the replicas of a role one after the
/// other.
fn rolling(random: &mut Random) -> Vec<Event> {
    let one = |(index, process): (usize, &&'static str)| {
        let from = if index % 2 == 0 { 0 } else { WINDOW_MS };
        let at = random.millis(from, from + WINDOW_MS / 2);
        let act = Act::Replace { process };
        Event { at, act }
    };
    ROLLING.iter().enumerate().map(one).collect()
}

/// The upstreams that a process connects to, except its load balancer.
fn upstreams(process: &str) -> &'static [Upstream] {
    match process {
        "api" => &[Upstream::Postgres, Upstream::Payments],
        "payments" => &[Upstream::Postgres, Upstream::RabbitMq, Upstream::Api],
        CLIENTS => &[Upstream::Api, Upstream::Payments],
        "worker relay#2" => &[Upstream::Postgres, Upstream::RabbitMq],
        _ => &[Upstream::Postgres, Upstream::RabbitMq, Upstream::Payments],
    }
}

fn any_link(random: &mut Random) -> NetworkLink {
    let mut ends = SAFETY.to_vec();
    ends.push(CLIENTS);
    let from = random.pick(&ends);
    let to = random.pick(upstreams(from));
    NetworkLink { from, to }
}

fn any_fault(random: &mut Random, to: Upstream) -> Fault {
    if to == Upstream::Postgres && random.chance(30) {
        return Fault::CutAtCommit;
    }
    let slow = Fault::SlowAnswers(random.millis(20, 1_200));
    random.pick(&[
        slow,
        Fault::Stall,
        Fault::StallRequests,
        Fault::StallAnswers,
        Fault::NoAnswers,
        Fault::NoRequests,
        Fault::Cut,
        Fault::Reset,
        Fault::CutAnswers,
    ])
}

#[cfg(test)]
mod tests;
