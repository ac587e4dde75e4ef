//! RabbitMQ: the only module that names lapin.
//!
//! lapin's own recovery stays off: the owner of a broken [`BrokerConnection`] drops it, with its
//! channels and consumers, and opens a new one. Two recovery mechanisms would interfere with each
//! other.

mod declare;
mod publisher;
mod record;
mod subscription;
mod walk;
mod wire;

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, Connection, ConnectionProperties, ErrorKind,
    options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
    uri::AMQPUri,
};

pub(crate) use self::{
    publisher::{Forward, Published, Publisher, Sign},
    record::cut,
    subscription::{Subscription, UnackedDelivery},
    walk::Walk,
};
use self::{record::short, wire::Intake};
use crate::topology::QueueState;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Seconds between heartbeats; a peer that is silent for two of them counts as gone. With
/// RabbitMQ's own 60 s, a consumer would not notice a cut network for two minutes; RabbitMQ's guide
/// recommends 5 to 20 s.
const HEARTBEAT: u16 = 10;

const TRACEPARENT: &str = "traceparent";

/// Why the broker could not be used. The messages sent are not known to be wrong.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The client library reported an error.
    #[error("RabbitMQ: {0}")]
    Amqp(#[from] lapin::Error),
    /// The URL is not a broker's URL; the error text does not repeat it.
    #[error("the URL of RabbitMQ cannot be used: {0}")]
    Url(String),
    /// The broker did not answer in time.
    #[error("RabbitMQ gave no answer within {0:?}")]
    Timeout(Duration),
    /// A publisher's channel does not confirm: a bug in this crate, found at the first publish.
    #[error("this channel does not confirm what is published")]
    NoConfirms,
}

impl BrokerError {
    /// Whether the requested queue or exchange does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Amqp(error) if matches!(error.kind(),
            ErrorKind::ProtocolError(error) if error.get_id() == 404))
    }

    /// Whether the broker refuses the operation to this user.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Amqp(error) if matches!(error.kind(),
            ErrorKind::ProtocolError(error) if error.get_id() == 403))
    }

    /// Whether the broker refuses this user or its password, or refuses it this virtual host (530).
    pub(crate) fn refuses_user(&self) -> bool {
        self.is_refused()
            || matches!(self, Self::Amqp(error) if matches!(error.kind(),
                ErrorKind::ProtocolError(error) if error.get_id() == 530))
    }

    /// Whether the queue or exchange already exists with other arguments.
    fn is_declared_otherwise(&self) -> bool {
        matches!(self, Self::Amqp(error) if matches!(error.kind(),
            ErrorKind::ProtocolError(error) if error.get_id() == 406))
    }

    /// Whether the broker closed the channel because of an operation on it; the connection stays
    /// open.
    pub(crate) fn closed_the_channel(&self) -> bool {
        match self {
            Self::Amqp(error) => {
                error.is_amqp_soft_error()
                    || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
            }
            Self::Url(_) | Self::Timeout(_) | Self::NoConfirms => false,
        }
    }
}

/// Refuses a string that is not an AMQP URL, before the process waits for a broker at it.
///
/// # Errors
/// A sentence about what is wrong with the URL; it omits the URL, which holds a password.
pub fn check_url(url: &str) -> Result<(), String> {
    url.parse::<AMQPUri>().map(drop)
}

/// Adds [`HEARTBEAT`] to a URL that names no heartbeat.
fn with_heartbeat(url: &str) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = url.parse().map_err(BrokerError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

/// The user of an AMQP URL; the protocol's default `guest` when the URL names none.
fn user_of(url: &str) -> String {
    let uri = url.parse::<AMQPUri>();
    uri.map_or_else(|_| String::new(), |uri| uri.authority.userinfo.username)
}

/// A connection to the broker.
pub(crate) struct BrokerConnection {
    connection: Connection,
    user: String,
    intake: Option<Arc<Intake>>,
}

impl BrokerConnection {
    pub(crate) async fn open(url: &str, name: &str) -> Result<Self, BrokerError> {
        let connection = Connection::connect_uri(with_heartbeat(url)?, named(name));
        let connection = within(CONNECT_TIMEOUT, connection).await?;
        Ok(Self {
            connection,
            user: user_of(url),
            intake: None,
        })
    }

    /// Opens a connection that only reads messages and publishes none: it holds at most `bytes` of
    /// unsettled messages (one message may be larger), and can read any message, regardless of
    /// its headers.
    pub(crate) async fn open_to_read(
        url: &str,
        name: &str,
        bytes: usize,
    ) -> Result<Self, BrokerError> {
        let intake = Intake::new(bytes);
        let connection = wire::connect(with_heartbeat(url)?, named(name), intake.clone());
        let connection = within(CONNECT_TIMEOUT, connection).await?;
        Ok(Self {
            connection,
            user: user_of(url),
            intake: Some(intake),
        })
    }

    /// Whether the broker blocks publishing on this connection because of an alarm.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// The broker user of this connection.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) async fn close(&self) {
        if let Err(error) = within(CALL_TIMEOUT, self.connection.close(200, "done".into())).await {
            tracing::debug!(%error, "The connection was gone before it was closed");
        }
    }

    pub(crate) async fn publisher(&self) -> Result<Publisher, BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        within(
            CALL_TIMEOUT,
            channel.confirm_select(ConfirmSelectOptions::default()),
        )
        .await?;
        Ok(Publisher {
            channel,
            connection: self.connection.status().clone(),
            user: self.user.clone(),
        })
    }

    /// Begins a walk through `queue`.
    pub(crate) async fn walk(&self, queue: &str) -> Result<Walk, BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        Ok(Walk::new(channel, queue, self.intake.clone()))
    }

    pub(crate) async fn subscribe(
        &self,
        queue: &str,
        prefetch: u16,
    ) -> Result<Subscription, BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        within(
            CALL_TIMEOUT,
            channel.basic_qos(prefetch, BasicQosOptions::default()),
        )
        .await?;
        let consume = channel.basic_consume(
            short(queue),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = within(CALL_TIMEOUT, consume).await?;
        Ok(Subscription::new(channel, consumer, self.intake.clone()))
    }

    /// The broker's counts for a queue; an error when the queue does not exist.
    pub(crate) async fn check_queue(&self, queue: &str) -> Result<QueueState, BrokerError> {
        let channel = within(CALL_TIMEOUT, self.connection.create_channel()).await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = within(
            CALL_TIMEOUT,
            channel.queue_declare(short(queue), options, FieldTable::default()),
        )
        .await?;
        // lapin would report a channel that closes implicitly with its connection as an error
        close(&channel).await;
        Ok(QueueState {
            messages: queue.message_count(),
            consumers: queue.consumer_count(),
        })
    }
}

fn named(name: &str) -> ConnectionProperties {
    ConnectionProperties::default().with_connection_name(LongString::from(name))
}

async fn close(channel: &Channel) {
    if let Err(error) = within(CALL_TIMEOUT, channel.close(200, "done".into())).await {
        tracing::debug!(%error, "The channel was gone before it was closed");
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(BrokerError::from),
        Err(_) => Err(BrokerError::Timeout(limit)),
    }
}
