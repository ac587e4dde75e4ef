//! The dead-letter queue `failed`: look at what could not be handled, and send it again.

use crate::{
    rabbit::{Link, LinkError, Taken},
    topology::FAILED,
};

/// A message in `failed`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedMessage {
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
    /// The body; what is not UTF-8 is shown as replacement characters.
    pub body: String,
}

impl From<&Taken> for FailedMessage {
    fn from(taken: &Taken) -> Self {
        Self {
            message_id: taken.message_id(),
            message_type: taken.message_type(),
            queue: taken.original_queue(),
            exchange: taken.original_exchange(),
            routing_key: taken.original_key(),
            attempts: taken.attempt() - 1,
            reason: taken.reason(),
            body: String::from_utf8_lossy(taken.body()).into_owned(),
        }
    }
}

/// Up to `limit` failed messages, oldest first. They stay where they are.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn list(amqp_url: &str, limit: usize) -> Result<Vec<FailedMessage>, LinkError> {
    let link = Link::open(amqp_url, "failed list").await?;
    let look = link.look().await?;
    let taken = look.take(FAILED, limit).await?;
    let messages = taken.iter().map(FailedMessage::from).collect();
    link.close().await; // what was taken goes back
    Ok(messages)
}

/// Sends failed messages that `wanted` chooses back to the queues they came from, among the first
/// `limit`. Returns those that were sent.
///
/// # Errors
/// When the broker cannot be reached; what was not confirmed stays in `failed`.
pub async fn retry(
    amqp_url: &str,
    limit: usize,
    wanted: impl Fn(&FailedMessage) -> bool,
) -> Result<Vec<FailedMessage>, LinkError> {
    let link = Link::open(amqp_url, "failed retry").await?;
    let publisher = link.publisher().await?;
    let mut sent = Vec::new();
    let look = link.look().await?;
    for taken in look.take(FAILED, limit).await? {
        let message = FailedMessage::from(&taken);
        let Some(queue) = message.queue.clone().filter(|_| wanted(&message)) else {
            continue;
        };
        if taken.redrive(&publisher, &queue).await? {
            sent.push(message);
        }
    }
    link.close().await;
    Ok(sent)
}
