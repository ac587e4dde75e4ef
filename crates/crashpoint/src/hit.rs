use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use nix::sys::signal::{Signal, raise};

static DIR: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os("CRASH_DIR").map(PathBuf::from));

/// Serializes counting, so that the n-th hit is exactly one hit.
static COUNTING: Mutex<()> = Mutex::new(());

/// Passes a crash point; called through [`crate::crash_point!`].
///
/// # Panics
/// When `CRASH_DIR` cannot be written to.
pub fn hit(name: &str) {
    let Some(dir) = DIR.as_deref() else {
        return;
    };
    let counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut hits = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("hits"))
        .expect("CRASH_DIR is a folder of the test's own");
    writeln!(hits, "{name}").expect("CRASH_DIR is a folder of the test's own");
    let signal = ordered(&dir.join("at"), name);
    drop(counting); // a frozen thread must not block the other threads' counting
    if let Some(signal) = signal {
        // raised on this thread, which then stops here; a signal to the process could reach another
        // thread first
        raise(signal).expect("a process may always signal itself");
    }
}

/// Returns the signal that is due now; otherwise decrements the remaining hits.
fn ordered(at: &Path, name: &str) -> Option<Signal> {
    let order = fs::read_to_string(at).ok()?;
    let mut words = order.split_whitespace();
    let (signal, point, left) = (words.next()?, words.next()?, words.next()?);
    if point != name {
        return None;
    }
    let left: u32 = left.parse().ok()?;
    if left > 1 {
        fs::write(at, format!("{signal} {point} {}", left - 1))
            .expect("CRASH_DIR is a folder of the test's own");
        return None;
    }
    fs::remove_file(at).expect("CRASH_DIR is a folder of the test's own");
    signal.parse().ok()
}
