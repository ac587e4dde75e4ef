//! Behavior common to all calls: limits, headers, traces, and unreachable dependencies.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header},
};
use kernel::TraceRef;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use tokens::Verifier;

use crate::support::{Payments, Purchase, post, router};

#[tokio::test]
async fn an_unreadable_body_is_refused_for_its_reason() {
    let payments = Payments::start().await;
    let good = Purchase::new().init().to_string();
    let large = json!({"order_id": "x".repeat(64 * 1024)}).to_string();
    let json = Some("application/json");
    for (content_type, body, status, slug) in [
        (json, "{", 400, "malformed"),
        (json, "", 400, "malformed"),
        (json, &format!("{good} {good}"), 400, "malformed"),
        (json, "\u{0}", 400, "malformed"),
        (json, &large, 413, "too-large"),
        (Some("text/plain"), &good, 415, "unsupported-media-type"),
        (None, &good, 415, "unsupported-media-type"),
    ] {
        let mut request = post("/transactions", &payments.service(), &json!(null));
        request.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        *request.body_mut() = Body::from(body.to_owned());
        payments.send(request).await.problem(status, slug);
    }
    assert_eq!(payments.transactions().await, 0);
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_are_problems_too() {
    let payments = Payments::start().await;
    payments.get("/nowhere", "").await.problem(404, "not-found");
    let request = Request::delete("/transactions")
        .body(Body::empty())
        .unwrap();
    let answer = payments.send(request).await;
    answer.problem(405, "method-not-allowed");
    let allowed = answer.header("allow").unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
}

#[tokio::test]
async fn a_problem_names_its_trace_and_how_to_log_in() {
    let payments = Payments::start().await;
    let trace = TraceRef::random();
    let mut request = post("/transactions", "", &json!({}));
    request
        .headers_mut()
        .insert("traceparent", trace.to_string().parse().unwrap());
    request.headers_mut().remove(header::AUTHORIZATION);
    let answer = payments.send(request).await;
    assert_eq!(
        answer.problem(401, "unauthenticated")["trace_id"],
        trace.trace_id()
    );
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn answers_carry_the_headers_that_browsers_should_see() {
    let payments = Payments::start().await;
    for answer in [
        payments.init(Purchase::new()).await,
        payments.get("/nowhere", "").await,
    ] {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
    }
}

#[tokio::test]
async fn only_the_pages_of_configured_origins_may_call() {
    let payments = Payments::start().await;
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/transactions/complete")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(
                header::ACCESS_CONTROL_REQUEST_HEADERS,
                "authorization,content-type",
            )
            .body(Body::empty())
            .unwrap();
        let answer = payments.send(preflight).await;
        let expected = allowed.then_some(origin);
        assert_eq!(answer.header("access-control-allow-origin"), expected);
        assert_eq!(answer.header("access-control-allow-credentials"), None);

        let mut request = post("/transactions/complete", "", &json!({}));
        request
            .headers_mut()
            .insert(header::ORIGIN, origin.parse().unwrap());
        let answer = payments.send(request).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            expected,
            "on errors, too"
        );
    }
}

#[tokio::test]
async fn during_a_database_outage_callers_are_told_to_retry() {
    let nowhere = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(200))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nothing")
        .unwrap();
    let payments = Payments::on(nowhere, true);
    let purchase = Purchase::new();
    for answer in [
        payments.init(purchase).await,
        payments.decide("complete", purchase).await,
        payments.cancel_by_order(purchase).await,
        payments
            .get(
                &format!("/transactions/{}", purchase.transaction),
                &payments.service(),
            )
            .await,
    ] {
        answer.problem(503, "unavailable");
        assert!(
            answer
                .header("retry-after")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= 1
        );
    }
}

#[tokio::test]
async fn missing_keys_make_no_caller_unauthorized() {
    let payments = Payments::start().await;
    let keyless = Verifier::from_jwks_url("http://127.0.0.1:1/jwks.json").unwrap();
    let payments = Payments {
        router: router(&payments.pool, keyless, true),
        ..payments
    };
    let answer = payments.init(Purchase::new()).await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    payments
        .post("/transactions", "nonsense", &json!({}))
        .await
        .problem(401, "unauthenticated");
}
