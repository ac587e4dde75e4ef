use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A process that we started, identified by its id and its start time, so that a recycled id does
/// not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from boot to the process' start, as in `/proc/PID/stat`.
    pub started: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|(_, started)| Self { pid, started })
    }

    /// Whether the process still runs, and is not just waiting to be reaped.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state != 'Z')
    }

    /// Sends a signal, if the process still runs.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().filter(|_| self.is_alive()) {
            // the process may end between the check and the signal: then nothing is left to do
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Asks the process to end (SIGTERM).
    pub fn signal_term(self) {
        self.signal(Signal::SIGTERM);
    }

    /// Interrupts the process (SIGINT): for PostgreSQL, a fast stop.
    pub fn interrupt(self) {
        self.signal(Signal::SIGINT);
    }

    /// Freezes the process (SIGSTOP).
    pub fn freeze(self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Resumes a frozen process (SIGCONT).
    pub fn thaw(self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends SIGTERM and, after `grace`, SIGKILL. Returns whether the process ended before SIGKILL.
    pub fn terminate(self, grace: Duration) -> bool {
        self.signal(Signal::SIGTERM);
        let ended = self.wait(grace);
        if !ended {
            self.kill();
        }
        ended
    }

    /// Sends SIGKILL, and waits until the process is gone.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(5));
    }

    /// Waits for at most `limit` until the process is gone. Returns whether it is gone.
    pub fn wait(self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// The process' children.
    pub fn children(self) -> Vec<Self> {
        let list = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid))
            .unwrap_or_default();
        list.split_whitespace()
            .filter_map(|pid| Self::of(pid.parse().ok()?))
            .collect()
    }
}

fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name, in brackets, may contain any character
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Ports outside the range that the system assigns to connections: a server that releases such a
/// port for a moment gets it back.
const PORTS: Range<u16> = 10_000..32_000;

/// Finds a free port of loopback; this process does not return the same port again for a long time.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> crate::Result<u16> {
    /// The next offset to try; each process begins at a different one.
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let span = u32::from(PORTS.end - PORTS.start);
    let next = NEXT.get_or_init(|| AtomicU32::new(std::process::id().wrapping_mul(7919)));
    for _ in 0..span {
        let offset = next.fetch_add(1, Ordering::Relaxed) % span;
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        if port_is_free(port) {
            return Ok(port);
        }
    }
    crate::failed("find a free port", format!("none of {PORTS:?} is"))
}

/// Whether no process listens on this port of loopback.
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
