//! Every invariant (I1–I11, see ARCHITECTURE.md) and every rule of hygiene as a named, read-only
//! check.
//!
//! Some invariants hold at every instant, others only once an order has settled. Whether it has is
//! read from its saga: a saga that is not at rest is at work, however long an outage lasts, and its
//! order violates nothing by being unfinished. So `doctor` may run beside live traffic, and a
//! violation is false however long one waits. Slowness is a warning.
//!
//! - `checks`: each check, its meaning and the remedy.
//! - `shop`, `journals`, `across`: the invariants. `hygiene`: late work, and work that waits for an
//!   operator. `broker`: queues.

mod across;
mod broker;
mod checks;
mod hygiene;
mod journals;
mod report;
mod shop;

use std::{sync::Arc, time::Duration};

use saga::Shape;
use serde::Serialize;
use sqlx::PgPool;
use workflows::payments::Payments;

pub use checks::{CHECKS, Check, Reads, Severity, Source};
pub use report::{CheckResult, InPart, Report, Unavailable};

/// A violation of a check's promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Id of the check.
    pub check: &'static str,
    /// The object: an order, saga, product, message or queue.
    pub subject: String,
    /// The fault.
    pub what: String,
}

/// The sources to read.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The shop's database.
    pub shop: &'a PgPool,
    /// Payments.
    pub payments: &'a PaymentsSource,
    /// RabbitMQ.
    pub amqp_url: Option<&'a str>,
    /// RabbitMQ's management API.
    pub management_url: Option<&'a str>,
    /// The sources that the caller leaves out on purpose; they are not read.
    pub without: &'a [Source],
    /// The plans that this release knows.
    pub plans: &'a [Shape],
}

/// How payments can be read. Its database is preferred, since it shows the outbox, too.
#[derive(Clone)]
pub struct PaymentsSource {
    /// Its API, or why it cannot be called.
    pub api: Result<Arc<dyn Payments>, String>,
    /// Its database, if one is set; or why the one that is set is not read.
    pub database: Result<Option<PgPool>, String>,
}

impl PaymentsSource {
    /// Payments' own database.
    pub fn database(pool: &PgPool) -> Self {
        Self {
            api: Err("only its database is given".to_owned()),
            database: Ok(Some(pool.clone())),
        }
    }

    /// Payments' API.
    pub fn api(payments: Arc<dyn Payments>) -> Self {
        Self {
            api: Ok(payments),
            database: Ok(None),
        }
    }
}

/// The limits after which something counts as late.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Grace period: a decision of payments that has not reached its saga within it is late.
    pub grace: Duration,
    /// A message, step or deadline that waits longer than this is late.
    pub late: Duration,
    /// The longest time until a retry.
    pub nap: Duration,
    /// A saga that has been compensating for longer than this is overdue.
    pub compensation: Duration,
    /// A saga that has been paused for longer than this counts as forgotten.
    pub pause: Duration,
    /// A session that is idle in a transaction for longer than this blocks others.
    pub idle: Duration,
    /// How long finished sagas are kept.
    pub sagas: Duration,
    /// How long the inbox keeps message ids.
    pub inbox: Duration,
    /// Replay the journals of this many live sagas and of this many of the newest; absent: of all.
    pub journals: Option<i64>,
    /// Compare this many of the newest orders with payments if its database is not read; absent:
    /// all.
    pub orders: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: Duration::from_mins(5),
            late: Duration::from_mins(1),
            nap: Duration::from_hours(1),
            compensation: Duration::from_mins(15),
            pause: Duration::from_hours(24),
            idle: Duration::from_secs(5),
            sagas: Duration::from_hours(30 * 24),
            inbox: Duration::from_hours(30 * 24),
            journals: Some(1_000),
            orders: None,
        }
    }
}

/// Checks the invariants, as far as the given databases allow; for tests and benchmarks.
///
/// # Errors
/// When a database cannot be read.
pub async fn examine(
    shop: &PgPool,
    payments: Option<&PgPool>,
    plans: &[Shape],
    grace: Duration,
) -> sqlx::Result<Report> {
    let mut violations = shop::examine(shop, plans, None).await?;
    if let Some(payments) = payments {
        violations.extend(across::in_database(shop, payments, grace).await?);
    }
    let made = |check: &Check| payments.is_some() || check.reads == Reads::Shop;
    let checks = CHECKS.iter();
    let invariants = checks.filter(|check| check.severity == Severity::Violation);
    Ok(Report::new(invariants, made, violations))
}

/// Runs every check. The report names each source that is not configured or does not answer.
///
/// # Errors
/// When the shop's database cannot be read: without it no report is possible.
pub async fn examine_all(sources: Sources<'_>, limits: &Limits) -> sqlx::Result<Report> {
    let mut found = shop::examine(sources.shop, sources.plans, limits.journals).await?;
    found.extend(hygiene::shop(sources.shop, sources.plans, limits).await?);
    let reads = |source| !sources.without.contains(&source);
    let mut unavailable = Vec::new();
    let mut in_part = Vec::new();
    if reads(Source::Payments) {
        let seen = at_payments(sources, limits, reads(Source::PaymentsDatabase)).await;
        found.extend(seen.found);
        unavailable.extend(seen.unavailable);
        in_part.extend(seen.in_part);
    }
    if reads(Source::RabbitMq) {
        let seen = match sources.amqp_url {
            None => Err("AMQP_URL is not set".to_owned()),
            Some(url) => broker::examine(url)
                .await
                .map_err(|error| error.to_string()),
        };
        note(Source::RabbitMq, seen, &mut found, &mut unavailable);
    }
    if reads(Source::Bindings) {
        let seen = match (sources.management_url, sources.amqp_url) {
            (Some(management), Some(amqp)) => broker::bindings(management, amqp)
                .await
                .map_err(|error| error.to_string()),
            (Some(_), None) => Err("AMQP_URL is not set".to_owned()),
            (None, _) => Err("RABBITMQ_MANAGEMENT_URL is not set".to_owned()),
        };
        note(Source::Bindings, seen, &mut found, &mut unavailable);
    }
    let missing: Vec<_> = unavailable.iter().map(|missing| missing.source).collect();
    let made = |check: &Check| {
        let mut sources = check.reads.sources().iter();
        sources.all(|source| reads(*source) && !missing.contains(source))
    };
    let mut report = Report::new(CHECKS.iter(), made, found);
    report.leave_out(sources.without);
    report.unavailable = unavailable;
    report.in_part = in_part;
    Ok(report)
}

/// Adds the findings of a source, or the reason why it could not be read.
fn note(
    source: Source,
    seen: Result<Vec<Violation>, String>,
    found: &mut Vec<Violation>,
    unavailable: &mut Vec<Unavailable>,
) {
    match seen {
        Ok(more) => found.extend(more),
        Err(reason) => unavailable.push(Unavailable { source, reason }),
    }
}

/// The checks that only payments' database shows in whole.
const OF_DATABASE: &[&str] = &[
    "I2",
    "I5",
    "late-messages",
    "parked-messages",
    "idle-in-transaction",
];
/// The checks that compare orders with transactions.
const OF_ORDERS: &[&str] = &["I2", "I3", "late-outcomes"];

/// The findings at payments, and the limits of the look.
#[derive(Default)]
struct AtPayments {
    found: Vec<Violation>,
    unavailable: Vec<Unavailable>,
    in_part: Vec<InPart>,
}

impl AtPayments {
    fn miss(&mut self, source: Source, reason: String) {
        self.unavailable.push(Unavailable { source, reason });
    }
}

/// Reads payments' database, if it may be read; else its API.
async fn at_payments(sources: Sources<'_>, limits: &Limits, reads_database: bool) -> AtPayments {
    let mut seen = AtPayments::default();
    let database = match &sources.payments.database {
        Ok(Some(database)) if reads_database => match both(sources.shop, database, limits).await {
            Ok(found) => {
                seen.found = found;
                return seen;
            }
            Err(error) => Err(error.to_string()),
        },
        Ok(_) => Ok(()),
        Err(why) => Err(why.clone()),
    };
    match database {
        Ok(()) if reads_database => seen.in_part.push(InPart {
            checks: OF_DATABASE,
            part: "without payments' database (PAYMENTS_DATABASE_URL is not set)".to_owned(),
        }),
        Err(why) if reads_database => seen.miss(Source::PaymentsDatabase, why),
        _ => {}
    }
    let compared = match &sources.payments.api {
        Ok(api) => across::through_api(sources.shop, &**api, limits.grace, limits.orders).await,
        Err(why) => Err(why.clone()),
    };
    match compared {
        Ok(compared) => {
            seen.found = compared.violations;
            let share = compared.share.map(|part| InPart {
                checks: OF_ORDERS,
                part,
            });
            seen.in_part.extend(share);
        }
        Err(why) => {
            // checks that did not run have no parts
            seen.in_part.clear();
            seen.unavailable.insert(
                0,
                Unavailable {
                    source: Source::Payments,
                    reason: why,
                },
            );
        }
    }
    seen
}

async fn both(shop: &PgPool, payments: &PgPool, limits: &Limits) -> sqlx::Result<Vec<Violation>> {
    let mut found = across::in_database(shop, payments, limits.grace).await?;
    found.extend(hygiene::payments(payments, limits).await?);
    Ok(found)
}
