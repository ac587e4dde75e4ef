use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::Response,
};
use hyper::{
    body::{Body as HttpBody, Frame, SizeHint},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use telemetry::http::{Callers, RequestTrace};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};

use crate::{problem::Problem, refusal::Refusing};

/// Largest body of a request, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest duration of a request, longer than any handler's own limits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server waits for the rest of a body that no handler reads.
const REST_TIMEOUT: Duration = Duration::from_millis(20);

/// How long connections may take to end at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Layers around every router.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Origins whose pages may call this service.
    pub cors_origins: Vec<HeaderValue>,
    /// The kind of callers, which decides whether their traces are continued.
    pub callers: Callers,
}

impl Layers {
    /// Wraps `router` with limits, traces, CORS and problem documents.
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
            .layer(telemetry::http::trace_layer(self.callers))
            .layer(cors)
    }
}

/// Marks an error response with a body of its own, such as an HTML page: [`finish`] leaves it
/// unchanged.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;

/// Turns every error response into a problem document with the trace id, and adds the default
/// headers for browsers to every response.
pub async fn finish(request: Request, next: Next) -> Response {
    let trace_id = request
        .extensions()
        .get::<RequestTrace>()
        .map(|trace| trace.0.trace_id().to_owned());
    let (request, rest) = lend_body(request);
    let mut response = next.run(request).await;
    let rest = rest.lock().unwrap_or_else(PoisonError::into_inner).take();
    let unread = match rest {
        Some(body) => !is_read(body).await,
        None => false,
    };
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
    if unread
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE
        )
    {
        // the rest of the body is not read, so the connection must close
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    default_headers(headers);
    response
}

/// The part of a body that its handler did not read.
type Rest = Arc<Mutex<Option<Body>>>;

/// A request's body; when the handler drops it, the unread part goes to `rest`.
struct LentBody {
    body: Body,
    ended: bool,
    rest: Rest,
}

/// Gives the handler a body whose unread part is returned through `Rest`.
fn lend_body(request: Request) -> (Request, Rest) {
    let rest = Rest::default();
    let request = request.map(|body| {
        let ended = body.is_end_stream();
        let rest = Arc::clone(&rest);
        Body::new(LentBody { body, ended, rest })
    });
    (request, rest)
}

/// Reads the part of a body that has arrived; false when the body continues or is too long.
async fn is_read(mut body: Body) -> bool {
    let read = async {
        let mut left = BODY_LIMIT;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(frame) = frame else { return false };
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(REST_TIMEOUT, read)
        .await
        .unwrap_or(false)
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            let body = mem::take(&mut self.body);
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

/// Adds default headers for browsers; headers that the response sets itself stay.
pub(crate) fn default_headers(headers: &mut HeaderMap) {
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
}

/// Limits of a server. It closes connections that exceed them, so that silent clients cannot occupy
/// connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// How long the head of a request may take to arrive, and how long a connection may be idle
    /// before it.
    pub head_timeout: Duration,
    /// The most concurrent connections; further ones wait to be accepted.
    pub connections: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(20),
            connections: 10_000,
        }
    }
}

/// Pause after an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `app` over HTTP/1.1 until `shutdown`, then gives the requests in progress some time to
/// finish.
///
/// The caller binds the listener before it reports readiness, so that a client that connects early
/// waits instead of being refused.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServerLimits,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    tracing::info!("Listening on http://{}", listener.local_addr()?);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout);
    let places = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, peer)) => Some((place, stream, peer)),
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    None
                }
            }
        };
        let (place, stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        stream.set_nodelay(true).ok();
        let service = TowerToHyperService::new(app.clone().layer(Extension(ConnectInfo(peer))));
        let connection =
            open.watch(http.serve_connection(TokioIo::new(Refusing::new(stream)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "A connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, open.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("Some connections did not end in {DRAIN_TIMEOUT:?}: they are cut");
    }
    Ok(())
}

/// A token that is canceled by SIGTERM or Ctrl-C.
pub fn shutdown_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};

    let token = CancellationToken::new();
    let signaled = token.clone();
    // from here on both signals are caught, even before the task runs
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::{get, post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::Json;

    async fn start(limits: ServerLimits) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app =
            Router::new()
                .route(
                    "/",
                    get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                        peer.ip().to_string()
                    }),
                )
                .route(
                    "/",
                    post(|Json(body): Json<serde_json::Value>| async move { body.to_string() }),
                );
        let shutdown = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            Layers::default().wrap(app),
            limits,
            shutdown.clone(),
        ));
        (address, shutdown)
    }

    fn impatient() -> ServerLimits {
        ServerLimits {
            head_timeout: Duration::from_millis(300),
            ..ServerLimits::default()
        }
    }

    /// Returns the bytes that the server sends until it closes the connection.
    async fn until_closed(stream: &mut TcpStream) -> String {
        let mut said = Vec::new();
        let read = stream.read_to_end(&mut said);
        let ended = tokio::time::timeout(Duration::from_secs(30), read).await;
        ended.expect("the server ends the connection").ok();
        String::from_utf8(said).unwrap()
    }

    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: shop\r\n\r\n";

    #[tokio::test]
    async fn a_connection_without_a_whole_request_is_closed() {
        let (address, _shutdown) = start(impatient()).await;
        let heads = ["", "GET / HT", "GET / HTTP/1.1\r\nhost: shop\r\nx: y"];
        for head in heads {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(head.as_bytes()).await.unwrap();
            assert!(
                !until_closed(&mut slow).await.contains("200 OK"),
                "{head:?}"
            );
        }
        // sending a byte now and then does not extend the limit
        let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
        let dripping = tokio::spawn(async move {
            for byte in "GET / HTTP/1.1\r\n".bytes().chain(std::iter::repeat(b'a')) {
                if to.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut said = Vec::new();
        from.read_to_end(&mut said).await.ok();
        drop(from);
        tokio::time::timeout(Duration::from_secs(30), dripping)
            .await
            .expect("it is cut off")
            .unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_after_its_answer() {
        let (address, _shutdown) = start(impatient()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(REQUEST.as_bytes()).await.unwrap();
        let said = until_closed(&mut idle).await;
        assert!(
            said.starts_with("HTTP/1.1 200 OK") && said.ends_with("127.0.0.1"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn an_unreadable_request_is_answered_with_a_problem_document() {
        let (address, _shutdown) = start(ServerLimits::default()).await;
        let many: String = (0..200)
            .map(|number| format!("x-{number}: 1\r\n"))
            .collect();
        for (request, status) in [
            ("nonsense\r\n\r\n".to_owned(), 400),
            (
                "GET / HTTP/1.1\r\nhost: shop\r\na b: c\r\n\r\n".to_owned(),
                400,
            ),
            (
                format!("GET /{} HTTP/1.1\r\nhost: shop\r\n\r\n", "a".repeat(70_000)),
                414,
            ),
            (format!("GET / HTTP/1.1\r\nhost: shop\r\n{many}\r\n"), 431),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let said = until_closed(&mut stream).await;
            let (head, body) = said.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
            for line in [
                "content-type: application/problem+json",
                "cache-control: no-store",
                "x-content-type-options: nosniff",
                "connection: close",
            ] {
                assert!(head.contains(line), "{line}: {said}");
            }
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["status"], status);
            assert_eq!(body["type"], "/problems/malformed");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_a_request_timeout() {
        let (address, _shutdown) = start(ServerLimits::default()).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        slow.write_all(head.as_bytes()).await.unwrap();
        let said = until_closed(&mut slow).await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        assert!(
            said.contains("\r\nconnection: close\r\n") && said.contains("request-timeout"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn an_answer_that_ends_its_connection_says_so() {
        let (address, _shutdown) = start(ServerLimits::default()).await;
        for (path, content_type, status) in [
            ("/nowhere", "application/json", 404),
            ("/", "text/plain", 415),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: {content_type}\r\n");
            // a body that has arrived completely keeps the connection open
            let whole = format!("{head}content-length: 2\r\n\r\n{{}}");
            stream.write_all(whole.as_bytes()).await.unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            let cut = format!("{head}content-length: 60000\r\n\r\n{{");
            stream.write_all(cut.as_bytes()).await.unwrap();
            let said = until_closed(&mut stream).await;
            let (first, second) = said.split_once("HTTP/1.1 ").unwrap();
            assert!(!first.contains("connection: close"), "{path}: {first}");
            assert!(second.starts_with(&status.to_string()), "{path}: {second}");
            assert!(second.contains("connection: close"), "{path}: {second}");
        }
    }

    #[tokio::test]
    async fn a_further_connection_waits_until_another_one_ends() {
        let limits = ServerLimits {
            connections: 1,
            ..ServerLimits::default()
        };
        let (address, _shutdown) = start(limits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(REQUEST.as_bytes()).await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'H');
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST.as_bytes()).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), second.read_u8()).await;
        assert!(early.is_err(), "it is not accepted yet");
        drop(first);
        assert_eq!(second.read_u8().await.unwrap(), b'H');
    }

    #[tokio::test]
    async fn shutdown_answers_what_was_begun_and_accepts_nothing() {
        let (address, shutdown) = start(ServerLimits::default()).await;
        let mut begun = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
        begun.write_all(head.as_bytes()).await.unwrap();
        begun.write_all(b"1").await.unwrap();
        tokio::time::timeout(Duration::from_millis(100), begun.readable())
            .await
            .ok();
        shutdown.cancel();
        begun.write_all(b"2").await.unwrap();
        let said = until_closed(&mut begun).await;
        assert!(
            said.starts_with("HTTP/1.1 200 OK") && said.ends_with("12"),
            "{said}"
        );
        assert!(TcpStream::connect(address).await.is_err());
    }
}
