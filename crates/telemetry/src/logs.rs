use std::{fmt, io::Write, sync::OnceLock};

use kernel::TraceRef;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::{
    Dispatch, Event, Id, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// Prefixes of the fields that only exported spans have; in a log line they say nothing that the
/// line's target does not say.
const EXPORTED_ONLY: [&str; 4] = [
    "otel.",
    "messaging.system",
    "messaging.operation.",
    "messaging.batch.",
];

/// Writes one JSON object per event and line. The fields of the event and of its surrounding spans
/// are merged at the top level (the innermost value wins), so that logs can be searched by
/// `saga.id` alone.
pub(crate) struct JsonLines<W> {
    service: &'static str,
    writer: W,
    dispatch: OnceLock<WeakDispatch>,
}

/// The trace that a span continues; stored with the span, so that logs name the trace whether or
/// not traces are exported.
pub(crate) struct Continued(pub(crate) TraceRef);

#[derive(Default)]
struct Fields(Map<String, Value>);

impl<W> JsonLines<W> {
    pub(crate) fn new(service: &'static str, writer: W) -> Self {
        Self {
            service,
            writer,
            dispatch: OnceLock::new(),
        }
    }

    /// The trace id of a span that began a trace here instead of continuing one.
    fn exported_trace_id(&self, span: &Id) -> Option<String> {
        let context = get_otel_context(span, &self.dispatch.get()?.upgrade()?)?;
        let span = context.span().span_context().clone();
        span.is_valid().then(|| span.trace_id().to_string())
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.dispatch.get_or_init(|| dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            let extensions = span.extensions();
            if let Some(Continued(trace)) = extensions.get() {
                line.text("trace_id", trace.trace_id());
            }
            if let Some(Fields(fields)) = extensions.get() {
                line.0.extend(
                    fields
                        .iter()
                        .map(|(key, value)| (key.clone(), value.clone())),
                );
            }
        }
        if !line.0.contains_key("trace_id")
            && let Some(span) = context.event_span(event)
            && let Some(trace_id) = self.exported_trace_id(&span.id())
        {
            line.text("trace_id", &trace_id);
        }
        event.record(&mut line);
        let mut now = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut now)).is_ok() {
            line.text("timestamp", &now);
        }
        line.text("level", event.metadata().level().as_str());
        line.text("target", event.metadata().target());
        line.text("service", self.service);
        let mut written = Value::Object(line.0).to_string();
        written.push('\n');
        // a failure to write logs cannot be logged
        self.writer
            .make_writer_for(event.metadata())
            .write_all(written.as_bytes())
            .unwrap_or_default();
    }
}

impl Fields {
    fn text(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), Value::from(value));
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let key = field.name();
        if !EXPORTED_ONLY.iter().any(|prefix| key.starts_with(prefix)) {
            self.0.insert(
                key.strip_prefix("r#").unwrap_or(key).to_owned(),
                value.into(),
            );
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, crate::chain(error));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use tracing::{Dispatch, dispatcher};

    use super::{Value, Write};

    /// Runs `body` under a subscriber of its own, one test at a time: tracing caches for each
    /// callsite whether a subscriber is interested, and several subscribers that come and go
    /// concurrently can race on that cache.
    pub(crate) fn with_subscriber(subscriber: impl Into<Dispatch>, body: impl FnOnce()) {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        dispatcher::with_default(&subscriber.into(), body);
        drop(alone);
    }

    /// Collects the log output.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        pub(crate) fn maker(&self) -> impl Fn() -> Self + use<> {
            let sink = self.clone();
            move || sink.clone()
        }

        pub(crate) fn lines(&self) -> Vec<Value> {
            let written = self.0.lock().unwrap().clone();
            let text = String::from_utf8(written).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::{field::Empty, info, info_span, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::{testing::Sink, *};

    fn lines(body: impl FnOnce()) -> Vec<Value> {
        let sink = Sink::default();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry()
            .with(JsonLines::new("payments", sink.maker()))
            .with(tracing_opentelemetry::layer().with_tracer(tracer));
        testing::with_subscriber(subscriber, body);
        sink.lines()
    }

    #[test]
    fn a_line_has_its_spans_fields_beside_its_own() {
        let trace = TraceRef::random();
        let lines = lines(|| {
            let outer = info_span!(
                "saga.step",
                saga.id = "s-1",
                otel.kind = "client",
                step.outcome = Empty
            );
            crate::continue_trace(&outer, &trace);
            let _outer = outer.enter();
            let _inner = info_span!("call", order.id = %"o-1").entered();
            outer.record("step.outcome", "done");
            let error = io::Error::other("gone");
            warn!(
                attempt = 2,
                error = &error as &dyn std::error::Error,
                "Order {} waits",
                "o-1"
            );
        });
        let line = &lines[0];
        for (key, value) in [
            ("message", "Order o-1 waits"),
            ("level", "WARN"),
            ("service", "payments"),
            ("saga.id", "s-1"),
            ("order.id", "o-1"),
            ("step.outcome", "done"),
            ("error", "gone"),
            ("trace_id", trace.trace_id()),
        ] {
            assert_eq!(line[key], value, "{line}");
        }
        assert_eq!(line["attempt"], 2);
        assert!(line.get("otel.kind").is_none(), "{line}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn a_line_names_its_spans_trace_if_any() {
        let mut begun = None;
        let lines = lines(|| {
            info!("outside");
            let _span = info_span!("work").entered();
            info!("inside");
            begun = crate::current();
        });
        assert!(lines[0].get("trace_id").is_none(), "{}", lines[0]);
        assert_eq!(lines[1]["trace_id"], begun.unwrap().trace_id());
    }
}
