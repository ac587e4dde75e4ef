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

/// A process that we started, known by its id and its start time: a recycled id is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Clock ticks between boot and its start, as in `/proc/PID/stat`.
    pub started: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|(_, started)| Self { pid, started })
    }

    /// Whether it is still there, and not just waiting to be reaped.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state != 'Z')
    }

    /// Sends a signal, if it is still there.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().filter(|_| self.is_alive()) {
            // it may end between the look and the signal: then there is nothing to do
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Asks it to end (SIGTERM).
    pub fn signal_term(self) {
        self.signal(Signal::SIGTERM);
    }

    /// Interrupts it (SIGINT): of PostgreSQL, a fast stop.
    pub fn interrupt(self) {
        self.signal(Signal::SIGINT);
    }

    /// Freezes it (SIGSTOP).
    pub fn freeze(self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn thaw(self) {
        self.signal(Signal::SIGCONT);
    }

    /// SIGTERM; after `grace`, SIGKILL. Returns whether it ended by itself.
    pub fn terminate(self, grace: Duration) -> bool {
        self.signal(Signal::SIGTERM);
        let ended = self.wait(grace);
        if !ended {
            self.kill();
        }
        ended
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(5));
    }

    /// Waits until it is gone, at most so long. Returns whether it is.
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

    /// The processes that it started and that are still its own.
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
    // the name, in brackets, may hold anything
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Ports that no system hands out to connections by itself: whoever leaves one for a moment gets it
/// back.
const PORTS: Range<u16> = 10_000..32_000;

/// A port of loopback that is free now; this process gets each only once in a long time.
///
/// # Errors
/// When there is none.
pub fn free_port() -> crate::Result<u16> {
    /// Where to look next; two processes begin at different places.
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

/// Whether nobody listens on this port of loopback.
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
