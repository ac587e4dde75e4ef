//! Logs, traces and metrics; the only crate that names opentelemetry.
//!
//! - [`init`] at the start of a process, inside its tokio runtime; its [`Guard`] is shut down at
//!   the end.
//! - One trace id for a saga's whole life: [`tell`] exports spans whose ids and times somebody knows
//!   already, such as a saga's journal, under a service of their own (`saga`); [`continue_trace`]
//!   makes spans of this process, whatever process it is, their children, and [`link`] ties a span
//!   to what caused it without making it a child.
//! - What cannot be sent holds nobody up: `telemetry_spans_lost_total` counts it.
//! - Logs are lines for people or JSON, one object a line, with the fields of the surrounding
//!   spans (`saga.id`, `order.id`, …) and their `trace_id` at the top level.
//! - [`admin`] serves `/livez`, `/readyz` and `/metrics` on a port of their own.
//! - [`http`] gives every request a span and a duration.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let config = telemetry::Config { otlp_endpoint: Some("http://localhost:4317".into()), json: true };
//! let telemetry = telemetry::init("payments", &config)?;
//! tracing::info!("Ready");
//! telemetry.shutdown();
//! # Ok(())
//! # }
//! ```

pub mod admin;
mod described;
pub mod http;
mod init;
mod logs;
mod loss;
mod process;
mod told;
mod trace;

pub use init::{Config, Guard, init, tell_to};
pub use told::{Told, listens, tell, tell_all};
pub use trace::{continue_trace, current, exports, link, samples};

/// For errors that are dropped on purpose.
pub trait WarnOnFail<T> {
    /// Logs the error with what was being done, and goes on.
    fn warn_on_fail(self, doing: &str) -> Option<T>;
}

impl<T, E: std::fmt::Display> WarnOnFail<T> for Result<T, E> {
    fn warn_on_fail(self, doing: &str) -> Option<T> {
        self.map_err(|error| tracing::warn!(%error, "{doing} failed"))
            .ok()
    }
}

/// An error with all its causes, on one line: for the one place that logs it.
///
/// A cause that its effect already tells is not told again.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told
}
