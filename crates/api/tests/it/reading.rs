//! Lists of orders: the caller's own, and all orders for staff.

use kernel::UserId;
use serde_json::{Value, json};

use crate::support::{Answer, Shop};

fn ids(page: &Value) -> Vec<Value> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|order| order["id"].clone()).collect()
}

#[tokio::test]
async fn everybody_sees_their_own_orders_newest_first_in_pages() {
    let shop = Shop::open().await;
    let (ada, eve) = (shop.buyer(), shop.buyer());
    let mut of_ada = Vec::new();
    for _ in 0..3 {
        of_ada.insert(0, shop.awaiting(&ada).await["id"].clone());
        shop.awaiting(&eve).await;
    }
    let first = shop.get("/api/orders?limit=2", &ada).await.json();
    assert_eq!(ids(&first), of_ada[..2]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = shop
        .get(&format!("/api/orders?limit=2&cursor={cursor}"), &ada)
        .await
        .json();
    assert_eq!(
        (ids(&second), second.get("next_cursor")),
        (of_ada[2..].to_vec(), None)
    );
    let all = shop.get("/api/orders", &ada).await.json();
    assert_eq!((ids(&all), all.get("next_cursor")), (of_ada, None));
    let stranger = shop.get("/api/orders", &shop.buyer()).await.json();
    assert_eq!(ids(&stranger), Vec::<Value>::new());
}

#[tokio::test]
async fn a_cursor_of_somebody_elses_list_shows_nothing_of_it() {
    let shop = Shop::open().await;
    let (ada, eve) = (shop.buyer(), shop.buyer());
    let mine = shop.awaiting(&eve).await;
    for _ in 0..2 {
        shop.awaiting(&ada).await;
    }
    let page = shop.get("/api/orders?limit=1", &ada).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = shop
        .get(&format!("/api/orders?cursor={cursor}"), &eve)
        .await
        .json();
    assert_eq!(ids(&page), [mine["id"].clone()]);
}

#[tokio::test]
async fn an_admin_sees_all_orders_and_filters_them() {
    let shop = Shop::open().await;
    let (admin, user) = (shop.admin(), UserId::new());
    let (ada, eve) = (shop.token_of(user), shop.buyer());
    let completed = shop.completed(&ada).await["id"].clone();
    let canceled = shop.canceled(&eve).await["id"].clone();
    let awaiting = shop.awaiting(&ada).await["id"].clone();
    for (query, expected) in [
        (String::new(), vec![&awaiting, &canceled, &completed]),
        ("status=completed".to_owned(), vec![&completed]),
        ("status=canceled".to_owned(), vec![&canceled]),
        ("status=pending".to_owned(), vec![]),
        (format!("user_id={user}"), vec![&awaiting, &completed]),
        (
            format!("user_id={user}&status=awaiting_payment&limit=1"),
            vec![&awaiting],
        ),
        (format!("user_id={}", UserId::new()), vec![]),
    ] {
        let page = shop
            .get(&format!("/api/admin/orders?{query}"), &admin)
            .await
            .json();
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn an_order_is_found_by_number_id_transaction_and_customer() {
    let shop = Shop::open().await;
    let (email, password) = ("fay@shop.example", "correct horse battery");
    let account = json!({"email": email, "name": "Fay Findable", "password": password});
    Answer::to(shop.post("/api/register").json(&account)).await;
    let credentials = json!({"email": email, "password": password});
    let session = Answer::to(shop.post("/api/login").json(&credentials)).await;
    let session = session.json();
    let fay = session["access_token"].as_str().unwrap();
    let order = shop.awaiting(fay).await;
    shop.awaiting(&shop.buyer()).await;
    let id = order["id"].as_str().unwrap();
    let transaction = order["transaction_id"].as_str().unwrap();
    let number = id[id.len() - 8..].to_uppercase();
    let operator = shop.operator();
    for find in [
        number.clone(),
        format!("%23{number}"),
        id.to_owned(),
        transaction.to_owned(),
        "FAY@shop.example".to_owned(),
    ] {
        let page = shop
            .get(&format!("/api/admin/orders?find={find}"), &operator)
            .await
            .json();
        assert_eq!(ids(&page), [order["id"].clone()], "{find}");
        let found = &page["items"][0];
        assert_eq!(found["customer"]["email"], "fay@shop.example");
        assert_eq!(found["customer"]["name"], "Fay Findable");
        let sagas = shop
            .get(&format!("/api/sagas?find={find}"), &operator)
            .await
            .json();
        assert_eq!(sagas["items"][0]["saga_id"], found["saga_id"], "{find}");
        assert_eq!(sagas["items"].as_array().unwrap().len(), 1, "{find}");
    }
    for nothing in ["ffffffff", "nobody@shop.example"] {
        for list in ["admin/orders", "sagas"] {
            let page = shop
                .get(&format!("/api/{list}?find={nothing}"), &operator)
                .await
                .json();
            assert_eq!(page["items"], json!([]), "{list} {nothing}");
        }
    }
    for wrong in ["1C1F", "xyz", "1C1FB18G"] {
        let refused = shop
            .get(&format!("/api/admin/orders?find={wrong}"), &operator)
            .await;
        refused.problem(422, "invalid");
    }
    // an operator may read any order, but not cancel it through the customer's call
    let path = format!("/api/admin/orders/{id}");
    assert_eq!(shop.get(&path, &operator).await.json()["id"], order["id"]);
    let cancel = shop
        .post(&format!("/api/orders/{id}/cancel"))
        .bearer_auth(&operator);
    Answer::to(cancel).await.problem(404, "not-found");
}
