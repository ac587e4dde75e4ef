//! Accounts at the HTTP edge.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Shop};

fn ada() -> Value {
    json!({"email": "Ada@Shop.example", "password": "correct horse", "name": "Ada"})
}

/// The refresh cookie's value.
fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/api"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn registering_logs_in_and_the_session_can_be_refreshed_once_and_ended() {
    let shop = Shop::open().await;
    let made = shop.post("/api/register", "", &ada()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["token_type"], "Bearer");
    assert!(
        made.body.get("refresh_token").is_none(),
        "it is in the cookie only"
    );
    let token = made.body["access_token"].as_str().unwrap();
    let me = shop.get("/api/me", token).await;
    assert_eq!(me.body["email"], "ada@shop.example");
    let refresh = |cookie: &str| {
        Answer::of(
            shop.request(Method::POST, "/api/refresh", "")
                .header("cookie", cookie),
        )
    };
    let first = cookie(&made);
    let refreshed = refresh(&first).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    let second = cookie(&refreshed);
    assert_ne!(first, second);
    refresh(&first).await.problem(401, "session-over");
    refresh(&second).await.problem(401, "session-over"); // whoever stole one has lost both

    let again = shop
        .post(
            "/api/login",
            "",
            &json!({"email": "ada@shop.example", "password": "correct horse"}),
        )
        .await;
    assert_eq!(again.status, 200, "{}", again.body);
    let third = cookie(&again);
    let out = shop
        .request(Method::POST, "/api/logout", "")
        .header("cookie", &third);
    let out = Answer::of(out).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    refresh(&third).await.problem(401, "session-over");
    refresh("").await.problem(401, "session-over");
    refresh("shop_refresh=nonsense")
        .await
        .problem(401, "session-over");
}

#[tokio::test]
async fn an_account_that_makes_no_sense_is_refused_by_field_and_leaves_nothing_behind() {
    let shop = Shop::open().await;
    let before = shop.traces().await;
    let with = |field: &str, value: Value| {
        let mut account = ada();
        account[field] = value;
        account
    };
    for (account, field) in [
        (with("email", json!("ada")), "email"),
        (with("email", json!("")), "email"),
        (with("email", json!("a\0@shop.example")), "email"),
        (with("email", json!(7)), "email"),
        (with("password", json!("seven77")), "password"),
        (with("password", json!("x".repeat(129))), "password"),
        (with("name", json!("")), "name"),
        (with("name", json!("x".repeat(101))), "name"),
        (with("name", json!("a\0b")), "name"),
        (with("roles", json!(["admin"])), "roles"),
        (
            json!({"email": "ada@shop.example", "name": "Ada"}),
            "password",
        ),
    ] {
        let answer = shop.post("/api/register", "", &account).await;
        assert_eq!(answer.status, 422, "{account}: {}", answer.body);
        answer.names(422, "invalid", field);
    }
    assert_eq!(shop.traces().await, before);
    assert_eq!(shop.post("/api/register", "", &ada()).await.status, 201);
    let before = shop.traces().await;
    let twice = shop
        .post(
            "/api/register",
            "",
            &with("email", json!("ADA@shop.example")),
        )
        .await;
    twice.problem(409, "email-taken");
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let shop = Shop::open().await;
    shop.post("/api/register", "", &ada()).await;
    let before = shop.traces().await;
    let mut bodies = Vec::new();
    for (email, password) in [
        ("ada@shop.example", "wrong horse"),
        ("nobody@shop.example", "correct horse"),
        ("not an address", "correct horse"),
        ("ada\0@shop.example", "correct horse"),
        ("ada@shop.example", ""),
    ] {
        let answer = shop
            .post(
                "/api/login",
                "",
                &json!({"email": email, "password": password}),
            )
            .await;
        let mut body = answer.problem(401, "wrong-credentials").clone();
        body.as_object_mut().unwrap().remove("trace_id");
        assert_eq!(answer.header("set-cookie"), "");
        bodies.push(body);
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    assert_eq!(shop.traces().await, before);
}
