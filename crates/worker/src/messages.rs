//! The async role: turns commands into mails. Each mail is sent, then recorded, then its command is
//! acked: delivery is at least once, under a stable Message-ID. A mail is sent twice only after a
//! crash between sending and recording, or when the mail server's answer is lost.

mod draft;
mod lookup;
mod recorder;

use std::time::Duration;

use contracts::{
    command::Command,
    decode::{self, DecodeError},
    failure::FailureKind::{self, Undeliverable, UnknownSubject},
    topology,
};
use crashpoint::crash_point;
use db::Lane;
use kernel::EntryId;
use messaging::{
    Message,
    consumer::{Delivery, Failure, Handler, Unreachable, Verdict},
    inbox, outbox,
};
use sqlx::PgPool;
use tracing::{Instrument, info_span};

use self::{draft::Written, lookup::Lookup, recorder::Recorder};
use crate::{
    config::MailConfig,
    mail::{Mailer, NotSent, OutgoingEmail},
};

/// A mail that the mail server has not accepted for this long goes to `failed`.
const LONGEST_WAIT: Duration = Duration::from_hours(72);

pub(crate) struct Messages {
    pool: PgPool,
    mailer: Mailer,
    lookup: Lookup,
    sent: Recorder,
    public_url: String,
    retry: Duration,
}

impl Messages {
    pub(crate) fn new(pool: PgPool, config: &MailConfig) -> anyhow::Result<Self> {
        metrics::counter!("mails_refused_total").increment(0); // so the first one is an increase
        let lane = Lane::new(pool.clone());
        Ok(Self {
            lookup: Lookup::new(lane.clone()),
            sent: Recorder::new(lane),
            pool,
            mailer: Mailer::new(config)?,
            public_url: config.public_url.clone(),
            retry: config.retry,
        })
    }

    async fn one(&self, delivery: &Delivery) -> Verdict {
        let (command, id) = match decode::command(&delivery.body, delivery.message_id.as_deref()) {
            Ok(read) => read,
            Err(DecodeError { kind, reason }) => return failed(kind, reason),
        };
        self.carry_out(id, &command, delivery)
            .await
            .unwrap_or_else(|error| verdict(&error))
    }

    async fn carry_out(
        &self,
        id: &str,
        command: &Command,
        delivery: &Delivery,
    ) -> sqlx::Result<Verdict> {
        // already sent, but the database could not record it then
        if self.sent.is_pending(id) {
            return Ok(self.sent.record(id).await);
        }
        let state = self.lookup.find(id, command).await?;
        if state.is_handled {
            return Ok(Verdict::Done);
        }
        let draft = match draft::write(&self.pool, command, state, &self.public_url).await? {
            Written::Mail(draft) => draft,
            Written::Nothing => return Ok(self.sent.record(id).await),
            Written::UnknownUser(id) => {
                return Ok(failed(UnknownSubject, format!("there is no user {id}")));
            }
        };
        let email = OutgoingEmail {
            id,
            address: &draft.address,
            subject: &draft.subject,
            body: &draft.body,
        };
        crash_point!("mail.send.before_send");
        match self.mailer.send(&email).await {
            Ok(()) => {}
            Err(NotSent::Refused(why)) => {
                // not to `failed`: any stranger can register an address whose mail server refuses
                // mails
                metrics::counter!("mails_refused_total").increment(1);
                tracing::warn!(
                    message.id = id,
                    "The mail server refused mail {id} for good ({why}); it is not sent again"
                );
                return Ok(self.sent.record(id).await);
            }
            Err(NotSent::Invalid(why)) => {
                let reason = format!("the mail cannot be composed: {why}");
                return Ok(failed(Undeliverable, reason));
            }
            Err(NotSent::Later(why)) => return self.postpone(id, command, delivery, &why).await,
        }
        crash_point!("mail.send.after_send");
        tracing::info!(
            message.id = id,
            user.id = %draft.user_id,
            order.id = command.order_id().map(tracing::field::display),
            "Sent {}",
            command.name()
        );
        Ok(self.sent.record(id).await)
    }

    /// Puts the command back into the outbox, due at the next attempt. That may be hours away;
    /// meanwhile the command blocks no other.
    async fn postpone(
        &self,
        id: &str,
        command: &Command,
        delivery: &Delivery,
        why: &str,
    ) -> sqlx::Result<Verdict> {
        let Ok(entry) = id.parse::<EntryId>() else {
            return Ok(Verdict::Retry(format!("the mail was not taken: {why}")));
        };
        let age = age(entry);
        if age > LONGEST_WAIT {
            let days = LONGEST_WAIT.as_secs() / 86_400;
            let reason = format!("the mail was not taken in {days} days: {why}");
            return Ok(failed(Undeliverable, reason));
        }
        let wait = wait(age, self.retry);
        let again = Message {
            id: entry,
            exchange: topology::MESSAGES.to_owned(),
            routing_key: command.name().to_owned(),
            message_type: command.name().to_owned(),
            body: serde_json::from_slice(&delivery.body).unwrap_or_default(),
            trace: delivery.trace.clone(),
        };
        let mut conn = self.pool.acquire().await?;
        outbox::enqueue_later(&mut conn, &again, wait, why).await?;
        tracing::warn!(
            message.id = id,
            "Mail {id} was not taken ({why}): trying again in {wait:?}"
        );
        Ok(Verdict::Done)
    }
}

/// Age of a message: the time in a new id minus the time in the message's id.
fn age(id: EntryId) -> Duration {
    let made = |id: EntryId| {
        let (seconds, nanos) = id.uuid().get_timestamp()?.to_unix();
        Some(Duration::new(seconds, nanos))
    };
    let age = made(EntryId::new())
        .zip(made(id))
        .map(|(now, made)| now.saturating_sub(made));
    age.unwrap_or_default()
}

/// How long a mail waits after the mail server did not accept it. The wait is `first` until the
/// mail is ten times `first` old, and then five, thirty and finally a hundred and twenty times as
/// long. With a first wait of one minute, the longest wait is two hours.
fn wait(age: Duration, first: Duration) -> Duration {
    let times = match age.as_secs_f64() / first.as_secs_f64().max(0.001) {
        ..10.0 => 1,
        10.0..120.0 => 5,
        120.0..1_440.0 => 30,
        _ => 120,
    };
    first * times
}

fn failed(kind: FailureKind, reason: String) -> Verdict {
    Verdict::Failed(Failure::new(kind.as_str(), reason))
}

/// The verdict on a message after a database error.
fn verdict(error: &sqlx::Error) -> Verdict {
    if db::is_unreachable(error) {
        Verdict::Unreachable(format!("the shop's database cannot be used: {error}"))
    } else if db::is_locked(error) {
        Verdict::Locked(error.to_string())
    } else {
        Verdict::Retry(error.to_string())
    }
}

impl Handler for Messages {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Verdict>, Unreachable> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for delivery in batch {
            let span = info_span!(
                "process",
                otel.name = "process messages",
                otel.kind = "consumer",
                messaging.system = "rabbitmq",
                messaging.operation.type = "process",
                messaging.operation.name = "process",
                messaging.destination.name = topology::MESSAGES,
            );
            if let Some(trace) = &delivery.trace {
                telemetry::continue_trace(&span, trace);
            }
            verdicts.push(self.one(delivery).instrument(span).await);
        }
        Ok(verdicts)
    }

    async fn is_usable(&self) -> bool {
        inbox::probe(&self.pool).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_a_mail_server_grow_to_hours() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let waits = [0, 9, 11, 119, 121, 1_439, 1_441];
        let waits = waits.map(|age| wait(minutes(age), minutes(1)).as_secs() / 60);
        assert_eq!(waits, [1, 1, 5, 5, 30, 30, 120]);
    }
}
