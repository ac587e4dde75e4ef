//! Spans that are told after the fact, whole: the teller knows their ids and times.

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

/// Where told spans go: one service of their own, whoever tells them.
static TELLERS: OnceLock<Batches> = OnceLock::new();

/// A span, after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its trace and its own id.
    pub at: TraceRef,
    /// Its parent's id, 16 hex digits; none of a root.
    pub parent: Option<String>,
    /// Its name: few and fixed.
    pub name: Cow<'static, str>,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What there is to search for.
    pub attributes: Vec<(&'static str, String)>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Whether anybody listens.
pub fn listens() -> bool {
    TELLERS.get().is_some()
}

/// Exports a span. The same span gives the same bytes, in whatever process.
pub fn tell(told: Told) {
    let (Some(tellers), Some(span)) = (TELLERS.get(), data(told)) else {
        return;
    };
    tellers.on_end(span);
}

/// The same for many, and waits until they are sent.
///
/// # Errors
/// When nobody listens, or they could not be sent.
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

/// Where spans are told to from now on, in this process.
pub(crate) fn listen(exporter: impl SpanExporter + 'static) {
    let mut batches = Batches::new(exporter, "saga");
    let resource = Resource::builder_empty().with_service_name("saga").build();
    batches.set_resource(&resource);
    // a second pipe in one process would be told nothing
    let _ = TELLERS.set(batches);
}

/// Sends what is left.
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
