//! `.dev/processes.json`: what runs, role by role, in the order in which it was started.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value, json};
use servers::{Process, Result};

use crate::{Doing, cargo::dev_dir};

pub(crate) fn file() -> PathBuf {
    dev_dir().join("processes.json")
}

/// What was written down; processes that ended since are left out.
pub(crate) fn read() -> Vec<(String, Process)> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let Ok(Value::Object(roles)) = serde_json::from_str(&text) else {
        return Vec::new();
    };
    let order = |value: &Value| value["order"].as_u64().unwrap_or_default();
    let mut roles: Vec<_> = roles.into_iter().collect();
    roles.sort_by_key(|(_, value)| order(value));
    let process = |value: &Value| {
        let pid = u32::try_from(value["pid"].as_u64()?).ok()?;
        Some(Process {
            pid,
            started: value["started"].as_u64()?,
        })
    };
    roles
        .into_iter()
        .filter_map(|(role, value)| Some((role, process(&value)?)))
        .filter(|(_, process)| process.is_alive())
        .collect()
}

pub(crate) fn write(processes: &[(String, Process)]) -> Result<()> {
    let roles: Map<_, _> = processes
        .iter()
        .enumerate()
        .map(|(order, (role, process))| {
            (
                role.clone(),
                json!({"pid": process.pid, "started": process.started, "order": order}),
            )
        })
        .collect();
    let text =
        serde_json::to_string_pretty(&Value::Object(roles)).doing("write .dev/processes.json")?;
    fs::write(file(), text + "\n").doing("write .dev/processes.json")
}
