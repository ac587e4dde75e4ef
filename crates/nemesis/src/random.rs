//! A random generator that never changes: SplitMix64 (Steele, Lea, Flood, 2014). A library's
//! generator may change with its version, and a seed must reproduce its schedule.

use std::time::Duration;

/// A stream of numbers, determined by a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of `seed` for one purpose; each purpose has its own stream.
    pub(crate) fn new(seed: u64, purpose: &[u64]) -> Self {
        let mut random = Self(seed);
        for part in purpose {
            random.0 = random.next().wrapping_add(*part);
        }
        random
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True with a probability of `percent` in a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let index = self.next() % of.len() as u64;
        of[usize::try_from(index).unwrap_or_default()]
    }

    /// A duration of `from` to `to` milliseconds.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}
