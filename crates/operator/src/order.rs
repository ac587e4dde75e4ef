//! An order as an operator sees it: with its saga, and with what payments holds of it.

use chrono::{DateTime, Utc};
use commerce::order::{self, Order};
use contracts::payments::Transaction;
use kernel::{Money, OrderId, TransactionId, UserId};
use serde::Serialize;
use sqlx::PgConnection;
use workflows::payments::PaymentsView as _;

use crate::{
    PaymentsSight,
    sagas::{self, Filter},
};

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Money,
}

/// A change of an order's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    pub at: DateTime<Utc>,
    /// To what.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
}

/// All that is known of an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Known {
    /// Its id.
    pub order_id: OrderId,
    /// Who ordered.
    pub user_id: UserId,
    /// The transaction that it is paid through.
    pub transaction_id: TransactionId,
    /// Where it stands.
    pub status: &'static str,
    /// Whether it is being undone.
    pub canceling: bool,
    /// What it costs.
    pub total: Money,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// Its one trace.
    pub trace_id: String,
    /// What was ordered.
    pub items: Vec<Line>,
    /// How it got where it is.
    pub history: Vec<Change>,
    /// The saga that drives it; none once it is archived.
    pub saga: Option<sagas::Line>,
    /// What payments holds of it, or the tombstone in its place.
    pub transaction: Option<Transaction>,
    /// What could not be seen, and why.
    pub could_not_see: Vec<String>,
}

/// Looks an order up, here and at payments.
///
/// # Errors
/// When the shop's database cannot be read; what payments does not tell is said in the answer.
pub async fn look(
    conn: &mut PgConnection,
    payments: &PaymentsSight,
    order_id: OrderId,
) -> sqlx::Result<Option<Known>> {
    let Some(order) = order::find(&mut *conn, order_id, None).await? else {
        return Ok(None);
    };
    let filter = Filter {
        order: Some(order_id),
        ..Filter::default()
    };
    let saga = sagas::list(conn, &filter, 1).await?.pop();
    let seen = payments.transaction(order_id, order.transaction_id).await;
    let (transaction, could_not_see) = match seen {
        Ok(transaction) => (transaction, Vec::new()),
        Err(why) => (None, vec![why]),
    };
    Ok(Some(known(order, saga, transaction, could_not_see)))
}

fn known(
    order: Order,
    saga: Option<sagas::Line>,
    transaction: Option<Transaction>,
    could_not_see: Vec<String>,
) -> Known {
    Known {
        order_id: order.id,
        user_id: order.user_id,
        transaction_id: order.transaction_id,
        status: order.status.as_str(),
        canceling: order.canceling,
        total: order.total,
        created_at: order.created_at,
        trace_id: order.trace_id,
        items: order
            .lines
            .into_iter()
            .map(|line| Line {
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
        could_not_see,
    }
}
