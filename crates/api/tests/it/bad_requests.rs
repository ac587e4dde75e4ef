//! What is wrong whatever it is about.

use reqwest::Method;
use serde_json::json;

use crate::shop::{Answer, Shop};

#[tokio::test]
async fn malformed_ids_cursors_and_limits_are_named() {
    let shop = Shop::open().await;
    let (user, admin) = (shop.user(), shop.admin());
    for (path, token, status, slug) in [
        ("/api/orders/7", &user, 400, "malformed"),
        ("/api/orders/%00", &user, 400, "malformed"),
        ("/api/orders?cursor=nonsense", &user, 400, "malformed"),
        ("/api/orders?limit=0", &user, 422, "invalid"),
        ("/api/orders?limit=101", &user, 422, "invalid"),
        ("/api/orders?limit=-1", &user, 400, "malformed"),
        ("/api/orders?limit=many", &user, 400, "malformed"),
        ("/api/products?limit=0", &user, 422, "invalid"),
        ("/api/products?cursor=%F0%28", &user, 400, "malformed"),
        ("/api/products?search=%00", &user, 422, "invalid"),
        ("/api/products/%00", &user, 404, "not-found"),
        ("/api/products/no-such-mug", &user, 404, "not-found"),
        ("/api/admin/orders?status=lost", &admin, 422, "invalid"),
        ("/api/admin/orders?user_id=me", &admin, 400, "malformed"),
        ("/api/no-such-thing", &user, 404, "not-found"),
        ("/", &user, 404, "not-found"),
    ] {
        let answer = shop.get(path, token).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.problem(status, slug);
        if status != 404 {
            assert!(
                !answer.body["errors"].as_array().unwrap().is_empty(),
                "{path}: {}",
                answer.body
            );
        }
    }
    let long = format!("/api/products?search={}", "x".repeat(201));
    shop.get(&long, "").await.names(422, "invalid", "search");
}

#[tokio::test]
async fn a_wrong_method_is_told_so() {
    let shop = Shop::open().await;
    for (method, path) in [
        (Method::DELETE, "/api/orders"),
        (Method::PUT, "/api/me"),
        (Method::GET, "/api/login"),
        (Method::PATCH, "/api/products"),
    ] {
        let answer = Answer::of(shop.request(method, path, &shop.user())).await;
        answer.problem(405, "method-not-allowed");
        assert_ne!(answer.header("allow"), "");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_503_with_retry_after() {
    let away = sqlx::postgres::PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(200))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nothing")
        .unwrap();
    let shop = Shop::on(away).await;
    let body = json!({"email": "a@shop.example", "password": "correct horse", "name": "A"});
    let user = shop.user();
    let basket = json!({"items": [{"product_id": crate::shop::uuid(), "quantity": 1}]});
    for answer in [
        shop.get("/api/products", "").await,
        shop.get("/api/orders", &user).await,
        shop.post(
            "/api/login",
            "",
            &json!({"email": "a@shop.example", "password": "correct horse"}),
        )
        .await,
        shop.post("/api/register", "", &body).await,
        Answer::of(shop.ordering(&user, "k", &basket)).await,
    ] {
        answer.problem(503, "unavailable");
        assert_ne!(answer.header("retry-after"), "");
    }
}

#[tokio::test]
async fn too_many_logins_from_one_address_are_slowed_down() {
    let shop = Shop::open().await;
    let wrong = json!({"email": "nobody@shop.example", "password": "correct horse"});
    let mut refused = None;
    for _ in 0..31 {
        let answer = shop.post("/api/login", "", &wrong).await;
        if answer.status == 429 {
            refused = Some(answer);
        } else {
            answer.problem(401, "wrong-credentials");
        }
    }
    let refused = refused.unwrap();
    refused.problem(429, "too-many-requests");
    assert_ne!(refused.header("retry-after"), "");
}
