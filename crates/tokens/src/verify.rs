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
};

/// Clocks may differ by this much.
const LEEWAY: Duration = Duration::from_mins(1);

/// Whose tokens a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// Users': the api's key.
    Users,
    /// The shop's services', when they call payments.
    Services,
    /// Both: the one key of a system that has no second one yet.
    Both,
}

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
    /// Whose tokens the key of this one may sign.
    pub signed_by: Signs,
    /// The session that a user's token was issued in, when it says so.
    pub session_id: Option<Uuid>,
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
    keys: Arc<KeySource>,
}

/// What a token's header must say. `crit` names what a verifier must understand (RFC 7515 §4.1.11): we
/// understand nothing of that kind, so a token that has it is refused.
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
    /// Checks by the public half of `signer`'s keys, which sign everything.
    pub fn with_key(signer: &Signer) -> Self {
        Self::with_keys(&signer.jwks())
    }

    /// Checks by this key set, as [`crate::published`] makes it.
    pub fn with_keys(jwks: &serde_json::Value) -> Self {
        let keys: Keys = parse(&jwks.to_string()).unwrap_or_default();
        Self {
            keys: Arc::new(KeySource::fixed(keys)),
        }
    }

    /// Checks by the keys published at `url`: fetched when first needed, when an unknown key turns up and,
    /// while they are used, once a minute.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn from_jwks_url(url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self {
            keys: Arc::new(KeySource::remote(url)?),
        })
    }

    /// Who asks, if `token` is one of ours, for `audience`, and good now.
    ///
    /// # Errors
    /// [`VerifyError`]; only `KeysUnavailable` says nothing about the token.
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
        let ahead = i64::try_from(LEEWAY.as_secs()).unwrap_or(i64::MAX);
        if claims.iat > Clock::System.now().timestamp().saturating_add(ahead) {
            return Err(VerifyError::Invalid);
        }
        identity(claims, known.signs).ok_or(VerifyError::Invalid)
    }
}

/// The header, read by ourselves: jsonwebtoken leaves `crit` out.
fn header(token: &str) -> Option<Header> {
    let (header, _) = token.split_once('.')?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Who that is; none when the key may not sign for such a subject. A service's token is good for calls to
/// payments alone, whatever it says.
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
