//! `POST /api/orders/{id}/cancel`.

use serde_json::json;
use testkit::Mode;

use crate::support::{Answer, Settings, Shop, basket, id_of};

#[tokio::test]
async fn a_canceled_order_gives_back_its_stock_once_payments_agrees() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let order = shop.awaiting(&token).await;
    let answer = shop.cancel(&order, &token).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let canceling = answer.json();
    assert_eq!(
        (&canceling["status"], &canceling["canceling"]),
        (&json!("awaiting_payment"), &json!(true))
    );
    assert_eq!(
        shop.stock(mug).await.1,
        1,
        "payments may still say that it is paid"
    );

    assert_eq!(shop.work().await, 1);
    let canceled = shop.order_with_status(&order, &token, "canceled").await;
    assert_eq!(canceled["canceling"], false);
    assert_eq!(shop.stock(mug).await.1, 0);
    let history: Vec<_> = canceled["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        history,
        ["pending", "awaiting_payment", "canceling", "canceled"]
    );
    for change in canceled["history"].as_array().unwrap() {
        let cause = if change["status"] == "canceling" || change["status"] == "canceled" {
            json!("requested")
        } else {
            json!(null)
        };
        assert_eq!(change["cancel_cause"], cause, "{change}");
    }
}

#[tokio::test]
async fn an_order_unknown_to_payments_can_be_canceled() {
    let settings = Settings {
        eager_attempts: 0,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    let token = shop.buyer();
    let body = basket(shop.product("enamel-mug").await, 1);
    let order = Answer::to(shop.ordering(&token, &body)).await.json();
    assert_eq!(shop.cancel(&order, &token).await.status, 202);
    assert_eq!(shop.work().await, 1);
    shop.order_with_status(&order, &token, "canceled").await;
    let tombstone = shop.payments.transaction(id_of(&order)).unwrap();
    assert_eq!(tombstone.amount, None, "it can never be paid");
}

#[tokio::test]
async fn an_order_that_is_paid_meanwhile_completes_all_the_same() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let order = shop.awaiting(&token).await;
    assert!(shop.payments.pay(id_of(&order)));
    assert_eq!(shop.cancel(&order, &token).await.status, 202);
    assert_eq!(shop.work().await, 1);
    shop.order_with_status(&order, &token, "completed").await;
    assert_eq!(shop.stock(mug).await, (499, 0), "sold");
}

#[tokio::test]
async fn it_is_too_late_to_cancel_a_completed_order() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.completed(&token).await;
    let before = shop.traces().await;
    let late = shop.cancel(&order, &token).await;
    late.problem(409, "too-late");
    let mut after = shop.traces().await;
    // every signal is kept, with its verdict
    for kept in ["saga.signal", "saga.journal", "saga.saga"] {
        after.insert(kept.to_owned(), before[kept].clone());
    }
    assert_eq!(after, before);
    assert_eq!(
        shop.order_with_status(&order, &token, "completed").await,
        order
    );
    assert_eq!(shop.work().await, 0, "there is nothing to do");
}

#[tokio::test]
async fn canceling_again_says_what_is_so_and_does_nothing_more() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    for _ in 0..3 {
        let answer = shop.cancel(&order, &token).await;
        assert_eq!(
            (answer.status, &answer.json()["canceling"]),
            (202, &json!(true))
        );
    }
    assert_eq!(shop.work().await, 1);
    let canceled = shop.order_with_status(&order, &token, "canceled").await;
    let answer = shop.cancel(&order, &token).await;
    assert_eq!((answer.status, answer.json()), (202, canceled));
    assert_eq!(shop.work().await, 0, "there is nothing to do");
    let undone = shop.payments.calls();
    assert_eq!(undone.len(), 2, "init and one undo: {undone:?}");
}

#[tokio::test]
async fn an_order_stays_canceling_while_payments_does_not_answer() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let order = shop.awaiting(&token).await;
    shop.payments.cancel_will(Mode::Unreachable);
    assert_eq!(shop.cancel(&order, &token).await.status, 202);
    assert_eq!(shop.work().await, 1);
    let now = shop
        .order_with_status(&order, &token, "awaiting_payment")
        .await;
    assert_eq!(now["canceling"], true);
    assert_eq!(shop.stock(mug).await.1, 1);

    shop.payments.cancel_will(Mode::Answer);
    shop.hasten().await;
    assert_eq!(shop.work().await, 1);
    shop.order_with_status(&order, &token, "canceled").await;
}

#[tokio::test]
async fn an_admin_may_cancel_anybodys_order_for_a_reason() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let admin = shop.admin();
    let before = shop.traces().await;
    let silent = shop.cancel(&order, &admin).await.problem(422, "invalid");
    assert_eq!(silent["errors"][0]["field"], "reason");
    assert_eq!(shop.traces().await, before);
    let answer = shop.cancel_because(&order, &admin, "ordered twice").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(shop.work().await, 1);
    shop.order_with_status(&order, &token, "canceled").await;
}
