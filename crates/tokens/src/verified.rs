//! Tokens that were verified lately.
//!
//! A client sends the same token for minutes, and to check its signature takes longer than most
//! requests that it comes with. An entry holds for the audience that it was verified for, while the
//! key that signed it is the current one of its id, and until the token expires.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{source::KnownKey, verify::Identity};

/// The most tokens that are remembered; about 5 MB.
const CAPACITY: usize = 10_000;

/// A verified token.
pub(crate) struct Verified {
    /// The key that signed it.
    pub(crate) key: Arc<KnownKey>,
    /// The audience that it was verified for.
    pub(crate) audience: String,
    /// The last second, since 1970, at which it is accepted.
    pub(crate) valid_until: i64,
    /// Its holder.
    pub(crate) identity: Identity,
}

/// Verified tokens by their SHA-256.
#[derive(Default)]
pub(crate) struct VerifiedTokens(Mutex<HashMap<[u8; 32], Verified>>);

impl VerifiedTokens {
    /// The holder of this token, if it was verified for this audience with this key and has not
    /// expired. `now` is in seconds since 1970.
    pub(crate) fn find(
        &self,
        token: &str,
        audience: &str,
        key: &Arc<KnownKey>,
        now: i64,
    ) -> Option<Identity> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tokens.get(&hash)?;
        let holds =
            Arc::ptr_eq(&found.key, key) && found.audience == audience && now <= found.valid_until;
        holds.then(|| found.identity.clone())
    }

    /// Remembers a token. At capacity, expired tokens are forgotten, or all if none has expired.
    pub(crate) fn add(&self, token: &str, verified: Verified, now: i64) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= CAPACITY {
            tokens.retain(|_, token| now <= token.valid_until);
        }
        if tokens.len() >= CAPACITY {
            tokens.clear();
        }
        tokens.insert(Sha256::digest(token).into(), verified);
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::DecodingKey;

    use super::*;
    use crate::verify::Signs;

    fn token(valid_until: i64) -> Verified {
        Verified {
            key: Arc::new(KnownKey {
                key: DecodingKey::from_secret(b"a key"),
                signs: Signs::Users,
            }),
            audience: "shop".to_owned(),
            valid_until,
            identity: Identity {
                user_id: None,
                scopes: Vec::new(),
                on_behalf_of: None,
                roles: Vec::new(),
                signed_by: Signs::Users,
                session_id: None,
            },
        }
    }

    #[test]
    fn at_capacity_expired_tokens_make_room_else_all_are_forgotten() {
        let tokens = VerifiedTokens::default();
        for n in 0..CAPACITY {
            tokens.add(&n.to_string(), token(if n < 10 { 5 } else { 100 }), 1);
        }
        assert_eq!(tokens.count(), CAPACITY);
        tokens.add("one more", token(100), 6);
        assert_eq!(tokens.count(), CAPACITY - 9);
        for n in 0..9 {
            tokens.add(&format!("next {n}"), token(100), 7);
        }
        assert_eq!(tokens.count(), CAPACITY);
        tokens.add("the last", token(100), 8);
        assert_eq!(tokens.count(), 1);
    }
}
