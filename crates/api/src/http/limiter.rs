use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use web::{Problem, kinds};

const WINDOW: Duration = Duration::from_mins(1);
/// Beyond this many addresses, those whose window is over are forgotten.
const MANY: usize = 10_000;

/// Counts the logins and registrations of each address in windows of a minute, in this process.
#[derive(Debug)]
pub struct Limiter {
    per_window: u32,
    seen: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Limiter {
    /// At most `per_window` a minute; 0 for any number.
    pub fn new(per_window: u32) -> Self {
        Self {
            per_window,
            seen: Mutex::default(),
        }
    }

    pub(super) fn check(&self, address: IpAddr) -> Result<(), Problem> {
        if self.per_window == 0 {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > MANY {
            seen.retain(|_, (since, _)| since.elapsed() < WINDOW);
        }
        let (since, count) = seen.entry(address).or_insert((Instant::now(), 0));
        if since.elapsed() >= WINDOW {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count <= self.per_window {
            return Ok(());
        }
        let left = WINDOW.saturating_sub(since.elapsed()).as_secs() + 1;
        Err(Problem::new(kinds::TOO_MANY)
            .detail(format!("Try again in {left} seconds."))
            .retry_after(left))
    }
}
