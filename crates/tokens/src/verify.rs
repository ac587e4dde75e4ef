use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::payments::AUDIENCE;
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use kernel::{Clock, UserId};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Claims, ISSUER, Signer,
    source::{KeySource, Keys, Missing, parse},
    verified::{Verified, VerifiedTokens},
};

/// Allowed difference between clocks.
const LEEWAY: Duration = Duration::from_mins(1);

/// The kind of tokens that a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// Users' tokens: the api's key.
    Users,
    /// Tokens of the shop's services, for calls to payments.
    Services,
    /// Both: the only key of a system that has no second one yet.
    Both,
}

/// The verified holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user, if the holder is a user.
    pub user_id: Option<UserId>,
    /// The rights of a service.
    pub scopes: Vec<String>,
    /// The user for whom a service acts, if the token names one.
    pub on_behalf_of: Option<UserId>,
    /// The user's roles.
    pub roles: Vec<String>,
    /// The kind of tokens that the signing key may sign.
    pub signed_by: Signs,
    /// The session that a user's token was issued in, if the token names one.
    pub session_id: Option<Uuid>,
}

impl Identity {
    /// Whether the holder is a service with this right.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.user_id.is_none() && self.scopes.iter().any(|has| has == scope)
    }

    /// Whether the holder is a user with this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.user_id.is_some() && self.roles.iter().any(|has| has == role)
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is for another audience.
    #[error("the token is for another audience")]
    Audience,
    /// The token was not issued by us, or was tampered with.
    #[error("the token is not valid")]
    Invalid,
    /// The keys to verify the token could not be fetched.
    #[error("the keys that tokens are checked by cannot be had: {0}")]
    KeysUnavailable(String),
}

/// Verifies tokens. Clones share their keys and the tokens that they have verified.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<KeySource>,
    verified: Arc<VerifiedTokens>,
}

/// The header that a token must have. `crit` names extensions that a verifier must understand (RFC
/// 7515 §4.1.11). This verifier understands none, so that a token with `crit` is refused.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
}

impl Verifier {
    /// Verifies with the public half of `signer`'s keys, which sign everything.
    pub fn with_key(signer: &Signer) -> Self {
        Self::with_keys(&signer.jwks())
    }

    /// Verifies with this key set, as [`crate::published`] creates it.
    pub fn with_keys(jwks: &serde_json::Value) -> Self {
        let keys: Keys = parse(&jwks.to_string()).unwrap_or_default();
        Self::new(KeySource::fixed(keys))
    }

    /// Verifies with the keys published at `url`. They are fetched when first needed, when an
    /// unknown key turns up and, while in use, once a minute.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn from_jwks_url(url: &str) -> Result<Self, reqwest::Error> {
        KeySource::remote(url).map(Self::new)
    }

    fn new(keys: KeySource) -> Self {
        Self {
            keys: Arc::new(keys),
            verified: Arc::default(),
        }
    }

    /// Identifies the holder of `token`, if the token was issued by us, is for `audience`, and is
    /// valid now.
    ///
    /// # Errors
    /// [`VerifyError`]; all variants but `KeysUnavailable` mean that the token is bad.
    pub async fn verify(&self, token: &str, audience: &str) -> Result<Identity, VerifyError> {
        let header = header(token).ok_or(VerifyError::Invalid)?;
        if header.alg != "EdDSA" || header.typ != "at+jwt" || header.crit {
            return Err(VerifyError::Invalid);
        }
        let known = self.keys.get(&header.kid).await;
        let known = known.map_err(|missing| match missing {
            Missing::Unknown => VerifyError::Invalid,
            Missing::Unavailable(why) => VerifyError::KeysUnavailable(why),
        })?;
        let now = Clock::System.now().timestamp();
        if let Some(identity) = self.verified.find(token, audience, &known, now) {
            return Ok(identity);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Claims>(token, &known.key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => VerifyError::Expired,
                ErrorKind::InvalidAudience => VerifyError::Audience,
                _ => VerifyError::Invalid,
            })?
            .claims;
        let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(i64::MAX);
        if claims.iat > now.saturating_add(leeway) {
            return Err(VerifyError::Invalid);
        }
        let valid_until = claims.exp.saturating_add(leeway);
        let identity = identity(claims, known.signs).ok_or(VerifyError::Invalid)?;
        let verified = Verified {
            key: known,
            audience: audience.to_owned(),
            valid_until,
            identity: identity.clone(),
        };
        self.verified.add(token, verified, now);
        Ok(identity)
    }
}

/// Parses the header itself, because jsonwebtoken ignores `crit`.
fn header(token: &str) -> Option<Header> {
    let (header, _) = token.split_once('.')?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The holder of a token; `None` when the key may not sign for such a subject. A key of services
/// signs only tokens whose sole audience is payments, regardless of their other claims.
fn identity(claims: Claims, signed_by: Signs) -> Option<Identity> {
    let service = claims.sub.starts_with("service:");
    let user_id = if service {
        None
    } else {
        Some(claims.sub.parse().ok()?)
    };
    let may_sign = match signed_by {
        Signs::Both => true,
        Signs::Users => !service,
        Signs::Services => service && claims.aud == [AUDIENCE],
    };
    if !may_sign {
        return None;
    }
    let scopes = claims
        .scope
        .iter()
        .flat_map(|scope| scope.split(' '))
        .map(str::to_owned)
        .collect();
    Some(Identity {
        user_id,
        scopes,
        on_behalf_of: claims.on_behalf_of,
        roles: claims.roles,
        signed_by,
        session_id: claims.sid,
    })
}

#[cfg(test)]
mod tests;
