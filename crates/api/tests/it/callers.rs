//! Permissions of callers, checked against the OpenAPI document, operation by operation.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use contracts::payments::SCOPE_SERVICE;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Clock, UserId};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokens::Signer;

use crate::support::{Answer, Shop, filled, operations};

/// Operations that need no token.
const PUBLIC: [&str; 12] = [
    "GET /api/problems/{slug}",
    "GET /api/products",
    "GET /api/products/{product}",
    "GET /api/runbooks/{cause}",
    "GET /api/settings",
    "POST /api/login",
    "POST /api/logout",
    "POST /api/password-reset",
    "POST /api/password-reset/confirm",
    "POST /api/refresh",
    "POST /api/register",
    "POST /api/verify-email",
];

/// Operations for admins only.
const FOR_ADMINS: [&str; 5] = [
    "DELETE /api/products/{product}",
    "GET /api/admin/products/{product}",
    "POST /api/products",
    "POST /api/sagas/{id}/resolve",
    "PUT /api/products/{product}",
];

/// Operations for operators and admins only.
const FOR_OPERATORS: [&str; 16] = [
    "GET /api/admin/orders",
    "GET /api/admin/orders/{id}",
    "GET /api/doctor",
    "GET /api/failed",
    "GET /api/failed/{id}",
    "GET /api/sagas",
    "GET /api/sagas/{id}",
    "GET /api/sagas/{id}/why",
    "POST /api/failed/{id}/drop",
    "POST /api/failed/{id}/retry",
    "POST /api/sagas/{id}/cancel",
    "POST /api/sagas/{id}/pause",
    "POST /api/sagas/{id}/resume",
    "POST /api/sagas/{id}/retry",
    "POST /api/sagas/{id}/signal",
    "POST /api/sagas/{id}/trace",
];

/// A request as the document requires it, but without the token.
fn request(shop: &Shop, method: reqwest::Method, path: &str) -> RequestBuilder {
    shop.request(method, &filled(path))
        .header("idempotency-key", "a key")
        .header("if-match", "\"1\"")
        .json(&json!({}))
}

#[test]
fn every_operation_is_public_or_needs_a_token() {
    let mut public: Vec<_> = operations()
        .iter()
        .filter(|(.., operation)| operation["security"].is_null())
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    public.sort();
    assert_eq!(public, PUBLIC);
    for (method, path, operation) in operations() {
        if !operation["security"].is_null() {
            assert_eq!(
                operation["security"],
                json!([{"bearer": []}]),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn private_operations_are_refused_without_a_valid_token() {
    let shop = Shop::open().await;
    let tokens = strangers(&shop);
    let before = shop.traces().await;
    for (method, path, operation) in operations() {
        if operation["security"].is_null() {
            continue;
        }
        let bare = || request(&shop, method.clone(), &path);
        let mut requests = vec![
            ("no token".to_owned(), bare()),
            (
                "an empty header".to_owned(),
                bare().header("authorization", ""),
            ),
            (
                "no token behind `Bearer`".to_owned(),
                bare().header("authorization", "Bearer "),
            ),
            (
                "a password".to_owned(),
                bare().basic_auth("ada", Some("correct horse")),
            ),
        ];
        for (what, token) in &tokens {
            requests.push(((*what).to_owned(), bare().bearer_auth(token)));
        }
        for (what, request) in requests {
            let answer = Answer::to(request).await;
            assert_eq!(
                answer.status, 401,
                "{method} {path}, {what}: {}",
                answer.text
            );
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(shop.traces().await, before);
    assert_eq!(shop.get("/api/orders", &shop.buyer()).await.status, 200);
    assert_eq!(
        shop.get("/api/orders", &forged(&shop, &json!({})))
            .await
            .status,
        200,
        "forging works"
    );
}

#[tokio::test]
async fn what_is_public_needs_no_token() {
    let shop = Shop::open().await;
    for (method, path, operation) in operations() {
        if operation["security"].is_null() {
            let answer = Answer::to(request(&shop, method.clone(), &path)).await;
            assert_ne!(
                answer.json_or_null()["type"],
                "/problems/unauthenticated",
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn staff_operations_are_refused_to_other_callers() {
    let shop = Shop::open().await;
    let operator = shop.operator();
    let before = shop.traces().await;
    let (mut for_admins, mut for_operators) = (Vec::new(), Vec::new());
    for (method, path, operation) in operations() {
        // skip operations that need nothing but a token
        if operation["security"].is_null() || path == "/api/verify-email/send" {
            continue;
        }
        // a body that is valid for every caller, so that only the role is in the way
        let request = || {
            request(&shop, method.clone(), &path).json(&json!({
                "name": "Mug", "description": "", "price": {"amount": 1, "currency": "EUR"}, "stock": 1,
            }))
        };
        let refused = |answer: &Answer| answer.json_or_null()["type"] == "/problems/forbidden";
        let buyer = Answer::to(request().bearer_auth(shop.buyer())).await;
        let operator = Answer::to(request().bearer_auth(&operator)).await;
        match (refused(&buyer), refused(&operator)) {
            (true, true) => {
                buyer.problem(403, "forbidden");
                operator.problem(403, "forbidden");
                for_admins.push(format!("{method} {path}"));
            }
            (true, false) => {
                buyer.problem(403, "forbidden");
                for_operators.push(format!("{method} {path}"));
            }
            (false, refused) => assert!(!refused, "{method} {path}"),
        }
    }
    for_admins.sort();
    assert_eq!(for_admins, FOR_ADMINS);
    for_operators.sort();
    assert_eq!(for_operators, FOR_OPERATORS);
    assert_eq!(shop.traces().await, before);
}

/// Tokens that are not valid here.
fn strangers(shop: &Shop) -> Vec<(&'static str, String)> {
    let user = UserId::new();
    let minute = Duration::from_mins(1);
    let good = shop.token_of(user);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let mut claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    claims["roles"] = json!(["admin"]);
    let kid = shop.signer.jwks()["keys"][0]["kid"].clone();
    let none = encode(&json!({"alg": "none", "typ": "at+jwt", "kid": kid}));
    let an_hour_ago = Clock::Shifted(TimeDelta::hours(-1));
    let past = Signer::from_pem(&shop.signing_key, an_hour_ago).unwrap();
    let stranger = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
    let future = Clock::System.now().timestamp() + 3600;
    vec![
        ("nonsense", "nonsense".to_owned()),
        ("expired", past.access_token(user, &[], minute)),
        (
            "for payments",
            shop.signer.service_token(SCOPE_SERVICE, Some(user)),
        ),
        ("for nobody", forged(shop, &json!({"aud": []}))),
        ("of another issuer", forged(shop, &json!({"iss": "else"}))),
        ("not yet good", forged(shop, &json!({"nbf": future}))),
        ("about no user", forged(shop, &json!({"sub": "ada"}))),
        ("of another key", stranger.access_token(user, &[], minute)),
        ("alg none", format!("{none}.{}.", parts[1])),
        (
            "tampered",
            format!("{}.{}.{}", parts[0], encode(&claims), parts[2]),
        ),
        (
            "without its signature",
            format!("{}.{}.", parts[0], parts[1]),
        ),
        ("with a letter more", format!("{good}A")),
    ]
}

/// A token signed with our key, with claims that we would never issue.
fn forged(shop: &Shop, claims: &Value) -> String {
    let now = Clock::System.now().timestamp();
    let mut all = json!({
        "iss": "shop", "sub": UserId::new(), "aud": ["shop"], "exp": now + 60, "nbf": now, "iat": now,
        "jti": uuid::Uuid::new_v4(),
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let header = Header {
        typ: Some("at+jwt".to_owned()),
        kid: shop.signer.jwks()["keys"][0]["kid"]
            .as_str()
            .map(str::to_owned),
        ..Header::new(Algorithm::EdDSA)
    };
    let key = EncodingKey::from_ed_pem(shop.signing_key.as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &all, &key).unwrap()
}
