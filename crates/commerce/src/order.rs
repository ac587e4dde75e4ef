//! Orders: pricing, placing, and the moves of an order. A saga decides when; here stands what.

mod limits;
mod moves;
mod read;

pub use limits::{Limit, LimitError, OrderLimits, check_limits};
pub use moves::{await_payment, begin_canceling, cancel, complete, place};
pub use read::{Filter, Number, NumberError, changes_since, find, find_ids, find_terms, list};

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use contracts::payments::MAX_AMOUNT;
use kernel::{Money, OrderId, ProductId, SagaId, TraceRef, TransactionId, UserId};
use sqlx::PgConnection;

/// Most lines an order.
pub const MAX_LINES: usize = 100;
/// Most pieces a line.
pub const MAX_QUANTITY: u32 = 1000;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Of what.
    pub product_id: ProductId,
    /// How many.
    pub quantity: u32,
}

/// What somebody gets, at the catalog's price of that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of what.
    pub product_id: ProductId,
    /// Under which name.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Money,
}

/// Priced lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// The lines, as asked for.
    pub lines: Vec<Line>,
    /// Their sum.
    pub total: Money,
}

/// Why a basket cannot be priced. Indices count from 0.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// There is nothing in it.
    #[error("the basket is empty")]
    Empty,
    /// There is too much in it.
    #[error("a basket holds at most {MAX_LINES} lines")]
    TooManyLines,
    /// A quantity that makes no sense.
    #[error("quantity must be from 1 to {MAX_QUANTITY}")]
    Quantity {
        /// Of which item.
        index: usize,
    },
    /// The same product twice.
    #[error("this product is in the basket already: raise its quantity")]
    Duplicate {
        /// The second one.
        index: usize,
    },
    /// The catalog has no such product.
    #[error("there is no product {product_id}")]
    UnknownProduct {
        /// Of which item.
        index: usize,
        /// As asked for.
        product_id: ProductId,
    },
    /// Different currencies cannot be summed up.
    #[error("all products of an order must have the same currency")]
    MixedCurrencies,
    /// More than payments takes.
    #[error(
        "the basket costs more than {MAX_AMOUNT} in minor units: an order cannot be paid beyond that"
    )]
    TooMuch,
    /// The database failed.
    #[error("could not read the catalog")]
    Db(#[from] sqlx::Error),
}

/// Prices a basket by the catalog as it is now (I9).
///
/// # Errors
/// [`PriceError`]
pub async fn price(conn: &mut PgConnection, items: &[Item]) -> Result<Basket, PriceError> {
    check(items)?;
    let ids: Vec<_> = items.iter().map(|item| item.product_id.uuid()).collect();
    let offers = read::offers(conn, &ids).await?;
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
    /// Its id.
    pub id: OrderId,
    /// Who orders.
    pub user_id: UserId,
    /// The saga that will drive it.
    pub saga_id: SagaId,
    /// The transaction that it will be paid through.
    pub transaction_id: TransactionId,
    /// What is ordered.
    pub basket: &'a Basket,
    /// Its one trace.
    pub trace_id: &'a str,
}

/// Where an order stands in its trace: all that happens to it hangs there. The span's id is the
/// random half of the order's, so that whoever knows the order knows it.
///
/// None when `trace_id` is no trace id.
pub fn place_in_trace(order_id: OrderId, trace_id: &str) -> Option<TraceRef> {
    let id = order_id.uuid().simple().to_string();
    TraceRef::new(trace_id, &id[16..]).ok()
}

/// Why an order cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Not enough is left of a product.
    #[error("only {left} of {name} left, {wanted} wanted")]
    OutOfStock {
        /// Of which.
        product_id: ProductId,
        /// Its name.
        name: String,
        /// How many were asked for.
        wanted: i64,
        /// How many can still be had.
        left: i64,
    },
    /// The database failed.
    #[error("could not place the order")]
    Db(#[from] sqlx::Error),
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its saga has started.
    Pending,
    /// Its transaction exists.
    AwaitingPayment,
    /// Paid; final.
    Completed,
    /// Canceled; final.
    Canceled,
}

impl Status {
    /// As stored and as written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }

    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::AwaitingPayment,
        Self::Completed,
        Self::Canceled,
    ];

    /// From its stored form; nothing else is ever stored.
    pub fn parse(stored: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|status| status.as_str() == stored)
    }
}

/// One change of an order's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// Number within the order, from 1.
    pub seq: i16,
    /// What it became; also `canceling`.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl StatusChange {
    /// Whether nothing comes after it.
    pub fn is_final(&self) -> bool {
        matches!(
            Status::parse(&self.status),
            Some(Status::Completed | Status::Canceled)
        )
    }
}

/// An order with everything that its owner may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who ordered.
    pub user_id: UserId,
    /// The saga that drives it.
    pub saga_id: SagaId,
    /// The transaction that it is paid through.
    pub transaction_id: TransactionId,
    /// Where it stands.
    pub status: Status,
    /// Whether it is being undone.
    pub canceling: bool,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Money,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// How it got where it is.
    pub history: Vec<StatusChange>,
    /// Its one trace.
    pub trace_id: String,
}

/// What a payment must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The order.
    pub order_id: OrderId,
    /// The saga that waits for the payment.
    pub saga_id: SagaId,
    /// The one transaction that counts.
    pub transaction_id: TransactionId,
    /// The one amount that counts.
    pub total: Money,
}

/// A payment that is not the one the order waits for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentMismatch {
    /// Another transaction.
    #[error("order {order_id} is paid through transaction {expected}, not {found}")]
    Transaction {
        /// The order.
        order_id: OrderId,
        /// Its transaction.
        expected: TransactionId,
        /// What was paid.
        found: TransactionId,
    },
    /// Another amount or currency.
    #[error("order {order_id} costs {expected}, the transaction says {found}")]
    Amount {
        /// The order.
        order_id: OrderId,
        /// What it costs.
        expected: Money,
        /// What was paid.
        found: Money,
    },
}

/// The one check that whatever says `paid`, an event or an answer, must pass.
///
/// # Errors
/// When transaction, amount or currency are not the order's.
pub fn verify_payment(
    terms: &PaymentTerms,
    transaction_id: TransactionId,
    amount: &Money,
) -> Result<(), PaymentMismatch> {
    let order_id = terms.order_id;
    if transaction_id != terms.transaction_id {
        return Err(PaymentMismatch::Transaction {
            order_id,
            expected: terms.transaction_id,
            found: transaction_id,
        });
    }
    if *amount != terms.total {
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
        assert_eq!(
            verify_payment(&terms, terms.transaction_id, &eur(100)),
            Ok(())
        );
        assert!(verify_payment(&terms, TransactionId::new(), &eur(100)).is_err());
        assert!(verify_payment(&terms, terms.transaction_id, &eur(99)).is_err());
        let usd = Money::new(100, "USD".parse().unwrap());
        assert!(verify_payment(&terms, terms.transaction_id, &usd).is_err());
    }
}
