use kernel::TraceRef;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Registry, registry::LookupSpan};

use crate::logs::Continued;

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

pub(crate) fn ids(at: &TraceRef) -> Option<(TraceId, SpanId)> {
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
    fn a_span_is_the_child_of_what_lives_elsewhere() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let at = TraceRef::random();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        crate::logs::testing::with_subscriber(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("payments.call");
            continue_trace(&span, &at);
            let here = span.in_scope(current).unwrap();
            assert_eq!(here.trace_id(), at.trace_id());
            assert_ne!(here.span_id(), at.span_id());
        });
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans[0].parent_span_id.to_string(), at.span_id());
    }
}
