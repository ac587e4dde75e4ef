//! The keys that verify payments' events.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contracts::payments::JWKS;
use reqwest::Client;
use tokens::{DetachedKeys, SignatureError};

/// The shortest time between two fetches, however many signatures name an unknown key. Meanwhile
/// payments is asked about such events, so that a key rotation loses none.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest key set that is read, in bytes.
const MAX_SET: usize = 64 * 1024;

/// Verifies signatures of payments with the keys that it publishes; fetches them on demand.
#[derive(Debug)]
pub struct EventKeys {
    url: String,
    http: Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: DetachedKeys,
    asked: Option<Instant>,
}

impl EventKeys {
    /// Creates a verifier for the payments service at `base_url`; fetches no keys yet.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(base_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self {
            url: format!("{}{JWKS}", base_url.trim_end_matches('/')),
            http: Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            state: Mutex::default(),
        })
    }

    /// Verifies that payments signed exactly these bytes. An unknown key triggers a fetch, at most
    /// every ten seconds.
    ///
    /// # Errors
    /// [`SignatureError`]: the signature proves nothing.
    pub async fn verify(&self, signature: &str, body: &[u8]) -> Result<(), SignatureError> {
        match self.known(signature, body) {
            Err(SignatureError::UnknownKey) if self.may_ask() => {}
            checked => return checked,
        }
        if let Err(why) = self.renew().await {
            tracing::warn!(
                "The keys of payments' events cannot be had from {} ({why}): payments is asked about each event",
                self.url
            );
        }
        self.known(signature, body)
    }

    /// Replaces the known keys with those that payments publishes now.
    ///
    /// # Errors
    /// The reason, when the keys cannot be fetched; the known keys stay in use.
    pub async fn renew(&self) -> Result<(), String> {
        let keys = self.fetch().await?;
        self.state().keys = keys;
        Ok(())
    }

    fn known(&self, signature: &str, body: &[u8]) -> Result<(), SignatureError> {
        self.state().keys.verify(signature, body)
    }

    fn may_ask(&self) -> bool {
        let mut state = self.state();
        let may = state.asked.is_none_or(|asked| asked.elapsed() > PAUSE);
        if may {
            state.asked = Some(Instant::now());
        }
        may
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<DetachedKeys, String> {
        let said = |error: reqwest::Error| error.without_url().to_string();
        let answer = self.http.get(&self.url).send().await.map_err(said)?;
        // payments signs nothing
        if matches!(answer.status().as_u16(), 404 | 405 | 501) {
            return Ok(DetachedKeys::default());
        }
        let mut answer = answer.error_for_status().map_err(said)?;
        let mut set = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(said)? {
            set.extend_from_slice(&part);
            if set.len() > MAX_SET {
                return Err(format!("the answer is longer than {MAX_SET} bytes"));
            }
        }
        let keys = std::str::from_utf8(&set)
            .ok()
            .and_then(DetachedKeys::from_jwks);
        keys.ok_or_else(|| "the answer is no key set".to_owned())
    }
}
