//! Deciding on failed messages, audited: the audit's row is committed before the broker is told.
//!
//! A crash in between leaves a row of something that did not happen, and the message where it was:
//! whoever looks finds it in `failed` still, and decides again. Nothing vanishes without a row.

use messaging::{
    LinkError,
    failed::{FailedMessage, Held, Review, Sent},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{Actor, audit};

/// How many are decided on in one commit.
const AT_ONCE: usize = 100;

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub enum FailedError {
    /// The audit could not be written, so nothing was done to these messages.
    #[error("could not write the audit, so the messages stay in `failed`")]
    Audit(#[from] sqlx::Error),
    /// The broker went away; what it did not confirm stays in `failed`.
    #[error("the broker went away: what it has not confirmed stays in `failed`")]
    Broker(#[from] LinkError),
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decided {
    /// What it is called.
    pub id: String,
    /// Where it came from.
    pub queue: Option<String>,
    /// `sent again`, `dropped` or `stays`.
    pub result: &'static str,
    /// Why it stays.
    pub detail: Option<String>,
}

impl Decided {
    fn new(message: &FailedMessage, result: &'static str, detail: Option<String>) -> Self {
        Self {
            id: message.id.clone(),
            queue: message.queue.clone(),
            result,
            detail,
        }
    }

    fn sent(message: &FailedMessage, sent: Sent) -> Self {
        match sent {
            Sent::Again => Self::new(message, "sent again", None),
            Sent::Not(why) => Self::new(message, "stays", Some(why)),
        }
    }
}

/// Sends messages back to their queues; `done` hears how many are decided on.
///
/// # Errors
/// See [`FailedError`].
pub async fn retry(
    pool: &PgPool,
    review: &Review,
    held: &[&Held],
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks(AT_ONCE) {
        write(pool, "failed retry", some, actor, |held| {
            (
                about(&held.message),
                json!({ "sent_to": held.message.queue }),
            )
        })
        .await?;
        let sent = review.send_again(some).await?;
        let some = some.iter().zip(sent);
        decided.extend(some.map(|(held, sent)| Decided::sent(&held.message, sent)));
        done(decided.len());
    }
    Ok(decided)
}

/// Sends `body` in a message's place. The audit keeps both, whole.
///
/// # Errors
/// See [`FailedError`].
pub async fn edit(
    pool: &PgPool,
    review: &Review,
    held: &Held,
    body: &Value,
    actor: &Actor,
) -> Result<Decided, FailedError> {
    write(pool, "failed edit", &[held], actor, |held| {
        let after = json!({ "sent_to": held.message.queue, "body": body.to_string() });
        (whole(&held.message), after)
    })
    .await?;
    let sent = review
        .send_edited(held, body.to_string().as_bytes())
        .await?;
    Ok(Decided::sent(&held.message, sent))
}

/// Takes messages out of `failed` for good. The audit keeps them, whole.
///
/// # Errors
/// See [`FailedError`].
pub async fn discard(
    pool: &PgPool,
    review: &Review,
    held: &[&Held],
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks(AT_ONCE) {
        write(pool, "failed drop", some, actor, |held| {
            (whole(&held.message), json!({ "dropped": true }))
        })
        .await?;
        review.discard(some).await?;
        let some = some.iter();
        decided.extend(some.map(|held| Decided::new(&held.message, "dropped", None)));
        done(decided.len());
    }
    Ok(decided)
}

async fn write(
    pool: &PgPool,
    verb: &str,
    held: &[&Held],
    actor: &Actor,
    sides: impl Fn(&Held) -> (Value, Value),
) -> sqlx::Result<()> {
    let mut tx = db::begin(pool).await?;
    for held in held {
        let (before, after) = sides(held);
        let act = audit::Act {
            actor,
            verb,
            subject: audit::Subject::Message(&held.message.id),
            before,
            after,
            batch_id: None,
            trace_id: held.message.trace_id.as_deref(),
        };
        audit::record(&mut tx, &act).await?;
    }
    tx.commit().await
}

/// What a message was, without its body.
fn about(message: &FailedMessage) -> Value {
    json!({
        "queue": message.queue,
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "type": message.message_type,
        "attempts": message.attempts,
        "reason": message.reason,
    })
}

/// All of it. What jsonb does not take as text (it has no NUL) stands there in base64.
fn whole(message: &FailedMessage) -> Value {
    let mut about = about(message);
    let (name, body) = match &message.body_base64 {
        Some(encoded) => ("body_base64", encoded.clone()),
        None => ("body", message.body.clone()),
    };
    about[name] = Value::String(body);
    about
}
