//! Decides on failed messages, with an audit: the audit's row is committed before the broker is
//! told.
//!
//! A crash in between leaves an audit row of a decision that was not executed, and the message in
//! `failed`, where the next operator finds it and decides again. No message vanishes without a row.

use contracts::decode::{self, DecodeError};
use messaging::{
    BrokerError,
    failed::{DeadLetterSession, FailedMessage, Held, Sent},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{Actor, audit};

/// Messages decided on in one commit.
const BATCH_SIZE: usize = 100;

/// Why none, or not all, of the messages were decided on.
#[derive(Debug, thiserror::Error)]
pub enum FailedError {
    /// The audit could not be written, so these messages were left unchanged.
    #[error("could not write the audit, so the messages stay in `failed`")]
    Audit(#[from] sqlx::Error),
    /// The connection to the broker was lost; every message that the broker did not confirm stays
    /// in `failed`.
    #[error("the broker went away: what it has not confirmed stays in `failed`")]
    Broker(#[from] BrokerError),
}

/// The result for one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decided {
    /// The message's id.
    pub id: String,
    /// The queue that the message came from.
    pub queue: Option<String>,
    /// The result.
    pub result: DecidedResult,
    /// Why the message stays.
    pub detail: Option<String>,
}

/// The result of a decision on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedResult {
    /// The message is in a consumer's queue again.
    #[serde(rename = "sent again")]
    SentAgain,
    /// The message is gone; the audit keeps it.
    Dropped,
    /// The message is still in `failed`.
    Stays,
}

impl DecidedResult {
    /// The result as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SentAgain => "sent again",
            Self::Dropped => "dropped",
            Self::Stays => "stays",
        }
    }
}

impl Decided {
    fn new(message: &FailedMessage, result: DecidedResult, detail: Option<String>) -> Self {
        Self {
            id: message.id.clone(),
            queue: message.queue.clone(),
            result,
            detail,
        }
    }

    fn taken(message: &FailedMessage) -> Self {
        let why = "another reader has taken it: look again".to_owned();
        Self::new(message, DecidedResult::Stays, Some(why))
    }

    fn sent(message: &FailedMessage, sent: Sent) -> Self {
        match sent {
            Sent::Again => Self::new(message, DecidedResult::SentAgain, None),
            Sent::Not(why) => Self::new(message, DecidedResult::Stays, Some(why)),
        }
    }
}

/// Sends messages again: to the queue `to` or, without it, to the queue that each message's
/// consumer recorded. Calls `done` with the number of messages decided on so far.
///
/// # Errors
/// See [`FailedError`].
pub async fn retry(
    pool: &PgPool,
    session: &DeadLetterSession,
    held: &mut [&mut Held],
    to: Option<&str>,
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks_mut(BATCH_SIZE) {
        let sides = some.iter().map(|held| {
            let queue = to.or(held.message.queue.as_deref());
            (
                &held.message,
                about(&held.message),
                json!({ "sent_to": queue }),
            )
        });
        let sides: Vec<_> = sides.collect();
        write(pool, audit::Verb::FailedRetry, &sides, actor).await?;
        let sent = session.send_again(some, to).await?;
        let some = some.iter().zip(sent);
        decided.extend(some.map(|(held, sent)| Decided::sent(&held.message, sent)));
        done(decided.len());
    }
    Ok(decided)
}

/// Reads `body` in place of a message's body as the consumer does that it would be sent to.
///
/// # Errors
/// When the consumer could not read it.
pub fn check(message: &FailedMessage, to: Option<&str>, body: &str) -> Result<(), DecodeError> {
    match to.or(message.queue.as_deref()) {
        Some(queue) => decode::check(
            queue,
            body.as_bytes(),
            &message.routing_key,
            message.message_id.as_deref(),
        ),
        None => Ok(()), // it is not sent without a queue
    }
}

/// Sends `body` in place of a message's body, as [`retry`] does, if the consumer can read it. The
/// audit keeps both bodies in full.
///
/// # Errors
/// See [`FailedError`].
pub async fn edit(
    pool: &PgPool,
    session: &DeadLetterSession,
    held: &mut Held,
    to: Option<&str>,
    body: &str,
    actor: &Actor,
) -> Result<Decided, FailedError> {
    if let Err(error) = check(&held.message, to, body) {
        let why = format!("its consumer cannot read the new body: {error}");
        return Ok(Decided::new(&held.message, DecidedResult::Stays, Some(why)));
    }
    let Some(before) = session.whole(held).await? else {
        return Ok(Decided::taken(&held.message));
    };
    let queue = to.or(held.message.queue.as_deref());
    let after = json!({ "sent_to": queue, "body": body });
    let sides = [(&before, whole(&before), after)];
    write(pool, audit::Verb::FailedEdit, &sides, actor).await?;
    let sent = session.send_edited(held, to, body.as_bytes()).await?;
    Ok(Decided::sent(&held.message, sent))
}

/// Removes messages from `failed` for good. The audit keeps them in full, and whether they were
/// [settled](crate::settled).
///
/// # Errors
/// See [`FailedError`].
pub async fn discard(
    pool: &PgPool,
    session: &DeadLetterSession,
    held: &mut [&mut Held],
    settled: bool,
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks_mut(BATCH_SIZE) {
        let small = some.iter().filter(|held| !held.message.body_cut);
        let small: Vec<&Held> = small.map(|held| &**held).collect();
        let dropped = || {
            if settled {
                json!({ "dropped": true, "settled": true })
            } else {
                json!({ "dropped": true })
            }
        };
        let sides = small
            .iter()
            .map(|held| (&held.message, whole(&held.message), dropped()));
        let sides: Vec<_> = sides.collect();
        write(pool, audit::Verb::FailedDrop, &sides, actor).await?;
        session.discard(&small).await?;
        for held in some.iter_mut() {
            // large bodies are read one at a time
            if held.message.body_cut {
                let Some(before) = session.whole(held).await? else {
                    decided.push(Decided::taken(&held.message));
                    continue;
                };
                let sides = [(&before, whole(&before), dropped())];
                write(pool, audit::Verb::FailedDrop, &sides, actor).await?;
                session.discard(&[&**held]).await?;
            }
            decided.push(Decided::new(&held.message, DecidedResult::Dropped, None));
        }
        done(decided.len());
    }
    Ok(decided)
}

/// A message, with its state before and after the decision.
type Sides<'a> = (&'a FailedMessage, Value, Value);

async fn write(
    pool: &PgPool,
    verb: audit::Verb,
    sides: &[Sides<'_>],
    actor: &Actor,
) -> sqlx::Result<()> {
    let mut tx = db::begin(pool).await?;
    for (message, before, after) in sides {
        let act = audit::Act {
            actor,
            verb,
            subject: audit::Subject::Message(&message.id),
            before: before.clone(),
            after: after.clone(),
            batch_id: None,
            trace_id: message.trace_id.as_deref(),
        };
        audit::record(&mut tx, &act).await?;
    }
    tx.commit().await
}

/// A message's properties, without its body.
fn about(message: &FailedMessage) -> Value {
    json!({
        "queue": message.queue,
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "type": message.message_type,
        "attempts": message.attempts,
        "reason": message.reason,
        "kind": message.kind,
    })
}

/// A message with its body. A body that jsonb cannot store as text (jsonb has no NUL) is kept in
/// base64.
fn whole(message: &FailedMessage) -> Value {
    let mut about = about(message);
    let (name, body) = match &message.body_base64 {
        Some(encoded) => ("body_base64", encoded.clone()),
        None => ("body", message.body.clone()),
    };
    about[name] = Value::String(body);
    about
}
