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
static PROCESSOR: OnceLock<Batches> = OnceLock::new();

/// A complete span, to be exported after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRecord {
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
pub fn is_enabled() -> bool {
    PROCESSOR.get().is_some()
}

/// Exports a span. Equal spans give equal bytes in every process.
pub fn export(record: SpanRecord) {
    let (Some(processor), Some(span)) = (PROCESSOR.get(), data(record)) else {
        return;
    };
    processor.on_end(span);
}

/// Exports several spans, and waits until they are sent.
///
/// # Errors
/// When no endpoint is configured, or the spans could not be sent.
pub fn export_all(records: Vec<SpanRecord>) -> anyhow::Result<()> {
    let processor = PROCESSOR
        .get()
        .ok_or_else(|| anyhow::anyhow!("OTEL_EXPORTER_OTLP_ENDPOINT is not set"))?;
    for span in records.into_iter().filter_map(data) {
        processor.on_end(span);
    }
    processor.force_flush()?;
    Ok(())
}

/// Installs the exporter for spans exported after the fact in this process.
pub(crate) fn install(exporter: impl SpanExporter + 'static) {
    let mut batches = Batches::new(exporter, "saga");
    let resource = Resource::builder_empty().with_service_name("saga").build();
    batches.set_resource(&resource);
    // only the first pipeline of a process is used
    let _ = PROCESSOR.set(batches);
}

/// Sends the remaining spans.
pub(crate) fn shutdown() {
    if let Some(Err(error)) = PROCESSOR.get().map(SpanProcessor::shutdown) {
        tracing::warn!(%error, "The last spans of sagas could not be sent");
    }
}

fn data(record: SpanRecord) -> Option<SpanData> {
    let (trace_id, span_id) = ids(&record.at)?;
    let parent = record.parent.as_deref().map(SpanId::from_hex);
    let attributes = record.attributes.into_iter();
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
        name: record.name,
        start_time: record.began,
        end_time: record.ended,
        attributes: attributes
            .map(|(name, value)| KeyValue::new(name, value))
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: record.error.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("saga").build(),
    })
}
