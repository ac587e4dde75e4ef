//! shopctl: the operator's command line. stdout is data, stderr is talk.
//!
//! It works when the api is down: it needs the shop's database; RabbitMQ and payments' database only
//! for what they alone know, and it says what it could not see.

mod audit;
mod batch;
mod demo;
mod doctor_cmd;
mod exit;
mod failed;
mod hold;
mod order;
mod outbox;
mod output;
mod probe;
mod profile;
mod saga;
mod shell;
mod users;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use sqlx::PgPool;
use workflows::{Registry, Settings};

use crate::{exit::Failure, output::Output};

/// Look after the shop's sagas, messages and accounts.
///
/// Where things are comes from the environment or from a profile, ~/.config/shopctl/profile.env or
/// what SHOPCTL_PROFILE names: SHOP_DATABASE_URL, PAYMENTS_DATABASE_URL, AMQP_URL. Who acts is
/// SHOPCTL_ACTOR, else USER.
///
/// Exit codes: 0 ok, 1 not done or a check violated, 2 usage, 3 not found, 4 conflict, 6 unreachable.
#[derive(Parser)]
#[command(
    name = "shopctl",
    version,
    after_help = "Examples:\n  shopctl saga list\n  shopctl saga show 01996e0e-0000-7000-8000-000000000001\n  \
                  shopctl saga retry 01996e0e-0000-7000-8000-000000000001 --reason 'payments is back'\n  \
                  shopctl failed list\n  shopctl doctor"
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
    /// Do what changes something without asking.
    #[arg(short, long, global = true)]
    yes: bool,
    #[arg(skip)]
    profile: profile::Profile,
    /// The workflows that it knows.
    #[arg(skip)]
    registry: Registry,
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
    /// What must still happen outside the database.
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Orders.
    #[command(subcommand)]
    Order(order::Order),
    /// Accounts.
    #[command(subcommand)]
    User(users::User),
    /// What operators did.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Check every invariant (I1–I11); changes nothing.
    #[command(after_help = "Examples:\n  shopctl doctor\n  shopctl doctor --grace 0 -o json")]
    Doctor(doctor_cmd::Doctor),
    /// Drills, on a development system only.
    #[command(subcommand)]
    Demo(demo::Demo),
    /// Ask a process whether it is ready, as a health check: 0 when it is.
    #[command(after_help = "Examples:\n  shopctl probe http://127.0.0.1:9080/readyz")]
    Probe(probe::Probe),
    /// Wait for SIGTERM: the container in which `k8s/shopctl.sh` runs commands.
    #[command(after_help = "Examples:\n  shopctl hold --seconds 1")]
    Hold(hold::Hold),
    /// Load the demo catalog; what is there stays.
    #[command(after_help = "Examples:\n  shopctl seed")]
    Seed,
    /// Print a new Ed25519 key for TOKEN_SIGNING_KEY_FILE.
    #[command(after_help = "Examples:\n  shopctl keygen > token.pem")]
    Keygen,
    /// Print what a shell needs to complete commands.
    #[command(
        after_help = "Examples:\n  shopctl completions bash > /etc/bash_completion.d/shopctl\n  \
                      shopctl completions zsh > ~/.zfunc/_shopctl\n  \
                      shopctl completions fish > ~/.config/fish/completions/shopctl.fish"
    )]
    Completions(shell::Completions),
    /// Print the manual page, or write one for each verb.
    #[command(after_help = "Examples:\n  shopctl man > shopctl.1\n  shopctl man --dir ./man")]
    Man(shell::Man),
}

impl Common {
    fn shop(&self) -> anyhow::Result<PgPool> {
        let url = self.profile.get("SHOP_DATABASE_URL")?;
        connect("SHOP_DATABASE_URL", &url, 4)
    }

    /// Payments' database, if it is told where that is.
    fn payments(&self) -> anyhow::Result<Option<PgPool>> {
        let url = self.profile.find("PAYMENTS_DATABASE_URL")?;
        url.map(|url| connect("PAYMENTS_DATABASE_URL", &url, 2))
            .transpose()
    }

    fn amqp(&self) -> anyhow::Result<String> {
        Ok(self.profile.get("AMQP_URL")?)
    }

    /// RabbitMQ's URL, if it is told.
    fn find_amqp(&self) -> anyhow::Result<Option<String>> {
        Ok(self.profile.find("AMQP_URL")?)
    }

    /// RabbitMQ's management API, when it is given.
    fn find_management(&self) -> anyhow::Result<Option<String>> {
        Ok(self.profile.find("RABBITMQ_MANAGEMENT_URL")?)
    }
}

fn connect(name: &str, url: &str, connections: u32) -> anyhow::Result<PgPool> {
    db::connect(url, &db::PoolConfig::new("shopctl", connections)).map_err(|error| {
        Failure::usage(format!("{name} is no PostgreSQL URL: {error}"))
            .hint("it begins with postgres://")
            .into()
    })
}

/// Who acts, and why.
fn actor(reason: &str) -> anyhow::Result<operator::Actor> {
    let user = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    let name = profile::Profile::default()
        .find("SHOPCTL_ACTOR")?
        .or_else(user);
    let name = name.ok_or_else(|| {
        Failure::usage("it must be known who acts").hint("set SHOPCTL_ACTOR to your name")
    })?;
    operator::Actor::new(name, reason).map_err(|error| {
        Failure::usage(error.to_string())
            .hint("say it with --reason 'why'")
            .into()
    })
}

/// The command line, with examples before all else in each `--help`.
fn command() -> Command {
    examples_first(Cli::command())
}

fn examples_first(command: Command) -> Command {
    let command = command.mut_subcommands(examples_first);
    if command.get_after_help().is_none() {
        return command;
    }
    command.help_template(
        "{before-help}{about-with-newline}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}",
    )
}

/// How errors are to be printed, when the command line could not be understood as a whole.
fn wanted_output() -> Output {
    let words: Vec<_> = std::env::args().collect();
    let json = words
        .windows(2)
        .any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json")
        || words
            .iter()
            .any(|word| matches!(word.as_str(), "-ojson" | "-o=json" | "--output=json"));
    if json { Output::Json } else { Output::Table }
}

/// Runs the command line of a program that knows these workflows.
#[tokio::main]
pub async fn run(workflows: fn(&Settings) -> Registry) -> ExitCode {
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let mut cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error, wanted_output()),
    };
    cli.common.registry = workflows(&Settings::default());
    match execute(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, cli.common.output),
    }
}

async fn execute(cli: &Cli) -> Result<(), anyhow::Error> {
    let common = &cli.common;
    match &cli.noun {
        Noun::Saga(verb) => verb.run(common).await,
        Noun::Apply(apply) => apply.run(common).await,
        Noun::Batch(verb) => verb.run(common).await,
        Noun::Failed(verb) => verb.run(common).await,
        Noun::Outbox(verb) => verb.run(common).await,
        Noun::Order(verb) => verb.run(common).await,
        Noun::User(verb) => verb.run(common).await,
        Noun::Audit(verb) => verb.run(common).await,
        Noun::Doctor(doctor) => doctor.run(common).await,
        Noun::Demo(verb) => verb.run(common).await,
        Noun::Probe(probe) => probe.run().await,
        Noun::Hold(hold) => hold.run().await,
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
        Noun::Completions(completions) => completions.run(command()),
        Noun::Man(man) => man.run(command()),
    }
}
