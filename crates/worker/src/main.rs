//! The shop's workers: roles of one binary, one or several at a time.
//!
//! - `saga`: advances sagas: steps, undos, deadlines.
//! - `payments`: takes payment events from RabbitMQ and signals the sagas.
//! - `async`: takes commands from RabbitMQ and sends mails; runs the background jobs:
//!   retention, operators' batches.
//! - `relay`: publishes the outbox.
//!
//! `worker migrate` prepares both databases and RabbitMQ, once, before anything else starts;
//! `worker retention` does now, once, what the async role does every hour; `worker settings` prints
//! every setting.
//!
//! Killed at any moment, nothing is lost: what a worker held goes to another one when its lease
//! ends or its connection breaks. SIGTERM lets what is under way end first.

mod census;
mod config;
mod jobs;
mod mail;
mod messages;
mod migrate;
mod payment_events;
mod rights;
mod sagas;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use clap::CommandFactory;
use contracts::topology;
use kernel::Clock;
use messaging::{
    Wakeup,
    consumer::{self, ConsumerConfig},
    relay::Relay,
};
use operator::{Operator, PaymentsSight, Sight};
use payments_client::{EventKeys, PaymentsClient};
use saga::{Engine, heartbeat::Heartbeat};
use sqlx::PgPool;
use telemetry::admin::Readiness;
use tokens::Signer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflows::{checkout::Checkout, payments::Payments};

use crate::config::{Args, Config, Role, UnknownPlans};

/// How long a stopping worker waits for what is under way; longer than the longest attempt.
const GRACE: Duration = Duration::from_secs(20);

/// How long a batch of mails may take: some mail servers think long.
const MAILS: Duration = Duration::from_mins(2);

/// How long these roles may take to end. Whoever stops the process must wait longer.
fn grace(roles: &[Role]) -> Duration {
    if roles.contains(&Role::Async) {
        MAILS + GRACE
    } else {
        GRACE
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Args = settings::parse()?;
    if args.prints_settings() {
        #[expect(clippy::print_stdout, reason = "the table is what was asked for")]
        {
            print!("{}", settings::reference(&Args::command()));
        }
        return Ok(());
    }
    if args.migrates() {
        return migrate::run(&args).await;
    }
    if let Some((url, retention)) = args.retains()? {
        let _guard = telemetry::init("worker", &args.telemetry())?;
        return jobs::retain_once(&url, retention).await;
    }
    run(args.checked()?).await
}

async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = web::shutdown_signal();
    let guard = telemetry::init("worker", &config.telemetry)?;
    let pool = db::connect(
        &config.database_url,
        &db::PoolConfig::new("worker", config.database_max_connections).by_key(),
    )
    .context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
    let signer =
        Signer::from_pem(&config.signing_key, Clock::System).context("TOKEN_SIGNING_KEY_FILE")?;
    let payments: Arc<dyn Payments> = Arc::new(
        PaymentsClient::new(&config.payments_url, signer, config.checkout.call_timeout())
            .context("PAYMENTS_URL")?,
    );
    let event_keys = Arc::new(EventKeys::new(&config.payments_url).context("PAYMENTS_URL")?);
    let mailer = mail::Mailer::new(&config.mail)?;
    let admin = telemetry::admin::serve(config.admin_listen, readiness(&pool), shutdown.clone())
        .await
        .with_context(|| {
            format!(
                "WORKER_ADMIN_LISTEN: {} cannot be bound",
                config.admin_listen
            )
        })?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = db::wait_until_ready(&pool, "the shop's database", &db::SHOP) => {}
    }
    telemetry::admin::on_scrape({
        let pool = pool.clone();
        move || db::gauge(&pool, "worker")
    });
    let wakeup = Wakeup::default();
    let checkout = Checkout {
        payments: Arc::clone(&payments),
        payment_deadline: config.checkout.payment_deadline(),
    };
    let engine = Engine::new(
        checkout,
        pool.clone(),
        config.checkout.engine_config()?,
        wakeup.clone(),
    )?;
    if config.roles.contains(&Role::Saga) && config.unknown_plans == UnknownPlans::Refuse {
        refuse_strangers(&engine).await?;
    }
    let gone = CancellationToken::new();
    let names = config.roles.iter().map(|role| role.name().to_owned());
    let heartbeat = Heartbeat::new(&engine, names).run(pool.clone(), gone.clone());
    let heartbeat = tokio::spawn(heartbeat);
    let mut roles = start(
        &config,
        &pool,
        &engine,
        (&payments, &event_keys),
        &wakeup,
        &mailer,
        &shutdown,
    );
    tracing::info!("Working as {:?}", config.roles);
    let broke = roles.join_next().await.and_then(Result::err);
    if let Some(error) = &broke {
        tracing::error!(%error, "A role broke: the process ends, to be started anew");
    }
    shutdown.cancel();
    let rest = async { while roles.join_next().await.is_some() {} };
    let grace = grace(&config.roles);
    if tokio::time::timeout(grace, rest).await.is_err() {
        tracing::warn!("Not everything ended within {grace:?}: the leases of what is left run out");
    }
    gone.cancel();
    heartbeat.await?;
    admin.await?;
    guard.shutdown();
    broke.map_or(Ok(()), Err).context("a role broke")
}

/// Does not let a binary take over that would leave sagas behind.
async fn refuse_strangers(engine: &Engine<Checkout>) -> anyhow::Result<()> {
    let stranded = engine.stranded().await;
    let stranded = stranded.context("could not look for sagas of unknown plans")?;
    if stranded.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = stranded.iter().map(ToString::to_string).collect();
    anyhow::bail!(
        "live sagas are of plans that this binary does not know, and no living worker runs them: {}. Start a \
         release that knows them, beside this one if need be, until they are at rest (`shopctl saga \
         check-compat` counts them). UNKNOWN_PLANS=leave starts all the same: they stay where they are",
        named.join("; ")
    )
}

fn readiness(pool: &PgPool) -> Readiness {
    let pool = pool.clone();
    Readiness::new(move || {
        let pool = pool.clone();
        async move {
            match db::missing(&pool, &db::SHOP).await {
                Ok(None) => Ok(()),
                Ok(Some(why)) => Err(format!("database: {why}")),
                Err(error) => Err(format!("database: {error}")),
            }
        }
    })
}

/// Starts every role that this process has.
fn start(
    config: &Config,
    pool: &PgPool,
    engine: &Engine<Checkout>,
    (payments, event_keys): (&Arc<dyn Payments>, &Arc<EventKeys>),
    wakeup: &Wakeup,
    mailer: &mail::Mailer,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut roles = JoinSet::new();
    for role in &config.roles {
        let (stop, amqp_url) = (shutdown.clone(), config.amqp_url.clone());
        match role {
            Role::Saga => {
                let sagas =
                    sagas::Sagas::new(engine.clone(), wakeup.clone(), config.saga_concurrency);
                roles.spawn(async move { sagas.run(stop).await });
            }
            Role::Relay => {
                let relay = Relay::new(pool.clone(), amqp_url, config.relay, wakeup.clone());
                roles.spawn(async move { relay.run(stop).await });
            }
            Role::Payments => {
                let handler = payment_events::PaymentEvents::new(
                    engine.clone(),
                    Arc::clone(payments),
                    Arc::clone(event_keys),
                );
                let queue = topology::PAYMENTS_EVENTS_QUEUE;
                roles.spawn(async move {
                    consumer::run(&amqp_url, queue, ConsumerConfig::default(), &handler, stop)
                        .await;
                });
            }
            Role::Async => {
                let handler = messages::Messages::new(pool.clone(), mailer.clone());
                let consumer_config = ConsumerConfig {
                    prefetch: 20,
                    max_batch: 10,
                    deadline: MAILS,
                    ..ConsumerConfig::default()
                };
                roles.spawn(async move {
                    consumer::run(
                        &amqp_url,
                        topology::MESSAGES,
                        consumer_config,
                        &handler,
                        stop,
                    )
                    .await;
                });
                let sight = Sight {
                    payments: PaymentsSight::Service(Arc::clone(payments)),
                    amqp_url: Some(config.amqp_url.clone()),
                    reads_failed: false,
                };
                let operator = Operator::new(engine.clone(), sight);
                roles.spawn(census::run(
                    config.database_url.clone(),
                    operator.clone(),
                    config.census,
                    shutdown.clone(),
                ));
                roles.spawn(jobs::run(
                    config.database_url.clone(),
                    config.retention,
                    operator,
                    shutdown.clone(),
                ));
            }
        }
    }
    roles
}
