//! The payments service: `payments` serves, `payments openapi` prints its OpenAPI document.

use clap::Parser;

#[derive(Parser)]
#[command(name = "payments", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: payments::config::Args,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the OpenAPI document.
    Openapi,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        #[expect(clippy::print_stdout, reason = "the document is what was asked for")]
        Some(Command::Openapi) => {
            println!("{}", payments::openapi());
            Ok(())
        }
        None => payments::serve(cli.config.checked()?).await,
    }
}
