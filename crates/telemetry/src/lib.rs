//! Logs, traces and metrics; the only crate that names opentelemetry.
//!
//! - Call [`init`] at the start of a process, inside its tokio runtime; shut its [`Guard`] down at
//!   the end.
//! - A saga has one trace id for its whole life: [`span_export`] exports spans whose ids and times
//!   are already known, such as those of a saga's journal, under a service of their own (`saga`);
//!   [`continue_trace`] makes a span of any process their child, and [`link`] links a span to its
//!   cause without making it a child.
//! - Spans that cannot be sent block no caller: `telemetry_spans_lost_total` counts them.
//! - Logs are lines for people or JSON, one object per line, with the fields of the surrounding
//!   spans (`saga.id`, `order.id`, …) and their `trace_id` at the top level.
//! - [`admin`] serves `/livez`, `/readyz` and `/metrics` on a port of their own.
//! - [`http`] records a span and a duration for every request.
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
pub mod span_export;
mod trace;

pub use init::{Config, Guard, export_to, init};
pub use trace::{continue_trace, current, exports, link, samples};

/// For errors that are dropped on purpose.
pub trait WarnOnFail<T> {
    /// Logs the error with the operation that failed, and continues.
    fn warn_on_fail(self, doing: &str) -> Option<T>;
}

impl<T, E: std::fmt::Display> WarnOnFail<T> for Result<T, E> {
    fn warn_on_fail(self, doing: &str) -> Option<T> {
        self.map_err(|error| tracing::warn!(%error, "{doing} failed"))
            .ok()
    }
}

/// Formats an error with all its causes on one line, for the one place that logs it.
///
/// A cause that the error above it already ends with is not repeated.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}
