//! The data sources beside the shop's database that this process can read. Each is optional: a
//! diagnosis names the sources that it could not read.

use std::sync::Arc;

use sqlx::PgPool;
use workflows::payments::Payments;

/// How payments can be queried.
#[derive(Clone)]
pub enum PaymentsSight {
    /// By its database, including its outbox.
    Database(PgPool),
    /// By its API, which shows transactions only.
    Service(Arc<dyn Payments>),
    /// Not at all.
    None,
}

/// The data sources that this process can read.
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
    /// The data sources of an operator's process.
    pub fn of_operators(payments: PaymentsSight, amqp_url: Option<String>) -> Self {
        Self {
            payments,
            amqp_url,
            reads_failed: true,
        }
    }
}
