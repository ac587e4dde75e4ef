//! The published keys, fetched when they are needed.

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

/// A key set is fetched anew in the background when it is used and this old: a key that is no longer
/// published is forgotten, and the next one is known before it signs.
const REFRESH: Duration = Duration::from_mins(1);
/// Fetches for unknown keys: so many at once, then one in each `PAUSE`.
const BURST: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest key id that is looked for.
const MAX_KID: usize = 128;
/// Most keys of a set; the rest is left out.
const MAX_KEYS: usize = 32;

/// A key and whose tokens it may sign.
#[derive(Clone)]
pub(crate) struct KnownKey {
    pub(crate) key: DecodingKey,
    pub(crate) signs: Signs,
}

pub(crate) type Keys = HashMap<String, KnownKey>;

/// Why a key is not there.
pub(crate) enum Missing {
    /// It is not published.
    Unknown,
    /// The keys cannot be fetched.
    Unavailable(String),
}

/// The known keys, and where others come from.
pub(crate) struct KeySource {
    known: RwLock<Keys>,
    remote: Option<Remote>,
}

struct Remote {
    url: String,
    client: reqwest::Client,
    /// Lets one fetch at a time, while known keys go on being used.
    fetched: Mutex<Fetched>,
    /// When the known keys were last confirmed, or are being.
    confirmed: std::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Fetched {
    /// When the last fetch began, and what came of it.
    last: Option<(Instant, Result<(), String>)>,
    /// When the budget of fetches is whole again.
    budget_at: Option<Instant>,
}

impl Fetched {
    /// When the next fetch may begin; counts it.
    fn next_begin(&mut self, now: Instant) -> Instant {
        let whole = self.budget_at.map_or(now, |at| at.max(now));
        self.budget_at = Some(whole + PAUSE);
        let spent = PAUSE * (BURST - 1);
        whole.checked_sub(spent).map_or(now, |at| at.max(now))
    }
}

impl KeySource {
    /// These keys and no others.
    pub(crate) fn fixed(keys: Keys) -> Self {
        Self {
            known: RwLock::new(keys),
            remote: None,
        }
    }

    /// The keys published at `url`.
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

    /// The key with this id. For an unknown one the keys are fetched, by a fetch that begins after the
    /// question: so no answer is older than the token, and no unknown key delays the look-up of a
    /// known one. How often is bounded.
    pub(crate) async fn get(self: &Arc<Self>, kid: &str) -> Result<KnownKey, Missing> {
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
            // the next caller does not ask, too; after a failure, a minute later
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

    fn known(&self, kid: &str) -> Option<KnownKey> {
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

/// The keys of a set that we can use; others are left out.
pub(crate) fn parse(jwks: &str) -> Option<Keys> {
    let set: Published = serde_json::from_str(jwks).ok()?;
    let keys = set.keys.into_iter().filter_map(|key| {
        let signs = signs(key.get("signs"))?;
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some((jwk.common.key_id?, KnownKey { key, signs }))
    });
    Some(keys.take(MAX_KEYS).collect())
}

/// A set of the release before says nothing: its one key signs everything.
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
