//! How an event's claim is proven: by the signature of payments over its bytes, else by asking.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use commerce::order;
use contracts::{
    payment_event::Outcome,
    payments::{Status, Transaction},
};
use crashpoint::crash_point;
use kernel::TransactionId;
use messaging::consumer::{Delivery, Unreachable, Verdict};
use payments_client::EventKeys;
use tokio_util::sync::CancellationToken;
use workflows::payments::NoAnswer;

use super::{Fact, NotStored, PaymentEvents, check};

/// Between two fetches of payments' keys: a key that payments has withdrawn is believed for so long at most.
const RENEW: Duration = Duration::from_mins(5);
/// Between two tries to fetch them.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Keeps payments' keys fresh until `shutdown`. They are fetched at once, so that signed events are believed while
/// payments is away.
pub(crate) async fn renew_keys(keys: Arc<EventKeys>, shutdown: CancellationToken) {
    loop {
        let pause = match keys.renew().await {
            Ok(()) => RENEW,
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

/// A fact of a batch, by its place in there, or what becomes of its message.
type Asked = (usize, Result<Fact, Verdict>);

impl PaymentEvents {
    /// Whether payments has signed this message's body.
    pub(super) async fn is_signed(&self, delivery: &Delivery) -> bool {
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
                    "The signature of message {id} proves nothing ({why}): payments is asked"
                );
                counted("bad")
            }
        }
    }

    /// Asks payments about claims, about all in one call, and believes what it says. A claim that
    /// contradicts the order is not asked about.
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
        let silent = answers.iter().all(Result::is_err);
        if silent && !answers.is_empty() {
            self.payments_away.store(true, Ordering::Relaxed);
        }
        // a payments that answers another question has trouble with these transactions alone
        let away = silent && !self.payments_answers().await;
        let asked = claims.into_iter().map(|(index, fact)| {
            let place = ids.binary_search(&fact.event.transaction_id);
            let answer = place.ok().and_then(|place| answers.get(place));
            let asked = match answer {
                Some(Ok(found)) => confirmed(fact, found.as_ref()),
                Some(Err(NoAnswer::Unknown(why))) if !away => Err(Verdict::Retry(why.clone())),
                Some(Err(error)) => Err(Verdict::Unreachable(error.to_string())),
                None => Err(Verdict::Retry("payments was not asked".to_owned())),
            };
            (index, asked)
        });
        Ok(refused.into_iter().chain(asked).collect())
    }

    /// Claims that contradict their order, and the rest.
    async fn contradicted(
        &self,
        claims: Vec<(usize, Fact)>,
    ) -> Result<(Vec<Asked>, Vec<(usize, Fact)>), Unreachable> {
        let ids: Vec<_> = claims
            .iter()
            .map(|(_, fact)| fact.event.transaction_id)
            .collect();
        let terms = async {
            let mut conn = self.engine.pool().acquire().await?;
            order::find_terms(&mut conn, &ids).await
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
                Err(why) if says_enough => refused.push((index, Err(Verdict::Failed(why)))),
                _ => rest.push((index, fact)),
            }
        }
        Ok((refused, rest))
    }

    /// Whether payments answers, if it was found away: any question will do.
    pub(super) async fn payments_answers(&self) -> bool {
        if !self.payments_away.load(Ordering::Relaxed) {
            return true;
        }
        let answers = self.payments.find(TransactionId::new(), None).await.is_ok();
        if answers {
            self.payments_away.store(false, Ordering::Relaxed);
        }
        answers
    }
}

/// The fact as payments has it, when that bears the claim out.
fn confirmed(mut fact: Fact, found: Option<&Transaction>) -> Result<Fact, Verdict> {
    let id = fact.event.transaction_id;
    let found =
        found.ok_or_else(|| Verdict::Failed(format!("payments does not know transaction {id}")))?;
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
    fact.event.order_id = Some(found.order_id);
    Ok(fact)
}

/// Counts how a signature was found; `false`, as nothing else is proven.
fn counted(signature: &'static str) -> bool {
    metrics::counter!("payment_events_total", "signature" => signature).increment(1);
    false
}
