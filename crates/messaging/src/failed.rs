//! The dead-letter queue `failed`: look at what could not be handled, and decide on it.
//!
//! Whoever decides opens a [`Review`], takes messages into it, and sends them again, edited or not,
//! or discards them. What is not decided on goes back when the review ends, also by a crash. A review
//! whose future is dropped in the middle of a call may leave its subscription behind, which holds
//! whatever fails from then on: run it in a task of its own, as [`list`] does. A
//! message leaves `failed` only after it is safe elsewhere: a crash between the publish's confirm
//! and the ack leaves it in both places, so it may be handled twice, and is never lost.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::try_join_all;
use sha2::{Digest, Sha256};

use crate::{
    rabbit::{Link, LinkError, Published, Publisher, Subscription, Taken},
    topology::FAILED,
};

/// Most messages that one review takes.
pub const MOST: usize = 10_000;

/// How many are published before their confirms are awaited.
const AT_ONCE: usize = 100;

/// How long a message is waited for that the broker has counted.
const PATIENCE: Duration = Duration::from_secs(2);
/// And one that it has not: what another review gave back is counted a moment later.
const GRACE: Duration = Duration::from_millis(200);

/// A message in `failed`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedMessage {
    /// What to call it: its message id or, if its producer gave it none, a hash of what it says.
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
    /// The body; what is not UTF-8 is shown as replacement characters.
    pub body: String,
    /// The body, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

impl From<&Taken> for FailedMessage {
    fn from(taken: &Taken) -> Self {
        let text = std::str::from_utf8(taken.body());
        Self {
            id: taken.message_id().unwrap_or_else(|| content_id(taken)),
            message_id: taken.message_id(),
            message_type: taken.message_type(),
            queue: taken.original_queue(),
            exchange: taken.original_exchange(),
            routing_key: taken.original_key(),
            attempts: taken.attempt() - 1,
            reason: taken.reason(),
            trace_id: taken.trace().map(|trace| trace.trace_id().to_owned()),
            body: String::from_utf8_lossy(taken.body()).into_owned(),
            body_base64: text.is_err().then(|| BASE64_STANDARD.encode(taken.body())),
        }
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
        let reason = pattern(message.reason.as_deref().unwrap_or("it does not say why"));
        let key = (message.queue.clone(), reason);
        let at = *places.entry(key).or_insert_with_key(|(queue, reason)| {
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

/// Up to `limit` failed messages, oldest first. They stay where they are, also when the caller stops
/// waiting for them.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn list(amqp_url: &str, limit: usize) -> Result<Vec<FailedMessage>, LinkError> {
    let url = amqp_url.to_owned();
    let look = tokio::spawn(async move {
        let mut review = Review::open(&url, "failed list").await?;
        let held = review.take(limit).await;
        review.close().await;
        Ok(held?.into_iter().map(|held| held.message).collect())
    });
    look.await
        .unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(Vec::new()), // the runtime ends, and whoever asked with it
        })
}

/// A message that a review holds: nobody else sees it until the review ends.
pub struct Held {
    /// What it is.
    pub message: FailedMessage,
    taken: Taken,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It is in its queue, and no longer in `failed`.
    Again,
    /// It stays in `failed`, for this reason.
    Not(String),
}

/// A look at `failed` that can decide.
pub struct Review {
    link: Link,
    publisher: Publisher,
    taking: Option<Subscription>,
}

impl Review {
    /// Connects; `name` is what the broker calls this connection.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn open(amqp_url: &str, name: &str) -> Result<Self, LinkError> {
        let link = Link::open(amqp_url, name).await?;
        let publisher = link.publisher().await?;
        Ok(Self {
            link,
            publisher,
            taking: None,
        })
    }

    /// How many messages are in `failed` and held by nobody.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn waiting(&self) -> Result<usize, LinkError> {
        Ok(self.link.check_queue(FAILED).await?.messages as usize)
    }

    /// Takes up to `limit` messages, at most [`MOST`], oldest first. Once a review.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn take(&mut self, limit: usize) -> Result<Vec<Held>, LinkError> {
        let limit = limit.min(MOST);
        let counted = self.waiting().await?;
        let mut held = Vec::new();
        let prefetch = u16::try_from(limit.max(1)).unwrap_or(u16::MAX);
        let taking = self.link.subscribe(FAILED, prefetch).await?;
        let taking = self.taking.insert(taking);
        while held.len() < limit {
            let wait = if held.len() < counted {
                PATIENCE
            } else {
                GRACE
            };
            let Ok(Some(next)) = tokio::time::timeout(wait, taking.next()).await else {
                break;
            };
            let taken = next?;
            let message = FailedMessage::from(&taken);
            held.push(Held { message, taken });
        }
        taking.stop().await?;
        Ok(held)
    }

    /// Sends messages back to the queues they came from, as if for the first time. Answers in the
    /// same order.
    ///
    /// # Errors
    /// When the broker cannot be reached; what was not confirmed stays in `failed`.
    pub async fn send_again(&self, held: &[&Held]) -> Result<Vec<Sent>, LinkError> {
        let mut answers = Vec::with_capacity(held.len());
        for some in held.chunks(AT_ONCE) {
            let sent = some.iter().map(|held| self.send(held, held.taken.body()));
            let sent = try_join_all(sent).await?;
            let safe = some.iter().zip(&sent);
            let safe = safe.filter(|(_, sent)| **sent == Sent::Again);
            let safe: Vec<_> = safe.map(|(held, _)| *held).collect();
            self.discard(&safe).await?;
            answers.extend(sent);
        }
        Ok(answers)
    }

    /// Sends `body` in a message's place: to the same queue, under the same id, as if for the first
    /// time.
    ///
    /// # Errors
    /// When the broker cannot be reached; then the message stays in `failed`.
    pub async fn send_edited(&self, held: &Held, body: &[u8]) -> Result<Sent, LinkError> {
        let sent = self.send(held, body).await?;
        if sent == Sent::Again {
            self.discard(&[held]).await?;
        }
        Ok(sent)
    }

    async fn send(&self, held: &Held, body: &[u8]) -> Result<Sent, LinkError> {
        let Some(queue) = &held.message.queue else {
            let why = "it does not say which queue it came from";
            return Ok(Sent::Not(why.to_owned()));
        };
        let sent = held.taken.redrive(&self.publisher, queue, body).await?;
        Ok(match sent {
            Published::Confirmed => Sent::Again,
            Published::Refused(why) => Sent::Not(format!("queue {queue} does not take it: {why}")),
        })
    }

    /// Takes messages out of `failed` for good.
    ///
    /// # Errors
    /// When the broker cannot be reached; then some may still be there.
    pub async fn discard(&self, held: &[&Held]) -> Result<(), LinkError> {
        let taken: Vec<_> = held.iter().map(|held| &held.taken).collect();
        match &self.taking {
            Some(taking) => taking.ack_all(&taken).await,
            None => Ok(()), // nothing is held that could be discarded
        }
    }

    /// Ends the review: what is still held goes back.
    pub async fn close(self) {
        if let Some(taking) = self.taking {
            taking.close().await;
        }
        self.link.close().await;
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
            body: String::new(),
            body_base64: None,
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
