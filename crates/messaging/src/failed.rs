//! The dead-letter queue `failed`: look at what could not be handled, and decide on it.
//!
//! A caller that decides opens a [`Review`], takes messages into it, and sends them again, edited or not,
//! or discards them. The others go back when the review ends, also by a crash. A
//! message leaves `failed` only after it is safe elsewhere: a crash between the publish's confirm
//! and the ack leaves it in both places, so it may be handled twice, and is never lost.
//!
//! A review looks at one message after the other and lets go of what is large: its memory is bounded.
//! Where a message is sent again is decided by what the consumer recorded
//! that could not handle it. The broker vouches for who made the record; without that, an operator
//! names the queue.

mod review;

use std::{fmt::Write as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

pub use self::review::{Held, Review, Sent, WALKED};
use crate::rabbit::{LinkError, Taken};

/// Most messages that one review holds.
pub const MOST: usize = 10_000;

/// Bytes of a body that are shown in a list.
pub const SHOWN: usize = 64 * 1024;
/// A queue and the user whose records about it count: that of its consumer.
pub type Consumer = (&'static str, &'static str);

/// A message in `failed`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedMessage {
    /// What to call it: its message id or, if its producer gave it none that can be written, a hash of what it says.
    pub id: String,
    /// The producer's id of it.
    pub message_id: Option<String>,
    /// AMQP `type`.
    pub message_type: Option<String>,
    /// The queue it could not be handled from.
    pub queue: Option<String>,
    /// The exchange it was first published to.
    pub exchange: String,
    /// The key it was first published under.
    pub routing_key: String,
    /// Attempts made.
    pub attempts: u32,
    /// Why it is here.
    pub reason: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// Length of the body, bytes.
    pub body_bytes: usize,
    /// The body, or its beginning when it is longer than [`SHOWN`]; what is not UTF-8, or NUL, is shown as
    /// replacement characters.
    pub body: String,
    /// The same, if it is not UTF-8 or holds a NUL character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Whether the body goes on behind what is shown.
    pub body_cut: bool,
}

impl FailedMessage {
    /// As it is taken, with at most `shown` bytes of its body.
    fn new(taken: &Taken, shown: usize) -> Self {
        let whole = taken.body();
        let end = whole.len().min(shown);
        let text = std::str::from_utf8(&whole[..end]);
        // a character that the end cuts in two is no reason to call it binary
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
            id: name(taken),
            message_id: taken.message_id().map(without_nul),
            message_type: taken.message_type().map(without_nul),
            queue: taken.original_queue().map(without_nul),
            exchange: without_nul(taken.original_exchange()),
            routing_key: without_nul(taken.original_key()),
            attempts: taken.attempt() - 1,
            reason: taken.reason().map(without_nul),
            trace_id: taken.trace().map(|trace| trace.trace_id().to_owned()),
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

/// What to call a message: its id, unless no command line or audit row can hold that.
fn name(taken: &Taken) -> String {
    let id = taken.message_id();
    id.filter(|id| !id.is_empty() && !id.contains('\0'))
        .unwrap_or_else(|| content_id(taken))
}

/// PostgreSQL holds no NUL character: the audit of a decision could not be written.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// `sha:` and sixteen hex digits of what a message without an id says and where it was sent.
fn content_id(taken: &Taken) -> String {
    let mut hash = Sha256::new();
    for part in [taken.original_exchange(), taken.original_key()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(taken.body());
    let mut id = "sha:".to_owned();
    for byte in &hash.finalize()[..8] {
        write!(id, "{byte:02x}").expect("a String takes everything");
    }
    id
}

/// Messages that failed alike.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// The queue they could not be handled from.
    pub queue: Option<String>,
    /// Why, with ids and numbers as `…`.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The oldest of them.
    pub oldest: String,
    /// Where they are in the list, the oldest first.
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

/// What a message has in common with those that failed alike: its queue, and the pattern of its reason.
pub fn alike(message: &FailedMessage) -> (Option<String>, String) {
    let reason = message.reason.as_deref();
    let reason = pattern(reason.unwrap_or("it does not say why"));
    (message.queue.clone(), reason)
}

/// A reason without what differs from message to message: words with a digit become `…`.
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

/// A part of `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most messages, at most [`MOST`].
    pub limit: usize,
    /// How many to leave out before them.
    pub skip: usize,
    /// The newest first, which walks past all that is older; else the oldest first.
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
    /// Whether there are others beside them.
    pub more: bool,
}

/// Up to `limit` failed messages, oldest first. They stay where they are, also when the caller stops
/// waiting for them.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn list(amqp_url: &str, limit: usize) -> Result<Vec<FailedMessage>, LinkError> {
    page(amqp_url, Page::oldest(limit))
        .await
        .map(|listed| listed.messages)
}

/// A page of failed messages. They stay where they are, also when the caller stops waiting for them.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn page(amqp_url: &str, page: Page) -> Result<Listed, LinkError> {
    let url = amqp_url.to_owned();
    to_the_end(async move {
        let mut review = Review::open(&url, "failed list", &[]).await?;
        let listed = review.page(page).await;
        review.close().await;
        listed
    })
    .await
}

/// The first message that is called `id`, with at most `shown` bytes of its body. It stays where it is.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn find(
    amqp_url: &str,
    id: &str,
    shown: usize,
) -> Result<Option<FailedMessage>, LinkError> {
    let (url, id) = (amqp_url.to_owned(), id.to_owned());
    to_the_end(async move {
        let mut review = Review::open(&url, "failed show", &[]).await?;
        let found = review.find(&id, shown).await;
        review.close().await;
        found
    })
    .await
}

/// Runs a look in a task of its own: one that is given up half-way still gives back what it holds.
async fn to_the_end<T: Send + 'static>(
    look: impl Future<Output = Result<T, LinkError>> + Send + 'static,
) -> Result<T, LinkError> {
    match tokio::spawn(look).await {
        Ok(found) => found,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime ends, and the caller with it
            Err(_) => Err(LinkError::Timeout(Duration::ZERO)),
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
