//! `POST /transactions`.

use contracts::payments::Status;
use kernel::{OrderId, TransactionId, UserId};
use serde_json::{Value, json};
use tokens::Signer;

use crate::support::{Payments, Purchase};

#[tokio::test]
async fn a_repeated_creation_returns_the_same_transaction() {
    let payments = Payments::start().await;
    let purchase = Purchase::new();
    let first = payments.init(purchase).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let created = first.transaction();
    assert_eq!(created.transaction_id, purchase.transaction);
    assert_eq!(created.order_id, Some(purchase.order));
    assert_eq!(created.user_id, Some(purchase.user));
    assert_eq!(created.status, Status::Pending);
    assert_eq!(
        first.json()["amount"],
        json!({"amount": 1999, "currency": "EUR"})
    );

    let repeat = payments.init(purchase).await;
    assert_eq!((repeat.status, repeat.json()), (200, first.json()));
    assert_eq!(payments.decide("complete", purchase).await.status, 200);
    let later = payments.init(purchase).await;
    assert_eq!(
        (later.status, later.transaction().status),
        (200, Status::Paid)
    );
    assert_eq!(payments.transactions().await, 1);
}

#[tokio::test]
async fn without_a_proposed_id_payments_chooses_one() {
    let payments = Payments::start().await;
    let mut request = Purchase::new().init();
    request.as_object_mut().unwrap().remove("transaction_id");
    let first = payments
        .post("/transactions", &payments.service(), &request)
        .await;
    let repeat = payments
        .post("/transactions", &payments.service(), &request)
        .await;
    assert_eq!((first.status, repeat.status), (201, 200));
    assert_eq!(first.json(), repeat.json());
}

#[tokio::test]
async fn a_differing_creation_for_the_same_order_is_refused() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    for (field, value) in [
        ("user_id", json!(UserId::new())),
        ("amount", json!({"amount": 2000, "currency": "EUR"})),
        ("amount", json!({"amount": 1999, "currency": "USD"})),
        ("transaction_id", json!(TransactionId::new())),
    ] {
        let mut request = purchase.init();
        request[field] = value;
        let answer = payments
            .post("/transactions", &payments.service(), &request)
            .await;
        let problem = answer.problem(409, "transaction-differs");
        assert_eq!(
            problem["transaction"]["transaction_id"],
            json!(purchase.transaction),
            "{field}"
        );
    }
    assert_eq!(
        payments.init(purchase).await.status,
        200,
        "it stands as it was"
    );
    assert_eq!(payments.transactions().await, 1);
}

#[tokio::test]
async fn an_id_that_belongs_to_another_order_is_refused() {
    let payments = Payments::start().await;
    let taken = payments.pending().await;
    let other = Purchase {
        order: OrderId::new(),
        ..taken
    };
    payments
        .init(other)
        .await
        .problem(409, "transaction-differs");
    assert_eq!(payments.stored_status(other.order).await, None);
}

#[tokio::test]
async fn a_canceled_or_tombstoned_order_gets_no_transaction_any_more() {
    let payments = Payments::start().await;
    let canceled = payments.pending().await;
    assert_eq!(payments.decide("cancel", canceled).await.status, 200);
    let tombstoned = Purchase::new();
    assert_eq!(payments.cancel_by_order(tombstoned).await.status, 200);
    for purchase in [canceled, tombstoned] {
        let problem = payments
            .init(purchase)
            .await
            .problem(409, "transaction-canceled");
        assert_eq!(problem["transaction"]["order_id"], json!(purchase.order));
        assert_eq!(problem["state"], "canceled");
    }
}

#[tokio::test]
async fn only_a_scoped_service_may_create_transactions() {
    let payments = Payments::start().await;
    let purchase = Purchase::new();
    let stranger = Signer::from_pem(&tokens::generate_key_pem(), kernel::Clock::System).unwrap();
    for (token, status, slug) in [
        (payments.user(purchase.user), 403, "forbidden"),
        (
            payments.signer.service_token("mails", None),
            403,
            "forbidden",
        ),
        (
            payments
                .signer
                .service_token("transactions", Some(UserId::new())),
            403,
            "forbidden",
        ),
        (
            stranger.service_token("transactions", None),
            401,
            "unauthenticated",
        ),
        (String::new(), 401, "unauthenticated"),
    ] {
        payments
            .post("/transactions", &token, &purchase.init())
            .await
            .problem(status, slug);
    }
    assert_eq!(payments.transactions().await, 0);
    let token = payments
        .signer
        .service_token("transactions", Some(purchase.user));
    assert_eq!(
        payments
            .post("/transactions", &token, &purchase.init())
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn an_invalid_creation_names_the_field_and_stores_nothing() {
    let payments = Payments::start().await;
    let with = |field: &str, value: Value| {
        let mut request = Purchase::new().init();
        request[field] = value;
        request
    };
    let money = |amount: Value| json!({"amount": amount, "currency": "EUR"});
    let mut without = Purchase::new().init();
    without.as_object_mut().unwrap().remove("user_id");
    for (request, field, code) in [
        (with("amount", money(json!(0))), "amount.amount", "range"),
        (with("amount", money(json!(-1))), "amount.amount", "range"),
        (
            with("amount", money(json!(i64::MAX))),
            "amount.amount",
            "range",
        ),
        (
            with("amount", money(json!(19.99))),
            "amount.amount",
            "wrong-type",
        ),
        (
            with("amount", money(json!("1999"))),
            "amount.amount",
            "wrong-type",
        ),
        (
            with("amount", json!({"amount": 1999})),
            "amount.currency",
            "missing",
        ),
        (
            with("amount", json!({"amount": 1999, "currency": "euro"})),
            "amount.currency",
            "invalid",
        ),
        (
            with(
                "amount",
                json!({"amount": 1999, "currency": "EUR", "vat": 19}),
            ),
            "amount.vat",
            "unknown",
        ),
        (with("amount", json!(1999)), "amount", "wrong-type"),
        (with("order_id", json!("1")), "order_id", "invalid"),
        (with("order_id", json!(1)), "order_id", "wrong-type"),
        (with("price", json!(1)), "price", "unknown"),
        (without, "user_id", "missing"),
        (json!([]), "body", "wrong-type"),
        (json!(null), "body", "wrong-type"),
        (with("amount", json!([1999, "EUR"])), "amount", "wrong-type"),
    ] {
        let answer = payments
            .post("/transactions", &payments.service(), &request)
            .await;
        let problem = answer.problem(422, "invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!(field), &json!(code)),
            "{request} {problem}"
        );
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(payments.transactions().await, 0);
}
