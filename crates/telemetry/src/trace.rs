use std::sync::OnceLock;

use anyhow::Context as _;
use kernel::TraceRef;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceState},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Registry, registry::LookupSpan};

use crate::logs::Continued;

/// The ratio of traces that are kept. The trace id decides, so that every process decides alike and
/// a trace is kept as a whole or not at all. Traces that begin with a read request are not kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio(f64);

static RATIO: OnceLock<Ratio> = OnceLock::new();

impl Ratio {
    /// Reads the ratio from `OTEL_TRACES_SAMPLER_ARG`, from 0 to 1; 1 if it is not set.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let text = std::env::var("OTEL_TRACES_SAMPLER_ARG").unwrap_or_default();
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        if text.is_empty() {
            return Ok(Self(1.0));
        }
        let ratio = text
            .parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio));
        let ratio = ratio.with_context(|| {
            format!("OTEL_TRACES_SAMPLER_ARG `{text}` is no number from 0 to 1, such as 0.1")
        })?;
        Ok(Self(ratio))
    }

    /// Applies the ratio to this process from now on.
    pub(crate) fn set(self) {
        let _ = RATIO.set(self);
    }

    fn keeps(self, trace_id: TraceId) -> bool {
        let bytes = trace_id.to_bytes();
        let mut low = [0; 8];
        low.copy_from_slice(&bytes[8..]);
        // 53 bits, which a double holds exactly
        #[expect(clippy::cast_precision_loss, reason = "they fit")]
        let at = (u64::from_be_bytes(low) >> 11) as f64 / (1_u64 << 53) as f64;
        at < self.0
    }
}

/// Whether a trace would begin with this span and only read. Read requests are mostly polls of open
/// pages, and probes, and would push the traces of orders out of a viewer. A request from a traced
/// caller belongs to the caller's trace instead.
fn only_reads(parent: Option<&Context>, name: &str, kind: &SpanKind) -> bool {
    let begins = parent.is_none_or(|parent| !parent.span().span_context().is_valid());
    let reads = ["GET ", "HEAD ", "OPTIONS "];
    begins && *kind == SpanKind::Server && reads.iter().any(|method| name.starts_with(method))
}

/// Whether the parent is a span of this process that was not sampled.
fn below_left_out(parent: Option<&Context>) -> bool {
    parent.is_some_and(|parent| {
        let span = parent.span();
        let context = span.span_context();
        context.is_valid() && !context.is_remote() && !context.is_sampled()
    })
}

impl ShouldSample for Ratio {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let state = parent.map(|parent| parent.span().span_context().trace_state().clone());
        SamplingResult {
            decision: if self.keeps(trace_id)
                && !only_reads(parent, name, kind)
                && !below_left_out(parent)
            {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            },
            attributes: Vec::new(),
            trace_state: state.unwrap_or_default(),
        }
    }
}

/// Whether the trace is one of those kept.
pub fn samples(at: &TraceRef) -> bool {
    let ratio = RATIO.get().copied().unwrap_or(Ratio(1.0));
    ids(at).is_some_and(|(trace_id, _)| ratio.keeps(trace_id))
}

/// Whether this process exports the current span, which has this position in a trace.
pub fn exports(here: &TraceRef) -> bool {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_sampled() && span.span_id().to_string() == here.span_id()
}

/// Makes `span` a child of a span that belongs, or belonged, to another process. Call it before the
/// span is entered.
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
        // without an exporter the span has no trace to set
        if let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent)) {
            tracing::trace!(?error, "the span has no trace");
        }
    }
}

/// Links `span` to its cause without making it a child.
pub fn link(span: &Span, cause: &TraceRef) {
    if let Some(cause) = remote(cause) {
        span.add_link(cause);
    }
}

/// The position of the current span in its trace; `None` when no trace is exported.
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
    fn a_trace_is_kept_or_left_by_its_id_alone() {
        let keeps = |text: &str| {
            let ratio = Ratio::parse(text).unwrap();
            let ids = (0..1000_u128).map(|n| n * (u128::from(u64::MAX) / 1000));
            ids.filter(|id| ratio.keeps(TraceId::from(*id))).count()
        };
        assert_eq!((keeps(""), keeps("1"), keeps("0")), (1000, 1000, 0));
        assert!((245..=255).contains(&keeps("0.25")), "{}", keeps("0.25"));
        for wrong in ["much", "-1", "1.5", "NaN"] {
            let error = Ratio::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_read_begins_no_trace_and_belongs_to_its_callers() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .with_sampler(Ratio(1.0))
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        crate::logs::testing::with_subscriber(tracing_subscriber::registry().with(layer), || {
            for (name, caller) in [
                ("GET /api/sagas/{id}", None),
                ("GET /transactions/{id}", Some(TraceRef::random())),
                ("POST /api/orders", None),
            ] {
                let span =
                    tracing::info_span!("http.request", otel.name = name, otel.kind = "server");
                if let Some(caller) = caller {
                    continue_trace(&span, &caller);
                }
                span.in_scope(|| tracing::info_span!("below").in_scope(|| ()));
            }
        });
        let mut spans = exporter.get_finished_spans().unwrap();
        spans.sort_by_key(|span| span.start_time);
        let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(
            names,
            [
                "GET /transactions/{id}",
                "below",
                "POST /api/orders",
                "below"
            ]
        );
    }

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
