//! The shop's API: `api` serves, `api openapi` prints its OpenAPI document.

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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match api::config::misread(&error, Cli::command()) {
            Some(sentence) => return Err(sentence),
            None => error.exit(),
        },
    };
    match cli.command {
        #[expect(clippy::print_stdout, reason = "the document is what was asked for")]
        Some(Command::Openapi) => {
            println!("{}", api::openapi());
            Ok(())
        }
        None => api::serve(cli.config.checked()?).await,
    }
}
