//! Measures the speed and the cost of whole checkouts, on durable servers, in comparison with their
//! limit.
//!
//! ```text
//!  client ──▶ api ──▶ payments stub        closed loop: a client orders again when its
//!    │ pays     ▲          │ event          order is completed
//!    └──────────┼──────────┘▼
//!     completed ◀── worker ◀── RabbitMQ
//! ```
//!
//! Each run checks that every placed order completed exactly once. `load` is the closed loop, `raw`
//! the limit (the same rows by three statements per saga), `meter` the cost of a saga.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of sagas and bytes are far below 2^52"
)]

mod finished;
mod load;
mod meter;
mod raw;
mod report;
mod statements;
mod stub;
mod system;
mod watch;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;
use servers::{Postgres, PostgresOptions, RabbitMq};

use crate::{
    load::Basket,
    report::{Report, Row, Turn},
    system::System,
};

/// Number of turns of each comparison, its two sides alternating; the median turn is reported.
const TURNS: usize = 5;

/// Measure whole checkouts.
#[derive(Parser)]
struct Args {
    /// Folder of the release binaries.
    #[arg(long)]
    bin_dir: PathBuf,
    /// Folder for servers and logs.
    #[arg(long)]
    dir: PathBuf,
    /// Measure only this number of concurrent clients.
    #[arg(long)]
    concurrency: Option<usize>,
    /// Seconds of each measurement, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Finished sagas in the full tables; 0 skips that comparison.
    #[arg(long, default_value_t = 1_000_000)]
    finished: u64,
    /// Also count statements and report the most expensive; counting itself costs a little.
    #[arg(long)]
    statements: bool,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// Payments to use instead of the stub; it must speak the contract and publish events.
    #[arg(long, env = "PAYMENTS_URL")]
    payments_url: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.dir)?;
    print_step("starting PostgreSQL (its default durability) and RabbitMQ");
    let options = PostgresOptions {
        statements: args.statements,
        ..PostgresOptions::default()
    };
    let postgres = Postgres::start(&args.dir.join("postgres"), options).map_err(text)?;
    let rabbitmq = RabbitMq::start(&args.dir.join("rabbitmq")).map_err(text)?;
    let report = measure(&args, &postgres, &rabbitmq).await?;
    if args.json {
        report::data(&serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

async fn measure(args: &Args, postgres: &Postgres, rabbitmq: &RabbitMq) -> anyhow::Result<Report> {
    let time = Duration::from_secs(args.seconds);
    let levels = args
        .concurrency
        .map_or_else(|| vec![1, 16, 64], |c| vec![c]);
    let mut report = Report::default();

    let system = System::start(args, postgres, rabbitmq, "bench_shop").await?;
    report.idle = system.idle().await;
    for &concurrency in &levels {
        if args.statements {
            statements::reset(&system.pool).await?;
        }
        let mut turns = Vec::new();
        for turn in 1..=TURNS {
            print_step(&format!(
                "whole checkouts, {concurrency} at once, turn {turn}"
            ));
            let whole = load::run(&system, concurrency, time, Basket::Any).await?;
            print_step(&format!(
                "the raw limit, {concurrency} at once, turn {turn}"
            ));
            turns.push(Turn::new(
                whole,
                raw::run(postgres, concurrency, time).await?,
            ));
        }
        if args.statements {
            let costliest = statements::costliest(&system.pool).await?;
            report.statements.extend(costliest);
        }
        report.add(concurrency, turns);
    }
    let busiest = args.concurrency.unwrap_or(16);
    print_step(&format!("one hot product, {busiest} at once"));
    let hot = load::run(&system, busiest, time, Basket::Hot).await?;
    report.rows.push(Row::new("one hot product", busiest, hot));
    report.memory = system.memory();
    report.versions = system.versions().await?;
    system.check().await?;
    system.stop();

    if args.finished > 0 {
        compare(args, postgres, rabbitmq, busiest, &mut report).await?;
    }
    Ok(report)
}

/// Measures empty and full tables in turn, so that disturbances of the machine affect both.
async fn compare(
    args: &Args,
    postgres: &Postgres,
    rabbitmq: &RabbitMq,
    concurrency: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.seconds);
    for (name, rows) in [("bench_empty", 0), ("bench_full", args.finished)] {
        print_step(&format!("filling {name} with {rows} finished sagas"));
        System::prepare(args, postgres, rabbitmq, name)?;
        finished::fill(postgres, name, rows)
            .await
            .context("filling the tables")?;
    }
    for turn in 1..=TURNS {
        for (name, label) in [
            ("bench_empty", "empty tables"),
            ("bench_full", "full tables"),
        ] {
            print_step(&format!("{label}, {concurrency} at once, turn {turn}"));
            let system = System::resume(args, postgres, rabbitmq, name).await?;
            let measured = load::run(&system, concurrency, time, Basket::Any).await?;
            system.check_live().await?;
            system.stop();
            report.rows.push(Row::new(label, concurrency, measured));
        }
    }
    Ok(())
}

fn print_step(what: &str) {
    eprintln!("{what}");
}

fn text(error: servers::Error) -> anyhow::Error {
    anyhow::Error::msg(error.0)
}
