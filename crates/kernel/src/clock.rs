use chrono::{DateTime, TimeDelta, Utc};

/// The source of the current time.
///
/// Leases and deadlines use database time and not this clock; tokens and mails use it.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// The machine's clock, moved by a fixed amount: for tests of expiry.
    Shifted(TimeDelta),
}

impl Clock {
    /// The current time, UTC.
    pub fn now(self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let now = Utc::now();
        match self {
            Self::System => now,
            Self::Shifted(by) => now + by,
        }
    }
}
