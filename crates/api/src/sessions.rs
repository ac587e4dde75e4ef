//! Checks whether a session is live: at each request that changes something, and every two seconds
//! for open streams.
//!
//! One statement checks all open streams of this process, or all requests that wait for the check.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth::Claim;
use db::{Batch, Batcher, Lane};
use tokens::Identity;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use web::{Problem, SessionCheck, kinds};

/// How often the sessions of open streams are checked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Longest wait for the answer; after it, the next check uses another connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Checks sessions against the database and ends the streams of sessions that are over.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    lane: Lane,
    requests: Batcher<Requests>,
    shutdown: CancellationToken,
    open: Mutex<Open>,
}

/// Checks the sessions of requests.
struct Requests(Lane);

impl Batch for Requests {
    type Item = Claim;
    type Answer = sqlx::Result<bool>;

    async fn together(&self, claims: &[Claim]) -> Vec<Option<sqlx::Result<bool>>> {
        match hold(&self.0, claims).await {
            Ok(held) => held.into_iter().map(|held| Some(Ok(held))).collect(),
            Err(_) => claims.iter().map(|_| None).collect(),
        }
    }

    async fn alone(&self, claim: Claim) -> sqlx::Result<bool> {
        Ok(hold(&self.0, &[claim]).await?.contains(&true))
    }
}

async fn hold(lane: &Lane, claims: &[Claim]) -> sqlx::Result<Vec<bool>> {
    let mut conn = lane.acquire().await?;
    let held = auth::hold(&mut conn, claims).await?;
    conn.release();
    Ok(held)
}

#[derive(Default)]
struct Open {
    polling: bool,
    /// By claim: the number of streams that depend on it, and the token that ends them.
    claims: HashMap<Claim, (usize, CancellationToken)>,
}

impl Sessions {
    /// Checks sessions with connections of `lane`; checks for open streams stop at `shutdown`.
    pub fn new(lane: Lane, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            requests: Batcher::new(Requests(lane.clone())),
            lane,
            shutdown,
            open: Mutex::default(),
        }))
    }

    /// Refuses a user whose session is over, whose account is disabled, or who has lost a role that
    /// the token claims.
    ///
    /// # Errors
    /// `session-over`; 503 when the database does not answer.
    pub(crate) async fn check(&self, identity: &Identity) -> Result<(), Problem> {
        let Some(claim) = claim(identity) else {
            return Ok(());
        };
        let held = self.0.requests.run(claim).await;
        let held = held.map_err(|error| {
            tracing::warn!("The session of a request was not checked: {error}");
            Problem::new(kinds::UNAVAILABLE)
                .detail("Sessions cannot be checked right now. Try again.")
                .retry_after(1)
        })?;
        if held? {
            return Ok(());
        }
        Err(Problem::new(kinds::SESSION_OVER).detail("Log in again."))
    }

    /// Registers an open stream of this user. [`OpenStream::ended`] returns when the session is
    /// over; the caller holds the guard while the stream is open.
    pub(crate) fn opened(&self, identity: &Identity) -> OpenStream {
        let claim = claim(identity);
        let mut ended = CancellationToken::new();
        if let Some(claim) = &claim {
            let mut open = self.0.open();
            let (streams, token) = open.claims.entry(claim.clone()).or_default();
            *streams += 1;
            ended = token.clone();
            if !open.polling {
                open.polling = true;
                tokio::spawn(Arc::clone(&self.0).poll());
            }
        }
        OpenStream {
            shared: Arc::clone(&self.0),
            claim,
            ended,
        }
    }
}

impl web::Sessions for Sessions {
    fn check<'a>(&'a self, user: &'a Identity, _: &'a str) -> SessionCheck<'a> {
        Box::pin(Self::check(self, user))
    }
}

fn claim(identity: &Identity) -> Option<Claim> {
    Some(Claim {
        user_id: identity.user_id?,
        session_id: identity.session_id,
        roles: identity.roles.clone(),
    })
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks until no stream is open any more, or until shutdown.
    async fn poll(self: Arc<Self>) {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = interval.tick() => {}
            }
            let Some(claims) = self.claims() else { return };
            match db::within(ANSWER_TIMEOUT, hold(&self.lane, &claims)).await {
                Ok(held) => {
                    failing = false;
                    self.end(
                        claims
                            .iter()
                            .zip(held)
                            .filter_map(|(claim, held)| (!held).then_some(claim)),
                    );
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "The sessions of open streams cannot be checked: trying on");
                    }
                    failing = true;
                }
            }
        }
    }

    /// The sessions and accounts that open streams depend on; `None` when none is open.
    fn claims(&self) -> Option<Vec<Claim>> {
        let mut open = self.open();
        if open.claims.is_empty() {
            open.polling = false;
            return None;
        }
        Some(open.claims.keys().cloned().collect())
    }

    fn end<'a>(&self, over: impl Iterator<Item = &'a Claim>) {
        let open = self.open();
        for claim in over {
            if let Some((_, ended)) = open.claims.get(claim) {
                ended.cancel();
            }
        }
    }
}

/// One open stream of a user.
pub(crate) struct OpenStream {
    shared: Arc<Shared>,
    claim: Option<Claim>,
    ended: CancellationToken,
}

impl OpenStream {
    /// Returns when the session is over.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Some(claim) = &self.claim else { return };
        let mut open = self.shared.open();
        if let Some((streams, _)) = open.claims.get_mut(claim) {
            *streams -= 1;
            if *streams == 0 {
                open.claims.remove(claim);
            }
        }
    }
}
