//! `shopctl outbox`.

use clap::{Args, Subcommand};
use kernel::EntryId;
use operator::outbox::{self, Entry, Filter, OutboxError};

use crate::{Common, exit::Failure, output};

/// Most that are sent again at once.
const MOST: i64 = 10_000;

#[derive(Subcommand)]
pub(crate) enum Outbox {
    /// List what must still happen outside the database, the oldest due first.
    #[command(
        after_help = "Examples:\n  shopctl outbox list\n  shopctl outbox list --kind message --parked\n  shopctl outbox list -o json"
    )]
    List(List),
    /// Have messages published now; their attempts are counted anew.
    #[command(
        after_help = "Examples:\n  shopctl outbox retry 01996e0e-0000-7000-8000-000000000001 --reason 'the exchange is back'\n  \
                            shopctl outbox retry --parked --reason 'the exchange is back'"
    )]
    Retry(Retry),
    /// Take a message out of the relay's sight.
    #[command(
        after_help = "Examples:\n  shopctl outbox park 01996e0e-0000-7000-8000-000000000001 --reason 'a wrong address'"
    )]
    Park(Park),
}

#[derive(Args)]
pub(crate) struct List {
    /// Only this kind.
    #[arg(long, value_parser = ["step", "timer", "message"])]
    kind: Option<String>,
    /// Only what is parked.
    #[arg(long)]
    parked: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=MOST))]
    limit: i64,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// The entries.
    #[arg(required_unless_present = "parked", conflicts_with = "parked")]
    ids: Vec<EntryId>,
    /// All that are parked.
    #[arg(long)]
    parked: bool,
    /// Why; kept in the audit.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct Park {
    /// The entry.
    id: EntryId,
    /// Why; kept in the audit.
    #[arg(long)]
    reason: String,
}

impl Outbox {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(common).await,
            Self::Retry(retry) => retry.run(common).await,
            Self::Park(park) => park.run(common).await,
        }
    }
}

impl List {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let filter = Filter {
            kind: self.kind.clone(),
            parked: self.parked,
        };
        let mut conn = common.shop()?.acquire().await?;
        let entries = outbox::list(&mut conn, &filter, self.limit).await?;
        table(common, &entries)?;
        output::talk(&match i64::try_from(entries.len())? {
            1 => "1 entry".to_owned(),
            n if n == self.limit => format!("{n} entries, and perhaps more: raise --limit"),
            n => format!("{n} entries"),
        });
        Ok(())
    }
}

fn table(common: &Common, entries: &[Entry]) -> anyhow::Result<()> {
    let header = [
        "ENTRY",
        "KIND",
        "WHAT",
        "SAGA",
        "ATTEMPT",
        "DUE",
        "LAST ERROR",
    ];
    output::rows(common.output, &header, entries, |entry| {
        let due = match entry.parked_at {
            Some(at) => format!("parked {}", at.format("%F %T")),
            None => entry.due_at.format("%F %T").to_string(),
        };
        vec![
            entry.entry_id.to_string(),
            entry.kind.clone(),
            entry
                .step
                .clone()
                .or(entry.message_type.clone())
                .unwrap_or_default(),
            entry.saga_id.map(|id| id.to_string()).unwrap_or_default(),
            entry.attempt.to_string(),
            due,
            entry.last_error.clone().unwrap_or_default(),
        ]
    })
}

impl Retry {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let mut tx = common.shop()?.begin().await?;
        let ids = if self.parked {
            let filter = Filter {
                parked: true,
                ..Filter::default()
            };
            let parked = outbox::list(&mut tx, &filter, MOST).await?;
            parked.iter().map(|entry| entry.entry_id).collect()
        } else {
            self.ids.clone()
        };
        tx.rollback().await?;
        let n = output::counted(ids.len(), "message");
        let question = format!("{n} to become due now, and to be published by the relay.");
        output::confirm(common.yes, &question)?;
        let mut tx = common.shop()?.begin().await?;
        let mut retried = Vec::with_capacity(ids.len());
        for id in ids {
            match outbox::retry(&mut tx, id, &actor).await {
                Ok(entry) => retried.push(entry),
                // published in the meantime, which is what was wanted
                Err(OutboxError::NotFound(_)) if self.parked => {}
                Err(error) => return Err(failure(error, "retry")),
            }
        }
        tx.commit().await?;
        table(common, &retried)?;
        output::talk(&format!(
            "Due now: {}; shown as before.",
            output::counted(retried.len(), "message")
        ));
        Ok(())
    }
}

impl Park {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let pool = common.shop()?;
        let question = format!(
            "Message {} is not published any more until `shopctl outbox retry {}`.",
            self.id, self.id
        );
        output::confirm(common.yes, &question)?;
        let mut tx = pool.begin().await?;
        let parked = outbox::park(&mut tx, self.id, &actor).await;
        let parked = parked.map_err(|error| failure(error, "pause"))?;
        tx.commit().await?;
        table(common, &[parked])?;
        output::talk("Parked; shown as before.");
        Ok(())
    }
}

/// `verb` is what to do to a saga instead.
fn failure(error: OutboxError, verb: &str) -> anyhow::Error {
    let message = error.to_string();
    match error {
        OutboxError::NotFound(_) => Failure::not_found(message)
            .hint("`shopctl outbox list` tells what is there; what is published is gone from it")
            .into(),
        OutboxError::OfSaga { saga_id, .. } => Failure::conflict(message)
            .hint(format!("`shopctl saga {verb} {saga_id} --reason …`"))
            .into(),
        OutboxError::Parked(id) => Failure::conflict(message)
            .hint(format!("`shopctl outbox retry {id} --reason …` sends it"))
            .into(),
        OutboxError::Db(error) => error.into(),
    }
}
