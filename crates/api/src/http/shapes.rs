//! Response shapes that several operations share.

use chrono::{DateTime, Utc};
use commerce::{order, page, product};
use kernel::{Money, OrderId, ProductId, SagaId, Stored, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::Problem;

use super::rules;

/// Some items, and the cursor of the next ones.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Send this as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn empty() -> Self {
        Self {
            items: Vec::new(),
            next_cursor: None,
        }
    }

    pub(super) fn of<U>(page: page::Page<U>) -> Self
    where
        T: From<U>,
    {
        Self {
            items: page.items.into_iter().map(T::from).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        }
    }
}

/// Selects a page of a list.
#[derive(Deserialize, IntoParams)]
pub(super) struct Paging {
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<rules::PageCursor>, inline)]
    cursor: Option<String>,
    /// Items per page; 20 by default.
    #[param(value_type = Option<rules::PageLimit>, inline)]
    limit: Option<u32>,
}

impl Paging {
    pub(super) fn new(cursor: Option<String>, limit: Option<u32>) -> Self {
        Self { cursor, limit }
    }

    pub(super) fn checked(&self) -> Result<(Option<page::Cursor>, u32), Problem> {
        let limit = self.limit.unwrap_or(page::DEFAULT_LIMIT);
        if !(1..=page::MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid(
                "limit",
                "range",
                format!("must be from 1 to {}", page::MAX_LIMIT),
            ));
        }
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        let cursor = cursor.map_err(|error: page::CursorError| {
            Problem::new(web::kinds::MALFORMED).field("cursor", "malformed", error.to_string())
        })?;
        Ok((cursor, limit))
    }
}

/// A product.
#[derive(Serialize, ToSchema)]
pub(super) struct Product {
    id: ProductId,
    slug: String,
    name: String,
    description: String,
    price: Money,
    in_stock: bool,
    /// Units that can be ordered now; 99 stands for 99 or more.
    available: i64,
    /// The version that `If-Match` compares.
    version: i64,
}

/// Maximum number of units that the public catalog reports: as many as a cart of the storefront
/// takes.
const MAX_REPORTED_UNITS: i64 = 99;

impl From<product::Product> for Product {
    fn from(product: product::Product) -> Self {
        Self {
            id: product.id,
            slug: product.slug,
            name: product.name,
            description: product.description,
            price: product.price,
            in_stock: product.available > 0,
            available: product.available.clamp(0, MAX_REPORTED_UNITS),
            version: product.version,
        }
    }
}

/// A product, as admins see it.
#[derive(Serialize, ToSchema)]
pub(super) struct StockedProduct {
    id: ProductId,
    slug: String,
    name: String,
    description: String,
    price: Money,
    /// The version that `If-Match` compares.
    version: i64,
    /// Pieces physically in stock, including those reserved by orders.
    stock: i64,
    /// Pieces reserved by orders that are not paid yet.
    reserved: i64,
}

impl From<product::Product> for StockedProduct {
    fn from(product: product::Product) -> Self {
        Self {
            id: product.id,
            slug: product.slug,
            name: product.name,
            description: product.description,
            price: product.price,
            version: product.version,
            stock: product.available + product.reserved,
            reserved: product.reserved,
        }
    }
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = Line)]
pub(super) struct OrderLine {
    product_id: ProductId,
    name: String,
    quantity: u32,
    unit_price: Money,
}

/// A change of an order's status.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusChange {
    /// The new status.
    #[schema(value_type = order::HistoryStatus)]
    status: Stored<order::HistoryStatus>,
    at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why the order is canceled; absent in other changes and in orders of earlier releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<order::CancelCause>)]
    cancel_cause: Option<Stored<order::CancelCause>>,
}

impl From<order::StatusChange> for StatusChange {
    fn from(change: order::StatusChange) -> Self {
        Self {
            status: change.status,
            at: change.at,
            reason: change.reason,
            cancel_cause: change.cancel_cause,
        }
    }
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(super) struct Order {
    pub(super) id: OrderId,
    /// Where the order stands.
    pub(super) status: order::Status,
    /// Whether the order is being canceled.
    canceling: bool,
    /// The transaction to pay; it exists once the order is awaiting payment.
    transaction_id: TransactionId,
    items: Vec<OrderLine>,
    total: Money,
    created_at: DateTime<Utc>,
    history: Vec<StatusChange>,
    /// The trace of the order's whole life.
    trace_id: String,
}

impl From<order::Order> for Order {
    fn from(order: order::Order) -> Self {
        let line = |line: order::Line| OrderLine {
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_price: line.unit_price,
        };
        Self {
            id: order.id,
            status: order.status,
            canceling: order.canceling,
            transaction_id: order.transaction_id,
            items: order.lines.into_iter().map(line).collect(),
            total: order.total,
            created_at: order.created_at,
            history: order.history.into_iter().map(Into::into).collect(),
            trace_id: order.trace_id,
        }
    }
}

/// An order, as admins and operators see it.
#[derive(Serialize, ToSchema)]
pub(super) struct StaffOrder {
    #[serde(flatten)]
    order: Order,
    /// The saga that drives it.
    saga_id: SagaId,
    customer: Customer,
}

/// The customer of an order.
#[derive(Serialize, ToSchema)]
pub(super) struct Customer {
    user_id: UserId,
    /// Absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl StaffOrder {
    pub(super) fn new(order: order::Order, contact: Option<&auth::Contact>) -> Self {
        Self {
            saga_id: order.saga_id,
            customer: Customer {
                user_id: order.user_id,
                name: contact.map(|contact| contact.name.clone()),
                email: contact.map(|contact| contact.email.clone()),
            },
            order: order.into(),
        }
    }
}
