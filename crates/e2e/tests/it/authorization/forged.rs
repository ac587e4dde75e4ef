//! Tokens that are not ours, or not valid for the call: each is made from a good one.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// A good token, taken apart, and the keys to forge with.
pub(super) struct Mint {
    header: Value,
    claims: Value,
    signature: String,
    token: String,
    own: EncodingKey,
    foreign: EncodingKey,
    foreign_jwk: Value,
    /// The shop's key for the other kind of callers: that of services for a user's token, and that
    /// of users for a service's.
    sibling: EncodingKey,
    sibling_kid: Value,
    /// `x` of the published key.
    published: String,
}

fn segment(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

fn decoded(segment: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(segment).unwrap()).unwrap()
}

/// The value with a member set.
fn with(value: &Value, name: &str, to: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value[name] = to.into();
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

fn joined(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", segment(header), segment(claims));
    let signature = crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

impl Mint {
    /// From a good token, the key that signed it, the shop's other key, and the published set.
    pub(super) fn new(token: &str, pem: &str, sibling: &str, jwks: &Value) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        let strange = tokens::generate_key_pem();
        let signer = tokens::DetachedSigner::from_pem(&strange).unwrap();
        let sibling_keys = tokens::Signer::from_pem(sibling, kernel::Clock::System).unwrap();
        let header = decoded(parts[0]);
        let keys = jwks["keys"].as_array().unwrap();
        let published = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
        Self {
            claims: decoded(parts[1]),
            signature: parts[2].to_owned(),
            token: token.to_owned(),
            own: EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
            foreign: EncodingKey::from_ed_pem(strange.as_bytes()).unwrap(),
            foreign_jwk: signer.jwks()["keys"][0].clone(),
            sibling: EncodingKey::from_ed_pem(sibling.as_bytes()).unwrap(),
            sibling_kid: sibling_keys.jwks()["keys"][0]["kid"].clone(),
            published: published["x"].as_str().unwrap().to_owned(),
            header,
        }
    }

    /// Signed with our own key: only its content is wrong.
    fn ours(&self, header: &Value, claims: &Value) -> String {
        joined(header, claims, &self.own, Algorithm::EdDSA)
    }

    fn says(&self, claim: &str, value: impl Into<Value>) -> String {
        self.ours(&self.header, &with(&self.claims, claim, value))
    }

    fn lacks(&self, claim: &str) -> String {
        self.ours(&self.header, &without(&self.claims, claim))
    }

    fn headed(&self, name: &str, value: impl Into<Value>) -> String {
        self.ours(&with(&self.header, name, value), &self.claims)
    }

    /// Signed with a foreign key, to which the header points.
    fn strange(&self, name: &str, value: impl Into<Value>) -> String {
        let header = with(&self.header, name, value);
        joined(&header, &self.claims, &self.foreign, Algorithm::EdDSA)
    }

    /// HMAC with public data as its secret.
    fn hmac(&self, algorithm: &str, secret: &[u8]) -> String {
        let header = with(&self.header, "alg", algorithm);
        let key = EncodingKey::from_secret(secret);
        joined(&header, &self.claims, &key, Algorithm::HS256)
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let header = with(&self.header, "alg", algorithm);
        format!("{}.{}.", segment(&header), segment(&self.claims))
    }

    /// The same token, valid for a day.
    pub(super) fn lasting(&self) -> String {
        let now = self.claims["iat"].as_i64().unwrap();
        self.says("exp", now + 86_400)
    }

    /// Values of the header `Authorization`, by the name of the forgery.
    pub(super) fn all(&self, other_audience: &str) -> Vec<(&'static str, String)> {
        let mut forged = self.claiming(other_audience);
        forged.extend(self.signed_otherwise());
        let mut forged: Vec<_> = forged
            .into_iter()
            .map(|(name, token)| (name, format!("Bearer {token}")))
            .collect();
        forged.push(("another scheme", format!("Basic {}", self.token)));
        forged.push(("no scheme", self.token.clone()));
        forged
    }

    /// Signed by our key, with forbidden claims.
    fn claiming(&self, other_audience: &str) -> Vec<(&'static str, String)> {
        let now = self.claims["iat"].as_i64().unwrap();
        vec![
            ("expired an hour ago", self.says("exp", now - 3600)),
            ("expired beyond the leeway", self.says("exp", now - 65)),
            ("no exp", self.lacks("exp")),
            ("exp as text", self.says("exp", (now + 600).to_string())),
            ("exp without end", self.says("exp", 1e300)),
            ("exp zero", self.says("exp", 0)),
            ("not valid yet", self.says("nbf", now + 3600)),
            ("another audience", self.says("aud", json!(["elsewhere"]))),
            (
                "the other service's audience",
                self.says("aud", json!([other_audience])),
            ),
            ("no audience in the list", self.says("aud", json!([]))),
            ("no aud", self.lacks("aud")),
            ("another issuer", self.says("iss", "elsewhere")),
            ("no iss", self.lacks("iss")),
            ("no sub", self.lacks("sub")),
            ("sub is no id", self.says("sub", "admin")),
            ("sub empty", self.says("sub", "")),
        ]
    }

    /// Signed with another key, by another algorithm, not at all, or with a header that claims so.
    fn signed_otherwise(&self) -> Vec<(&'static str, String)> {
        let x = BASE64.decode(&self.published).unwrap();
        let spki = [
            &[
                0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
            ][..],
            &x,
        ]
        .concat();
        let promoted = with(&self.claims, "roles", json!(["admin", "operator"]));
        let half = self.signature.len() / 2;
        let head = format!("{}.{}", segment(&self.header), segment(&self.claims));
        vec![
            ("empty", String::new()),
            ("no token", "garbage".to_owned()),
            ("three dots", "...".to_owned()),
            ("two segments", head.clone()),
            ("alg none", self.unsigned("none")),
            ("alg None", self.unsigned("None")),
            ("alg nOnE", self.unsigned("nOnE")),
            ("alg none with our signature", {
                let header = segment(&with(&self.header, "alg", "none"));
                format!("{header}.{}.{}", segment(&self.claims), self.signature)
            }),
            ("HS256 with the public key's bytes", self.hmac("HS256", &x)),
            (
                "HS256 with the public key's text",
                self.hmac("HS256", self.published.as_bytes()),
            ),
            (
                "HS256 with the public key's SPKI",
                self.hmac("HS256", &spki),
            ),
            ("HS256 with nothing", self.hmac("HS256", b"")),
            ("EdDSA over an HMAC", self.hmac("EdDSA", &x)),
            ("RS256 over EdDSA", self.headed("alg", "RS256")),
            (
                "a foreign key under its own kid",
                self.strange("kid", self.foreign_jwk["kid"].clone()),
            ),
            (
                "a foreign key under our kid",
                self.strange("kid", self.header["kid"].clone()),
            ),
            ("the key of the other kind of callers", {
                let header = with(&self.header, "kid", self.sibling_kid.clone());
                joined(&header, &self.claims, &self.sibling, Algorithm::EdDSA)
            }),
            (
                "no kid",
                self.ours(&without(&self.header, "kid"), &self.claims),
            ),
            ("kid is a path", self.strange("kid", "../../../../dev/null")),
            ("kid is SQL", self.strange("kid", "' or 1=1 --")),
            (
                "kid is an address",
                self.strange("kid", "http://127.0.0.1/jwks.json"),
            ),
            ("jku", self.strange("jku", "http://127.0.0.1:1/jwks.json")),
            ("x5u", self.strange("x5u", "http://127.0.0.1:1/cert.pem")),
            (
                "jwk embedded",
                self.strange("jwk", self.foreign_jwk.clone()),
            ),
            ("typ JWT", self.headed("typ", "JWT")),
            (
                "no typ",
                self.ours(&without(&self.header, "typ"), &self.claims),
            ),
            ("crit that is not understood", {
                let header = with(&self.header, "crit", json!(["x-scope"]));
                self.ours(&with(&header, "x-scope", "none"), &self.claims)
            }),
            ("signature stripped", format!("{head}.")),
            (
                "signature cut",
                format!("{head}.{}", &self.signature[..half]),
            ),
            ("payload swapped", {
                let header = self.token.split('.').next().unwrap();
                format!("{header}.{}.{}", segment(&promoted), self.signature)
            }),
        ]
    }
}
