//! The shop's workers: one binary that runs one or several roles.
//!
//! - `saga`: advances sagas: steps, undos, deadlines.
//! - `payments`: consumes payment events from RabbitMQ and signals the sagas.
//! - `async`: consumes commands from RabbitMQ and sends mails; runs the background jobs: retention
//!   and operators' batches.
//! - `relay`: publishes the outbox.
//!
//! `worker migrate` prepares both databases and RabbitMQ once, before any other process starts;
//! `worker retention` runs once the job that the async role runs every hour; `worker settings`
//! prints every setting.
//!
//! A worker can be killed at any moment without loss: another worker takes over its claims when
//! their leases expire, and its messages when its connection breaks. On SIGTERM, a worker finishes
//! the work under way before it exits.

mod bindings;
mod config;
mod grants;
mod jobs;
mod mail;
mod messages;
mod migrate;
mod payment_events;
mod stats_collector;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use clap::CommandFactory;
use contracts::topology;
use messaging::{
    BrokerHealth, Wakeup,
    consumer::{self, ConsumerConfig, Handler},
    relay::Relay,
};
use operator::{DataSources, EVENTS_NOTE, Operator, PaymentsAccess};
use payments_client::{EventKeys, PaymentsClient};
use saga::{
    Engine,
    heartbeat::{Heartbeat, Notes},
};
use sqlx::PgPool;
use telemetry::admin::Readiness;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflows::{Ports, Registry, Runner, Settings, payments::Payments};

use crate::{
    bindings::Keeper,
    config::{Args, CheckoutConfig, Config, EventProof, Role, UnknownPlans},
    messages::Messages,
    payment_events::PaymentEvents,
};

/// How long a stopping worker waits for the work under way; longer than the longest attempt.
const GRACE_PERIOD: Duration = Duration::from_secs(20);

/// How long a batch of mails may take: some mail servers respond slowly.
const MAILS: Duration = Duration::from_mins(1);
/// Longest wait of a role's statement for a row that another session has locked.
const MAX_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// At most half the lease: timers that are due together wait for a locked saga first in one
/// transaction, then each in its own, all within the one lease under which they were claimed.
fn lock_timeout(config: &Config) -> Duration {
    let checkout = config.checkout.as_ref();
    checkout.map_or(MAX_LOCK_TIMEOUT, |checkout| {
        MAX_LOCK_TIMEOUT.min(checkout.settings.lease() / 2)
    })
}

/// How long these roles may take to end. A supervisor that stops the process must wait longer
/// before it kills the process.
fn grace(roles: &[Role]) -> Duration {
    if roles.iter().any(|role| matches!(role, Role::Async { .. })) {
        MAILS + GRACE_PERIOD
    } else {
        GRACE_PERIOD
    }
}

/// Builds the registry of the workflows that a worker runs.
pub type Workflows = fn(&Settings) -> Registry;

/// Runs a worker with these workflows, configured by the command line and the environment.
///
/// # Errors
/// When a setting is invalid, an address cannot be bound, the binary would orphan live sagas, or a
/// role panics. The error is a sentence for people.
#[tokio::main]
pub async fn run(workflows: Workflows) -> anyhow::Result<()> {
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
    work(args.checked()?, workflows).await
}

async fn work(config: Config, workflows: Workflows) -> anyhow::Result<()> {
    let shutdown = web::shutdown_signal();
    let guard = telemetry::init("worker", &config.telemetry)?;
    let pool = db::connect(
        &config.database_url,
        &db::PoolConfig::new("worker", config.database_max_connections)
            .by_key()
            .lock_timeout(lock_timeout(&config)),
    )
    .context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
    let wakeup = Wakeup::default();
    let checkout = config.checkout.as_ref();
    let checkout = checkout
        .map(|checkout| Checkouts::new(checkout, workflows, pool.clone(), wakeup.clone()))
        .transpose()?;
    let (broker, notes) = (BrokerHealth::default(), Notes::default());
    let roles = config.roles.iter().map(|role| {
        let shared = Shared {
            pool: &pool,
            database_url: &config.database_url,
            wakeup: &wakeup,
            broker: &broker,
            notes: &notes,
        };
        shared.prepare(role, checkout.as_ref())
    });
    let roles: Vec<_> = roles.collect::<anyhow::Result<_>>()?;
    let admin = telemetry::admin::serve(
        config.admin_listen,
        readiness(&pool, &broker),
        shutdown.clone(),
    )
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
    for role in &config.roles {
        if let (Role::Saga { unknown_plans, .. }, Some(checkout)) = (role, &checkout)
            && *unknown_plans == UnknownPlans::Refuse
        {
            refuse_orphaned_plans(checkout.runner.engine()).await?;
        }
    }
    let stop_heartbeat = CancellationToken::new();
    let heartbeat = heartbeat(&config.roles, checkout.as_ref()).noting(notes);
    let heartbeat = tokio::spawn(heartbeat.run(pool.clone(), stop_heartbeat.clone()));
    let names: Vec<_> = config.roles.iter().map(Role::name).collect();
    let mut running = JoinSet::new();
    for role in roles {
        role(&mut running, &shutdown);
    }
    tracing::info!("Working as {names:?}");
    let broke = running.join_next().await.and_then(Result::err);
    if let Some(error) = &broke {
        tracing::error!(%error, "A role broke: the process ends, to be started anew");
    }
    shutdown.cancel();
    let rest = async { while running.join_next().await.is_some() {} };
    let grace = grace(&config.roles);
    if tokio::time::timeout(grace, rest).await.is_err() {
        tracing::warn!("Not everything ended within {grace:?}: the leases of what is left run out");
    }
    stop_heartbeat.cancel();
    heartbeat.await?;
    admin.await?;
    guard.shutdown();
    broke.map_or(Ok(()), Err).context("a role broke")
}

/// The saga runner, and the payments client that it calls.
struct Checkouts {
    registry: Registry,
    runner: Runner,
    payments: Arc<dyn Payments>,
    /// Verify the signatures of payments' events.
    event_keys: Arc<EventKeys>,
}

impl Checkouts {
    fn new(
        config: &CheckoutConfig,
        workflows: Workflows,
        pool: PgPool,
        wakeup: Wakeup,
    ) -> anyhow::Result<Self> {
        let signer = config.signer.clone();
        let client =
            PaymentsClient::new(&config.payments_url, signer, config.settings.call_timeout())
                .context("PAYMENTS_URL")?;
        let event_keys = EventKeys::new(&config.payments_url).context("PAYMENTS_URL")?;
        let payments: Arc<dyn Payments> = Arc::new(client);
        let registry = workflows(&config.settings.workflows());
        let ports = Ports::new(Arc::clone(&payments), pool.clone());
        let engine = Engine::new(&registry, pool, config.settings.engine_config()?, wakeup)?;
        Ok(Self {
            runner: Runner::new(engine, &registry, ports),
            registry,
            payments,
            event_keys: Arc::new(event_keys),
        })
    }
}

/// Refuses to start a binary that would orphan live sagas: sagas whose plan neither this binary nor
/// a live worker knows.
async fn refuse_orphaned_plans(engine: &Engine) -> anyhow::Result<()> {
    let orphaned = engine.orphaned().await;
    let orphaned = orphaned.context("could not look for sagas of unknown plans")?;
    if orphaned.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = orphaned.iter().map(ToString::to_string).collect();
    anyhow::bail!(
        "live sagas are of plans that this binary does not know, and no living worker runs them: {}. Start a \
         release that knows them, beside this one if need be, until they are at rest (`shopctl saga \
         check-compat` counts them). `shopctl saga pause ID --reason WHY` parks one, and UNKNOWN_PLANS=leave \
         leaves all of them where they are: workers start then",
        named.join("; ")
    )
}

fn heartbeat(roles: &[Role], checkout: Option<&Checkouts>) -> Heartbeat {
    let names = roles.iter().map(|role| role.name().to_owned());
    if let Some(checkout) = checkout {
        return Heartbeat::new(checkout.runner.engine(), names);
    }
    let leases = roles.iter().filter_map(|role| match role {
        Role::Relay { relay, .. } => Some(relay.lease),
        _ => None,
    });
    Heartbeat::without_sagas(names, leases.max().unwrap_or_default())
}

/// Ready when the database answers and has this binary's migrations, and when each role that needs
/// RabbitMQ is connected to it.
fn readiness(pool: &PgPool, broker: &BrokerHealth) -> Readiness {
    let (pool, broker) = (pool.clone(), broker.clone());
    Readiness::new(move || {
        let (pool, broker) = (pool.clone(), broker.clone());
        async move {
            match db::missing(&pool, &db::SHOP).await {
                Ok(None) => broker.check(),
                Ok(Some(why)) => Err(format!("database: {why}")),
                Err(error) => Err(format!("database: {error}")),
            }
        }
    })
}

/// Starts a role's tasks.
type Start = Box<dyn FnOnce(&mut JoinSet<()>, &CancellationToken)>;

/// Resources that all roles of this process share.
struct Shared<'a> {
    pool: &'a PgPool,
    database_url: &'a str,
    wakeup: &'a Wakeup,
    broker: &'a BrokerHealth,
    notes: &'a Notes,
}

impl Shared<'_> {
    /// Builds the parts of a role, so that an invalid setting ends the process before any role
    /// runs.
    fn prepare(&self, role: &Role, checkout: Option<&Checkouts>) -> anyhow::Result<Start> {
        let checkout = || checkout.context("this role cannot run without checkouts");
        match role {
            Role::Saga { concurrency, .. } => {
                let runner = checkout()?.runner.clone();
                let sagas = saga::Worker::new(runner, self.wakeup.clone(), *concurrency);
                Ok(Box::new(|running, stop| {
                    let stop = stop.clone();
                    running.spawn(async move { sagas.run(stop).await });
                }))
            }
            Role::Payments {
                amqp_url,
                bindings,
                proof,
            } => {
                let Checkouts {
                    runner,
                    payments,
                    event_keys,
                    ..
                } = checkout()?;
                let engine = runner.engine();
                let (payments, keys) = (Arc::clone(payments), Arc::clone(event_keys));
                let (proof, notes) = (*proof, self.notes.clone());
                notes.set(EVENTS_NOTE, Some(proof.to_string()));
                if proof == EventProof::Trusted {
                    tracing::warn!(
                        "PAYMENTS_EVENTS=trusted: payment events are accepted without proof. Let RabbitMQ allow \
                         only payments to publish to `{}`",
                        topology::PAYMENTS_EVENTS
                    );
                }
                let keys_of_handler = Arc::clone(&keys);
                let handler = PaymentEvents::new(engine.clone(), payments, keys_of_handler, proof);
                let queue = topology::PAYMENTS_EVENTS_QUEUE;
                let consume = self.consume(amqp_url, queue, ConsumerConfig::default(), handler);
                let keeper = Keeper::new(amqp_url, bindings)?;
                Ok(Box::new(move |running, stop| {
                    if proof != EventProof::Trusted {
                        running.spawn(payment_events::renew_keys(keys, notes, stop.clone()));
                    }
                    running.spawn(keeper.run(stop.clone()));
                    consume(running, stop);
                }))
            }
            Role::Async {
                amqp_url,
                mail,
                stats_interval,
                retention,
            } => {
                let handler = Messages::new(self.pool.clone(), mail)?;
                let config = ConsumerConfig {
                    prefetch: 32,
                    max_batch: 1,
                    concurrency: 8,
                    deadline: MAILS,
                };
                let consume = self.consume(amqp_url, topology::MESSAGES, config, handler);
                let Checkouts {
                    registry,
                    runner,
                    payments,
                    ..
                } = checkout()?;
                let sources = DataSources {
                    payments: PaymentsAccess::service(Arc::clone(payments)),
                    amqp_url: Some(amqp_url.clone()),
                    reads_failed: false,
                };
                let operator = Operator::new(runner.engine().clone(), registry.clone(), sources);
                let (url, interval, retention) =
                    (self.database_url.to_owned(), *stats_interval, *retention);
                Ok(Box::new(move |running, stop| {
                    consume(running, stop);
                    running.spawn(stats_collector::run(
                        url.clone(),
                        operator.clone(),
                        interval,
                        stop.clone(),
                    ));
                    running.spawn(jobs::run(url, retention, operator, stop.clone()));
                }))
            }
            Role::Relay { amqp_url, relay } => {
                let relay = Relay::new(self.pool.clone(), amqp_url, *relay, self.wakeup.clone())
                    .reporting(self.broker.watch("relay"));
                Ok(Box::new(|running, stop| {
                    let stop = stop.clone();
                    running.spawn(async move { relay.run(stop).await });
                }))
            }
        }
    }

    fn consume<H: Handler>(
        &self,
        amqp_url: &str,
        queue: &'static str,
        config: ConsumerConfig,
        handler: H,
    ) -> Start {
        let (amqp_url, health) = (amqp_url.to_owned(), self.broker.watch(queue));
        Box::new(move |running, stop| {
            let stop = stop.clone();
            running.spawn(async move {
                consumer::run(&amqp_url, queue, config, &handler, &health, stop).await;
            });
        })
    }
}
