//! What a next release could do to the plan: a step more, and sagas of the first version are brought to
//! their end. The upgrade test runs binaries that are built so beside ours (`cargo xtask test`).

use saga::{Complete, Local, LocalStep, Plan, Remote};
use sqlx::PgConnection;

use crate::checkout::{
    AwaitPayment, Checkout, CheckoutInput, CompleteOrder, InitPayment, PlaceOrder,
};

/// As it was.
pub(crate) fn plan_1() -> Plan<Checkout, Complete> {
    Plan::first(PlaceOrder)
        .compensable(Remote(InitPayment))
        .pivot(Wait(AwaitPayment))
        .retryable(Local(CompleteOrder))
}

/// As it is now.
pub(crate) fn plan() -> Plan<Checkout, Complete> {
    plan_1().retryable(Local(Remember))
}

/// Changes nothing: that there is one more step is what matters.
struct Remember;

impl LocalStep<Checkout> for Remember {
    const NAME: &'static str = "remember";

    async fn run(&self, _conn: &mut PgConnection, input: &CheckoutInput) -> sqlx::Result<()> {
        tracing::debug!(saga.id = %input.saga_id, "Remembered");
        Ok(())
    }
}
