//! `nemesis`: run by `cargo xtask nemesis`, which sets the required environment.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{CommandFactory, Parser, error::ErrorKind};
use nemesis::{Mode, Options, PaymentsService};

/// A random mix of faults, against the whole system, under load.
#[derive(Parser)]
#[command(name = "nemesis", version)]
struct Args {
    /// Minimum duration of faults and load, seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Reproduces the schedule of an earlier run; random by default.
    #[arg(long)]
    seed: Option<u64>,
    /// The faults to inject, and the promise to verify.
    #[arg(long, value_enum, default_value = "safety")]
    mode: Mode,
    /// Run an attacker beside the clients: forged events, floods, poison, forged tokens.
    #[arg(long)]
    attacked: bool,
    /// The payments service: ours, or one of another team (safety mode only).
    #[arg(long, value_enum, default_value = "ours", conflicts_with = "attacked")]
    payments: PaymentsService,
    /// Print the summary as JSON instead of markdown.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.payments == PaymentsService::Level1 && args.mode != Mode::Safety {
        Args::command()
            .error(
                ErrorKind::ArgumentConflict,
                "--payments level1 is for --mode safety only",
            )
            .exit();
    }
    let seed = args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs() % 1_000_000)
    });
    eprintln!("seed {seed}");
    let summary = nemesis::run(Options {
        seed,
        mode: args.mode,
        time: Duration::from_secs(args.seconds),
        planted: None,
        attacked: args.attacked,
        payments: args.payments,
    })
    .await;
    let text = if args.json {
        serde_json::to_string_pretty(&summary).unwrap_or_else(|error| error.to_string())
    } else {
        summary.markdown()
    };
    #[expect(clippy::print_stdout, reason = "stdout is data")]
    {
        println!("{text}");
    }
    if summary.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
