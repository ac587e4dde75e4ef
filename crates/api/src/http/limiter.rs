use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use web::{Problem, kinds};

const WINDOW: Duration = Duration::from_mins(1);
/// Beyond this many addresses, expired windows are discarded.
const SWEEP_THRESHOLD: usize = 10_000;

/// The network that an address is counted under: an IPv4 address itself, for IPv6 its /64, since a
/// provider gives one customer a whole /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Counts calls of each network in windows of a minute, in this process.
#[derive(Debug)]
pub struct Limiter {
    per_window: u32,
    seen: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Limiter {
    /// At most `per_window` calls per minute; 0 for no limit.
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
        if seen.len() > SWEEP_THRESHOLD {
            seen.retain(|_, (since, _)| since.elapsed() < WINDOW);
        }
        let (since, count) = seen.entry(network(address)).or_insert((Instant::now(), 0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_share_a_budget() {
        let limiter = Limiter::new(2);
        let check = |address: &str| limiter.check(address.parse().unwrap()).is_ok();
        assert!(check("2001:db8::1") && check("2001:db8::ffff:1"));
        assert!(!check("2001:db8:0:0:1234::1"), "the same /64");
        assert!(check("2001:db8:0:1::1"), "another /64");
        assert!(check("::ffff:192.0.2.1") && check("192.0.2.1"));
        assert!(
            !check("192.0.2.1"),
            "an address that is written as IPv6 as well"
        );
        assert!(check("192.0.2.2"));
    }
}
