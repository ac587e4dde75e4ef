//! What goes wrong, and when: a pure function of the seed.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use testkit::{Fault, Upstream};

use crate::random::Random;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rounds of faults that end: afterwards all must come to rest, and nothing be lost.
    Safety,
    /// Faults for good, in a part: all must come to rest in spite of them.
    Liveness,
}

/// The processes of safety mode: each part, with more than one worker of each role.
pub const SAFETY: [&str; 5] = [
    "payments",
    "api",
    "worker",
    "worker saga payments#2",
    "worker relay#2",
];

/// The processes of liveness mode: three workers of all roles, one of which stays whole.
pub const LIVENESS: [&str; 5] = ["payments", "api", "worker#1", "worker#2", "worker#3"];

/// The clients, as one end of a link.
pub const CLIENTS: &str = "clients";

/// How long faults may begin in a round.
const WINDOW_MS: u64 = 8_000;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// In order (RabbitMQ), or as if it had crashed (`pg_ctl -m immediate`).
    Stop,
    /// SIGKILL, with its children.
    Kill,
}

/// One end and the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Who reaches for something.
    pub from: &'static str,
    /// What for.
    pub to: Upstream,
}

/// Something that goes wrong, and is over after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL; started again after `down`.
    Kill {
        /// Which process.
        process: &'static str,
        /// How long it is gone.
        down: Duration,
    },
    /// SIGTERM; started again once it has ended.
    Stop {
        /// Which process.
        process: &'static str,
    },
    /// SIGSTOP; SIGCONT after `time`, which is longer than a lease.
    Pause {
        /// Which process.
        process: &'static str,
        /// How long it is frozen.
        time: Duration,
    },
    /// PostgreSQL ends and is started again.
    Postgres(How),
    /// RabbitMQ ends and is started again.
    RabbitMq(How),
    /// Every session of ours at PostgreSQL is ended (`pg_terminate_backend`).
    EndSessions,
    /// A link misbehaves for `time`.
    Break {
        /// Which.
        link: Link,
        /// How.
        fault: Fault,
        /// For how long.
        time: Duration,
    },
    /// SIGKILL, for good.
    KillForGood {
        /// Which process.
        process: &'static str,
    },
    /// A link misbehaves for good.
    BreakForGood {
        /// Which.
        link: Link,
        /// How.
        fault: Fault,
    },
}

/// What goes wrong at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// From the round's beginning.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// Everything that goes wrong before things are left in peace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// In the order of their beginning.
    pub events: Vec<Event>,
}

/// The round of this number.
pub fn round(mode: Mode, seed: u64, number: u64) -> Round {
    let mut random = Random::new(seed, &[mode as u64, number]);
    let mut events = match mode {
        Mode::Safety => safety(&mut random),
        Mode::Liveness => liveness(&mut random),
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
    // at most one server a round: it takes seconds to come back
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
        Link {
            from: half,
            to: Upstream::Postgres,
        },
        Link {
            from: half,
            to: Upstream::RabbitMq,
        },
        Link {
            from: half,
            to: Upstream::Payments,
        },
        Link {
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

/// What a process talks to, besides what stands before it.
fn upstreams(process: &str) -> &'static [Upstream] {
    match process {
        "api" => &[Upstream::Postgres, Upstream::Payments],
        "payments" => &[Upstream::Postgres, Upstream::RabbitMq, Upstream::Api],
        CLIENTS => &[Upstream::Api, Upstream::Payments],
        "worker relay#2" => &[Upstream::Postgres, Upstream::RabbitMq],
        _ => &[Upstream::Postgres, Upstream::RabbitMq, Upstream::Payments],
    }
}

fn any_link(random: &mut Random) -> Link {
    let mut ends = SAFETY.to_vec();
    ends.push(CLIENTS);
    let from = random.pick(&ends);
    let to = random.pick(upstreams(from));
    Link { from, to }
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rounds(mode: Mode, seed: u64) -> Vec<Round> {
        (0..20).map(|number| round(mode, seed, number)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another_one() {
        for mode in [Mode::Safety, Mode::Liveness] {
            assert_eq!(rounds(mode, 7), rounds(mode, 7));
            assert_ne!(rounds(mode, 7), rounds(mode, 8));
        }
        let first = |seed| format!("{:?}", round(Mode::Safety, seed, 0));
        let all: BTreeSet<_> = (0..100).map(first).collect();
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn the_schedule_of_a_seed_is_the_same_in_every_version() {
        let round = round(Mode::Liveness, 1, 0);
        let acts: Vec<_> = round
            .events
            .iter()
            .map(|event| format!("{:?}", event.act))
            .collect();
        assert_eq!(acts, PINNED);
    }

    /// Changes only on purpose: a seed that somebody wrote down must still tell the same story.
    const PINNED: [&str; 2] = [
        r#"KillForGood { process: "worker#1" }"#,
        r#"BreakForGood { link: Link { from: "worker#3", to: Payments }, fault: Stall }"#,
    ];

    #[test]
    fn every_kind_of_act_process_and_fault_comes_up() {
        let acts: Vec<_> = (0..50)
            .flat_map(|seed| rounds(Mode::Safety, seed))
            .flat_map(|round| round.events)
            .map(|event| format!("{:?}", event.act))
            .collect();
        let wanted = SAFETY.into_iter().chain([
            "Kill {",
            "Stop {",
            "Pause",
            "Postgres(Stop)",
            "Postgres(Kill)",
            "RabbitMq(Stop)",
            "RabbitMq(Kill)",
            "EndSessions",
            "clients",
            "SlowAnswers",
            "Stall,",
            "StallRequests",
            "StallAnswers",
            "NoAnswers",
            "NoRequests",
            "Cut,",
            "Reset",
            "CutAnswers",
            "CutAtCommit",
        ]);
        for part in wanted {
            assert!(acts.iter().any(|act| act.contains(part)), "{part}");
        }
    }

    #[test]
    fn a_round_ends_all_that_it_breaks_and_liveness_leaves_one_worker_whole() {
        for seed in 0..200 {
            for event in round(Mode::Safety, seed, 0).events {
                let for_good = matches!(
                    event.act,
                    Act::KillForGood { .. } | Act::BreakForGood { .. }
                );
                assert!(!for_good, "{event:?}");
            }
            let hit: BTreeSet<_> = round(Mode::Liveness, seed, 0)
                .events
                .iter()
                .map(|event| match event.act {
                    Act::KillForGood { process } => process,
                    Act::BreakForGood { link, .. } => link.from,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(hit.len(), 2, "two different ones");
            assert!(LIVENESS[2..].iter().any(|worker| !hit.contains(worker)));
        }
    }
}
