//! The table in the documentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::PathBuf,
    time::Duration,
};

use crashpoint::POINTS;

use super::{Run, Service, plays::Direction, rig::Point};
use crate::layout::root;

/// A survived kill.
pub(super) struct Row {
    pub(super) run: Run,
    pub(super) settled_after: Duration,
}

pub(super) struct Table {
    pub(super) service: Service,
    pub(super) rows: Vec<Row>,
}

const COLUMNS: [(Direction, u32); 4] = [
    (Direction::Forward, 1),
    (Direction::Forward, 2),
    (Direction::Compensating, 1),
    (Direction::Compensating, 2),
];

fn first_cells(point: &Point) -> String {
    format!("| {} | `{}` |", point.role, point.name)
}

impl Table {
    fn path(&self) -> PathBuf {
        root().join(match self.service {
            Service::Ours => "docs/reliability/crash-matrix.md",
            Service::Level1 => "docs/reliability/crash-matrix-level-1.md",
        })
    }

    fn title(&self) -> &'static str {
        match self.service {
            Service::Ours => "# Crash matrix\n\n",
            Service::Level1 => {
                "# Crash matrix beside a payments service of level 1\n\n\
                 The payments service offers level 1 of [the contract](../payments-contract.md) and no more. The api and\n\
                 the worker are killed. Where the levels differ (a transaction's id is stored, a creation is undone\n\
                 without a tombstone), each play is killed. *Overtake* loses the answers to a creation and pays: the\n\
                 event overtakes the answer. *Entomb* cancels an order before payments knows it.\n\n"
            }
        }
    }

    /// Checks that the table of the last wide run contains every point.
    pub(super) fn assert_names<'a>(&self, points: impl Iterator<Item = &'a Point>) {
        let table = fs::read_to_string(self.path()).unwrap_or_default();
        let missing: BTreeSet<_> = points
            .filter(|point| !table.contains(&first_cells(point)))
            .collect();
        assert!(
            missing.is_empty(),
            "not in {}: {missing:#?}; `cargo xtask test --wide -p e2e -- matrix::` writes it",
            self.path().display()
        );
    }

    pub(super) fn write(&self) {
        fs::write(self.path(), self.render()).unwrap();
    }

    fn render(&self) -> String {
        let mut cells = BTreeMap::<&Point, [Vec<&Row>; 4]>::new();
        for row in &self.rows {
            let column = COLUMNS
                .iter()
                .position(|column| *column == (row.run.play.direction(), row.run.hit));
            cells.entry(&row.run.point).or_default()[column.unwrap()].push(row);
        }
        let mut times: Vec<_> = self.rows.iter().map(|row| row.settled_after).collect();
        times.sort();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        let names: BTreeSet<_> = cells.keys().map(|point| &point.name).collect();
        let mut page = format!(
            "{}\
             Written by `cargo xtask test --wide -p e2e -- matrix::`; do not edit.\n\n\
             Each cell is one run of the real processes. The process killed itself with SIGKILL at the first or\n\
             second hit of the point and was started again. The cell names the play and the milliseconds from the\n\
             process' death until the system came to rest. Then every invariant held; every order that a client\n\
             had an answer for (201, 202) existed in the right state, one for each idempotency key; every mail was\n\
             recorded once; and `failed` held every message that no consumer understands, and no other. A dash\n\
             means that no play of that direction passes the point in that process.\n\n\
             **{} kills at {} points ({} names), 0 violations.** To rest: {} ms in the median, {} ms at most, in debug\n\
             builds on two busy cores, with leases of 300 ms (sagas) and 800 ms (relay).\n\n\
             | process | point | where | forward, 1st | forward, 2nd | compensating, 1st | compensating, 2nd |\n\
             |---|---|---|---|---|---|---|\n",
            self.title(),
            self.rows.len(),
            cells.len(),
            names.len(),
            median.as_millis(),
            longest.as_millis(),
        );
        for (point, rows) in cells {
            let place = POINTS.iter().find(|(name, _)| *name == point.name);
            write!(page, "{} {} |", first_cells(point), place.unwrap().1).unwrap();
            for rows in rows {
                let cell = |row: &&Row| {
                    format!("{}: {}", row.run.play.name(), row.settled_after.as_millis())
                };
                let cell = match rows.as_slice() {
                    [] => "–".to_owned(),
                    rows => rows.iter().map(cell).collect::<Vec<_>>().join(", "),
                };
                write!(page, " {cell} |").unwrap();
            }
            page.push('\n');
        }
        page
    }
}
