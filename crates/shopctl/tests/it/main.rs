//! Tests of shopctl as a process, against a database of its own. The tests that need a whole system
//! are in `crates/e2e`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod doctor;
mod ids;
mod locks;
mod outage;
mod payments;
mod pipes;
mod place;
mod recipes;
