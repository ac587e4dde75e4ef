//! Payments: the service that decides whether an order is paid.
//!
//! A transaction moves `pending` → `paid` or `pending` → `canceled`, once; whoever moves it first
//! has won, everyone else is told. Each move and its event commit together (outbox); a relay inside
//! publishes them to RabbitMQ, on any number of replicas.
//!
//! - [`transaction`]: the rules, each use case in one transaction.
//! - `store`: all SQL.
//! - `http`: one file an operation.

pub mod config;
pub mod http;
mod store;
pub mod transaction;

use std::time::Duration;

use anyhow::Context;
use messaging::{
    Wakeup,
    relay::{Relay, RelayConfig},
};
use telemetry::admin::Readiness;
use tokens::Verifier;
use web::{Gate, Layers};

pub use config::Config;
pub use http::{App, openapi};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When the configuration makes no sense or a port cannot be bound.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let guard = telemetry::init("payments", &config.telemetry.config())?;
    let shutdown = web::shutdown_signal();
    let pool = db::connect(&config.database_url, &db::PoolConfig::new("payments", config.database_max_connections))
        .context("PAYMENTS_DATABASE_URL is not a PostgreSQL URL")?;
    let probe = pool.clone();
    let ready = Readiness::new(move || {
        let pool = probe.clone();
        async move { sqlx::query("select 1").execute(&pool).await.map(drop).map_err(|error| format!("database: {error}")) }
    });
    let admin = telemetry::admin::serve(config.admin_listen, ready, shutdown.clone())
        .await
        .with_context(|| format!("PAYMENTS_ADMIN_LISTEN: {} cannot be bound", config.admin_listen))?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = db::wait_until_ready(&pool, "payments' database") => {}
    }
    let wakeup = Wakeup::default();
    let relay = Relay::new(pool.clone(), &config.amqp_url, RelayConfig::default(), wakeup.clone());
    let relaying = shutdown.clone();
    let relay = tokio::spawn(async move { relay.run(relaying).await });

    let verifier = Verifier::from_jwks_url(&config.jwks_url).context("JWKS_URL cannot be used")?;
    let gate = Gate { verifier, audience: contracts::payments::AUDIENCE };
    let app = App::new(pool, gate, config.simulator, wakeup).router();
    let layers = Layers { cors_origins: config.cors_origins.clone() };
    web::serve(config.listen, layers.wrap(app), shutdown.clone())
        .await
        .with_context(|| format!("PAYMENTS_LISTEN: {} cannot be bound", config.listen))?;
    if tokio::time::timeout(Duration::from_secs(10), relay).await.is_err() {
        tracing::warn!("The relay did not end in time: what it held goes to another one");
    }
    admin.await?;
    guard.shutdown();
    Ok(())
}
