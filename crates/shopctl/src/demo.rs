//! `shopctl demo`: drills.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context;
use clap::Subcommand;
use operator::{
    cause::Code,
    demo::{self, DemoError},
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::{Common, exit::Failure, output, saga, users};

/// Set only by `cargo xtask up`.
const DEV: &str = "SHOP_DEV";

#[derive(Subcommand)]
pub(crate) enum Demo {
    /// Place an order and make its saga stuck with one cause, to practise diagnosis and repair.
    /// Needs SHOP_DEV=1, which `cargo xtask up` sets.
    #[command(
        after_help = "Examples:\n  shopctl demo stuck --cause participant-has-answer-we-missed\n  \
                      shopctl demo stuck --cause lease-expired --hold 10m"
    )]
    Stuck {
        /// The cause that `saga why` should report.
        #[arg(long, value_parser = crate::causes())]
        cause: Code,
        /// The account that places the order; created if it does not exist.
        #[arg(long, default_value = "user@shop.example")]
        email: String,
        /// How long workers are kept from the saga, for causes that they would repair at once;
        /// Ctrl-C ends this early.
        #[arg(long, default_value = "5m", value_parser = saga::duration)]
        hold: Duration,
    },
}

impl Demo {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let Self::Stuck { cause, email, hold } = self;
        if std::env::var(DEV).as_deref() != Ok("1") {
            return Err(Failure::usage(format!(
                "drills are for development systems: {DEV}=1 is not set"
            ))
            .hint("`cargo xtask up` starts one, and `. .dev/env` sets it")
            .into());
        }
        let pool = common.shop()?;
        let mut tx = pool.begin().await?;
        let (buyer, _) = users::accounts(&pool)?
            .ensure(&mut tx, email, "Drill", &Uuid::new_v4().to_string(), &[])
            .await
            .map_err(users::failure)?;
        tx.commit().await?;
        let operator = saga::operator(common, &pool)?;
        // from here on, Ctrl-C is handled: it must not leave a saga held
        let mut interrupted =
            signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
        let stuck = demo::stick(&operator, buyer.id, *cause)
            .await
            .map_err(refused)?;
        let object = serde_json::json!({
            "saga_id": stuck.saga_id, "order_id": stuck.order_id, "cause": cause,
        });
        output::either(common.output, &object, &stuck.saga_id.to_string())?;
        output::talk(&format!(
            "The saga of order {} has the cause {cause}.\n  shopctl saga why {}",
            stuck.order_id, stuck.saga_id
        ));
        if stuck.is_held() {
            let until = if std::io::stderr().is_terminal() {
                ", or until Ctrl-C"
            } else {
                ""
            };
            output::talk(&format!(
                "Workers are kept from it for {} s{until}.",
                hold.as_secs()
            ));
            tokio::select! {
                _ = interrupted.recv() => {}
                () = tokio::time::sleep(*hold) => {}
            }
            stuck.release().await?;
        }
        Ok(())
    }
}

fn refused(error: DemoError) -> anyhow::Error {
    match error {
        DemoError::Alive { .. } => Failure::conflict(error.to_string())
            .hint("stop them first; nothing was ordered")
            .into(),
        DemoError::NoPayments(_) => Failure::usage(error.to_string())
            .hint("set PAYMENTS_DATABASE_URL")
            .into(),
        DemoError::NothingToOrder => Failure::not_done(error.to_string())
            .hint("`shopctl seed` loads the demo catalog")
            .into(),
        DemoError::Missed { .. } => Failure::not_done(error.to_string())
            .hint("`shopctl doctor` tells whether everything runs")
            .into(),
        error => error.into(),
    }
}
