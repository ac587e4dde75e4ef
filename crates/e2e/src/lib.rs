//! The next release, which the end-to-end tests roll out beside the present one, and roll back.
//!
//! Its checkout has an additional step, and it has a second workflow.

pub mod parcel;

use saga::{Complete, Local, LocalStep, Plan, Remote, Wait};
use sqlx::PgConnection;
use workflows::{
    Registry, Settings,
    checkout::{AwaitPayment, Checkout, CheckoutInput, CompleteOrder, InitPayment, PlaceOrder},
};

use crate::parcel::Parcel;

/// The workflows of the next release.
pub fn registry(settings: &Settings) -> Registry {
    let payment_deadline = settings.payment_deadline;
    let plans = vec![(2, checkout().retryable(Local(Remember))), (1, checkout())];
    Registry::default()
        .with_plans(Checkout { payment_deadline }, plans)
        .with(Parcel)
}

/// The present plan of checkout.
fn checkout() -> Plan<Checkout, Complete> {
    Plan::first(PlaceOrder)
        .compensable(Remote(InitPayment))
        .pivot(Wait(AwaitPayment))
        .retryable(Local(CompleteOrder))
}

/// Changes nothing: the additional step itself is what the upgrade test needs.
struct Remember;

impl LocalStep<Checkout> for Remember {
    const NAME: &'static str = "remember";

    async fn run(&self, _conn: &mut PgConnection, input: &CheckoutInput) -> sqlx::Result<()> {
        tracing::debug!(saga.id = %input.saga_id, "Remembered");
        Ok(())
    }
}
