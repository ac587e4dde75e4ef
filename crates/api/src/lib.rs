//! The shop's HTTP API: accounts, catalog, orders, and the operators' views and acts.
//!
//! `POST /api/orders` commits the order with its saga and makes the first attempt at its payment
//! itself; the workers do everything later. Under `http`, one file is one operation.

pub mod config;
pub mod http;
pub mod placed;
pub mod sessions;
pub mod storefront;
pub mod watch;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use auth::{Auth, Hasher};
use clap::{CommandFactory, Parser};
use commerce::client::CreateClientOnRegistration;
use db::Bus;
use messaging::Wakeup;
use operator::{DataSources, Operator, PaymentsAccess};
use payments_client::PaymentsClient;
use saga::{Engine, heartbeat::Heartbeat};
use sqlx::PgPool;
use telemetry::{admin::Readiness, http::Callers};
use tokens::Verifier;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::{Gate, Layers};
use workflows::{Ports, Registry, Runner, Settings, payments::Payments, submit::Submitter};

pub use config::Config;
pub use http::{App, openapi};
use placed::Placed;
use sessions::Sessions;
use watch::Watch;

/// How long a statement waits for a row lock of another session; then the client is told to retry.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The usual pool, and the pool for orders and sessions, whose statements all find their rows by
/// key.
fn pools(config: &Config) -> anyhow::Result<(PgPool, PgPool)> {
    let connect = |pool: db::PoolConfig| {
        db::connect(&config.database_url, &pool.lock_timeout(LOCK_TIMEOUT))
            .context("SHOP_DATABASE_URL is not a PostgreSQL URL")
    };
    let all = db::PoolConfig::new("api", config.database_max_connections);
    let orders = db::PoolConfig::new("api orders", config.database_max_connections).by_key();
    Ok((connect(all)?, connect(orders)?))
}

#[derive(Parser)]
#[command(name = "api", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: config::Args,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the OpenAPI document.
    Openapi,
    /// Print every setting, as a table (Markdown).
    Settings,
}

/// Runs the API's command line with these workflows: serves, or prints the OpenAPI document or the
/// settings.
///
/// # Errors
/// When the configuration is invalid or a port cannot be bound.
#[tokio::main]
pub async fn run(workflows: fn(&Settings) -> Registry) -> anyhow::Result<()> {
    let cli: Cli = settings::parse()?;
    let document = match cli.command {
        Some(Command::Openapi) => openapi() + "\n",
        Some(Command::Settings) => settings::reference(&Cli::command()),
        None => return serve(cli.config.checked()?, workflows).await,
    };
    #[expect(clippy::print_stdout, reason = "the document is what was asked for")]
    {
        print!("{document}");
    }
    Ok(())
}

async fn serve(config: Config, workflows: fn(&Settings) -> Registry) -> anyhow::Result<()> {
    let shutdown = web::shutdown_signal();
    let guard = telemetry::init("api", &config.telemetry)?;
    let (pool, hot) = pools(&config)?;
    // start at zero, so that the first event shows as an increase
    for result in ["refused", "throttled"] {
        metrics::counter!("logins_total", "result" => result).increment(0);
    }
    let signer = config.signer.clone();
    let jwks = tokens::published(&signer, &config.service_signer);
    let payments = PaymentsClient::new(
        &config.payments_url,
        config.service_signer.clone(),
        config.checkout.call_timeout(),
    )
    .context("PAYMENTS_URL")?;
    gauge_pools(pool.clone(), hot.clone());
    let probe = pool.clone();
    let ready = Readiness::new(move || {
        let pool = probe.clone();
        async move {
            match db::missing(&pool, &db::SHOP).await {
                Ok(None) => Ok(()),
                Ok(Some(why)) => Err(format!("database: {why}")),
                Err(error) => Err(format!("database: {error}")),
            }
        }
    });
    let storefront = config.storefront().context("STOREFRONT_DIR")?.map(Arc::new);
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("API_LISTEN: {} cannot be bound", config.listen))?;
    let admin = telemetry::admin::serve(config.admin_listen, ready, shutdown.clone())
        .await
        .with_context(|| format!("API_ADMIN_LISTEN: {} cannot be bound", config.admin_listen))?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = db::wait_until_ready(&pool, "the shop's database", &db::SHOP) => {}
    }
    let payments: Arc<dyn Payments> = Arc::new(payments);
    let registry = workflows(&config.checkout.workflows());
    let engine_config = config.checkout.engine_config()?;
    let ports = Ports::new(Arc::clone(&payments), hot.clone());
    let engine = Engine::new(&registry, hot.clone(), engine_config, Wakeup::default())?;
    let runner = Runner::new(engine.clone(), &registry, ports);
    let stop_heartbeat = CancellationToken::new();
    // the API makes first attempts, so it may hold leases
    let heartbeat = Heartbeat::new(&engine, ["api".to_owned()]);
    let heartbeat = tokio::spawn(heartbeat.run(pool.clone(), stop_heartbeat.clone()));
    let hasher = Hasher::new(std::thread::available_parallelism().map_or(2, usize::from))?;
    let bus = Bus::default().with(CreateClientOnRegistration);
    let sessions = Sessions::new(engine.lane().clone(), shutdown.clone());
    let app = App {
        auth: Auth::new(pool.clone(), bus, signer.clone(), hasher, config.auth),
        gate: Gate {
            verifier: Verifier::with_keys(&jwks),
            audience: contracts::payments::SHOP_AUDIENCE,
            sessions: Arc::new(sessions.clone()),
        },
        sessions,
        jwks: Arc::new(jwks),
        operator: Operator::new(
            engine.clone(),
            registry,
            DataSources::of_operators(PaymentsAccess::service(payments), config.amqp_url.clone()),
        ),
        engine: engine.clone(),
        submitter: Arc::new(Submitter::new(runner, config.order_limits)),
        placed: Placed::new(engine.lane().clone()),
        order_wait: config.order_wait,
        eager: Arc::new(tokio::sync::Semaphore::new(config.eager_attempts)),
        secure_cookie: config.secure_cookie,
        own_origins: config.own_origins,
        logins: Arc::new(http::Limiter::new(config.logins_per_minute)),
        refreshes: Arc::new(http::Limiter::new(config.refreshes_per_minute)),
        searches: Arc::new(http::Limiter::new(config.searches_per_minute)),
        watch: Watch::new(pool.clone(), shutdown.clone()),
        pool,
        settings: Arc::new(config.settings),
        storefront,
    };
    let layers = Layers {
        cors_origins: config.cors_origins.clone(),
        callers: Callers::Public,
    };
    web::serve(
        listener,
        layers.wrap(app.router()),
        web::ServerLimits::default(),
        shutdown.clone(),
    )
    .await?;
    engine.drain().await;
    stop_heartbeat.cancel();
    heartbeat.await?;
    admin.await?;
    guard.shutdown();
    Ok(())
}

fn gauge_pools(pool: sqlx::PgPool, hot: sqlx::PgPool) {
    telemetry::admin::on_scrape(move || {
        db::gauge(&pool, "api");
        db::gauge(&hot, "api orders");
    });
}
