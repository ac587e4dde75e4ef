//! `shopctl order`.

use clap::Subcommand;
use operator::{
    Why,
    order::{self, OrderDetail},
    saga_ref::AnyId,
};
use serde::Serialize;

use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
    saga::{operator, print_next},
    saga_ref,
};

#[derive(Subcommand)]
pub(crate) enum Order {
    /// Show an order: its items, its status history, its saga, its transaction at payments, and the
    /// cause with the next command.
    #[command(
        after_help = "Examples:\n  shopctl order show 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl order show 01996e0e-0000-7000-8000-000000000001 -o json"
    )]
    Show(Show),
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// An order, by its id or number, or its saga, transaction or message.
    id: AnyId,
}

/// An order, with the diagnosis of its saga.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    detail: OrderDetail,
    /// Absent once the saga is archived.
    why: Option<Why>,
}

impl Order {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let Self::Show(show) = self;
        show.run(common).await
    }
}

impl Show {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let operator = operator(common, &pool)?;
        let found = saga_ref::find(&operator, &self.id).await?;
        let order_id = found.order_id.ok_or_else(|| {
            Failure::not_found(format!("saga {} has no order", found.saga_id))
                .hint(format!("`shopctl saga show {}` shows it", found.saga_id))
        })?;
        let mut conn = pool.acquire().await?;
        let detail = order::find_detail(&mut conn, &operator.sources().payments, order_id).await?;
        drop(conn);
        let detail = detail.ok_or_else(|| {
            Failure::not_found(format!("there is no order {order_id}"))
                .hint("`shopctl saga list --user USER` tells a user's orders")
        })?;
        let why = operator::why(&operator, &[found.saga_id]).await?.pop();
        if common.output == Output::Json {
            return output::object(&Shown { detail, why });
        }
        head(&detail);
        history(common.output, &detail)?;
        for source in &detail.unavailable {
            output::talk(&format!("Not all was seen: {source}"));
        }
        if let Some(why) = &why {
            cause(why);
        }
        Ok(())
    }
}

/// The cause, and the first command that helps.
fn cause(why: &Why) {
    let diagnosis = &why.diagnosis;
    output::talk(&format!(
        "Cause: {}, {} ({}).",
        diagnosis.code,
        diagnosis.title,
        diagnosis.confidence.as_str()
    ));
    if let Some(next) = diagnosis.next.first() {
        print_next(next);
    }
}

fn head(detail: &OrderDetail) {
    let canceling = if detail.canceling { ", canceling" } else { "" };
    output::talk(&format!(
        "Order {} of user {}: {}{canceling}, {}, trace {}",
        detail.order_id, detail.user_id, detail.status, detail.total, detail.trace_id
    ));
    for item in &detail.items {
        output::talk(&format!(
            "  {} × {} at {}",
            item.quantity, item.name, item.unit_price
        ));
    }
    match &detail.saga {
        Some(saga) => output::talk(&format!(
            "Saga {} is {}{}",
            saga.saga_id,
            saga.state,
            if saga.paused { ", paused" } else { "" }
        )),
        None => output::talk("Its saga is archived."),
    }
    match &detail.transaction {
        Some(transaction) => output::talk(&format!(
            "Transaction {} is {}, {}",
            transaction.transaction_id,
            transaction.status.as_str(),
            transaction.amount.as_ref().map_or_else(
                || "a tombstone without amount".to_owned(),
                ToString::to_string
            )
        )),
        None if detail.unavailable.is_empty() => {
            output::talk("Payments has no transaction of it.");
        }
        None => {}
    }
}

fn history(output: Output, detail: &OrderDetail) -> anyhow::Result<()> {
    output::rows(
        output,
        &["AT", "STATUS", "REASON"],
        &detail.history,
        |change| {
            vec![
                change.at.format("%F %T%.3f").to_string(),
                change.status.to_string(),
                change.reason.clone().unwrap_or_default(),
            ]
        },
    )
}
