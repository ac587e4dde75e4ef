//! `shopctl order`.

use clap::Subcommand;
use kernel::OrderId;
use operator::order::{self, Known};

use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
    saga::operator,
};

#[derive(Subcommand)]
pub(crate) enum Order {
    /// Show an order: its items, its status history, its saga, and its transaction at payments.
    #[command(
        after_help = "Examples:\n  shopctl order show 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl order show 01996e0e-0000-7000-8000-000000000001 -o json"
    )]
    Show {
        /// The order.
        id: OrderId,
    },
}

impl Order {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let Self::Show { id } = self;
        let pool = common.shop()?;
        let operator = operator(common, &pool)?;
        let mut conn = pool.acquire().await?;
        let known = order::look(&mut conn, &operator.sight().payments, *id).await?;
        let known = known.ok_or_else(|| {
            Failure::not_found(format!("there is no order {id}"))
                .hint("`shopctl saga list --user USER` tells a user's orders")
        })?;
        if common.output == Output::Json {
            output::data(&serde_json::to_string(&known)?);
        } else {
            head(&known);
            history(&known)?;
        }
        for unseen in &known.could_not_see {
            output::talk(&format!("Not all was seen: {unseen}"));
        }
        Ok(())
    }
}

fn head(known: &Known) {
    let canceling = if known.canceling { ", canceling" } else { "" };
    output::talk(&format!(
        "Order {} of user {}: {}{canceling}, {}, trace {}",
        known.order_id, known.user_id, known.status, known.total, known.trace_id
    ));
    for item in &known.items {
        output::talk(&format!(
            "  {} × {} at {}",
            item.quantity, item.name, item.unit_price
        ));
    }
    match &known.saga {
        Some(saga) => output::talk(&format!(
            "Saga {} is {}{}",
            saga.saga_id,
            saga.state,
            if saga.paused { ", paused" } else { "" }
        )),
        None => output::talk("Its saga is archived."),
    }
    match &known.transaction {
        Some(transaction) => output::talk(&format!(
            "Transaction {} is {}, {}",
            transaction.transaction_id,
            transaction.status.as_str(),
            transaction.amount.as_ref().map_or_else(
                || "a tombstone without amount".to_owned(),
                ToString::to_string
            )
        )),
        None if known.could_not_see.is_empty() => {
            output::talk("Payments has no transaction of it.");
        }
        None => {}
    }
}

fn history(known: &Known) -> anyhow::Result<()> {
    output::rows(
        Output::Table,
        &["AT", "STATUS", "REASON"],
        &known.history,
        |change| {
            vec![
                change.at.format("%F %T%.3f").to_string(),
                change.status.clone(),
                change.reason.clone().unwrap_or_default(),
            ]
        },
    )
}
