//! Tests of shopctl as a process, against a database of its own. The tests that need a whole system
//! are in `crates/e2e`.

mod doctor;
mod outage;
mod place;
