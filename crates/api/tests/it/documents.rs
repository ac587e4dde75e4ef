//! What the API says of itself: the OpenAPI document, its reader, and the pages of its problems.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::shop::Shop;

fn document() -> Value {
    serde_json::from_str(&api::openapi()).unwrap()
}

/// Calls `visit` on every object of the document.
fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    walk(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference} leads nowhere");
        }
        if let Some(responses) = object.get("responses").and_then(Value::as_object) {
            for (status, response) in responses {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(
                    !description.is_empty(),
                    "{status} of {object:?} is not described"
                );
            }
        }
    });
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/api/admin/orders",
            "/api/login",
            "/api/logout",
            "/api/me",
            "/api/orders",
            "/api/orders/{id}",
            "/api/orders/{id}/cancel",
            "/api/products",
            "/api/products/{product}",
            "/api/refresh",
            "/api/register",
        ]
    );
}

#[tokio::test]
async fn it_is_published_and_can_be_read() {
    let shop = Shop::open().await;
    let published = shop.get("/openapi.json", "").await;
    assert_eq!((published.status, published.body), (200, document()));
    let page = shop.get("/docs/", "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.as_str().unwrap().contains("swagger"));
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'self'")
    );
    let keys = shop.get("/.well-known/jwks.json", "").await;
    assert_eq!(keys.status, 200);
    assert_eq!(keys.body["keys"][0]["kty"], "OKP");
    assert!(
        keys.body["keys"][0].get("d").is_none(),
        "the private part stays here"
    );
}

/// Every problem that an operation says it may answer with is one of ours.
#[test]
fn every_problem_has_a_page_and_every_documented_one_exists() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    let mut slugs = BTreeSet::new();
    for kind in web::COMMON.iter().chain(api::http::KINDS) {
        let page = pages.join(format!("{}.md", kind.slug));
        let text = std::fs::read_to_string(&page)
            .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(
            text.contains(&format!("/problems/{}", kind.slug)),
            "{}",
            page.display()
        );
        assert!(text.contains("**What to do.**"), "{}", page.display());
        slugs.insert(kind.slug);
    }
    walk(&document(), &mut |object| {
        let described = object.get("description").and_then(Value::as_str);
        let content = object.get("content");
        if content.is_some_and(|content| content.get("application/problem+json").is_some()) {
            for slug in described.unwrap_or_default().split('`').skip(1).step_by(2) {
                assert!(slugs.contains(slug), "`{slug}` is no problem of ours");
            }
        }
    });
}
