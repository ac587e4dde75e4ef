//! Bindings, read from RabbitMQ's management API: AMQP can create a binding but cannot query one.

use std::time::Duration;

use serde::Deserialize;

use crate::rabbit::{BrokerConnection, BrokerError};

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A queue's binding to an exchange: exchange, queue, routing key.
pub type Binding<'a> = (&'a str, &'a str, &'a str);

/// Why the bindings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The URL cannot be used.
    #[error("RABBITMQ_MANAGEMENT_URL must be an http(s) URL with user and password")]
    Url,
    /// RabbitMQ's management API does not answer, or refuses the request.
    #[error("RabbitMQ's management: {0}")]
    Management(reqwest::Error),
}

impl From<reqwest::Error> for LookError {
    /// Removes the URL, which holds a password.
    fn from(error: reqwest::Error) -> Self {
        Self::Management(error.without_url())
    }
}

/// One binding of the management API's list.
#[derive(Deserialize)]
struct Listed {
    source: String,
    destination: String,
    destination_type: String,
    routing_key: String,
}

/// Reads the bindings of one vhost.
#[derive(Debug, Clone)]
pub struct Bindings {
    http: reqwest::Client,
    url: String,
}

impl Bindings {
    /// Uses the management API at `management_url` (with user and password) for the vhost of
    /// `amqp_url`.
    ///
    /// # Errors
    /// When `management_url` is not an http(s) URL.
    pub fn new(management_url: &str, amqp_url: &str) -> Result<Self, LookError> {
        if !["http://", "https://"]
            .iter()
            .any(|scheme| management_url.starts_with(scheme))
        {
            return Err(LookError::Url);
        }
        let path = amqp_url.splitn(4, '/').nth(3).unwrap_or_default();
        let vhost = path.split('?').next().filter(|vhost| !vhost.is_empty());
        let base = management_url.trim_end_matches('/');
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            url: format!("{base}/api/bindings/{}", vhost.unwrap_or("%2F")),
        })
    }

    /// Returns the bindings in `wanted` that do not exist.
    ///
    /// # Errors
    /// When the management API does not answer, or refuses the request.
    pub async fn missing<'a>(&self, wanted: &[Binding<'a>]) -> Result<Vec<Binding<'a>>, LookError> {
        let answer = self.http.get(&self.url).send().await?;
        let listed: Vec<Listed> = answer.error_for_status()?.json().await?;
        let is_there = |(exchange, queue, key): &Binding<'_>| {
            listed.iter().any(|binding| {
                binding.destination_type == "queue"
                    && binding.source == *exchange
                    && binding.destination == *queue
                    && binding.routing_key == *key
            })
        };
        let missing = wanted.iter().filter(|binding| !is_there(binding));
        Ok(missing.copied().collect())
    }
}

/// Binds existing queues to existing exchanges. A binding that already exists stays as it is.
///
/// # Errors
/// When the broker cannot be reached, a queue or exchange does not exist, or this user may not bind
/// them.
pub async fn bind(amqp_url: &str, bindings: &[Binding<'_>]) -> Result<(), BrokerError> {
    let connection = BrokerConnection::open(amqp_url, "bindings").await?;
    let bound = connection.bind_queues(bindings).await;
    connection.close().await;
    bound
}
