//! An order as an operator sees it: with its saga and its transaction at payments.

use chrono::{DateTime, Utc};
use commerce::order::{self, HistoryStatus, Order, Status};
use contracts::payments::Transaction;
use kernel::{Money, OrderId, Stored, TransactionId, UserId};
use serde::Serialize;
use sqlx::PgConnection;
use workflows::payments::PaymentsView as _;

use crate::{
    PaymentsAccess,
    sagas::{self, Filter},
};

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// Name of the product.
    pub name: String,
    /// Quantity ordered.
    pub quantity: u32,
    /// Price of one item.
    pub unit_price: Money,
}

/// A change of an order's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When the status changed.
    pub at: DateTime<Utc>,
    /// The new status.
    pub status: Stored<HistoryStatus>,
    /// The reason for the change.
    pub reason: Option<String>,
}

/// All data about an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderDetail {
    /// The order's id.
    pub order_id: OrderId,
    /// The user who placed the order.
    pub user_id: UserId,
    /// The transaction by which the order is paid.
    pub transaction_id: TransactionId,
    /// The order's status.
    pub status: Status,
    /// Whether the order is being canceled.
    pub canceling: bool,
    /// The order's total price.
    pub total: Money,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// The id of the order's single trace.
    pub trace_id: String,
    /// The items ordered.
    pub items: Vec<OrderLine>,
    /// The changes of the order's status.
    pub history: Vec<Change>,
    /// The saga that drives the order; none once it is archived.
    pub saga: Option<sagas::SagaSummary>,
    /// The order's transaction at payments, or the tombstone in its place.
    pub transaction: Option<Transaction>,
    /// The sources that could not be read, and why.
    #[serde(rename = "could_not_see")]
    pub unavailable: Vec<String>,
}

/// Reads an order, its saga and its transaction at payments.
///
/// # Errors
/// When the shop's database cannot be read. A failure to query payments is part of the answer.
pub async fn find_detail(
    conn: &mut PgConnection,
    payments: &PaymentsAccess,
    order_id: OrderId,
) -> sqlx::Result<Option<OrderDetail>> {
    let Some(order) = order::find(&mut *conn, order_id, None).await? else {
        return Ok(None);
    };
    let filter = Filter {
        order: Some(order_id),
        ..Filter::default()
    };
    let saga = sagas::list(conn, &filter, 1).await?.pop();
    let answer = payments.transaction(order_id, order.transaction_id).await;
    let (transaction, unavailable) = match answer {
        Ok(transaction) => (transaction, Vec::new()),
        Err(why) => (None, vec![why]),
    };
    Ok(Some(detail(order, saga, transaction, unavailable)))
}

fn detail(
    order: Order,
    saga: Option<sagas::SagaSummary>,
    transaction: Option<Transaction>,
    unavailable: Vec<String>,
) -> OrderDetail {
    OrderDetail {
        order_id: order.id,
        user_id: order.user_id,
        transaction_id: order.transaction_id,
        status: order.status,
        canceling: order.canceling,
        total: order.total,
        created_at: order.created_at,
        trace_id: order.trace_id,
        items: order
            .lines
            .into_iter()
            .map(|line| OrderLine {
                name: line.name,
                quantity: line.quantity,
                unit_price: line.unit_price,
            })
            .collect(),
        history: order
            .history
            .into_iter()
            .map(|change| Change {
                at: change.at,
                status: change.status,
                reason: change.reason,
            })
            .collect(),
        saga,
        transaction,
        unavailable,
    }
}
