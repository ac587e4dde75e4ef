//! The async role: commands become mails. Sent, then recorded, then acked: at least once, under a
//! stable Message-ID.

use contracts::{command::Command, topology};
use crashpoint::crash_point;
use kernel::UserId;
use messaging::{
    consumer::{Delivery, Handler, Unreachable, Verdict},
    inbox,
};
use sqlx::PgPool;
use tracing::{Instrument, info_span};

use crate::mail::{Letter, Mailer};

pub(crate) struct Messages {
    pool: PgPool,
    mailer: Mailer,
}

impl Messages {
    pub(crate) fn new(pool: PgPool, mailer: Mailer) -> Self {
        Self { pool, mailer }
    }

    async fn one(&self, delivery: &Delivery) -> Result<Verdict, Unreachable> {
        let command: Command = match serde_json::from_slice(&delivery.body) {
            Ok(command) => command,
            Err(error) => return Ok(Verdict::Failed(format!("undecodable: {error}"))),
        };
        let Some(id) = &delivery.message_id else {
            return Ok(Verdict::Failed("the command has no message id".to_owned()));
        };
        self.carry_out(id, &command).await.or_else(|error| {
            if db::is_unreachable(&error) {
                Err(away(&error))
            } else {
                Ok(Verdict::Retry(error.to_string()))
            }
        })
    }

    async fn carry_out(&self, id: &str, command: &Command) -> sqlx::Result<Verdict> {
        let handled = sqlx::query_scalar!(
            r#"select exists (select from messaging.inbox where consumer = $1 and message_id = $2) as "handled!""#,
            topology::MESSAGES,
            id,
        )
        .fetch_one(&self.pool)
        .await?;
        if handled {
            return Ok(Verdict::Done);
        }
        let (user_id, subject, body) = words(command);
        let mut conn = self.pool.acquire().await?;
        let Some((name, address)) = auth::find_address(&mut conn, user_id).await? else {
            return Ok(Verdict::Failed(format!("there is no user {user_id}")));
        };
        drop(conn); // no connection is held across the network call
        let letter = Letter {
            id,
            name: &name,
            address: &address,
            subject: &subject,
            body: &body,
        };
        crash_point!("mail.send.before_send");
        if let Err(error) = self.mailer.send(&letter).await {
            return Ok(Verdict::Retry(format!("the mail was not taken: {error:#}")));
        }
        crash_point!("mail.send.after_send");
        tracing::info!(message.id = id, user.id = %user_id, "Sent {}", command.name());
        Ok(Verdict::Done)
    }

    /// Records what is done of a batch, in one commit, before any of it is acked.
    async fn record(
        &self,
        batch: &[Delivery],
        verdicts: &mut [Verdict],
    ) -> Result<(), Unreachable> {
        let done = || {
            batch
                .iter()
                .zip(&*verdicts)
                .filter(|(_, verdict)| **verdict == Verdict::Done)
        };
        let ids: Vec<_> = done()
            .filter_map(|(delivery, _)| delivery.message_id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let recorded = async {
            let mut conn = self.pool.acquire().await?;
            inbox::record(&mut conn, topology::MESSAGES, &ids).await
        };
        match recorded.await {
            Ok(_) => {
                crash_point!("mail.record.after_commit");
                Ok(())
            }
            Err(error) if db::is_unreachable(&error) => Err(away(&error)),
            Err(error) => {
                for verdict in verdicts
                    .iter_mut()
                    .filter(|verdict| **verdict == Verdict::Done)
                {
                    *verdict = Verdict::Retry(error.to_string());
                }
                Ok(())
            }
        }
    }
}

fn away(error: &sqlx::Error) -> Unreachable {
    Unreachable(format!("the shop's database cannot be used: {error}"))
}

/// To whom, and what.
fn words(command: &Command) -> (UserId, String, String) {
    match command {
        Command::SendWelcomeEmail { user_id } => (
            *user_id,
            "Welcome to the shop".to_owned(),
            "your account is ready. Have a look around.".to_owned(),
        ),
        Command::SendOrderConfirmation { user_id, order_id } => (
            *user_id,
            format!("Your order {order_id} is paid"),
            format!("thank you: your order {order_id} is paid and on its way."),
        ),
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
            match self.one(delivery).instrument(span).await {
                Ok(verdict) => verdicts.push(verdict),
                // those before it are done and must be acked
                Err(Unreachable(why)) => verdicts.push(Verdict::Unreachable(why)),
            }
        }
        self.record(batch, &mut verdicts).await?;
        Ok(verdicts)
    }

    async fn is_reachable(&self) -> bool {
        sqlx::query("select 1").execute(&self.pool).await.is_ok()
    }
}
