use std::time::Duration;

use contracts::payments::{AUDIENCE, SHOP_AUDIENCE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Clock, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ISSUER, KeyError, key::SigningKey};

/// Value of the member `signs` of a published key that signs users' tokens.
pub(crate) const SIGNS_USERS: &str = "users";
/// Value of the member `signs` of a published key that signs services' tokens.
pub(crate) const SIGNS_SERVICES: &str = "services";

/// Lifetime of a service token.
const SERVICE_TTL: Duration = Duration::from_mins(2);
/// A service token is valid from this many seconds before its issue: a verifier's clock may be
/// behind.
const SERVICE_EARLY: i64 = 60;

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The subject: a user id, or `service:<name>`.
    pub sub: String,
    /// The audiences.
    pub aud: Vec<String>,
    /// The expiry, in seconds since 1970.
    pub exp: i64,
    /// The start of validity, in seconds since 1970.
    pub nbf: i64,
    /// The time of issue, in seconds since 1970.
    pub iat: i64,
    /// The token's id.
    pub jti: Uuid,
    /// The rights of a service, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The user for whom a service acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<UserId>,
    /// The user's roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The session that a user's token was issued in. Tokens of the previous release have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
}

/// Signs tokens.
#[derive(Clone)]
pub struct Signer {
    encoding: EncodingKey,
    /// The first key signs, all are published.
    keys: Vec<SigningKey>,
    clock: Clock,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("Signer")
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Creates a signer with the Ed25519 keys in `pem`: the first key signs, all are published. To
    /// rotate a key, publish the next one after the current one, then before it, then alone.
    ///
    /// # Errors
    /// When `pem` holds no key, or something that is not a key.
    pub fn from_pem(pem: &str, clock: Clock) -> Result<Self, KeyError> {
        let keys = SigningKey::all_from_pem(pem)?;
        let current = keys.first().ok_or(KeyError)?;
        let encoding = EncodingKey::from_ed_pem(current.pem.as_bytes()).map_err(|_| KeyError)?;
        let signer = Self {
            encoding,
            keys,
            clock,
        };
        // a key that cannot sign is refused here, so that later calls need not check
        signer
            .try_sign(&signer.claims(String::new(), Duration::ZERO))
            .map_err(|_| KeyError)?;
        Ok(signer)
    }

    /// Creates a token for a user, valid for the shop and for payments while the session is live.
    pub fn session_token(
        &self,
        user_id: UserId,
        session_id: Uuid,
        roles: &[String],
        ttl: Duration,
    ) -> String {
        self.user_token(user_id, Some(session_id), roles, ttl)
    }

    /// As [`Signer::session_token`] without a session, as the previous release issued tokens.
    pub fn access_token(&self, user_id: UserId, roles: &[String], ttl: Duration) -> String {
        self.user_token(user_id, None, roles, ttl)
    }

    fn user_token(
        &self,
        user_id: UserId,
        sid: Option<Uuid>,
        roles: &[String],
        ttl: Duration,
    ) -> String {
        self.sign(&Claims {
            aud: vec![SHOP_AUDIENCE.to_owned(), AUDIENCE.to_owned()],
            roles: roles.to_vec(),
            sid,
            ..self.claims(user_id.to_string(), ttl)
        })
    }

    /// Creates a token for the shop's calls to payments, valid for two minutes. `scope` names its
    /// rights there, and `on_behalf_of` the user for whom the shop acts.
    pub fn service_token(&self, scope: &str, on_behalf_of: Option<UserId>) -> String {
        let claims = self.claims("service:shop".to_owned(), SERVICE_TTL);
        self.sign(&Claims {
            aud: vec![AUDIENCE.to_owned()],
            scope: Some(scope.to_owned()),
            on_behalf_of,
            nbf: claims.nbf - SERVICE_EARLY,
            ..claims
        })
    }

    /// The key set of a system in which one key signs everything.
    pub fn jwks(&self) -> serde_json::Value {
        published(self, self)
    }

    /// All keys, with the signing key first.
    pub(crate) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    #[cfg(test)]
    pub(crate) fn pem(&self) -> &str {
        &self.keys[0].pem
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
            sid: None,
        }
    }

    fn sign(&self, claims: &Claims) -> String {
        self.try_sign(claims)
            .expect("a key that has signed before signs again")
    }

    fn try_sign(&self, claims: &Claims) -> jsonwebtoken::errors::Result<String> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: self.keys.first().map(|key| key.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}

/// The key set that the shop publishes. The member `signs` of a key states whose tokens it may
/// sign: `users`, `services` or both. A verifier that does not know the member accepts each key for
/// both.
pub fn published(users: &Signer, services: &Signer) -> serde_json::Value {
    let mut keys: Vec<(&SigningKey, Vec<&str>)> = Vec::new();
    for (signer, kind) in [(users, SIGNS_USERS), (services, SIGNS_SERVICES)] {
        for key in signer.keys() {
            match keys.iter_mut().find(|(known, _)| known.kid == key.kid) {
                Some((_, signs)) if signs.contains(&kind) => {}
                Some((_, signs)) => signs.push(kind),
                None => keys.push((key, vec![kind])),
            }
        }
    }
    let keys: Vec<_> = keys
        .into_iter()
        .map(|(key, signs)| {
            let mut jwk = key.jwk();
            jwk["signs"] = signs.into();
            jwk
        })
        .collect();
    serde_json::json!({ "keys": keys })
}
