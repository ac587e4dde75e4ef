//! A session on `failed` that can take, send again and discard messages.

use std::{collections::VecDeque, ops::ControlFlow, time::Duration};

use futures::future::try_join_all;

use super::{Consumer, FailedMessage, Listed, MAX_HELD, Page, SHOWN, name};
use crate::{
    rabbit::{BrokerConnection, BrokerError, Published, Publisher, UnackedDelivery, Walk},
    topology::FAILED,
};

/// The most messages that one session reads past.
pub const WALKED: usize = 50_000;

/// Number of messages published before their confirms are awaited.
const BATCH_SIZE: usize = 100;

/// Bytes of all bodies that a session keeps; bodies beyond that are fetched again when needed.
const KEPT: usize = 8 * 1024 * 1024;

/// Bytes of messages that the connection buffers while they are read.
const HELD: usize = 4 * 1024 * 1024;

/// The longest wait until a message that was given back can be taken again.
const RETAKE_TIMEOUT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// A message that a session holds: no other reader sees it until the session ends.
pub struct Held {
    /// The message as it is shown to the operator.
    pub message: FailedMessage,
    unacked: UnackedDelivery,
    /// Whether the body was dropped.
    unloaded: bool,
}

/// The result of sending a message again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The message is in its queue, and no longer in `failed`.
    Again,
    /// The message stays in `failed`, for this reason.
    Not(String),
}

/// A session on `failed` that can take, send again and discard messages.
pub struct DeadLetterSession {
    connection: BrokerConnection,
    source: BrokerConnection,
    publisher: Publisher,
    consumers: Vec<Consumer>,
    walk: Option<Walk>,
}

impl DeadLetterSession {
    /// Connects; `name` is the connection's name at the broker. Messages are sent again only to the
    /// queues of `consumers`.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn open(
        amqp_url: &str,
        name: &str,
        consumers: &[Consumer],
    ) -> Result<Self, BrokerError> {
        let connection = BrokerConnection::open(amqp_url, name).await?;
        let publisher = connection.publisher().await?;
        Ok(Self {
            source: BrokerConnection::open_to_read(amqp_url, name, HELD).await?,
            connection,
            publisher,
            consumers: consumers.to_vec(),
            walk: None,
        })
    }

    /// Number of messages in `failed` that no reader holds.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn waiting(&self) -> Result<usize, BrokerError> {
        Ok(self.connection.check_queue(FAILED).await?.messages as usize)
    }

    /// Passes messages to `inspect`, oldest first, until it breaks. Returns the number of messages in
    /// the queue.
    async fn walk(
        &mut self,
        mut inspect: impl FnMut(UnackedDelivery) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        let counted = self.waiting().await?;
        let walk = self.source.walk(FAILED).await?;
        let walk = self.walk.insert(walk);
        while walk.passed() < WALKED
            && let Some(unacked) = walk.next(counted).await?
        {
            if inspect(unacked).is_break() {
                break;
            }
        }
        walk.stop().await?;
        Ok(counted.max(walk.passed()))
    }

    pub(super) async fn find(
        &mut self,
        id: &str,
        shown: usize,
    ) -> Result<Option<FailedMessage>, BrokerError> {
        let mut found = None;
        let inspect = |unacked: UnackedDelivery| {
            if name(&unacked) != id {
                return ControlFlow::Continue(());
            }
            found = Some(FailedMessage::new(&unacked, shown));
            ControlFlow::Break(())
        };
        self.walk(inspect).await?;
        Ok(found)
    }

    pub(super) async fn page(&mut self, page: Page) -> Result<Listed, BrokerError> {
        let limit = page.limit.min(MAX_HELD);
        let mut found = VecDeque::new();
        let (mut passed, mut bytes) = (0, 0);
        let inspect = |unacked: UnackedDelivery| {
            passed += 1;
            if !page.newest && passed <= page.skip {
                return ControlFlow::Continue(());
            }
            let room = KEPT.saturating_sub(bytes);
            let message = FailedMessage::new(&unacked, SHOWN.min(room));
            bytes += message.body.len();
            found.push_back(message);
            // newest first: drop messages older than the page
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
            self.walk(inspect).await?
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

    /// Takes up to `limit` messages, at most [`MAX_HELD`], oldest first.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn take(&mut self, limit: usize) -> Result<Vec<Held>, BrokerError> {
        self.take_those(limit, |_| true).await
    }

    /// Takes up to `limit` messages that are `wanted`, at most [`MAX_HELD`], oldest first. May be
    /// called once per session. Messages that it reads past are held, too, until the session ends.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn take_those(
        &mut self,
        limit: usize,
        mut wanted: impl FnMut(&FailedMessage) -> bool,
    ) -> Result<Vec<Held>, BrokerError> {
        let limit = limit.min(MAX_HELD);
        let mut held = Vec::new();
        let mut kept = 0;
        let inspect = |mut unacked: UnackedDelivery| {
            let message = FailedMessage::new(&unacked, SHOWN.min(KEPT.saturating_sub(kept)));
            if !wanted(&message) {
                return ControlFlow::Continue(());
            }
            let unloaded = message.body_cut || kept + unacked.size() > KEPT;
            if unloaded {
                unacked.take_body();
            }
            kept += message.body.len() + unacked.body().len();
            held.push(Held {
                message,
                unacked,
                unloaded,
            });
            if held.len() == limit {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        if limit > 0 {
            self.walk(inspect).await?;
        }
        Ok(held)
    }

    /// Returns the message with its whole body.
    ///
    /// # Errors
    /// When the broker cannot be reached. Returns `None` when another reader has taken the message.
    pub async fn whole(&self, held: &mut Held) -> Result<Option<FailedMessage>, BrokerError> {
        if !self.load(held).await? {
            return Ok(None);
        }
        let whole = FailedMessage::new(&held.unacked, usize::MAX);
        if whole.body_bytes > SHOWN {
            held.unacked.take_body();
            held.unloaded = true;
        }
        Ok(Some(whole))
    }

    /// Fetches a dropped body again: the message goes back to the head of the queue, and is taken
    /// from there. Returns false when another reader was faster.
    async fn load(&self, held: &mut Held) -> Result<bool, BrokerError> {
        let Some(walk) = self.walk.as_ref().filter(|_| held.unloaded) else {
            return Ok(!held.unloaded);
        };
        held.unacked.give_back().await?;
        let until = tokio::time::Instant::now() + RETAKE_TIMEOUT;
        while tokio::time::Instant::now() < until {
            let Some(unacked) = walk.get().await? else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let same = unacked.size() == held.message.body_bytes
                && FailedMessage::new(&unacked, held.message.body.len()).id == held.message.id;
            if same {
                held.unacked = unacked;
                held.unloaded = false;
                return Ok(true);
            }
            // a newer message from the tail: it stays held until the session ends
        }
        Ok(false)
    }

    /// Sends messages again, as if for the first time: to the queue `to` or, if that is `None`, to
    /// the queue that each message's consumer recorded. Returns the results in the same order.
    ///
    /// # Errors
    /// When the broker cannot be reached; unconfirmed messages stay in `failed`.
    pub async fn send_again(
        &self,
        held: &mut [&mut Held],
        to: Option<&str>,
    ) -> Result<Vec<Sent>, BrokerError> {
        let mut answers = Vec::with_capacity(held.len());
        for some in held.chunks_mut(BATCH_SIZE) {
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
            let safe: Vec<_> = safe.map(|(held, _)| &held.unacked).collect();
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
    ) -> Result<Sent, BrokerError> {
        match sent {
            Some(sent) => Ok(sent),
            None => self.send(held, to, None).await,
        }
    }

    /// Sends one message whose body was dropped, as `send_again` does; on success it has left
    /// `failed`.
    async fn send_loaded(&self, held: &mut Held, to: Option<&str>) -> Result<Sent, BrokerError> {
        if let Err(why) = self.destination(held, to) {
            return Ok(Sent::Not(why));
        }
        if !self.load(held).await? {
            let why = "another reader has taken it: look again";
            return Ok(Sent::Not(why.to_owned()));
        }
        let sent = self.send(held, to, None).await?;
        if sent == Sent::Again {
            self.ack(&[&held.unacked]).await?;
        }
        held.unacked.take_body();
        held.unloaded = true;
        Ok(sent)
    }

    /// Sends a message with `body` in place of its own: to the same queue, under the same id, as if
    /// for the first time.
    ///
    /// # Errors
    /// When the broker cannot be reached; then the message stays in `failed`.
    pub async fn send_edited(
        &self,
        held: &Held,
        to: Option<&str>,
        body: &[u8],
    ) -> Result<Sent, BrokerError> {
        let sent = self.send(held, to, Some(body)).await?;
        if sent == Sent::Again {
            self.ack(&[&held.unacked]).await?;
        }
        Ok(sent)
    }

    async fn send(
        &self,
        held: &Held,
        to: Option<&str>,
        edited: Option<&[u8]>,
    ) -> Result<Sent, BrokerError> {
        let queue = match self.destination(held, to) {
            Ok(queue) => queue,
            Err(why) => return Ok(Sent::Not(why)),
        };
        let body = edited.unwrap_or_else(|| held.unacked.body());
        let sent = self
            .publisher
            .redrive(&held.unacked, queue, body, edited.is_some())
            .await?;
        Ok(match sent {
            Published::Confirmed => Sent::Again,
            Published::Refused(_, why) => {
                Sent::Not(format!("queue {queue} does not take it: {why}"))
            }
        })
    }

    /// The destination of a message: the queue that the operator names, or the queue that its own
    /// consumer recorded. That record is trusted because the broker lets a publisher name no user
    /// but its own.
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
        let moved_by = held.unacked.moved_by();
        if moved_by == Some(user) || moved_by == Some(self.connection.user()) {
            return Ok(queue);
        }
        Err(format!(
            "the consumer of {queue} did not record that it came from there: look at it, then name the queue"
        ))
    }

    /// Removes messages from `failed` for good.
    ///
    /// # Errors
    /// When the broker cannot be reached; then some messages may still be in `failed`.
    pub async fn discard(&self, held: &[&Held]) -> Result<(), BrokerError> {
        let unacked: Vec<_> = held.iter().map(|held| &held.unacked).collect();
        self.ack(&unacked).await
    }

    async fn ack(&self, unacked: &[&UnackedDelivery]) -> Result<(), BrokerError> {
        match &self.walk {
            Some(walk) => walk.ack_all(unacked).await,
            None => Ok(()), // nothing is held that could be discarded
        }
    }

    /// Ends the session: messages still held go back to `failed`.
    pub async fn close(self) {
        if let Some(walk) = self.walk {
            walk.close().await;
        }
        self.source.close().await;
        self.connection.close().await;
    }
}
