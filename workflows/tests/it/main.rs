//! Checkout on the engine, with a real database and a payments double that fails on demand.
//!
//! Each test is named after its rule.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod budget;
mod canceling;
mod create;
mod doctor_through_api;
mod fencing;
mod four;
mod four_checkout;
mod four_plans;
mod holding;
mod journal;
mod level1;
mod long_life;
mod outcomes;
mod shop;
mod signals;
mod zones;
