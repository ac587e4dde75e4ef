//! Payments: the service that decides whether an order is paid.
//!
//! A transaction moves `pending` → `paid` or `pending` → `canceled`, once. The first decision wins;
//! later callers get its result. Each decision and its event commit together; a relay in this
//! process publishes the events to RabbitMQ, on any number of replicas.
//!
//! ```text
//!  shop ──POST /transactions, …/cancel-by-order──▶ http ─▶ transaction ─▶ store ─▶ PostgreSQL
//!  payer ──POST …/complete, …/cancel─────────────▶                                    │ outbox
//!                                                     RabbitMQ payments_events ◀─ relay ┘
//! ```
//!
//! - [`transaction`]: the rules, each use case in one transaction.
//! - `store`: all SQL.
//! - [`sessions`]: whether the shop has ended a payer's session.
//! - [`http`]: one file per operation. [`app`] is the whole service as a router.
//! - [`config`]: the settings. [`serve`] runs the service.

pub mod config;
pub mod http;
pub mod sessions;
mod store;
pub mod transaction;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use messaging::{BrokerHealth, Wakeup, relay::Relay};
use sqlx::PgPool;
use telemetry::{admin::Readiness, http::Callers};
use tokens::Verifier;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use web::{Gate, Layers};

pub use config::Config;
pub use http::{App, openapi};
use sessions::ShopSessions;

/// How long the relay may take to stop at shutdown.
const RELAY_DRAIN: Duration = Duration::from_secs(10);
/// How long a statement waits for a row that another session locks; after that, the client is asked
/// to retry.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest read of the database's name.
const INSTANCE_READ: Duration = Duration::from_secs(10);
/// Interval between measurements of the outbox's backlog.
const OUTBOX_LOOK: Duration = Duration::from_secs(15);

/// The whole service as a router: operations, documentation, and the surrounding layers.
pub fn app(state: App, layers: &Layers) -> Router {
    layers.wrap(state.router())
}

/// Runs the service until shutdown is requested. It then accepts no new requests, finishes those in
/// progress and the relay's batch, and sends the last traces.
///
/// # Errors
/// When the configuration is invalid or a port cannot be bound.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = web::shutdown_signal();
    let telemetry = telemetry::init("payments", &config.telemetry)?;
    tracing::info!("Starting with {config:?}");
    let done = run(config, &shutdown).await;
    shutdown.cancel();
    telemetry.shutdown();
    done
}

async fn run(config: Config, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let pool = db::connect(
        &config.database_url,
        &db::PoolConfig::new("payments", config.database_max_connections)
            .lock_timeout(LOCK_TIMEOUT),
    )
    .context("PAYMENTS_DATABASE_URL is not a PostgreSQL URL")?;
    telemetry::admin::on_scrape({
        let pool = pool.clone();
        move || db::gauge(&pool, "payments")
    });
    let verifier = Verifier::from_jwks_url(&config.jwks_url).context("JWKS_URL cannot be used")?;
    let sessions = ShopSessions::beside(&config.jwks_url).context("JWKS_URL cannot be used")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("PAYMENTS_LISTEN: cannot listen on {}", config.listen))?;
    let broker = BrokerHealth::default();
    let link = broker.watch("relay");
    let admin = telemetry::admin::serve(
        config.admin_listen,
        readiness(&pool, &broker),
        shutdown.clone(),
    )
    .await
    .with_context(|| {
        format!(
            "PAYMENTS_ADMIN_LISTEN: cannot listen on {}",
            config.admin_listen
        )
    })?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = db::wait_until_ready(&pool, "payments' database", &db::PAYMENTS) => {}
    }
    let wakeup = Wakeup::default();
    let mut relay =
        Relay::new(pool.clone(), &config.amqp_url, config.relay, wakeup.clone()).reporting(link);
    let mut state = App::new(
        pool.clone(),
        Gate {
            verifier,
            audience: contracts::payments::AUDIENCE,
            sessions: Arc::new(sessions),
        },
        config.simulator,
        wakeup,
    );
    if let Some(signer) = config.event_signer {
        state = state.publishing(signer.jwks());
        relay = relay.signed_by(move |body| signer.sign(body));
    } else {
        tracing::warn!(
            "EVENT_SIGNING_KEY is not set: events are not signed, and the shop asks about each"
        );
    }
    match db::within(INSTANCE_READ, store::instance(&pool)).await {
        Ok(Some(instance)) => state = state.named(instance),
        Ok(None) => {}
        // operators then see payments through this API alone
        Err(error) => tracing::warn!(%error, "The name of the database cannot be read"),
    }
    let relay = start_relay(relay, shutdown);
    let lag = tokio::spawn(watch_outbox(pool.clone(), shutdown.clone()));
    let layers = Layers {
        cors_origins: config.cors_origins,
        callers: Callers::Services,
    };
    let served = web::serve(
        listener,
        app(state, &layers),
        web::ServerLimits::default(),
        shutdown.clone(),
    )
    .await;
    shutdown.cancel();
    let relayed = tokio::time::timeout(RELAY_DRAIN, relay).await;
    if relayed.is_err() {
        tracing::warn!(
            "The relay did not end in time: what it held goes to another one when its lease ends"
        );
    }
    lag.await?;
    admin.await?;
    pool.close().await;
    served.context("the API broke off")?;
    relayed.unwrap_or(Ok(())).context("the relay broke")
}

/// Ready when the database answers and has our tables, and RabbitMQ does not refuse our user.
/// RabbitMQ itself may be unreachable: the outbox keeps events until it returns.
fn readiness(pool: &PgPool, broker: &BrokerHealth) -> Readiness {
    let (pool, broker) = (pool.clone(), broker.clone());
    Readiness::new(move || {
        let (pool, broker) = (pool.clone(), broker.clone());
        async move {
            store::probe(&pool)
                .await
                .map_err(|error| format!("the database cannot be used: {error}"))?;
            broker.check_access()
        }
    })
}

/// Publishes the outbox's backlog until `shutdown`.
async fn watch_outbox(pool: PgPool, shutdown: CancellationToken) {
    loop {
        let gauged = db::within(OUTBOX_LOOK, async {
            let mut conn = pool.acquire().await?;
            messaging::outbox::gauge_lag(&mut conn).await
        });
        tokio::select! {
            () = shutdown.cancelled() => return,
            gauged = gauged => {
                if let Err(error) = gauged {
                    tracing::warn!(%error, "Could not see how far behind the outbox is");
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(OUTBOX_LOOK) => {}
        }
    }
}

/// Starts the relay. The service cannot work without it: when the relay ends, the process ends.
fn start_relay(relay: Relay, shutdown: &CancellationToken) -> JoinHandle<()> {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let _ends_all = shutdown.clone().drop_guard();
        relay.run(shutdown).await;
    })
}
