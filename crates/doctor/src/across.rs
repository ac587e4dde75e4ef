//! Checks that compare the shop with payments: in payments' database, or through its API.
//!
//! The statements on payments' database are not checked at build time: the macros of this crate
//! know only the shop's database. A test runs each of them.

use std::{collections::HashMap, time::Duration};

use contracts::payments::Transaction as Answer;
use kernel::{Currency, Money, TransactionId};
use sqlx::PgPool;
use uuid::Uuid;
use workflows::payments::Payments;

use crate::Violation;

/// Orders compared per statement.
const PAGE: i64 = 5_000;
/// Orders compared per statement if payments is asked through its API.
const API_PAGE: i64 = 1_000;
/// Most orders that are compared one by one.
const SAMPLE: i64 = 500;
/// Maximum number of violations reported of each kind.
const MAX_VIOLATIONS: usize = 100;

#[derive(sqlx::FromRow)]
struct Row {
    transaction_id: Uuid,
    order_id: Uuid,
    amount: Option<i64>,
    currency: Option<Currency>,
    status: String,
}

/// A transaction of payments, as far as its source shows it.
struct Transaction {
    transaction_id: Uuid,
    order_id: Option<Uuid>,
    amount: Option<Money>,
    status: String,
}

impl From<Row> for Transaction {
    fn from(row: Row) -> Self {
        let amount = row.amount.zip(row.currency);
        Self {
            transaction_id: row.transaction_id,
            order_id: Some(row.order_id),
            amount: amount.map(|(amount, currency)| Money::new(amount, currency)),
            status: row.status,
        }
    }
}

impl From<Answer> for Transaction {
    fn from(answer: Answer) -> Self {
        Self {
            transaction_id: answer.transaction_id.uuid(),
            order_id: answer.order_id.map(kernel::OrderId::uuid),
            amount: answer.amount,
            status: answer.status.as_str().to_owned(),
        }
    }
}

/// Where transactions are read. A database shows everything. An API may leave out values, and may
/// not show a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadIn {
    Database,
    Api,
}

struct Order {
    order_id: Uuid,
    transaction_id: Uuid,
    total_amount: i64,
    currency: Currency,
    status: String,
    /// Whether its saga is at rest: nothing will move the order any more.
    settled: bool,
    /// Whether it has not moved within the grace period.
    quiet: bool,
}

/// Compares all orders with payments' database.
pub(crate) async fn in_database(
    shop: &PgPool,
    payments: &PgPool,
    grace: Duration,
) -> sqlx::Result<Vec<Violation>> {
    let mut violations = parked(shop, payments).await?;
    let mut last = Uuid::max();
    loop {
        let orders = orders_before(shop, last, grace, PAGE).await?;
        let Some(end) = orders.last() else { break };
        last = end.order_id;
        let ids: Vec<_> = orders.iter().map(|order| order.order_id).collect();
        // read after the orders: each fact that an order implies about its transaction already held
        let transactions: Vec<Row> = sqlx::query_as(
            "select transaction_id, order_id, amount, currency, status from payments.transaction where order_id = any($1)",
        )
        .bind(&ids)
        .fetch_all(payments)
        .await?;
        let by_order = transactions
            .into_iter()
            .map(|row| (row.order_id, row.into()));
        let by_order: HashMap<Uuid, Transaction> = by_order.collect();
        let compared = orders
            .iter()
            .flat_map(|order| compare(order, by_order.get(&order.order_id), ReadIn::Database));
        violations.extend(compared);
        if violations.len() > MAX_VIOLATIONS * 10 {
            break;
        }
    }
    violations.extend(orphans(shop, payments).await?);
    Ok(violations)
}

/// What payments' API showed.
pub(crate) struct ThroughApi {
    pub(crate) violations: Vec<Violation>,
    /// Which orders were compared, if not all.
    pub(crate) share: Option<String>,
}

/// Compares orders with payments' API, the newest first: at most `most`, and at most
/// [`SAMPLE`] if payments has no bulk read.
///
/// # Errors
/// Why nothing could be compared.
pub(crate) async fn through_api(
    shop: &PgPool,
    payments: &dyn Payments,
    grace: Duration,
    most: Option<i64>,
) -> Result<ThroughApi, String> {
    let support = payments
        .support()
        .await
        .map_err(|error| error.to_string())?;
    if !support.reads() {
        return Err(
            "it has neither the read of one transaction nor the bulk read (docs/payments-contract.md, level 2)"
                .to_owned(),
        );
    }
    let most = if support.bulk_read {
        most
    } else {
        Some(most.map_or(SAMPLE, |most| most.min(SAMPLE)))
    };
    let mut seen = Compared::default();
    let mut last = Uuid::max();
    loop {
        let left = most.map_or(API_PAGE, |most| API_PAGE.min(most - seen.asked));
        let orders = orders_before(shop, last, grace, left).await;
        let orders = orders.map_err(|error| format!("the shop's orders: {error}"))?;
        let Some(end) = orders.last() else { break };
        last = end.order_id;
        seen.page(&orders, payments).await?;
        if seen.violations.len() > MAX_VIOLATIONS * 10 {
            break;
        }
    }
    let share = seen.share(shop, most, support.bulk_read).await;
    Ok(ThroughApi {
        violations: seen.violations,
        share: share.map_err(|error| format!("the shop's orders: {error}"))?,
    })
}

/// The orders that were compared through payments' API.
#[derive(Default)]
struct Compared {
    violations: Vec<Violation>,
    /// How many transactions were asked for.
    asked: i64,
    /// How many answers failed, and why the first one did.
    failed: i64,
    reason: Option<String>,
}

impl Compared {
    async fn page(&mut self, orders: &[Order], payments: &dyn Payments) -> Result<(), String> {
        let ids: Vec<_> = orders
            .iter()
            .map(|order| TransactionId::from(order.transaction_id))
            .collect();
        let answers = payments.find_many(&ids).await;
        let mut answered = 0;
        for (order, answer) in orders.iter().zip(answers) {
            self.asked += 1;
            match answer {
                Ok(found) => {
                    answered += 1;
                    let found = found.map(Transaction::from);
                    self.violations
                        .extend(compare(order, found.as_ref(), ReadIn::Api));
                }
                Err(error) => {
                    self.failed += 1;
                    self.reason.get_or_insert_with(|| error.to_string());
                }
            }
        }
        match &self.reason {
            Some(reason) if answered == 0 => Err(reason.clone()),
            _ => Ok(()),
        }
    }

    /// Which orders were compared, if not all.
    async fn share(
        &self,
        shop: &PgPool,
        most: Option<i64>,
        in_bulk: bool,
    ) -> sqlx::Result<Option<String>> {
        let limited = most.is_some_and(|most| self.asked >= most);
        if !limited && self.failed == 0 {
            return Ok(None);
        }
        let total = sqlx::query_scalar!(r#"select count(*) as "count!" from commerce."order""#)
            .fetch_one(shop)
            .await?;
        let compared = self.asked - self.failed;
        if compared >= total {
            return Ok(None);
        }
        let failed = self.reason.as_ref().map_or_else(String::new, |reason| {
            format!(" ({} answers failed: {reason})", self.failed)
        });
        let one_by_one = if limited && !in_bulk {
            ", since payments has no bulk read"
        } else {
            ""
        };
        let share = format!("for {compared} of {total} orders, the newest{failed}{one_by_one}");
        Ok(Some(share))
    }
}

async fn orders_before(
    shop: &PgPool,
    last: Uuid,
    grace: Duration,
    limit: i64,
) -> sqlx::Result<Vec<Order>> {
    sqlx::query_as!(
        Order,
        r#"
        select o.order_id, o.transaction_id, o.total_amount, o.currency as "currency: Currency", o.status,
               not exists (select from saga.saga s
                           where s.saga_id = o.saga_id
                             and s.ended_at is null) as "settled!",
               o.updated_at < clock_timestamp() - make_interval(secs => $2) as "quiet!"
        from commerce."order" o
        where o.order_id < $1
        order by o.order_id desc
        limit $3
        "#,
        last,
        grace.as_secs_f64(),
        limit,
    )
    .fetch_all(shop)
    .await
}

/// I2 and I3 for one order. Whether it has settled is read from its saga, never from a time: a saga
/// that waits for an outage to end is at work, however long that takes.
fn compare(order: &Order, found: Option<&Transaction>, read_in: ReadIn) -> Vec<Violation> {
    let subject = format!("order {}", order.order_id);
    let say = |check, what: String| Violation {
        check,
        subject: subject.clone(),
        what,
    };
    let status = order.status.as_str();
    let Some(found) = found else {
        if status == "canceled" && read_in == ReadIn::Database {
            return vec![say(
                "I3",
                "it is canceled, and its transaction could still be created: no tombstone"
                    .to_owned(),
            )];
        }
        let has_none = matches!(status, "awaiting_payment" | "completed")
            || (status == "pending" && order.settled);
        return if has_none {
            vec![say("I2", format!("it is {status} and has no transaction"))]
        } else {
            Vec::new()
        };
    };
    let mut violations = Vec::new();
    if found.transaction_id != order.transaction_id {
        violations.push(say(
            "I3",
            format!("payments knows it by transaction {}", found.transaction_id),
        ));
    }
    if let Some(other) = found.order_id.filter(|id| *id != order.order_id) {
        violations.push(say(
            "I3",
            format!("its transaction is that of order {other}"),
        ));
    }
    let total = Money::new(order.total_amount, order.currency.clone());
    let unknown = found.amount.is_none() && read_in == ReadIn::Api;
    if found.status == "paid" && !unknown && found.amount.as_ref() != Some(&total) {
        let paid = found.amount.as_ref();
        let paid = paid.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        violations.push(say("I3", format!("it costs {total}, paid: {paid}")));
    }
    let fits = match status {
        "completed" => found.status == "paid",
        "canceled" => found.status == "canceled",
        _ => !order.settled || found.status == "pending",
    };
    if !fits {
        violations.push(say(
            "I3",
            format!("it is {status}, its transaction is {}", found.status),
        ));
    } else if found.status != "pending" && !order.settled && order.quiet {
        violations.push(say(
            "late-outcomes",
            format!(
                "it is {status}, its transaction is {}, and its saga has not heard of it",
                found.status
            ),
        ));
    }
    violations
}

/// I5: outcomes that payments has given up publishing. An outcome that waits for RabbitMQ is only
/// late.
async fn parked(shop: &PgPool, payments: &PgPool) -> sqlx::Result<Vec<Violation>> {
    let parked: Vec<(Uuid, Option<String>)> = sqlx::query_as(
        "select entry_id, body->>'transaction_id' from messaging.outbox
         where kind = 'message' and parked_at is not null
         order by since limit 100",
    )
    .fetch_all(payments)
    .await?;
    let named = parked
        .iter()
        .filter_map(|(_, id)| id.as_ref()?.parse().ok());
    let named: Vec<Uuid> = named.collect();
    let at_rest = sqlx::query!(
        r#"
        select o.transaction_id::text as "transaction_id!", o.order_id, s.state
        from commerce."order" o join saga.saga s using (saga_id)
        where o.transaction_id = any($1) and s.ended_at is not null
        "#,
        &named,
    )
    .fetch_all(shop)
    .await?;
    let violation = |(entry, transaction): (Uuid, Option<String>)| {
        let mut at_rest = at_rest.iter();
        let left = at_rest.find(|order| Some(&order.transaction_id) == transaction.as_ref());
        let left = left.map(|order| {
            let (order_id, state) = (order.order_id, &order.state);
            format!("; order {order_id} is {state} without it, and `shopctl outbox retry {entry}` closes it")
        });
        Violation {
            check: "I5",
            subject: format!("message {entry}"),
            what: format!(
                "payments has given up publishing it{}",
                left.unwrap_or_default()
            ),
        }
    };
    Ok(parked.into_iter().map(violation).collect())
}

/// I2, in the other direction: paid or pending transactions without an order.
async fn orphans(shop: &PgPool, payments: &PgPool) -> sqlx::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    let mut last = Uuid::nil();
    loop {
        let page: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "select transaction_id, order_id from payments.transaction
             where transaction_id > $1 and not tombstone order by transaction_id limit $2",
        )
        .bind(last)
        .bind(PAGE)
        .fetch_all(payments)
        .await?;
        let Some((end, _)) = page.last() else {
            return Ok(violations);
        };
        last = *end;
        let ids: Vec<_> = page.iter().map(|(_, order_id)| *order_id).collect();
        let known = sqlx::query_scalar!(
            r#"select order_id from commerce."order" where order_id = any($1)"#,
            &ids
        )
        .fetch_all(shop)
        .await?;
        let known: std::collections::HashSet<_> = known.into_iter().collect();
        let orphaned = page
            .iter()
            .filter(|(_, order_id)| !known.contains(order_id));
        violations.extend(
            orphaned
                .take(MAX_VIOLATIONS)
                .map(|(id, order_id)| Violation {
                    check: "I2",
                    subject: format!("transaction {id}"),
                    what: format!("the shop has no order {order_id}"),
                }),
        );
    }
}
