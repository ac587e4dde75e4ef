//! shopctl: the operator's command line. Data goes to stdout, messages go to stderr.
//!
//! shopctl works while the api is down, since it only needs the shop's database. It asks RabbitMQ
//! and payments only for data that they alone hold, and reports each source that it could not read.
//! Payments is asked through its API; its database is read only if it proves to be payments' own.

mod audit;
mod batch;
mod db_sessions;
mod doctor_cmd;
mod exit;
mod failed;
mod hold;
mod order;
mod outbox;
mod output;
mod payments;
mod probe;
mod profile;
mod runbook;
mod saga;
mod saga_ref;
mod shell;
mod table;
mod users;

#[cfg(test)]
mod tests;

use std::{process::ExitCode, sync::OnceLock};

use clap::{
    Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use operator::PaymentsAccess;
use sqlx::PgPool;
use workflows::{Registry, Settings};

use crate::{exit::Failure, output::Output};

/// Operate the shop's sagas, messages and accounts.
///
/// SHOP_DATABASE_URL, AMQP_URL, PAYMENTS_URL and SERVICE_SIGNING_KEY_FILE (which signs the calls to
/// payments) are read from the environment or from a profile: the file that SHOPCTL_PROFILE names,
/// or else ~/.config/shopctl/profile.env. PAYMENTS_DATABASE_URL is read only if the service at
/// PAYMENTS_URL uses that database. Actions are recorded under the name in SHOPCTL_ACTOR, or else in
/// USER.
///
/// Exit codes: 0 ok, 1 not done or a check violated, 2 usage, 3 not found, 4 conflict, 6 unreachable or not checked.
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
    /// Output format; `json` prints one object per line and is a stable contract, `wide` a table
    /// with everything in it.
    #[arg(short, long, global = true, default_value = "table")]
    output: Output,
    /// Make changes without asking for confirmation.
    #[arg(short, long, global = true)]
    yes: bool,
    #[arg(skip)]
    profile: profile::Profile,
    /// Payments, as first looked at: its database proves itself once.
    #[arg(skip)]
    payments: OnceLock<PaymentsAccess>,
    /// The workflows that this binary knows.
    #[arg(skip)]
    registry: Registry,
}

#[derive(Subcommand)]
enum Noun {
    /// Explain why an order or saga is where it is: the cause, the evidence, and what to do. Exit
    /// code 1 if it is stuck.
    #[command(
        after_help = "Examples:\n  shopctl why 1C1FB183\n  shopctl why 01996e0e-0000-7000-8000-000000000001"
    )]
    Why(saga::WhyArgs),
    /// Show an order: its items, its status history, its saga, its transaction at payments, and the
    /// cause with the next command.
    #[command(
        after_help = "Examples:\n  shopctl show 1C1FB183\n  shopctl show 01996e0e-0000-7000-8000-000000000001 -o json"
    )]
    Show(order::Show),
    /// Run the current step or undo of a saga now, with a new retry budget.
    #[command(after_help = "Examples:\n  shopctl retry 1C1FB183 --reason 'payments is back'")]
    Retry(saga::Many),
    /// Print each change of a saga, until it is at rest.
    #[command(after_help = "Examples:\n  shopctl watch 1C1FB183")]
    Watch(saga::Watch),
    /// Print the link to the trace of an order or saga.
    #[command(after_help = "Examples:\n  shopctl trace 1C1FB183")]
    Trace(saga::Trace),
    /// Print the page about a cause, with the ids of a saga filled in.
    #[command(
        after_help = "Examples:\n  shopctl runbook job-lost\n  shopctl runbook job-lost 01996e0e-0000-7000-8000-000000000001"
    )]
    Runbook(runbook::Runbook),
    /// Inspect sagas, diagnose them, and act on them.
    #[command(subcommand)]
    Saga(saga::Saga),
    /// Run a plan that `--dry-run` has made: the workers act on each saga once, and only if it is
    /// unchanged since the dry run.
    #[command(
        after_help = "Examples:\n  shopctl apply 12\n  shopctl apply 12 --first 5\n  shopctl apply 12 --rps 20 --detach"
    )]
    Apply(batch::Apply),
    /// List, show and stop plans.
    #[command(subcommand)]
    Batch(batch::Batch),
    /// Inspect messages that could not be handled; resend, edit or drop them.
    #[command(subcommand)]
    Failed(failed::Failed),
    /// Inspect the outbox: work that must still happen outside the database.
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Show orders.
    #[command(subcommand)]
    Order(order::Order),
    /// Manage accounts.
    #[command(subcommand)]
    User(users::User),
    /// List the database's sessions that block sagas, and end one.
    #[command(subcommand)]
    Db(db_sessions::Db),
    /// List operators' actions.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Check every invariant (I1–I11); read-only.
    #[command(
        after_help = "Examples:\n  shopctl doctor\n  shopctl doctor --grace 0 -o json\n  \
                      shopctl doctor --without payments,rabbitmq,bindings"
    )]
    Doctor(doctor_cmd::Doctor),
    /// Show what the payments service offers of the contract, whether its database is read, and which
    /// proof its events need.
    #[command(after_help = "Examples:\n  shopctl payments\n  shopctl payments -o json")]
    Payments(payments::Payments),
    /// Check whether a process is ready, as a health check: exit code 0 if it is.
    #[command(after_help = "Examples:\n  shopctl probe http://127.0.0.1:9080/readyz")]
    Probe(probe::Probe),
    /// Wait for SIGTERM, to keep the container open in which `k8s/shopctl.sh` runs commands.
    #[command(after_help = "Examples:\n  shopctl hold --seconds 1")]
    Hold(hold::Hold),
    /// Load the demo catalog; existing products stay unchanged.
    #[command(after_help = "Examples:\n  shopctl seed")]
    Seed,
    /// Print a new Ed25519 key for TOKEN_SIGNING_KEY_FILE.
    #[command(after_help = "Examples:\n  shopctl keygen > token.pem")]
    Keygen,
    /// Print the completion script for a shell.
    #[command(
        after_help = "Examples:\n  shopctl completions bash > /etc/bash_completion.d/shopctl\n  \
                      shopctl completions zsh > ~/.zfunc/_shopctl\n  \
                      shopctl completions fish > ~/.config/fish/completions/shopctl.fish"
    )]
    Completions(shell::Completions),
    /// Print the manual page, or write one page per verb.
    #[command(after_help = "Examples:\n  shopctl man > shopctl.1\n  shopctl man --dir ./man")]
    Man(shell::Man),
}

impl Common {
    fn shop(&self) -> anyhow::Result<PgPool> {
        let url = self.profile.get("SHOP_DATABASE_URL")?;
        connect("SHOP_DATABASE_URL", &url, 4)
    }

    fn amqp(&self) -> anyhow::Result<String> {
        Ok(self.profile.get("AMQP_URL")?)
    }

    /// RabbitMQ's URL, if AMQP_URL is set.
    fn find_amqp(&self) -> anyhow::Result<Option<String>> {
        Ok(self.profile.find("AMQP_URL")?)
    }

    /// The URL of RabbitMQ's management API, if RABBITMQ_MANAGEMENT_URL is set.
    fn find_management(&self) -> anyhow::Result<Option<String>> {
        Ok(self.profile.find("RABBITMQ_MANAGEMENT_URL")?)
    }
}

fn connect(name: &str, url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let config = db::PoolConfig::new("shopctl", connections).lock_timeout(operator::LOCK_TIMEOUT);
    db::connect(url, &config).map_err(|error| {
        Failure::usage(format!("{name} is no PostgreSQL URL: {error}"))
            .hint("it begins with postgres://")
            .into()
    })
}

/// The actor of this command, with the reason.
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

/// Parses a cause; help and completions list all of them.
fn causes() -> impl TypedValueParser<Value = operator::cause::Code> {
    PossibleValuesParser::new(operator::cause::Code::ALL.map(operator::cause::Code::as_str))
        .try_map(|code| code.parse())
}

/// The command line; each `--help` shows its examples first.
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

/// The output format for errors, if the command line as a whole could not be parsed.
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

/// Runs the command line with these workflows.
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
        Err(error) => {
            let error = db_sessions::name_locks(&cli.common, error).await;
            exit::report(&error, cli.common.output)
        }
    }
}

async fn execute(cli: &Cli) -> Result<(), anyhow::Error> {
    let common = &cli.common;
    match &cli.noun {
        Noun::Why(why) => why.run(common).await,
        Noun::Show(show) => show.run(common).await,
        Noun::Retry(act) => act.run(common, ::saga::Verb::Retry).await,
        Noun::Watch(watch) => watch.run(common).await,
        Noun::Trace(trace) => trace.run(common).await,
        Noun::Runbook(runbook) => runbook.run(common).await,
        Noun::Saga(verb) => verb.run(common).await,
        Noun::Apply(apply) => apply.run(common).await,
        Noun::Batch(verb) => verb.run(common).await,
        Noun::Failed(verb) => verb.run(common).await,
        Noun::Outbox(verb) => verb.run(common).await,
        Noun::Order(verb) => verb.run(common).await,
        Noun::User(verb) => verb.run(common).await,
        Noun::Db(verb) => verb.run(common).await,
        Noun::Audit(verb) => verb.run(common).await,
        Noun::Doctor(doctor) => doctor.run(common).await,
        Noun::Payments(payments) => payments.run(common).await,
        Noun::Probe(probe) => probe.run(common).await,
        Noun::Hold(hold) => hold.run().await,
        Noun::Seed => {
            let mut tx = db::begin(&common.shop()?).await?;
            let added = commerce::product::seed(&mut tx)
                .await
                .map_err(|error| Failure::not_done(error.to_string()))?;
            tx.commit().await?;
            if common.output == Output::Json {
                return output::object(&serde_json::json!({ "added": added }));
            }
            output::talk(&format!("Added {added} products."));
            Ok(())
        }
        Noun::Keygen => {
            let key = tokens::generate_key_pem();
            let key = key.trim_end();
            output::either(common.output, &serde_json::json!({ "key": key }), key)
        }
        Noun::Completions(completions) => completions.run(common, command()),
        Noun::Man(man) => man.run(common, command()),
    }
}
