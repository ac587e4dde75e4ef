//! Checks that need both databases.
//!
//! The statements on payments' database are not checked at build time: the macros of this crate
//! know only the shop's database. A test runs each of them.

use std::{collections::HashMap, time::Duration};

use kernel::{Currency, Money};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Violation;

/// Orders compared per statement.
const PAGE: i64 = 5_000;
/// Most violations reported of each kind.
const ENOUGH: usize = 100;

#[derive(sqlx::FromRow)]
struct Transaction {
    transaction_id: Uuid,
    order_id: Uuid,
    amount: Option<i64>,
    currency: Option<Currency>,
    status: String,
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

pub(crate) async fn examine(
    shop: &PgPool,
    payments: &PgPool,
    grace: Duration,
) -> sqlx::Result<Vec<Violation>> {
    let mut violations = parked(payments).await?;
    let mut last = Uuid::nil();
    loop {
        let orders = orders_after(shop, last, grace).await?;
        let Some(end) = orders.last() else { break };
        last = end.order_id;
        let ids: Vec<_> = orders.iter().map(|order| order.order_id).collect();
        // read after the orders: each fact that an order implies about its transaction already held
        let transactions: Vec<Transaction> = sqlx::query_as(
            "select transaction_id, order_id, amount, currency, status from payments.transaction where order_id = any($1)",
        )
        .bind(&ids)
        .fetch_all(payments)
        .await?;
        let by_order: HashMap<_, _> = transactions
            .iter()
            .map(|found| (found.order_id, found))
            .collect();
        violations.extend(
            orders
                .iter()
                .flat_map(|order| compare(order, by_order.get(&order.order_id).copied())),
        );
        if violations.len() > ENOUGH * 10 {
            break;
        }
    }
    violations.extend(orphans(shop, payments).await?);
    Ok(violations)
}

async fn orders_after(shop: &PgPool, last: Uuid, grace: Duration) -> sqlx::Result<Vec<Order>> {
    sqlx::query_as!(
        Order,
        r#"
        select o.order_id, o.transaction_id, o.total_amount, o.currency as "currency: Currency", o.status,
               not exists (select from saga.saga s
                           where s.saga_id = o.saga_id
                             and s.ended_at is null) as "settled!",
               o.updated_at < clock_timestamp() - make_interval(secs => $2) as "quiet!"
        from commerce."order" o
        where o.order_id > $1
        order by o.order_id
        limit $3
        "#,
        last,
        grace.as_secs_f64(),
        PAGE,
    )
    .fetch_all(shop)
    .await
}

/// I2 and I3 for one order. Whether it has settled is read from its saga, never from a time: a saga
/// that waits for an outage to end is at work, however long that takes.
fn compare(order: &Order, found: Option<&Transaction>) -> Vec<Violation> {
    let subject = format!("order {}", order.order_id);
    let say = |check, what: String| Violation {
        check,
        subject: subject.clone(),
        what,
    };
    let status = order.status.as_str();
    let Some(found) = found else {
        if status == "canceled" {
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
    let total = Money::new(order.total_amount, order.currency.clone());
    let paid = found.amount.zip(found.currency.clone());
    let paid = paid.map(|(amount, currency)| Money::new(amount, currency));
    if found.status == "paid" && paid.as_ref() != Some(&total) {
        let paid = paid.map_or_else(|| "nothing".to_owned(), |paid| paid.to_string());
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
async fn parked(payments: &PgPool) -> sqlx::Result<Vec<Violation>> {
    let parked: Vec<Uuid> = sqlx::query_scalar(
        "select entry_id from messaging.outbox
         where kind = 'message' and parked_at is not null
         order by since limit 100",
    )
    .fetch_all(payments)
    .await?;
    let violation = |id| Violation {
        check: "I5",
        subject: format!("message {id}"),
        what: "payments has given up publishing it".to_owned(),
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
        violations.extend(orphaned.take(ENOUGH).map(|(id, order_id)| Violation {
            check: "I2",
            subject: format!("transaction {id}"),
            what: format!("the shop has no order {order_id}"),
        }));
    }
}
