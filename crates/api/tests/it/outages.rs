//! While the database is down, every call tells the client to come back, and nothing else.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::json;
use sqlx::{PgPool, postgres::PgPoolOptions};
use testkit::{Fault, Proxy, eventually};

use crate::support::{Answer, Settings, Shop, basket, filled, operations};

fn pool(url: &str) -> PgPool {
    PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_lazy(url)
        .unwrap()
}

const NEEDS_NO_DATABASE: [&str; 3] = [
    "/api/settings",
    "/api/runbooks/{cause}",
    "/api/problems/{slug}",
];

/// A valid request: only the database is in its way.
fn sensible(shop: &Shop, method: reqwest::Method, path: &str) -> RequestBuilder {
    let body = match path {
        "/api/register" => {
            json!({"email": "ada@shop.example", "password": "correct horse", "name": "Ada"})
        }
        "/api/login" => json!({"email": "ada@shop.example", "password": "correct horse"}),
        "/api/password" => {
            json!({"current_password": "correct horse", "new_password": "a better horse"})
        }
        "/api/password-reset" => json!({"email": "ada@shop.example"}),
        "/api/password-reset/confirm" => json!({"token": "t", "new_password": "a better horse"}),
        "/api/verify-email" => json!({"token": "t"}),
        "/api/orders" => basket(kernel::ProductId::new(), 1),
        path if path.ends_with("/signal") => {
            json!({"name": "transaction_completed", "reason": "r"})
        }
        path if path.ends_with("/resolve") => {
            json!({"step": "init_payment", "as": "done", "evidence": "e", "reason": "r"})
        }
        path if path.starts_with("/api/sagas/") || path.starts_with("/api/failed/") => {
            json!({"reason": "r"})
        }
        _ => {
            json!({"name": "Mug", "description": "", "price": {"amount": 1, "currency": "EUR"}, "stock": 1})
        }
    };
    shop.request(method, &filled(path))
        .bearer_auth(shop.admin())
        .header("cookie", "shop_refresh=token")
        .header("idempotency-key", "key")
        .header("if-match", "\"1\"")
        .json(&body)
}

#[tokio::test]
async fn a_database_outage_answers_with_retry_after() {
    let nowhere = pool("postgres://nobody@127.0.0.1:1/nothing");
    let shop = Shop::open_on(nowhere, Settings::default()).await;
    for (method, path, operation) in operations() {
        if NEEDS_NO_DATABASE.contains(&path.as_str()) {
            continue; // checked below, like the keys
        }
        let answer = Answer::to(sensible(&shop, method.clone(), &path)).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
        answer.problem_for_now(503, "unavailable");
        assert!(
            operation["responses"]["503"].is_object(),
            "{method} {path} says so"
        );
    }
    for path in [
        "/.well-known/jwks.json",
        "/api/settings",
        "/api/runbooks/no-worker",
        "/api/problems/unavailable",
    ] {
        assert_eq!(
            shop.get(path, "").await.status,
            200,
            "{path} needs no database"
        );
    }
}

#[tokio::test]
async fn an_order_cut_off_from_the_database_can_be_repeated() {
    let url = testkit::database("shop", &db::SHOP).await;
    let address = url.split(['@', '/']).nth(3).unwrap();
    let proxy = Proxy::new(address).await;
    let shop = Shop::open_on(
        pool(&url.replace(address, &proxy.address)),
        Settings::default(),
    )
    .await;
    commerce::product::seed(&mut shop.pool.acquire().await.unwrap())
        .await
        .unwrap();
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let order = || Answer::to(shop.ordering_under("key", &token, &basket(mug, 1)));

    proxy.will(Fault::Cut);
    let answer = order().await;
    answer.problem_for_now(503, "unavailable");
    shop.get("/api/products", "")
        .await
        .problem_for_now(503, "unavailable");

    proxy.will(Fault::None);
    eventually("the database to be back", || async {
        order().await.status == 201
    })
    .await;
    assert_eq!(order().await.json(), order().await.json());
    assert_eq!((shop.orders().await, shop.stock(mug).await.1), (1, 1));
}
