//! The keys that verify payments' events.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contracts::payments::{INSTANCE, JWKS};
use futures::future::BoxFuture;
use reqwest::Client;
use serde_json::Value;
use tokens::{DetachedKeys, SignatureError};
use workflows::payments::{NoAnswer, PaymentsInstance};

use crate::no_answer;

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
    instance: Option<String>,
    asked: Option<Instant>,
}

/// The keys and the database's name, as payments publishes them.
#[derive(Debug, Default)]
struct Published {
    keys: DetachedKeys,
    /// The name of its database.
    instance: Option<String>,
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
        let published = self.fetch().await.map_err(|error| error.to_string())?;
        let mut state = self.state();
        (state.keys, state.instance) = (published.keys, published.instance);
        Ok(())
    }

    /// The name of payments' database, as of the last fetch.
    pub fn known_instance(&self) -> Option<String> {
        self.state().instance.clone()
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

    async fn fetch(&self) -> Result<Published, NoAnswer> {
        let unknown = |why: String| NoAnswer::Unknown(why);
        let answer = self.http.get(&self.url).send().await.map_err(no_answer)?;
        // payments signs nothing
        if matches!(answer.status().as_u16(), 404 | 405 | 501) {
            return Ok(Published::default());
        }
        let mut answer = answer.error_for_status().map_err(no_answer)?;
        let mut set = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(no_answer)? {
            set.extend_from_slice(&part);
            if set.len() > MAX_SET {
                return Err(unknown(format!(
                    "the answer is longer than {MAX_SET} bytes"
                )));
            }
        }
        let text = std::str::from_utf8(&set).ok();
        let keys = text.and_then(DetachedKeys::from_jwks);
        let members = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let instance = members.and_then(|set| Some(set.get(INSTANCE)?.as_str()?.to_owned()));
        keys.map(|keys| Published { keys, instance })
            .ok_or_else(|| unknown("the answer is no key set".to_owned()))
    }
}

impl PaymentsInstance for EventKeys {
    fn instance(&self) -> BoxFuture<'_, Result<Option<String>, NoAnswer>> {
        Box::pin(async { Ok(self.fetch().await?.instance) })
    }
}
