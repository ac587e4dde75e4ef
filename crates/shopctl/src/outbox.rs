//! `shopctl outbox`.

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use kernel::EntryId;
use operator::{
    Actor, PaymentsAccess,
    outbox::{self, Entry, EntryKind, Filter, OutboxError},
};
use serde::Serialize;
use sqlx::PgPool;

use crate::{Common, exit::Failure, output, payments};

/// Maximum number of entries that one command lists or retries.
const MAX_ENTRIES: i64 = 10_000;

#[derive(Subcommand)]
pub(crate) enum Outbox {
    /// List outbox entries, which must still happen outside the database; the earliest due first.
    #[command(
        after_help = "Examples:\n  shopctl outbox list\n  shopctl outbox list --kind message --parked\n  shopctl outbox list -o json"
    )]
    List(List),
    /// Make messages due now; their attempts are counted from zero again.
    #[command(
        after_help = "Examples:\n  shopctl outbox retry 01996e0e-0000-7000-8000-000000000001 --reason 'the exchange is back'\n  \
                            shopctl outbox retry --parked --reason 'the exchange is back'"
    )]
    Retry(Retry),
    /// Park a message: the relay skips it until it is retried.
    #[command(
        after_help = "Examples:\n  shopctl outbox park 01996e0e-0000-7000-8000-000000000001 --reason 'a wrong address'"
    )]
    Park(Park),
}

/// Parses a kind; help and completions list all of them.
fn kinds() -> impl TypedValueParser<Value = EntryKind> {
    PossibleValuesParser::new(EntryKind::ALL.map(EntryKind::as_str)).try_map(|kind| kind.parse())
}

#[derive(Args)]
pub(crate) struct List {
    /// Only this kind.
    #[arg(long, value_parser = kinds())]
    kind: Option<EntryKind>,
    /// Only parked entries.
    #[arg(long)]
    parked: bool,
    /// Maximum number of entries.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=MAX_ENTRIES))]
    limit: i64,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// The entries.
    #[arg(required_unless_present = "parked", conflicts_with = "parked")]
    ids: Vec<EntryId>,
    /// All parked messages.
    #[arg(long)]
    parked: bool,
    /// Reason; kept in the audit.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct Park {
    /// The entry.
    id: EntryId,
    /// Reason; kept in the audit.
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

/// An entry, and the outbox that holds it.
#[derive(Serialize)]
struct LocatedEntry {
    of: &'static str,
    #[serde(flatten)]
    entry: Entry,
}

/// The entries of both outboxes; those of payments' only if it can be read.
async fn find(common: &Common, filter: &Filter, limit: i64) -> anyhow::Result<Vec<LocatedEntry>> {
    let mut conn = common.shop()?.acquire().await?;
    let ours = outbox::list(&mut conn, filter, limit).await?;
    let ours = ours
        .into_iter()
        .map(|entry| LocatedEntry { of: "shop", entry });
    let theirs = match at_payments(common, filter, limit).await? {
        Ok(entries) => entries,
        Err(why) => {
            output::talk(&format!(
                "Not all was seen: payments' outbox, because {why}"
            ));
            Vec::new()
        }
    };
    let theirs = theirs.into_iter().map(|entry| LocatedEntry {
        of: "payments",
        entry,
    });
    Ok(ours.chain(theirs).collect())
}

async fn at_payments(
    common: &Common,
    filter: &Filter,
    limit: i64,
) -> anyhow::Result<Result<Vec<Entry>, String>> {
    let access = payments::access(common, &common.shop()?)?;
    let pool = match access.need_database().await {
        Ok(pool) => pool,
        Err(why) => return Ok(Err(why)),
    };
    let read = async { outbox::list(&mut *pool.acquire().await?, filter, limit).await };
    Ok(read.await.map_err(|error: sqlx::Error| error.to_string()))
}

impl List {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let filter = Filter {
            kind: self.kind,
            parked: self.parked,
        };
        let entries = find(common, &filter, self.limit).await?;
        table(common, &entries)?;
        output::talk(&match i64::try_from(entries.len())? {
            1 => "1 entry".to_owned(),
            n if n >= self.limit => format!("{n} entries, and perhaps more: raise --limit"),
            n => format!("{n} entries"),
        });
        Ok(())
    }
}

fn table(common: &Common, entries: &[LocatedEntry]) -> anyhow::Result<()> {
    let header = [
        "OF",
        "ENTRY",
        "KIND",
        "WHAT",
        "SAGA",
        "ATTEMPT",
        "DUE",
        "LAST ERROR",
    ];
    output::rows(
        common.output,
        &header,
        entries,
        |LocatedEntry { of, entry }| {
            let due = match entry.parked_at {
                Some(at) => format!("parked {}", at.format("%F %T")),
                None => entry.due_at.format("%F %T").to_string(),
            };
            let what = entry.step.clone().or(entry.message_type.clone());
            vec![
                (*of).to_owned(),
                entry.entry_id.to_string(),
                entry.kind.to_string(),
                what.unwrap_or_default(),
                entry.saga_id.map(|id| id.to_string()).unwrap_or_default(),
                entry.attempt.to_string(),
                due,
                entry.last_error.clone().unwrap_or_default(),
            ]
        },
    )
}

impl Retry {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let ids = if self.parked {
            let filter = Filter {
                parked: true,
                ..Filter::default()
            };
            let parked = find(common, &filter, MAX_ENTRIES).await?;
            parked
                .iter()
                .map(|located| located.entry.entry_id)
                .collect()
        } else {
            self.ids.clone()
        };
        let n = output::counted(ids.len(), "message");
        let question = format!("{n} to become due now, and to be published by the relay.");
        output::confirm(common.yes, &question)?;
        let shop = common.shop()?;
        let access = payments::access(common, &shop)?;
        let mut retried = Vec::with_capacity(ids.len());
        for id in ids {
            match retry(&shop, &access, id, &actor).await {
                Ok(entry) => retried.push(entry),
                // published in the meantime, as intended
                Err(OutboxError::NotFound(_)) if self.parked => {}
                Err(error) => {
                    // the entries before this one are done
                    if !retried.is_empty() {
                        table(common, &retried)?;
                    }
                    return Err(failure(error, "retry"));
                }
            }
        }
        table(common, &retried)?;
        output::talk(&format!(
            "Due now: {}; shown as before.",
            output::counted(retried.len(), "message")
        ));
        Ok(())
    }
}

/// Retries an entry of the shop's outbox or, if it is not there, of payments'.
async fn retry(
    shop: &PgPool,
    payments: &PaymentsAccess,
    id: EntryId,
    actor: &Actor,
) -> Result<LocatedEntry, OutboxError> {
    let mut tx = db::begin(shop).await?;
    let ours = outbox::retry(&mut tx, id, actor).await;
    tx.commit().await?;
    let missing = match ours {
        Ok(entry) => return Ok(LocatedEntry { of: "shop", entry }),
        Err(error @ OutboxError::NotFound(_)) => error,
        Err(error) => return Err(error),
    };
    let payments = match payments.need_database().await {
        Ok(payments) => payments,
        Err(why) => {
            output::talk(&format!("Payments' outbox is not searched: {why}"));
            return Err(missing);
        }
    };
    let mut tx = db::begin(payments).await?;
    let entry = outbox::retry_at_payments(shop, &mut tx, id, actor).await?;
    tx.commit().await?;
    Ok(LocatedEntry {
        of: "payments",
        entry,
    })
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
        let mut tx = db::begin(&pool).await?;
        let parked = outbox::park(&mut tx, self.id, &actor).await;
        let parked = parked.map_err(|error| failure(error, "pause"))?;
        tx.commit().await?;
        let of = "shop";
        table(common, &[LocatedEntry { of, entry: parked }])?;
        output::talk("Parked; shown as before.");
        Ok(())
    }
}

/// For an entry of a saga, the hint suggests `shopctl saga` with this `verb` instead.
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
