//! Detached signatures: a JWS over bytes that are transmitted separately and unencoded (RFC 7515
//! appendix F, RFC 7797 `b64: false`). EdDSA only.
//!
//! ```text
//! BASE64URL({"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"…"}) .. BASE64URL(signature)
//! ```
//!
//! The signature covers the header and the bytes, so that any JOSE library can create and verify
//! one.

use std::collections::HashMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{KeyError, key::SigningKey};

/// Longest signature that is accepted, in bytes.
pub const MAX_SIGNATURE: usize = 1_024;
/// The most keys of one set; further keys are ignored.
const MAX_KEYS: usize = 16;

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a detached EdDSA signature of the profile above.
    #[error("it is not a detached EdDSA signature")]
    Malformed,
    /// The signature names an unknown key.
    #[error("it names a key that is not known")]
    UnknownKey,
    /// The signature was made over other bytes, or with another key.
    #[error("it does not fit the body")]
    Mismatch,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    b64: bool,
    crit: Vec<String>,
    kid: String,
}

/// Signs bytes; publishes its public keys.
pub struct DetachedSigner {
    pair: Ed25519KeyPair,
    header: String,
    keys: Vec<SigningKey>,
}

impl std::fmt::Debug for DetachedSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("DetachedSigner")
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

impl DetachedSigner {
    /// Creates a signer with the Ed25519 keys in `pem`: the first key signs, all are published. To
    /// rotate a key, publish the next one after the current one, then before it, then alone.
    ///
    /// # Errors
    /// When `pem` holds no key, or something that is not a key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let keys = SigningKey::all_from_pem(pem)?;
        let current = keys.first().ok_or(KeyError)?;
        let header = Header {
            alg: "EdDSA".to_owned(),
            b64: false,
            crit: vec!["b64".to_owned()],
            kid: current.kid.clone(),
        };
        let header = serde_json::to_string(&header).map_err(|_| KeyError)?;
        Ok(Self {
            pair: current.pair()?,
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            keys,
        })
    }

    /// Creates the detached signature of these bytes.
    pub fn sign(&self, body: &[u8]) -> String {
        let signature = self.pair.sign(&signed(&self.header, body));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref());
        format!("{}..{signature}", self.header)
    }

    /// The public keys as a key set to publish.
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys.iter().map(SigningKey::jwk).collect();
        serde_json::json!({ "keys": keys })
    }
}

/// Public keys by id, for verifying signatures.
#[derive(Debug, Clone, Default)]
pub struct DetachedKeys(HashMap<String, Vec<u8>>);

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
}

impl DetachedKeys {
    /// Reads the Ed25519 keys of a key set; other keys are ignored. `None` when `jwks` is not a key
    /// set.
    pub fn from_jwks(jwks: &str) -> Option<Self> {
        let set: Jwks = serde_json::from_str(jwks).ok()?;
        let keys = set.keys.into_iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            let x = BASE64_URL_SAFE_NO_PAD.decode(&key.x).ok()?;
            let ours = key.kty == "OKP" && key.crv == "Ed25519" && x.len() == 32;
            ours.then_some((key.kid, x))
        });
        Some(Self(keys.take(MAX_KEYS).collect()))
    }

    /// Verifies that the owner of one of these keys signed exactly these bytes.
    ///
    /// # Errors
    /// [`SignatureError`]; after [`SignatureError::UnknownKey`], a newer key set may contain the
    /// key.
    pub fn verify(&self, signature: &str, body: &[u8]) -> Result<(), SignatureError> {
        let (header, made) = parts(signature).ok_or(SignatureError::Malformed)?;
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| SignatureError::Malformed)?;
        let says: Header = serde_json::from_slice(&json).map_err(|_| SignatureError::Malformed)?;
        // `crit` names the extensions that a verifier must understand: this one understands `b64`
        // only
        if says.alg != "EdDSA" || says.b64 || says.crit != ["b64"] {
            return Err(SignatureError::Malformed);
        }
        let made = BASE64_URL_SAFE_NO_PAD
            .decode(made)
            .map_err(|_| SignatureError::Malformed)?;
        let key = self.0.get(&says.kid).ok_or(SignatureError::UnknownKey)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed(header, body), &made)
            .map_err(|_| SignatureError::Mismatch)
    }
}

fn parts(signature: &str) -> Option<(&str, &str)> {
    let short = signature.len() <= MAX_SIGNATURE;
    signature.split_once("..").filter(|_| short)
}

fn signed(header: &str, body: &[u8]) -> Vec<u8> {
    [header.as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate_key_pem;

    fn signer(keys: &[&str]) -> DetachedSigner {
        DetachedSigner::from_pem(&keys.concat()).unwrap()
    }

    fn keys(signer: &DetachedSigner) -> DetachedKeys {
        DetachedKeys::from_jwks(&signer.jwks().to_string()).unwrap()
    }

    /// Signs as `signer`, but with another header.
    fn headed(signer: &DetachedSigner, header: &serde_json::Value) -> String {
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let made = signer.pair.sign(&signed(&header, b"paid"));
        format!("{header}..{}", BASE64_URL_SAFE_NO_PAD.encode(made.as_ref()))
    }

    #[test]
    fn a_signature_proves_its_own_body_alone() {
        let signer = signer(&[&generate_key_pem()]);
        let signature = signer.sign(b"paid");
        assert_eq!(keys(&signer).verify(&signature, b"paid"), Ok(()));
        let other = keys(&signer).verify(&signature, b"paid ");
        assert_eq!(other, Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_signature_of_another_key_proves_nothing() {
        let (ours, theirs) = (generate_key_pem(), generate_key_pem());
        let (ours, theirs) = (signer(&[&ours]), signer(&[&theirs]));
        let unknown = keys(&ours).verify(&theirs.sign(b"paid"), b"paid");
        assert_eq!(unknown, Err(SignatureError::UnknownKey));
        let kid = &ours.keys[0].kid;
        let header = serde_json::json!({"alg": "EdDSA", "b64": false, "crit": ["b64"], "kid": kid});
        let posed = keys(&ours).verify(&headed(&theirs, &header), b"paid");
        assert_eq!(posed, Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_header_of_another_profile_is_refused() {
        let signer = signer(&[&generate_key_pem()]);
        let kid = &signer.keys[0].kid;
        for header in [
            serde_json::json!({"alg": "none", "b64": false, "crit": ["b64"], "kid": kid}),
            serde_json::json!({"alg": "HS256", "b64": false, "crit": ["b64"], "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "b64": true, "crit": ["b64"], "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "b64": false, "crit": [], "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "b64": false, "crit": ["b64", "exp"], "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "b64": false, "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "b64": false, "crit": ["b64"]}),
        ] {
            let checked = keys(&signer).verify(&headed(&signer, &header), b"paid");
            assert_eq!(checked, Err(SignatureError::Malformed), "{header}");
        }
        for text in ["", "..", "a.b.c", "e30..", &"a".repeat(5_000)] {
            let checked = keys(&signer).verify(text, b"paid");
            assert_eq!(checked, Err(SignatureError::Malformed), "{text}");
        }
    }

    #[test]
    fn every_step_of_a_rotation_verifies_against_the_keys_before() {
        let (old, new) = (generate_key_pem(), generate_key_pem());
        let steps = [
            signer(&[&old]),
            signer(&[&old, &new]),
            signer(&[&new, &old]),
            signer(&[&new]),
        ];
        for pair in steps.windows(2) {
            let [before, after] = pair else { continue };
            let (by_old, by_new) = (keys(before), keys(after));
            assert_eq!(by_old.verify(&after.sign(b"paid"), b"paid"), Ok(()));
            assert_eq!(by_new.verify(&before.sign(b"paid"), b"paid"), Ok(()));
        }
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        for pem in [
            "",
            "\n",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(DetachedSigner::from_pem(pem).is_err(), "{pem}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_left_out_of_key_sets() {
        let jwks = r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}, {"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "AA"}]}"#;
        assert!(DetachedKeys::from_jwks(jwks).unwrap().0.is_empty());
        assert!(DetachedKeys::from_jwks("[]").is_none());
    }
}
