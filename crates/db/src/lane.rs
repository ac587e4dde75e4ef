//! Connections that a hot path uses again without a check.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection};

use crate::session;

/// A connection that was idle for longer goes back to its pool: its server may be gone. Under load,
/// the next user comes within milliseconds.
const MAX_IDLE: Duration = Duration::from_millis(100);
/// A connection that a lane has kept for longer goes back to its pool, which limits its lifetime.
const LIFETIME: Duration = Duration::from_mins(10);

/// A few connections of a pool that go from one user to the next.
///
/// A pool checks each connection that is given back, because its last statement may have been
/// abandoned: two round trips. A lane takes a connection back only from a caller that says that all
/// its statements have ended ([`LaneConnection::release`]); any other connection goes back to the
/// pool.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    /// The most idle connections that are kept.
    capacity: usize,
    idle: Mutex<Vec<IdleConnection>>,
}

#[derive(Debug)]
struct IdleConnection {
    conn: PoolConnection<Postgres>,
    /// When the lane took it from the pool.
    taken_at: Instant,
    idle_since: Instant,
}

impl Lane {
    /// A lane that keeps at most a quarter of the pool's connections.
    pub fn new(pool: PgPool) -> Self {
        let most = pool.options().get_max_connections() / 4;
        Self(Arc::new(Shared {
            pool,
            capacity: usize::try_from(most).unwrap_or_default(),
            idle: Mutex::default(),
        }))
    }

    /// The pool whose connections these are.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Takes the connection that was used last, or one from the pool.
    ///
    /// # Errors
    /// When the pool has none in time, or the database cannot be reached.
    pub async fn acquire(&self) -> sqlx::Result<LaneConnection> {
        let idle = self.idle().pop();
        let is_fresh = |idle: &IdleConnection| idle.idle_since.elapsed() < MAX_IDLE;
        let (conn, taken_at) = match idle.filter(is_fresh) {
            Some(idle) => (idle.conn, idle.taken_at),
            None => (self.0.pool.acquire().await?, Instant::now()),
        };
        Ok(LaneConnection {
            conn: Some(conn),
            taken_at,
            is_beginning: false,
            lane: self.clone(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether others may be waiting for a connection of the pool.
    fn is_scarce(&self) -> bool {
        let pool = &self.0.pool;
        pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
    }
}

/// A connection of a [`Lane`].
#[derive(Debug)]
pub struct LaneConnection {
    conn: Option<PoolConnection<Postgres>>,
    taken_at: Instant,
    /// `begin` was sent and not answered: whether a transaction is open is unknown.
    is_beginning: bool,
    lane: Lane,
}

impl LaneConnection {
    /// Begins a transaction, safely for callers that may be canceled: a connection on which `begin`
    /// has not ended is closed, and not given to others with a transaction that no code knows of.
    ///
    /// # Errors
    /// When the database cannot be reached or does not begin a transaction.
    pub async fn begin(&mut self) -> sqlx::Result<Transaction<'_, Postgres>> {
        self.is_beginning = true;
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection whose `begin` did not end is closed"
        )]
        let begun = self.conn.as_mut().expect(TAKEN).begin().await?;
        self.is_beginning = false;
        Ok(begun)
    }

    /// Gives the connection to the next user of the lane. Call this after all statements, and
    /// the transaction, have ended without an error.
    pub fn release(mut self) {
        let may_keep = !self.is_beginning
            && !self.lane.is_scarce()
            && !session::is_suspicious()
            && self.taken_at.elapsed() < LIFETIME;
        let mut idle = self.lane.idle();
        if may_keep && idle.len() < self.lane.0.capacity {
            idle.extend(self.conn.take().map(|conn| IdleConnection {
                conn,
                taken_at: self.taken_at,
                idle_since: Instant::now(),
            }));
        }
    }
}

impl Drop for LaneConnection {
    fn drop(&mut self) {
        let Some(conn) = &mut self.conn else { return };
        if self.is_beginning {
            conn.close_on_drop();
        }
        // what failed here may have ended the others, too: the pool checks them
        let others = std::mem::take(&mut *self.lane.idle());
        drop(others);
    }
}

const TAKEN: &str = "a connection is there until it is released or dropped";

impl Deref for LaneConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.conn.as_ref().expect(TAKEN)
    }
}

impl DerefMut for LaneConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.conn.as_mut().expect(TAKEN)
    }
}
