//! What an order's caller sees.

use serde_json::{Value, json};
use testkit::Mode;

use crate::shop::{Answer, Shop, uuid};

#[tokio::test]
async fn an_order_whose_payment_is_initialised_in_time_is_201_and_awaits_payment() {
    let shop = Shop::open().await;
    let answer = Answer::of(shop.ordering(&shop.user(), &uuid(), &shop.basket(2))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let order = &answer.body;
    assert_eq!(order["status"], "awaiting_payment");
    assert_eq!(order["canceling"], false);
    assert_eq!(order["total"], json!({"amount": 2580, "currency": "EUR"}));
    assert_eq!(
        order["items"][0]["unit_price"],
        json!({"amount": 1290, "currency": "EUR"})
    );
    let id = order["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/orders/{id}"));
    let transaction = shop.payments.transaction(id.parse().unwrap()).unwrap();
    assert_eq!(order["transaction_id"], json!(transaction.transaction_id));
    let statuses: Vec<_> = order["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| &h["status"])
        .collect();
    assert_eq!(statuses, ["pending", "awaiting_payment"]);
}

#[tokio::test]
async fn an_order_whose_payment_is_not_initialised_in_time_is_202_and_pending() {
    for mode in [Mode::Unreachable, Mode::Hang, Mode::Unknown, Mode::Panic] {
        let shop = Shop::open().await;
        shop.payments.init_will(mode);
        let answer = Answer::of(shop.ordering(&shop.user(), &uuid(), &shop.basket(1))).await;
        assert_eq!(answer.status, 202, "{mode:?}: {}", answer.body);
        assert_eq!(answer.body["status"], "pending", "{mode:?}");
        assert!(answer.header("location").starts_with("/api/orders/"));
    }
}

#[tokio::test]
async fn respond_async_is_202_at_once_and_any_worker_goes_on() {
    let shop = Shop::open().await;
    let request = shop
        .ordering(&shop.user(), "k", &shop.basket(1))
        .header("prefer", "wait=5, respond-async");
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert!(shop.payments.calls().is_empty(), "nobody was asked yet");
    let unleased: bool =
        sqlx::query_scalar("select due_at <= clock_timestamp() and epoch = 0 from messaging.outbox where kind = 'step'")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert!(unleased, "any worker may take it");
}

#[tokio::test]
async fn an_order_belongs_to_its_callers_trace() {
    let shop = Shop::open().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = shop
        .ordering(&shop.user(), "k", &shop.basket(1))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"));
    let order = Answer::of(request).await.body;
    assert_eq!(order["trace_id"], trace);
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, shop.order(&user).await["id"].clone());
    }
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/api/orders?limit=2".to_owned();
    loop {
        let page = shop.get(&path, &user).await.body;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|order| order["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/orders?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let all = shop
        .get("/api/admin/orders?status=awaiting_payment", &shop.admin())
        .await;
    assert_eq!(all.body["items"].as_array().unwrap().len(), 5);
    let none = shop
        .get("/api/admin/orders?status=completed", &shop.admin())
        .await;
    assert_eq!(none.body["items"], json!([]));
}
