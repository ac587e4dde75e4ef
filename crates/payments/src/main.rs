//! The payments service: `payments` serves, `payments openapi` prints its OpenAPI document.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::Parser;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Openapi) => {
            writeln!(stdout(), "{}", payments::openapi()).map_err(anyhow::Error::from)
        }
        Some(Command::Serve) | None => match cli.settings.checked() {
            Ok(config) => payments::serve(config).await,
            Err(error) => Err(error),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("payments: {error:#}");
            ExitCode::FAILURE
        }
    }
}
