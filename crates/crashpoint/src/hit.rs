use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use nix::sys::signal::{Signal, raise};

static DIR: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os("CRASH_DIR").map(PathBuf::from));

/// Counting is one at a time, so that the n-th hit is one hit.
static COUNTING: Mutex<()> = Mutex::new(());

/// Passes a point: see [`crate::crash_point!`], which is how it is called.
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
    drop(counting); // who is frozen here does not freeze the others' counting
    if let Some(signal) = signal {
        // to this thread, which then goes no further; sent to the process, another could take it first
        raise(signal).expect("a process may always signal itself");
    }
}

/// The signal that is due now, if one is; else one hit less is to go.
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
