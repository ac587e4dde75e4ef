//! The crash matrix: the real processes, killed by SIGKILL at every crash point.
//!
//! A record run plays everything once and lists the points that each process passes. Then follows
//! one run per process and point, in each direction (forward, compensating), at the first and at
//! the second hit: the process kills itself there and is restarted, the system settles, and the
//! test checks all invariants and every answer that clients got. A point that does not fire is a
//! failure. `cargo xtask test` runs the first hits; `--wide` runs all, and writes the table.

mod client;
mod plays;
mod rig;
mod table;

use std::collections::BTreeSet;

use crashpoint::POINTS;

use plays::{Direction, Play};
use rig::{Point, Rig};
use table::{Row, Table};

/// One kill.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    play: Play,
    point: Point,
    hit: u32,
}

/// For each point and direction, the first play that passes it, at both hits.
fn runs(passed: &[(Play, BTreeSet<Point>)]) -> Vec<Run> {
    let mut runs = Vec::<Run>::new();
    for (play, points) in passed {
        for point in points {
            let there = |run: &Run| run.point == *point && run.play.direction() == play.direction();
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
async fn a_process_killed_at_any_crash_point_loses_nothing_and_everything_comes_to_rest() {
    let wide = std::env::var_os("TEST_WIDE").is_some();
    let (plain, hasty) = tokio::join!(Rig::start(None), Rig::start(Some(300)));
    let (mut rigs, mut passed) = ([plain, Rig::start(None).await, hasty], Vec::new());
    for play in Play::ALL {
        let rig = &mut rigs[play.rig()];
        passed.push((play, rig.record(play).await));
    }
    let all = runs(&passed);
    let hit: BTreeSet<_> = all.iter().map(|run| run.point.name.as_str()).collect();
    let listed: BTreeSet<_> = POINTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(hit, listed, "the plays pass every point that there is");

    let todo = if wide { all.clone() } else { first_hits(&all) };
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
    assert!(points.len() >= 40, "{} points", points.len());
    eprintln!("{} kills at {} points", rows.len(), points.len());
    if wide {
        Table(rows).write();
    }
    Table::assert_names(all.iter().map(|run| &run.point));
}
