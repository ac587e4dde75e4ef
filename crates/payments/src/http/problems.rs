//! Problems that only payments returns.

use contracts::payments::{PROBLEM_CANCELED, PROBLEM_DIFFERS, PROBLEM_PAID, Status, Transaction};
use web::{Kind, Problem};

const DIFFERS: Kind = Kind::new(409, PROBLEM_DIFFERS, "Another transaction stands here");
const CANCELED: Kind = Kind::new(409, PROBLEM_CANCELED, "The transaction is canceled");
const PAID: Kind = Kind::new(409, PROBLEM_PAID, "The transaction is paid");

/// All of these problems. Each has a page, `docs/problems/<slug>.md`.
pub const KINDS: &[Kind] = &[DIFFERS, CANCELED, PAID];

/// A creation that differs from the order's existing transaction, or whose transaction id is taken.
pub(super) fn differs(transaction: Option<Transaction>) -> Problem {
    match transaction {
        Some(transaction) => Problem::new(DIFFERS)
            .detail("This order has a transaction already: of another user, amount or id.")
            .with("transaction", transaction),
        None => Problem::new(DIFFERS)
            .detail("The order or the transaction id belongs to another transaction."),
    }
}

/// A creation for an order that must not be paid.
pub(super) fn canceled(transaction: Transaction) -> Problem {
    Problem::new(CANCELED)
        .detail("This order was canceled and can never be paid.")
        .with("state", transaction.status)
        .with("transaction", transaction)
}

/// A decision that came after the opposite one.
pub(super) fn decided(transaction: Transaction) -> Problem {
    let kind = if transaction.status == Status::Paid {
        PAID
    } else {
        CANCELED
    };
    Problem::new(kind)
        .detail("It was decided the other way before, and that is final.")
        .with("state", transaction.status)
        .with("transaction", transaction)
}
