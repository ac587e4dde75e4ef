use anyhow::Context;
use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{logs::JsonLines, trace::ReservedIds};

/// What a process logs and where its traces go.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// OTLP over gRPC, such as `http://localhost:4317`; without it (or empty) no trace is exported.
    pub otlp_endpoint: Option<String>,
    /// JSON lines rather than lines for people.
    pub json: bool,
}

/// Keeps telemetry going; [`Guard::shutdown`], or dropping it, sends what is left.
#[derive(Debug)]
#[must_use = "telemetry ends when this is dropped"]
pub struct Guard(Option<SdkTracerProvider>);

impl Guard {
    /// Sends what is left, waiting for it for a few seconds at most.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "The last spans could not be sent");
        }
    }
}

/// Starts logs (to stdout, filtered by `RUST_LOG`, `info` by default), traces and metrics of this
/// process. To be called once, inside the tokio runtime.
///
/// # Errors
/// When `RUST_LOG` or the endpoint makes no sense, or telemetry was started before.
pub fn init(service: &'static str, config: &Config) -> anyhow::Result<Guard> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => filter
            .parse::<EnvFilter>()
            .context("RUST_LOG is not a filter such as `info,sqlx=warn`")?,
        Err(_) => EnvFilter::new("info"),
    };
    // the filter is for events: what they say of the spans around them must not depend on it
    let filter = filter.or(filter_fn(|metadata| {
        metadata.is_span() && *metadata.level() <= Level::INFO
    }));
    let logs = if config.json {
        JsonLines::new(service, std::io::stdout).boxed()
    } else {
        tracing_subscriber::fmt::layer().boxed()
    };
    let endpoint = config
        .otlp_endpoint
        .as_deref()
        .filter(|endpoint| !endpoint.is_empty());
    let provider = endpoint
        .map(|endpoint| provider(service, endpoint))
        .transpose()?;
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("shop"))
            .with_filter(exported())
    });
    if let Some(provider) = &provider {
        global::set_tracer_provider(provider.clone());
    }
    tracing_subscriber::registry()
        .with(logs.with_filter(filter))
        .with(traces)
        .try_init()?;
    crate::admin::install_recorder()?;
    Ok(Guard(provider))
}

/// Our own spans, whatever is logged; not those of libraries.
fn exported() -> EnvFilter {
    EnvFilter::new(
        "info,h2=off,hyper=off,hyper_util=off,opentelemetry=off,tonic=off,tower=off,sqlx=off,lapin=off,reqwest=off",
    )
}

fn provider(service: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT `{endpoint}` cannot be used"))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::new_v4().to_string(),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_id_generator(ReservedIds::default())
        .with_resource(resource)
        .build())
}
