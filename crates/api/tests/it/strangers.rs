//! Who may not.

use std::time::Duration;

use commerce::order;
use kernel::{Clock, UserId};
use reqwest::Method;
use serde_json::{Value, json};
use tokens::Signer;

use crate::shop::{Answer, Shop, uuid};

/// Calls that need no token.
const PUBLIC: [(&str, &str); 6] = [
    ("post", "/api/register"),
    ("post", "/api/login"),
    ("post", "/api/refresh"),
    ("post", "/api/logout"),
    ("get", "/api/products"),
    ("get", "/api/products/{product}"),
];

#[tokio::test]
async fn every_call_that_is_not_public_answers_401_to_a_stranger() {
    let shop = Shop::open().await;
    let before = shop.traces().await;
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let public = PUBLIC.contains(&(method, path));
            assert_eq!(
                operation["security"].is_array(),
                !public,
                "{method} {path}: what the document says"
            );
            if public {
                continue;
            }
            asked += 1;
            let path = path.replace("{id}", &uuid()).replace("{product}", &uuid());
            let method: Method = method.to_uppercase().parse().unwrap();
            for token in ["", "nonsense"] {
                let request = shop
                    .request(method.clone(), &path, token)
                    .header("idempotency-key", "k")
                    .json(&json!({}));
                let answer = Answer::of(request).await;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
                answer.problem(401, "unauthenticated");
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
    assert!(asked >= 8, "{asked}");
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn a_token_that_is_not_ours_not_for_us_or_not_of_now_is_no_token() {
    let shop = Shop::open().await;
    let user = UserId::new();
    let foreign = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
    // the same key, but a clock of yesterday
    let earlier = Signer::from_pem(&shop.key, Clock::Shifted(-chrono::TimeDelta::days(1))).unwrap();
    let good = shop.user_token(user, &[]);
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let admin = shop.user_token(user, &["admin".to_owned()]);
    let richer = admin.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for (what, token) in [
        (
            "expired",
            earlier.access_token(user, &[], Duration::from_mins(1)),
        ),
        (
            "another key",
            foreign.access_token(user, &[], Duration::from_mins(1)),
        ),
        (
            "for payments only",
            shop.signer.service_token("transactions", None),
        ),
        ("other claims", format!("{head}.{richer}.{signature}")),
        ("no signature", format!("{head}.{claims}.")),
        ("no algorithm", format!("{none}.{claims}.")),
        (
            "no algorithm, signed",
            format!("{none}.{claims}.{signature}"),
        ),
        ("half", head.to_owned()),
    ] {
        let answer = shop.get("/api/orders", &token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        answer.problem(401, "unauthenticated");
    }
    assert_eq!(shop.get("/api/orders", &good).await.status, 200);
    let basic = shop
        .request(Method::GET, "/api/orders", "")
        .header("authorization", format!("Basic {good}"));
    Answer::of(basic).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn somebody_elses_order_is_not_there() {
    let shop = Shop::open().await;
    let (owner, stranger) = (shop.user(), shop.user());
    let order = shop.order(&owner).await;
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let before = shop.traces().await;
    let unknown = shop
        .get(&format!("/api/orders/{}", uuid()), &stranger)
        .await;
    let foreign = shop.get(&path, &stranger).await;
    foreign.problem(404, "not-found");
    assert_eq!(
        foreign.body["detail"], unknown.body["detail"],
        "nothing tells them apart"
    );
    let cancel = shop
        .post(&format!("{path}/cancel"), &stranger, &json!({}))
        .await;
    cancel.problem(404, "not-found");
    assert_eq!(shop.traces().await, before);
    assert_eq!(
        shop.get("/api/orders", &stranger).await.body["items"],
        json!([])
    );
    assert_eq!(shop.get(&path, &owner).await.status, 200);
    assert_eq!(shop.get(&path, &shop.admin()).await.status, 200);
}

#[tokio::test]
async fn only_admins_edit_the_catalog_and_see_all_orders() {
    let shop = Shop::open().await;
    let user = shop.user();
    let before = shop.traces().await;
    let product = json!({"name": "Cup", "description": "", "price": {"amount": 1, "currency": "EUR"}, "stock": 1});
    let path = format!("/api/products/{}", shop.mug);
    for request in [
        shop.request(Method::GET, "/api/admin/orders", &user),
        shop.request(Method::POST, "/api/products", &user)
            .json(&product),
        shop.request(Method::PUT, &path, &user)
            .header("if-match", "\"1\"")
            .json(&product),
        shop.request(Method::DELETE, &path, &user)
            .header("if-match", "\"1\""),
    ] {
        Answer::of(request).await.problem(403, "forbidden");
    }
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn a_completed_order_cannot_be_canceled_and_a_canceled_one_stays_so() {
    let shop = Shop::open().await;
    let user = shop.user();
    let paid = shop.order(&user).await;
    let id: kernel::OrderId = paid["id"].as_str().unwrap().parse().unwrap();
    assert!(shop.payments.pay(id));
    let mut conn = shop.pool.acquire().await.unwrap();
    let saga = order::find(&mut conn, id, None)
        .await
        .unwrap()
        .unwrap()
        .saga_id;
    drop(conn);
    let mut tx = shop.pool.begin().await.unwrap();
    let signal = saga::NewSignal {
        id: kernel::SignalId::new(),
        saga_id: saga,
        name: contracts::topology::TRANSACTION_COMPLETED.to_owned(),
        payload: Value::Null,
        source: "test".to_owned(),
    };
    let signaled = shop.engine.signal(&mut tx, vec![signal]).await.unwrap();
    tx.commit().await.unwrap();
    signaled.after.emit();
    let path = format!("/api/orders/{id}");
    assert_eq!(shop.get(&path, &user).await.body["status"], "completed");
    let cancel = shop
        .post(&format!("{path}/cancel"), &user, &json!({}))
        .await;
    cancel.problem(409, "too-late");
    assert_eq!(shop.get(&path, &user).await.body["status"], "completed");

    let other = shop.order(&user).await;
    let path = format!("/api/orders/{}", other["id"].as_str().unwrap());
    for _ in 0..2 {
        let cancel = shop
            .post(&format!("{path}/cancel"), &user, &json!({}))
            .await;
        assert_eq!(cancel.status, 202, "a repeat is no error: {}", cancel.body);
        assert_eq!(cancel.body["canceling"], true);
    }
}
