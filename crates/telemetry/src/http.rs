//! HTTP requests: a span and a duration for each.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::{FromFnLayer, Next, from_fn},
    response::Response,
};
use futures::future::BoxFuture;
use kernel::TraceRef;
use tracing::{Instrument, Span, field, info_span};

/// The request's position in a trace: the trace of its `traceparent` if the caller is trusted,
/// otherwise a new one.
///
/// Stored in the request's extensions, so that handlers and problem documents can name the trace
/// whether or not traces are exported.
#[derive(Debug, Clone)]
pub struct RequestTrace(pub TraceRef);

/// The position in a trace that the caller named, if any. Work that outlives the request is
/// attached there and not to the request's own span, which is lost if the process dies.
#[derive(Debug, Clone)]
pub struct CallerTrace(pub Option<TraceRef>);

/// The type that [`trace_layer`] returns.
pub type TraceLayer =
    FromFnLayer<fn(Request, Next) -> BoxFuture<'static, Response>, (), (Request,)>;

/// The kind of callers, which decides how their `traceparent` is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Callers {
    /// The public: each request begins a trace of its own, with a link to the trace that the caller
    /// names. Otherwise a stranger could put all requests into one trace, or into another caller's.
    #[default]
    Public,
    /// Our own services: their trace is continued.
    Services,
}

/// Creates one server span per request, named `{method} {route}`, and records
/// `http_server_request_duration_seconds{method, route, status}`; adds a [`RequestTrace`] and a
/// [`CallerTrace`] to the request. Use it with `Router::layer`, as the outermost layer of all
/// routes to be traced.
pub fn trace_layer(callers: Callers) -> TraceLayer {
    match callers {
        Callers::Public => from_fn(|request, next| Box::pin(trace(Callers::Public, request, next))),
        Callers::Services => {
            from_fn(|request, next| Box::pin(trace(Callers::Services, request, next)))
        }
    }
}

async fn trace(callers: Callers, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = known(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = info_span!(
        "http.request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        trace_id = field::Empty,
    );
    let caller = caller(&request);
    let here = place(&span, caller.as_ref(), callers);
    span.record("trace_id", here.trace_id());
    request.extensions_mut().insert(RequestTrace(here));
    request.extensions_mut().insert(CallerTrace(caller));
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    metrics::histogram!(
        "http_server_request_duration_seconds",
        "method" => method, "route" => route, "status" => status.as_u16().to_string()
    )
    .record(begun.elapsed().as_secs_f64());
    response
}

/// The request's `traceparent`, if it is valid.
fn caller(request: &Request) -> Option<TraceRef> {
    let header = request.headers().get("traceparent")?;
    header.to_str().ok()?.parse().ok()
}

/// The request's position in a trace: a child of its caller if the caller named a trace and is
/// trusted.
fn place(span: &Span, caller: Option<&TraceRef>, callers: Callers) -> TraceRef {
    let parent = caller.filter(|_| callers == Callers::Services);
    match (parent, caller) {
        (Some(parent), _) => crate::continue_trace(span, parent),
        (None, Some(cause)) => crate::link(span, cause),
        (None, None) => {}
    }
    let here = span.in_scope(crate::current);
    here.unwrap_or_else(|| parent.map_or_else(TraceRef::random, TraceRef::child))
}

/// Maps unknown methods to `other`: an invented method must not become a label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, Router, body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn trace_of(callers: Callers, traceparent: Option<&str>) -> TraceRef {
        let handler = |Extension(RequestTrace(trace)): Extension<RequestTrace>| async move {
            trace.to_string()
        };
        let app: Router = Router::new()
            .route("/thing/{id}", get(handler))
            .layer(trace_layer(callers));
        let mut request = Request::get("/thing/1");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = app
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn a_request_continues_a_services_trace_under_its_own_span() {
        let caller = TraceRef::random();
        let here = trace_of(Callers::Services, Some(&caller.to_string())).await;
        assert_eq!(here.trace_id(), caller.trace_id());
        assert_ne!(here.span_id(), caller.span_id());
    }

    #[tokio::test]
    async fn a_stranger_does_not_name_the_trace_of_a_request() {
        let caller = TraceRef::random();
        let named = Some(caller.to_string());
        let first = trace_of(Callers::Public, named.as_deref()).await;
        let second = trace_of(Callers::Public, named.as_deref()).await;
        assert_ne!(first.trace_id(), caller.trace_id());
        assert_ne!(first.trace_id(), second.trace_id());
    }

    #[tokio::test]
    async fn a_request_without_a_good_traceparent_begins_a_trace() {
        assert_ne!(
            trace_of(Callers::Services, None).await.trace_id(),
            trace_of(Callers::Services, Some("nonsense"))
                .await
                .trace_id()
        );
    }
}
