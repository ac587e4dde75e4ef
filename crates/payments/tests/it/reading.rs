//! `GET /transactions/{id}` and `GET /transactions?order_id=`.

use kernel::{OrderId, TransactionId, UserId};
use serde_json::json;

use crate::support::Payments;

#[tokio::test]
async fn payer_and_service_see_a_transaction_and_nobody_else_does() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let created = payments.init(purchase).await.json();
    for path in [
        format!("/transactions/{}", purchase.transaction),
        format!("/transactions?order_id={}", purchase.order),
    ] {
        for token in [payments.user(purchase.user), payments.service()] {
            let answer = payments.get(&path, &token).await;
            assert_eq!((answer.status, answer.json()), (200, created.clone()));
        }
        payments
            .get(&path, &payments.user(UserId::new()))
            .await
            .problem(404, "not-found");
        payments
            .get(&path, &payments.signer.service_token("mails", None))
            .await
            .problem(403, "forbidden");
        payments
            .get(&path, "nonsense")
            .await
            .problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn unknown_ids_are_not_found_and_malformed_ones_refused() {
    let payments = Payments::start().await;
    for (path, status, slug) in [
        (
            format!("/transactions/{}", TransactionId::new()),
            404,
            "not-found",
        ),
        (
            format!("/transactions?order_id={}", OrderId::new()),
            404,
            "not-found",
        ),
        ("/transactions/1".to_owned(), 400, "malformed"),
        ("/transactions/%FF".to_owned(), 400, "malformed"),
        ("/transactions?order_id=1".to_owned(), 400, "malformed"),
        ("/transactions".to_owned(), 400, "malformed"),
        (
            format!("/transactions?order_id={}&limit=2", OrderId::new()),
            400,
            "malformed",
        ),
    ] {
        payments
            .get(&path, &payments.service())
            .await
            .problem(status, slug);
    }
}

#[tokio::test]
async fn a_service_looks_at_many_transactions_at_once() {
    let payments = Payments::start().await;
    let (one, two) = (payments.pending().await, payments.pending().await);
    let ids = [one.transaction, TransactionId::new(), two.transaction];
    let body = json!({ "transaction_ids": ids });
    let path = "/transactions/lookup";
    let answer = payments.post(path, &payments.service(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.json()["transactions"].as_array().unwrap().clone();
    let mut orders: Vec<_> = found
        .iter()
        .map(|found| found["order_id"].to_string())
        .collect();
    orders.sort();
    let mut expected = [one, two].map(|purchase| json!(purchase.order).to_string());
    expected.sort();
    assert_eq!(orders, expected);

    let payer = payments.post(path, &payments.user(one.user), &body).await;
    payer.problem(403, "forbidden");
    for ids in [0, 101] {
        let ids: Vec<_> = (0..ids).map(|_| TransactionId::new()).collect();
        let body = json!({ "transaction_ids": ids });
        let answer = payments.post(path, &payments.service(), &body).await;
        answer.problem(422, "invalid");
    }
}
