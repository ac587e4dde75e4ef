//! The payment event. Its body is flat and fixed, since other systems use it; our own events add
//! `event_id`, `order_id` and `amount`.
//!
//! An event is only a claim. It is accepted when payments has signed exactly these bytes (AMQP
//! header `x-signature`: a detached JWS, RFC 7797), or when payments confirms it on request.

use chrono::{DateTime, Utc};
use kernel::{Money, OrderId, SignalId, TransactionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::topology;

/// The decision about a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The transaction was paid.
    #[serde(rename = "transaction_completed")]
    Completed,
    /// The transaction was canceled.
    #[serde(rename = "transaction_canceled")]
    Canceled,
}

impl Outcome {
    /// The routing key, which is also the name of the signal to the saga.
    pub const fn routing_key(self) -> &'static str {
        match self {
            Self::Completed => topology::TRANSACTION_COMPLETED,
            Self::Canceled => topology::TRANSACTION_CANCELED,
        }
    }
}

/// The body of a payment event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct PaymentEvent {
    /// The decided transaction.
    pub transaction_id: TransactionId,
    /// The decision.
    pub outcome: Outcome,
    /// When the transaction was decided, by payments' clock.
    pub at: DateTime<Utc>,
    /// Unique per event; absent in minimal events of foreign producers.
    pub event_id: Option<Uuid>,
    /// The order that the transaction pays; absent in minimal events.
    pub order_id: Option<OrderId>,
    /// The amount of the transaction, paid or not; absent in minimal events.
    pub amount: Option<Money>,
}

impl PaymentEvent {
    /// The id of the signal that this event becomes; see [`signal_id`].
    pub fn signal_id(&self) -> SignalId {
        signal_id(self.transaction_id, self.outcome.routing_key())
    }
}

/// The id of the signal that says this about a transaction. Each event about the same fact becomes
/// the same signal, so one fact has one effect, however many events report it.
///
/// The id begins with the time in the transaction's id: signals that arrive together are stored
/// together.
pub fn signal_id(transaction_id: TransactionId, routing_key: &str) -> SignalId {
    let transaction = transaction_id.uuid();
    let mut bytes = *Uuid::new_v5(&transaction, routing_key.as_bytes()).as_bytes();
    bytes[..6].copy_from_slice(&transaction.as_bytes()[..6]);
    SignalId::from(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[derive(Serialize, Deserialize)]
struct Wire {
    transaction_id: TransactionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canceled_at: Option<DateTime<Utc>>,
    routing_key: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
}

impl TryFrom<Wire> for PaymentEvent {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let at = match wire.routing_key {
            Outcome::Completed => wire
                .completed_at
                .ok_or("transaction_completed needs `completed_at`")?,
            Outcome::Canceled => wire
                .canceled_at
                .ok_or("transaction_canceled needs `canceled_at`")?,
        };
        Ok(Self {
            transaction_id: wire.transaction_id,
            outcome: wire.routing_key,
            at,
            event_id: wire.event_id,
            order_id: wire.order_id,
            amount: wire.amount,
        })
    }
}

impl From<PaymentEvent> for Wire {
    fn from(event: PaymentEvent) -> Self {
        let at = |outcome| (event.outcome == outcome).then_some(event.at);
        Self {
            transaction_id: event.transaction_id,
            completed_at: at(Outcome::Completed),
            canceled_at: at(Outcome::Canceled),
            routing_key: event.outcome,
            event_id: event.event_id,
            order_id: event.order_id,
            amount: event.amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimal_event_of_the_specification_is_understood() {
        let event: PaymentEvent = serde_json::from_str(
            r#"{"transaction_id": "12b0d3e0-befa-11f0-aa62-2f547971bbe0",
                "canceled_at": "2025-11-11T12:33:31Z", "routing_key": "transaction_canceled"}"#,
        )
        .unwrap();
        assert_eq!(event.outcome, Outcome::Canceled);
        let signal_id = event.signal_id().to_string();
        assert!(signal_id.starts_with("12b0d3e0-befa-8"), "{signal_id}");
        assert_eq!((event.amount, event.order_id), (None, None));
    }

    #[test]
    fn an_event_reads_back_as_written() {
        let event = PaymentEvent {
            transaction_id: TransactionId::new(),
            outcome: Outcome::Completed,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            event_id: Some(Uuid::now_v7()),
            order_id: Some(OrderId::new()),
            amount: Some(Money::new(1999, "EUR".parse().unwrap())),
        };
        let body = serde_json::to_string(&event).unwrap();
        assert!(!body.contains("canceled_at"), "{body}");
        assert_eq!(serde_json::from_str::<PaymentEvent>(&body).unwrap(), event);
    }

    #[test]
    fn a_time_that_does_not_fit_the_outcome_is_refused() {
        for wrong in [
            r#"{"transaction_id":"12b0d3e0-befa-11f0-aa62-2f547971bbe0","canceled_at":"2025-11-11T12:33:31Z","routing_key":"transaction_completed"}"#,
            r#"{"transaction_id":"12b0d3e0-befa-11f0-aa62-2f547971bbe0","routing_key":"transaction_canceled"}"#,
            r#"{"transaction_id":"12b0d3e0-befa-11f0-aa62-2f547971bbe0","canceled_at":"2025-11-11T12:33:31Z","routing_key":"refunded"}"#,
        ] {
            assert!(
                serde_json::from_str::<PaymentEvent>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
