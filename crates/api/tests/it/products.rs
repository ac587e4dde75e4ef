//! The catalog, and its edits.

use kernel::ProductId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    refusal::{INVALID, MALFORMED, NOT_FOUND, bad},
    support::{Answer, Shop, basket},
};

pub(crate) fn product(name: &str, stock: i64) -> Value {
    json!({
        "name": name,
        "description": "Holds tea.",
        "price": {"amount": 1999, "currency": "EUR"},
        "stock": stock,
    })
}

impl Shop {
    pub(crate) async fn create(&self, body: &Value) -> Answer {
        Answer::to(
            self.post("/api/products")
                .bearer_auth(self.admin())
                .json(body),
        )
        .await
    }

    /// An edit of a form that shows the current stock.
    async fn edit(&self, id: &str, version: &str, body: &Value) -> Answer {
        let mut body = body.clone();
        let on_hand =
            sqlx::query_scalar("select on_hand from commerce.stock where product_id = $1::uuid")
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .unwrap();
        body["stock_seen"] = json!(on_hand.unwrap_or(0_i64));
        self.put(id, version, &body).await
    }

    async fn put(&self, id: &str, version: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, &format!("/api/products/{id}"));
        let request = request
            .bearer_auth(self.admin())
            .header("if-match", version);
        Answer::to(request.json(body)).await
    }

    async fn delete(&self, id: &str, version: &str) -> Answer {
        let request = self.request(Method::DELETE, &format!("/api/products/{id}"));
        Answer::to(
            request
                .bearer_auth(self.admin())
                .header("if-match", version),
        )
        .await
    }
}

#[tokio::test]
async fn an_admin_adds_edits_and_deletes_a_product() {
    let shop = Shop::open().await;
    let answer = shop.create(&product(" Brown Betty ", 3)).await;
    assert_eq!((answer.status, answer.header("etag")), (201, Some("\"1\"")));
    let created = answer.json();
    let id = created["id"].as_str().unwrap();
    assert_eq!(
        created,
        json!({
            "id": id, "slug": "brown-betty", "name": "Brown Betty", "description": "Holds tea.",
            "price": {"amount": 1999, "currency": "EUR"}, "in_stock": true, "available": 3, "version": 1,
        })
    );
    let newest = shop.get("/api/products?limit=1", "").await.json();
    assert_eq!(newest["items"], json!([created]));

    let answer = shop.edit(id, "\"1\"", &product("Red Rosa", 0)).await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"2\"")));
    let edited = shop.get("/api/products/brown-betty", "").await;
    assert_eq!(edited.header("etag"), Some("\"2\""));
    assert_eq!(edited.json(), answer.json());
    assert_eq!(
        (&edited.json()["name"], &edited.json()["in_stock"]),
        (&json!("Red Rosa"), &json!(false))
    );

    let answer = shop.delete(id, "\"2\"").await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    shop.get("/api/products/brown-betty", "")
        .await
        .problem(404, "not-found");
    shop.delete(id, "\"3\"").await.problem(404, "not-found");
    shop.edit(id, "\"3\"", &product("Back", 1))
        .await
        .problem(404, "not-found");
    let found = shop.get("/api/products?search=rosa", "").await.json();
    assert_eq!(found["items"], json!([]));
}

#[tokio::test]
async fn products_of_one_name_get_different_slugs() {
    let shop = Shop::open().await;
    let body = product("Twin", 1);
    let (one, two) = tokio::join!(shop.create(&body), shop.create(&body));
    let mut slugs = [one.json()["slug"].clone(), two.json()["slug"].clone()];
    slugs.sort_by_key(ToString::to_string);
    assert_eq!(slugs, [json!("twin"), json!("twin-2")]);
    let odd = shop.create(&product("茶", 1)).await;
    assert_eq!((odd.status, &odd.json()["slug"]), (201, &json!("product")));
}

#[tokio::test]
async fn of_two_edits_of_one_version_one_wins() {
    let shop = Shop::open().await;
    let created = shop.create(&product("Mug", 1)).await.json();
    let id = created["id"].as_str().unwrap();
    let (red, blue) = (product("Red", 1), product("Blue", 1));
    let (one, two) = tokio::join!(shop.edit(id, "\"1\"", &red), shop.edit(id, "\"1\"", &blue));
    let (won, lost) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!(won.status, 200, "{}", won.text);
    assert_eq!(lost.problem(412, "stale")["version"], 2);
    let slug = created["slug"].as_str().unwrap();
    assert_eq!(
        shop.get(&format!("/api/products/{slug}"), "").await.json(),
        won.json()
    );
}

#[tokio::test]
async fn stock_below_what_orders_hold_is_refused() {
    let shop = Shop::open().await;
    let created = shop.create(&product("Mug", 5)).await.json();
    let id = created["id"].as_str().unwrap();
    let ordered = shop.ordering(&shop.buyer(), &basket(id.parse().unwrap(), 3));
    assert_eq!(Answer::to(ordered).await.status, 201);
    let before = shop.traces().await;
    let problem = shop
        .edit(id, "\"1\"", &product("Mug", 2))
        .await
        .problem(409, "stock-held");
    assert_eq!(problem["errors"][0]["field"], "stock");
    assert_eq!(shop.traces().await, before, "not even its version");
    assert_eq!(shop.edit(id, "\"1\"", &product("Mug", 3)).await.status, 200);
    assert_eq!(shop.stock(id.parse().unwrap()).await, (0, 3));
}

#[tokio::test]
async fn a_search_finds_words_prefixes_and_typing_mistakes() {
    let shop = Shop::open().await;
    for words in ["enamel mug", "Enamel", "enam", "enmael mug", "campfires"] {
        let request = shop
            .request(Method::GET, "/api/products")
            .query(&[("search", words)]);
        let found = Answer::to(request).await.json();
        let slugs: Vec<_> = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["slug"])
            .collect();
        assert!(slugs.contains(&&json!("enamel-mug")), "{words}: {slugs:?}");
        assert!(
            !slugs.contains(&&json!("french-press")),
            "{words}: {slugs:?}"
        );
    }
}

#[tokio::test]
async fn catalog_pages_hold_each_product_once_newest_first() {
    let shop = Shop::open().await;
    let all = shop.count("select count(*) from commerce.product").await;
    let (mut ids, mut path) = (Vec::new(), "/api/products?limit=7".to_owned());
    loop {
        let page = shop.get(&path, "").await.json();
        let items = page["items"].as_array().unwrap();
        assert!((1..=7).contains(&items.len()));
        ids.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/products?limit=7&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(i64::try_from(ids.len()).unwrap(), all);
    let mut sorted = ids.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    sorted.dedup();
    assert_eq!(ids, sorted);
}

#[tokio::test]
async fn an_invalid_product_names_the_field() {
    let shop = Shop::open().await;
    let (admin, mug) = (shop.admin(), shop.product("enamel-mug").await);
    let mut table = Vec::new();
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("  ")),
        ("name", json!("x".repeat(201))),
        ("name", json!("mug\u{0}")),
        ("name", json!("mug\u{202e}gum")),
        ("name", json!("\u{200b}")),
        ("description", json!("holds\u{2066}tea")),
        ("name", json!("a\nmug")),
        ("name", json!(1)),
        ("description", json!("x".repeat(5001))),
        ("description", json!("mug\u{0}")),
        ("description", json!(null)),
        ("price.amount", json!(0)),
        ("price.amount", json!(-1)),
        ("price.amount", json!(1_000_000_001)),
        ("price.amount", json!(19.99)),
        ("price.amount", json!("1999")),
        ("price.currency", json!("eur")),
        ("price.currency", json!("EURO")),
        ("price.currency", json!("")),
        ("price.currency", json!("EU\u{0}")),
        ("stock", json!(-1)),
        ("stock", json!(1_000_000_001)),
        ("stock", json!(1.5)),
        ("stock", json!("many")),
        ("slug", json!("my-slug")),
        ("version", json!(7)),
        ("id", json!(mug)),
    ] {
        let mut body = product("Mug", 10);
        let pointer = format!("/{}", field.replace('.', "/"));
        match body.pointer_mut(&pointer) {
            Some(there) => *there = value,
            None => body[field] = value,
        }
        let post = shop.post("/api/products").bearer_auth(&admin).json(&body);
        table.push(bad(format!("POST {body:.200}"), post, INVALID, field));
        let path = format!("/api/products/{mug}");
        let put = shop.request(Method::PUT, &path).bearer_auth(&admin);
        let put = put.header("if-match", "\"1\"").json(&body);
        table.push(bad(format!("PUT {body:.200}"), put, INVALID, field));
    }
    shop.refuses(table).await;
}

#[tokio::test]
async fn an_edit_without_the_current_version_is_refused() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let mug = shop.create(&product("Mug", 10)).await.json();
    let path = format!("/api/products/{}", mug["id"].as_str().unwrap());
    let put = shop.request(Method::PUT, &path).bearer_auth(&admin);
    let edited = Answer::to(
        put.header("if-match", "\"1\"")
            .json(&product("Better mug", 10)),
    )
    .await;
    assert_eq!((edited.status, edited.header("etag")), (200, Some("\"2\"")));

    let (missing, stale) = ((428, "if-match-missing"), (412, "stale"));
    let nothing = format!("/api/products/{}", ProductId::new());
    let mut table = Vec::new();
    for method in [Method::PUT, Method::DELETE] {
        let request = |path: &str, version: Option<&str>| {
            let request = shop.request(method.clone(), path).bearer_auth(&admin);
            let request = request.json(&product("Mug", 10));
            match version {
                Some(version) => request.header("if-match", version),
                None => request,
            }
        };
        let mut row = |path: &str, version, expected, field: Option<&'static str>| {
            let what = format!("{method} {version:?}");
            table.push(bad(what, request(path, version), expected, field));
        };
        row(&path, None, missing, None);
        for version in ["\"1\"", "1", "\"3\"", "\"999999999999999999\""] {
            row(&path, Some(version), stale, None);
        }
        for version in [
            "",
            "*",
            "W/\"2\"",
            "\"two\"",
            "\"9223372036854775808\"",
            "\"1\", \"2\"",
        ] {
            row(&path, Some(version), MALFORMED, Some("If-Match"));
        }
        row(&nothing, Some("\"1\""), NOT_FOUND, None);
    }
    shop.refuses(table).await;
    let delete = shop.request(Method::DELETE, &path).bearer_auth(&admin);
    let answer = Answer::to(delete.header("if-match", "\"1\"")).await;
    assert_eq!(
        answer.problem(412, "stale")["version"],
        2,
        "it says what is there"
    );
}

#[tokio::test]
async fn an_edit_never_takes_back_stock_sold_meanwhile() {
    let shop = Shop::open().await;
    let created = shop.create(&product("Mug", 10)).await.json();
    let id = created["id"].as_str().unwrap();
    // three pieces are sold while the form that shows ten is open
    let sql = "update commerce.stock set sold = 3 where product_id = $1::uuid";
    sqlx::query(sql).bind(id).execute(&shop.pool).await.unwrap();
    let mut form = product("Mug", 10);
    // a client that does not send the stock it saw must not set the stock
    let refused = shop.put(id, "\"1\"", &form).await;
    refused.problem(422, "invalid");
    assert_eq!(refused.json()["errors"][0]["field"], "stock_seen");
    form["stock_seen"] = json!(10);
    assert_eq!(shop.put(id, "\"1\"", &form).await.status, 200);
    let stock = async || {
        shop.get("/api/admin/products/mug", &shop.admin())
            .await
            .json()["stock"]
            .clone()
    };
    assert_eq!(stock().await, 7);
    form["stock"] = json!(15);
    assert_eq!(shop.put(id, "\"2\"", &form).await.status, 200);
    assert_eq!(stock().await, 12, "five more than were seen");
    let mut text = product("Mug", 0);
    text.as_object_mut().unwrap().remove("stock");
    assert_eq!(shop.put(id, "\"3\"", &text).await.status, 200);
    assert_eq!(stock().await, 12, "not named, not changed");
}
