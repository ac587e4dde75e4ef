//! The HTTP calls to payments: their paths, bodies, and the problems that callers distinguish.

use std::fmt;

use chrono::{DateTime, Utc};
use kernel::{Money, OrderId, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        Object, RefOr, Schema,
        schema::{AdditionalProperties, ObjectBuilder, Ref, Type},
    },
};

/// `POST`: create a transaction; `GET ?order_id=`: find one.
pub const TRANSACTIONS: &str = "/transactions";
/// `POST`: the payer pays (simulator).
pub const COMPLETE: &str = "/transactions/complete";
/// `POST`: the payer cancels (simulator).
pub const CANCEL: &str = "/transactions/cancel";
/// `POST`: the shop cancels a transaction that may or may not have been created.
pub const CANCEL_BY_ORDER: &str = "/transactions/cancel-by-order";

/// `POST`: read many transactions at once.
pub const LOOKUP: &str = "/transactions/lookup";
/// `GET`: the keys that verify payments' events.
pub const JWKS: &str = "/.well-known/jwks.json";
/// The member of that key set that names the service's database. A database that contains the same
/// name belongs to the service.
pub const INSTANCE: &str = "instance_id";

/// Largest amount of a transaction, in minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;
/// The most transactions of one lookup.
pub const MAX_LOOKUP: usize = 100;

/// Problem type of an unknown transaction: only with it does a 404 say that the route exists.
pub const PROBLEM_NOT_FOUND: &str = "not-found";
/// Problem type of a creation that differs from the existing transaction of the same order.
pub const PROBLEM_DIFFERS: &str = "transaction-differs";
/// Problem type of a creation for an order whose transaction is canceled, or tombstoned.
pub const PROBLEM_CANCELED: &str = "transaction-canceled";
/// Problem type of a cancellation that lost to a payment; carries the `transaction`.
pub const PROBLEM_PAID: &str = "transaction-paid";

/// Scope that a service token needs for the calls of the shop.
pub const SCOPE_SERVICE: &str = "transactions";
/// Audience of tokens for payments.
pub const AUDIENCE: &str = "payments";
/// Audience of tokens for the shop's api.
pub const SHOP_AUDIENCE: &str = "shop";

/// Creates a transaction; idempotent by `order_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InitTransaction {
    /// The order to be paid.
    pub order_id: OrderId,
    /// The user who pays.
    pub user_id: UserId,
    /// The amount to be paid.
    #[schema(schema_with = payable)]
    pub amount: Money,
    /// The caller's proposal. The transaction's id is the one in the answer; if no id is proposed,
    /// payments chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<TransactionId>,
}

fn payable() -> RefOr<Schema> {
    let amount: Object = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_AMOUNT))
        .description(Some("Minor units of the currency."))
        .build();
    ObjectBuilder::new()
        .description(Some("How much."))
        .property("amount", amount)
        .required("amount")
        .property("currency", Ref::from_schema_name("Currency"))
        .required("currency")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

/// Names the transaction to pay or to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionRef {
    /// The transaction.
    pub transaction_id: TransactionId,
}

/// Cancels by order, whether or not the transaction was ever created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelByOrder {
    /// The order that must not be paid any more.
    pub order_id: OrderId,
    /// The id that the transaction would have had; the tombstone takes this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<TransactionId>,
}

/// Looks up transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The ids, 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub transaction_ids: Vec<TransactionId>,
}

/// The result of a lookup, which omits unknown transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The transactions, in no particular order.
    pub transactions: Vec<Transaction>,
}

/// State of a transaction. The only transitions are pending → paid and pending → canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its payer.
    Pending,
    /// Paid; final.
    Paid,
    /// Canceled; final.
    Canceled,
}

impl Status {
    /// As stored and as written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A transaction as payments returns it. A tombstone has neither payer nor amount.
// A payments service of another team may leave out `order_id`, `amount` and `created_at`: a missing
// value contradicts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transaction {
    /// The transaction's id.
    pub transaction_id: TransactionId,
    /// The order that the transaction pays.
    #[schema(value_type = OrderId, required = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The user who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The amount to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The state of the transaction.
    pub status: Status,
    /// When it was created (or tombstoned).
    #[schema(value_type = DateTime<Utc>, required = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<DateTime<Utc>>,
}

impl Transaction {
    /// Whether nothing in this answer contradicts the order. A missing value contradicts nothing.
    pub fn may_pay(&self, order_id: OrderId, amount: &Money) -> bool {
        self.order_id.is_none_or(|id| id == order_id)
            && self.amount.as_ref().is_none_or(|found| found == amount)
    }
}
