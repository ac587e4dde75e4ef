//! Every invariant (I1–I10, see ARCHITECTURE.md) as a named check that only reads.
//!
//! Some invariants hold at every instant, others once things have settled. A check of the second
//! kind looks only at what has not moved for the time of grace given, so that `doctor` may run
//! beside live traffic; tests wait until all sagas rest and give no grace at all.

mod across;
mod shop;

use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `I1` to `I10`.
    pub id: &'static str,
    /// The invariant, in a sentence.
    pub promise: &'static str,
}

/// All checks, in order.
pub const CHECKS: [Check; 10] = [
    Check {
        id: "I1",
        promise: "an order, its saga, its journal and its first entry exist together or not at all",
    },
    Check {
        id: "I2",
        promise: "no order is left without a transaction, unless it is canceled",
    },
    Check {
        id: "I3",
        promise: "completed order ⇔ paid transaction of the same amount; canceled order ⇒ no payment",
    },
    Check {
        id: "I4",
        promise: "orders only move along the arrows, and a terminal state never changes",
    },
    Check {
        id: "I5",
        promise: "every outcome is published, and takes effect once",
    },
    Check {
        id: "I6",
        promise: "every started step of a compensated saga is undone once; nothing after the pivot is",
    },
    Check {
        id: "I7",
        promise: "every saga that is neither at rest nor paused owns exactly one entry",
    },
    Check {
        id: "I8",
        promise: "stock adds up: reserved by live orders, sold by completed ones",
    },
    Check {
        id: "I9",
        promise: "an order costs the sum of its lines",
    },
    Check {
        id: "I10",
        promise: "what cannot be delivered is kept, with the reason",
    },
];

/// Something that is not as promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which promise.
    pub check: &'static str,
    /// What about: an order, saga, product or message id.
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks that were made.
    pub made: Vec<&'static str>,
    /// The checks that were not, since payments' database was not given.
    pub skipped: Vec<&'static str>,
    /// What is wrong; the first hundred of each kind.
    pub violations: Vec<Violation>,
}

/// Checks everything that can be checked with the databases given. What moved within `grace` is
/// not held to what is promised for settled things only.
///
/// # Errors
/// When a database cannot be read.
pub async fn examine(
    shop: &PgPool,
    payments: Option<&PgPool>,
    grace: Duration,
) -> sqlx::Result<Report> {
    let mut violations = shop::examine(shop, grace).await?;
    let across = ["I2", "I3", "I5"];
    let skipped: Vec<_> = if payments.is_some() {
        Vec::new()
    } else {
        across.to_vec()
    };
    if let Some(payments) = payments {
        violations.extend(across::examine(shop, payments, grace).await?);
    }
    violations.sort_by_key(|violation| CHECKS.iter().position(|check| check.id == violation.check));
    let made = CHECKS
        .iter()
        .map(|check| check.id)
        .filter(|id| !skipped.contains(id))
        .collect();
    Ok(Report {
        made,
        skipped,
        violations,
    })
}
