//! Tokens identify the caller and its rights: EdDSA only, short-lived, strictly verified.
//!
//! The api signs users' tokens; a separate key signs the calls of the shop's services to payments.
//! The api publishes the public keys as JWKS and states for each key whose tokens it may sign;
//! payments verifies tokens against that set. A token names its key by `kid`, which is looked up in
//! the known set only: a key is never taken from a token. (RFC 7519, RFC 8725 "JSON Web Token Best
//! Current Practices".)
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use kernel::{Clock, UserId};
//!
//! let signer = tokens::Signer::from_pem(&tokens::generate_key_pem(), Clock::System)?;
//! let user = UserId::new();
//! let token = signer.access_token(user, &["admin".to_owned()], Duration::from_secs(600));
//! let identity = tokens::Verifier::with_key(&signer).verify(&token, "shop").await?;
//! assert_eq!(identity.user_id, Some(user));
//! # Ok(())
//! # }
//! ```

mod detached;
mod key;
mod sign;
mod source;
mod verified;
mod verify;

pub use detached::{DetachedKeys, DetachedSigner, MAX_SIGNATURE, SignatureError};
pub use key::{KeyError, generate_key_pem};
pub use sign::{Claims, Signer, published};
pub use verify::{Identity, Signs, Verifier, VerifyError};

/// Issuer of all our tokens.
pub const ISSUER: &str = "shop";
