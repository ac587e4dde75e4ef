//! The outbox as an operator sees it, and the actions on its messages.
//!
//! Steps and timers belong to their sagas: to move one, act on the saga, under its lock. Messages
//! can be parked and sent again; both actions raise the entry's epoch, so a relay that holds the
//! entry can no longer write.
//!
//! Payments' outbox has the same schema, in a database of its own: the functions that read the
//! shop's outbox read payments' outbox, too.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use kernel::{EntryId, SagaId, Stored};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use crate::{Actor, audit};

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The entry's id; of a message, also its message id.
    pub entry_id: EntryId,
    /// The kind of entry.
    pub kind: Stored<EntryKind>,
    /// The saga that the entry belongs to.
    pub saga_id: Option<SagaId>,
    /// The step, or `<step>/undo`.
    pub step: Option<String>,
    /// The exchange of a message.
    pub exchange: Option<String>,
    /// The routing key of a message.
    pub routing_key: Option<String>,
    /// AMQP `type` of a message.
    pub message_type: Option<String>,
    /// When the work was first due.
    pub since: DateTime<Utc>,
    /// When to act; while the entry is claimed, the end of the lease.
    pub due_at: DateTime<Utc>,
    /// Attempts begun.
    pub attempt: i32,
    /// When the message was parked.
    pub parked_at: Option<DateTime<Utc>>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A step of a saga, or its undo.
    Step,
    /// The end of a saga's wait.
    Timer,
    /// A message to publish.
    Message,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Step, Self::Timer, Self::Message];

    /// The kind as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Timer => "timer",
            Self::Message => "message",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EntryKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// Selects entries; an unset field matches every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Entries of this kind.
    pub kind: Option<EntryKind>,
    /// Only parked entries.
    pub parked: bool,
}

/// Why an action was not executed.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The entry does not exist: perhaps it has just been published.
    #[error("there is no entry {0} in the outbox")]
    NotFound(EntryId),
    /// The entry belongs to a saga.
    #[error("entry {entry_id} is a {kind} of saga {saga_id}: it goes with its saga")]
    OfSaga {
        /// The entry.
        entry_id: EntryId,
        /// A step or a timer.
        kind: EntryKind,
        /// The saga.
        saga_id: SagaId,
    },
    /// The entry is already parked.
    #[error("entry {0} is parked already")]
    Parked(EntryId),
    /// The database failed.
    #[error("the database of the outbox failed")]
    Db(#[from] sqlx::Error),
}

/// Lists entries, the oldest due first.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as!(
        Entry,
        r#"
        select entry_id as "entry_id: EntryId", kind as "kind: Stored<EntryKind>", saga_id as "saga_id: SagaId", step, exchange, routing_key,
               message_type, since, due_at, attempt, parked_at, last_error
        from messaging.outbox
        where ($1::text is null or kind = $1)
          and (not $2 or parked_at is not null)
        order by due_at, entry_id
        limit $3
        "#,
        filter.kind.map(EntryKind::as_str),
        filter.parked,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Makes a message due now and resets its attempts, in the caller's transaction. Returns the entry
/// as it was before.
///
/// # Errors
/// See [`OutboxError`].
pub async fn retry(
    conn: &mut PgConnection,
    entry_id: EntryId,
    actor: &Actor,
) -> Result<Entry, OutboxError> {
    let entry = lock_message(&mut *conn, entry_id).await?;
    release(&mut *conn, entry_id).await?;
    record(conn, audit::Verb::OutboxRetry, &entry, released(), actor).await?;
    Ok(entry)
}

/// Does the same at payments, in the caller's transaction there. The audit's row is in the shop's
/// database and is committed first: after a crash in between, the row records an action that was
/// not executed, and the message is still parked.
///
/// # Errors
/// See [`OutboxError`].
pub async fn retry_at_payments(
    shop: &PgPool,
    payments: &mut PgConnection,
    entry_id: EntryId,
    actor: &Actor,
) -> Result<Entry, OutboxError> {
    let entry = lock_message(&mut *payments, entry_id).await?;
    let mut conn = shop.acquire().await?;
    record(
        &mut conn,
        audit::Verb::OutboxRetry,
        &entry,
        released(),
        actor,
    )
    .await?;
    release(payments, entry_id).await?;
    Ok(entry)
}

fn released() -> Value {
    json!({ "parked_at": null, "attempt": 0 })
}

async fn release(conn: &mut PgConnection, entry_id: EntryId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update messaging.outbox
        set parked_at = null, due_at = clock_timestamp(), attempt = 0, epoch = epoch + 1
        where entry_id = $1
        "#,
        entry_id.uuid(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Parks a message, so that the relay skips it, in the caller's transaction. Returns the entry as
/// it was before.
///
/// # Errors
/// See [`OutboxError`].
pub async fn park(
    conn: &mut PgConnection,
    entry_id: EntryId,
    actor: &Actor,
) -> Result<Entry, OutboxError> {
    let entry = lock_message(&mut *conn, entry_id).await?;
    if entry.parked_at.is_some() {
        return Err(OutboxError::Parked(entry_id));
    }
    let why = format!("parked by {}: {}", actor.name(), actor.reason());
    sqlx::query!(
        r#"
        update messaging.outbox
        set parked_at = clock_timestamp(), last_error = coalesce(last_error || '; ', '') || $2, epoch = epoch + 1
        where entry_id = $1
        "#,
        entry_id.uuid(),
        why,
    )
    .execute(&mut *conn)
    .await?;
    record(
        conn,
        audit::Verb::OutboxPark,
        &entry,
        json!({ "parked": true }),
        actor,
    )
    .await?;
    Ok(entry)
}

async fn lock_message(conn: &mut PgConnection, entry_id: EntryId) -> Result<Entry, OutboxError> {
    let entry = sqlx::query_as!(
        Entry,
        r#"
        select entry_id as "entry_id: EntryId", kind as "kind: Stored<EntryKind>", saga_id as "saga_id: SagaId", step, exchange, routing_key,
               message_type, since, due_at, attempt, parked_at, last_error
        from messaging.outbox
        where entry_id = $1
        for update
        "#,
        entry_id.uuid(),
    )
    .fetch_optional(conn)
    .await?
    .ok_or(OutboxError::NotFound(entry_id))?;
    match (entry.kind.known(), entry.saga_id) {
        (Some(kind @ (EntryKind::Step | EntryKind::Timer)), Some(saga_id)) => {
            Err(OutboxError::OfSaga {
                entry_id,
                kind,
                saga_id,
            })
        }
        _ => Ok(entry),
    }
}

async fn record(
    conn: &mut PgConnection,
    verb: audit::Verb,
    entry: &Entry,
    after: Value,
    actor: &Actor,
) -> sqlx::Result<()> {
    let act = audit::Act {
        actor,
        verb,
        subject: audit::Subject::Outbox(&entry.entry_id.to_string()),
        before: json!({
            "message_type": entry.message_type,
            "parked_at": entry.parked_at,
            "attempt": entry.attempt,
            "last_error": entry.last_error,
        }),
        after,
        batch_id: None,
        trace_id: None,
    };
    audit::record(conn, &act).await.map(drop)
}
