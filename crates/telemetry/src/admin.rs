//! The admin port: `/livez`, `/readyz`, `/metrics`, and nothing else.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

type Hook = Box<dyn Fn() + Send + Sync>;
static HOOKS: Mutex<Vec<Hook>> = Mutex::new(Vec::new());

/// A gauge that has not been set for this long is no longer published: the task that set it has
/// moved to another process.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// A readiness check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);
/// How often recorded durations are sorted into their buckets when no scrape does it.
const UPKEEP: Duration = Duration::from_secs(5);

pub(crate) fn install_recorder() -> anyhow::Result<()> {
    let buckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)?
        .idle_timeout(MetricKindMask::GAUGE, Some(FORGOTTEN))
        .install_recorder()?;
    crate::described::describe();
    METRICS
        .set(handle)
        .map_err(|_| anyhow::anyhow!("telemetry was started before"))
}

/// Runs `hook` before each response of `/metrics`: for gauges that are cheap to read and change all
/// the time.
pub fn on_scrape(hook: impl Fn() + Send + Sync + 'static) {
    if let Ok(mut hooks) = HOOKS.lock() {
        hooks.push(Box::new(hook));
    }
}

/// Whether the process can do its work.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

impl Readiness {
    /// Runs `check` for each probe; its error is a sentence that names the missing dependency.
    pub fn new<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(check())))
    }
}

/// Serves the admin port until `shutdown`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    ready: Readiness,
    shutdown: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(listen).await?;
    tokio::spawn(upkeep(shutdown.clone()));
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, app(ready))
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "The admin port broke");
        }
    }))
}

fn app(ready: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(ready)
}

async fn readyz(State(ready): State<Readiness>) -> (StatusCode, String) {
    match tokio::time::timeout(CHECK_TIMEOUT, (ready.0)()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
        Ok(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the check took longer than {CHECK_TIMEOUT:?}\n"),
        ),
    }
}

async fn render() -> impl IntoResponse {
    if let Ok(hooks) = HOOKS.lock() {
        hooks.iter().for_each(|hook| hook());
    }
    let metrics = METRICS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics,
    )
}

async fn upkeep(shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        if let Some(metrics) = METRICS.get() {
            metrics.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request};
    use tower::ServiceExt;

    use super::*;

    async fn get_from(ready: Readiness, path: &str) -> (StatusCode, String) {
        let response = app(ready)
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readyz_says_what_is_missing_while_livez_says_alive() {
        let missing = Readiness::new(|| async { Err("the database does not answer".to_owned()) });
        assert_eq!(
            get_from(missing.clone(), "/readyz").await,
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer\n".to_owned()
            )
        );
        assert_eq!(get_from(missing, "/livez").await.0, StatusCode::OK);
        assert_eq!(
            get_from(Readiness::new(|| async { Ok(()) }), "/readyz")
                .await
                .0,
            StatusCode::OK
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_no_readiness() {
        let hangs = Readiness::new(std::future::pending);
        assert_eq!(
            get_from(hangs, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[tokio::test]
    async fn durations_are_published_in_buckets() {
        install_recorder().unwrap();
        metrics::histogram!("work_seconds").record(0.02);
        let (status, text) = get_from(Readiness::new(|| async { Ok(()) }), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            text.contains(r#"work_seconds_bucket{le="0.025"} 1"#),
            "{text}"
        );
    }
}
