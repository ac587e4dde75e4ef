//! PostgreSQL: the pool, the migrations of both databases, classification of errors, transactions
//! shared by many callers, and the synchronous domain-event bus.
//!
//! A function that joins its caller's transaction takes `&mut PgConnection` first; the use case
//! opens the transaction and commits it.

mod batcher;
mod begin;
mod bus;
mod error;
mod lane;
mod lock;
mod migrate;
mod pool;
mod session;

pub use batcher::{Batch, BatchError, Batcher};
pub use begin::{begin, rollback};
pub use bus::{Bus, Listener};
pub use error::{constraint, is_retryable, is_unreachable};
pub use lane::{Lane, LaneConnection};
pub use lock::{is_locked, open_transactions, set_lock_timeout};
pub use migrate::{MIGRATION_LOCK_TIMEOUT, migrate, retry_locked};
pub use pool::{PoolConfig, connect, gauge, missing, wait_until_it_answers, wait_until_ready};
pub use session::within;

/// Migrations of the shop's database.
pub static SHOP: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/shop");

/// Migrations of payments' database.
pub static PAYMENTS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/payments");
