//! An OTLP receiver that keeps every received span.
//!
//! Implements only as much gRPC as one unary call needs: a length-prefixed message in, an empty
//! message and status 0 out.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A received span.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// `service.name` of the sender.
    pub service: String,
    /// Id of its trace, hex.
    pub trace_id: String,
    /// Its id, hex.
    pub span_id: String,
    /// Id of its parent, hex; empty for a root span.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// Start time, nanoseconds since 1970.
    pub began: u64,
    /// End time, nanoseconds since 1970.
    pub ended: u64,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The error message, if its status is an error.
    pub error: Option<String>,
    /// The encoded span, without the sender's resource.
    pub bytes: Vec<u8>,
}

impl Captured {
    /// The value of an attribute; empty if the span lacks it.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A receiver on a port of its own, until dropped.
pub struct Collector {
    /// URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Captured>>>,
    server: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Collector {
    /// Starts listening.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self {
            endpoint,
            spans,
            server,
        }
    }

    /// All received spans.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn spans(&self) -> Vec<Captured> {
        self.spans.lock().expect("no thread panics here").clone()
    }

    /// The spans of one trace, ordered by start time.
    pub fn trace(&self, trace_id: &str) -> Vec<Captured> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == trace_id);
        spans.sort_by(|a, b| (a.began, &a.name).cmp(&(b.began, &b.name)));
        spans
    }

    /// Discards all received spans.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn clear(&self) {
        self.spans.lock().expect("no thread panics here").clear();
    }
}

async fn serve(stream: TcpStream, spans: Arc<Mutex<Vec<Captured>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request.into_body(), respond, Arc::clone(&spans)));
    }
}

async fn answer(
    mut body: h2::RecvStream,
    mut respond: h2::server::SendResponse<Bytes>,
    spans: Arc<Mutex<Vec<Captured>>>,
) {
    let mut message = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        message.extend_from_slice(&data);
    }
    // a gRPC frame begins with a compression flag, which we never set, and four bytes of length
    let export = ExportTraceServiceRequest::decode(message.get(5..).unwrap_or_default());
    if let Ok(export) = export {
        let mut kept = spans.lock().expect("no thread panics here");
        kept.extend(captured(export));
    }
    let response = http::Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .expect("a response");
    let Ok(mut stream) = respond.send_response(response, false) else {
        return;
    };
    let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let _ = stream.send_trailers(trailers);
}

fn captured(export: ExportTraceServiceRequest) -> Vec<Captured> {
    let mut found = Vec::new();
    for of in export.resource_spans {
        let resource = attributes(of.resource.map(|it| it.attributes).unwrap_or_default());
        let service = resource.get("service.name").cloned().unwrap_or_default();
        for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(one(service.clone(), span));
        }
    }
    found
}

fn one(service: String, span: Span) -> Captured {
    let failed = |status: &opentelemetry_proto::tonic::trace::v1::Status| {
        (status.code == StatusCode::Error as i32).then(|| status.message.clone())
    };
    Captured {
        service,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        error: span.status.as_ref().and_then(failed),
        bytes: span.encode_to_vec(),
        attributes: attributes(span.attributes),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = pairs.into_iter();
    pairs
        .filter_map(|pair| Some((pair.key, text(pair.value?.value?))))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
