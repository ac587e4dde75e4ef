//! Logs, traces and metrics; the only crate that names opentelemetry.
//!
//! - [`init`] at the start of a process, its [`Guard`] shut down at the end.
//! - One trace id for a saga's whole life: [`root_span`] exports the zero-length root at once,
//!   [`continue_trace`] makes later spans, in whatever process, its children.
//! - [`admin`] serves `/livez`, `/readyz` and `/metrics` on a port of their own.
//! - [`http`] gives every request a span and a duration.

pub mod admin;
pub mod http;
mod init;
mod trace;

pub use init::{Config, Guard, init};
pub use trace::{continue_trace, current, link, root_span};

/// For errors that are dropped on purpose.
pub trait WarnOnFail<T> {
    /// Logs the error with what was being done, and goes on.
    fn warn_on_fail(self, doing: &str) -> Option<T>;
}

impl<T, E: std::fmt::Display> WarnOnFail<T> for Result<T, E> {
    fn warn_on_fail(self, doing: &str) -> Option<T> {
        self.map_err(|error| tracing::warn!(%error, "{doing} failed")).ok()
    }
}
