//! Publishing, and what the broker says of it.

use std::time::Duration;

use crashpoint::crash_point;
use lapin::{
    BasicProperties, Channel, Confirmation, options::BasicPublishOptions, types::FieldTable,
};

use super::{CALL_TIMEOUT, Link, LinkError, TRACEPARENT, text};
use crate::Message;

/// What the broker said of one published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in a queue.
    Confirmed,
    /// It is not, for the reason given.
    Refused(String),
}

/// A channel that confirms what is published on it.
pub(crate) struct Publisher {
    pub(super) channel: Channel,
}

impl Publisher {
    /// Publishes all, then awaits all confirms. An answer is missing for none: a broken link or a
    /// late confirm fails the whole batch, whose messages may or may not have arrived. A message
    /// that the broker closes the channel over, such as one for an exchange that is not there,
    /// falls out: each is then published alone, on a fresh channel of `link`.
    pub(crate) async fn publish_all(
        &mut self,
        link: &Link,
        messages: &[&Message],
        deadline: Duration,
    ) -> Result<Vec<Published>, LinkError> {
        match self.publish(messages, deadline).await {
            Err(error) if error.closed_the_channel() => *self = link.publisher().await?,
            answers => return answers,
        }
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            match self.publish(&[message], deadline).await {
                Ok(answer) => answers.extend(answer),
                Err(error) if error.closed_the_channel() => {
                    answers.push(Published::Refused(error.to_string()));
                    *self = link.publisher().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    async fn publish(
        &self,
        messages: &[&Message],
        deadline: Duration,
    ) -> Result<Vec<Published>, LinkError> {
        let batch = async {
            let mut confirms = Vec::with_capacity(messages.len());
            for message in messages {
                let body = message.body.to_string();
                let properties = properties_of(message);
                confirms.push(
                    self.channel
                        .basic_publish(
                            message.exchange.as_str().into(),
                            message.routing_key.as_str().into(),
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
                answers.push(judge(confirm.await?)?);
            }
            Ok(answers)
        };
        tokio::time::timeout(deadline, batch)
            .await
            .map_err(|_| LinkError::Timeout(deadline))?
    }

    pub(super) async fn forward(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Published, LinkError> {
        let publish = async {
            let confirm = self
                .channel
                .basic_publish(exchange.into(), key.into(), mandatory(), body, properties)
                .await?;
            judge(confirm.await?)
        };
        tokio::time::timeout(CALL_TIMEOUT, publish)
            .await
            .map_err(|_| LinkError::Timeout(CALL_TIMEOUT))?
    }
}

/// Unroutable messages come back instead of vanishing.
fn mandatory() -> BasicPublishOptions {
    BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    }
}

fn judge(confirmation: Confirmation) -> Result<Published, LinkError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(Published::Confirmed),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Ok(Published::Refused(format!(
                "unroutable: {} ({})",
                returned.reply_text, returned.reply_code
            )))
        }
        Confirmation::Nack(None) => Ok(Published::Refused(
            "refused by the broker (nack)".to_owned(),
        )),
        Confirmation::NotRequested => Err(LinkError::NoConfirms),
    }
}

fn properties_of(message: &Message) -> BasicProperties {
    #[expect(
        clippy::disallowed_methods,
        reason = "AMQP's timestamp property is for people, nothing is decided by it"
    )]
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
    let mut headers = FieldTable::default();
    if let Some(trace) = &message.trace {
        headers.insert(TRACEPARENT.into(), text(&trace.to_string()));
    }
    BasicProperties::default()
        .with_message_id(message.id.to_string().as_str().into())
        .with_type(message.message_type.as_str().into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(now)
        .with_headers(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_a_channel_that_does_not_confirm_fails_at_its_first_publish() {
        let judged = judge(Confirmation::NotRequested);
        assert!(matches!(judged, Err(LinkError::NoConfirms)), "{judged:?}");
        assert_eq!(
            judge(Confirmation::Ack(None)).unwrap(),
            Published::Confirmed
        );
        let nacked = judge(Confirmation::Nack(None)).unwrap();
        assert!(matches!(nacked, Published::Refused(_)), "{nacked:?}");
    }
}
