//! The running processes: `.dev/processes.json` (role → process id, for people and scripts) and,
//! beside it, the start times that distinguish a process from a later one with the same id.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use servers::{Process, Result};

use crate::{Doing, cargo::dev_dir};

fn file() -> PathBuf {
    dev_dir().join("processes.json")
}

/// One line per process, in start order: role, process id, start time.
const STARTS: &str = "processes.starts";

fn starts() -> PathBuf {
    dev_dir().join(STARTS)
}

/// The recorded processes that are still alive.
pub(crate) fn read() -> Vec<(String, Process)> {
    read_in(&dev_dir())
}

/// The recorded processes in another system's folder that are still alive.
pub(crate) fn read_in(dir: &Path) -> Vec<(String, Process)> {
    let text = fs::read_to_string(dir.join(STARTS)).unwrap_or_default();
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        let role = words.next()?.to_owned();
        let pid = words.next()?.parse().ok()?;
        let started = words.next()?.parse().ok()?;
        Some((role, Process { pid, started }))
    };
    text.lines()
        .filter_map(process)
        .filter(|(_, process)| process.is_alive())
        .collect()
}

pub(crate) fn write(processes: &[(String, Process)]) -> Result<()> {
    let lines: String = processes
        .iter()
        .map(|(role, process)| format!("{role} {} {}\n", process.pid, process.started))
        .collect();
    fs::write(starts(), lines).doing("write .dev/processes.starts")?;
    let pids: BTreeMap<_, _> = processes
        .iter()
        .map(|(role, process)| (role, process.pid))
        .collect();
    let text = serde_json::to_string_pretty(&pids).doing("write .dev/processes.json")?;
    fs::write(file(), text + "\n").doing("write .dev/processes.json")
}

pub(crate) fn forget() {
    for file in [starts(), file()] {
        // the file may never have been written
        fs::remove_file(file).ok();
    }
}
