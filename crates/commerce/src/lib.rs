//! Clients, catalog, stock and orders: the shop's rules and their SQL. No HTTP, no broker, no saga
//! engine.
//!
//! - [`order`]: pricing, placing, and the four transitions of an order; each works on a batch.
//! - [`product`]: the catalog, its search and its stock.
//! - [`idempotency`]: repeating a request returns the order that the first one created.
//! - [`client`]: commerce's own record of a user, created by a domain event.
//!
//! Everything here runs in the caller's transaction. Stock is always locked in product order.

pub mod client;
pub mod idempotency;
pub mod order;
pub mod page;
pub mod product;
