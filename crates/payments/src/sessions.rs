//! Asks the shop whether a user's session is live, before the user pays or cancels.

use std::time::{Duration, Instant};

use anyhow::Context;
use axum::http::{StatusCode, Uri};
use tokens::Identity;
use web::{Problem, SessionCheck, Sessions, kinds};

/// Longest wait for the shop's answer: waiting for a busy shop is better for the user than
/// retrying.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A client for the shop's api, which knows the sessions.
#[derive(Debug, Clone)]
pub struct ShopSessions {
    url: String,
    client: reqwest::Client,
}

impl ShopSessions {
    /// Creates a client for the api that publishes the key set at `jwks_url`.
    ///
    /// # Errors
    /// When `jwks_url` is no URL, or no HTTP client can be built.
    pub fn beside(jwks_url: &str) -> anyhow::Result<Self> {
        let uri: Uri = jwks_url.parse()?;
        let scheme = uri.scheme_str().context("it has no scheme")?;
        let authority = uri.authority().context("it has no host")?;
        Ok(Self {
            url: format!("{scheme}://{authority}/api/session"),
            client: reqwest::Client::builder().build()?,
        })
    }

    /// The status of the shop's answer. The request changes nothing, so it is retried when the
    /// connection breaks or a server on the way fails, for example while the api restarts.
    async fn status(&self, token: &str) -> reqwest::Result<StatusCode> {
        let until = Instant::now() + TIMEOUT;
        loop {
            let ask = self.client.get(&self.url).bearer_auth(token);
            let left = until.saturating_duration_since(Instant::now());
            let asked = ask.timeout(left.max(PAUSE)).send().await;
            let status = asked.map(|answer| answer.status());
            let may_pass = match &status {
                Ok(status) => status.is_server_error(),
                Err(error) => !error.is_timeout(),
            };
            if !may_pass || Instant::now() + PAUSE > until {
                return status;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask(&self, token: &str) -> Result<(), Problem> {
        match self.status(token).await {
            Ok(StatusCode::NO_CONTENT) => Ok(()),
            Ok(StatusCode::UNAUTHORIZED) => {
                Err(Problem::new(kinds::SESSION_OVER).detail("Log in again."))
            }
            Ok(StatusCode::NOT_FOUND) => {
                tracing::warn!(
                    "{} is not there: an api of the release before cannot tell whose session is over",
                    self.url
                );
                Ok(())
            }
            Ok(status) => Err(unknown(&format!("the shop answered {status}"))),
            Err(error) => {
                let error = anyhow::Error::from(error.without_url());
                Err(unknown(&format!("{error:#}")))
            }
        }
    }
}

fn unknown(why: &str) -> Problem {
    tracing::warn!("A user's session cannot be checked: {why}");
    Problem::new(kinds::UNAVAILABLE).detail("Your session cannot be checked right now. Try again.")
}

impl Sessions for ShopSessions {
    fn check<'a>(&'a self, _: &'a Identity, token: &'a str) -> SessionCheck<'a> {
        Box::pin(self.ask(token))
    }
}
