//! Bindings, as RabbitMQ's management API shows them: AMQP can make a binding, and cannot ask for one.

use std::time::Duration;

use serde::Deserialize;

use crate::rabbit::{Link, LinkError};

/// Longest time of one call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A queue's binding to an exchange: exchange, queue, routing key.
pub type Binding<'a> = (&'a str, &'a str, &'a str);

/// Why the bindings are not known.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The URL cannot be used.
    #[error("RABBITMQ_MANAGEMENT_URL must be an http(s) URL with user and password")]
    Url,
    /// RabbitMQ's management does not answer, or refuses.
    #[error("RabbitMQ's management: {0}")]
    Management(reqwest::Error),
}

impl From<reqwest::Error> for LookError {
    /// The URL holds a password.
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

/// Looks at the bindings of one vhost.
#[derive(Debug, Clone)]
pub struct Bindings {
    http: reqwest::Client,
    url: String,
}

impl Bindings {
    /// By the management API behind `management_url` (with user and password), in the vhost of `amqp_url`.
    ///
    /// # Errors
    /// When that is no URL of one.
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

    /// Which of these bindings are not there.
    ///
    /// # Errors
    /// When the management API does not answer, or refuses.
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

/// Binds queues that are there to exchanges that are there. Binding what is bound does nothing.
///
/// # Errors
/// When the broker cannot be reached, one of them is missing, or this user may not bind them.
pub async fn bind(amqp_url: &str, bindings: &[Binding<'_>]) -> Result<(), LinkError> {
    let link = Link::open(amqp_url, "bindings").await?;
    let bound = link.bind_queues(bindings).await;
    link.close().await;
    bound
}
