//! The order's transaction at payments, read from its database or through its API.

use std::time::Duration;

use contracts::payments::{Status, Transaction};
use futures::future::BoxFuture;
use kernel::{Money, OrderId, TransactionId, UserId};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;
use workflows::payments::PaymentsView;

use crate::{PaymentsAccess, sources};

/// Longest wait for payments' answer, with the proof of its database.
const TIMEOUT: Duration = Duration::from_secs(6);

impl PaymentsView for PaymentsAccess {
    fn transaction(
        &self,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'_, Result<Option<Transaction>, String>> {
        let asked = async move {
            let unreadable = match self.need_database().await {
                Ok(pool) => {
                    return read(pool, order_id)
                        .await
                        .map_err(|error| error.to_string());
                }
                Err(why) => why,
            };
            let payments = self.api().map_err(|why| sources::both(&why, &unreadable))?;
            let found = payments.find(transaction_id, None).await;
            found.map_err(|error| error.to_string())
        };
        Box::pin(async move {
            let answer = tokio::time::timeout(TIMEOUT, asked).await;
            answer
                .unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
                .map_err(|why| format!("payments cannot be seen: {why}"))
        })
    }
}

// unchecked: the macros know only the shop's database
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
            order_id: Some(order_id),
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
