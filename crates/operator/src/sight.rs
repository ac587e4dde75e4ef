//! What beside the shop's database can be looked at from here. All of it is optional: whoever
//! cannot see something says so.

use std::sync::Arc;

use sqlx::PgPool;
use workflows::payments::Payments;

/// How payments can be asked.
#[derive(Clone)]
pub enum PaymentsSight {
    /// Its database, with its outbox.
    Database(PgPool),
    /// Its API: transactions only.
    Service(Arc<dyn Payments>),
    /// Not at all.
    None,
}

/// What can be looked at.
#[derive(Clone)]
pub struct Sight {
    /// Payments.
    pub payments: PaymentsSight,
    /// RabbitMQ's URL.
    pub amqp_url: Option<String>,
    /// Whether this process may read `failed`: operators may, workers may not.
    pub reads_failed: bool,
}

impl Sight {
    /// What an operator's process sees.
    pub fn of_operators(payments: PaymentsSight, amqp_url: Option<String>) -> Self {
        Self {
            payments,
            amqp_url,
            reads_failed: true,
        }
    }
}
