use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{Router, routing::get};
use chrono::TimeDelta;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::generate_key_pem;

fn signer(pem: &str, shifted_by: i64) -> Signer {
    Signer::from_pem(pem, Clock::Shifted(TimeDelta::seconds(shifted_by))).unwrap()
}

fn encode(signer: &Signer, header: &Value, claims: &Value) -> String {
    let typ = header["typ"].as_str().map(str::to_owned);
    let kid = header["kid"].as_str().map(str::to_owned);
    let header = Header {
        typ,
        kid,
        ..Header::new(Algorithm::EdDSA)
    };
    jsonwebtoken::encode(&header, claims, &signer_key(signer)).unwrap()
}

fn signer_key(signer: &Signer) -> EncodingKey {
    EncodingKey::from_ed_pem(signer.pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_users_token_works_at_shop_and_payments() {
    let signer = signer(&generate_key_pem(), 0);
    let user = UserId::new();
    let token = signer.access_token(user, &["admin".to_owned()], Duration::from_mins(1));
    for audience in ["shop", "payments"] {
        let identity = Verifier::with_key(&signer)
            .verify(&token, audience)
            .await
            .unwrap();
        assert_eq!(identity.user_id, Some(user));
        assert!(identity.has_role("admin") && !identity.has_scope("transactions"));
    }
}

#[tokio::test]
async fn a_service_token_is_good_for_payments_only() {
    let signer = signer(&generate_key_pem(), 0);
    let token = signer.service_token("transactions", None);
    let identity = Verifier::with_key(&signer)
        .verify(&token, "payments")
        .await
        .unwrap();
    assert!(identity.has_scope("transactions") && identity.user_id.is_none());
    assert_eq!(
        Verifier::with_key(&signer).verify(&token, "shop").await,
        Err(VerifyError::Audience)
    );
}

/// The parts of a valid token.
struct Good {
    signer: Signer,
    header: Value,
    claims: Value,
}

impl Good {
    fn new() -> Self {
        let signer = signer(&generate_key_pem(), 0);
        let now = Clock::System.now().timestamp();
        Self {
            header: json!({"typ": "at+jwt", "kid": signer.jwks()["keys"][0]["kid"]}),
            claims: json!({"iss": "shop", "sub": UserId::new(), "aud": ["shop"], "exp": now + 60, "nbf": now,
                           "iat": now, "jti": uuid::Uuid::nil()}),
            signer,
        }
    }

    fn token(&self) -> String {
        encode(&self.signer, &self.header, &self.claims)
    }

    /// The token with one claim replaced or removed.
    fn claiming(&self, key: &str, value: Option<Value>) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(key);
        if let Some(value) = value {
            claims[key] = value;
        }
        encode(&self.signer, &self.header, &claims)
    }

    fn hs256(&self, secret: &[u8]) -> String {
        let kid = self.header["kid"].as_str().map(str::to_owned);
        let header = Header {
            kid,
            typ: Some("at+jwt".into()),
            ..Header::default()
        };
        jsonwebtoken::encode(&header, &self.claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    async fn assert_refused(&self, what: &str, token: &str) {
        let verifier = Verifier::with_key(&self.signer);
        assert!(verifier.verify(&self.token(), "shop").await.is_ok());
        assert!(verifier.verify(token, "shop").await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn a_token_not_signed_by_us_is_refused() {
    let good = Good::new();
    let (token, kid) = (good.token(), good.header["kid"].clone());
    let parts: Vec<&str> = token.split('.').collect();
    let base64 = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let none = base64(&json!({"alg": "none", "typ": "at+jwt", "kid": kid}));
    let mut richer = good.claims.clone();
    richer["roles"] = json!(["admin"]);
    let x = good.signer.jwks()["keys"][0]["x"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = signer(&generate_key_pem(), 0);
    let headed = |header: Value| encode(&good.signer, &header, &good.claims);
    for (what, token) in [
        ("alg none", format!("{none}.{}.", parts[1])),
        (
            "HS256 with the public key",
            good.hs256(&BASE64_URL_SAFE_NO_PAD.decode(&x).unwrap()),
        ),
        (
            "HS256 with the public key as published",
            good.hs256(x.as_bytes()),
        ),
        (
            "tampered",
            format!("{}.{}.{}", parts[0], base64(&richer), parts[2]),
        ),
        ("without a signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "another's key under our kid",
            encode(&stranger, &good.header, &good.claims),
        ),
        (
            "unknown kid",
            headed(json!({"typ": "at+jwt", "kid": "other"})),
        ),
        ("no kid", headed(json!({"typ": "at+jwt"}))),
        ("another type", headed(json!({"typ": "JWT", "kid": kid}))),
        ("no type", headed(json!({"kid": kid}))),
        ("no token", String::new()),
    ] {
        good.assert_refused(what, &token).await;
    }
}

#[tokio::test]
async fn a_token_with_a_missing_or_wrong_claim_is_refused() {
    let good = Good::new();
    let now = Clock::System.now().timestamp();
    for (what, key, value) in [
        ("no issuer", "iss", None),
        ("another issuer", "iss", Some(json!("else"))),
        ("no audience", "aud", None),
        ("another audience", "aud", Some(json!(["else"]))),
        ("no subject", "sub", None),
        ("a subject that is nobody", "sub", Some(json!("me"))),
        ("no expiry", "exp", None),
        ("expiry as text", "exp", Some(json!((now + 60).to_string()))),
        ("expired over a minute ago", "exp", Some(json!(now - 62))),
        ("not yet good", "nbf", Some(json!(now + 120))),
        ("not issued yet", "iat", Some(json!(now + 120))),
    ] {
        good.assert_refused(what, &good.claiming(key, value)).await;
    }
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let pem = generate_key_pem();
    let verifier = Verifier::with_key(&signer(&pem, 0));
    for (shifted, ttl, good) in [
        (-50, 1, true),
        (-120, 55, false),
        (50, 60, true),
        (70, 60, false),
    ] {
        let token =
            signer(&pem, shifted).access_token(UserId::new(), &[], Duration::from_secs(ttl));
        assert_eq!(
            verifier.verify(&token, "shop").await.is_ok(),
            good,
            "shifted by {shifted} s, lives {ttl} s"
        );
    }
}

#[tokio::test]
async fn a_token_is_remembered_for_its_audience_until_it_expires() {
    let pem = generate_key_pem();
    let verifier = Verifier::with_key(&signer(&pem, 0));
    // expires in a second: the clocks may differ by a minute
    let token = signer(&pem, -61).access_token(UserId::new(), &[], Duration::from_secs(2));
    let first = verifier.verify(&token, "shop").await;
    assert!(first.is_ok());
    assert_eq!(verifier.verified.count(), 1);
    assert_eq!(
        verifier.verify(&token, "another").await,
        Err(VerifyError::Audience)
    );
    assert_eq!(
        verifier.verify(&format!("{token}A"), "shop").await,
        Err(VerifyError::Invalid)
    );
    let expired = async {
        loop {
            match verifier.verify(&token, "shop").await {
                Err(error) => return error,
                again => assert_eq!(again, first),
            }
            tokio::task::yield_now().await;
        }
    };
    let expired = tokio::time::timeout(Duration::from_secs(30), expired).await;
    assert_eq!(expired, Ok(VerifyError::Expired));
    assert_eq!(verifier.verified.count(), 1);
}

#[tokio::test]
async fn service_tokens_suit_clocks_that_differ_by_fifty_seconds() {
    let pem = generate_key_pem();
    let verifier = Verifier::with_key(&signer(&pem, 0));
    for shifted in [-50, 50] {
        let token = signer(&pem, shifted).service_token("transactions", None);
        let verified = verifier.verify(&token, "payments").await;
        assert!(verified.is_ok(), "shifted by {shifted} s: {verified:?}");
        // a verifier without leeway accepts the token, too
        let claims = token.split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let now = Clock::System.now().timestamp();
        assert!(claims["nbf"].as_i64().unwrap() <= now && claims["exp"].as_i64().unwrap() > now);
    }
}

#[tokio::test]
async fn a_header_with_crit_is_refused() {
    let good = Good::new();
    let kid = &good.header["kid"];
    let claims = BASE64_URL_SAFE_NO_PAD.encode(good.claims.to_string());
    for (header, accepted) in [
        (json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}), true),
        (
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["exp"], "exp": 1}),
            false,
        ),
        (
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["b64"], "b64": true}),
            false,
        ),
        (
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": []}),
            false,
        ),
        (
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": "x"}),
            false,
        ),
    ] {
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let message = format!("{header}.{claims}");
        let key = signer_key(&good.signer);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        let verified = Verifier::with_key(&good.signer)
            .verify(&format!("{message}.{signature}"), "shop")
            .await;
        assert_eq!(verified.is_ok(), accepted, "{header}");
    }
}

#[tokio::test]
async fn a_key_signs_only_for_those_whose_key_it_is() {
    let (users, services) = (
        signer(&generate_key_pem(), 0),
        signer(&generate_key_pem(), 0),
    );
    let verifier = Verifier::with_keys(&crate::published(&users, &services));
    let minute = Duration::from_mins(1);
    let admin = ["admin".to_owned()];
    for (what, token, audience, accepted) in [
        (
            "user by users' key",
            users.access_token(UserId::new(), &admin, minute),
            "shop",
            true,
        ),
        (
            "user by users' key",
            users.access_token(UserId::new(), &admin, minute),
            "payments",
            true,
        ),
        (
            "service by services' key",
            services.service_token("transactions", None),
            "payments",
            true,
        ),
        (
            "admin by services' key",
            services.access_token(UserId::new(), &admin, minute),
            "shop",
            false,
        ),
        (
            "admin by services' key",
            services.access_token(UserId::new(), &admin, minute),
            "payments",
            false,
        ),
        (
            "service by services' key",
            services.service_token("transactions", None),
            "shop",
            false,
        ),
        (
            "service by users' key",
            users.service_token("transactions", None),
            "payments",
            false,
        ),
    ] {
        let verified = verifier.verify(&token, audience).await;
        assert_eq!(verified.is_ok(), accepted, "{what} at {audience}");
    }
    let now = Clock::System.now().timestamp();
    let kid = services.jwks()["keys"][0]["kid"].clone();
    let claims = json!({"iss": "shop", "sub": "service:shop", "aud": ["shop", "payments"], "exp": now + 60,
                        "nbf": now, "iat": now, "jti": uuid::Uuid::nil(), "scope": "transactions"});
    let wide = encode(&services, &json!({"typ": "at+jwt", "kid": kid}), &claims);
    for audience in ["shop", "payments"] {
        assert_eq!(
            verifier.verify(&wide, audience).await,
            Err(VerifyError::Invalid)
        );
    }
}

#[tokio::test]
async fn a_key_in_both_files_signs_for_both() {
    let (old, new) = (generate_key_pem(), generate_key_pem());
    let users = signer(&old, 0);
    let services = signer(&format!("{old}{new}"), 0);
    let jwks = crate::published(&users, &services);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    assert_eq!(jwks["keys"][0]["signs"], json!(["users", "services"]));
    let verifier = Verifier::with_keys(&jwks);
    let token = users.access_token(UserId::new(), &[], Duration::from_mins(1));
    assert!(verifier.verify(&token, "shop").await.is_ok());
    for service in [&users, &services, &signer(&new, 0)] {
        let token = service.service_token("transactions", None);
        assert!(verifier.verify(&token, "payments").await.is_ok());
    }
    let minted = signer(&new, 0).access_token(UserId::new(), &[], Duration::from_mins(1));
    assert!(verifier.verify(&minted, "shop").await.is_err());
}

#[test]
fn an_unmarked_key_signs_for_both_services() {
    let mut jwks = signer(&generate_key_pem(), 0).jwks();
    for (signs, expected) in [
        (None, Some(Signs::Both)),
        (Some(json!(["users"])), Some(Signs::Users)),
        (Some(json!(["services"])), Some(Signs::Services)),
        (
            Some(json!(["users", "services", "more"])),
            Some(Signs::Both),
        ),
        (Some(json!([])), None),
        (Some(json!("users")), None),
        (Some(Value::Null), None),
    ] {
        let key = jwks["keys"][0].as_object_mut().unwrap();
        key.remove("signs");
        if let Some(signs) = &signs {
            key.insert("signs".to_owned(), signs.clone());
        }
        let keys = parse(&jwks.to_string()).unwrap();
        assert_eq!(
            keys.values().next().map(|key| key.signs),
            expected,
            "{signs:?}"
        );
    }
}

/// A publisher of keys that counts its requests.
struct Publisher {
    body: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    fn start(listener: TcpListener, body: String) -> Self {
        let (body, asked) = (Arc::new(Mutex::new(body)), Arc::new(AtomicUsize::new(0)));
        let (said, counter) = (body.clone(), asked.clone());
        let app = Router::new().route(
            "/jwks",
            get(move || {
                counter.fetch_add(1, SeqCst);
                let body = said.lock().unwrap().clone();
                async move { body }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { body, asked }
    }

    async fn of(body: String) -> (Self, Verifier) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        (
            Self::start(listener, body),
            Verifier::from_jwks_url(&url).unwrap(),
        )
    }

    fn publish(&self, pem: &str) {
        *self.body.lock().unwrap() = signer(pem, 0).jwks().to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn users_token(signer: &Signer) -> String {
    signer.access_token(UserId::new(), &[], Duration::from_mins(1))
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_callers() {
    let ours = signer(&generate_key_pem(), 0);
    let (publisher, verifier) = Publisher::of(ours.jwks().to_string()).await;
    let token = users_token(&ours);
    let (first, second) = tokio::join!(
        verifier.verify(&token, "shop"),
        verifier.verify(&token, "payments")
    );
    assert!(first.is_ok() && second.is_ok());
    assert!(verifier.verify(&token, "shop").await.is_ok());
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_delays_no_other_key() {
    let (old, new) = (generate_key_pem(), generate_key_pem());
    let (publisher, verifier) = Publisher::of(signer(&old, 0).jwks().to_string()).await;
    let known = users_token(&signer(&old, 0));
    assert!(verifier.verify(&known, "shop").await.is_ok());
    let foreign = users_token(&signer(&generate_key_pem(), 0));
    // a flood of tokens with an unknown key, more than the budget of fetches
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let (verifier, foreign) = (verifier.clone(), foreign.clone());
            tokio::spawn(async move { verifier.verify(&foreign, "shop").await })
        })
        .collect();
    for _ in 0..9 {
        assert_eq!(
            verifier.verify(&foreign, "shop").await,
            Err(VerifyError::Invalid)
        );
    }
    publisher.publish(&format!("{new}{old}"));
    // the keys were fetched a moment ago without success; the rotated key is found all the same
    assert!(
        verifier
            .verify(&users_token(&signer(&new, 0)), "shop")
            .await
            .is_ok()
    );
    assert!(verifier.verify(&known, "shop").await.is_ok());
    for refused in flood {
        assert_eq!(refused.await.unwrap(), Err(VerifyError::Invalid));
    }
    assert!(publisher.asked() <= 15, "asked {} times", publisher.asked());
}

#[tokio::test]
async fn a_key_that_is_no_longer_published_is_forgotten() {
    let (old, new) = (generate_key_pem(), generate_key_pem());
    let (publisher, verifier) = Publisher::of(signer(&old, 0).jwks().to_string()).await;
    let token = users_token(&signer(&old, 0));
    assert!(verifier.verify(&token, "shop").await.is_ok());
    publisher.publish(&new);
    verifier.keys.age();
    let forgotten = async {
        while verifier.verify(&token, "shop").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), forgotten)
        .await
        .expect("it is asked again in the background");
}

#[tokio::test]
async fn without_keys_no_token_is_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let verifier = Verifier::from_jwks_url(&format!("http://{address}/jwks")).unwrap();
    let ours = signer(&generate_key_pem(), 0);
    let token = users_token(&ours);
    let error = verifier.verify(&token, "shop").await.unwrap_err();
    assert!(matches!(error, VerifyError::KeysUnavailable(_)), "{error}");
    let listener = TcpListener::bind(address).await.unwrap();
    Publisher::start(listener, ours.jwks().to_string());
    assert!(
        verifier.verify(&token, "shop").await.is_ok(),
        "asks again at once while it has none"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_no_answer() {
    let (_publisher, verifier) = Publisher::of("?".to_owned()).await;
    let token = users_token(&signer(&generate_key_pem(), 0));
    let error = verifier.verify(&token, "shop").await.unwrap_err();
    assert!(matches!(error, VerifyError::KeysUnavailable(_)), "{error}");
}
