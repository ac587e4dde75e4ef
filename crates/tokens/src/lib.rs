//! Tokens: who asks, and for what. EdDSA only, short-lived, checked strictly.
//!
//! The shop signs with one key and publishes its public half as JWKS; payments checks by that. A
//! token names its key by `kid`, which is looked up in the known set only: no key ever comes from
//! a token. (RFC 7519, RFC 8725 "JSON Web Token Best Current Practices".)

mod key;
mod sign;
mod verify;

pub use key::{KeyError, generate_key_pem};
pub use sign::{Claims, SignError, Signer};
pub use verify::{Identity, Verifier, VerifyError};

/// Issuer of all our tokens.
pub const ISSUER: &str = "shop";
