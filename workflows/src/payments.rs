//! The payments port: what the shop's sagas need from payments, and how its answers differ.

use contracts::payments::{InitTransaction, Transaction};
use futures::future::BoxFuture;
use kernel::{OrderId, TraceRef, TransactionId};

/// What payments is asked to do. Every call names its effect, so that asking twice does it once.
pub trait Payments: Send + Sync + 'static {
    /// Creates the transaction, or finds the one created before.
    fn init<'a>(
        &'a self,
        call: Call<'a>,
        request: InitTransaction,
    ) -> BoxFuture<'a, Result<(), InitError>>;

    /// Makes sure that the order is never paid: cancels its transaction or leaves a tombstone.
    fn cancel_by_order<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>>;

    /// Reads a transaction; `None` when payments does not know it.
    fn find<'a>(
        &'a self,
        transaction_id: TransactionId,
        trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<Transaction>, NoAnswer>>;
}

/// What goes with a call that has an effect.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Names the effect, the same for all attempts: sent as `Idempotency-Key`.
    pub effect_key: String,
    /// The attempt's place in the saga's trace.
    pub trace: &'a TraceRef,
}

/// What came of [`Payments::cancel_by_order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// It is canceled, or was never created and cannot be any more.
    Canceled,
    /// The payer was faster.
    AlreadyPaid(Box<Transaction>),
}

/// Why a transaction was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// Payments says no, and will say so again.
    #[error("payments refused: {0}")]
    Refused(String),
    /// No usable answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// No usable answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The request never left: only a connect error is that.
    #[error("payments cannot be reached: {0}")]
    Unreachable(String),
    /// It may have been heard: a time-out, a cut connection, an answer that makes no sense.
    #[error("payments gave no usable answer: {0}")]
    Unknown(String),
}
