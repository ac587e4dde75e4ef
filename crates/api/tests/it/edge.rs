//! Behavior common to all calls: addresses, methods, headers, traces.

use kernel::TraceRef;
use reqwest::Method;

use crate::support::{Answer, Shop};

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_are_problems_too() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/api"),
        (Method::GET, "/api/orders/"),
        (Method::POST, "/api/saga"),
        (Method::GET, "/api/runbooks"),
        (Method::GET, "/api/runbooks/bad-luck"),
        (Method::GET, "/api/runbooks/..%2Fno-worker"),
        (Method::GET, "/metrics"),
        (Method::GET, "/livez"),
        (Method::GET, "/readyz"),
        (Method::GET, "//api/orders"),
        (Method::GET, "/api/%6Frders/x/y"),
        (Method::GET, "/api/products/../../etc/passwd%00"),
    ] {
        let answer = Answer::to(shop.request(method.clone(), path).bearer_auth(&admin)).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        answer.problem(404, "not-found");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/api/orders", ["GET", "POST"]),
        (Method::PATCH, "/api/products", ["GET", "POST"]),
        (Method::POST, "/api/products/enamel-mug", ["GET", "PUT"]),
        (Method::GET, "/api/login", ["POST", "POST"]),
        (Method::POST, "/api/sagas", ["GET", "GET"]),
        (Method::DELETE, "/api/failed", ["GET", "GET"]),
        (Method::GET, "/api/failed/m-1/drop", ["POST", "POST"]),
        (Method::POST, "/api/runbooks/no-worker", ["GET", "GET"]),
        (Method::PUT, "/.well-known/jwks.json", ["GET", "GET"]),
    ] {
        let answer = Answer::to(shop.request(method.clone(), path).bearer_auth(&admin)).await;
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
        answer.problem(405, "method-not-allowed");
        let allow = answer.header("allow").unwrap();
        assert!(
            allowed.iter().all(|method| allow.contains(method)),
            "{path}: {allow}"
        );
    }
}

#[tokio::test]
async fn a_problem_names_the_trace_of_its_own_request() {
    let shop = Shop::open().await;
    let trace = TraceRef::random();
    let request = shop.request(Method::GET, "/api/orders");
    let answer = Answer::to(request.header("traceparent", trace.to_string())).await;
    assert_ne!(
        answer.problem(401, "unauthenticated")["trace_id"],
        trace.trace_id()
    );
    for nonsense in [
        "",
        "00-0-0-0",
        "ff-00000000000000000000000000000000-0000000000000000-00",
    ] {
        let request = shop.request(Method::GET, "/api/orders");
        let answer = Answer::to(request.header("traceparent", nonsense)).await;
        let problem = answer.problem(401, "unauthenticated");
        assert_ne!(problem["trace_id"], "0".repeat(32), "{nonsense}");
    }
}

#[tokio::test]
async fn answers_carry_the_headers_that_browsers_should_see() {
    let shop = Shop::open().await;
    let policy = "default-src 'none'; frame-ancestors 'none'";
    for path in ["/api/products", "/api/orders", "/nowhere"] {
        let answer = shop.get(path, "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", policy),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert_eq!(answer.header("server"), None, "{path}");
    }
    let reader = shop.get("/docs/", "").await;
    let policy = reader.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
}

#[tokio::test]
async fn only_the_pages_of_configured_origins_may_call() {
    let shop = Shop::open().await;
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("http://shop.example", false),
        ("https://shop.example.evil.example", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let preflight = shop
            .request(Method::OPTIONS, "/api/orders")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            );
        let answer = Answer::to(preflight).await;
        let expected = allowed.then_some(origin);
        assert_eq!(answer.header("access-control-allow-origin"), expected);
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let request = shop
            .request(Method::GET, "/api/orders")
            .header("origin", origin);
        let answer = Answer::to(request).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            expected,
            "on errors, too"
        );
    }
}
