//! Spans that exceed the buffer or cannot be sent are dropped and counted; callers never wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

/// The most spans that wait to be sent; further ones are dropped.
const CAPACITY: usize = 4096;
/// Spans sent in one batch.
const BATCH_SIZE: usize = 512;

/// Sends spans in batches, from its own thread.
#[derive(Debug)]
pub(crate) struct Batches {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    of: &'static str,
}

impl Batches {
    /// `of` names the source of the spans, for the counter of lost ones.
    pub(crate) fn new(exporter: impl SpanExporter + 'static, of: &'static str) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let config = BatchConfigBuilder::default()
            // our own limit applies first: spans beyond it never reach this queue
            .with_max_queue_size(CAPACITY * 2)
            .with_max_export_batch_size(BATCH_SIZE)
            .with_scheduled_delay(Duration::from_secs(1))
            .build();
        let counting = Counting {
            inner: exporter,
            waiting: Arc::clone(&waiting),
            of,
            unsent: AtomicUsize::new(0),
        };
        Self {
            inner: BatchSpanProcessor::builder(counting)
                .with_batch_config(config)
                .build(),
            waiting,
            of,
        }
    }
}

fn lost(of: &'static str, why: &'static str, spans: usize) {
    metrics::counter!("telemetry_spans_lost_total", "of" => of, "reason" => why)
        .increment(spans.try_into().unwrap_or(u64::MAX));
}

impl SpanProcessor for Batches {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= CAPACITY {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return lost(self.of, "no_room", 1);
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[derive(Debug)]
struct Counting<E> {
    inner: E,
    waiting: Arc<AtomicUsize>,
    of: &'static str,
    /// Spans lost since the collector last accepted a batch.
    unsent: AtomicUsize,
}

impl<E> Counting<E> {
    /// Logs the first failure and the first success after it: a collector outage of a day costs two
    /// lines.
    fn report(&self, sent: &OTelSdkResult, spans: usize) {
        match sent {
            Ok(()) => {
                let unsent = self.unsent.swap(0, Ordering::Relaxed);
                if unsent > 0 {
                    tracing::info!("The trace collector answers again; {unsent} spans were lost");
                }
            }
            Err(error) => {
                lost(self.of, "not_sent", spans);
                if self.unsent.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!(
                        %error,
                        "The trace collector (OTEL_EXPORTER_OTLP_ENDPOINT) takes no spans; they are counted in \
                         telemetry_spans_lost_total until it answers"
                    );
                }
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.inner.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.report(&sent, spans);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::{error::OTelSdkError, trace::InMemorySpanExporter};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::logs::{
        JsonLines,
        testing::{Sink, with_subscriber},
    };

    /// An exporter that always fails.
    #[derive(Debug)]
    struct Nowhere;

    impl SpanExporter for Nowhere {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("nowhere".to_owned()))
        }
    }

    fn span() -> SpanData {
        SpanData {
            span_context: opentelemetry::trace::SpanContext::new(
                opentelemetry::TraceId::from(7),
                opentelemetry::SpanId::from(7),
                opentelemetry::TraceFlags::SAMPLED,
                false,
                opentelemetry::trace::TraceState::default(),
            ),
            parent_span_id: opentelemetry::SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: opentelemetry::trace::SpanKind::Internal,
            name: "work".into(),
            start_time: std::time::SystemTime::UNIX_EPOCH,
            end_time: std::time::SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links: opentelemetry_sdk::trace::SpanLinks::default(),
            status: opentelemetry::trace::Status::Unset,
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }

    #[test]
    fn exported_and_dropped_spans_free_their_room() {
        let exporter = InMemorySpanExporter::default();
        for (batches, sent) in [
            (Batches::new(exporter.clone(), "test"), 3),
            (Batches::new(Nowhere, "test"), 3),
        ] {
            for _ in 0..sent {
                batches.on_end(span());
            }
            let _ = batches.force_flush();
            assert_eq!(batches.waiting.load(Ordering::Relaxed), 0);
        }
        assert_eq!(exporter.get_finished_spans().unwrap().len(), 3);
    }

    #[test]
    fn an_absent_collector_is_logged_once_until_it_answers() {
        let counting = Counting {
            inner: Nowhere,
            waiting: Arc::default(),
            of: "test",
            unsent: AtomicUsize::new(0),
        };
        let sink = Sink::default();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new("test", sink.maker()));
        with_subscriber(subscriber, || {
            let failed = Err(OTelSdkError::InternalFailure("nowhere".to_owned()));
            for sent in [&failed, &failed, &failed, &Ok(()), &Ok(()), &failed] {
                counting.report(sent, 2);
            }
        });
        let lines = sink.lines();
        let levels: Vec<_> = lines.iter().map(|line| line["level"].clone()).collect();
        assert_eq!(levels, ["WARN", "INFO", "WARN"]);
        assert!(lines[1]["message"].as_str().unwrap().contains("6 spans"));
    }

    #[test]
    fn what_has_no_room_is_left_out_at_once() {
        let batches = Batches::new(InMemorySpanExporter::default(), "test");
        batches.waiting.store(CAPACITY, Ordering::Relaxed);
        batches.on_end(span());
        assert_eq!(batches.waiting.load(Ordering::Relaxed), CAPACITY);
    }
}
