//! Requests: a span and a duration each.

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

/// The place in a trace at which a request is handled: in the trace of its `traceparent` where callers are
/// trusted with that, else in a new one.
///
/// In the request's extensions, so that handlers and problem documents can name it whether or not
/// anything is exported.
#[derive(Debug, Clone)]
pub struct RequestTrace(pub TraceRef);

/// The place in a trace that the caller named, if it named one: what outlives the request hangs
/// there, and not on the request's own span, which is lost should this process die.
#[derive(Debug, Clone)]
pub struct CallerTrace(pub Option<TraceRef>);

/// What [`trace_layer`] returns.
pub type TraceLayer =
    FromFnLayer<fn(Request, Next) -> BoxFuture<'static, Response>, (), (Request,)>;

/// Who calls, and what their `traceparent` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Callers {
    /// The public: a trace that a caller names is linked to, and each request begins one of its own. A
    /// stranger could name one
    /// trace for all requests, or another caller's.
    #[default]
    Public,
    /// Our own services: their trace is continued.
    Services,
}

/// One server span a request, named `{method} {route}`, and
/// `http_server_request_duration_seconds{method, route, status}`; puts a [`RequestTrace`] and a
/// [`CallerTrace`] into the request. For `Router::layer`, outermost but for what must not be traced.
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

/// Its `traceparent`, when that is a good one.
fn caller(request: &Request) -> Option<TraceRef> {
    let header = request.headers().get("traceparent")?;
    header.to_str().ok()?.parse().ok()
}

/// Where the request stands: a child of its caller when that named itself and is trusted with it.
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

/// A method that anybody may make up must not become a label.
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
    async fn a_request_continues_a_services_trace_under_a_span_of_its_own() {
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
