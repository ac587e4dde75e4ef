use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::Response,
};
use telemetry::http::RequestTrace;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};

use crate::problem::Problem;

/// Most bytes of a request's body.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest time of a request, longer than any handler's own limits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connections may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(20);

/// What goes round every router of ours.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Origins whose pages may call us.
    pub cors_origins: Vec<HeaderValue>,
}

impl Layers {
    /// Puts limits, traces, CORS and problem documents round `router`.
    pub fn wrap(&self, router: Router) -> Router {
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.cors_origins.clone()))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("prefer"),
                HeaderName::from_static("traceparent"),
            ])
            .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER])
            .max_age(Duration::from_mins(10));
        router
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                REQUEST_TIMEOUT,
            ))
            .layer(CatchPanicLayer::new())
            .layer(middleware::from_fn(finish))
            .layer(telemetry::http::trace_layer())
            .layer(cors)
    }
}

/// Marks an error response that has a body of its own, such as a page for people: [`finish`] leaves it.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;

/// Gives every error response the form of a problem document with the trace id, and every response
/// the headers that browsers should see.
pub async fn finish(request: Request, next: Next) -> Response {
    let trace_id = request
        .extensions()
        .get::<RequestTrace>()
        .map(|trace| trace.0.trace_id().to_owned());
    let mut response = next.run(request).await;
    let status = response.status();
    let own_body = response.extensions().get::<OwnBody>().is_some();
    if !own_body && (status.is_client_error() || status.is_server_error()) {
        let problem = response.extensions().get::<Problem>().cloned();
        let allow = response.headers().get(header::ALLOW).cloned();
        response = problem
            .unwrap_or_else(|| Problem::of_status(status))
            .render(trace_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    default(header::CACHE_CONTROL, "no-store");
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    response
}

/// Serves `app` until `shutdown`, then lets the requests under way end, for a while.
///
/// The listener is bound by the caller before it says that it is ready, so that whoever comes then
/// waits instead of being refused.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    tracing::info!("Listening on http://{}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned()) => served,
        () = drained => {
            tracing::warn!("Some connections did not end in {DRAIN:?}: they are cut");
            Ok(())
        }
    }
}

/// A token that is canceled by SIGTERM or Ctrl-C.
pub fn shutdown_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};

    let token = CancellationToken::new();
    let signaled = token.clone();
    // from here on both are heard, whenever the task gets to run
    let heard = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    tokio::spawn(async move {
        match heard {
            Ok((mut terminate, mut interrupt)) => tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            },
            Err(error) => tracing::error!(%error, "SIGTERM and Ctrl-C cannot be heard"),
        }
        tracing::info!("Stopping: what is under way ends first");
        signaled.cancel();
    });
    token
}
