use crate::text;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{System, SystemOptions, eventually};

use super::{hurried, impatient};

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_completes_and_a_canceled_one_is_canceled() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let before = system.available("enamel-mug").await;

    let (status, paid) = buyer.order().await;
    assert_eq!(
        (status, text(&paid, "status")),
        (StatusCode::CREATED, "awaiting_payment")
    );
    buyer.pay(text(&paid, "transaction_id")).await;
    let (_, canceled) = buyer.order().await;
    let answer = buyer
        .decide("cancel", text(&canceled, "transaction_id"))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);

    let completed = buyer.awaits(text(&paid, "id"), "completed").await;
    let history: Vec<_> = completed["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| text(change, "status"))
        .collect();
    assert_eq!(history, ["pending", "awaiting_payment", "completed"]);
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    assert_eq!(system.available("enamel-mug").await, before - 1);

    system.settle().await;
    system.assert_whole().await;
    eventually("a welcome mail and a confirmation", || async {
        let handled: i64 =
            sqlx::query_scalar("select count(*) from messaging.inbox where consumer = 'messages'")
                .fetch_one(&system.shop)
                .await
                .unwrap();
        handled == 2
    })
    .await;
    assert!(
        system
            .run(
                "shopctl",
                &["doctor", "--grace", "0", "--without", "bindings"]
            )
            .contains("holds")
    );
    system.stop("worker");
    system.stop("api");
    system.stop("payments");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_back_within_the_budget_continues_the_order() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    system.kill("payments");
    let (status, order) = buyer.order().await;
    assert_eq!(
        (status, text(&order, "status")),
        (StatusCode::ACCEPTED, "pending")
    );
    system.spawn("payments").await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_back_after_the_budget_leaves_the_order_canceled() {
    let system = System::start(impatient()).await;
    let buyer = system.buyer().await;
    let before = system.available("enamel-mug").await;
    system.kill("payments");
    let (_, order) = buyer.order().await;
    let id = text(&order, "id");
    eventually("the order to be canceling", || async {
        buyer
            .find_order(id)
            .await
            .is_some_and(|order| order["canceling"] == true)
    })
    .await;
    let order = buyer.find_order(id).await.unwrap();
    assert_eq!(text(&order, "status"), "pending");
    assert_eq!(system.available("enamel-mug").await, before - 1);

    system.spawn("payments").await;
    buyer.awaits(id, "canceled").await;
    assert_eq!(system.available("enamel-mug").await, before);

    let key = system.service_signing_key();
    let signer = tokens::Signer::from_pem(&key, kernel::Clock::System).unwrap();
    let user = kernel::UserId::new();
    let late = serde_json::json!({
        "order_id": id, "user_id": user, "amount": order["total"], "transaction_id": order["transaction_id"],
    });
    let answer = system
        .http
        .post(format!("{}/transactions", system.payments_url))
        .bearer_auth(signer.service_token(contracts::payments::SCOPE_SERVICE, Some(user)))
        .json(&late)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(text(&problem, "type"), "/problems/transaction-canceled");
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_uses_of_one_key_make_one_order() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let tries =
        futures::future::join_all((0..50).map(|_| buyer.try_order(&mug, 1, "the same key"))).await;
    for answer in tries {
        let status = answer.unwrap().status();
        assert!(
            status.is_success() || status == StatusCode::CONFLICT,
            "{status}"
        );
    }
    let orders: i64 = sqlx::query_scalar("select count(*) from commerce.\"order\"")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(orders, 1);
    let again = buyer.try_order(&mug, 1, "the same key").await.unwrap();
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(
        buyer
            .try_order(&mug, 2, "the same key")
            .await
            .unwrap()
            .status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pay_and_cancel_race_200_times_with_one_winner() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    for round in 0..20 {
        let ten = futures::future::join_all((0..10).map(|_| buyer.order())).await;
        let races = ten.iter().map(|(_, order)| async {
            let id = text(order, "transaction_id");
            let (paid, canceled) =
                tokio::join!(buyer.decide("complete", id), buyer.decide("cancel", id));
            let (paid, canceled) = (paid.unwrap().status(), canceled.unwrap().status());
            let won = [paid, canceled]
                .iter()
                .filter(|status| **status == StatusCode::OK)
                .count();
            let lost = [paid, canceled]
                .iter()
                .filter(|status| **status == StatusCode::CONFLICT)
                .count();
            assert_eq!((won, lost), (1, 1), "round {round}");
            let end = if paid == StatusCode::OK {
                "completed"
            } else {
                "canceled"
            };
            buyer.awaits(text(order, "id"), end).await;
        });
        futures::future::join_all(races).await;
    }
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_and_a_payment_conflict_in_either_order() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    assert_eq!(
        buyer.cancel(text(&order, "id")).await.status(),
        StatusCode::ACCEPTED
    );
    buyer.awaits(text(&order, "id"), "canceled").await;
    let answer = buyer
        .decide("complete", text(&order, "transaction_id"))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);

    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    assert_eq!(
        buyer.cancel(text(&order, "id")).await.status(),
        StatusCode::CONFLICT
    );
    let stranger = system.buyer().await;
    assert!(stranger.find_order(text(&order, "id")).await.is_none());
    assert_eq!(
        stranger.cancel(text(&order, "id")).await.status(),
        StatusCode::NOT_FOUND
    );
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_in_time_is_canceled() {
    let mut options = hurried();
    options.env.insert("PAYMENT_DEADLINE_MS", "700".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "canceled").await;
    system.settle().await;
    system.assert_whole().await;
}
