use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use sha2::{Digest, Sha256};

/// The text is not an Ed25519 private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is not an Ed25519 private key in PKCS#8 PEM (`shopctl keygen` makes one)")]
pub struct KeyError;

/// The parts of a key pair that this crate needs.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) pem: String,
    /// The public key, base64url: `x` of the JWK.
    pub(crate) x: String,
    /// RFC 7638 thumbprint of the public key.
    pub(crate) kid: String,
}

/// Generates an Ed25519 private key, PKCS#8 PEM.
///
/// # Panics
/// When the machine cannot provide randomness.
pub fn generate_key_pem() -> String {
    let pair = Ed25519KeyPair::generate().expect("the machine has randomness to give");
    let der: Pkcs8V1Der<'_> = pair
        .as_der()
        .expect("a key pair just made can be written down");
    let body = BASE64_STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

impl SigningKey {
    /// Reads the keys of a file, in its order; at least one.
    pub(crate) fn all_from_pem(pem: &str) -> Result<Vec<Self>, KeyError> {
        const END: &str = "-----END PRIVATE KEY-----";
        let blocks = pem.split_inclusive(END);
        let blocks = blocks.filter(|block| !block.trim().is_empty());
        let keys: Vec<_> = blocks
            .map(|block| Self::from_pem(block.trim()))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(KeyError);
        }
        Ok(keys)
    }

    pub(crate) fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pair = pair(pem)?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
        Ok(Self {
            pem: pem.to_owned(),
            x,
            kid,
        })
    }

    /// The key pair.
    pub(crate) fn pair(&self) -> Result<Ed25519KeyPair, KeyError> {
        pair(&self.pem)
    }

    /// The public half, as a key of a published set.
    pub(crate) fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": self.x,
        })
    }
}

fn pair(pem: &str) -> Result<Ed25519KeyPair, KeyError> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = BASE64_STANDARD.decode(body).map_err(|_| KeyError)?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError)
}
