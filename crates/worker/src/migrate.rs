//! The migrate step: migrates both databases, declares RabbitMQ's topology and, if `ROLES_DIR` is
//! set, creates the roles of the processes. Running it again changes nothing.

use std::time::Duration;

use anyhow::Context;
use contracts::topology as names;
use messaging::topology::{self, ExchangeType, Route};
use sqlx::PgPool;

use crate::{
    config::Args,
    grants::{self, Broker, Database, Passwords},
    jobs,
};

/// How long a database may take to start.
const DATABASE_TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let guard = telemetry::init("migrate", &args.telemetry())?;
    let pool_config = db::PoolConfig::new("migrate", 2).lock_timeout(db::MIGRATION_LOCK_TIMEOUT);
    let roles = args.roles_dir.as_deref().map(Passwords::read).transpose()?;
    if let Some(url) = &args.database_url {
        let pool =
            db::connect(url, &pool_config).context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
        answers(&pool, "the shop's database").await?;
        db::migrate(&pool, &db::SHOP)
            .await
            .context("could not migrate the shop's database")?;
        db::retry_locked(&pool, is_locked, || jobs::migrate(&pool))
            .await
            .context("could not prepare the background jobs' tables")?;
        grant(&grants::SHOP, &pool, roles.as_ref()).await?;
        tracing::info!("The shop's database is up to date");
    }
    if let Some(url) = &args.payments_database_url {
        let pool = db::connect(url, &pool_config)
            .context("PAYMENTS_DATABASE_URL is not a PostgreSQL URL")?;
        answers(&pool, "payments' database").await?;
        db::migrate(&pool, &db::PAYMENTS)
            .await
            .context("could not migrate payments' database")?;
        grant(&grants::PAYMENTS, &pool, roles.as_ref()).await?;
        tracing::info!("Payments' database is up to date");
    }
    if let Some(url) = &args.amqp_url {
        topology::declare(url, &routes())
            .await
            .context("could not declare RabbitMQ's exchanges and queues")?;
        if let Some(passwords) = &roles {
            let management = args.rabbitmq_management_url.as_deref().context(
                "RABBITMQ_MANAGEMENT_URL is not set: with ROLES_DIR, users are made at RabbitMQ, too",
            )?;
            Broker::new(management, url)?
                .grant(passwords)
                .await
                .context("could not make the users at RabbitMQ")?;
        }
        tracing::info!("RabbitMQ's topology is declared");
    }
    guard.shutdown();
    Ok(())
}

fn is_locked(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|error| error.downcast_ref::<sqlx::Error>())
        .any(db::is_locked)
}

async fn grant(
    database: &Database,
    pool: &PgPool,
    roles: Option<&Passwords>,
) -> anyhow::Result<()> {
    match roles {
        Some(passwords) => db::retry_locked(pool, is_locked, || database.grant(pool, passwords))
            .await
            .context("could not make the processes' roles: it takes a role that may create roles"),
        None => Ok(()),
    }
}

/// Waits for the database, with a time limit: a step that never ends reports no error.
async fn answers(pool: &PgPool, what: &str) -> anyhow::Result<()> {
    tokio::time::timeout(DATABASE_TIMEOUT, db::wait_until_it_answers(pool, what))
        .await
        .with_context(|| format!("{what} did not answer within {DATABASE_TIMEOUT:?}"))
}

/// The queues of our consumers, with their bindings.
fn routes() -> [Route; 2] {
    let route = |exchange: &str, exchange_type, queue: &str| {
        let keys = names::BINDINGS.into_iter();
        let keys = keys.filter(|(from, to, _)| *from == exchange && *to == queue);
        Route {
            exchange: exchange.to_owned(),
            exchange_type,
            queue: queue.to_owned(),
            routing_keys: keys.map(|(_, _, key)| key.to_owned()).collect(),
        }
    };
    [
        route(
            names::PAYMENTS_EVENTS,
            ExchangeType::Topic,
            names::PAYMENTS_EVENTS_QUEUE,
        ),
        route(names::MESSAGES, ExchangeType::Direct, names::MESSAGES),
    ]
}
