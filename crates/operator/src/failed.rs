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

    fn taken(message: &FailedMessage) -> Self {
        let why = "another reader has taken it: look again".to_owned();
        Self::new(message, "stays", Some(why))
    }

    fn sent(message: &FailedMessage, sent: Sent) -> Self {
        match sent {
            Sent::Again => Self::new(message, "sent again", None),
            Sent::Not(why) => Self::new(message, "stays", Some(why)),
        }
    }
}

/// Sends messages again, to the queue `to` or, without, to the one that its consumer recorded; `done`
/// hears how many are decided on.
///
/// # Errors
/// See [`FailedError`].
pub async fn retry(
    pool: &PgPool,
    review: &Review,
    held: &mut [&mut Held],
    to: Option<&str>,
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks_mut(AT_ONCE) {
        let sides = some.iter().map(|held| {
            let queue = to.or(held.message.queue.as_deref());
            (
                &held.message,
                about(&held.message),
                json!({ "sent_to": queue }),
            )
        });
        let sides: Vec<_> = sides.collect();
        write(pool, "failed retry", &sides, actor).await?;
        let sent = review.send_again(some, to).await?;
        let some = some.iter().zip(sent);
        decided.extend(some.map(|(held, sent)| Decided::sent(&held.message, sent)));
        done(decided.len());
    }
    Ok(decided)
}

/// Sends `body` in a message's place, as [`retry`] does. The audit keeps both, whole.
///
/// # Errors
/// See [`FailedError`].
pub async fn edit(
    pool: &PgPool,
    review: &Review,
    held: &mut Held,
    to: Option<&str>,
    body: &Value,
    actor: &Actor,
) -> Result<Decided, FailedError> {
    let Some(before) = review.whole(held).await? else {
        return Ok(Decided::taken(&held.message));
    };
    let queue = to.or(held.message.queue.as_deref());
    let after = json!({ "sent_to": queue, "body": body.to_string() });
    let sides = [(&before, whole(&before), after)];
    write(pool, "failed edit", &sides, actor).await?;
    let sent = review
        .send_edited(held, to, body.to_string().as_bytes())
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
    held: &mut [&mut Held],
    actor: &Actor,
    mut done: impl FnMut(usize),
) -> Result<Vec<Decided>, FailedError> {
    let mut decided = Vec::with_capacity(held.len());
    for some in held.chunks_mut(AT_ONCE) {
        let small = some.iter().filter(|held| !held.message.body_cut);
        let small: Vec<&Held> = small.map(|held| &**held).collect();
        let dropped = || json!({ "dropped": true });
        let sides = small
            .iter()
            .map(|held| (&held.message, whole(&held.message), dropped()));
        let sides: Vec<_> = sides.collect();
        write(pool, "failed drop", &sides, actor).await?;
        review.discard(&small).await?;
        for held in some.iter_mut() {
            // one large body at a time
            if held.message.body_cut {
                let Some(before) = review.whole(held).await? else {
                    decided.push(Decided::taken(&held.message));
                    continue;
                };
                let sides = [(&before, whole(&before), dropped())];
                write(pool, "failed drop", &sides, actor).await?;
                review.discard(&[&**held]).await?;
            }
            decided.push(Decided::new(&held.message, "dropped", None));
        }
        done(decided.len());
    }
    Ok(decided)
}

/// A message, and how it was before and after.
type Sides<'a> = (&'a FailedMessage, Value, Value);

async fn write(pool: &PgPool, verb: &str, sides: &[Sides<'_>], actor: &Actor) -> sqlx::Result<()> {
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
