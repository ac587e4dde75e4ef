//! The shop's API: `api` serves, `api openapi` prints its OpenAPI document, `api settings` its
//! settings.

use clap::{CommandFactory, Parser};

#[derive(Parser)]
#[command(name = "api", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: api::config::Args,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the OpenAPI document.
    Openapi,
    /// Print every setting, as a table (Markdown).
    Settings,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli: Cli = settings::parse()?;
    let document = match cli.command {
        Some(Command::Openapi) => api::openapi() + "\n",
        Some(Command::Settings) => settings::reference(&Cli::command()),
        None => return api::serve(cli.config.checked()?).await,
    };
    #[expect(clippy::print_stdout, reason = "the document is what was asked for")]
    {
        print!("{document}");
    }
    Ok(())
}
