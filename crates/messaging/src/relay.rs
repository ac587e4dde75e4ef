//! The relay: publishes the outbox's messages, on any number of replicas.
//!
//! Delivery is at least once: after a crash between the confirm and the delete, the message is
//! published again under the same message id. No order is guaranteed.

use std::{sync::Arc, time::Duration};

use crashpoint::crash_point;
use db::Lane;
use futures::FutureExt;
use kernel::RetryPolicy;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, error, info, info_span, warn};

use crate::{
    BrokerHealth, ConnectionHealth, Wakeup,
    outbox::{self, Message, MessageClaim, Refusal},
    rabbit::{BrokerConnection, BrokerError, Published, Publisher, Sign},
};

/// Settings of a relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayConfig {
    /// The most messages in one batch.
    pub batch: i64,
    /// How long a claim gives the right to publish.
    pub lease: Duration,
    /// How long the broker may take to confirm a batch.
    pub confirm_deadline: Duration,
    /// Interval between polls; up to as much again is added at random.
    pub poll: Duration,
    /// Refusals after which a message is parked.
    pub max_attempts: i32,
    /// Delays after a refusal.
    pub retry: RetryPolicy,
}

impl RelayConfig {
    /// The default settings with claims that last for `lease`; at most half of the lease is spent
    /// waiting for confirms.
    ///
    /// # Errors
    /// A sentence, when `lease` is outside the allowed range: no broker could confirm in time, or
    /// recovery would take too long.
    pub fn with_lease(lease: Duration) -> Result<Self, String> {
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
            return Err(format!(
                "must be from {} to {}",
                SHORTEST_LEASE.as_millis(),
                LONGEST_LEASE.as_millis()
            ));
        }
        let usual = Self::default();
        Ok(Self {
            lease,
            confirm_deadline: usual.confirm_deadline.min(lease / 2),
            ..usual
        })
    }
}

/// With a shorter lease, a claim would end while its message is being published.
const SHORTEST_LEASE: Duration = Duration::from_millis(200);
/// With a longer lease, a message claimed by a relay that died would seem lost.
const LONGEST_LEASE: Duration = Duration::from_hours(1);

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            batch: 200,
            lease: Duration::from_secs(10),
            confirm_deadline: Duration::from_secs(5),
            poll: Duration::from_millis(100),
            max_attempts: 20,
            retry: RetryPolicy::default(),
        }
    }
}

const BLOCKED: &str = "RabbitMQ blocks publishing: an alarm for want of memory or disk";
/// Interval between checks whether the broker still blocks the connection.
const BLOCKED_POLL: Duration = Duration::from_millis(500);

/// Publishes the messages in the outbox of `pool`'s database.
pub struct Relay {
    lane: Lane,
    amqp_url: String,
    config: RelayConfig,
    wakeup: Wakeup,
    health: ConnectionHealth,
    sign: Option<Sign>,
}

impl Relay {
    /// Creates a relay without starting it.
    pub fn new(
        pool: PgPool,
        amqp_url: impl Into<String>,
        config: RelayConfig,
        wakeup: Wakeup,
    ) -> Self {
        Self {
            lane: Lane::new(pool),
            amqp_url: amqp_url.into(),
            config,
            wakeup,
            health: BrokerHealth::default().watch("relay"),
            sign: None,
        }
    }

    /// Reports to `health` whether the broker is connected.
    #[must_use]
    pub fn reporting(self, health: ConnectionHealth) -> Self {
        Self { health, ..self }
    }

    /// Signs published messages: the header `x-signature` holds the result of `sign` for the body's
    /// bytes.
    #[must_use]
    pub fn signed_by(mut self, sign: impl Fn(&[u8]) -> String + Send + Sync + 'static) -> Self {
        self.sign = Some(Arc::new(sign));
        self
    }

    /// Publishes until `shutdown`, rebuilding connection and channel whenever they break.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            match self.connected(&shutdown, &mut failures).await {
                Ok(()) => return,
                Err(error) => {
                    failures += 1;
                    self.health.down(&error);
                    warn!("The relay lost RabbitMQ ({error}): connecting again");
                }
            }
            let pause = RetryPolicy {
                base: Duration::from_millis(200),
                cap: Duration::from_secs(5),
                ..self.config.retry
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause.delay(failures.min(6))) => {}
            }
        }
    }

    async fn connected(
        &self,
        shutdown: &CancellationToken,
        failures: &mut u32,
    ) -> Result<(), BrokerError> {
        let connection = BrokerConnection::open(&self.amqp_url, "relay")
            .await
            .inspect_err(|error| self.health.unconnected(error, error.refuses_user()))?;
        let mut publisher = connection.publisher().await?;
        self.health.up();
        let mut was_blocked = false;
        loop {
            if shutdown.is_cancelled() {
                connection.close().await;
                return Ok(());
            }
            let is_blocked = connection.is_blocked();
            if is_blocked != was_blocked {
                report_blocked(is_blocked);
                was_blocked = is_blocked;
            }
            if is_blocked {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(BLOCKED_POLL) => {}
                }
                continue;
            }
            let batch = tokio::select! {
                batch = self.batch(&connection, &mut publisher) => batch,
                // the relay's claims end with their lease; a blocked connection cannot even be
                // closed
                () = blocked_at(shutdown, &connection) => return Ok(()),
            };
            let published = match batch {
                Ok(published) => {
                    *failures = 0;
                    published
                }
                Err(BatchError::Broker(error)) => return Err(error),
                Err(BatchError::Db(error)) => {
                    warn!(%error, "The relay could not use its database: trying again");
                    0
                }
            };
            if published < self.config.batch {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.wakeup.wait(self.config.poll) => {}
                }
            }
        }
    }

    /// Claims, publishes and settles one batch; returns how many messages were claimed.
    async fn batch(
        &self,
        connection: &BrokerConnection,
        publisher: &mut Publisher,
    ) -> Result<i64, BatchError> {
        // the claim ends with the lease: a later answer is useless
        let claims = db::within(self.config.lease, async {
            let mut conn = self.lane.acquire().await?;
            let (lease, batch) = (self.config.lease, self.config.batch);
            let claims = outbox::claim_messages(&mut conn, lease, batch).await?;
            conn.release();
            Ok(claims)
        });
        let claims = claims.await?; // no connection is held across the network call
        if claims.is_empty() {
            return Ok(0);
        }
        crash_point!("relay.claim.after_commit");
        let messages: Vec<_> = claims.iter().map(|claim| &claim.message).collect();
        // each span ends when all messages have been answered
        let spans: Vec<_> = messages.iter().map(|message| span_of(message)).collect();
        let answers = publisher
            .publish_all(
                connection,
                &messages,
                self.sign.as_ref(),
                self.config.confirm_deadline,
                &|| self.hold(&claims).boxed(),
            )
            .await;
        for (n, span) in spans.into_iter().enumerate() {
            match answers.as_ref().map(|answers| answers.get(n)) {
                Ok(Some(Published::Confirmed)) => {}
                Ok(_) => drop(span.record("error.type", "refused")),
                Err(_) => drop(span.record("error.type", "unreachable")),
            }
        }
        db::within(self.config.lease, self.settle(&claims, answers)).await?
    }

    /// Renews the claims of messages that the broker has not confirmed because it blocks the
    /// connection: otherwise another relay would publish them as well.
    async fn hold(&self, claims: &[MessageClaim]) {
        let held: Vec<_> = claims
            .iter()
            .map(|claim| (claim.message.id, claim.epoch))
            .collect();
        let renewed = db::within(self.config.confirm_deadline, async {
            let mut conn = self.lane.pool().acquire().await?;
            outbox::renew_messages(&mut conn, &held, self.config.lease, BLOCKED).await
        });
        if let Err(error) = renewed.await {
            warn!(%error, "The relay could not renew its claims: another one may publish these messages, too");
        }
    }

    /// Deletes confirmed messages, and postpones the rest.
    async fn settle(
        &self,
        claims: &[MessageClaim],
        answers: Result<Vec<Published>, BrokerError>,
    ) -> sqlx::Result<Result<i64, BatchError>> {
        let mut conn = self.lane.acquire().await?;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                for claim in claims {
                    self.postpone(&mut conn, claim, None, &error.to_string())
                        .await?;
                }
                metrics::counter!("outbox_publish_total", "result" => "unreachable")
                    .increment(claims.len() as u64);
                return Ok(Err(BatchError::Broker(error)));
            }
        };
        let confirmed: Vec<_> = claims
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == Published::Confirmed)
            .map(|(claim, _)| (claim.message.id, claim.epoch))
            .collect();
        crash_point!("relay.publish.after_confirm");
        let deleted = outbox::delete_published(&mut conn, &confirmed).await?;
        crash_point!("relay.delete.after_commit");
        // a claim whose lease ended meanwhile deletes nothing: another relay holds the row, or has
        // already settled it
        let fenced = (confirmed.len() as u64).saturating_sub(deleted);
        metrics::counter!("outbox_fenced_total").increment(fenced);
        debug!("Published {} messages, deleted {deleted}", confirmed.len());
        metrics::counter!("outbox_publish_total", "result" => "ack")
            .increment(confirmed.len() as u64);
        for (claim, answer) in claims.iter().zip(&answers) {
            if let Published::Refused(refusal, why) = answer {
                self.refused(&mut conn, claim, *refusal, why).await?;
            }
        }
        conn.release();
        Ok(Ok(i64::try_from(claims.len()).unwrap_or(i64::MAX)))
    }

    async fn refused(
        &self,
        conn: &mut sqlx::PgConnection,
        claim: &MessageClaim,
        refusal: Refusal,
        why: &str,
    ) -> sqlx::Result<()> {
        metrics::counter!("outbox_publish_total", "result" => "refused").increment(1);
        let id = claim.message.id;
        if claim.attempt < self.config.max_attempts {
            warn!(message.id = %id, "Message {id} was refused ({why}): trying again");
            return self.postpone(conn, claim, Some(refusal), why).await;
        }
        error!(message.id = %id, "Message {id} was refused {} times ({why}) and is parked: an operator decides", claim.attempt);
        outbox::park(conn, id, claim.epoch, refusal, why)
            .await
            .map(drop)
    }

    /// Only a refusal counts as an attempt.
    async fn postpone(
        &self,
        conn: &mut sqlx::PgConnection,
        claim: &MessageClaim,
        refusal: Option<Refusal>,
        why: &str,
    ) -> sqlx::Result<()> {
        let delay = if refusal.is_some() {
            self.config.retry.delay(claim.attempt.unsigned_abs())
        } else {
            Duration::ZERO
        };
        outbox::postpone(conn, claim.message.id, claim.epoch, delay, refusal, why)
            .await
            .map(drop)
    }
}

/// Returns when the process is shutting down and the broker blocks the connection.
async fn blocked_at(shutdown: &CancellationToken, connection: &BrokerConnection) {
    shutdown.cancelled().await;
    while !connection.is_blocked() {
        tokio::time::sleep(BLOCKED_POLL).await;
    }
}

fn report_blocked(is_blocked: bool) {
    if is_blocked {
        warn!(
            "RabbitMQ blocks this relay's connection: an alarm for want of memory or disk. Messages wait in the outbox"
        );
    } else {
        info!("RabbitMQ has ended its alarm: publishing again");
    }
}

/// The span of the publication, in the message's trace. The message itself carries the trace as it
/// was enqueued, because this span is lost if the process dies.
fn span_of(message: &Message) -> Span {
    let span = info_span!(
        "publish",
        otel.name = format!("publish {}", message.exchange),
        otel.kind = "producer",
        messaging.system = "rabbitmq",
        messaging.operation.type = "send",
        messaging.operation.name = "publish",
        messaging.destination.name = message.exchange,
        messaging.rabbitmq.destination.routing_key = message.routing_key,
        messaging.message.id = %message.id,
        error.type = tracing::field::Empty,
    );
    if let Some(trace) = &message.trace {
        telemetry::continue_trace(&span, trace);
    }
    span
}

enum BatchError {
    Broker(BrokerError),
    Db(sqlx::Error),
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error)
    }
}
