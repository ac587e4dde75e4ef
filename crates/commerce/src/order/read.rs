//! Reading orders: one statement for an order, two for a page, regardless of its length.

use std::collections::HashMap;

use kernel::{Currency, Money, OrderId, ProductId, SagaId, Stored, TransactionId, UserId};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{CancelCause, Line, Order, PaymentTerms, Status, StatusChange};
use crate::page::{Cursor, Page};

pub(super) struct Offer {
    pub(super) product_id: ProductId,
    pub(super) name: String,
    pub(super) price_amount: i64,
    pub(super) currency: Currency,
}

pub(super) async fn offers(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Offer>> {
    sqlx::query_as!(
        Offer,
        r#"
        select product_id as "product_id: ProductId", name, price_amount, currency as "currency: Currency"
        from commerce.product
        where product_id = any($1)
          and deleted_at is null
        "#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// Finds the payment terms of these transactions; unknown transactions are missing.
pub async fn find_terms(
    conn: &mut PgConnection,
    transactions: &[TransactionId],
) -> sqlx::Result<Vec<PaymentTerms>> {
    let ids: Vec<_> = transactions.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"
        select order_id as "order_id: OrderId", saga_id as "saga_id: SagaId",
               transaction_id as "transaction_id: TransactionId", total_amount, currency as "currency: Currency"
        from commerce."order"
        where transaction_id = any($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let terms = rows.into_iter().map(|row| PaymentTerms {
        order_id: row.order_id,
        saga_id: row.saga_id,
        transaction_id: row.transaction_id,
        total: Money::new(row.total_amount, row.currency),
    });
    Ok(terms.collect())
}

/// The transactions of these orders; unknown orders are missing.
pub async fn transactions_of(
    conn: &mut PgConnection,
    orders: &[OrderId],
) -> sqlx::Result<HashMap<OrderId, TransactionId>> {
    let ids: Vec<_> = orders.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"
        select order_id as "order_id: OrderId", transaction_id as "transaction_id: TransactionId"
        from commerce."order"
        where order_id = any($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let transactions = rows.into_iter();
    Ok(transactions
        .map(|row| (row.order_id, row.transaction_id))
        .collect())
}

/// Finds an order. With `owner`, returns `None` for an order of another user.
pub async fn find(
    conn: &mut PgConnection,
    id: OrderId,
    owner: Option<UserId>,
) -> sqlx::Result<Option<Order>> {
    let orders = find_all(conn, &[id.uuid()]).await?;
    let mut visible = orders
        .into_iter()
        .filter(|order| owner.is_none_or(|owner| order.user_id == owner));
    Ok(visible.next())
}

/// Selects the orders of a list; a field that is `None` does not restrict it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Orders of this user.
    pub owner: Option<UserId>,
    /// Orders in this status.
    pub status: Option<Status>,
    /// Orders with this number or id.
    pub number: Option<Number>,
}

/// A number or id that identifies an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// The last eight hexadecimal digits of the order id, lower case: the number that customers
    /// see.
    Short(String),
    /// The whole id of the order, or of its transaction.
    Whole(Uuid),
}

impl Number {
    fn parts(&self) -> (Option<&str>, Option<Uuid>) {
        match self {
            Self::Short(short) => (Some(short), None),
            Self::Whole(whole) => (None, Some(*whole)),
        }
    }
}

impl std::str::FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().trim_start_matches('#').to_lowercase();
        if text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(Self::Short(text));
        }
        let whole = text.parse().map_err(|_| NumberError)?;
        Ok(Self::Whole(whole))
    }
}

/// The text is neither an order number nor an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("enter an order number such as 1C1FB183, or the id of an order or a transaction")]
pub struct NumberError;

/// Finds the orders with this number or id: one, unless several orders share a short number.
pub async fn find_ids(conn: &mut PgConnection, number: &Number) -> sqlx::Result<Vec<OrderId>> {
    let (short, whole) = number.parts();
    sqlx::query_scalar!(
        r#"
        select order_id as "order_id: OrderId"
        from commerce."order"
        where ($1::text is not null and right(order_id::text, 8) = $1)
           or ($2::uuid is not null and (order_id = $2 or transaction_id = $2))
        limit 100
        "#,
        short,
        whole,
    )
    .fetch_all(conn)
    .await
}

/// Lists a page of orders, newest first.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: u32,
) -> sqlx::Result<Page<Order>> {
    let number = filter.number.as_ref();
    let (short, whole) = number.map_or((None, None), Number::parts);
    let ids = sqlx::query_scalar!(
        r#"
        select order_id
        from commerce."order"
        where ($1::uuid is null or user_id = $1)
          and ($2::text is null or status = $2)
          and ($3::uuid is null or order_id < $3)
          and ($4::text is null or right(order_id::text, 8) = $4)
          and ($5::uuid is null or order_id = $5 or transaction_id = $5)
        order by order_id desc
        limit $6
        "#,
        filter.owner.map(UserId::uuid),
        filter.status.map(Status::as_str),
        cursor.map(|cursor| cursor.id),
        short,
        whole,
        i64::from(limit) + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    let page = Page::from_rows(ids, limit, |id| *id);
    Ok(Page {
        items: find_all(conn, &page.items).await?,
        next_cursor: page.next_cursor,
    })
}

/// Lists the status changes of these orders after the last change seen of each (0 for none), in
/// order.
pub async fn changes_since(
    conn: &mut PgConnection,
    seen: &[(OrderId, i16)],
) -> sqlx::Result<Vec<(OrderId, StatusChange)>> {
    let (ids, seqs): (Vec<_>, Vec<_>) = seen.iter().map(|(id, seq)| (id.uuid(), *seq)).unzip();
    let rows = sqlx::query!(
        r#"
        select o.order_id as "order_id: OrderId", h.seq as "seq!", h.status as "status!", h.reason, h.at as "at!",
               case when h.status in ('canceling', 'canceled') then o.canceling_cause end
                   as "cancel_cause: Stored<CancelCause>"
        from unnest($1::uuid[], $2::smallint[]) as seen(order_id, seq)
        join commerce."order" o using (order_id)
        cross join lateral commerce.order_history(o) h
        where h.seq > seen.seq
        order by o.order_id, h.seq
        "#,
        &ids,
        &seqs,
    )
    .fetch_all(conn)
    .await?;
    let changes = rows.into_iter().map(|row| {
        let change = StatusChange {
            seq: row.seq,
            status: Stored::read(row.status),
            reason: row.reason,
            cancel_cause: row.cancel_cause,
            at: row.at,
        };
        (row.order_id, change)
    });
    Ok(changes.collect())
}

#[derive(Debug, serde::Deserialize)]
struct LineRow {
    product_id: ProductId,
    name: String,
    quantity: u32,
    unit_amount: i64,
}

/// Finds orders, newest first; unknown ones are missing.
pub async fn find_all(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Order>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        select o.order_id as "order_id: OrderId", o.user_id as "user_id: UserId", o.saga_id as "saga_id: SagaId",
               o.transaction_id as "transaction_id: TransactionId", o.status, o.canceling, o.total_amount,
               o.currency as "currency: Currency", o.created_at, o.trace_id,
               (select json_agg(json_build_object('product_id', l.product_id, 'name', l.name, 'quantity', l.quantity,
                                                  'unit_amount', l.unit_amount) order by l.line_no)
                from commerce.order_line l
                where l.order_id = o.order_id) as "lines: Json<Vec<LineRow>>",
               (select json_agg(json_build_object('seq', h.seq, 'status', h.status, 'reason', h.reason, 'at', h.at,
                                                  'cancel_cause', case when h.status in ('canceling', 'canceled')
                                                                       then o.canceling_cause end)
                                order by h.seq)
                from commerce.order_history(o) h) as "history: Json<Vec<StatusChange>>"
        from commerce."order" o
        where o.order_id = any($1)
        order by o.order_id desc
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let orders = rows.into_iter().map(|row| {
        let status = Status::parse(&row.status).ok_or_else(|| {
            sqlx::Error::Decode(format!("order {} has status {}", row.order_id, row.status).into())
        })?;
        let lines = row.lines.map(|lines| lines.0).unwrap_or_default();
        let line = |line: LineRow| Line {
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_price: Money::new(line.unit_amount, row.currency.clone()),
        };
        Ok(Order {
            id: row.order_id,
            user_id: row.user_id,
            saga_id: row.saga_id,
            transaction_id: row.transaction_id,
            status,
            canceling: row.canceling,
            lines: lines.into_iter().map(line).collect(),
            total: Money::new(row.total_amount, row.currency.clone()),
            created_at: row.created_at,
            history: row.history.map(|history| history.0).unwrap_or_default(),
            trace_id: row.trace_id,
        })
    });
    orders.collect()
}
