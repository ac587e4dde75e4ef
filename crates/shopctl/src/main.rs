//! shopctl: the operator's command line. stdout is data, stderr is talk.
//!
//! It works when the api is down: it needs the database, and RabbitMQ only for `failed`.

mod batch;
mod doctor_cmd;
mod exit;
mod failed;
mod output;
mod saga;
mod users;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use sqlx::PgPool;

use crate::{exit::Failure, output::Output};

/// Look after the shop's sagas, messages and accounts.
#[derive(Parser)]
#[command(
    name = "shopctl",
    version,
    after_help = "Exit codes: 0 ok, 1 not done or a check violated, 2 usage, 3 not found, 4 conflict, 6 unreachable.\n\n\
                  Examples:\n  shopctl saga list --state compensating\n  shopctl saga show 0190…\n  \
                  shopctl saga retry 0190… --reason 'payments is back'\n  shopctl failed list\n  shopctl doctor"
)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// How results are printed; `json` is one object a line, and a contract.
    #[arg(short, long, global = true, default_value = "table")]
    output: Output,
    /// PostgreSQL URL of the shop's database.
    #[arg(long, global = true, env = "SHOP_DATABASE_URL", hide_env_values = true)]
    shop_database_url: Option<String>,
    /// PostgreSQL URL of payments' database; only `doctor` reads it.
    #[arg(
        long,
        global = true,
        env = "PAYMENTS_DATABASE_URL",
        hide_env_values = true
    )]
    payments_database_url: Option<String>,
    /// RabbitMQ URL.
    #[arg(long, global = true, env = "AMQP_URL", hide_env_values = true)]
    amqp_url: Option<String>,
    /// Do what changes something without asking.
    #[arg(short, long, global = true)]
    yes: bool,
}

#[derive(Subcommand)]
enum Noun {
    /// Sagas: where each stands, what happened to it, go on now.
    #[command(subcommand)]
    Saga(saga::Saga),
    /// Run a plan that `--dry-run` has made: the workers do it, each saga once and only while it is
    /// what was looked at.
    #[command(
        after_help = "Examples:\n  shopctl apply 12\n  shopctl apply 12 --first 5\n  shopctl apply 12 --rps 20 --detach"
    )]
    Apply(batch::Apply),
    /// Plans and what came of them.
    #[command(subcommand)]
    Batch(batch::Batch),
    /// Messages that could not be handled.
    #[command(subcommand)]
    Failed(failed::Failed),
    /// Accounts.
    #[command(subcommand)]
    User(users::User),
    /// Check every invariant (I1–I10); changes nothing.
    Doctor(doctor_cmd::Doctor),
    /// Load the demo catalog; what is there stays.
    Seed,
    /// Print a new Ed25519 key for TOKEN_SIGNING_KEY_FILE.
    Keygen,
}

impl Common {
    fn shop(&self) -> anyhow::Result<PgPool> {
        let url = self
            .shop_database_url
            .as_deref()
            .context("SHOP_DATABASE_URL is not set")?;
        db::connect(url, &db::PoolConfig::new("shopctl", 4))
            .context("SHOP_DATABASE_URL is not a PostgreSQL URL")
    }

    fn payments(&self) -> anyhow::Result<Option<PgPool>> {
        let Some(url) = &self.payments_database_url else {
            return Ok(None);
        };
        let pool = db::connect(url, &db::PoolConfig::new("shopctl", 2));
        pool.map(Some)
            .context("PAYMENTS_DATABASE_URL is not a PostgreSQL URL")
    }

    fn amqp(&self) -> anyhow::Result<&str> {
        self.amqp_url.as_deref().context("AMQP_URL is not set")
    }
}

/// Who acts, and why.
fn actor(reason: &str) -> anyhow::Result<operator::Actor> {
    let name = ["SHOPCTL_ACTOR", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let name = name.ok_or_else(|| {
        Failure::not_done("it must be known who acts").hint("set SHOPCTL_ACTOR to your name")
    })?;
    operator::Actor::new(name, reason).map_err(|error| Failure::usage(error.to_string()).into())
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn run(cli: &Cli) -> Result<(), anyhow::Error> {
    let common = &cli.common;
    match &cli.noun {
        Noun::Saga(verb) => verb.run(common).await,
        Noun::Apply(apply) => apply.run(common).await,
        Noun::Batch(verb) => verb.run(common).await,
        Noun::Failed(verb) => verb.run(common).await,
        Noun::User(verb) => verb.run(common).await,
        Noun::Doctor(doctor) => doctor.run(common).await,
        Noun::Seed => {
            let mut tx = common.shop()?.begin().await?;
            let added = commerce::product::seed(&mut tx)
                .await
                .map_err(|error| Failure::not_done(error.to_string()))?;
            tx.commit().await?;
            output::talk(&format!("Added {added} products."));
            Ok(())
        }
        Noun::Keygen => {
            output::data(tokens::generate_key_pem().trim_end());
            Ok(())
        }
    }
}
