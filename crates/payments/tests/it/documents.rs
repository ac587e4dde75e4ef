//! The service's documentation: the OpenAPI document, its page, and the pages of its problems.

use std::path::Path;

use serde_json::Value;
use testkit::for_each_object;

use crate::support::Payments;

fn document() -> Value {
    serde_json::from_str(&payments::openapi()).unwrap()
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for_each_object(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            assert!(
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_some(),
                "{reference} leads nowhere"
            );
        }
        if let Some(responses) = object.get("responses").and_then(Value::as_object) {
            for (status, response) in responses {
                assert!(
                    response["description"].is_string(),
                    "{status} of {object:?} is not described"
                );
            }
        }
    });
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/.well-known/jwks.json",
            "/transactions",
            "/transactions/cancel",
            "/transactions/cancel-by-order",
            "/transactions/complete",
            "/transactions/lookup",
            "/transactions/{id}",
        ]
    );
}

#[tokio::test]
async fn the_document_is_served_under_a_strict_policy() {
    let payments = Payments::start().await;
    let published = payments.get("/openapi.json", "").await;
    assert_eq!((published.status, published.json()), (200, document()));
    let page = payments.get("/docs/", "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("swagger-ui-bundle.js"), "{}", page.text);
    assert!(
        !page.text.contains("<script>"),
        "no inline script: the policy forbids them"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self'") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    for asset in [
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "swagger-initializer.js",
    ] {
        let asset = payments.get(&format!("/docs/{asset}"), "").await;
        assert_eq!(asset.status, 200);
        assert_eq!(asset.header("content-security-policy"), Some(policy));
    }
    let initializer = payments.get("/docs/swagger-initializer.js", "").await;
    assert!(
        initializer.text.contains("/openapi.json"),
        "{}",
        initializer.text
    );
}

#[test]
fn every_problem_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    for kind in web::COMMON.iter().chain(payments::http::KINDS) {
        let page = pages.join(format!("{}.md", kind.slug));
        let text = std::fs::read_to_string(&page)
            .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(
            text.contains(&format!("/problems/{}", kind.slug)),
            "{} says what it is",
            page.display()
        );
    }
}
