//! Tests of the shop's API over HTTP, on a real PostgreSQL and with a fake payments service that
//! misbehaves on demand.
//!
//! Each test is named after the rule that it verifies.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod accounts;
mod auditing;
mod bad_input;
mod callers;
mod canceling;
mod configuration;
mod credentials;
mod documents;
mod edge;
mod failing;
mod locked;
mod nginx;
mod operating;
mod ordering;
mod outages;
mod people;
mod products;
mod reading;
mod refusal;
mod registering;
mod revoking;
mod sessions;
mod storefront;
mod support;
mod throttling;
mod watching;
