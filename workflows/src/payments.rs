//! The payments port: what the shop's sagas need from payments, and how its answers differ.

use std::time::{Duration, Instant};

use contracts::payments::{InitTransaction, Transaction};
use futures::{StreamExt, future::BoxFuture, stream};
use kernel::{OrderId, TraceRef, TransactionId, UserId};

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

    /// Reads a transaction, without naming a user; `None` when payments does not know it.
    fn find<'a>(
        &'a self,
        transaction_id: TransactionId,
        trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<Transaction>, NoAnswer>>;

    /// Reads many transactions; answers in the order of `ids`. One that is not answered leaves the
    /// others answered.
    fn find_many<'a>(
        &'a self,
        ids: &'a [TransactionId],
    ) -> BoxFuture<'a, Vec<Result<Option<Transaction>, NoAnswer>>> {
        Box::pin(find_each(self, ids))
    }
}

/// Read access to payments for those who operate: its API, or its database.
pub trait PaymentsView: Send + Sync {
    /// The order's transaction, or the tombstone in its place; nothing when there is neither.
    ///
    /// # Errors
    /// Why payments could not be asked, for people.
    fn transaction(
        &self,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'_, Result<Option<Transaction>, String>>;
}

/// Single reads under way at once, where payments offers no bulk read.
pub const READS_AT_ONCE: usize = 8;
/// How long new ones begin.
const READS_BEGIN: Duration = Duration::from_secs(8);

/// Reads transactions one by one, some at once. When that takes long, the last are not asked for any
/// more and count as unreachable, so that the answers of the first are of use.
pub async fn find_each<P: Payments + ?Sized>(
    payments: &P,
    ids: &[TransactionId],
) -> Vec<Result<Option<Transaction>, NoAnswer>> {
    let begun = Instant::now();
    let each = stream::iter(ids.to_vec()).map(|id| async move {
        if begun.elapsed() < READS_BEGIN {
            payments.find(id, None).await
        } else {
            let why = "it was not asked: the answers about others took too long";
            Err(NoAnswer::Unreachable(why.to_owned()))
        }
    });
    each.buffered(READS_AT_ONCE).collect().await
}

/// What goes with a call that has an effect.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Names the effect, the same for all attempts: sent as `Idempotency-Key`.
    pub effect_key: String,
    /// Whose order it is: payments touches no other user's transaction.
    pub user_id: UserId,
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
    /// The request never left: only a connect error is that. Of a read, also that payments throttles us.
    #[error("payments cannot be reached: {0}")]
    Unreachable(String),
    /// It may have been heard: a time-out, a cut connection, an answer that makes no sense.
    #[error("payments gave no usable answer: {0}")]
    Unknown(String),
}
