//! The dead-letter queue `failed`: inspect messages that could not be handled, and decide on them.
//!
//! The caller opens a [`DeadLetterSession`], takes messages into it, and sends them again, edited or
//! not, or discards them. The other messages go back when the session ends, also when it ends by a
//! crash. A message leaves `failed` only after it is safe elsewhere: a crash between the publish's
//! confirm and the ack leaves it in both places, so it may be handled twice, but is never lost.
//!
//! A session reads one message after the other and drops large bodies, so that its memory is
//! bounded. A message is sent again to the queue recorded by the consumer that could not handle it.
//! The broker vouches for the author of that record; without a vouched record, the operator names
//! the queue.

mod session;

use std::{fmt::Write as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

pub use self::session::{DeadLetterSession, Held, Sent, WALKED};
use crate::rabbit::{BrokerError, UnackedDelivery};

/// The most messages that one session holds.
pub const MAX_HELD: usize = 10_000;

/// Bytes of a body that a list shows.
pub const SHOWN: usize = 64 * 1024;
/// A queue and the user of its consumer: only this user's records about the queue are trusted.
pub type Consumer = (&'static str, &'static str);

/// A message in `failed`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedMessage {
    /// The name to address the message by: its message id or, if the producer set none that can be
    /// written down, a hash of its content.
    pub id: String,
    /// The message id that the producer chose.
    pub message_id: Option<String>,
    /// AMQP `type`.
    pub message_type: Option<String>,
    /// The queue whose consumer could not handle the message.
    pub queue: Option<String>,
    /// The exchange that the message was first published to.
    pub exchange: String,
    /// The routing key under which the message was first published.
    pub routing_key: String,
    /// Attempts made.
    pub attempts: u32,
    /// Why the message is in `failed`, for people.
    pub reason: Option<String>,
    /// The kind of failure, if the consumer recorded one; its names belong to the consumer.
    pub kind: Option<String>,
    /// The trace that the message belongs to.
    pub trace_id: Option<String>,
    /// Length of the body in bytes.
    pub body_bytes: usize,
    /// The body, or its beginning if it is longer than [`SHOWN`]; bytes that are not UTF-8, and
    /// NUL, are shown as replacement characters.
    pub body: String,
    /// The same bytes in base64, if they are not UTF-8 or contain NUL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Whether the body continues beyond the part shown.
    pub body_cut: bool,
}

impl FailedMessage {
    /// Describes a taken message, with at most `shown` bytes of its body.
    fn new(unacked: &UnackedDelivery, shown: usize) -> Self {
        let whole = unacked.body();
        let end = whole.len().min(shown);
        let text = std::str::from_utf8(&whole[..end]);
        // a character that the limit cuts in two does not make the body binary
        let text = text.or_else(|error| {
            let cut = end < whole.len() && error.error_len().is_none();
            if cut {
                std::str::from_utf8(&whole[..error.valid_up_to()])
            } else {
                Err(error)
            }
        });
        let text = text.ok().filter(|text| !text.contains('\0'));
        Self {
            id: name(unacked),
            message_id: unacked.message_id().map(without_nul),
            message_type: unacked.message_type().map(without_nul),
            queue: unacked.original_queue().map(without_nul),
            exchange: without_nul(unacked.original_exchange()),
            routing_key: without_nul(unacked.original_key()),
            attempts: unacked.attempt() - 1,
            reason: unacked.reason().map(without_nul),
            kind: unacked.failure_kind().map(without_nul),
            trace_id: unacked.trace().map(|trace| trace.trace_id().to_owned()),
            body_bytes: whole.len(),
            body: match text {
                Some(text) => text.to_owned(),
                None => without_nul(String::from_utf8_lossy(&whole[..end]).into_owned()),
            },
            body_base64: text
                .is_none()
                .then(|| BASE64_STANDARD.encode(&whole[..end])),
            body_cut: end < whole.len(),
        }
    }
}

/// The name to address a message by: its id, unless a command line or an audit row cannot hold the
/// id.
fn name(unacked: &UnackedDelivery) -> String {
    let id = unacked.message_id();
    id.filter(|id| !id.is_empty() && !id.contains('\0'))
        .unwrap_or_else(|| content_id(unacked))
}

/// Replaces NUL, which PostgreSQL cannot store: the audit row of a decision could not be written.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// `sha:` and sixteen hex digits: a hash of the content and original destination of a message
/// without an id.
fn content_id(unacked: &UnackedDelivery) -> String {
    let mut hash = Sha256::new();
    for part in [unacked.original_exchange(), unacked.original_key()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(unacked.body());
    let mut id = "sha:".to_owned();
    for byte in &hash.finalize()[..8] {
        write!(id, "{byte:02x}").expect("a String takes everything");
    }
    id
}

/// Messages that failed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// The queue whose consumer could not handle them.
    pub queue: Option<String>,
    /// The reason, with ids and numbers replaced by `…`.
    pub reason: String,
    /// Number of messages.
    pub count: usize,
    /// The id of the oldest message.
    pub oldest: String,
    /// Their indexes in the list, the oldest first.
    #[serde(skip)]
    pub members: Vec<usize>,
}

/// Groups messages by queue and reason, the oldest group first.
pub fn groups(messages: &[FailedMessage]) -> Vec<Group> {
    let mut groups = Vec::<Group>::new();
    let mut places = std::collections::HashMap::new();
    for (place, message) in messages.iter().enumerate() {
        let at = *places
            .entry(alike(message))
            .or_insert_with_key(|(queue, reason)| {
                groups.push(Group {
                    queue: queue.clone(),
                    reason: reason.clone(),
                    count: 0,
                    oldest: message.id.clone(),
                    members: Vec::new(),
                });
                groups.len() - 1
            });
        groups[at].count += 1;
        groups[at].members.push(place);
    }
    groups
}

/// The key of a message's group: its queue, and the pattern of its reason.
pub fn alike(message: &FailedMessage) -> (Option<String>, String) {
    let reason = message.reason.as_deref();
    let reason = pattern(reason.unwrap_or("it does not say why"));
    (message.queue.clone(), reason)
}

/// Removes the parts of a reason that differ between messages: words with a digit become `…`.
pub fn pattern(reason: &str) -> String {
    let mut pattern = String::new();
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| part(c) != part(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if part(first) && word.contains(|c: char| c.is_ascii_digit()) {
            pattern.push('…');
        } else {
            pattern.push_str(word);
        }
        rest = after;
    }
    pattern
}

/// Selects a page of `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The most messages to return, at most [`MAX_HELD`].
    pub limit: usize,
    /// Number of messages to skip before them.
    pub skip: usize,
    /// Newest first, which reads past all older messages; otherwise oldest first.
    pub newest: bool,
}

impl Page {
    /// The oldest messages.
    pub const fn oldest(limit: usize) -> Self {
        Self {
            limit,
            skip: 0,
            newest: false,
        }
    }
}

/// One page of `failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The messages of the page.
    pub messages: Vec<FailedMessage>,
    /// Whether further messages exist.
    pub more: bool,
}

/// Returns up to `limit` failed messages, oldest first. They stay in the queue, also when the
/// caller cancels the call.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn list(amqp_url: &str, limit: usize) -> Result<Vec<FailedMessage>, BrokerError> {
    page(amqp_url, Page::oldest(limit))
        .await
        .map(|listed| listed.messages)
}

/// Returns a page of failed messages. They stay in the queue, also when the caller cancels the
/// call.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn page(amqp_url: &str, page: Page) -> Result<Listed, BrokerError> {
    let url = amqp_url.to_owned();
    to_the_end(async move {
        let mut session = DeadLetterSession::open(&url, "failed list", &[]).await?;
        let listed = session.page(page).await;
        session.close().await;
        listed
    })
    .await
}

/// Finds the first message named `id`, with at most `shown` bytes of its body. It stays in the
/// queue.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn find(
    amqp_url: &str,
    id: &str,
    shown: usize,
) -> Result<Option<FailedMessage>, BrokerError> {
    let (url, id) = (amqp_url.to_owned(), id.to_owned());
    to_the_end(async move {
        let mut session = DeadLetterSession::open(&url, "failed show", &[]).await?;
        let found = session.find(&id, shown).await;
        session.close().await;
        found
    })
    .await
}

/// Runs a read in its own task, so that a canceled call still gives back the messages it holds.
async fn to_the_end<T: Send + 'static>(
    read: impl Future<Output = Result<T, BrokerError>> + Send + 'static,
) -> Result<T, BrokerError> {
    match tokio::spawn(read).await {
        Ok(found) => found,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime is shutting down, and the caller with it
            Err(_) => Err(BrokerError::Timeout(Duration::ZERO)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_alike_is_one_group_whatever_its_ids() {
        let reason = "no account 01996e0e-0000-7000-8000-000000000001 (attempt 4 of 4)";
        assert_eq!(pattern(reason), "no account … (attempt … of …)");
        assert_eq!(pattern("undecodable: é"), "undecodable: é");
        let message = |id: &str, reason: &str| FailedMessage {
            id: id.to_owned(),
            message_id: Some(id.to_owned()),
            message_type: None,
            queue: Some("q".to_owned()),
            exchange: "e".to_owned(),
            routing_key: "k".to_owned(),
            attempts: 4,
            reason: Some(reason.to_owned()),
            kind: None,
            trace_id: None,
            body_bytes: 0,
            body: String::new(),
            body_base64: None,
            body_cut: false,
        };
        let all = [
            message("a", "no user 1"),
            message("b", "no mail"),
            message("c", "no user 2"),
        ];
        let found: Vec<_> = groups(&all)
            .into_iter()
            .map(|group| (group.reason, group.count, group.oldest, group.members))
            .collect();
        let expected = [
            ("no user …", 2, "a", vec![0, 2]),
            ("no mail", 1, "b", vec![1]),
        ];
        assert_eq!(
            found,
            expected.map(|(r, n, o, m)| (r.to_owned(), n, o.to_owned(), m))
        );
    }
}
