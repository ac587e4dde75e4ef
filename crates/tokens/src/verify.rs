use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind, jwk::JwkSet};
use kernel::UserId;
use tokio::sync::Mutex;

use crate::{Claims, ISSUER, Signer};

/// Clocks may differ by this much, seconds.
const LEEWAY: u64 = 5;
/// An unknown key id makes us ask for the keys again, at most this often.
const REFRESH: Duration = Duration::from_mins(1);
/// The same, after an answer that could not be had.
const RETRY: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user, when it is one.
    pub user_id: Option<UserId>,
    /// What a service may do.
    pub scopes: Vec<String>,
    /// The user whose wish a service carries out, when it says so.
    pub on_behalf_of: Option<UserId>,
    /// What a user may do beside shopping.
    pub roles: Vec<String>,
}

impl Identity {
    /// Whether it is a service that may do this.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.user_id.is_none() && self.scopes.iter().any(|has| has == scope)
    }

    /// Whether it is a user with this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.user_id.is_some() && self.roles.iter().any(|has| has == role)
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It has run out.
    #[error("the token has expired")]
    Expired,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It is none of ours, or was tampered with.
    #[error("the token is not valid")]
    Invalid,
    /// The keys to check it by cannot be had.
    #[error("the keys that tokens are checked by cannot be had: {0}")]
    KeysUnavailable(String),
}

/// Checks tokens. Clones share their keys.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<RwLock<Keys>>,
    source: Option<Arc<Source>>,
}

type Keys = HashMap<String, DecodingKey>;

/// Where keys come from; the lock lets one ask at a time, while known keys go on being used.
struct Source {
    url: String,
    client: reqwest::Client,
    last: Mutex<Option<Fetched>>,
}

struct Fetched {
    at: Instant,
    result: Result<(), String>,
}

impl Verifier {
    /// Checks by the public half of `signer`'s key.
    pub fn with_key(signer: &Signer) -> Self {
        let keys = parse(&signer.jwks().to_string()).unwrap_or_default();
        Self {
            keys: Arc::new(RwLock::new(keys)),
            source: None,
        }
    }

    /// Checks by the keys published at `url`, fetched when first needed and when an unknown key
    /// turns up: at most once a minute, but at every call while there is none.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn from_jwks_url(url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
        let source = Source {
            url: url.to_owned(),
            client,
            last: Mutex::new(None),
        };
        Ok(Self {
            keys: Arc::default(),
            source: Some(Arc::new(source)),
        })
    }

    /// Who asks, if `token` is one of ours, for `audience`, and good now.
    ///
    /// # Errors
    /// [`VerifyError`]; only `KeysUnavailable` says nothing about the token.
    pub async fn verify(&self, token: &str, audience: &str) -> Result<Identity, VerifyError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| VerifyError::Invalid)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some("at+jwt") {
            return Err(VerifyError::Invalid);
        }
        let key = self.key(&header.kid.ok_or(VerifyError::Invalid)?).await?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => VerifyError::Expired,
                ErrorKind::InvalidAudience => VerifyError::Audience,
                _ => VerifyError::Invalid,
            })?
            .claims;
        let user_id = match claims.sub.strip_prefix("service:") {
            Some(_) => None,
            None => Some(claims.sub.parse().map_err(|_| VerifyError::Invalid)?),
        };
        let scopes = claims
            .scope
            .iter()
            .flat_map(|scope| scope.split(' '))
            .map(str::to_owned)
            .collect();
        Ok(Identity {
            user_id,
            scopes,
            on_behalf_of: claims.on_behalf_of,
            roles: claims.roles,
        })
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, VerifyError> {
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        let source = self.source.as_ref().ok_or(VerifyError::Invalid)?;
        let came = Instant::now();
        let mut last = source.last.lock().await;
        let answered = last.as_ref().filter(|last| {
            // somebody asked while we waited, or lately enough
            let pause = if last.result.is_ok() { REFRESH } else { RETRY };
            last.at >= came || (!self.has_none() && last.at.elapsed() < pause)
        });
        let result = if let Some(answered) = answered {
            answered.result.clone()
        } else {
            let result = source
                .fetch()
                .await
                .map(|keys| *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys);
            *last = Some(Fetched {
                at: Instant::now(),
                result: result.clone(),
            });
            result
        };
        match self.known(kid) {
            Some(key) => Ok(key),
            None => Err(result
                .err()
                .map_or(VerifyError::Invalid, VerifyError::KeysUnavailable)),
        }
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kid)
            .cloned()
    }

    fn has_none(&self) -> bool {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

impl Source {
    async fn fetch(&self) -> Result<Keys, String> {
        let said = |error: reqwest::Error| error.without_url().to_string();
        let response = self
            .client
            .get(&self.url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let body = response.map_err(said)?.text().await.map_err(said)?;
        parse(&body)
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| "the answer is no key set".to_owned())
    }
}

fn parse(jwks: &str) -> Option<Keys> {
    let set: JwkSet = serde_json::from_str(jwks).ok()?;
    let keys = set
        .keys
        .iter()
        .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)));
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use axum::{Router, routing::get};
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use chrono::TimeDelta;
    use jsonwebtoken::{EncodingKey, Header};
    use kernel::Clock;
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
    async fn a_users_token_is_good_for_the_shop_and_for_payments() {
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

    /// A good token, taken apart.
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

        /// The same with another claim, or without it.
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
    async fn a_token_that_was_not_signed_by_us_as_it_stands_is_refused() {
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
    async fn a_token_that_lacks_a_claim_or_has_a_wrong_one_is_refused() {
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
            ("expired six seconds ago", "exp", Some(json!(now - 6))),
            ("not yet good", "nbf", Some(json!(now + 60))),
        ] {
            good.assert_refused(what, &good.claiming(key, value)).await;
        }
    }

    #[tokio::test]
    async fn clocks_may_differ_by_a_few_seconds() {
        let pem = generate_key_pem();
        let verifier = Verifier::with_key(&signer(&pem, 0));
        for (shifted, ttl, good) in [
            (-60, 58, true),
            (-60, 54, false),
            (3, 60, true),
            (8, 60, false),
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

    /// Publishes `signer`'s keys, or garbage without one, and counts how often it is asked.
    fn publish(listener: TcpListener, signer: Option<&Signer>) -> Arc<AtomicUsize> {
        let body = signer.map_or_else(|| "?".to_owned(), |signer| signer.jwks().to_string());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let app = Router::new().route(
            "/jwks",
            get(move || {
                counter.fetch_add(1, SeqCst);
                let body = body.clone();
                async move { body }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        asked
    }

    #[tokio::test]
    async fn keys_are_fetched_once_and_an_unknown_one_asks_again_at_most_once_a_minute() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let signer = signer(&generate_key_pem(), 0);
        let asked = publish(listener, Some(&signer));
        let verifier = Verifier::from_jwks_url(&url).unwrap();
        let token = signer.access_token(UserId::new(), &[], Duration::from_mins(1));
        let stranger = super::tests::signer(&generate_key_pem(), 0);
        let foreign = stranger.access_token(UserId::new(), &[], Duration::from_mins(1));
        let (first, second) = tokio::join!(
            verifier.verify(&token, "shop"),
            verifier.verify(&token, "payments")
        );
        assert!(first.is_ok() && second.is_ok());
        for _ in 0..5 {
            assert_eq!(
                verifier.verify(&foreign, "shop").await,
                Err(VerifyError::Invalid)
            );
        }
        assert_eq!(asked.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn while_no_keys_can_be_had_nothing_is_said_about_the_token() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let verifier = Verifier::from_jwks_url(&format!("http://{address}/jwks")).unwrap();
        let signer = signer(&generate_key_pem(), 0);
        let token = signer.access_token(UserId::new(), &[], Duration::from_mins(1));
        let error = verifier.verify(&token, "shop").await.unwrap_err();
        assert!(matches!(error, VerifyError::KeysUnavailable(_)), "{error}");
        publish(TcpListener::bind(address).await.unwrap(), Some(&signer));
        assert!(
            verifier.verify(&token, "shop").await.is_ok(),
            "asks again at once while it has none"
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_no_key_set_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        publish(listener, None);
        let token =
            signer(&generate_key_pem(), 0).access_token(UserId::new(), &[], Duration::from_mins(1));
        let error = Verifier::from_jwks_url(&url)
            .unwrap()
            .verify(&token, "shop")
            .await
            .unwrap_err();
        assert!(matches!(error, VerifyError::KeysUnavailable(_)), "{error}");
    }
}
