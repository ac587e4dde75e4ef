//! What every other crate agrees on: ids, money, the clock and the retry policy. Pure, no I/O.

mod clock;
mod id;
mod money;
mod retry;
mod trace;

pub use clock::Clock;
pub use id::{ClientId, EntryId, OrderId, ProductId, SagaId, SignalId, TransactionId, UserId};
pub use money::{Currency, CurrencyError, Money};
pub use retry::{RetryPolicy, RetryPolicyError};
pub use trace::{TraceRef, TraceRefError};
