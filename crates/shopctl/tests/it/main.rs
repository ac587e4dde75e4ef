//! Tests of shopctl as a process, against a database of its own. The tests that need a whole system
//! are in `crates/e2e`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod doctor;
mod ids;
mod locks;
mod outage;
mod payments;
mod pipes;
mod place;
mod recipes;
