//! A faulty request is refused for its reason, and leaves nothing behind.

use kernel::{OrderId, ProductId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    products::product,
    refusal::{INVALID, KEY_MISSING, MALFORMED, NOT_FOUND, bad},
    support::{Answer, Shop, basket, id_of},
};

/// A demo product other than the mug.
const OTHER: &str = "french-press";

#[tokio::test]
async fn an_invalid_order_names_the_field_and_leaves_nothing_behind() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let other = shop.product(OTHER).await;
    let mut table = Vec::new();
    let mut row = |body: Value, field: &'static str| {
        let what = body.to_string().chars().take(200).collect::<String>();
        table.push(bad(what, shop.ordering(&token, &body), INVALID, field));
    };
    for (quantity, field) in [
        (json!(0), "items[0].quantity"),
        (json!(-1), "items[0].quantity"),
        (json!(1001), "items[0].quantity"),
        (json!(4_294_967_296_u64), "items[0].quantity"),
        (json!(u64::MAX), "items[0].quantity"),
        (json!(1.5), "items[0].quantity"),
        (json!(1.5), "items[0].quantity"),
        (json!(1e300), "items[0].quantity"),
        (json!("1"), "items[0].quantity"),
        (json!(true), "items[0].quantity"),
        (json!([1]), "items[0].quantity"),
        (json!(null), "items[0].quantity"),
    ] {
        let line = json!({"product_id": mug, "quantity": quantity});
        row(json!({"items": [line]}), field);
    }
    for product in [
        json!(ProductId::new()),
        json!("enamel-mug"),
        json!(""),
        json!("\u{0}"),
        json!(format!("{mug}\u{0}")),
        json!(1),
        json!(null),
        json!({}),
    ] {
        let line = json!({"product_id": product, "quantity": 1});
        row(json!({"items": [line]}), "items[0].product_id");
    }
    let line = json!({"product_id": mug, "quantity": 1});
    let with = |name: &str, value: Value| {
        let mut line = line.clone();
        line[name] = value;
        line
    };
    row(json!({"items": [{"product_id": mug}]}), "items[0].quantity");
    row(json!({"items": [{"quantity": 1}]}), "items[0].product_id");
    for (name, field) in [
        ("price", "items[0].price"),
        ("unit_price", "items[0].unit_price"),
        ("name", "items[0].name"),
    ] {
        row(json!({"items": [with(name, json!(1))]}), field);
    }
    for name in ["total", "user_id", "status", "transaction_id", "price"] {
        row(json!({"items": [line], name: 1}), name);
    }
    row(json!({"items": [line, line]}), "items[1].product_id");
    let second = json!({"product_id": other, "quantity": 0});
    row(json!({"items": [line, second]}), "items[1].quantity");
    let many: Vec<_> = (0..=100)
        .map(|_| json!({"product_id": ProductId::new(), "quantity": 1}))
        .collect();
    for items in [
        json!([]),
        json!(many),
        json!("mug"),
        json!({}),
        json!(null),
        json!(1),
    ] {
        row(json!({"items": items}), "items");
    }
    row(json!({}), "items");
    row(json!({"items": [1]}), "items[0]");
    row(json!({"items": [[mug, 1]]}), "items[0]");
    row(json!({"items": [null]}), "items[0]");
    for body in [
        json!([[line]]),
        json!([]),
        json!("items"),
        json!(1),
        json!(null),
    ] {
        row(body, "body");
    }
    assert!(table.len() > 45);
    shop.refuses(table).await;
    shop.awaiting(&token).await; // only the requests were wrong
}

#[tokio::test]
async fn a_basket_of_unsellable_products_is_refused() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let mut foreign = product("Foreign mug", 1);
    foreign["price"]["currency"] = json!("USD");
    let foreign = shop.create(&foreign).await.json();
    let gone = shop.create(&product("Gone mug", 1)).await.json();
    let path = format!("/api/products/{}", gone["id"].as_str().unwrap());
    let deleted = shop
        .request(Method::DELETE, &path)
        .bearer_auth(shop.admin());
    let deleted = Answer::to(deleted.header("if-match", "\"1\"")).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);

    let line = |id: &Value| json!({"product_id": id, "quantity": 1});
    let (mug, foreign, gone) = (line(&json!(mug)), line(&foreign["id"]), line(&gone["id"]));
    let mixed = shop.ordering(&token, &json!({"items": [mug, foreign]}));
    let old = shop.ordering(&token, &json!({"items": [mug, gone]}));
    shop.refuses(vec![
        bad("two currencies", mixed, INVALID, "items"),
        bad("a deleted product", old, INVALID, "items[1].product_id"),
    ])
    .await;
}

#[tokio::test]
async fn an_unreadable_body_is_refused_for_its_reason() {
    let shop = Shop::open().await;
    let (token, admin) = (shop.buyer(), shop.admin());
    let good = basket(shop.product("enamel-mug").await, 1).to_string();
    let json = Some("application/json");
    let (too_large, not_json) = ((413, "too-large"), (415, "unsupported-media-type"));
    let deep = |open: &str| open.repeat(10_000).into_bytes();
    let bodies: [(_, _, Vec<u8>, _); 16] = [
        ("nothing", json, Vec::new(), MALFORMED),
        ("half of it", json, b"{\"items\": [".to_vec(), MALFORMED),
        ("words", json, b"a mug, please".to_vec(), MALFORMED),
        (
            "two bodies",
            json,
            format!("{good} {good}").into(),
            MALFORMED,
        ),
        ("a zero byte", json, vec![0], MALFORMED),
        (
            "no UTF-8",
            json,
            b"{\"items\": \"\xff\"}".to_vec(),
            MALFORMED,
        ),
        (
            "a lone surrogate",
            json,
            br#"{"items": "\ud800"}"#.to_vec(),
            MALFORMED,
        ),
        (
            "no number",
            json,
            br#"{"items": 1e400}"#.to_vec(),
            MALFORMED,
        ),
        ("deep arrays", json, deep("["), MALFORMED),
        ("deep objects", json, deep("{\"items\":"), too_large),
        (
            "deep objects that fit",
            json,
            "{\"a\":".repeat(5_000).into(),
            MALFORMED,
        ),
        (
            "a body that is too large",
            json,
            vec![b' '; 64 * 1024 + 1],
            too_large,
        ),
        ("text", Some("text/plain"), good.clone().into(), not_json),
        (
            "a form",
            Some("application/x-www-form-urlencoded"),
            good.clone().into(),
            not_json,
        ),
        (
            "nearly JSON",
            Some("application/jsonp"),
            good.clone().into(),
            not_json,
        ),
        ("no content type", None, good.clone().into(), not_json),
    ];
    let mut table = Vec::new();
    for (what, content_type, body, expected) in bodies {
        for (method, path, token) in [
            (Method::POST, "/api/orders", &token),
            (Method::POST, "/api/products", &admin),
            (Method::POST, "/api/register", &token),
            (Method::POST, "/api/login", &token),
        ] {
            let mut request = shop.request(method, path).body(body.clone());
            request = request
                .bearer_auth(token)
                .header("idempotency-key", "a key");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            table.push(bad(format!("{what} to {path}"), request, expected, None));
        }
    }
    shop.refuses(table).await;
    let good = shop.post("/api/orders").bearer_auth(&token).body(good);
    let good = good
        .header("idempotency-key", "a key")
        .header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(
        Answer::to(good).await.status,
        201,
        "it is JSON, however it is spelled"
    );
}

#[tokio::test]
async fn an_order_without_a_good_idempotency_key_is_refused() {
    let shop = Shop::open().await;
    let (token, body) = (shop.buyer(), basket(shop.product("enamel-mug").await, 1));
    let long = "k".repeat(256);
    let quoted = format!("\"{long}\"");
    let mut table: Vec<_> = ["", " ", "\"\"", &long, &quoted, "schlüssel"]
        .into_iter()
        .map(|key| {
            let request = shop.ordering_under(key, &token, &body);
            bad(
                format!("key `{key}`"),
                request,
                KEY_MISSING,
                "Idempotency-Key",
            )
        })
        .collect();
    let none = shop.post("/api/orders").bearer_auth(&token).json(&body);
    table.push(bad("no key", none, KEY_MISSING, "Idempotency-Key"));
    shop.refuses(table).await;
    let longest = "k".repeat(255);
    let answer = Answer::to(shop.ordering_under(&longest, &token, &body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn a_key_of_another_basket_is_refused() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let other = shop.product(OTHER).await;
    let first = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let reused = (422, "idempotency-key-reused");
    let two = json!({"items": [{"product_id": mug, "quantity": 1}, {"product_id": other, "quantity": 1}]});
    let mut table = Vec::new();
    for (what, body) in [
        ("another quantity", basket(mug, 2)),
        ("another product", basket(other, 1)),
        ("more products", two),
    ] {
        let request = shop.ordering_under("key", &token, &body);
        table.push(bad(what, request, reused, None));
    }
    shop.refuses(table).await;
}

#[tokio::test]
async fn an_oversold_basket_is_refused_with_the_available_quantity() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    shop.restock(mug, 3).await;
    let before = shop.traces().await;
    let answer = Answer::to(shop.ordering_under("key", &token, &basket(mug, 4))).await;
    let problem = answer.problem(409, "out-of-stock");
    assert_eq!(
        (&problem["product_id"], &problem["left"]),
        (&json!(mug), &json!(3))
    );
    assert_eq!(shop.traces().await, before);

    shop.restock(mug, 4).await;
    let answer = Answer::to(shop.ordering_under("key", &token, &basket(mug, 4))).await;
    assert_eq!(
        answer.status, 201,
        "a refusal is not stored: {}",
        answer.text
    );
    assert_eq!(shop.stock(mug).await, (0, 4));
    let late = shop.ordering(&shop.buyer(), &basket(mug, 1));
    shop.refuses(vec![bad("sold out", late, (409, "out-of-stock"), None)])
        .await;
}

#[tokio::test]
async fn an_unreadable_path_or_query_is_refused() {
    let shop = Shop::open().await;
    let (token, admin) = (shop.buyer(), shop.admin());
    let get = |path: &str, token: &str| shop.request(Method::GET, path).bearer_auth(token);
    let mut table = Vec::new();
    for id in [
        "mug",
        "1",
        "%00",
        "%FF",
        "..%2f..",
        &"x".repeat(3000),
        "null",
    ] {
        let order = format!("/api/orders/{id}");
        table.push(bad(&order, get(&order, &token), MALFORMED, "path"));
        let cancel = format!("/api/orders/{id}/cancel");
        let request = shop.post(&cancel).bearer_auth(&token);
        table.push(bad(&cancel, request, MALFORMED, "path"));
        let edited = format!("/api/products/{id}");
        for method in [Method::PUT, Method::DELETE] {
            let request = shop.request(method, &edited).bearer_auth(&admin);
            let request = request.header("if-match", "\"1\"").json(&product("Mug", 1));
            table.push(bad(&edited, request, MALFORMED, "path"));
        }
    }
    for slug in [
        "no-such-product",
        "%00",
        "enamel-mug%00",
        &"x".repeat(3000),
        "%27--",
    ] {
        let path = format!("/api/products/{slug}");
        table.push(bad(&path, get(&path, &token), NOT_FOUND, None));
    }
    table.push(bad(
        "no UTF-8",
        get("/api/products/%FF", &token),
        MALFORMED,
        "path",
    ));
    let nobody = format!("/api/orders/{}", OrderId::new());
    table.push(bad("no such order", get(&nobody, &token), NOT_FOUND, None));
    for (list, token) in [
        ("/api/orders", &token),
        ("/api/products", &token),
        ("/api/admin/orders", &admin),
        ("/api/sagas", &admin),
    ] {
        for (query, expected, field) in [
            ("limit=0", INVALID, "limit"),
            ("limit=101", INVALID, "limit"),
            ("limit=4294967295", INVALID, "limit"),
            ("limit=4294967296", MALFORMED, "query"),
            ("limit=-1", MALFORMED, "query"),
            ("limit=1.5", MALFORMED, "query"),
            ("limit=ten", MALFORMED, "query"),
            ("limit=", MALFORMED, "query"),
            ("limit=1&limit=2", MALFORMED, "query"),
            ("cursor=", MALFORMED, "cursor"),
            ("cursor=x", MALFORMED, "cursor"),
            ("cursor=%00", MALFORMED, "cursor"),
            ("cursor=AAAA", MALFORMED, "cursor"),
            (
                "cursor=0192f0c0-0000-7000-8000-000000000000",
                MALFORMED,
                "cursor",
            ),
        ] {
            let path = format!("{list}?{query}");
            table.push(bad(&path, get(&path, token), expected, field));
        }
    }
    let long = format!("/api/products?search={}", "x".repeat(201));
    for (path, expected, field) in [
        (long.as_str(), INVALID, "search"),
        ("/api/products?search=mug%00", INVALID, "search"),
        ("/api/admin/orders?status=paid", INVALID, "status"),
        ("/api/admin/orders?status=", INVALID, "status"),
        ("/api/admin/orders?status=pending%00", INVALID, "status"),
        ("/api/admin/orders?user_id=ada", MALFORMED, "query"),
        ("/api/sagas?state=stuck", INVALID, "state"),
        ("/api/sagas?cause=bad-luck", INVALID, "cause"),
        ("/api/sagas?cause=", INVALID, "cause"),
        ("/api/sagas?cause=no-worker%00", INVALID, "cause"),
        ("/api/sagas?stuck=maybe", MALFORMED, "query"),
        ("/api/sagas?stuck=", MALFORMED, "query"),
        ("/api/sagas?causes=1", MALFORMED, "query"),
        ("/api/failed/%FF", MALFORMED, "path"),
        ("/api/sagas?text=%00", INVALID, "text"),
        ("/api/sagas?step=%00", INVALID, "step"),
        ("/api/sagas?order=7", MALFORMED, "query"),
        ("/api/sagas?older_than=-1", MALFORMED, "query"),
    ] {
        table.push(bad(path, get(path, &admin), expected, field));
    }
    shop.refuses(table).await;
}

#[tokio::test]
async fn a_search_is_taken_at_its_word_whatever_it_says() {
    let shop = Shop::open().await;
    for words in [
        "'; drop table commerce.product; --",
        "%",
        "_",
        "\\",
        "\"mug",
        "mug & | ! ( :*",
        "<->",
        "\u{1F375}",
        " ",
    ] {
        let request = shop.request(Method::GET, "/api/products");
        let answer = Answer::to(request.query(&[("search", words)])).await;
        assert_eq!(answer.status, 200, "{words}: {}", answer.text);
    }
    assert!(shop.count("select count(*) from commerce.product").await > 0);
}

#[tokio::test]
async fn what_nobody_may_see_or_cancel_is_not_there() {
    let shop = Shop::open().await;
    let (owner, stranger) = (shop.buyer(), shop.buyer());
    let order = shop.awaiting(&owner).await;
    let order_path = format!("/api/orders/{}", id_of(&order));
    let cancel = format!("{order_path}/cancel");
    let unknown = format!("/api/orders/{}/cancel", OrderId::new());
    let (before, answer) = (shop.traces().await, shop.get(&order_path, &stranger).await);
    let nothing = shop
        .get(&format!("/api/orders/{}", OrderId::new()), &stranger)
        .await;
    let (foreign, nothing) = (
        answer.problem(404, "not-found"),
        nothing.problem(404, "not-found"),
    );
    assert_eq!(
        foreign["detail"], nothing["detail"],
        "nobody is told which it is"
    );
    assert_eq!(shop.traces().await, before);
    shop.refuses(vec![
        bad(
            &cancel,
            shop.post(&cancel).bearer_auth(&stranger),
            NOT_FOUND,
            None,
        ),
        bad(
            &unknown,
            shop.post(&unknown).bearer_auth(&owner),
            NOT_FOUND,
            None,
        ),
    ])
    .await;
    assert_eq!(shop.get(&order_path, &owner).await.status, 200);
    assert_eq!(shop.get(&order_path, &shop.admin()).await.status, 200);
}
