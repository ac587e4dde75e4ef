//! The answers that clients received; each is compared with the databases once the system is at
//! rest.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use testkit::System;
use uuid::Uuid;

/// An answer that constrains the final status of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: the transaction is paid.
    Paid,
    /// 200: the transaction is canceled.
    Canceled,
    /// 409 to a payment: the transaction is canceled.
    TooLateToPay,
    /// 409 to a cancellation at payments: the transaction is paid.
    TooLateToCancel,
    /// 409 to the order's cancellation: the order is completed.
    Completed,
    /// The order was read with a final status.
    Seen(String),
}

impl Answer {
    /// The final status that the order must have.
    fn end(&self) -> &str {
        match self {
            Self::Paid | Self::TooLateToCancel | Self::Completed => "completed",
            Self::Canceled | Self::TooLateToPay => "canceled",
            Self::Seen(status) => status,
        }
    }
}

/// All answers that a client received about one order.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The order's idempotency key.
    pub key: String,
    /// The ids from the answers that accepted the order (201 and 202), one per answer.
    pub accepted: Vec<Uuid>,
    /// All answers that constrain the order's final status.
    pub answers: Vec<Answer>,
    /// Answers that must never occur.
    pub wrong: Vec<String>,
}

/// All answers of all clients.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// One entry per key.
    pub entries: Vec<Entry>,
    /// The addresses of accounts that were confirmed (201).
    pub accounts: Vec<String>,
}

struct Order {
    status: String,
    key: Option<String>,
}

/// The contents of the databases.
pub struct Found {
    orders: HashMap<Uuid, Order>,
    transactions: HashMap<Uuid, String>,
    clients: Vec<String>,
}

impl Found {
    /// Reads both databases.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn read(system: &System) -> sqlx::Result<Self> {
        let shop = &system.shop;
        let orders = sqlx::query(
            r#"select o.order_id, o.status, k.key
               from commerce."order" o left join commerce.idempotency_key k using (order_id)"#,
        )
        .fetch_all(shop)
        .await?;
        let orders = orders.into_iter().map(|row| {
            let order = Order {
                status: row.get("status"),
                key: row.get("key"),
            };
            (row.get("order_id"), order)
        });
        let transactions = system.transactions().await?.into_iter();
        let clients = sqlx::query_scalar(
            r#"select u.email::text from auth."user" u join commerce.client c using (user_id)"#,
        )
        .fetch_all(shop)
        .await?;
        Ok(Self {
            orders: orders.collect(),
            transactions: transactions
                .map(|found| (found.order_id, found.status))
                .collect(),
            clients,
        })
    }

    /// The number of orders with this status.
    pub fn count(&self, status: &str) -> usize {
        let orders = self.orders.values();
        orders.filter(|order| order.status == status).count()
    }
}

/// Compares the answers with the databases; returns one sentence per difference.
pub fn verify(ledger: &Ledger, found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut asked = HashSet::new();
    for entry in &ledger.entries {
        wrong.extend(
            entry
                .wrong
                .iter()
                .map(|what| format!("key {}: {what}", entry.key)),
        );
        asked.insert(entry.key.as_str());
        wrong.extend(verify_entry(entry, found));
    }
    for (id, order) in &found.orders {
        match &order.key {
            Some(key) if asked.contains(key.as_str()) => {}
            key => wrong.push(format!("order {id} (key {key:?}) was asked for by nobody")),
        }
    }
    let mut keys: Vec<_> = found
        .orders
        .values()
        .filter_map(|order| order.key.as_ref())
        .collect();
    keys.sort();
    wrong.extend(
        keys.windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| format!("key {} has two orders", pair[0])),
    );
    for email in &ledger.accounts {
        if !found.clients.contains(email) {
            wrong.push(format!(
                "the account {email} was confirmed and is not there, or has no client"
            ));
        }
    }
    wrong
}

fn verify_entry(entry: &Entry, found: &Found) -> Vec<String> {
    let key = &entry.key;
    let Some(id) = entry.accepted.first() else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    if let Some(other) = entry.accepted.iter().find(|other| *other != id) {
        wrong.push(format!(
            "key {key} was answered with two orders, {id} and {other}"
        ));
    }
    let Some(order) = found.orders.get(id) else {
        wrong.push(format!(
            "order {id} (key {key}) was accepted and is not there"
        ));
        return wrong;
    };
    let status = order.status.as_str();
    if !matches!(status, "completed" | "canceled") {
        wrong.push(format!("order {id} has not come to rest: it is {status}"));
    }
    let transaction = found.transactions.get(id).map(String::as_str);
    let fits = match status {
        "completed" => transaction == Some("paid"),
        "canceled" => transaction == Some("canceled"),
        _ => true,
    };
    if !fits {
        wrong.push(format!(
            "order {id} is {status}, its transaction {transaction:?}"
        ));
    }
    for answer in &entry.answers {
        if answer.end() != status {
            wrong.push(format!(
                "order {id} is {status}, and a client was told {answer:?}"
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: Uuid, status: &str, transaction: &str) -> Found {
        let order = Order {
            status: status.to_owned(),
            key: Some("k".to_owned()),
        };
        Found {
            orders: [(id, order)].into(),
            transactions: [(id, transaction.to_owned())].into(),
            clients: vec!["a@shop.example".to_owned()],
        }
    }

    fn ledger(accepted: &[Uuid], answers: &[Answer]) -> Ledger {
        let entry = Entry {
            key: "k".to_owned(),
            accepted: accepted.to_vec(),
            answers: answers.to_vec(),
            wrong: Vec::new(),
        };
        Ledger {
            entries: vec![entry],
            accounts: vec!["a@shop.example".to_owned()],
        }
    }

    #[test]
    fn what_was_said_and_is_so_is_no_violation() {
        let id = Uuid::from_u128(1);
        let paid = ledger(&[id, id], &[Answer::Paid, Answer::TooLateToCancel]);
        assert!(verify(&paid, &found(id, "completed", "paid")).is_empty());
        let canceled = ledger(
            &[id],
            &[Answer::Canceled, Answer::Seen("canceled".to_owned())],
        );
        assert!(verify(&canceled, &found(id, "canceled", "canceled")).is_empty());
    }

    #[test]
    fn every_lie_is_found() {
        let (id, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let whole = || found(id, "completed", "paid");
        let mut twice = whole();
        twice.orders.insert(
            other,
            Order {
                status: "canceled".to_owned(),
                key: Some("k".to_owned()),
            },
        );
        let mut unasked = whole();
        unasked.orders.insert(
            other,
            Order {
                status: "canceled".to_owned(),
                key: None,
            },
        );
        let mut no_client = whole();
        no_client.clients.clear();
        let mut said = ledger(&[id], &[]);
        said.entries[0].wrong.push("both were told 200".to_owned());
        for (ledger, found, what) in [
            (ledger(&[other], &[]), whole(), "is not there"),
            (ledger(&[id, other], &[]), whole(), "two orders"),
            (ledger(&[id], &[]), twice, "has two orders"),
            (ledger(&[id], &[]), unasked, "asked for by nobody"),
            (
                ledger(&[id], &[]),
                self::found(id, "awaiting_payment", "pending"),
                "not come to rest",
            ),
            (
                ledger(&[id], &[]),
                self::found(id, "completed", "pending"),
                "its transaction",
            ),
            (
                ledger(&[id], &[Answer::Paid]),
                self::found(id, "canceled", "canceled"),
                "told Paid",
            ),
            (ledger(&[id], &[Answer::Canceled]), whole(), "told Canceled"),
            (
                ledger(&[id], &[Answer::TooLateToPay]),
                whole(),
                "told TooLateToPay",
            ),
            (
                ledger(&[id], &[Answer::Seen("canceled".to_owned())]),
                whole(),
                "told Seen",
            ),
            (ledger(&[id], &[]), no_client, "has no client"),
            (said, whole(), "both were told 200"),
        ] {
            let wrong = verify(&ledger, &found);
            assert!(
                wrong.iter().any(|line| line.contains(what)),
                "{what}: {wrong:?}"
            );
        }
    }
}
