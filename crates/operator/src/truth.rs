//! What payments holds of an order. An operator's word on a payment is believed only with the
//! transaction in sight: payments is the arbiter, also at three in the morning.

use std::time::Duration;

use contracts::payments::{Status, Transaction};
use kernel::{Money, OrderId, TransactionId, UserId};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;
use workflows::checkout::CheckoutInput;

use crate::PaymentsSight;

/// Longest wait for payments.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why nothing is known of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("payments cannot be seen: {0}")]
pub struct Unseen(pub String);

impl PaymentsSight {
    /// The order's transaction, or the tombstone in its place; nothing when there is neither.
    pub(crate) async fn transaction(
        &self,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> Result<Option<Transaction>, Unseen> {
        let asked = async {
            match self {
                Self::Database(pool) => read(pool, order_id)
                    .await
                    .map_err(|error| error.to_string()),
                Self::Service(payments) => payments
                    .find(transaction_id, None)
                    .await
                    .map_err(|error| error.to_string()),
                Self::None => Err("neither its database nor its API is configured here".to_owned()),
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer.map_err(Unseen),
            Err(_) => Err(Unseen(format!("no answer within {PATIENCE:?}"))),
        }
    }
}

// unchecked: the macros know the shop's database only
async fn read(pool: &PgPool, order_id: OrderId) -> sqlx::Result<Option<Transaction>> {
    let row = sqlx::query(
        "select transaction_id, user_id, amount, currency, status, created_at, completed_at, canceled_at
         from payments.transaction where order_id = $1",
    )
    .bind(order_id.uuid())
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let amount: Option<i64> = row.try_get("amount")?;
        let currency: Option<String> = row.try_get("currency")?;
        let currency = currency.and_then(|currency| currency.parse().ok());
        let status: String = row.try_get("status")?;
        Ok(Transaction {
            transaction_id: TransactionId::from(row.try_get::<Uuid, _>("transaction_id")?),
            order_id,
            user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId::from),
            amount: amount
                .zip(currency)
                .map(|(amount, currency)| Money::new(amount, currency)),
            status: [Status::Pending, Status::Paid, Status::Canceled]
                .into_iter()
                .find(|known| known.as_str() == status)
                .ok_or_else(|| sqlx::Error::Decode(format!("unknown status {status}").into()))?,
            created_at: row.try_get("created_at")?,
            completed_at: row.try_get("completed_at")?,
            canceled_at: row.try_get("canceled_at")?,
        })
    })
    .transpose()
}

/// What an operator says of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// There is a transaction that can be, or is, paid.
    Exists,
    /// It is paid.
    Paid,
    /// It cannot be paid any more.
    Canceled,
}

/// Whether payments bears the claim out; if not, what it says instead.
pub(crate) fn believe(
    claim: Claim,
    input: &CheckoutInput,
    found: Option<&Transaction>,
) -> Result<(), String> {
    let order_id = input.order_id;
    let Some(found) = found else {
        return Err(format!("payments has no transaction of order {order_id}"));
    };
    let says = |status: Status| {
        Err(format!(
            "payments says that transaction {} of order {order_id} is {}",
            found.transaction_id,
            status.as_str()
        ))
    };
    match (claim, found.status) {
        (Claim::Canceled, Status::Canceled) => Ok(()),
        (Claim::Paid, Status::Paid) | (Claim::Exists, Status::Paid | Status::Pending) => {
            input.verify(found)
        }
        (_, status) => says(status),
    }
}
