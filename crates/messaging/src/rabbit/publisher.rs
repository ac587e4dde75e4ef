//! Publishing, and the broker's confirms.

use std::{pin::pin, sync::Arc, time::Duration};

use crashpoint::crash_point;
use futures::{FutureExt, future::BoxFuture};
use lapin::{
    BasicProperties, Channel, Confirmation, ConnectionStatus, PublisherConfirm,
    options::BasicPublishOptions, types::FieldTable,
};

use super::{
    BrokerConnection, BrokerError, CALL_TIMEOUT, TRACEPARENT, UnackedDelivery,
    record::{SIGNATURE, short},
    text,
};
use crate::{Message, consumer::Failure, outbox::Refusal, topology::REDRIVE};

/// Creates the detached signature of a body.
pub(crate) type Sign = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// Runs repeatedly while the broker blocks a connection.
pub(crate) type WhileBlocked<'a> = &'a (dyn Fn() -> BoxFuture<'a, ()> + Send + Sync);

/// Limits of unconfirmed publishes: bytes and messages.
const MAX_UNCONFIRMED_BYTES: usize = 4 * 1024 * 1024;
const MAX_UNCONFIRMED: usize = 200;

/// A message to be moved on from a queue.
pub(crate) struct Forward<'a> {
    pub(crate) unacked: &'a UnackedDelivery,
    pub(crate) body: &'a [u8],
    /// The queue that the message comes from.
    pub(crate) queue: &'a str,
    /// The destination.
    pub(crate) exchange: &'a str,
    pub(crate) key: &'a str,
    /// Attempts already made.
    pub(crate) attempts: u32,
    pub(crate) failure: &'a Failure,
}

/// The broker's answer to one published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// The message is in a queue.
    Confirmed,
    /// The message is not in a queue, for this reason.
    Refused(Refusal, String),
}

/// A channel in confirm mode.
pub(crate) struct Publisher {
    pub(super) channel: Channel,
    pub(super) connection: ConnectionStatus,
    pub(super) user: String,
}

impl Publisher {
    /// Publishes all messages, then awaits all confirms. Returns an answer for every message or an
    /// error: a broken connection or a late confirm fails the whole batch, whose messages may or
    /// may not have arrived. If the broker closes the channel over a message, such as one for an
    /// exchange that does not exist, each message is then published alone, on a fresh channel of
    /// `connection`, so that only the bad one is refused. While the broker blocks the connection,
    /// confirms are awaited without a limit, and `while_blocked` runs after each `deadline`.
    pub(crate) async fn publish_all(
        &mut self,
        connection: &BrokerConnection,
        messages: &[&Message],
        sign: Option<&Sign>,
        deadline: Duration,
        while_blocked: WhileBlocked<'_>,
    ) -> Result<Vec<Published>, BrokerError> {
        let first = self.publish(messages, sign, deadline, while_blocked);
        match first.await {
            Err(error) if error.closed_the_channel() => *self = connection.publisher().await?,
            answers => return answers,
        }
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            match self
                .publish(&[message], sign, deadline, while_blocked)
                .await
            {
                Ok(answer) => answers.extend(answer),
                Err(error) if error.closed_the_channel() => {
                    answers.push(Published::Refused(Refusal::Refused, error.to_string()));
                    *self = connection.publisher().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    async fn publish(
        &self,
        messages: &[&Message],
        sign: Option<&Sign>,
        deadline: Duration,
        while_blocked: WhileBlocked<'_>,
    ) -> Result<Vec<Published>, BrokerError> {
        let batch = async {
            let mut confirms = Vec::with_capacity(messages.len());
            for message in messages {
                let body = message.body.to_string();
                let signature = sign.map(|sign| sign(body.as_bytes()));
                let properties = properties_of(message, signature);
                confirms.push(
                    self.channel
                        .basic_publish(
                            short(&message.exchange),
                            short(&message.routing_key),
                            mandatory(),
                            body.as_bytes(),
                            properties,
                        )
                        .await?,
                );
            }
            crash_point!("relay.publish.before_confirm");
            let mut answers = Vec::with_capacity(confirms.len());
            for confirm in confirms {
                answers.push(classify(confirm.await?)?);
            }
            Ok(answers)
        };
        self.answered(deadline, batch, while_blocked).await
    }

    /// Awaits an answer for at most `limit`, and for longer while the broker blocks this
    /// connection: a broker with an alarm (out of memory or disk) accepts the messages when the
    /// alarm ends. Giving up would send everything again, on another connection that is blocked as
    /// well.
    async fn answered<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, BrokerError>>,
        while_blocked: WhileBlocked<'_>,
    ) -> Result<T, BrokerError> {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(limit, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) if self.connection.blocked() => while_blocked().await,
                Err(_) => return Err(BrokerError::Timeout(limit)),
            }
        }
    }

    /// Moves messages on and awaits the confirms of many together; returns the answers in the same
    /// order.
    pub(crate) async fn forward(
        &self,
        messages: &[Forward<'_>],
    ) -> Result<Vec<Published>, BrokerError> {
        let mut answers = Vec::with_capacity(messages.len());
        let mut rest = messages;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(batch_size(rest));
            let publish = async {
                let mut confirms = Vec::with_capacity(some.len());
                for message in some {
                    let properties = message.unacked.moved(
                        message.queue,
                        message.attempts,
                        message.failure,
                        &self.user,
                    );
                    let sent = self.send(message.exchange, message.key, message.body, properties);
                    confirms.push(sent.await?);
                }
                for confirm in confirms {
                    answers.push(classify(confirm.await?)?);
                }
                Ok::<_, BrokerError>(())
            };
            self.answered(CALL_TIMEOUT, publish, &|| async {}.boxed())
                .await?;
            rest = after;
        }
        Ok(answers)
    }

    /// Sends a message with this body to a consumer's queue, as if for the first time. The original
    /// stays held, regardless of the answer.
    pub(crate) async fn redrive(
        &self,
        unacked: &UnackedDelivery,
        queue: &str,
        body: &[u8],
        edited: bool,
    ) -> Result<Published, BrokerError> {
        let properties = unacked.redriven(edited, &self.user);
        let publish = async {
            let sent = self.send(REDRIVE, queue, body, properties).await?;
            classify(sent.await?)
        };
        tokio::time::timeout(CALL_TIMEOUT, publish)
            .await
            .map_err(|_| BrokerError::Timeout(CALL_TIMEOUT))?
    }

    async fn send(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<PublisherConfirm> {
        let (exchange, key) = (short(exchange), short(key));
        self.channel
            .basic_publish(exchange, key, mandatory(), body, properties)
            .await
    }
}

/// How many of these messages are published before confirms are awaited: at least one.
fn batch_size(messages: &[Forward<'_>]) -> usize {
    let mut bytes = 0;
    let fit = messages.iter().take(MAX_UNCONFIRMED).take_while(|message| {
        bytes += message.body.len();
        bytes <= MAX_UNCONFIRMED_BYTES
    });
    fit.count().max(1)
}

/// Makes the broker return unroutable messages instead of dropping them.
fn mandatory() -> BasicPublishOptions {
    BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    }
}

fn classify(confirmation: Confirmation) -> Result<Published, BrokerError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(Published::Confirmed),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            let why = format!(
                "unroutable: {} ({})",
                returned.reply_text, returned.reply_code
            );
            Ok(Published::Refused(Refusal::Unroutable, why))
        }
        Confirmation::Nack(None) => Ok(Published::Refused(
            Refusal::Refused,
            "refused by the broker (nack)".to_owned(),
        )),
        Confirmation::NotRequested => Err(BrokerError::NoConfirms),
    }
}

fn properties_of(message: &Message, signature: Option<String>) -> BasicProperties {
    #[expect(
        clippy::disallowed_methods,
        reason = "AMQP's timestamp property is for people, nothing is decided by it"
    )]
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
    let mut headers = FieldTable::default();
    if let Some(trace) = &message.trace {
        headers.insert(TRACEPARENT.into(), text(&trace.to_string()));
    }
    if let Some(signature) = signature {
        headers.insert(SIGNATURE.into(), text(&signature));
    }
    BasicProperties::default()
        .with_message_id(short(&message.id.to_string()))
        .with_type(short(&message.message_type))
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(now)
        .with_headers(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_without_confirms_fails_at_its_first_publish_f13() {
        let unconfirmed = classify(Confirmation::NotRequested);
        assert!(
            matches!(unconfirmed, Err(BrokerError::NoConfirms)),
            "{unconfirmed:?}"
        );
        assert_eq!(
            classify(Confirmation::Ack(None)).unwrap(),
            Published::Confirmed
        );
        let nacked = classify(Confirmation::Nack(None)).unwrap();
        assert!(
            matches!(nacked, Published::Refused(Refusal::Refused, _)),
            "{nacked:?}"
        );
    }
}
