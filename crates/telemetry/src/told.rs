//! Spans that are exported after the fact, complete: the caller knows their ids and times.

use std::{borrow::Cow, sync::OnceLock, time::SystemTime};

use kernel::TraceRef;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor},
};

use crate::{loss::Batches, trace::ids};

/// The pipeline for spans exported after the fact: they belong to one service (`saga`), whichever
/// process exports them.
static TELLERS: OnceLock<Batches> = OnceLock::new();

/// A complete span, to be exported after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The span's trace id and its own id.
    pub at: TraceRef,
    /// The parent's span id, 16 hex digits; `None` for a root span.
    pub parent: Option<String>,
    /// The span's name; names are few and fixed.
    pub name: Cow<'static, str>,
    /// When the span began.
    pub began: SystemTime,
    /// When the span ended.
    pub ended: SystemTime,
    /// Attributes to search by.
    pub attributes: Vec<(&'static str, String)>,
    /// The error, if the operation failed.
    pub error: Option<String>,
}

/// Whether spans can be exported after the fact.
pub fn listens() -> bool {
    TELLERS.get().is_some()
}

/// Exports a span. Equal spans give equal bytes in every process.
pub fn tell(told: Told) {
    let (Some(tellers), Some(span)) = (TELLERS.get(), data(told)) else {
        return;
    };
    tellers.on_end(span);
}

/// Exports several spans, and waits until they are sent.
///
/// # Errors
/// When no endpoint is configured, or the spans could not be sent.
pub fn tell_all(told: Vec<Told>) -> anyhow::Result<()> {
    let tellers = TELLERS
        .get()
        .ok_or_else(|| anyhow::anyhow!("OTEL_EXPORTER_OTLP_ENDPOINT is not set"))?;
    for span in told.into_iter().filter_map(data) {
        tellers.on_end(span);
    }
    tellers.force_flush()?;
    Ok(())
}

/// Installs the exporter for spans exported after the fact in this process.
pub(crate) fn listen(exporter: impl SpanExporter + 'static) {
    let mut batches = Batches::new(exporter, "saga");
    let resource = Resource::builder_empty().with_service_name("saga").build();
    batches.set_resource(&resource);
    // only the first pipeline of a process is used
    let _ = TELLERS.set(batches);
}

/// Sends the remaining spans.
pub(crate) fn shutdown() {
    if let Some(Err(error)) = TELLERS.get().map(SpanProcessor::shutdown) {
        tracing::warn!(%error, "The last spans of sagas could not be sent");
    }
}

fn data(told: Told) -> Option<SpanData> {
    let (trace_id, span_id) = ids(&told.at)?;
    let parent = told.parent.as_deref().map(SpanId::from_hex);
    let attributes = told.attributes.into_iter();
    Some(SpanData {
        span_context: SpanContext::new(
            trace_id,
            span_id,
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        ),
        parent_span_id: parent.and_then(Result::ok).unwrap_or(SpanId::INVALID),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: told.name,
        start_time: told.began,
        end_time: told.ended,
        attributes: attributes
            .map(|(name, value)| KeyValue::new(name, value))
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: told.error.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("saga").build(),
    })
}
