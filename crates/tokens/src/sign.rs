use std::time::Duration;

use contracts::payments::{AUDIENCE, SHOP_AUDIENCE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Clock, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ISSUER, KeyError, key::SigningKey};

/// Member `signs` of a published key: it signs tokens of users.
pub(crate) const SIGNS_USERS: &str = "users";
/// Member `signs` of a published key: it signs tokens of services.
pub(crate) const SIGNS_SERVICES: &str = "services";

/// How long a service token lives.
const SERVICE_TTL: Duration = Duration::from_mins(2);
/// A service token is good from this long before it was issued: the clock of a verifier may be behind.
const SERVICE_EARLY: i64 = 60;

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
    /// The session that a user's token was issued in. The release before named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
}

/// Signs tokens.
#[derive(Clone)]
pub struct Signer {
    encoding: EncodingKey,
    /// The first signs, all are published.
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
    /// A signer with the Ed25519 keys in `pem`: the first signs, all are published. A key is rotated by
    /// publishing the next one behind the current one, then in front of it, then alone.
    ///
    /// # Errors
    /// When `pem` holds no key, or something that is none.
    pub fn from_pem(pem: &str, clock: Clock) -> Result<Self, KeyError> {
        let keys = SigningKey::all_from_pem(pem)?;
        let current = keys.first().ok_or(KeyError)?;
        let encoding = EncodingKey::from_ed_pem(current.pem.as_bytes()).map_err(|_| KeyError)?;
        let signer = Self {
            encoding,
            keys,
            clock,
        };
        // a key that cannot sign is refused here, so that nothing below has to
        signer
            .try_sign(&signer.claims(String::new(), Duration::ZERO))
            .map_err(|_| KeyError)?;
        Ok(signer)
    }

    /// A token for a user, good for the shop and for payments while the session is live.
    pub fn session_token(
        &self,
        user_id: UserId,
        session_id: Uuid,
        roles: &[String],
        ttl: Duration,
    ) -> String {
        self.user_token(user_id, Some(session_id), roles, ttl)
    }

    /// The same without a session, as the release before issued it.
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

    /// A token by which the shop calls payments, good for two minutes: what it may do there
    /// (`scope`), and for which user when it carries out a user's wish.
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

    /// The public keys of a system in which one key signs everything.
    pub fn jwks(&self) -> serde_json::Value {
        published(self, self)
    }

    /// All keys, the signing one first.
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

/// The key set that the shop publishes. The member `signs` of a key says whose tokens it may sign:
/// `users`, `services` or both. A verifier that does not know the member takes each key for both.
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
