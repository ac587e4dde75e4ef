//! The running processes: `.dev/processes.json` (role → process id, for people and scripts) and,
//! beside it, a mark of this system and the start times that distinguish a process from a later one
//! with the same id.
//!
//! A copy of the folder, and a later boot of the machine, have another mark: neither may stop what
//! runs here.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use servers::{Process, Result};

use crate::{Doing, cargo::dev_dir};

fn file() -> PathBuf {
    dev_dir().join("processes.json")
}

/// The mark of the system, then one line per process, in start order: role, process id, start time.
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
    let Some((marked, text)) = text.split_once('\n') else {
        return Vec::new();
    };
    if !mark(dir).is_ok_and(|mark| mark == marked) {
        return Vec::new();
    }
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

/// Identifies this system: the folder's path and inode, and the nonce of this boot.
fn mark(dir: &Path) -> std::io::Result<String> {
    let (path, folder) = (dir.canonicalize()?, dir.metadata()?);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let (device, inode) = (folder.dev(), folder.ino());
    Ok(format!(
        "system {} {device}:{inode} {}",
        boot.trim(),
        path.display()
    ))
}

fn write_starts(dir: &Path, processes: &[(String, Process)]) -> std::io::Result<()> {
    let lines: String = processes
        .iter()
        .map(|(role, process)| format!("{role} {} {}\n", process.pid, process.started))
        .collect();
    fs::write(dir.join(STARTS), format!("{}\n{lines}", mark(dir)?))
}

pub(crate) fn write(processes: &[(String, Process)]) -> Result<()> {
    write_starts(&dev_dir(), processes).doing("write .dev/processes.starts")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_folder_and_another_boot_have_no_processes_here() {
        let folder = std::env::temp_dir().join(format!("processes-{}", std::process::id()));
        let (original, copy) = (folder.join("original"), folder.join("copy"));
        for dir in [&original, &copy] {
            fs::create_dir_all(dir).unwrap();
        }
        let ours = Process::of(std::process::id()).unwrap();
        let all = [("api".to_owned(), ours)];
        write_starts(&original, &all).unwrap();
        assert_eq!(read_in(&original), all);
        fs::copy(original.join(STARTS), copy.join(STARTS)).unwrap();
        assert_eq!(read_in(&copy), []);
        // the copy takes the original's place
        fs::remove_dir_all(&original).unwrap();
        fs::rename(&copy, &original).unwrap();
        assert_eq!(read_in(&original), []);
        write_starts(&original, &all).unwrap();
        let text = fs::read_to_string(original.join(STARTS)).unwrap();
        let boot = text.split(' ').nth(1).unwrap();
        let other = text.replace(boot, "00000000-0000-0000-0000-000000000000");
        fs::write(original.join(STARTS), other).unwrap();
        assert_eq!(read_in(&original), []);
        fs::remove_dir_all(&folder).unwrap();
    }
}
