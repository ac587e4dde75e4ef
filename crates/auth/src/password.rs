//! Passwords: argon2id with OWASP's parameters, off the async threads, a few at a time.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;

/// Why a password is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long, in characters.
    #[error("a password has 8 to 128 characters")]
    Length,
    /// Hashing broke; nothing is known about the password.
    #[error("could not hash the password")]
    Hash,
}

/// Hashes and checks passwords. Each takes 19 MiB, so only as many at once as there are permits.
#[derive(Clone)]
pub struct Hasher {
    permits: Arc<Semaphore>,
    /// What the password of nobody is checked against, so that it takes as long.
    nobody: Arc<String>,
}

impl Hasher {
    /// A hasher that works on up to `at_once` passwords.
    ///
    /// # Errors
    /// When hashing does not work at all.
    pub fn new(at_once: usize) -> Result<Self, PasswordError> {
        let nobody = hash_now("the password of nobody")?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(at_once.max(1))),
            nobody: Arc::new(nobody),
        })
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        if !(8..=128).contains(&password.chars().count()) {
            return Err(PasswordError::Length);
        }
        self.blocking(move || hash_now(&password)).await?
    }

    /// Whether `password` is the one behind `stored`; for nobody it takes as long, and is not.
    ///
    /// # Errors
    /// When hashing broke.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.to_string());
        let fits = self
            .blocking(move || {
                let parsed = PasswordHash::new(&stored).map_err(|_| PasswordError::Hash)?;
                Ok(Argon2::default()
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok())
            })
            .await??;
        Ok(fits && known)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| PasswordError::Hash)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| PasswordError::Hash)
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}
