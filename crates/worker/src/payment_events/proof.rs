//! Proves an event's claim: by payments' signature over its bytes, or else by asking payments.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use commerce::order::{self, Filter, Status as OrderStatus};
use contracts::{
    failure::FailureKind,
    payment_event::Outcome,
    payments::{Status, Transaction},
};
use crashpoint::crash_point;
use kernel::TransactionId;
use messaging::consumer::{Delivery, Unreachable, Verdict};
use operator::INSTANCE_NOTE;
use payments_client::EventKeys;
use saga::heartbeat::Notes;
use tokio_util::sync::CancellationToken;
use workflows::payments::{NoAnswer, find_each};

use super::{Fact, NotStored, PaymentEvents, check, failure};
use crate::config::EventProof;

/// Interval between two fetches of payments' keys. While payments can be reached, a withdrawn key
/// is accepted for at most this long.
const RENEW: Duration = Duration::from_mins(5);
/// Wait before the next fetch after one has failed.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Renews payments' keys until `shutdown`. The first fetch happens at startup, so that signed
/// events are accepted while payments is unavailable.
///
/// Notes the name of payments' database, so that operators can read it while payments is away.
pub(crate) async fn renew_keys(keys: Arc<EventKeys>, notes: Notes, shutdown: CancellationToken) {
    loop {
        let pause = match keys.renew().await {
            Ok(()) => {
                notes.set(INSTANCE_NOTE, keys.known_instance());
                RENEW
            }
            Err(why) => {
                tracing::debug!("The keys of payments' events cannot be had ({why}): trying again");
                RENEW_AGAIN
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Maximum number of other transactions that payments is asked about when it could not read those
/// of a batch.
const OTHERS: u32 = 7;

/// A fact's index in its batch, with the confirmed fact or the verdict on its message.
type Asked = (usize, Result<Fact, Verdict>);

impl PaymentEvents {
    /// Whether this message is accepted as it is: payments has signed its body, or events are
    /// trusted.
    pub(super) async fn is_accepted(&self, delivery: &Delivery) -> bool {
        if self.proof == EventProof::Trusted {
            return true;
        }
        let Some(signature) = &delivery.signature else {
            return counted("none");
        };
        match self.keys.verify(signature, &delivery.body).await {
            Ok(()) => {
                counted("good");
                true
            }
            Err(why) => {
                let id = delivery.message_id.as_deref().unwrap_or("without id");
                tracing::warn!(
                    message.id = id,
                    "The signature of message {id} proves nothing ({why})"
                );
                counted("bad")
            }
        }
    }

    /// Asks payments about all claims in one call and accepts its answers. A claim that contradicts
    /// its order is refused without asking.
    pub(super) async fn ask(&self, claims: Vec<(usize, Fact)>) -> Result<Vec<Asked>, Unreachable> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let (refused, claims) = self.contradicted(claims).await?;
        let mut ids: Vec<_> = claims
            .iter()
            .map(|(_, fact)| fact.event.transaction_id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        crash_point!("events.verify.before_call");
        let answers = self.payments.find_many(&ids).await;
        crash_point!("events.verify.after_call");
        let unread: Vec<_> = ids
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| is_unread(answer))
            .map(|(id, _)| *id)
            .collect();
        let is_unreachable = match unread.first() {
            Some(first) if !any_read(&answers) && !self.reads_others(&unread).await => {
                self.remember_unread(Some(*first));
                true
            }
            _ => false,
        };
        let asked = claims.into_iter().map(|(index, fact)| {
            let place = ids.binary_search(&fact.event.transaction_id);
            let answer = place.ok().and_then(|place| answers.get(place));
            let asked = match answer {
                Some(Ok(found)) => confirmed(fact, found.as_ref()),
                Some(Err(NoAnswer::Unsupported(why))) => Err(Verdict::Retry(unproven(&fact, why))),
                Some(Err(NoAnswer::Unknown(why))) if !is_unreachable => {
                    Err(Verdict::Retry(why.clone()))
                }
                Some(Err(error)) => Err(Verdict::Unreachable(error.to_string())),
                None => Err(Verdict::Retry("payments was not asked".to_owned())),
            };
            (index, asked)
        });
        Ok(refused.into_iter().chain(asked).collect())
    }

    /// Separates the claims that contradict their order from the rest.
    async fn contradicted(
        &self,
        claims: Vec<(usize, Fact)>,
    ) -> Result<(Vec<Asked>, Vec<(usize, Fact)>), Unreachable> {
        let ids: Vec<_> = claims
            .iter()
            .map(|(_, fact)| fact.event.transaction_id)
            .collect();
        let terms = async {
            let mut conn = self.engine.lane().acquire().await?;
            let terms = order::find_terms(&mut conn, &ids).await?;
            conn.release();
            Ok::<_, sqlx::Error>(terms)
        };
        let terms = match terms.await.map_err(NotStored::from) {
            Ok(terms) => terms,
            Err(NotStored::Unreachable(why)) => return Err(why),
            Err(NotStored::Failed(why) | NotStored::Locked(why)) => {
                let all = claims.into_iter();
                let all = all.map(|(index, _)| (index, Err(Verdict::Retry(why.clone()))));
                return Ok((all.collect(), Vec::new()));
            }
        };
        let (mut refused, mut rest) = (Vec::new(), Vec::new());
        for (index, fact) in claims {
            let says_enough = fact.event.amount.is_some();
            match check(&fact, &terms) {
                Err(Verdict::Failed(why)) if says_enough => {
                    refused.push((index, Err(Verdict::Failed(why))));
                }
                _ => rest.push((index, fact)),
            }
        }
        Ok((refused, rest))
    }

    /// Whether payments is usable. After payments was found unavailable, the transaction that it
    /// could not read is the probe.
    pub(super) async fn payments_answers(&self) -> bool {
        let unread = *self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unread) = unread else {
            return true;
        };
        let ids = [unread];
        // this transaction alone may be unreadable for good: payments then still reads others
        let (same, others) =
            tokio::join!(self.payments.find(unread, None), self.reads_others(&ids));
        let answers = !is_unread(&same) || others;
        if answers {
            self.remember_unread(None);
        }
        answers
    }

    fn remember_unread(&self, id: Option<TransactionId>) {
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    /// Whether payments can read another transaction that it must know. If it can, only the
    /// `unread` transactions are affected. An answer about an unknown transaction proves nothing,
    /// since payments reads no row for it.
    async fn reads_others(&self, unread: &[TransactionId]) -> bool {
        match self.others(unread).await {
            Ok(others) => any_read(&find_each(&*self.payments, &others).await),
            Err(error) => {
                tracing::warn!(%error, "Could not look for other transactions to ask payments about");
                false
            }
        }
    }

    /// The newest transactions that payments must know, without those in `but`.
    async fn others(&self, but: &[TransactionId]) -> sqlx::Result<Vec<TransactionId>> {
        let limit = OTHERS + u32::try_from(but.len()).unwrap_or(OTHERS);
        let mut conn = self.engine.pool().acquire().await?;
        let mut others = Vec::new();
        for status in [OrderStatus::Completed, OrderStatus::AwaitingPayment] {
            let filter = Filter {
                status: Some(status),
                ..Filter::default()
            };
            let page = order::list(&mut conn, &filter, None, limit).await?;
            others.extend(page.items.iter().map(|order| order.transaction_id));
        }
        others.retain(|id| !but.contains(id));
        others.truncate(OTHERS as usize);
        Ok(others)
    }
}

/// Whether payments gave no answer. That it has no such read is an answer.
const fn is_unread(answer: &Result<Option<Transaction>, NoAnswer>) -> bool {
    matches!(answer, Err(NoAnswer::Unreachable(_) | NoAnswer::Unknown(_)))
}

/// Why nothing proves a fact that payments can neither sign nor answer about.
fn unproven(fact: &Fact, why: &str) -> String {
    format!(
        "payments has not signed it, and cannot be asked about transaction {} ({why}). Set PAYMENTS_EVENTS=trusted for \
         the payments role if RabbitMQ lets only payments publish events; then `shopctl failed retry`",
        fact.event.transaction_id
    )
}

/// Whether any of these answers contains a transaction.
fn any_read(answers: &[Result<Option<Transaction>, NoAnswer>]) -> bool {
    answers.iter().any(|answer| matches!(answer, Ok(Some(_))))
}

/// The fact with payments' own data, if payments confirms the claim.
fn confirmed(mut fact: Fact, found: Option<&Transaction>) -> Result<Fact, Verdict> {
    let id = fact.event.transaction_id;
    let found = found.ok_or_else(|| {
        let reason = format!("payments does not know transaction {id}");
        Verdict::Failed(failure(FailureKind::UnknownSubject, reason))
    })?;
    let says = match fact.event.outcome {
        Outcome::Completed => Status::Paid,
        Outcome::Canceled => Status::Canceled,
    };
    if found.status != says {
        let status = found.status.as_str();
        return Err(Verdict::Retry(format!(
            "payments says that transaction {id} is {status}"
        )));
    }
    let decided_at = match fact.event.outcome {
        Outcome::Completed => found.completed_at,
        Outcome::Canceled => found.canceled_at,
    };
    fact.event.at = decided_at.unwrap_or(fact.event.at);
    fact.event.amount.clone_from(&found.amount);
    fact.event.order_id = found.order_id.or(fact.event.order_id);
    Ok(fact)
}

/// Counts the result of a signature check. Returns `false`: without a good signature, nothing is
/// proven.
fn counted(signature: &'static str) -> bool {
    metrics::counter!("payment_events_total", "signature" => signature).increment(1);
    false
}
