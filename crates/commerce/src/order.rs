//! Orders: pricing, placing, and the transitions of an order. The saga decides when they run; this
//! module decides what they do.

mod limits;
mod moves;
mod read;

pub use limits::{Limit, LimitError, OrderLimits, Ordered, check_limits};
pub use moves::{adopt_transaction, await_payment, begin_canceling, cancel, complete, place};
pub use read::{
    Filter, Number, NumberError, changes_since, find, find_all, find_ids, find_terms, list,
    transactions_of,
};

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use chrono::{DateTime, Utc};
use contracts::payments::MAX_AMOUNT;
use kernel::{Money, OrderId, ProductId, SagaId, Stored, TraceRef, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

/// The most lines in one order.
pub const MAX_LINES: usize = 100;
/// The most pieces in one line.
pub const MAX_QUANTITY: u32 = 1000;

/// One item of a requested basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The requested product.
    pub product_id: ProductId,
    /// The requested quantity.
    pub quantity: u32,
}

/// One line of an order, at the catalog's price at order time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The ordered product.
    pub product_id: ProductId,
    /// The product's name at order time.
    pub name: String,
    /// The ordered quantity.
    pub quantity: u32,
    /// Price of one piece.
    pub unit_price: Money,
}

/// Priced lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// The lines, in the order of the requested items.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Money,
}

/// Why a basket cannot be priced. Indices count from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The basket has no items.
    #[error("the basket is empty")]
    Empty,
    /// The basket has too many lines.
    #[error("a basket holds at most {MAX_LINES} lines")]
    TooManyLines,
    /// The quantity of an item is out of range.
    #[error("quantity must be from 1 to {MAX_QUANTITY}")]
    Quantity {
        /// Index of the item.
        index: usize,
    },
    /// Two items name the same product.
    #[error("this product is in the basket already: raise its quantity")]
    Duplicate {
        /// Index of the second item.
        index: usize,
    },
    /// The catalog does not have this product.
    #[error("there is no product {product_id}")]
    UnknownProduct {
        /// Index of the item.
        index: usize,
        /// The requested product.
        product_id: ProductId,
    },
    /// The products' currencies differ, so that the prices cannot be added.
    #[error("all products of an order must have the same currency")]
    MixedCurrencies,
    /// The total is higher than the payments service accepts.
    #[error(
        "the basket costs more than {MAX_AMOUNT} in minor units: an order cannot be paid beyond that"
    )]
    TooMuch,
}

/// Prices baskets by the current catalog (I9). The answers are in the order of the baskets.
pub async fn price(
    conn: &mut PgConnection,
    baskets: &[&[Item]],
) -> sqlx::Result<Vec<Result<Basket, PriceError>>> {
    let items = baskets.iter().filter(|items| check(items).is_ok());
    let ids = items.flat_map(|items| items.iter().map(|item| item.product_id.uuid()));
    let ids: BTreeSet<_> = ids.collect();
    let offers = if ids.is_empty() {
        Vec::new()
    } else {
        read::offers(conn, &ids.into_iter().collect::<Vec<_>>()).await?
    };
    let priced = baskets.iter().map(|items| basket(items, &offers));
    Ok(priced.collect())
}

fn basket(items: &[Item], offers: &[read::Offer]) -> Result<Basket, PriceError> {
    check(items)?;
    let line = |(index, item): (usize, &Item)| {
        let offer = offers
            .iter()
            .find(|offer| offer.product_id == item.product_id);
        let unknown = PriceError::UnknownProduct {
            index,
            product_id: item.product_id,
        };
        let offer = offer.ok_or(unknown)?;
        Ok(Line {
            product_id: item.product_id,
            name: offer.name.clone(),
            quantity: item.quantity,
            unit_price: Money::new(offer.price_amount, offer.currency.clone()),
        })
    };
    let lines: Vec<Line> = items
        .iter()
        .enumerate()
        .map(line)
        .collect::<Result<_, PriceError>>()?;
    let total = total(&lines)?;
    Ok(Basket { lines, total })
}

fn check(items: &[Item]) -> Result<(), PriceError> {
    if items.is_empty() {
        return Err(PriceError::Empty);
    }
    if items.len() > MAX_LINES {
        return Err(PriceError::TooManyLines);
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        if !(1..=MAX_QUANTITY).contains(&item.quantity) {
            return Err(PriceError::Quantity { index });
        }
        if !seen.insert(item.product_id) {
            return Err(PriceError::Duplicate { index });
        }
    }
    Ok(())
}

fn total(lines: &[Line]) -> Result<Money, PriceError> {
    let first = lines.first().ok_or(PriceError::Empty)?;
    if lines
        .iter()
        .any(|line| line.unit_price.currency != first.unit_price.currency)
    {
        return Err(PriceError::MixedCurrencies);
    }
    let sum = lines.iter().try_fold(
        Money::new(0, first.unit_price.currency.clone()),
        |sum, line| {
            let line = line.unit_price.times(i64::from(line.quantity))?;
            sum.plus(&line)
        },
    );
    sum.filter(|sum| sum.amount <= MAX_AMOUNT)
        .ok_or(PriceError::TooMuch)
}

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    /// The order's id.
    pub id: OrderId,
    /// The user who places the order.
    pub user_id: UserId,
    /// The saga that will execute the order.
    pub saga_id: SagaId,
    /// The transaction through which the order will be paid.
    pub transaction_id: TransactionId,
    /// The ordered lines and their total.
    pub basket: &'a Basket,
    /// The order's trace; it has only one.
    pub trace_id: &'a str,
}

/// The order's span, the parent of every other span of the order's trace. Its span id is the random
/// half of the order id, so that it can be derived from the order id alone.
///
/// Returns `None` when `trace_id` is not a trace id.
pub fn place_in_trace(order_id: OrderId, trace_id: &str) -> Option<TraceRef> {
    let id = order_id.uuid().simple().to_string();
    TraceRef::new(trace_id, &id[16..]).ok()
}

/// Why an order cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A product has too little stock.
    #[error("only {left} of {name} left, {wanted} wanted")]
    OutOfStock {
        /// The product.
        product_id: ProductId,
        /// The product's name.
        name: String,
        /// Requested quantity.
        wanted: i64,
        /// Quantity still available.
        left: i64,
    },
}

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub enum Status {
    /// The order's saga has started.
    Pending,
    /// The order's payment transaction exists.
    AwaitingPayment,
    /// Paid; final.
    Completed,
    /// Canceled; final.
    Canceled,
}

impl Status {
    /// The status as stored and as written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }

    /// All statuses.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::AwaitingPayment,
        Self::Completed,
        Self::Canceled,
    ];

    /// Parses a stored status; the database holds no other value.
    pub fn parse(stored: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|status| status.as_str() == stored)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status that an entry of an order's history reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderHistoryStatus)]
pub enum HistoryStatus {
    /// See [`Status::Pending`].
    Pending,
    /// See [`Status::AwaitingPayment`].
    AwaitingPayment,
    /// Compensation began; the order keeps its status until payments has answered.
    Canceling,
    /// See [`Status::Completed`].
    Completed,
    /// See [`Status::Canceled`].
    Canceled,
}

impl HistoryStatus {
    /// The status as stored and as written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Canceling => "canceling",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for HistoryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an order is canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderCancelCause)]
pub enum CancelCause {
    /// The customer, or staff in the storefront, asked the shop to cancel the order.
    Requested,
    /// An operator's action on the order's saga canceled it.
    Operator,
    /// The transaction was canceled at payments.
    PaymentCanceled,
    /// The order was not paid in time.
    DeadlinePassed,
    /// Payments refused to create the transaction.
    Refused,
    /// Payments could not be reached in time.
    BudgetSpent,
}

impl CancelCause {
    /// The cause as stored and as written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Operator => "operator",
            Self::PaymentCanceled => "payment_canceled",
            Self::DeadlinePassed => "deadline_passed",
            Self::Refused => "refused",
            Self::BudgetSpent => "budget_spent",
        }
    }

    /// All causes.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Operator,
        Self::PaymentCanceled,
        Self::DeadlinePassed,
        Self::Refused,
        Self::BudgetSpent,
    ];
}

/// One change of an order's status.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct StatusChange {
    /// Number of the change within the order, from 1.
    pub seq: i16,
    /// The new status.
    pub status: Stored<HistoryStatus>,
    /// The reason for the change, for people.
    pub reason: Option<String>,
    /// Why the order is canceled; `None` in other changes and in orders of earlier releases.
    pub cancel_cause: Option<Stored<CancelCause>>,
    /// When the status changed.
    pub at: DateTime<Utc>,
}

impl StatusChange {
    /// Whether no change can follow.
    pub fn is_final(&self) -> bool {
        matches!(
            self.status.known(),
            Some(HistoryStatus::Completed | HistoryStatus::Canceled)
        )
    }
}

/// An order with everything that its owner may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's id.
    pub id: OrderId,
    /// The user who placed the order.
    pub user_id: UserId,
    /// The saga that executes the order.
    pub saga_id: SagaId,
    /// The transaction through which the order is paid: the one that payments answered with, and
    /// before an answer the proposed one.
    pub transaction_id: TransactionId,
    /// The order's status.
    pub status: Status,
    /// Whether the order is being compensated.
    pub canceling: bool,
    /// The ordered lines.
    pub lines: Vec<Line>,
    /// The order's total.
    pub total: Money,
    /// When the order was placed.
    pub created_at: DateTime<Utc>,
    /// The order's status changes.
    pub history: Vec<StatusChange>,
    /// The order's trace; it has only one.
    pub trace_id: String,
}

/// The terms that a payment of an order must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The order.
    pub order_id: OrderId,
    /// The saga that waits for the payment.
    pub saga_id: SagaId,
    /// The only transaction that can pay the order.
    pub transaction_id: TransactionId,
    /// The only amount that can pay the order.
    pub total: Money,
}

/// A payment that differs from the one that the order expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentMismatch {
    /// The payment belongs to another transaction.
    #[error("order {order_id} is paid through transaction {expected}, not {found}")]
    Transaction {
        /// The order.
        order_id: OrderId,
        /// The order's transaction.
        expected: TransactionId,
        /// The transaction of the payment.
        found: TransactionId,
    },
    /// The payment has another amount or currency.
    #[error("order {order_id} costs {expected}, the transaction says {found}")]
    Amount {
        /// The order.
        order_id: OrderId,
        /// The order's total.
        expected: Money,
        /// The payment's amount.
        found: Money,
    },
}

/// The one check that every report of a payment must pass, whether it is an event or a response. A
/// report without an amount is of a payments service that leaves it out.
///
/// # Errors
/// When the transaction, amount or currency differs from the order's.
pub fn verify_payment(
    terms: &PaymentTerms,
    transaction_id: TransactionId,
    amount: Option<&Money>,
) -> Result<(), PaymentMismatch> {
    let order_id = terms.order_id;
    if transaction_id != terms.transaction_id {
        return Err(PaymentMismatch::Transaction {
            order_id,
            expected: terms.transaction_id,
            found: transaction_id,
        });
    }
    if let Some(amount) = amount.filter(|amount| **amount != terms.total) {
        return Err(PaymentMismatch::Amount {
            order_id,
            expected: terms.total.clone(),
            found: amount.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(quantity: u32, amount: i64, currency: &str) -> Line {
        let unit_price = Money::new(amount, currency.parse().unwrap());
        Line {
            product_id: ProductId::new(),
            name: "mug".into(),
            quantity,
            unit_price,
        }
    }

    proptest! {
        #[test]
        fn a_total_is_the_sum_of_its_lines(parts in prop::collection::vec((1u32..=1000, 1i64..1_000_000), 1..100)) {
            let lines: Vec<_> = parts.iter().map(|&(quantity, amount)| line(quantity, amount, "EUR")).collect();
            let expected: i64 = parts.iter().map(|&(quantity, amount)| i64::from(quantity) * amount).sum();
            prop_assert_eq!(total(&lines).unwrap().amount, expected);
        }
    }

    #[test]
    fn a_status_is_spelled_alike_in_json_and_database() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(Status::parse(status.as_str()), Some(status));
            let changed = Stored::<HistoryStatus>::read(status.to_string());
            assert_eq!(changed.to_string(), status.as_str());
            assert!(changed.known().is_some());
        }
        let unknown = StatusChange {
            seq: 2,
            status: Stored::read("on_hold".to_owned()),
            reason: None,
            cancel_cause: None,
            at: DateTime::default(),
        };
        assert!(!unknown.is_final());
    }

    #[test]
    fn a_cancel_cause_is_spelled_alike_in_json_and_database() {
        for cause in CancelCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }

    #[test]
    fn totals_refuse_mixed_currencies_and_overflow() {
        assert!(matches!(
            total(&[line(1, 1, "EUR"), line(1, 1, "USD")]),
            Err(PriceError::MixedCurrencies)
        ));
        for lines in [
            vec![line(2, i64::MAX, "EUR")],
            vec![line(1, i64::MAX, "EUR"), line(1, 1, "EUR")],
            vec![line(1000, 1_000_000_000, "EUR"), line(1, 1, "EUR")],
        ] {
            assert!(
                matches!(total(&lines), Err(PriceError::TooMuch)),
                "{lines:?}"
            );
        }
        let most = total(&[line(1000, 1_000_000_000, "EUR")]).unwrap();
        assert_eq!(most.amount, MAX_AMOUNT);
    }

    #[test]
    fn a_basket_is_checked_before_the_catalog_is_asked() {
        let item = |quantity| Item {
            product_id: ProductId::new(),
            quantity,
        };
        assert!(matches!(check(&[]), Err(PriceError::Empty)));
        assert!(matches!(
            check(&[item(1), item(0)]),
            Err(PriceError::Quantity { index: 1 })
        ));
        assert!(matches!(
            check(&[item(MAX_QUANTITY + 1)]),
            Err(PriceError::Quantity { index: 0 })
        ));
        let mug = item(1);
        assert!(matches!(
            check(&[mug, mug]),
            Err(PriceError::Duplicate { index: 1 })
        ));
        assert!(matches!(
            check(&vec![item(1); MAX_LINES + 1]),
            Err(PriceError::TooManyLines)
        ));
    }

    #[test]
    fn a_payment_must_fit_in_transaction_amount_and_currency() {
        let eur = |amount| Money::new(amount, "EUR".parse().unwrap());
        let terms = PaymentTerms {
            order_id: OrderId::new(),
            saga_id: SagaId::new(),
            transaction_id: TransactionId::new(),
            total: eur(100),
        };
        let paid = |amount: Option<&Money>| verify_payment(&terms, terms.transaction_id, amount);
        assert_eq!(paid(Some(&eur(100))), Ok(()));
        assert_eq!(paid(None), Ok(()), "it says nothing against the order");
        assert!(paid(Some(&eur(99))).is_err());
        let usd = Money::new(100, "USD".parse().unwrap());
        assert!(paid(Some(&usd)).is_err());
        assert!(verify_payment(&terms, TransactionId::new(), Some(&eur(100))).is_err());
    }
}
