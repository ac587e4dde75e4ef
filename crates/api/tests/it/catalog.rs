//! What admins write and everybody reads.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Shop, uuid};

fn cup() -> Value {
    json!({"name": "Cup", "description": "Holds coffee.", "price": {"amount": 990, "currency": "EUR"}, "stock": 3})
}

#[tokio::test]
async fn an_edit_names_the_version_that_was_seen() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let made = shop.post("/api/products", &admin, &cup()).await;
    assert_eq!(
        (made.status, made.header("etag")),
        (201, "\"1\""),
        "{}",
        made.body
    );
    let path = format!("/api/products/{}", made.body["id"].as_str().unwrap());
    let edit = |tag: Option<&str>| {
        let mut request = shop.request(Method::PUT, &path, &admin);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let mut edited = cup();
        edited["name"] = json!("Espresso cup");
        Answer::of(request.json(&edited))
    };
    let before = shop.traces().await;
    edit(None).await.problem(428, "if-match-missing");
    edit(Some("\"7\"")).await.problem(412, "stale");
    edit(Some("*")).await.names(400, "malformed", "If-Match");
    assert_eq!(shop.traces().await, before);
    let edited = edit(Some("\"1\"")).await;
    assert_eq!((edited.status, edited.header("etag")), (200, "\"2\""));
    assert_eq!(edited.body["slug"], "cup", "the slug is stable");
    edit(Some("\"1\"")).await.problem(412, "stale");
    let found = shop.get("/api/products/cup", "").await;
    assert_eq!((found.status, found.header("etag")), (200, "\"2\""));
    assert_eq!(found.body["name"], "Espresso cup");

    let delete = |tag: Option<&str>| {
        let mut request = shop.request(Method::DELETE, &path, &admin);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        Answer::of(request)
    };
    delete(None).await.problem(428, "if-match-missing");
    delete(Some("\"1\"")).await.problem(412, "stale");
    assert_eq!(delete(Some("\"2\"")).await.status, 204);
    delete(Some("\"2\"")).await.problem(404, "not-found");
    shop.get("/api/products/cup", "")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_product_that_makes_no_sense_is_refused_by_field() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let before = shop.traces().await;
    let with = |field: &str, value: Value| {
        let mut product = cup();
        product[field] = value;
        product
    };
    for (product, field) in [
        (with("name", json!("")), "name"),
        (with("name", json!("   ")), "name"),
        (with("name", json!("x".repeat(201))), "name"),
        (with("name", json!("a\0b")), "name"),
        (with("description", json!("a\0b")), "description"),
        (with("description", json!("x".repeat(5001))), "description"),
        (
            with("price", json!({"amount": 0, "currency": "EUR"})),
            "price.amount",
        ),
        (
            with("price", json!({"amount": -5, "currency": "EUR"})),
            "price.amount",
        ),
        (
            with("price", json!({"amount": 19.99, "currency": "EUR"})),
            "price.amount",
        ),
        (
            with("price", json!({"amount": i64::MAX, "currency": "EUR"})),
            "price.amount",
        ),
        (
            with("price", json!({"amount": 1, "currency": "euro"})),
            "price.currency",
        ),
        (with("price", json!(1)), "price"),
        (with("stock", json!(-1)), "stock"),
        (with("stock", json!(i64::MAX)), "stock"),
        (with("slug", json!("mine")), "slug"),
    ] {
        let answer = shop.post("/api/products", &admin, &product).await;
        assert_eq!(answer.status, 422, "{product}: {}", answer.body);
        answer.names(422, "invalid", field);
    }
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn stock_is_not_set_below_what_orders_hold() {
    let shop = Shop::open().await;
    shop.order(&shop.user()).await;
    let before = shop.traces().await;
    let mut empty = cup();
    empty["stock"] = json!(0);
    let request = shop
        .request(
            Method::PUT,
            &format!("/api/products/{}", shop.mug),
            &shop.admin(),
        )
        .header("if-match", "\"1\"")
        .json(&empty);
    Answer::of(request).await.names(409, "stock-held", "stock");
    assert_eq!(shop.traces().await, before);
    let unknown = shop
        .request(
            Method::PUT,
            &format!("/api/products/{}", uuid()),
            &shop.admin(),
        )
        .header("if-match", "\"1\"")
        .json(&cup());
    Answer::of(unknown).await.problem(404, "not-found");
}

#[tokio::test]
async fn everybody_searches_and_typing_mistakes_are_forgiven() {
    let shop = Shop::open().await;
    let mut espresso = cup();
    espresso["name"] = json!("Espresso cup");
    shop.post("/api/products", &shop.admin(), &espresso).await;
    for search in ["Espresso", "espr", "espreso", "coffee"] {
        let found = shop
            .get(&format!("/api/products?search={search}"), "")
            .await;
        let names: Vec<_> = found.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["name"])
            .collect();
        assert_eq!(names, ["Espresso cup"], "{search}");
    }
}
