//! The dead-letter queue `failed`: look at what could not be handled, and decide on it.
//!
//! Whoever decides opens a [`Review`], takes messages into it, and sends them again, edited or not,
//! or discards them. What is not decided on goes back when the review ends, also by a crash. A
//! message leaves `failed` only after it is safe elsewhere: a crash between the publish's confirm
//! and the ack leaves it in both places, so it may be handled twice, and is never lost.
//!
//! A review looks at one message after the other and lets go of what is large: its memory is bounded
//! whatever lies in `failed`. Where a message is sent again is decided by what the consumer recorded
//! that could not handle it. The broker vouches for who made the record; without that, an operator
//! names the queue.

use std::{collections::VecDeque, fmt::Write as _, ops::ControlFlow, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::try_join_all;
use sha2::{Digest, Sha256};

use crate::{
    rabbit::{Link, LinkError, Published, Publisher, Taken, Walk},
    topology::FAILED,
};

/// Most messages that one review holds.
pub const MOST: usize = 10_000;

/// Most messages that one review walks past.
pub const WALKED: usize = 50_000;

/// How many are published before their confirms are awaited.
const AT_ONCE: usize = 100;

/// Bytes of a body that are shown in a list.
pub const SHOWN: usize = 64 * 1024;
/// Bytes of all bodies that a review keeps; what is above is fetched again when it is needed.
const KEPT: usize = 8 * 1024 * 1024;

/// Bytes that the connection holds of what is being read.
const HELD: usize = 4 * 1024 * 1024;

/// How long a message is waited for that was given back to be taken again.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// A queue and the user whose records about it count: that of its consumer.
pub type Consumer = (&'static str, &'static str);

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
    /// Length of the body, bytes.
    pub body_bytes: usize,
    /// The body, or its beginning when it is longer than [`SHOWN`]; what is not UTF-8 is shown as
    /// replacement characters.
    pub body: String,
    /// The same, if it is not UTF-8.
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
            body_bytes: whole.len(),
            body: match text {
                Ok(text) => text.to_owned(),
                Err(_) => String::from_utf8_lossy(&whole[..end]).into_owned(),
            },
            body_base64: text.is_err().then(|| BASE64_STANDARD.encode(&whole[..end])),
            body_cut: end < whole.len(),
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

/// What a look at `failed` found.
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

/// A message that a review holds: nobody else sees it until the review ends.
pub struct Held {
    /// What it is.
    pub message: FailedMessage,
    taken: Taken,
    /// Whether the body was let go of.
    unloaded: bool,
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
    source: Link,
    publisher: Publisher,
    consumers: Vec<Consumer>,
    walk: Option<Walk>,
}

impl Review {
    /// Connects; `name` is what the broker calls this connection. Messages are sent again to the queues
    /// of `consumers` and to no others.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn open(
        amqp_url: &str,
        name: &str,
        consumers: &[Consumer],
    ) -> Result<Self, LinkError> {
        let link = Link::open(amqp_url, name).await?;
        let publisher = link.publisher().await?;
        Ok(Self {
            source: Link::open_to_read(amqp_url, name, HELD).await?,
            link,
            publisher,
            consumers: consumers.to_vec(),
            walk: None,
        })
    }

    /// How many messages are in `failed` and held by nobody.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn waiting(&self) -> Result<usize, LinkError> {
        Ok(self.link.check_queue(FAILED).await?.messages as usize)
    }

    /// Shows messages to `look`, oldest first, as long as it wants more.
    async fn walk(
        &mut self,
        mut look: impl FnMut(Taken) -> ControlFlow<()>,
    ) -> Result<usize, LinkError> {
        let counted = self.waiting().await?;
        let walk = self.source.walk(FAILED).await?;
        let walk = self.walk.insert(walk);
        while walk.passed() < WALKED
            && let Some(taken) = walk.next(counted).await?
        {
            if look(taken).is_break() {
                break;
            }
        }
        walk.stop().await?;
        Ok(counted.max(walk.passed()))
    }

    async fn find(&mut self, id: &str, shown: usize) -> Result<Option<FailedMessage>, LinkError> {
        let mut found = None;
        let look = |taken: Taken| {
            let called = taken.message_id().unwrap_or_else(|| content_id(&taken));
            if called != id {
                return ControlFlow::Continue(());
            }
            found = Some(FailedMessage::new(&taken, shown));
            ControlFlow::Break(())
        };
        self.walk(look).await?;
        Ok(found)
    }

    async fn page(&mut self, page: Page) -> Result<Listed, LinkError> {
        let limit = page.limit.min(MOST);
        let mut found = VecDeque::new();
        let (mut passed, mut bytes) = (0, 0);
        let look = |taken: Taken| {
            passed += 1;
            if !page.newest && passed <= page.skip {
                return ControlFlow::Continue(());
            }
            let room = KEPT.saturating_sub(bytes);
            let message = FailedMessage::new(&taken, SHOWN.min(room));
            bytes += message.body.len();
            found.push_back(message);
            // of the newest, what is older than the page makes room
            if page.newest && found.len() > limit + page.skip {
                let older = found.pop_front();
                bytes -= older.map_or(0, |older| older.body.len());
            }
            if !page.newest && found.len() == limit {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let counted = if limit == 0 {
            self.waiting().await?
        } else {
            self.walk(look).await?
        };
        let messages: Vec<_> = if page.newest {
            let newest = found.into_iter().rev();
            newest.skip(page.skip).take(limit).collect()
        } else {
            found.into()
        };
        let more = counted > messages.len();
        Ok(Listed { messages, more })
    }

    /// Takes up to `limit` messages, at most [`MOST`], oldest first.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn take(&mut self, limit: usize) -> Result<Vec<Held>, LinkError> {
        self.take_those(limit, |_| true).await
    }

    /// Takes up to `limit` messages that are `wanted`, at most [`MOST`], oldest first. Once a review.
    /// What it walks past is held, too, until the review ends.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn take_those(
        &mut self,
        limit: usize,
        mut wanted: impl FnMut(&FailedMessage) -> bool,
    ) -> Result<Vec<Held>, LinkError> {
        let limit = limit.min(MOST);
        let mut held = Vec::new();
        let mut kept = 0;
        let look = |mut taken: Taken| {
            let message = FailedMessage::new(&taken, SHOWN.min(KEPT.saturating_sub(kept)));
            if !wanted(&message) {
                return ControlFlow::Continue(());
            }
            let unloaded = message.body_cut || kept + taken.size() > KEPT;
            if unloaded {
                taken.take_body();
            }
            kept += message.body.len() + taken.body().len();
            held.push(Held {
                message,
                taken,
                unloaded,
            });
            if held.len() == limit {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        if limit > 0 {
            self.walk(look).await?;
        }
        Ok(held)
    }

    /// The message with all of its body.
    ///
    /// # Errors
    /// When the broker cannot be reached. `None` when another reader has taken the message.
    pub async fn whole(&self, held: &mut Held) -> Result<Option<FailedMessage>, LinkError> {
        if !self.load(held).await? {
            return Ok(None);
        }
        let whole = FailedMessage::new(&held.taken, usize::MAX);
        if whole.body_bytes > SHOWN {
            held.taken.take_body();
            held.unloaded = true;
        }
        Ok(Some(whole))
    }

    /// Fetches the body again that was let go of: the message goes back to the head of the queue, and is
    /// taken from there. False when another reader was faster.
    async fn load(&self, held: &mut Held) -> Result<bool, LinkError> {
        let Some(walk) = self.walk.as_ref().filter(|_| held.unloaded) else {
            return Ok(!held.unloaded);
        };
        held.taken.give_back().await?;
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until {
            let Some(taken) = walk.get().await? else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let same = taken.size() == held.message.body_bytes
                && FailedMessage::new(&taken, held.message.body.len()).id == held.message.id;
            if same {
                held.taken = taken;
                held.unloaded = false;
                return Ok(true);
            }
            // a new one at the tail: it stays held until the review ends
        }
        Ok(false)
    }

    /// Sends messages again, as if for the first time: to the queue `to` or, without, to the queue that
    /// its own consumer says each came from. Answers in the same order.
    ///
    /// # Errors
    /// When the broker cannot be reached; what was not confirmed stays in `failed`.
    pub async fn send_again(
        &self,
        held: &mut [&mut Held],
        to: Option<&str>,
    ) -> Result<Vec<Sent>, LinkError> {
        let mut answers = Vec::with_capacity(held.len());
        for some in held.chunks_mut(AT_ONCE) {
            let mut sent = vec![None; some.len()];
            for (held, sent) in some.iter_mut().zip(&mut sent) {
                if held.unloaded {
                    *sent = Some(self.send_loaded(held, to).await?);
                }
            }
            let mut small = Vec::with_capacity(some.len());
            for (held, sent) in some.iter().zip(sent) {
                small.push(self.send_unless(sent, held, to));
            }
            let sent = try_join_all(small).await?;
            let safe = some.iter().zip(&sent);
            let safe = safe.filter(|(held, sent)| **sent == Sent::Again && !held.unloaded);
            let safe: Vec<_> = safe.map(|(held, _)| &held.taken).collect();
            self.ack(&safe).await?;
            answers.extend(sent);
        }
        Ok(answers)
    }

    async fn send_unless(
        &self,
        sent: Option<Sent>,
        held: &Held,
        to: Option<&str>,
    ) -> Result<Sent, LinkError> {
        match sent {
            Some(sent) => Ok(sent),
            None => self.send(held, to, None).await,
        }
    }

    /// As `send_again` for one message whose body was let go of: it is gone from `failed` after.
    async fn send_loaded(&self, held: &mut Held, to: Option<&str>) -> Result<Sent, LinkError> {
        if let Err(why) = self.destination(held, to) {
            return Ok(Sent::Not(why));
        }
        if !self.load(held).await? {
            let why = "another reader has taken it: look again";
            return Ok(Sent::Not(why.to_owned()));
        }
        let sent = self.send(held, to, None).await?;
        if sent == Sent::Again {
            self.ack(&[&held.taken]).await?;
        }
        held.taken.take_body();
        held.unloaded = true;
        Ok(sent)
    }

    /// Sends `body` in a message's place: to the same queue, under the same id, as if for the first
    /// time.
    ///
    /// # Errors
    /// When the broker cannot be reached; then the message stays in `failed`.
    pub async fn send_edited(
        &self,
        held: &Held,
        to: Option<&str>,
        body: &[u8],
    ) -> Result<Sent, LinkError> {
        let sent = self.send(held, to, Some(body)).await?;
        if sent == Sent::Again {
            self.ack(&[&held.taken]).await?;
        }
        Ok(sent)
    }

    async fn send(
        &self,
        held: &Held,
        to: Option<&str>,
        edited: Option<&[u8]>,
    ) -> Result<Sent, LinkError> {
        let queue = match self.destination(held, to) {
            Ok(queue) => queue,
            Err(why) => return Ok(Sent::Not(why)),
        };
        let body = edited.unwrap_or_else(|| held.taken.body());
        let sent = self
            .publisher
            .redrive(&held.taken, queue, body, edited.is_some())
            .await?;
        Ok(match sent {
            Published::Confirmed => Sent::Again,
            Published::Refused(why) => Sent::Not(format!("queue {queue} does not take it: {why}")),
        })
    }

    /// Where a message goes: where the operator says, or where the queue's own consumer says that it
    /// came from. The broker lets a publisher name no user but itself.
    fn destination<'a>(&self, held: &'a Held, to: Option<&'a str>) -> Result<&'a str, String> {
        let consumer = |queue: &str| self.consumers.iter().find(|(name, _)| *name == queue);
        if let Some(queue) = to {
            return match consumer(queue) {
                Some((queue, _)) => Ok(queue),
                None => Err(format!("{queue} is not a queue of one of our consumers")),
            };
        }
        let Some(queue) = held.message.queue.as_deref() else {
            return Err("it does not say which queue it came from: name the queue".to_owned());
        };
        let Some((queue, user)) = consumer(queue) else {
            return Err(format!(
                "it names {queue}, which is not a queue of one of our consumers: name the queue"
            ));
        };
        let moved_by = held.taken.moved_by();
        if moved_by == Some(user) || moved_by == Some(self.link.user()) {
            return Ok(queue);
        }
        Err(format!(
            "the consumer of {queue} did not record that it came from there: look at it, then name the queue"
        ))
    }

    /// Takes messages out of `failed` for good.
    ///
    /// # Errors
    /// When the broker cannot be reached; then some may still be there.
    pub async fn discard(&self, held: &[&Held]) -> Result<(), LinkError> {
        let taken: Vec<_> = held.iter().map(|held| &held.taken).collect();
        self.ack(&taken).await
    }

    async fn ack(&self, taken: &[&Taken]) -> Result<(), LinkError> {
        match &self.walk {
            Some(walk) => walk.ack_all(taken).await,
            None => Ok(()), // nothing is held that could be discarded
        }
    }

    /// Ends the review: what is still held goes back.
    pub async fn close(self) {
        if let Some(walk) = self.walk {
            walk.close().await;
        }
        self.source.close().await;
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
