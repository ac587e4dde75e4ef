//! Orders that cannot be: each has its answer, and leaves nothing behind.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Shop, uuid};

#[tokio::test]
async fn a_basket_that_makes_no_sense_is_refused_by_field_and_leaves_nothing_behind() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mug = &shop.mug;
    let line = |quantity: Value| json!({"items": [{"product_id": mug, "quantity": quantity}]});
    let many: Vec<_> = (0..101)
        .map(|_| json!({"product_id": uuid(), "quantity": 1}))
        .collect();
    let before = shop.traces().await;
    for (basket, status, slug, field) in [
        (
            json!({"items": [{"product_id": uuid(), "quantity": 1}]}),
            422,
            "invalid",
            "items[0].product_id",
        ),
        (line(json!(0)), 422, "invalid", "items[0].quantity"),
        (line(json!(-1)), 422, "invalid", "items[0].quantity"),
        (line(json!(1001)), 422, "invalid", "items[0].quantity"),
        (
            line(json!(4_294_967_296_u64)),
            422,
            "invalid",
            "items[0].quantity",
        ),
        (line(json!(1e300)), 422, "invalid", "items[0].quantity"),
        (line(json!(1.5)), 422, "invalid", "items[0].quantity"),
        (line(json!("1")), 422, "invalid", "items[0].quantity"),
        (line(json!(null)), 422, "invalid", "items[0].quantity"),
        (line(json!([1])), 422, "invalid", "items[0].quantity"),
        (
            json!({"items": [{"product_id": mug}]}),
            422,
            "invalid",
            "items[0].quantity",
        ),
        (
            json!({"items": [{"quantity": 1}]}),
            422,
            "invalid",
            "items[0].product_id",
        ),
        (
            json!({"items": [{"product_id": "mug", "quantity": 1}]}),
            422,
            "invalid",
            "items[0].product_id",
        ),
        (
            json!({"items": [{"product_id": 7, "quantity": 1}]}),
            422,
            "invalid",
            "items[0].product_id",
        ),
        (
            json!({"items": [{"product_id": format!("{mug}\0"), "quantity": 1}]}),
            422,
            "invalid",
            "items[0].product_id",
        ),
        (
            json!({"items": [{"product_id": mug, "quantity": 1, "price": {"amount": 1, "currency": "EUR"}}]}),
            422,
            "invalid",
            "items[0].price",
        ),
        (
            json!({"items": [{"product_id": mug, "quantity": 1}], "total": 1}),
            422,
            "invalid",
            "total",
        ),
        (
            json!({"items": [{"product_id": mug, "quantity": 1}, {"product_id": mug, "quantity": 1}]}),
            422,
            "invalid",
            "items[1].product_id",
        ),
        (json!({"items": [[mug, 1]]}), 422, "invalid", "items[0]"),
        (json!({"items": {}}), 422, "invalid", "items"),
        (json!({"items": []}), 422, "invalid", "items"),
        (json!({"items": many}), 422, "invalid", "items"),
        (json!({}), 422, "invalid", "items"),
        (json!([]), 422, "invalid", "body"),
        (json!("items"), 422, "invalid", "body"),
        (json!(null), 422, "invalid", "body"),
    ] {
        let answer = Answer::of(shop.ordering(&user, &uuid(), &basket)).await;
        assert_eq!(answer.status, status, "{basket}: {}", answer.body);
        answer.names(status, slug, field);
    }
    assert_eq!(shop.traces().await, before, "nothing is left behind");
    assert!(shop.payments.calls().is_empty());
}

#[tokio::test]
async fn a_body_that_is_no_json_too_large_or_not_said_to_be_json_is_refused() {
    let shop = Shop::open().await;
    let user = shop.user();
    let before = shop.traces().await;
    let body = |text: String| {
        shop.request(Method::POST, "/api/orders", &user)
            .header("idempotency-key", "k")
            .header("content-type", "application/json")
            .body(text)
    };
    for text in ["", "{", "{\"items\": [}", "\u{0}", "{\"items\": NaN}"] {
        let answer = Answer::of(body(text.to_owned())).await;
        answer.problem(400, "malformed");
    }
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    Answer::of(body(deep)).await.problem(400, "malformed");
    let huge = format!("{{\"items\": \"{}\"}}", "x".repeat(100_000));
    Answer::of(body(huge)).await.problem(413, "too-large");
    let form = shop
        .request(Method::POST, "/api/orders", &user)
        .header("idempotency-key", "k")
        .body(shop.basket(1).to_string());
    Answer::of(form)
        .await
        .problem(415, "unsupported-media-type");
    assert_eq!(shop.traces().await, before, "nothing is left behind");
    assert!(shop.payments.calls().is_empty());
}

#[tokio::test]
async fn more_than_is_left_is_refused_with_what_is_left_and_holds_nothing() {
    let shop = Shop::open().await;
    let before = shop.traces().await;
    let answer = Answer::of(shop.ordering(&shop.user(), &uuid(), &shop.basket(101))).await;
    let problem = answer.problem(409, "out-of-stock");
    assert_eq!(problem["left"], 100);
    assert_eq!(problem["product_id"], json!(shop.mug));
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn a_missing_empty_or_endless_idempotency_key_is_refused() {
    let shop = Shop::open().await;
    let user = shop.user();
    let before = shop.traces().await;
    let none = shop
        .request(Method::POST, "/api/orders", &user)
        .json(&shop.basket(1));
    let answer = Answer::of(none).await;
    answer.names(400, "idempotency-key-missing", "Idempotency-Key");
    for key in ["", "\"\"", &"k".repeat(256)] {
        let answer = Answer::of(shop.ordering(&user, key, &shop.basket(1))).await;
        answer.names(400, "idempotency-key-missing", "Idempotency-Key");
    }
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn a_key_is_not_reused_for_another_basket_and_refusals_are_not_stored() {
    let shop = Shop::open().await;
    let user = shop.user();
    let refused = Answer::of(shop.ordering(&user, "k", &shop.basket(101))).await;
    refused.problem(409, "out-of-stock");
    let first = Answer::of(shop.ordering(&user, "k", &shop.basket(1))).await;
    assert_eq!(first.status, 201, "the refusal left the key free");
    let before = shop.traces().await;
    let other = Answer::of(shop.ordering(&user, "k", &shop.basket(2))).await;
    other.problem(422, "idempotency-key-reused");
    let again = Answer::of(shop.ordering(&user, "\"k\"", &shop.basket(1))).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(shop.traces().await, before, "made once");
    let stranger = Answer::of(shop.ordering(&shop.user(), "k", &shop.basket(2))).await;
    assert_eq!(stranger.status, 201, "keys are their user's own");
    assert_ne!(stranger.body["id"], first.body["id"]);
}
