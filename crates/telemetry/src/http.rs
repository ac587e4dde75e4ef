//! Requests: a span and a duration each.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use kernel::TraceRef;
use tracing::{Instrument, field, info_span};

/// The trace that a request belongs to: the caller's, continued, or a new one.
///
/// In the request's extensions, so that handlers and problem documents can name it whether or not
/// anything is exported.
#[derive(Debug, Clone)]
pub struct RequestTrace(pub TraceRef);

/// Middleware (`axum::middleware::from_fn`): names the request's trace, spans and counts it.
pub async fn trace(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let incoming: Option<TraceRef> =
        request.headers().get("traceparent").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let parent = incoming.unwrap_or_else(TraceRef::random);
    let span = info_span!(
        "http.request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        trace_id = parent.trace_id(),
    );
    crate::continue_trace(&span, &parent);
    let here = span.in_scope(crate::current).unwrap_or(parent);
    request.extensions_mut().insert(RequestTrace(here));
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    metrics::histogram!(
        "http_server_request_duration_seconds", "method" => method, "route" => route, "status" => status.to_string()
    )
    .record(begun.elapsed().as_secs_f64());
    response
}
