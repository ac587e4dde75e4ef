//! The API's documents: the OpenAPI document, its reader, and the pages of problems.

use std::{collections::HashSet, fs, path::Path};

use reqwest::Method;
use serde_json::Value;
use testkit::for_each_object;

use crate::support::{Answer, Shop, filled, operations};

fn document() -> Value {
    serde_json::from_str(&api::openapi()).unwrap()
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut references = 0;
    for_each_object(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference} leads nowhere");
            references += 1;
        }
    });
    assert!(references > 50, "{references}");
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
}

/// Names of fields whose values are a closed set. `status` is also the number of an HTTP status.
const CLOSED: [&str; 10] = [
    "cancel_cause",
    "cause",
    "kind",
    "result",
    "state",
    "status",
    "subject_kind",
    "sure",
    "verb",
    "verdict",
];

#[test]
fn a_closed_set_of_values_is_an_enum() {
    let document = document();
    let mut enums = 0;
    for_each_object(&document["components"]["schemas"], &mut |object| {
        let properties = object.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if !CLOSED.contains(&name.as_str()) || schema["type"] == "integer" {
                continue;
            }
            let schema = schema["oneOf"].get(0).unwrap_or(schema);
            let reference = schema["$ref"].as_str().unwrap_or_default();
            let target = document.pointer(reference.trim_start_matches('#'));
            let values = target.and_then(|target| target["enum"].as_array());
            assert!(values.is_some(), "{name}: {schema}");
            enums += 1;
        }
    });
    assert!(enums > 10, "{enums}");
}

#[test]
fn every_operation_has_its_own_name_and_summary() {
    let mut ids = HashSet::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(!id.is_empty(), "{method} {path}");
        assert!(ids.insert(id), "{method} {path}: {ids:?}");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {path}");
        let wanted = path.matches('{').count();
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let in_path = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path");
        assert_eq!(in_path.count(), wanted, "{method} {path}");
    }
}

#[test]
fn every_operation_describes_its_responses_and_failures() {
    let mut described = 0;
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let text = response["description"].as_str().unwrap_or_default();
            assert!(
                !text.trim().is_empty(),
                "{status} of {method} {path} is not described"
            );
            let content = &response["content"];
            if status.starts_with(['4', '5']) {
                let schema = &content["application/problem+json"]["schema"]["$ref"];
                assert_eq!(
                    *schema, "#/components/schemas/ProblemBody",
                    "{status} of {method} {path}"
                );
                assert!(
                    text.contains('`'),
                    "{status} of {method} {path} names its problem: {text}"
                );
            }
            described += 1;
        }
        let says = |status: &str| responses.contains_key(status);
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{method} {path}"
        );
        assert!(says("503"), "{method} {path}");
        if !operation["security"].is_null() {
            assert!(says("401") && says("403"), "{method} {path}");
        }
        if !operation["requestBody"].is_null() {
            for status in ["400", "413", "415", "422"] {
                assert!(says(status), "{status} of {method} {path}");
            }
        }
        if path.contains('{') && path.contains("orders") {
            assert!(says("400") && says("404"), "{method} {path}");
        }
    }
    assert!(described > 60, "{described}");
}

#[test]
fn every_slug_in_a_response_is_a_known_problem() {
    let known: HashSet<_> = kinds().map(|kind| kind.slug).collect();
    let mut named = HashSet::new();
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let text = response["description"].as_str().unwrap();
            let slugs: Vec<_> = text
                .split('`')
                .skip(1)
                .step_by(2)
                .filter_map(|word| kinds().find(|kind| kind.slug == word))
                .collect();
            assert!(!slugs.is_empty(), "{status} of {method} {path}: {text}");
            for kind in slugs {
                assert_eq!(
                    kind.status.to_string(),
                    *status,
                    "{} at {method} {path}",
                    kind.slug
                );
                named.insert(kind.slug);
            }
        }
    }
    for kind in api::http::KINDS {
        assert!(
            known.contains(kind.slug) && named.contains(kind.slug),
            "{} is documented",
            kind.slug
        );
    }
}

#[test]
fn the_committed_document_is_this_one() {
    let path = docs().join("openapi/api.json");
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        committed == document(),
        "{} is stale: run `cargo xtask generate` and commit it",
        path.display()
    );
}

#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let shop = Shop::open().await;
    let mut paths: Vec<String> = operations().into_iter().map(|(_, path, _)| path).collect();
    paths.dedup();
    for path in paths {
        let mut documented: HashSet<String> = operations()
            .iter()
            .filter(|(_, of, _)| *of == path)
            .map(|(method, ..)| method.to_string())
            .collect();
        if documented.contains("GET") {
            documented.insert("HEAD".to_owned()); // implied by GET
        }
        let answer = Answer::to(shop.request(Method::PATCH, &filled(&path))).await;
        answer.problem(405, "method-not-allowed");
        let allowed: HashSet<String> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .map(|method| method.trim().to_owned())
            .collect();
        assert_eq!(allowed, documented, "{path}");
    }
    let published = shop.get("/openapi.json", "").await;
    assert_eq!((published.status, published.json()), (200, document()));
    let reader = shop.get("/docs/", "").await;
    assert_eq!(reader.status, 200);
    assert!(reader.text.contains("swagger-ui"), "{}", reader.text);
}

#[tokio::test]
async fn the_published_keys_hold_nothing_secret() {
    let shop = Shop::open().await;
    let keys = shop.get("/.well-known/jwks.json", "").await;
    assert_eq!((keys.status, keys.json()), (200, shop.signer.jwks()));
    for key in keys.json()["keys"].as_array().unwrap() {
        assert!(key["kid"].is_string() && key.get("d").is_none(), "{key}");
    }
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
}

#[test]
fn every_problem_has_a_page() {
    for kind in kinds() {
        let page = docs().join(format!("problems/{}.md", kind.slug));
        let text =
            fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        let head = format!(
            "# {}\n\n`/problems/{}`, status {}\n",
            kind.title, kind.slug, kind.status
        );
        assert!(
            text.starts_with(&head),
            "{} begins with\n{head}",
            page.display()
        );
        for part in ["**What happened.** ", "**What to do.** "] {
            assert!(
                text.contains(part),
                "{} has no part `{part}`",
                page.display()
            );
        }
    }
}

#[test]
fn the_page_of_every_problem_is_served() {
    let served: HashSet<_> = api::http::PAGES.iter().map(|(slug, _)| *slug).collect();
    let kinds: HashSet<_> = kinds().map(|kind| kind.slug).collect();
    let unserved: Vec<_> = kinds.difference(&served).collect();
    assert!(unserved.is_empty(), "not in PAGES: {unserved:?}");
}

#[test]
fn no_two_problems_share_a_slug() {
    let slugs: HashSet<_> = kinds().map(|kind| kind.slug).collect();
    assert_eq!(slugs.len(), kinds().count());
}

/// All problems that the API can return.
fn kinds() -> impl Iterator<Item = &'static web::Kind> {
    web::COMMON.iter().chain(api::http::KINDS)
}
