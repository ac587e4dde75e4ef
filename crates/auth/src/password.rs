//! Passwords: argon2id with OWASP's parameters, hashed off the async threads, a few at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{
    Algorithm, Argon2, Block, CustomizedPasswordHasher, Params, PasswordVerifier, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use tokio::sync::Semaphore;

use crate::policy::{self, NewPassword};

/// Why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long, in characters.
    #[error("Enter a password of 8 to 128 characters.")]
    Length,
    /// Among the passwords that an attacker tries first.
    #[error(
        "Many people use this password. Choose another one: three or four unrelated words are easy to remember."
    )]
    Common,
    /// Little more than its owner's name or address.
    #[error("Choose a password that is not your name or e-mail address.")]
    Personal,
    /// Hashing failed; the password may be right or wrong.
    #[error("could not hash the password")]
    Hash,
}

/// Length of a salt in bytes.
const SALT: usize = 16;

/// Hashes and checks passwords. Each operation takes 19 MiB, so the permits limit how many run at
/// once.
///
/// The memory is reused: an allocator would keep it in every arena that once had it, hundreds of
/// megabytes in all.
#[derive(Clone)]
pub struct Hasher {
    permits: Arc<Semaphore>,
    /// Memory not in use right now, at most one buffer per permit.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
    /// The hash that passwords for unknown addresses are checked against, so that the check takes
    /// the same time.
    nobody: Arc<String>,
}

impl Hasher {
    /// Creates a hasher that works on up to `at_once` passwords concurrently.
    ///
    /// # Errors
    /// When hashing does not work at all.
    pub fn new(at_once: usize) -> Result<Self, PasswordError> {
        let nobody = Argon2id::default().hash("the password of nobody")?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(at_once.max(1))),
            memory: Arc::default(),
            nobody: Arc::new(nobody),
        })
    }

    /// Returns the PHC string of a new password.
    ///
    /// # Errors
    /// When hashing fails.
    pub(crate) async fn hash(&self, password: NewPassword) -> Result<String, PasswordError> {
        let password = password.into_inner();
        self.blocking(move |argon2| argon2.hash(&password)).await?
    }

    /// Checks `password` against the hash `stored`. Without a stored hash it takes the same time
    /// and returns false.
    ///
    /// # Errors
    /// When hashing fails.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.to_string());
        let normal = policy::normalize(&password);
        let fits = self
            .blocking(move |argon2| {
                let parsed = PasswordHash::new(&stored).map_err(|_| PasswordError::Hash)?;
                let fits = |text: &str| argon2.verify_password(text.as_bytes(), &parsed).is_ok();
                // earlier releases hashed passwords as typed, without normalization
                Ok(fits(&normal) || (normal != password && fits(&password)))
            })
            .await??;
        Ok(fits && known)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2id) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| PasswordError::Hash)?;
        let memory = Arc::clone(&self.memory);
        let work = move || {
            let free = lock(&memory).pop();
            let argon2 = Argon2id(Mutex::new(free.unwrap_or_default()));
            let answer = work(&argon2);
            let used = argon2.0.into_inner();
            lock(&memory).push(used.unwrap_or_default());
            answer
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| PasswordError::Hash)
    }
}

/// argon2id in reused memory, which grows to the size that a hash's parameters require.
#[derive(Default)]
struct Argon2id(Mutex<Vec<Block>>);

impl Argon2id {
    fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt: [u8; SALT] = rand::random();
        let hash = self.hash_password(password.as_bytes(), &salt);
        Ok(hash.map_err(|_| PasswordError::Hash)?.to_string())
    }

    fn hash_password(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        self.hash_password_customized(password, salt, None, None, Params::default())
    }
}

/// The verifier comes with this trait: it hashes under the stored parameters, and compares in
/// constant time.
impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?;
        let algorithm = algorithm.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?;
        let version = version.unwrap_or_default();
        let salt = Salt::new(salt)?;
        let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: None,
        };
        let argon2 = Argon2::new(algorithm, version, params);
        let mut memory = lock(&self.0);
        let blocks = argon2.params().block_count();
        if memory.len() < blocks {
            *memory = vec![Block::default(); blocks];
        }
        argon2.hash_password_into_with_memory(
            password,
            &salt,
            &mut output,
            &mut memory[..blocks],
        )?;
        Ok(PasswordHash {
            hash: Some(Output::new(&output)?),
            ..hash
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher;

    use super::*;

    fn new(password: &str) -> NewPassword {
        let ada = "ada@shop.example".parse().unwrap();
        NewPassword::new(password, Some(&ada), "Ada").unwrap()
    }

    #[tokio::test]
    async fn a_password_is_one_however_its_accents_are_written() {
        let hasher = Hasher::new(2).unwrap();
        let (composed, decomposed) = ("h\u{e9}lico\u{e8}dre", "he\u{301}licoe\u{300}dre");
        let as_typed = Argon2id::default().hash(decomposed).unwrap();
        for (stored, fits) in [
            (hasher.hash(new(composed)).await.unwrap(), [true, true]),
            (hasher.hash(new(decomposed)).await.unwrap(), [true, true]),
            // a hash of an earlier release
            (as_typed, [false, true]),
        ] {
            for (password, fits) in [composed, decomposed].into_iter().zip(fits) {
                let verified = hasher.verify(password.to_owned(), Some(stored.clone()));
                assert_eq!(verified.await.unwrap(), fits, "{password}");
            }
        }
    }

    #[tokio::test]
    async fn what_others_hashed_is_verified_and_the_other_way_round() {
        let hasher = Hasher::new(2).unwrap();
        let theirs = Argon2::default().hash_password(b"correct horse").unwrap();
        let theirs = theirs.to_string();
        for (password, fits) in [("correct horse", true), ("wrong horse", false)] {
            let verified = hasher.verify(password.to_owned(), Some(theirs.clone()));
            assert_eq!(verified.await.unwrap(), fits, "{password}");
        }
        let ours = hasher.hash(new("correct horse")).await.unwrap();
        assert!(
            ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{ours}"
        );
        let ours = PasswordHash::new(&ours).unwrap();
        let verify = |password: &[u8]| Argon2::default().verify_password(password, &ours);
        assert!(verify(b"correct horse").is_ok());
        assert!(verify(b"wrong horse").is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_is_used_again_and_no_salt_is() {
        let hasher = Hasher::new(2).unwrap();
        let hashing = (0..6).map(|_| hasher.hash(new("correct horse")));
        let hashes = futures::future::try_join_all(hashing).await.unwrap();
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), 6);
        assert!((1..=2).contains(&lock(&hasher.memory).len()));
    }
}
