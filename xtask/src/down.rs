//! `cargo xtask down`: stops the running system in order: the shop's processes first, then the
//! servers.

use std::time::Duration;

use servers::{Process, RabbitMq};

use crate::{cargo::dev_dir, processes};

/// Longer than a worker takes to finish its work in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);

pub(crate) fn run() {
    let running = processes::read();
    if running.is_empty() {
        eprintln!("no process runs");
    }
    stop(&running);
}

/// Stops everything, the most recently started first.
pub(crate) fn stop(running: &[(String, Process)]) {
    let is_server = |role: &str| role == "postgres" || role == "rabbitmq";
    let ours: Vec<_> = running
        .iter()
        .filter(|(role, _)| !is_server(role))
        .collect();
    for (_, process) in &ours {
        process.signal_term();
    }
    for (role, process) in ours.iter().rev() {
        if !process.wait(STOP_TIMEOUT) {
            eprintln!("{role} did not end within {STOP_TIMEOUT:?}: killing it");
            process.kill();
        }
    }
    for (role, process) in running.iter().rev().filter(|(role, _)| is_server(role)) {
        eprintln!("stopping {role}");
        if role == "rabbitmq" {
            RabbitMq::stop_detached(&dev_dir().join("rabbitmq"), *process);
        } else {
            process.interrupt();
            process.wait(STOP_TIMEOUT);
            process.kill();
        }
    }
    processes::forget();
}
