//! The published keys, fetched on demand.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{DecodingKey, jwk::Jwk};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    sign::{SIGNS_SERVICES, SIGNS_USERS},
    verify::Signs,
};

/// A key set of this age is fetched again in the background when it is used: keys that are no
/// longer published are forgotten, and the next key is known before it signs.
const REFRESH: Duration = Duration::from_mins(1);
/// Limits fetches for unknown keys: this many at once, then one per `PAUSE`.
const BURST: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest key id that is looked up.
const MAX_KID: usize = 128;
/// The most keys of a set; further keys are ignored.
const MAX_KEYS: usize = 32;

/// A key, and the kind of tokens that it may sign.
pub(crate) struct KnownKey {
    pub(crate) key: DecodingKey,
    pub(crate) signs: Signs,
}

pub(crate) type Keys = HashMap<String, Arc<KnownKey>>;

/// Why a key is missing.
pub(crate) enum Missing {
    /// The key is not published.
    Unknown,
    /// The keys could not be fetched.
    Unavailable(String),
}

/// The known keys, and the source of further ones.
pub(crate) struct KeySource {
    known: RwLock<Keys>,
    remote: Option<Remote>,
}

struct Remote {
    url: String,
    client: reqwest::Client,
    /// Allows one fetch at a time; known keys stay in use meanwhile.
    fetched: Mutex<Fetched>,
    /// When the known keys were last confirmed, or when their confirmation began.
    confirmed: std::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Fetched {
    /// When the last fetch began, and its result.
    last: Option<(Instant, Result<(), String>)>,
    /// When the budget of fetches is full again.
    budget_at: Option<Instant>,
}

impl Fetched {
    /// Returns when the next fetch may begin, and counts it.
    fn next_begin(&mut self, now: Instant) -> Instant {
        let whole = self.budget_at.map_or(now, |at| at.max(now));
        self.budget_at = Some(whole + PAUSE);
        let spent = PAUSE * (BURST - 1);
        whole.checked_sub(spent).map_or(now, |at| at.max(now))
    }
}

impl KeySource {
    /// Uses only these keys.
    pub(crate) fn fixed(keys: Keys) -> Self {
        Self {
            known: RwLock::new(keys),
            remote: None,
        }
    }

    /// Uses the keys published at `url`.
    pub(crate) fn remote(url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
        Ok(Self {
            known: RwLock::default(),
            remote: Some(Remote {
                url: url.to_owned(),
                client,
                fetched: Mutex::default(),
                confirmed: std::sync::Mutex::default(),
            }),
        })
    }

    /// Finds the key with this id. An unknown key triggers a fetch that begins after the call, so
    /// that no result is older than the token; lookups of known keys do not wait for it. The rate
    /// of fetches is limited.
    pub(crate) async fn get(self: &Arc<Self>, kid: &str) -> Result<Arc<KnownKey>, Missing> {
        if let Some(key) = self.known(kid) {
            self.refresh_in_background();
            return Ok(key);
        }
        let remote = self.remote.as_ref().ok_or(Missing::Unknown)?;
        if kid.is_empty() || kid.len() > MAX_KID {
            return Err(Missing::Unknown);
        }
        let came = Instant::now();
        let mut fetched = remote.fetched.lock().await;
        let lately = fetched.last.clone().filter(|(began, _)| *began >= came);
        let result = match lately {
            Some((_, result)) => result,
            None => self.fetch(remote, &mut fetched).await,
        };
        drop(fetched);
        match (self.known(kid), result) {
            (Some(key), _) => Ok(key),
            (None, Ok(())) => Err(Missing::Unknown),
            (None, Err(why)) => Err(Missing::Unavailable(why)),
        }
    }

    async fn fetch(&self, remote: &Remote, fetched: &mut Fetched) -> Result<(), String> {
        let begin = fetched.next_begin(Instant::now());
        tokio::time::sleep_until(begin.into()).await;
        let began = Instant::now();
        let result = remote.fetch().await.map(|keys| {
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
            *remote.confirmed() = Some(Instant::now());
        });
        fetched.last = Some((began, result.clone()));
        result
    }

    fn refresh_in_background(self: &Arc<Self>) {
        let Some(remote) = &self.remote else { return };
        {
            let mut confirmed = remote.confirmed();
            if confirmed.is_some_and(|at| at.elapsed() < REFRESH) {
                return;
            }
            // set before the fetch, so that concurrent callers do not fetch, too; after a failure,
            // the next try follows a minute later
            *confirmed = Some(Instant::now());
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let Some(remote) = &this.remote else { return };
            let mut fetched = remote.fetched.lock().await;
            if let Err(why) = this.fetch(remote, &mut fetched).await {
                tracing::warn!(
                    "The keys of tokens could not be fetched anew; the known ones stay in use: {why}"
                );
            }
        });
    }

    fn known(&self, kid: &str) -> Option<Arc<KnownKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(kid).cloned()
    }

    #[cfg(test)]
    pub(crate) fn age(&self) {
        let long_ago = Instant::now().checked_sub(REFRESH * 2);
        *self.remote.as_ref().unwrap().confirmed() = long_ago;
    }
}

impl Remote {
    async fn fetch(&self) -> Result<Keys, String> {
        let said = |error: reqwest::Error| error.without_url().to_string();
        let response = self
            .client
            .get(&self.url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let body = response.map_err(said)?.text().await.map_err(said)?;
        parse(&body)
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| "the answer is no key set".to_owned())
    }

    fn confirmed(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// Reads the usable keys of a set; other keys are ignored.
pub(crate) fn parse(jwks: &str) -> Option<Keys> {
    let set: Published = serde_json::from_str(jwks).ok()?;
    let keys = set.keys.into_iter().filter_map(|key| {
        let signs = signs(key.get("signs"))?;
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some((jwk.common.key_id?, Arc::new(KnownKey { key, signs })))
    });
    Some(keys.take(MAX_KEYS).collect())
}

/// A key set of the previous release has no `signs` member: its one key signs everything.
fn signs(member: Option<&Value>) -> Option<Signs> {
    let Some(member) = member else {
        return Some(Signs::Both);
    };
    let kinds = member.as_array()?;
    let has = |kind: &str| kinds.iter().any(|known| known == kind);
    match (has(SIGNS_USERS), has(SIGNS_SERVICES)) {
        (true, true) => Some(Signs::Both),
        (true, false) => Some(Signs::Users),
        (false, true) => Some(Signs::Services),
        (false, false) => None,
    }
}
