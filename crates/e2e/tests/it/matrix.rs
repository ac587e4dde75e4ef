//! The crash matrix: the real processes, killed by SIGKILL at every crash point.
//!
//! A record run plays everything once and lists the points that each process passes. Then follows
//! one run per process and point, in each direction (forward, compensating), at the first and at
//! the second hit: the process kills itself there and is restarted, the system settles, and the
//! test checks all invariants and every answer that clients got. A point that does not fire is a
//! failure. `cargo xtask test` runs the first hits; `--wide` runs all, and writes the table.
//!
//! The same beside a payments service of level 1: there each play is killed where the contract's
//! levels differ, and `cargo xtask test` runs only those kills.

mod client;
mod plays;
mod rig;
mod table;

use std::collections::BTreeSet;

use crashpoint::POINTS;

use plays::{Direction, Play};
use rig::{Point, Rig};
use table::{Row, Table};

/// The payments service of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Ours, whose processes are killed, too.
    Ours,
    /// One of level 1.
    Level1,
}

impl Service {
    /// The points that the plays of checkout pass beside it.
    fn points(self) -> BTreeSet<&'static str> {
        let elsewhere = ["payments.", "auth.", "api.register.", "events.verify."];
        let passed = |name: &&str| {
            self == Self::Ours || !elsewhere.iter().any(|begin| name.starts_with(begin))
        };
        POINTS
            .iter()
            .map(|(name, _)| *name)
            .filter(passed)
            .collect()
    }

    fn plays(self) -> &'static [Play] {
        match self {
            Self::Ours => &Play::OURS,
            Self::Level1 => &Play::LEVEL_1,
        }
    }

    /// Whether each play is killed at this point, not only the first one of a direction.
    fn differs_at(self, point: &Point) -> bool {
        let begin = ["checkout.adopt.", "saga.undo."];
        self == Self::Level1 && begin.iter().any(|begin| point.name.starts_with(begin))
    }
}

/// One kill.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    play: Play,
    point: Point,
    hit: u32,
}

/// For each point and direction, the first play that passes it, at both hits; each play where the
/// service differs.
fn runs(service: Service, passed: &[(Play, BTreeSet<Point>)]) -> Vec<Run> {
    let mut runs = Vec::<Run>::new();
    for (play, points) in passed {
        for point in points {
            let there = |run: &Run| {
                run.point == *point
                    && run.play.direction() == play.direction()
                    && !service.differs_at(point)
            };
            if !runs.iter().any(there) {
                runs.extend([1, 2].map(|hit| Run {
                    play: *play,
                    point: point.clone(),
                    hit,
                }));
            }
        }
    }
    runs
}

/// The selection of the usual test run beside a service of level 1: what differs there.
fn differences(runs: &[Run]) -> Vec<Run> {
    let wanted = |run: &&Run| {
        let differs = Service::Level1.differs_at(&run.point) && run.point.role == "worker";
        let first = run.play == Play::Pay && run.point.name.starts_with("checkout.adopt.");
        let verified = run.point.name.starts_with("events.");
        run.hit == 1 && (differs || first || verified)
    };
    runs.iter().filter(wanted).cloned().collect()
}

/// The selection of the usual test run: each point once.
fn first_hits(runs: &[Run]) -> Vec<Run> {
    let forward = |run: &Run| run.play.direction() == Direction::Forward;
    let only_here = |run: &Run| {
        !runs
            .iter()
            .any(|other| forward(other) && other.point == run.point)
    };
    let wanted = |run: &&Run| run.hit == 1 && (forward(run) || only_here(run));
    runs.iter().filter(wanted).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_crash_point_loses_nothing() {
    let points = Box::pin(kill_at_each_point(Service::Ours, first_hits)).await;
    assert!(points >= 40, "{points} points");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_beside_level_1_payments_loses_nothing() {
    let points = Box::pin(kill_at_each_point(Service::Level1, differences)).await;
    assert!(points >= 8, "{points} points");
}

/// Kills at each point, or at those that `selected` leaves of them; returns their number.
async fn kill_at_each_point(service: Service, selected: fn(&[Run]) -> Vec<Run>) -> usize {
    let wide = std::env::var_os("TEST_WIDE").is_some();
    let start = |deadline| Rig::start(service, deadline);
    let (plain, hasty) = tokio::join!(start(None), start(Some(300)));
    let (mut rigs, mut passed) = ([plain, start(None).await, hasty], Vec::new());
    for play in service.plays().iter().copied() {
        let rig = &mut rigs[play.rig()];
        passed.push((play, rig.record(play).await));
    }
    let all = runs(service, &passed);
    let hit: BTreeSet<_> = all.iter().map(|run| run.point.name.as_str()).collect();
    assert_eq!(
        hit,
        service.points(),
        "the plays pass every point that there is"
    );

    let todo = if wide { all.clone() } else { selected(&all) };
    let lane = async |number: usize, rig: &Rig| {
        let mut rows = Vec::new();
        for run in todo.iter().filter(|run| run.play.rig() == number) {
            rows.push(Row {
                settled_after: rig.crash(run.play, &run.point, run.hit).await,
                run: run.clone(),
            });
        }
        rows
    };
    // on two cores, the short third lane follows the second
    let second_and_third = async {
        let mut rows = lane(1, &rigs[1]).await;
        rows.extend(lane(2, &rigs[2]).await);
        rows
    };
    let (mut rows, rest) = tokio::join!(lane(0, &rigs[0]), second_and_third);
    rows.extend(rest);
    assert_eq!(rows.len(), todo.len());
    let points: BTreeSet<_> = rows.iter().map(|row| &row.run.point).collect();
    let points = points.len();
    eprintln!("{} kills at {points} points", rows.len());
    let table = Table { service, rows };
    if wide {
        table.write();
    }
    table.assert_names(all.iter().map(|run| &run.point));
    points
}
