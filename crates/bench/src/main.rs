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
mod recovery;
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
    system::{System, Variant},
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
    /// The whole bill: also 256 clients, the payments service itself, exported traces, several
    /// processes of each kind, and recovery after all are killed.
    #[arg(long, conflicts_with = "payments_url")]
    bill: bool,
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
        max_connections: 400, // several processes of each kind
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
    let mut levels = args
        .concurrency
        .map_or_else(|| vec![1, 16, 64], |c| vec![c]);
    if args.bill && args.concurrency.is_none() {
        levels.push(256);
    }
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

    let servers = Servers { postgres, rabbitmq };
    if args.finished > 0 {
        report.bytes_per_finished = Some(fill(args, servers).await?);
        let sides = [
            ("empty tables", "bench_empty", Variant::USUAL),
            ("full tables", "bench_full", Variant::USUAL),
        ];
        compare(args, servers, busiest, &sides, &mut report).await?;
    }
    if args.bill {
        System::prepare(args, postgres, rabbitmq, "bench_variants")?;
        let sides = VARIANTS.map(|(label, variant)| (label, "bench_variants", variant));
        for concurrency in [16, 64] {
            compare(args, servers, concurrency, &sides, &mut report).await?;
        }
        System::prepare(args, postgres, rabbitmq, "bench_killed")?;
        print_step("recovery after every process was killed");
        report.recovery = Some(recovery::measure(args, servers, "bench_killed").await?);
    }
    Ok(report)
}

/// Systems that the bill compares with the usual one.
const VARIANTS: [(&str, Variant); 5] = [
    ("payments stub", Variant::USUAL),
    (
        "payments service",
        Variant {
            payments: true,
            ..Variant::USUAL
        },
    ),
    (
        "traces exported",
        Variant {
            traced: true,
            ..Variant::USUAL
        },
    ),
    (
        "2 of each process",
        Variant {
            replicas: 2,
            ..Variant::USUAL
        },
    ),
    (
        "4 of each process",
        Variant {
            replicas: 4,
            ..Variant::USUAL
        },
    ),
];

/// The benchmark's own servers.
#[derive(Clone, Copy)]
struct Servers<'a> {
    postgres: &'a Postgres,
    rabbitmq: &'a RabbitMq,
}

/// Prepares an empty and a full database; returns how many bytes a finished saga takes.
async fn fill(args: &Args, servers: Servers<'_>) -> anyhow::Result<f64> {
    let mut sizes = Vec::new();
    for (name, rows) in [("bench_empty", 0), ("bench_full", args.finished)] {
        print_step(&format!("filling {name} with {rows} finished sagas"));
        System::prepare(args, servers.postgres, servers.rabbitmq, name)?;
        finished::fill(servers.postgres, name, rows)
            .await
            .context("filling the tables")?;
        sizes.push(finished::size(servers.postgres, name).await?);
    }
    Ok((sizes[1] - sizes[0]) as f64 / args.finished as f64)
}

/// Measures the sides in turn, so that disturbances of the machine affect all. The first one is what
/// the others are compared with.
async fn compare(
    args: &Args,
    Servers { postgres, rabbitmq }: Servers<'_>,
    concurrency: usize,
    sides: &[(&str, &str, Variant)],
    report: &mut Report,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.seconds);
    let mut turns = Vec::new();
    for turn in 1..=TURNS {
        let mut measured = Vec::new();
        for &(label, database, variant) in sides {
            print_step(&format!("{label}, {concurrency} at once, turn {turn}"));
            let system = System::resume(args, postgres, rabbitmq, database, variant).await?;
            measured.push(load::run(&system, concurrency, time, Basket::Any).await?);
            system.drop_traces();
            system.check_live().await?;
            system.stop();
        }
        turns.push(measured);
    }
    let labels: Vec<_> = sides.iter().map(|(label, ..)| *label).collect();
    report.compare(concurrency, &labels, &turns);
    Ok(())
}

fn print_step(what: &str) {
    eprintln!("{what}");
}

fn text(error: servers::Error) -> anyhow::Error {
    anyhow::Error::msg(error.0)
}
