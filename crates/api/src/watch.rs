//! Watches orders for their clients: one query serves all watched orders of this process, however
//! many clients watch.
//!
//! Each API process queries for itself, so any number of processes works without `NOTIFY`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use commerce::order::{self, StatusChange};
use kernel::{OrderId, UserId};
use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// How often the database is queried while at least one client watches.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Longest wait for the answer; after it, the next query uses another connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of orders that one user may watch at once in this process.
const MAX_PER_USER: usize = 20;
/// Maximum duration of one watch; after it the client must reconnect with a valid token.
const MAX_DURATION: Duration = Duration::from_mins(10);

/// The orders that are watched in this process.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

struct Shared {
    pool: PgPool,
    shutdown: CancellationToken,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    polling: bool,
    /// By order, its changes so far.
    orders: HashMap<OrderId, watch::Sender<Vec<StatusChange>>>,
    of_user: HashMap<UserId, usize>,
}

/// The user already watches the maximum number of orders.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Watch {
    /// Starts with no watchers; `shutdown` ends all of them.
    pub fn new(pool: PgPool, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            pool,
            shutdown,
            watched: Mutex::default(),
        }))
    }

    /// The changes of an order after the change with the number `seen`.
    pub(crate) fn changes(
        &self,
        user: UserId,
        order: OrderId,
        seen: i16,
    ) -> Result<Changes, TooMany> {
        let mut watched = self.0.watched();
        let mine = watched.of_user.entry(user).or_default();
        if *mine >= MAX_PER_USER {
            return Err(TooMany);
        }
        *mine += 1;
        let sender = watched
            .orders
            .entry(order)
            .or_insert_with(|| watch::Sender::new(Vec::new()));
        let receiver = sender.subscribe();
        if !watched.polling {
            watched.polling = true;
            tokio::spawn(Arc::clone(&self.0).poll());
        }
        Ok(Changes {
            shared: Arc::clone(&self.0),
            user,
            receiver,
            seen,
            until: Instant::now() + MAX_DURATION,
        })
    }
}

impl Shared {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queries until no watcher is left, or until shutdown.
    async fn poll(self: Arc<Self>) {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => {
                    // a receiver whose sender was dropped returns an error, which ends its stream
                    self.watched().orders.clear();
                    return;
                }
                _ = interval.tick() => {}
            }
            let Some(seen) = self.seen() else { return };
            match db::within(ANSWER_TIMEOUT, self.changes_since(&seen)).await {
                Ok(changes) => {
                    failing = false;
                    self.notify(changes);
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "Orders cannot be watched: trying on");
                    }
                    failing = true;
                }
            }
        }
    }

    /// The watched orders, each with its last change; `None` when no order is watched.
    fn seen(&self) -> Option<Vec<(OrderId, i16)>> {
        let mut watched = self.watched();
        watched
            .orders
            .retain(|_, sender| sender.receiver_count() > 0);
        if watched.orders.is_empty() {
            watched.polling = false;
            return None;
        }
        let last = |sender: &watch::Sender<Vec<StatusChange>>| {
            sender.borrow().last().map_or(0, |change| change.seq)
        };
        let seen = watched.orders.iter();
        Some(seen.map(|(id, sender)| (*id, last(sender))).collect())
    }

    async fn changes_since(
        &self,
        seen: &[(OrderId, i16)],
    ) -> sqlx::Result<Vec<(OrderId, StatusChange)>> {
        order::changes_since(&mut *self.pool.acquire().await?, seen).await
    }

    fn notify(&self, changes: Vec<(OrderId, StatusChange)>) {
        let watched = self.watched();
        for (id, change) in changes {
            if let Some(sender) = watched.orders.get(&id) {
                sender.send_modify(|changes| changes.push(change));
            }
        }
    }
}

/// The changes of one order, for one watcher.
pub(crate) struct Changes {
    shared: Arc<Shared>,
    user: UserId,
    receiver: watch::Receiver<Vec<StatusChange>>,
    seen: i16,
    until: Instant,
}

impl Changes {
    /// The next change; `None` after the last one, after [`MAX_DURATION`], and on shutdown.
    pub(crate) async fn next(&mut self) -> Option<StatusChange> {
        loop {
            {
                let changes = self.receiver.borrow_and_update();
                if let Some(change) = changes.iter().find(|change| change.seq > self.seen) {
                    self.seen = change.seq;
                    return Some(change.clone());
                }
                if changes.last().is_some_and(StatusChange::is_final) {
                    return None;
                }
            }
            tokio::time::timeout_at(self.until, self.receiver.changed())
                .await
                .ok()?
                .ok()?;
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let mut watched = self.shared.watched();
        if let Some(mine) = watched.of_user.get_mut(&self.user) {
            *mine -= 1;
            if *mine == 0 {
                watched.of_user.remove(&self.user);
            }
        }
    }
}
