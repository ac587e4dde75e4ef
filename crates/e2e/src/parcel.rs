//! Parcel: books a courier, buys the label, and waits until the parcel is delivered.
//!
//! Ends `completed` (delivered) or `compensated` (no label was bought, and the booking is
//! canceled).

use std::{sync::LazyLock, time::Duration};

use reqwest::{Client, Method, StatusCode};
use saga::{
    Assertion, Complete, Outcome, Plan, Reasons, Remote, RemoteStep, RemoteUndo, Saga, Signal,
    StepCx, Undo, VerifyError, Wait, WaitStep,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use workflows::{Ports, payments::PaymentsView};

/// The signal that the parcel was delivered.
pub const DELIVERED: &str = "parcel_delivered";

static HTTP: LazyLock<Client> = LazyLock::new(Client::new);

/// The parcel saga.
pub struct Parcel;

/// The values that are chosen before any call leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParcelInput {
    /// The parcel.
    pub parcel: Uuid,
    /// URL of the courier's service.
    pub courier: String,
}

impl ParcelInput {
    /// Calls the courier; after a second without an answer, the call fails.
    async fn call(&self, method: Method, what: &str) -> reqwest::Result<StatusCode> {
        let url = format!("{}/{what}/{}", self.courier, self.parcel);
        let request = HTTP.request(method, url).timeout(Duration::from_secs(1));
        Ok(request.send().await?.status())
    }
}

impl Saga for Parcel {
    const NAME: &'static str = "parcel";
    const VERSION: i32 = 1;
    type Input = ParcelInput;
    type Details = ();
    type Ports = Ports;
    type View = dyn PaymentsView;
    const REASONS: Reasons = Reasons {
        budget_spent: "the courier did not answer in time",
        deadline_passed: "it was not delivered in time",
        aborted: "the courier gave up",
        canceled: "it was canceled",
    };

    fn plan() -> Plan<Self, Complete> {
        Plan::start()
            .compensable(Remote(BookCourier)) // undo: cancel the booking
            .pivot(Remote(BuyLabel)) // bought or refused; from here on, only forward
            .retryable(Wait(AwaitDelivery))
    }

    fn attributes(input: &ParcelInput) -> Vec<(&'static str, String)> {
        vec![("parcel.id", input.parcel.to_string())]
    }

    async fn verify(
        _payments: &Self::View,
        input: &ParcelInput,
        assertion: Assertion<'_>,
    ) -> Result<(), VerifyError> {
        let what = match assertion {
            Assertion::Signal(DELIVERED) => "deliveries",
            Assertion::Done(BuyLabel::NAME) => "labels",
            Assertion::Done(_) => "bookings",
            Assertion::Undone(_) => "cancellations",
            Assertion::Signal(_) => return Ok(()), // not a signal of this plan: it moves no saga
        };
        match input.call(Method::GET, what).await {
            Ok(StatusCode::OK) => Ok(()),
            Ok(status) => Err(VerifyError::Contradicted(format!(
                "the courier answers {status} to {what} of parcel {}",
                input.parcel
            ))),
            Err(why) => Err(VerifyError::Unavailable(why.to_string())),
        }
    }
}

/// Books a courier for the parcel.
struct BookCourier;

impl RemoteStep<Parcel> for BookCourier {
    const NAME: &'static str = "book_courier";

    async fn run(&self, cx: &StepCx<'_, Parcel>) -> Outcome {
        outcome(cx.input().call(Method::PUT, "bookings").await)
    }
}

impl RemoteUndo<Parcel> for BookCourier {
    /// Keyed by the parcel: a booking that arrives later finds the cancellation.
    async fn undo(&self, cx: &StepCx<'_, Parcel>) -> Undo {
        match cx.input().call(Method::PUT, "cancellations").await {
            Ok(status) if status.is_success() => Undo::Done,
            Ok(status) => Undo::Unknown(format!("the courier answers {status}")),
            Err(why) if why.is_connect() => Undo::Transient(why.to_string()),
            Err(why) => Undo::Unknown(why.to_string()),
        }
    }
}

/// Buys the label, which the courier does not take back.
struct BuyLabel;

impl RemoteStep<Parcel> for BuyLabel {
    const NAME: &'static str = "buy_label";

    async fn run(&self, cx: &StepCx<'_, Parcel>) -> Outcome {
        outcome(cx.input().call(Method::PUT, "labels").await)
    }
}

/// Waits for the delivery.
struct AwaitDelivery;

impl WaitStep<Parcel> for AwaitDelivery {
    const NAME: &'static str = "await_delivery";
    const SIGNALS: &'static [Signal] = &[Signal::proceed(DELIVERED)];

    fn deadline(_saga: &Parcel) -> Duration {
        Duration::from_hours(24)
    }
}

fn outcome(answer: reqwest::Result<StatusCode>) -> Outcome {
    match answer {
        Ok(status) if status.is_success() => Outcome::Done,
        Ok(StatusCode::CONFLICT) => Outcome::Refused("the courier refuses".to_owned()),
        Ok(status) => Outcome::Unknown(format!("the courier answers {status}")),
        Err(why) if why.is_connect() => Outcome::Transient(why.to_string()),
        Err(why) => Outcome::Unknown(why.to_string()),
    }
}
