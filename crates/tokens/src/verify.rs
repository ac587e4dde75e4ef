use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind, jwk::JwkSet};
use kernel::UserId;
use tokio::sync::Mutex;

use crate::{Claims, ISSUER, Signer};

/// Clocks may differ by this much, seconds.
const LEEWAY: u64 = 5;
/// An unknown key id makes us ask for the keys again, at most this often.
const REFRESH: Duration = Duration::from_secs(60);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user, when it is one.
    pub user_id: Option<UserId>,
    /// What a service may do.
    pub scopes: Vec<String>,
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

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<Mutex<Keys>>,
    source: Option<(String, reqwest::Client)>,
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    asked: Option<Instant>,
}

impl Verifier {
    /// Checks by the public half of `signer`'s key.
    pub fn of(signer: &Signer) -> Self {
        let keys = Keys { by_kid: parse(&signer.jwks().to_string()).unwrap_or_default(), asked: None };
        Self { keys: Arc::new(Mutex::new(keys)), source: None }
    }

    /// Checks by the keys published at `url`, fetched when first needed and when an unknown key
    /// turns up.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn from_jwks_url(url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
        Ok(Self { keys: Arc::default(), source: Some((url.to_owned(), client)) })
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
        let scopes = claims.scope.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).collect();
        Ok(Identity { user_id, scopes, roles: claims.roles })
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, VerifyError> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.by_kid.get(kid) {
            return Ok(key.clone());
        }
        let Some((url, client)) = &self.source else { return Err(VerifyError::Invalid) };
        let asked_lately = keys.asked.is_some_and(|asked| asked.elapsed() < REFRESH);
        if keys.by_kid.is_empty() || !asked_lately {
            let unavailable = |error: reqwest::Error| VerifyError::KeysUnavailable(error.without_url().to_string());
            let response = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
            let body = response.map_err(unavailable)?.text().await.map_err(unavailable)?;
            keys.by_kid = parse(&body)
                .ok_or_else(|| VerifyError::KeysUnavailable("the answer is no key set".to_owned()))?;
            keys.asked = Some(Instant::now());
        }
        keys.by_kid.get(kid).cloned().ok_or(VerifyError::Invalid)
    }
}

fn parse(jwks: &str) -> Option<HashMap<String, DecodingKey>> {
    let set: JwkSet = serde_json::from_str(jwks).ok()?;
    let keys = set.keys.iter().filter_map(|jwk| {
        Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))
    });
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use chrono::TimeDelta;
    use kernel::Clock;
    use serde_json::{Value, json};

    use super::*;
    use crate::generate_key_pem;

    fn signer(pem: &str, shifted_by: i64) -> Signer {
        Signer::from_pem(pem, Clock::Shifted(TimeDelta::seconds(shifted_by))).unwrap()
    }

    fn encode(signer: &Signer, header: &Value, claims: &Value) -> String {
        let typ = header["typ"].as_str().map(str::to_owned);
        let kid = header["kid"].as_str().map(str::to_owned);
        let header = jsonwebtoken::Header { typ, kid, ..jsonwebtoken::Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &signer_key(signer)).unwrap()
    }

    fn signer_key(signer: &Signer) -> jsonwebtoken::EncodingKey {
        jsonwebtoken::EncodingKey::from_ed_pem(signer.pem().as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_users_token_is_good_for_the_shop_and_for_payments() {
        let signer = signer(&generate_key_pem().unwrap(), 0);
        let user = UserId::new();
        let token = signer.access_token(user, &["admin".to_owned()], Duration::from_secs(60)).unwrap();
        for audience in ["shop", "payments"] {
            let identity = Verifier::of(&signer).verify(&token, audience).await.unwrap();
            assert_eq!(identity.user_id, Some(user));
            assert!(identity.has_role("admin") && !identity.has_scope("transactions"));
        }
    }

    #[tokio::test]
    async fn a_service_token_is_good_for_payments_only() {
        let signer = signer(&generate_key_pem().unwrap(), 0);
        let token = signer.service_token().unwrap();
        let identity = Verifier::of(&signer).verify(&token, "payments").await.unwrap();
        assert!(identity.has_scope("transactions") && identity.user_id.is_none());
        assert_eq!(Verifier::of(&signer).verify(&token, "shop").await, Err(VerifyError::Audience));
    }

    #[tokio::test]
    async fn whatever_is_wrong_with_a_token_it_is_refused() {
        let pem = generate_key_pem().unwrap();
        let ours = signer(&pem, 0);
        let now = Clock::System.now().timestamp();
        let kid = ours.jwks()["keys"][0]["kid"].clone();
        let header = json!({"typ": "at+jwt", "kid": kid});
        let claims = json!({"iss": "shop", "sub": UserId::new(), "aud": ["shop"], "exp": now + 60, "nbf": now,
                            "iat": now, "jti": uuid::Uuid::nil()});
        let with = |key: &str, value: Value| {
            let mut claims = claims.clone();
            claims[key] = value;
            claims
        };
        let without = |key: &str| {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(key);
            claims
        };
        let verifier = Verifier::of(&ours);
        let good = encode(&ours, &header, &claims);
        assert!(verifier.verify(&good, "shop").await.is_ok());

        let stranger = signer(&generate_key_pem().unwrap(), 0);
        let parts: Vec<&str> = good.split('.').collect();
        let none = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "at+jwt", "kid": kid}).to_string());
        let hs256 = jsonwebtoken::encode(
            &jsonwebtoken::Header { kid: kid.as_str().map(str::to_owned), typ: Some("at+jwt".into()), ..Default::default() },
            &claims,
            &jsonwebtoken::EncodingKey::from_secret(ours.jwks()["keys"][0]["x"].as_str().unwrap().as_bytes()),
        )
        .unwrap();
        for (what, token) in [
            ("alg none", format!("{none}.{}.", parts[1])),
            ("HS256 with the public key", hs256),
            ("tampered", format!("{}.{}x.{}", parts[0], parts[1], parts[2])),
            ("another's key under our kid", encode(&stranger, &header, &claims)),
            ("unknown kid", encode(&ours, &json!({"typ": "at+jwt", "kid": "other"}), &claims)),
            ("no kid", encode(&ours, &json!({"typ": "at+jwt"}), &claims)),
            ("another type", encode(&ours, &json!({"typ": "JWT", "kid": kid}), &claims)),
            ("another issuer", encode(&ours, &header, &with("iss", json!("else")))),
            ("no audience", encode(&ours, &header, &without("aud"))),
            ("another audience", encode(&ours, &header, &with("aud", json!(["else"])))),
            ("no subject", encode(&ours, &header, &without("sub"))),
            ("a subject that is nobody", encode(&ours, &header, &with("sub", json!("me")))),
            ("no expiry", encode(&ours, &header, &without("exp"))),
            ("expiry as text", encode(&ours, &header, &with("exp", json!("2999")))),
            ("expired six seconds ago", encode(&ours, &header, &with("exp", json!(now - 6)))),
            ("not yet good", encode(&ours, &header, &with("nbf", json!(now + 60)))),
            ("no token", String::new()),
        ] {
            assert!(verifier.verify(&token, "shop").await.is_err(), "{what}");
        }
    }
}
