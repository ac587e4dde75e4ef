//! The admin port: `/livez`, `/readyz`, `/metrics`, and nothing else.

use std::{future::Future, io, net::SocketAddr, sync::Arc, sync::OnceLock};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

pub(crate) fn install_recorder() -> anyhow::Result<()> {
    let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)?
        .install_recorder()?;
    METRICS.set(handle).map_err(|_| anyhow::anyhow!("telemetry was started before"))
}

/// Whether the process can do its work.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

impl Readiness {
    /// Asks `check`; its error is a sentence that says what is missing.
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
pub async fn serve(listen: SocketAddr, ready: Readiness, shutdown: CancellationToken) -> io::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(listen).await?;
    let app = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|| async { METRICS.get().map(PrometheusHandle::render).unwrap_or_default() }))
        .with_state(ready);
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "The admin port broke");
        }
    }))
}

async fn readyz(State(ready): State<Readiness>) -> (StatusCode, String) {
    match (ready.0)().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
