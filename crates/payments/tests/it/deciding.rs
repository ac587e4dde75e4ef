//! `POST /transactions/complete`, `/cancel` and `/cancel-by-order`.

use contracts::{
    payment_event::{Outcome, PaymentEvent},
    payments::Status,
};
use kernel::{Money, OrderId, TraceRef, TransactionId, UserId};
use serde_json::{Value, json};
use sqlx::Row;

use crate::support::{Payments, Purchase, post};

#[tokio::test]
async fn the_payer_pays_or_cancels_and_repeating_it_changes_nothing() {
    let payments = Payments::start().await;
    for (verb, status, time) in [
        ("complete", Status::Paid, "completed_at"),
        ("cancel", Status::Canceled, "canceled_at"),
    ] {
        let purchase = payments.pending().await;
        let first = payments.decide(verb, purchase).await;
        assert_eq!(
            (first.status, first.transaction().status),
            (200, status),
            "{}",
            first.text
        );
        assert!(first.json()[time].is_string(), "{}", first.text);
        let repeat = payments.decide(verb, purchase).await;
        assert_eq!((repeat.status, repeat.json()), (200, first.json()));
        assert_eq!(payments.events_of(purchase.transaction).await.len(), 1);
    }
}

#[tokio::test]
async fn the_other_outcome_is_refused_with_the_state() {
    let payments = Payments::start().await;
    for (first, second, slug, state) in [
        ("complete", "cancel", "transaction-paid", "paid"),
        ("cancel", "complete", "transaction-canceled", "canceled"),
    ] {
        let purchase = payments.pending().await;
        assert_eq!(payments.decide(first, purchase).await.status, 200);
        let problem = payments.decide(second, purchase).await.problem(409, slug);
        assert_eq!(problem["state"], state);
        assert_eq!(problem["transaction"]["status"], state);
        assert_eq!(
            problem["transaction"]["transaction_id"],
            json!(purchase.transaction)
        );
        assert_eq!(
            payments.stored_status(purchase.order).await.as_deref(),
            Some(state)
        );
        assert_eq!(payments.events_of(purchase.transaction).await.len(), 1);
    }
}

#[tokio::test]
async fn a_decision_and_its_event_share_transaction_and_trace() {
    let payments = Payments::start().await;
    let (purchase, saga) = (Purchase::new(), TraceRef::random());
    let mut init = post("/transactions", &payments.service(), &purchase.init());
    init.headers_mut()
        .insert("traceparent", saga.to_string().parse().unwrap());
    assert_eq!(payments.send(init).await.status, 201);
    assert_eq!(payments.events().await, 0, "a creation is not announced");
    let paid = payments.decide("complete", purchase).await.transaction();

    let row = sqlx::query("select * from messaging.outbox")
        .fetch_one(&payments.pool)
        .await
        .unwrap();
    for (column, value) in [
        ("kind", "message"),
        ("exchange", "payments_events"),
        ("routing_key", "transaction_completed"),
        ("message_type", "transaction_completed"),
    ] {
        assert_eq!(row.get::<String, _>(column), value);
    }
    let trace: TraceRef = row.get::<String, _>("traceparent").parse().unwrap();
    assert_eq!(trace.trace_id(), saga.trace_id());
    let body: Value = row.get("body");
    assert_eq!(body["routing_key"], "transaction_completed");
    let event: PaymentEvent = serde_json::from_value(body).unwrap();
    assert_eq!(event.transaction_id, purchase.transaction);
    assert_eq!(event.outcome, Outcome::Completed);
    assert_eq!(Some(event.at), paid.completed_at);
    assert_eq!(event.order_id, Some(purchase.order));
    assert_eq!(event.amount, Some(Money::new(1999, "EUR".parse().unwrap())));
    assert!(event.event_id.is_some());
}

#[tokio::test]
async fn a_move_whose_event_cannot_be_written_does_not_happen() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let broken = "alter table messaging.outbox add constraint no_more check (false) not valid";
    sqlx::query(broken).execute(&payments.pool).await.unwrap();
    payments
        .decide("complete", purchase)
        .await
        .problem(500, "internal");
    assert_eq!(
        payments.stored_status(purchase.order).await.as_deref(),
        Some("pending")
    );
}

#[tokio::test]
async fn somebody_elses_transaction_is_not_there() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let tombstone = Purchase::new();
    assert_eq!(payments.cancel_by_order(tombstone).await.status, 200);
    for verb in ["complete", "cancel"] {
        let stranger = Purchase {
            user: UserId::new(),
            ..purchase
        };
        payments
            .decide(verb, stranger)
            .await
            .problem(404, "not-found");
        let unknown = Purchase {
            transaction: TransactionId::new(),
            ..purchase
        };
        payments
            .decide(verb, unknown)
            .await
            .problem(404, "not-found");
        payments
            .decide(verb, tombstone)
            .await
            .problem(404, "not-found");
    }
    assert_eq!(
        payments.stored_status(purchase.order).await.as_deref(),
        Some("pending")
    );
    assert_eq!(payments.events().await, 0);
}

#[tokio::test]
async fn without_the_simulator_people_cannot_decide_but_services_can() {
    let payments = Payments::without_simulator().await;
    let purchase = payments.pending().await;
    for verb in ["complete", "cancel"] {
        payments
            .decide(verb, purchase)
            .await
            .problem(404, "not-found");
    }
    let body = json!({"transaction_id": purchase.transaction});
    let unscoped = payments.signer.service_token("mails", None);
    payments
        .post("/transactions/complete", &unscoped, &body)
        .await
        .problem(403, "forbidden");
    assert_eq!(
        payments.stored_status(purchase.order).await.as_deref(),
        Some("pending")
    );
    assert_eq!(
        payments
            .post("/transactions/complete", &payments.service(), &body)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn cancel_by_order_cancels_pending_and_publishes_once() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let first = payments.cancel_by_order(purchase).await;
    assert_eq!(
        (first.status, first.transaction().status),
        (200, Status::Canceled)
    );
    let repeat = payments.cancel_by_order(purchase).await;
    assert_eq!((repeat.status, repeat.json()), (200, first.json()));
    assert_eq!(
        payments.events_of(purchase.transaction).await,
        ["transaction_canceled"]
    );
}

#[tokio::test]
async fn cancel_by_order_leaves_a_silent_tombstone() {
    let payments = Payments::start().await;
    let purchase = Purchase::new();
    let first = payments.cancel_by_order(purchase).await;
    let tombstone = first.transaction();
    assert_eq!((first.status, tombstone.status), (200, Status::Canceled));
    assert_eq!(
        (tombstone.transaction_id, tombstone.order_id),
        (purchase.transaction, Some(purchase.order))
    );
    assert_eq!((tombstone.user_id, tombstone.amount), (None, None));
    assert_eq!(
        payments.cancel_by_order(purchase).await.json(),
        first.json()
    );
    let unnamed = json!({"order_id": OrderId::new()});
    let answer = payments
        .post(
            "/transactions/cancel-by-order",
            &payments.service(),
            &unnamed,
        )
        .await;
    assert_eq!(answer.status, 200, "an id is chosen when none is given");
    let body = json!({"transaction_id": purchase.transaction});
    let answer = payments
        .post("/transactions/complete", &payments.service(), &body)
        .await;
    answer.problem(409, "transaction-canceled");
    assert_eq!(payments.events().await, 0);
}

#[tokio::test]
async fn cancel_by_order_of_a_paid_transaction_is_refused() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let paid = payments.decide("complete", purchase).await;
    let problem = payments
        .cancel_by_order(purchase)
        .await
        .problem(409, "transaction-paid");
    assert_eq!(problem["transaction"], paid.json());
    assert_eq!(
        payments.events_of(purchase.transaction).await,
        ["transaction_completed"]
    );
}

#[tokio::test]
async fn a_tombstone_with_a_taken_id_gets_a_new_one() {
    let payments = Payments::start().await;
    let taken = payments.pending().await;
    let other = Purchase {
        order: OrderId::new(),
        ..taken
    };
    let answer = payments.cancel_by_order(other).await;
    assert_eq!(
        (answer.status, answer.transaction().order_id),
        (200, Some(other.order)),
        "{}",
        answer.text
    );
    assert_ne!(answer.transaction().transaction_id, taken.transaction);
    assert_eq!(
        payments.stored_status(taken.order).await.as_deref(),
        Some("pending")
    );
    payments
        .init(other)
        .await
        .problem(409, "transaction-canceled");
}

#[tokio::test]
async fn cancel_by_order_is_for_services() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let body = json!({"order_id": purchase.order});
    let answer = payments
        .post(
            "/transactions/cancel-by-order",
            &payments.user(purchase.user),
            &body,
        )
        .await;
    answer.problem(403, "forbidden");
    assert_eq!(
        payments.stored_status(purchase.order).await.as_deref(),
        Some("pending")
    );
}
