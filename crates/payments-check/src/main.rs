//! `cargo xtask payments-check`: holds a running payments service to `docs/payments-contract.md`.
//!
//! Each rule makes the calls that the shop makes, and prints whether the service keeps it, with the
//! requests and answers. The service then holds some fifty transactions of orders that do not exist.
//!
//! - `service`: the calls, and their log.
//! - `level1`, `level2`: the rules.
//! - `events`: the events that arrive meanwhile.

mod events;
mod level1;
mod level2;
mod report;
mod service;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use kernel::{Clock, UserId};
use tokens::Signer;

use crate::{
    events::Events,
    report::Report,
    service::{Credentials, Service},
};

/// Check a running payments service against docs/payments-contract.md.
///
/// Exit codes: 0 the service keeps the rules of its level, 1 it breaks one or is below `--level`, 2
/// usage.
#[derive(Parser)]
#[command(name = "payments-check")]
struct Args {
    /// URL of the service, such as http://127.0.0.1:8081.
    url: String,
    /// RabbitMQ URL: the events are checked, too. The exchange `payments_events` must exist.
    #[arg(long)]
    amqp: Option<String>,
    /// File with the Ed25519 key (PKCS#8 PEM) that signs the calls of the shop:
    /// SERVICE_SIGNING_KEY_FILE.
    #[arg(long, conflicts_with = "token")]
    key_file: Option<PathBuf>,
    /// A bearer token for all calls, in place of a key. It must speak for `--user` if the service
    /// reads that.
    #[arg(long)]
    token: Option<String>,
    /// The user who pays; by default a new one.
    #[arg(long)]
    user: Option<UserId>,
    /// Fail unless the service reaches this level.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    level: u8,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<bool> {
    let credentials = match (&args.key_file, args.token) {
        (Some(file), _) => {
            let pem = std::fs::read_to_string(file);
            let pem = pem.with_context(|| format!("{} cannot be read", file.display()))?;
            let signer = Signer::from_pem(&pem, Clock::System);
            Credentials::Signer(signer.with_context(|| format!("{}", file.display()))?)
        }
        (None, Some(token)) => Credentials::Token(token),
        (None, None) => Credentials::None,
    };
    let user = args.user.unwrap_or_else(UserId::new);
    let service = Service::new(&args.url, credentials, user)?;
    service.reach().await?;
    let events = match &args.amqp {
        Some(url) => Some(Events::listen(url).await?),
        None => None,
    };
    let mut report = Report::default();
    level1::check(&service, events.as_ref(), &mut report).await;
    level2::check(&service, events.as_ref(), &mut report).await;
    Ok(report.conclude(args.level, events.is_some()))
}
