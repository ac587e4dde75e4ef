use std::time::Duration;

use contracts::payments::{AUDIENCE, SHOP_AUDIENCE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Clock, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ISSUER, KeyError, key::SigningKey};

/// How long a service token lives.
const SERVICE_TTL: Duration = Duration::from_mins(1);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// About whom: a user id, or `service:<name>`.
    pub sub: String,
    /// For whom.
    pub aud: Vec<String>,
    /// Until when, seconds since 1970.
    pub exp: i64,
    /// Since when.
    pub nbf: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own id.
    pub jti: Uuid,
    /// What a service may do, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The user whose wish a service carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<UserId>,
    /// What a user may do beside shopping.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Signs tokens.
#[derive(Clone)]
pub struct Signer {
    encoding: EncodingKey,
    key: SigningKey,
    clock: Clock,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.key.kid)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer with this Ed25519 key.
    ///
    /// # Errors
    /// When `pem` is no such key.
    pub fn from_pem(pem: &str, clock: Clock) -> Result<Self, KeyError> {
        let key = SigningKey::from_pem(pem)?;
        let encoding = EncodingKey::from_ed_pem(key.pem.as_bytes()).map_err(|_| KeyError)?;
        let signer = Self {
            encoding,
            key,
            clock,
        };
        // a key that cannot sign is refused here, so that nothing below has to
        signer
            .try_sign(&signer.claims(String::new(), Duration::ZERO))
            .map_err(|_| KeyError)?;
        Ok(signer)
    }

    /// A token for a user, good for the shop and for payments.
    pub fn access_token(&self, user_id: UserId, roles: &[String], ttl: Duration) -> String {
        self.sign(&Claims {
            aud: vec![SHOP_AUDIENCE.to_owned(), AUDIENCE.to_owned()],
            roles: roles.to_vec(),
            ..self.claims(user_id.to_string(), ttl)
        })
    }

    /// A token by which the shop calls payments, good for a minute: what it may do there
    /// (`scope`), and for which user when it carries out a user's wish.
    pub fn service_token(&self, scope: &str, on_behalf_of: Option<UserId>) -> String {
        self.sign(&Claims {
            aud: vec![AUDIENCE.to_owned()],
            scope: Some(scope.to_owned()),
            on_behalf_of,
            ..self.claims("service:shop".to_owned(), SERVICE_TTL)
        })
    }

    /// The public keys, as published.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({"keys": [self.key.jwk()]})
    }

    #[cfg(test)]
    pub(crate) fn pem(&self) -> &str {
        &self.key.pem
    }

    fn claims(&self, sub: String, ttl: Duration) -> Claims {
        let now = self.clock.now().timestamp();
        Claims {
            iss: ISSUER.to_owned(),
            sub,
            aud: Vec::new(),
            exp: now + i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 2),
            nbf: now,
            iat: now,
            jti: Uuid::new_v4(),
            scope: None,
            on_behalf_of: None,
            roles: Vec::new(),
        }
    }

    fn sign(&self, claims: &Claims) -> String {
        self.try_sign(claims)
            .expect("a key that has signed before signs again")
    }

    fn try_sign(&self, claims: &Claims) -> jsonwebtoken::errors::Result<String> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.key.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}
