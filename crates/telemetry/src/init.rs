use std::io::IsTerminal;

use anyhow::Context;
use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, ParseError, filter_fn},
    layer::{Filter, SubscriberExt},
    registry::LookupSpan,
};

use crate::{logs::JsonLines, loss::Batches, span_export, trace::Ratio};

/// Settings of a process' logs and traces.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// OTLP endpoint over gRPC, such as `http://localhost:4317`; if it is missing or empty, no
    /// traces are exported.
    pub otlp_endpoint: Option<String>,
    /// Log JSON lines instead of lines for people.
    pub json: bool,
}

/// Keeps telemetry running; [`Guard::shutdown`], or dropping it, sends the remaining spans.
#[derive(Debug)]
#[must_use = "telemetry ends when this is dropped"]
pub struct Guard(Option<SdkTracerProvider>);

impl Guard {
    /// Sends the remaining spans, waiting for a few seconds at most.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        span_export::shutdown();
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "The last spans could not be sent");
        }
    }
}

/// Starts this process' logs (to stdout, filtered by `RUST_LOG`, default `info`), traces (all, or
/// the ratio in `OTEL_TRACES_SAMPLER_ARG`) and metrics. Call it once, inside the tokio runtime.
///
/// # Errors
/// When `RUST_LOG` or the endpoint is invalid, or telemetry was started before.
pub fn init(service: &'static str, config: &Config) -> anyhow::Result<Guard> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => {
            logged(&filter).context("RUST_LOG is not a filter such as `info,sqlx=warn`")?
        }
        Err(_) => logged("info")?,
    };
    let logs = if config.json {
        JsonLines::new(service, std::io::stdout).boxed()
    } else {
        tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stdout().is_terminal())
            .boxed()
    };
    let endpoint = config
        .otlp_endpoint
        .as_deref()
        .filter(|endpoint| !endpoint.is_empty());
    let provider = endpoint
        .map(|endpoint| provider(service, endpoint))
        .transpose()?;
    if let Some(endpoint) = endpoint {
        span_export::install(exporter(endpoint)?);
        Ratio::from_env()?.set();
    }
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("shop"))
            .with_filter(exported())
    });
    if let Some(provider) = &provider {
        global::set_tracer_provider(provider.clone());
    }
    let subscriber = tracing_subscriber::registry()
        .with(logs.with_filter(filter))
        .with(traces);
    // not `try_init`, which also installs a logger for the `log` crate: its checks whether an event
    // is enabled leave the filters in a state in which the next event can get lost
    tracing::subscriber::set_global_default(subscriber).context("telemetry was started before")?;
    crate::admin::install_recorder()?;
    crate::process::watch(service);
    Ok(Guard(provider))
}

/// The log filter. Exporters report failures through [`Batches`]; their library would log one line
/// a second while the collector is unreachable, so its lines are off unless `filter` enables them.
/// So are lapin's lines about returned messages, which contain the whole body. The filter applies
/// to events: the span fields in their log lines do not depend on it.
fn logged<S>(filter: &str) -> Result<impl Filter<S> + use<S>, ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO);
    Ok(
        format!("opentelemetry=off,lapin::returned_messages=off,{filter}")
            .parse::<EnvFilter>()?
            .or(spans.with_max_level_hint(LevelFilter::INFO)),
    )
}

/// Enables export of our own spans, independently of the log filter. Excludes spans of libraries,
/// and the spans that a saga's journal reconstructs (target `saga::attempt`), which exist for the
/// logs.
fn exported() -> EnvFilter {
    EnvFilter::new(
        "info,saga::attempt=off,h2=off,hyper=off,hyper_util=off,opentelemetry=off,tonic=off,tower=off,sqlx=off,lapin=off,reqwest=off",
    )
}

/// For programs that only export spans after the fact: no logs, no spans of their own.
///
/// # Errors
/// When the endpoint is invalid.
pub fn export_to(endpoint: &str) -> anyhow::Result<Guard> {
    span_export::install(exporter(endpoint)?);
    Ok(Guard(None))
}

fn exporter(endpoint: &str) -> anyhow::Result<SpanExporter> {
    SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT `{endpoint}` cannot be used"))
}

fn provider(service: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::new_v4().to_string(),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(Batches::new(exporter(endpoint)?, "service"))
        .with_sampler(Ratio::from_env()?)
        .with_resource(resource)
        .build())
}

#[cfg(test)]
mod tests {
    use tracing::{info, info_span, warn};

    use super::*;
    use crate::logs::testing::{Sink, with_subscriber};

    fn lines(filter: &str, body: impl FnOnce()) -> Vec<serde_json::Value> {
        let sink = Sink::default();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry()
            .with(JsonLines::new("test", sink.maker()).with_filter(logged(filter).unwrap()))
            .with(
                tracing_opentelemetry::layer()
                    .with_tracer(tracer)
                    .with_filter(exported()),
            );
        with_subscriber(subscriber, body);
        sink.lines()
    }

    #[test]
    fn an_event_knows_its_spans_however_little_is_logged() {
        let lines = lines("warn", || {
            let _span = info_span!("saga.step", saga.id = "s-1").entered();
            info!("too chatty");
            warn!("loud enough");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["message"], &lines[0]["saga.id"]),
            (&"loud enough".into(), &"s-1".into())
        );
    }

    #[test]
    fn asking_whether_something_would_be_logged_loses_nothing() {
        let lines = lines("info", || {
            for _ in 0..3 {
                let asked = tracing::enabled!(target: "sqlx::query", Level::DEBUG);
                info!(asked, "still here");
            }
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn a_returned_message_is_not_logged_whole() {
        for filter in ["info", "debug", "lapin=debug"] {
            let lines = lines(filter, || {
                warn!(target: "lapin::returned_messages", body = "an address", "Server returned us a message");
                warn!(target: "lapin::channel", "closed");
            });
            assert_eq!(lines.len(), 1, "{filter}: {lines:?}");
        }
    }
}
