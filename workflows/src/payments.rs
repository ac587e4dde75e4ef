//! The payments port: the calls that the shop's sagas make to payments, and the kinds of answers.

use std::time::{Duration, Instant};

use contracts::payments::{InitTransaction, Transaction};
use futures::{StreamExt, future::BoxFuture, stream};
use kernel::{OrderId, TraceRef, TransactionId, UserId};
use serde::Serialize;

/// The requests that sagas make to payments. Every call with an effect names that effect, so that
/// repeating the call has the effect only once.
pub trait Payments: Send + Sync + 'static {
    /// Creates the transaction, or returns the one created before, in its present state. Its id is
    /// the transaction's id; the id of the request is a proposal.
    fn init<'a>(
        &'a self,
        call: Call<'a>,
        request: InitTransaction,
    ) -> BoxFuture<'a, Result<Transaction, InitError>>;

    /// Ensures that the order is never paid: cancels its transaction or leaves a tombstone.
    /// [`NoAnswer::Unsupported`] if payments keeps no tombstones.
    fn cancel_by_order<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>>;

    /// Cancels a transaction that payments has answered with.
    fn cancel<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>>;

    /// Reads a transaction, without naming a user; `None` if payments does not know it,
    /// [`NoAnswer::Unsupported`] if payments has no such read.
    fn find<'a>(
        &'a self,
        transaction_id: TransactionId,
        trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<Transaction>, NoAnswer>>;

    /// Reads many transactions; the answers are in the order of `ids`. A failed read does not
    /// affect the other answers.
    fn find_many<'a>(
        &'a self,
        ids: &'a [TransactionId],
    ) -> BoxFuture<'a, Vec<Result<Option<Transaction>, NoAnswer>>> {
        Box::pin(find_each(self, ids))
    }

    /// Asks which parts of level 2 of the contract payments offers. Has no effect.
    fn support(&self) -> BoxFuture<'_, Result<Support, NoAnswer>>;
}

/// Names the database of the payments service that answers at an address.
pub trait PaymentsInstance: Send + Sync {
    /// The name of the service's database; `None` if the service publishes none.
    fn instance(&self) -> BoxFuture<'_, Result<Option<String>, NoAnswer>>;
}

/// The parts of level 2 of `docs/payments-contract.md` that a payments service offers.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part can be there or not, independently of the others"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Support {
    /// It keeps tombstones: `POST /transactions/cancel-by-order`.
    pub tombstone: bool,
    /// It shows one transaction: `GET /transactions/{id}`.
    pub read: bool,
    /// It shows many transactions at once: `POST /transactions/lookup`.
    pub bulk_read: bool,
    /// Its refusals are problem documents.
    pub problem_types: bool,
    /// It publishes keys that verify its events.
    pub signed_events: bool,
}

impl Support {
    /// Each part by its name in the contract, and whether it is there.
    pub const fn parts(&self) -> [(&'static str, bool); 5] {
        [
            ("tombstone", self.tombstone),
            ("read", self.read),
            ("bulk read", self.bulk_read),
            ("problem types", self.problem_types),
            ("signed events", self.signed_events),
        ]
    }

    /// The level of the contract: 2 with all parts, else 1.
    pub fn level(&self) -> u8 {
        if self.parts().iter().all(|(_, there)| *there) {
            2
        } else {
            1
        }
    }

    /// Whether transactions can be read, one by one or many at once.
    pub const fn reads(&self) -> bool {
        self.read || self.bulk_read
    }
}

/// Read access to payments for operators, through its API or its database.
pub trait PaymentsView: Send + Sync {
    /// The order's transaction, or the tombstone in its place; `None` if neither exists.
    ///
    /// # Errors
    /// Why payments could not be reached, for people.
    fn transaction(
        &self,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'_, Result<Option<Transaction>, String>>;
}

/// Number of concurrent single reads, where payments offers no bulk read.
pub const MAX_CONCURRENT_READS: usize = 8;
/// How long after the first read new reads may begin.
const READS_BEGIN: Duration = Duration::from_secs(8);

/// Reads transactions one by one, several concurrently. After `READS_BEGIN`, the remaining
/// transactions are not read and count as unreachable, so that the caller gets the first answers in
/// time.
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
    each.buffered(MAX_CONCURRENT_READS).collect().await
}

/// The context of a call that has an effect.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The name of the effect, the same for all attempts: sent as `Idempotency-Key`.
    pub effect_key: String,
    /// The order's user: payments touches no other user's transaction.
    pub user_id: UserId,
    /// The saga's trace, under the span of the attempt.
    pub trace: &'a TraceRef,
}

/// The result of [`Payments::cancel_by_order`] and [`Payments::cancel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// The transaction is canceled, or was never created and no longer can be; with its id, or the
    /// tombstone's, if payments shows it.
    Canceled(Option<TransactionId>),
    /// The user paid first.
    AlreadyPaid(Box<Transaction>),
}

/// Why a transaction was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// Payments refused, and would refuse again.
    #[error("payments refused: {0}")]
    Refused(String),
    /// No usable answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// No usable answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The request never left, which only a connect error proves. For a read, also that payments
    /// throttles the caller.
    #[error("payments cannot be reached: {0}")]
    Unreachable(String),
    /// The request may have arrived: a time-out, a cut connection or a malformed answer.
    #[error("payments gave no usable answer: {0}")]
    Unknown(String),
    /// Payments has no such route: no repetition of this call can succeed.
    #[error("payments does not offer this: {0}")]
    Unsupported(String),
}
