//! Accounts through their use cases, on a real PostgreSQL.
//!
//! Each test is named after the rule that it checks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod accounts;
mod credentials;
mod logging_in;
mod races;
mod refreshing;
mod registering;
mod roles;
