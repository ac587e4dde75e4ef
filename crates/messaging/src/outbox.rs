//! The outbox: work that must still happen outside the transaction that wrote it.
//!
//! An entry's lease is stored as its due time: a claim moves `due_at` to the end of the lease and
//! raises the epoch. The previous lease holder can no longer write, since every write names its
//! epoch.

use std::time::Duration;

use kernel::{EntryId, TraceRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// A message to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Also the AMQP message id.
    pub id: EntryId,
    /// The exchange to publish to.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// AMQP `type`.
    pub message_type: String,
    /// The message body, as JSON.
    pub body: Value,
    /// The trace that the message belongs to.
    pub trace: Option<TraceRef>,
}

impl Message {
    /// Creates a message with a new id.
    ///
    /// # Errors
    /// When `body` cannot be serialized as JSON.
    pub fn new(
        exchange: &str,
        routing_key: &str,
        message_type: &str,
        body: &impl Serialize,
        trace: Option<TraceRef>,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            id: EntryId::new(),
            exchange: exchange.to_owned(),
            routing_key: routing_key.to_owned(),
            message_type: message_type.to_owned(),
            body: serde_json::to_value(body)?,
            trace,
        })
    }
}

/// Writes messages in the caller's transaction, in one statement.
pub async fn enqueue(conn: &mut PgConnection, messages: &[Message]) -> sqlx::Result<()> {
    let ids: Vec<_> = messages.iter().map(|message| message.id.uuid()).collect();
    let exchanges: Vec<_> = messages
        .iter()
        .map(|message| message.exchange.clone())
        .collect();
    let keys: Vec<_> = messages
        .iter()
        .map(|message| message.routing_key.clone())
        .collect();
    let types: Vec<_> = messages
        .iter()
        .map(|message| message.message_type.clone())
        .collect();
    let bodies: Vec<_> = messages
        .iter()
        .map(|message| message.body.clone())
        .collect();
    let traces: Vec<_> = messages
        .iter()
        .map(|message| message.trace.as_ref().map(ToString::to_string))
        .collect();
    sqlx::query!(
        r#"
        insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, traceparent)
        select m.entry_id, 'message', m.exchange, m.routing_key, m.message_type, m.body, m.traceparent
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[])
             as m(entry_id, exchange, routing_key, message_type, body, traceparent)
        "#,
        &ids,
        &exchanges,
        &keys,
        &types,
        &bodies,
        &traces as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How the broker refused a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No queue is bound for the message.
    Unroutable,
    /// Any other refusal.
    Refused,
}

impl Refusal {
    /// The refusal as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unroutable => "unroutable",
            Self::Refused => "refused",
        }
    }
}

/// Backlog of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    /// `step`, `timer` or `message`.
    pub kind: &'static str,
    /// Entries that are due and not claimed.
    pub due: i64,
    /// Seconds: age of the oldest unpublished message, or how long the oldest step or timer has
    /// been due. A message that a relay claims repeatedly without being able to publish it keeps
    /// aging.
    pub seconds: f64,
    /// Entries that wait for an operator.
    pub parked: i64,
}

/// Measures the backlog of the outbox, for each kind of entry.
pub async fn lag(conn: &mut PgConnection) -> sqlx::Result<Vec<Lag>> {
    let rows = sqlx::query!(
        r#"
        select kind, count(*) filter (where due_at <= now) as "due!",
               coalesce(extract(epoch from now - min(case kind when 'message' then since else due_at end)), 0)::float8
                   as "seconds!",
               0::bigint as "parked!"
        from messaging.outbox, (select clock_timestamp() as now) as clock
        where parked_at is null
          and (due_at <= now or kind = 'message' and since <= now)
        group by kind, now
        union all
        select kind, 0, 0, count(*) from messaging.outbox where parked_at is not null group by kind
        "#,
    )
    .fetch_all(conn)
    .await?;
    let lags = ["step", "timer", "message"].into_iter().map(|kind| {
        let of = rows.iter().filter(|row| row.kind.as_deref() == Some(kind));
        of.fold(
            Lag {
                kind,
                due: 0,
                seconds: 0.0,
                parked: 0,
            },
            |lag, row| Lag {
                due: lag.due + row.due,
                seconds: lag.seconds.max(row.seconds),
                parked: lag.parked + row.parked,
                ..lag
            },
        )
    });
    Ok(lags.collect())
}

/// Publishes [`lag`] as gauges: `outbox_due`, `outbox_parked` and `outbox_lag_seconds`, by kind.
pub async fn gauge_lag(conn: &mut PgConnection) -> sqlx::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    for lag in lag(conn).await? {
        metrics::gauge!("outbox_due", "kind" => lag.kind).set(lag.due as f64);
        metrics::gauge!("outbox_parked", "kind" => lag.kind).set(lag.parked as f64);
        metrics::gauge!("outbox_lag_seconds", "kind" => lag.kind).set(lag.seconds);
    }
    Ok(())
}

/// The right to publish a message until the lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageClaim {
    /// The message to publish.
    pub message: Message,
    /// The epoch, which fences out earlier lease holders.
    pub epoch: i64,
    /// Number of this attempt, from 1.
    pub attempt: i32,
}

/// Claims up to `limit` due messages, oldest due first.
pub async fn claim_messages(
    conn: &mut PgConnection,
    lease: Duration,
    limit: i64,
) -> sqlx::Result<Vec<MessageClaim>> {
    let rows = sqlx::query!(
        r#"
        with due as (
            select entry_id
            from messaging.outbox
            where kind = 'message'
              and parked_at is null
              and due_at <= (select clock_timestamp())
            order by due_at
            limit $2
            for update skip locked
        )
        update messaging.outbox o
        set due_at = clock_timestamp() + make_interval(secs => $1), epoch = o.epoch + 1, attempt = o.attempt + 1
        from due
        where o.entry_id = due.entry_id
        returning o.entry_id, o.exchange as "exchange!", o.routing_key as "routing_key!",
                  o.message_type as "message_type!", o.body as "body!", o.traceparent, o.epoch, o.attempt
        "#,
        lease.as_secs_f64(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let claims = rows.into_iter().map(|row| MessageClaim {
        message: Message {
            id: EntryId::from(row.entry_id),
            exchange: row.exchange,
            routing_key: row.routing_key,
            message_type: row.message_type,
            body: row.body,
            trace: row.traceparent.and_then(|trace| trace.parse().ok()),
        },
        epoch: row.epoch,
        attempt: row.attempt,
    });
    Ok(claims.collect())
}

/// Deletes published messages that are still held under these epochs. Returns how many were
/// deleted.
pub async fn delete_published(
    conn: &mut PgConnection,
    published: &[(EntryId, i64)],
) -> sqlx::Result<u64> {
    let (ids, epochs): (Vec<Uuid>, Vec<i64>) = published
        .iter()
        .map(|(id, epoch)| (id.uuid(), *epoch))
        .unzip();
    let result = sqlx::query!(
        r#"
        delete from messaging.outbox o
        using unnest($1::uuid[], $2::bigint[]) as p(entry_id, epoch)
        where o.entry_id = p.entry_id
          and o.epoch = p.epoch
        "#,
        &ids,
        &epochs,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Writes a message that is due after `delay`, with the reason for the delay.
///
/// A message may be handled before its relay has deleted its entry. An entry that still exists
/// becomes the delayed one, and its new epoch fences the relay's delete.
pub async fn enqueue_later(
    conn: &mut PgConnection,
    message: &Message,
    delay: Duration,
    why: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into messaging.outbox as o
            (entry_id, kind, exchange, routing_key, message_type, body, traceparent, last_error, since, due_at)
        select $1, 'message', $2, $3, $4, $5, $6, $7, due.at, due.at
        from (select clock_timestamp() + make_interval(secs => $8) as at) as due
        on conflict (entry_id) do update
        set since = excluded.since, due_at = excluded.due_at, last_error = excluded.last_error,
            refusal = null, epoch = o.epoch + 1, attempt = 0, parked_at = null
        "#,
        message.id.uuid(),
        message.exchange,
        message.routing_key,
        message.message_type,
        message.body,
        message.trace.as_ref().map(ToString::to_string),
        why,
        delay.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Renews claims of messages for another `lease`, with the reason why they are not published yet. A
/// claim that expired and was taken over by another relay is left to that relay.
pub async fn renew_messages(
    conn: &mut PgConnection,
    claims: &[(EntryId, i64)],
    lease: Duration,
    why: &str,
) -> sqlx::Result<u64> {
    let (ids, epochs): (Vec<_>, Vec<_>) =
        claims.iter().map(|(id, epoch)| (id.uuid(), *epoch)).unzip();
    let result = sqlx::query!(
        r#"
        update messaging.outbox as o
        set due_at = clock_timestamp() + make_interval(secs => $3), last_error = $4, refusal = null
        from unnest($1::uuid[], $2::bigint[]) as held (entry_id, epoch)
        where o.entry_id = held.entry_id
          and o.epoch = held.epoch
        "#,
        &ids,
        &epochs,
        lease.as_secs_f64(),
        why,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Postpones a message, with the error.
///
/// An unreachable broker is not an attempt (`counted` is false): it says nothing about the message.
pub async fn postpone(
    conn: &mut PgConnection,
    id: EntryId,
    epoch: i64,
    delay: Duration,
    refusal: Option<Refusal>,
    error: &str,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        r#"
        update messaging.outbox
        set due_at = clock_timestamp() + make_interval(secs => $3), last_error = $4, refusal = $5,
            attempt = attempt - case when $5::text is null then 1 else 0 end
        where entry_id = $1
          and epoch = $2
        "#,
        id.uuid(),
        epoch,
        delay.as_secs_f64(),
        error,
        refusal.map(Refusal::as_str),
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Parks a message after its last attempt: the relay ignores it, and an operator decides.
pub async fn park(
    conn: &mut PgConnection,
    id: EntryId,
    epoch: i64,
    refusal: Refusal,
    error: &str,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        r#"
        update messaging.outbox
        set parked_at = clock_timestamp(), last_error = $3, refusal = $4
        where entry_id = $1
          and epoch = $2
          and kind = 'message'
        "#,
        id.uuid(),
        epoch,
        error,
        refusal.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
