//! The payments service: `payments` serves, `payments openapi` prints its OpenAPI document, and
//! `payments settings` prints its settings.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};

/// Decides whether an order is paid: the payments service.
///
/// Every setting can be given as an environment variable.
#[derive(Parser)]
#[command(name = "payments", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: payments::config::Args,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Print the OpenAPI document.
    Openapi,
    /// Print every setting, as a table (Markdown).
    Settings,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("payments: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let cli: Cli = settings::parse()?;
    let document = match cli.command {
        Some(Command::Openapi) => payments::openapi() + "\n",
        Some(Command::Settings) => settings::reference(&Cli::command()),
        Some(Command::Serve) | None => return payments::serve(cli.settings.checked()?).await,
    };
    Ok(stdout().write_all(document.as_bytes())?)
}
