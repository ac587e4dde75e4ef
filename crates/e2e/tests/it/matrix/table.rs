//! The table in the documentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::PathBuf,
    time::Duration,
};

use crashpoint::POINTS;

use super::{Run, plays::Direction, rig::Point};
use crate::layout::root;

/// A survived kill.
pub(super) struct Row {
    pub(super) run: Run,
    pub(super) settled_after: Duration,
}

pub(super) struct Table(pub(super) Vec<Row>);

const COLUMNS: [(Direction, u32); 4] = [
    (Direction::Forward, 1),
    (Direction::Forward, 2),
    (Direction::Compensating, 1),
    (Direction::Compensating, 2),
];

fn path() -> PathBuf {
    root().join("docs/reliability/crash-matrix.md")
}

fn first_cells(point: &Point) -> String {
    format!("| {} | `{}` |", point.role, point.name)
}

impl Table {
    /// Checks that the table of the last wide run contains every point.
    pub(super) fn assert_names<'a>(points: impl Iterator<Item = &'a Point>) {
        let table = fs::read_to_string(path()).unwrap_or_default();
        let missing: BTreeSet<_> = points
            .filter(|point| !table.contains(&first_cells(point)))
            .collect();
        assert!(
            missing.is_empty(),
            "not in {}: {missing:#?}; `cargo xtask test --wide -p e2e -- matrix::` writes it",
            path().display()
        );
    }

    pub(super) fn write(&self) {
        fs::create_dir_all(path().parent().unwrap()).unwrap();
        fs::write(path(), self.render()).unwrap();
    }

    fn render(&self) -> String {
        let mut cells = BTreeMap::<&Point, [Option<&Row>; 4]>::new();
        for row in &self.0 {
            let column = COLUMNS
                .iter()
                .position(|column| *column == (row.run.play.direction(), row.run.hit));
            cells.entry(&row.run.point).or_default()[column.unwrap()] = Some(row);
        }
        let mut times: Vec<_> = self.0.iter().map(|row| row.settled_after).collect();
        times.sort();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        let names: BTreeSet<_> = cells.keys().map(|point| &point.name).collect();
        let mut page = format!(
            "# Crash matrix\n\n\
             Written by `cargo xtask test --wide -p e2e -- matrix::`; do not edit.\n\n\
             Each cell is one run of the real processes. The process killed itself with SIGKILL at the first or\n\
             second hit of the point and was started again. The cell names the play and the milliseconds from the\n\
             process' death until the system came to rest. Then every invariant held; every order that a client\n\
             had an answer for (201, 202) existed in the right state, one for each idempotency key; every mail was\n\
             recorded once; and every message that no consumer understands was in `failed`. A dash means that no\n\
             play of that direction passes the point in that process.\n\n\
             **{} kills at {} points ({} names), 0 violations.** To rest: {} ms in the median, {} ms at most, in debug\n\
             builds on two busy cores, with leases of 300 ms (sagas) and 800 ms (relay).\n\n\
             | process | point | where | forward, 1st | forward, 2nd | compensating, 1st | compensating, 2nd |\n\
             |---|---|---|---|---|---|---|\n",
            self.0.len(),
            cells.len(),
            names.len(),
            median.as_millis(),
            longest.as_millis(),
        );
        for (point, rows) in cells {
            let place = POINTS.iter().find(|(name, _)| *name == point.name);
            write!(page, "{} {} |", first_cells(point), place.unwrap().1).unwrap();
            for row in rows {
                match row {
                    Some(row) => write!(
                        page,
                        " {}: {} |",
                        row.run.play.name(),
                        row.settled_after.as_millis()
                    ),
                    None => write!(page, " – |"),
                }
                .unwrap();
            }
            page.push('\n');
        }
        page
    }
}
