//! Random choices that a seed reproduces. The generator is SplitMix64, which is an algorithm and thus
//! the same in every version of its crate. A choice is taken from a number here, because the ranges
//! of `rand` may change with its version.

use std::time::Duration;

use rand_xoshiro::{
    SplitMix64,
    rand_core::{RngCore, SeedableRng},
};

/// A stream of numbers, determined by a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The stream of `seed` for one purpose; each purpose has its own stream.
    pub(crate) fn new(seed: u64, purpose: &[u64]) -> Self {
        let mut random = Self(SplitMix64::seed_from_u64(seed));
        for part in purpose {
            random = Self(SplitMix64::seed_from_u64(random.next().wrapping_add(*part)));
        }
        random
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut random = Random::new(11, &[2, 3]);
        assert_eq!(
            [random.next(), random.next()],
            [0x86ea_cee4_bba3_3da3, 0x4148_fd35_67c5_506a]
        );
    }
}
