//! Clients, catalog, stock and orders: the shop's rules and their SQL. No HTTP, no broker, no engine.
//!
//! - [`order`]: pricing, placing, and the four moves of an order; each move takes a batch.
//! - [`product`]: the catalog, its search and its stock.
//! - [`idempotency`]: the same key makes the same order, once.
//! - [`client`]: a user as commerce knows them, created by a domain event.
//!
//! Everything here joins its caller's transaction. Stock is locked in product order, always.

pub mod client;
pub mod idempotency;
pub mod order;
pub mod page;
pub mod product;
