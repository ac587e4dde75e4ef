//! The API over real HTTP, on a real PostgreSQL; payments is a fake at the network's edge.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod accounts;
mod bad_baskets;
mod bad_requests;
mod catalog;
mod config;
mod documents;
mod orders;
mod registering;
mod shop;
mod strangers;
