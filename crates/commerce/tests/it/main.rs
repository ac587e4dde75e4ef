//! Clients, catalog, stock and orders, on a real PostgreSQL.
//!
//! Each test is named after the rule that it checks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod catalog;
mod clients;
mod constraints;
mod idempotency;
mod moves;
mod pages;
mod pricing;
mod release_before;
mod search;
mod seed;
mod shop;
mod stock;
