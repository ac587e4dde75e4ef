use std::time::Duration;

use backoff::{ExponentialBackoffBuilder, backoff::Backoff};

/// The delay before the next attempt, and the limit of all attempts.
///
/// Exponential with jitter. The `backoff` crate computes the delays and is named only here: it is
/// unmaintained (RUSTSEC-2025-0012) and used for this arithmetic only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Delay after the first attempt.
    pub base: Duration,
    /// The longest delay, before jitter.
    pub cap: Duration,
    /// Random part of the delay, in both directions: 0.0 to 1.0.
    pub jitter: f64,
    /// How long a forward step is tried before the saga compensates.
    pub budget: Duration,
}

/// Why a policy is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// The first delay is zero: a failing step would spin.
    #[error("the first retry delay must be longer than zero")]
    ZeroBase,
    /// The cap is shorter than the base.
    #[error("the longest retry delay must not be shorter than the first")]
    CapBelowBase,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            jitter: 0.2,
            budget: Duration::from_mins(15),
        }
    }
}

impl RetryPolicy {
    /// Refuses a policy that would spin or contradicts itself.
    ///
    /// # Errors
    /// A base of zero, or a cap below the base.
    pub fn checked(self) -> Result<Self, RetryPolicyError> {
        if self.base.is_zero() {
            Err(RetryPolicyError::ZeroBase)
        } else if self.cap < self.base {
            Err(RetryPolicyError::CapBelowBase)
        } else {
            Ok(self)
        }
    }

    /// The delay after failed attempt number `attempt` (the first is 1).
    pub fn delay(&self, attempt: u32) -> Duration {
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.interval(attempt))
            .with_max_interval(self.cap)
            .with_randomization_factor(self.jitter)
            .with_max_elapsed_time(None)
            .build();
        backoff.next_backoff().unwrap_or(self.cap)
    }

    fn interval(&self, attempt: u32) -> Duration {
        // 2^20 times any base is far beyond any cap
        let doublings = attempt.saturating_sub(1).min(20);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_within_the_jitter() {
        let policy = RetryPolicy {
            jitter: 0.2,
            ..RetryPolicy::default()
        };
        for (attempt, expected) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (1000, 30.0)] {
            let delay = policy.delay(attempt).as_secs_f64();
            assert!(
                (expected * 0.79..=expected * 1.21).contains(&delay),
                "attempt {attempt}: {delay}"
            );
        }
    }

    #[test]
    fn without_jitter_the_delay_is_exact() {
        let policy = RetryPolicy {
            jitter: 0.0,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.delay(4), Duration::from_secs(8));
    }

    #[test]
    fn a_policy_that_would_spin_is_refused() {
        let zero = RetryPolicy {
            base: Duration::ZERO,
            ..RetryPolicy::default()
        };
        assert_eq!(zero.checked(), Err(RetryPolicyError::ZeroBase));
        let short = RetryPolicy {
            cap: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        assert_eq!(short.checked(), Err(RetryPolicyError::CapBelowBase));
    }
}
