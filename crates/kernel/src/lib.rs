//! Types shared by all other crates: ids, money, e-mail addresses, texts, the clock and the retry
//! policy. Pure, no I/O.

mod clock;
mod email;
mod id;
mod money;
mod retry;
mod stored;
mod text;
mod trace;

pub use clock::Clock;
pub use email::{Email, EmailError};
pub use id::{
    ClientId, EntryId, MailRequestId, OrderId, ProductId, SagaId, SignalId, TransactionId, UserId,
};
pub use money::{Currency, CurrencyError, Money};
pub use retry::{RetryPolicy, RetryPolicyError};
pub use stored::Stored;
pub use text::{is_displayable, is_displayable_line};
pub use trace::{TraceRef, TraceRefError};
