//! Acts of staff are in the audit: the actor, the object, the reason if one is required, the state
//! before and after.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    people::PASSWORD,
    support::{Answer, Shop, id_of},
};

/// Actor, verb, subject, reason, before and after.
type Row = (String, String, String, String, Option<Value>, Option<Value>);

impl Shop {
    async fn audit(&self, kind: &str, id: &str) -> Vec<Row> {
        sqlx::query_as(
            "select actor, verb, subject_id, reason, before, after from saga.audit
             where subject_kind = $1 and subject_id = $2 order by at",
        )
        .bind(kind)
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn an_admins_cancellation_is_audited_and_an_owners_is_not() {
    let shop = Shop::open().await;
    let buyer = shop.buyer();
    let admin = shop.person("admin@shop.example", &["admin"]).await;
    let order = shop.awaiting(&buyer).await;
    let answer = shop
        .cancel_because(&order, &admin.token, "ordered twice")
        .await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let rows = shop.audit("order", &id_of(&order).to_string()).await;
    let [(actor, verb, _, reason, Some(before), Some(_))] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(*actor, format!("user {}", admin.user));
    assert_eq!(
        (verb.as_str(), reason.as_str()),
        ("order cancel", "ordered twice")
    );
    assert_eq!(before["status"], "awaiting_payment");

    let own = shop.awaiting(&buyer).await;
    assert_eq!(shop.cancel(&own, &buyer).await.status, 202);
    assert!(
        shop.audit("order", &id_of(&own).to_string())
            .await
            .is_empty()
    );
    let of_admin = shop.awaiting(&admin.token).await;
    assert_eq!(shop.cancel(&of_admin, &admin.token).await.status, 202);
    assert!(
        shop.audit("order", &id_of(&of_admin).to_string())
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn changes_of_the_catalog_are_audited_with_before_and_after() {
    let shop = Shop::open().await;
    let admin = shop.person("admin@shop.example", &["admin"]).await;
    let body = |amount: u32| json!({"name": "Mug", "description": "", "price": {"amount": amount, "currency": "EUR"}, "stock": 7});
    let call = |method: Method, path: String, body: Option<Value>, version: u32| {
        let mut request = shop
            .request(method, &path)
            .bearer_auth(&admin.token)
            .header("if-match", format!("\"{version}\""));
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::to(request)
    };
    let created = call(Method::POST, "/api/products".to_owned(), Some(body(500)), 0).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/products/{id}");
    let edited = call(Method::PUT, path.clone(), Some(body(400)), 1).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let stale = call(Method::PUT, path.clone(), Some(body(1)), 1).await;
    stale.problem(412, "stale");
    let deleted = call(Method::DELETE, path, None, 2).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);

    let rows = shop.audit("product", &id).await;
    let price = |product: &Option<Value>| {
        product
            .as_ref()
            .map(|product| product["price"]["amount"].clone())
    };
    let changes: Vec<_> = rows
        .iter()
        .map(|(actor, verb, .., before, after)| {
            assert_eq!(*actor, format!("user {}", admin.user));
            (verb.as_str(), price(before), price(after))
        })
        .collect();
    let null = || Some(Value::Null);
    assert_eq!(
        changes,
        [
            ("product create", null(), Some(json!(500))),
            ("product update", Some(json!(500)), Some(json!(400))),
            ("product delete", Some(json!(400)), null()),
        ]
    );
}

#[tokio::test]
async fn logins_of_staff_are_audited_and_those_of_customers_not() {
    let shop = Shop::open().await;
    for (email, roles, audited) in [
        ("ada@shop.example", &[][..], 0),
        ("operator@shop.example", &["operator"][..], 2),
        ("admin@shop.example", &["admin"][..], 2),
    ] {
        let person = shop.person(email, roles).await;
        shop.enter(email).await;
        let wrong = Answer::to(shop.entering(email, "wrong horse")).await;
        wrong.problem(401, "wrong-credentials");
        let rows = shop.audit("user", &person.user.to_string()).await;
        assert_eq!(rows.len(), audited, "{email}: {rows:?}");
        for (actor, verb, .., after) in &rows {
            assert_eq!(*actor, format!("user {}", person.user));
            assert_eq!(verb, "user login");
            let after = after.as_ref().unwrap();
            assert_eq!(
                (&after["roles"], &after["network"]),
                (&json!(roles), &json!("127.0.0.1"))
            );
            assert!(!after.to_string().contains(PASSWORD) && !after.to_string().contains(email));
        }
    }
    let changed = sqlx::query("update saga.audit set actor = 'nobody' where audit_id <> $1")
        .bind(Uuid::nil())
        .execute(&shop.pool)
        .await;
    assert!(changed.is_err(), "the audit is append-only");
}
