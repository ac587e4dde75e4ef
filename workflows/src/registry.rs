//! Every workflow of this shop, one line per workflow.

use std::{sync::Arc, time::Duration};

use saga::Shape;
use sqlx::PgPool;

use crate::{
    checkout::Checkout,
    payments::{Payments, PaymentsView},
};

/// The workflows of this shop.
pub type Registry = saga::Registry<Ports, dyn PaymentsView>;

/// The runner of their remote steps.
pub type Runner = saga::Runner<Ports>;

/// The clients through which remote steps call their participants.
pub struct Ports {
    /// Payments.
    pub payments: Arc<dyn Payments>,
    /// The shop's database, for what an answer says that its step must keep.
    pub shop: PgPool,
}

impl Ports {
    /// Ports with these clients.
    pub fn new(payments: Arc<dyn Payments>, shop: PgPool) -> Self {
        Self { payments, shop }
    }
}

/// Settings of the workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long an order waits for its payment.
    pub payment_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payment_deadline: Duration::from_mins(30),
        }
    }
}

/// The workflows that this release knows.
pub fn registry(settings: &Settings) -> Registry {
    let payment_deadline = settings.payment_deadline;
    Registry::default().with(Checkout { payment_deadline })
}

/// Their plans: the plans of new sagas, and the earlier plans whose sagas this release still
/// completes.
pub fn plans() -> Vec<Shape> {
    registry(&Settings::default()).shapes()
}
