//! Checks the bindings of the queue of payment events. RabbitMQ returns an unroutable event to
//! payments, but not an event that reaches another system's queue instead of ours: only a check of
//! the bindings detects that.

use anyhow::Context;
use contracts::topology::{BINDINGS, PAYMENTS_EVENTS_QUEUE};
use messaging::bindings::{self, Binding, Bindings};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::config::BindingsConfig;

/// Restores missing bindings of the queue of payment events.
pub(crate) struct Keeper {
    amqp_url: String,
    /// None without the management API: bindings are then declared again without a check.
    management: Option<Bindings>,
    config: BindingsConfig,
    wanted: Vec<Binding<'static>>,
    may_not_bind: bool,
}

impl Keeper {
    pub(crate) fn new(amqp_url: &str, config: &BindingsConfig) -> anyhow::Result<Self> {
        let management = config.management_url.as_deref();
        let management = management
            .map(|url| Bindings::new(url, amqp_url))
            .transpose()
            .context("RABBITMQ_MANAGEMENT_URL")?;
        let wanted = BINDINGS.into_iter();
        let wanted = wanted.filter(|(_, queue, _)| *queue == PAYMENTS_EVENTS_QUEUE);
        Ok(Self {
            amqp_url: amqp_url.to_owned(),
            management,
            config: config.clone(),
            wanted: wanted.collect(),
            may_not_bind: false,
        })
    }

    /// Checks the bindings at each interval until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.check() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.config.interval) => {}
            }
        }
    }

    async fn check(&mut self) {
        let missing = match &self.management {
            None => self.wanted.clone(),
            Some(api) => match api.missing(&self.wanted).await {
                Ok(missing) => {
                    report(&missing);
                    missing
                }
                Err(error) => {
                    warn!(%error, "The bindings of {PAYMENTS_EVENTS_QUEUE} cannot be seen");
                    self.wanted.clone()
                }
            },
        };
        if missing.is_empty() || self.may_not_bind {
            return;
        }
        match bindings::bind(&self.amqp_url, &missing).await {
            Ok(()) if self.management.is_some() => {
                info!("Queue {PAYMENTS_EVENTS_QUEUE} is bound again");
            }
            Ok(()) => {}
            Err(error) if error.is_refused() => {
                self.may_not_bind = true;
                warn!("This process may not bind {PAYMENTS_EVENTS_QUEUE}: `worker migrate` does");
            }
            Err(error) => debug!(%error, "{PAYMENTS_EVENTS_QUEUE} could not be bound"),
        }
    }
}

fn report(missing: &[Binding<'_>]) {
    for (exchange, queue, key) in missing {
        error!(
            "Queue {queue} is not bound to exchange {exchange} for {key}: events may be lost, whose orders go on at their \
             payment deadline"
        );
    }
    let missing = u32::try_from(missing.len()).unwrap_or(u32::MAX);
    metrics::gauge!("queue_bindings_missing", "queue" => PAYMENTS_EVENTS_QUEUE).set(missing);
}
