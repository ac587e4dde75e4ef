use std::cell::Cell;

use kernel::TraceRef;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId, global,
    trace::{Span as _, SpanContext, TraceContextExt, TraceState, Tracer},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Registry, registry::LookupSpan};

use crate::logs::Continued;

thread_local! {
    /// The ids of the next span that this thread builds, when they are fixed beforehand.
    static RESERVED: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, unless this thread has reserved others for the span that it is building.
#[derive(Debug, Default)]
pub(crate) struct ReservedIds(RandomIdGenerator);

impl IdGenerator for ReservedIds {
    fn new_trace_id(&self) -> TraceId {
        RESERVED
            .get()
            .map_or_else(|| self.0.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        RESERVED
            .get()
            .map_or_else(|| self.0.new_span_id(), |(_, span_id)| span_id)
    }
}

/// Exports, at once, a root span of no length under exactly these ids: what belongs to a saga can
/// hang on it before, during and long after this process.
pub fn root_span(name: &'static str, at: &TraceRef, attributes: &[(&'static str, String)]) {
    let Some(ids) = ids(at) else { return };
    let tracer = global::tracer("shop");
    let attributes = attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, value.clone()));
    let builder = tracer.span_builder(name).with_attributes(attributes);
    RESERVED.set(Some(ids));
    let mut span = tracer.build_with_context(builder, &Context::new());
    RESERVED.set(None);
    span.end();
}

/// Makes `span` a child of a span that lives, or lived, elsewhere. To be called before the span is
/// entered.
pub fn continue_trace(span: &Span, parent: &TraceRef) {
    span.with_subscriber(|(id, dispatch)| {
        if let Some(span) = dispatch
            .downcast_ref::<Registry>()
            .and_then(|registry| registry.span(id))
        {
            span.extensions_mut().replace(Continued(parent.clone()));
        }
    });
    if let Some(parent) = remote(parent) {
        // without an exporter there is nothing to set
        if let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent)) {
            tracing::trace!(?error, "the span has no trace");
        }
    }
}

/// Links `span` to what caused it without being its parent.
pub fn link(span: &Span, cause: &TraceRef) {
    if let Some(cause) = remote(cause) {
        span.add_link(cause);
    }
}

/// Where the current span stands; `None` when no trace is exported.
pub fn current() -> Option<TraceRef> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid()
        .then(|| TraceRef::new(&span.trace_id().to_string(), &span.span_id().to_string()).ok())
        .flatten()
}

fn remote(at: &TraceRef) -> Option<SpanContext> {
    let (trace_id, span_id) = ids(at)?;
    Some(SpanContext::new(
        trace_id,
        span_id,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ))
}

fn ids(at: &TraceRef) -> Option<(TraceId, SpanId)> {
    Some((
        TraceId::from_hex(at.trace_id()).ok()?,
        SpanId::from_hex(at.span_id()).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_root_span_has_exactly_the_ids_given_and_later_spans_are_its_children() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .with_id_generator(ReservedIds::default())
            .build();
        global::set_tracer_provider(provider.clone());
        let at = TraceRef::random();
        root_span("saga", &at, &[("saga.id", "1".to_owned())]);

        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        crate::logs::testing::with_subscriber(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("saga.step");
            continue_trace(&span, &at);
            let here = span.in_scope(current).unwrap();
            assert_eq!(here.trace_id(), at.trace_id());
            assert_ne!(here.span_id(), at.span_id());
        });

        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans[0].span_context.trace_id().to_string(), at.trace_id());
        assert_eq!(spans[0].span_context.span_id().to_string(), at.span_id());
        assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
        assert_eq!(spans[1].parent_span_id.to_string(), at.span_id());
    }
}
