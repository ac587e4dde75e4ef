//! `cargo xtask drill`: places an order and makes its saga stuck with one cause, to practise
//! diagnosis and repair; `--undo` brings the orders of drills to rest. For development systems only;
//! no image contains it.

mod stick;
mod undo;

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use auth::{Auth, AuthConfig, Hasher};
use clap::Parser;
use commerce::client::CreateClientOnRegistration;
use db::{Bus, PoolConfig};
use kernel::{Clock, UserId};
use messaging::Wakeup;
use operator::{DataSources, Operator, PaymentsAccess, cause::Code};
use saga::{Engine, EngineConfig};
use sqlx::PgPool;
use tokens::Signer;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;
use workflows::Settings;

use crate::{stick::DrillError, undo::Drills};

/// Place an order and make its saga stuck with one cause, or undo that. Needs SHOP_DEV=1, which `cargo
/// xtask up` sets.
///
/// A drill says first what it will do. Ctrl-C undoes a drill that still runs, and --undo one that has
/// ended: all that it planted is removed, and the order is canceled; one that payments has decided ends
/// as payments decided.
///
/// Exit codes: 0 ok, 1 not done, 2 usage, 4 a process is in the way.
#[derive(Parser)]
#[command(name = "drill")]
struct Args {
    /// The cause that `shopctl saga why` should report.
    #[arg(long, required_unless_present = "undo")]
    cause: Option<Code>,
    /// Undo all drills, or those of the cause.
    #[arg(long)]
    undo: bool,
    /// The account that places the order; created if it does not exist.
    #[arg(long, default_value = "user@shop.example")]
    email: String,
    /// Seconds for which workers are kept from the saga, for causes that workers would repair at
    /// once; Ctrl-C ends this period early. The drill is undone then.
    #[arg(long, default_value_t = 300)]
    hold: u64,
    /// `1` on a development system.
    #[arg(long, env = "SHOP_DEV", default_value = "", hide = true)]
    dev: String,
    #[arg(long, env = "SHOP_DATABASE_URL", hide_env_values = true)]
    shop: String,
    #[arg(long, env = "PAYMENTS_DATABASE_URL", hide_env_values = true)]
    payments: Option<String>,
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    amqp: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.dev != "1" {
        eprintln!(
            "drills are for development systems: SHOP_DEV=1 is not set (`cargo xtask up` sets it)"
        );
        return ExitCode::from(2);
    }
    let Err(error) = run(args).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    match error.downcast_ref() {
        Some(DrillError::Alive { .. }) => ExitCode::from(4),
        Some(DrillError::NoPayments(_)) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let connect = |url: &str| db::connect(url, &PoolConfig::new("drill", 4));
    let shop = connect(&args.shop).context("SHOP_DATABASE_URL is not a PostgreSQL URL")?;
    let payments = args.payments.as_deref().map(connect).transpose();
    let payments = payments.context("PAYMENTS_DATABASE_URL is not a PostgreSQL URL")?;
    let registry = workflows::registry(&Settings::default());
    let engine = Engine::new(
        &registry,
        shop.clone(),
        EngineConfig::default(),
        Wakeup::default(),
    )?;
    let sources = DataSources {
        payments: payments.map_or_else(
            || PaymentsAccess::none("PAYMENTS_DATABASE_URL is not set"),
            PaymentsAccess::known_database,
        ),
        amqp_url: args.amqp,
        reads_failed: true,
    };
    let operator = Operator::new(engine, registry, sources);
    let cause = match args.cause {
        Some(cause) if !args.undo => cause,
        cause => {
            let undone = undo(&operator, &Drills::of(cause)).await?;
            eprintln!("Drills undone: {undone}.");
            return Ok(());
        }
    };
    eprintln!(
        "An order is placed, which {}.\nUndo: Ctrl-C while the drill runs, then `cargo xtask drill --undo`. All that it planted \
         is removed, and the order is canceled; one that payments has decided ends as payments decided.",
        stick::intent(cause)
    );
    let drill = Drills::new(cause);
    // from here on, Ctrl-C is handled, because it must not leave a saga stuck
    let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let buyer = buyer(&shop, &args.email).await?;
    let stuck = tokio::select! {
        stuck = stick::stick(&operator, buyer, cause, &drill) => stuck,
        _ = interrupted.recv() => {
            undo(&operator, &drill).await?;
            return Ok(());
        }
    };
    let stuck = match stuck {
        Ok(stuck) => stuck,
        Err(error) => {
            undo(&operator, &drill).await?;
            return Err(error.into());
        }
    };
    print_line(&stuck.saga_id.to_string());
    eprintln!(
        "The saga of order {} has the cause {cause}.\n  shopctl saga why {}",
        stuck.order_id, stuck.saga_id
    );
    if stuck.is_held() {
        eprintln!(
            "Workers are kept from it for {} s, or until Ctrl-C.",
            args.hold
        );
        tokio::select! {
            _ = interrupted.recv() => {}
            () = tokio::time::sleep(Duration::from_secs(args.hold)) => {}
        }
        stuck.release().await?;
        undo(&operator, &drill).await?;
    }
    Ok(())
}

/// Undoes drills, and says what became of each; returns how many there were.
async fn undo(operator: &Operator, drills: &Drills) -> anyhow::Result<usize> {
    let undone = undo::undo(operator, drills).await?;
    for undone in &undone {
        eprintln!("{undone}");
    }
    Ok(undone.len())
}

#[expect(clippy::print_stdout, reason = "the saga's id is the command's result")]
fn print_line(line: &str) {
    println!("{line}");
}

/// The account with this address; created if it does not exist.
async fn buyer(shop: &PgPool, email: &str) -> anyhow::Result<UserId> {
    // the signer never signs a token here
    let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System)?;
    let bus = Bus::default().with(CreateClientOnRegistration);
    let hasher = Hasher::new(1)?;
    let auth = Auth::new(shop.clone(), bus, signer, hasher, AuthConfig::default());
    let mut tx = db::begin(shop).await?;
    let password = Uuid::new_v4().to_string();
    let (buyer, _) = auth.ensure(&mut tx, email, "Drill", &password, &[]).await?;
    tx.commit().await?;
    Ok(buyer.id)
}
