//! Checkout's settings from the environment, the same for every process that runs it.

use std::time::Duration;

use clap::Args;
use kernel::RetryPolicy;
use saga::{EngineConfig, EngineConfigError};

/// A year: a longer deadline is a mistake.
const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// Checkout's settings from the environment.
#[derive(Args, Debug, Clone)]
pub struct CheckoutSettings {
    /// How long a claim gives the right to act on a saga, milliseconds.
    #[arg(long, env = "SAGA_LEASE_MS", default_value_t = 5_000)]
    saga_lease_ms: u64,
    /// Longest time of one call to payments, milliseconds.
    #[arg(long, env = "SAGA_CALL_TIMEOUT_MS", default_value_t = 3_000)]
    saga_call_timeout_ms: u64,
    /// Time kept at the end of a lease for storing the outcome, milliseconds.
    #[arg(long, env = "SAGA_LEASE_MARGIN_MS", default_value_t = 2_000)]
    saga_lease_margin_ms: u64,
    /// Delay after the first failed attempt, milliseconds.
    #[arg(long, env = "SAGA_RETRY_BASE_MS", default_value_t = 1_000)]
    saga_retry_base_ms: u64,
    /// Longest delay between attempts, milliseconds.
    #[arg(long, env = "SAGA_RETRY_CAP_MS", default_value_t = 30_000)]
    saga_retry_cap_ms: u64,
    /// How long a step is tried before the saga compensates, milliseconds.
    #[arg(long, env = "SAGA_RETRY_BUDGET_MS", default_value_t = 900_000)]
    saga_retry_budget_ms: u64,
    /// How long an order waits for its payment, milliseconds.
    #[arg(long, env = "PAYMENT_DEADLINE_MS", default_value_t = 1_800_000)]
    payment_deadline_ms: u64,
}

impl CheckoutSettings {
    /// The engine's configuration.
    ///
    /// # Errors
    /// When lease, time-out and margin do not fit together, the retry delays contradict each other,
    /// or the payment deadline is out of range.
    pub fn engine_config(&self) -> Result<EngineConfig, SettingsError> {
        if !(1..=LONGEST_MS).contains(&self.payment_deadline_ms) {
            return Err(SettingsError::Deadline);
        }
        let config = EngineConfig {
            lease: Duration::from_millis(self.saga_lease_ms),
            call_timeout: self.call_timeout(),
            margin: Duration::from_millis(self.saga_lease_margin_ms),
            retry: RetryPolicy {
                base: Duration::from_millis(self.saga_retry_base_ms),
                cap: Duration::from_millis(self.saga_retry_cap_ms),
                budget: Duration::from_millis(self.saga_retry_budget_ms),
                ..RetryPolicy::default()
            },
        };
        config.checked().map_err(|error| match error {
            EngineConfigError::TimeoutBeyondLease { .. } => SettingsError::Lease,
            EngineConfigError::Retry(error) => SettingsError::Retry(error.to_string()),
        })
    }

    /// Longest time of one call to payments.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.saga_call_timeout_ms)
    }

    /// How long a claim gives the right to act.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.saga_lease_ms)
    }

    /// Settings of the workflows themselves.
    pub fn workflows(&self) -> crate::Settings {
        crate::Settings {
            payment_deadline: self.payment_deadline(),
        }
    }

    /// How long an order waits for its payment.
    pub fn payment_deadline(&self) -> Duration {
        Duration::from_millis(self.payment_deadline_ms)
    }
}

/// Retention periods from the environment.
#[derive(Args, Debug, Clone)]
pub struct RetentionSettings {
    /// Days after which a saga at rest is archived, with its journal and signals.
    #[arg(long, env = "RETENTION_SAGAS_DAYS", default_value_t = 30)]
    retention_sagas_days: u64,
    /// Days for which a repeated message is recognized.
    #[arg(long, env = "RETENTION_INBOX_DAYS", default_value_t = 30)]
    retention_inbox_days: u64,
    /// Days for which an order's idempotency key is remembered.
    #[arg(long, env = "RETENTION_KEYS_DAYS", default_value_t = 7)]
    retention_keys_days: u64,
}

/// Retention periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long sagas stay at rest before they are archived.
    pub sagas: Duration,
    /// How long the inbox remembers a message.
    pub inbox: Duration,
    /// How long idempotency keys are kept, and refresh tokens after their end.
    pub keys: Duration,
}

impl RetentionSettings {
    /// Checks the retention periods.
    ///
    /// # Errors
    /// When the inbox would forget, or the archive remove, data that a live saga may still need. A
    /// period must be longer than the retry budget and the payment deadline together.
    pub fn checked(&self, checkout: &CheckoutSettings) -> Result<Retention, SettingsError> {
        let life =
            Duration::from_millis(checkout.saga_retry_budget_ms) + checkout.payment_deadline();
        let days = |variable, days: u64| {
            let window = Duration::from_secs(days.min(100 * 365) * 24 * 60 * 60);
            if window > life {
                Ok(window)
            } else {
                Err(SettingsError::Retention { variable, life })
            }
        };
        Ok(Retention {
            sagas: days("RETENTION_SAGAS_DAYS", self.retention_sagas_days)?,
            inbox: days("RETENTION_INBOX_DAYS", self.retention_inbox_days)?,
            keys: days("RETENTION_KEYS_DAYS", self.retention_keys_days)?,
        })
    }
}

/// Invalid settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The lease holder would still be calling when its lease ends.
    #[error(
        "SAGA_CALL_TIMEOUT_MS must be at least 1 and, with SAGA_LEASE_MARGIN_MS added, fit into SAGA_LEASE_MS"
    )]
    Lease,
    /// No order could be paid in time, or no unpaid order would ever be canceled.
    #[error("PAYMENT_DEADLINE_MS must be at least 1 and at most a year")]
    Deadline,
    /// Data would be forgotten while a saga may still need them.
    #[error(
        "{variable} must be longer than a saga's life, {life:?} (SAGA_RETRY_BUDGET_MS and PAYMENT_DEADLINE_MS)"
    )]
    Retention {
        /// The variable of the retention period.
        variable: &'static str,
        /// The longest that a saga waits before it is undone.
        life: Duration,
    },
    /// The retry delays contradict each other.
    #[error("SAGA_RETRY_BASE_MS, SAGA_RETRY_CAP_MS: {0}")]
    Retry(String),
}
