//! All SQL of transactions. Every transition is guarded by `where status = 'pending'`.

use chrono::{DateTime, Utc};
use contracts::payments::{InitTransaction, Status, Transaction};
use kernel::{Currency, Money, OrderId, TraceRef, TransactionId, UserId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

struct Row {
    transaction_id: Uuid,
    order_id: Uuid,
    user_id: Option<Uuid>,
    amount: Option<i64>,
    currency: Option<Currency>,
    status: String,
    trace: Option<String>,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    canceled_at: Option<DateTime<Utc>>,
}

/// A transaction with the trace that its events belong to.
pub(crate) struct Stored {
    pub(crate) transaction: Transaction,
    pub(crate) trace: Option<TraceRef>,
}

impl TryFrom<Row> for Stored {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let status = match row.status.as_str() {
            "pending" => Status::Pending,
            "paid" => Status::Paid,
            "canceled" => Status::Canceled,
            other => {
                return Err(sqlx::Error::Decode(
                    format!("`{other}` is no status of a transaction").into(),
                ));
            }
        };
        let transaction = Transaction {
            transaction_id: TransactionId::from(row.transaction_id),
            order_id: Some(OrderId::from(row.order_id)),
            user_id: row.user_id.map(UserId::from),
            amount: row
                .amount
                .zip(row.currency)
                .map(|(amount, currency)| Money::new(amount, currency)),
            status,
            created_at: Some(row.created_at),
            completed_at: row.completed_at,
            canceled_at: row.canceled_at,
        };
        Ok(Self {
            transaction,
            trace: row.trace.and_then(|trace| trace.parse().ok()),
        })
    }
}

fn transaction(row: Option<Row>) -> sqlx::Result<Option<Transaction>> {
    row.map(|row| Ok(Stored::try_from(row)?.transaction))
        .transpose()
}

/// Fails when the database does not answer or has no payments tables.
pub(crate) async fn probe(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!("select transaction_id from payments.transaction limit 1")
        .fetch_optional(pool)
        .await
        .map(drop)
}

/// The name of this database.
pub(crate) async fn instance(pool: &PgPool) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!("select instance_id from payments.instance")
        .fetch_optional(pool)
        .await
}

/// Inserts a transaction, unless its order or its id is taken.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: TransactionId,
    request: &InitTransaction,
    trace: Option<&TraceRef>,
) -> sqlx::Result<Option<Transaction>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        insert into payments.transaction (transaction_id, order_id, user_id, amount, currency, status, trace)
        values ($1, $2, $3, $4, $5, 'pending', $6)
        on conflict do nothing
        returning transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
                  created_at, completed_at, canceled_at
        "#,
        id.uuid(),
        request.order_id.uuid(),
        request.user_id.uuid(),
        request.amount.amount,
        request.amount.currency.as_str(),
        trace.map(ToString::to_string),
    )
    .fetch_optional(conn)
    .await?;
    transaction(row)
}

/// Inserts a tombstone, unless the order or the id is taken.
pub(crate) async fn insert_tombstone(
    conn: &mut PgConnection,
    id: TransactionId,
    order_id: OrderId,
) -> sqlx::Result<Option<Transaction>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        insert into payments.transaction (transaction_id, order_id, status, tombstone, canceled_at)
        values ($1, $2, 'canceled', true, clock_timestamp())
        on conflict do nothing
        returning transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
                  created_at, completed_at, canceled_at
        "#,
        id.uuid(),
        order_id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    transaction(row)
}

/// Moves a pending transaction. Returns `None` when it is not pending, does not exist, or belongs
/// to another payer.
pub(crate) async fn decide(
    conn: &mut PgConnection,
    id: TransactionId,
    payer: Option<UserId>,
    status: Status,
) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        update payments.transaction
        set status = $3,
            completed_at = case when $3 = 'paid' then clock_timestamp() end,
            canceled_at = case when $3 = 'canceled' then clock_timestamp() end
        where transaction_id = $1
          and ($2::uuid is null or user_id = $2)
          and status = 'pending'
        returning transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
                  created_at, completed_at, canceled_at
        "#,
        id.uuid(),
        payer.map(UserId::uuid),
        status.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Stored::try_from).transpose()
}

/// Finds the transaction with this id.
pub(crate) async fn find(
    conn: &mut PgConnection,
    id: TransactionId,
) -> sqlx::Result<Option<Transaction>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
               created_at, completed_at, canceled_at
        from payments.transaction
        where transaction_id = $1
        "#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    transaction(row)
}

/// Finds the transactions with these ids; unknown ids are omitted.
pub(crate) async fn find_all(
    conn: &mut PgConnection,
    ids: &[TransactionId],
) -> sqlx::Result<Vec<Transaction>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        select transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
               created_at, completed_at, canceled_at
        from payments.transaction
        where transaction_id = any($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Stored::try_from(row)?.transaction))
        .collect()
}

/// Finds the transaction of this order, which has at most one.
pub(crate) async fn find_by_order(
    conn: &mut PgConnection,
    id: OrderId,
) -> sqlx::Result<Option<Transaction>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select transaction_id, order_id, user_id, amount, currency as "currency: Currency", status, trace,
               created_at, completed_at, canceled_at
        from payments.transaction
        where order_id = $1
        "#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    transaction(row)
}
