//! The payments role: turns payment events into signals to the sagas that wait for them.
//!
//! One transaction stores a batch: signals, sagas, orders and outbox entries. An event is accepted if
//! payments has signed it or confirms it when asked; one call asks about all unsigned events of a
//! batch: [`proof`]. `PAYMENTS_EVENTS` demands more, or less. Every message passes through here, be
//! it a first delivery, a retry, a redrive or an edit.

mod proof;

pub(crate) use proof::renew_keys;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use commerce::order::{self, PaymentTerms};
use contracts::{
    decode::{self, DecodeError},
    failure::FailureKind,
    payment_event::PaymentEvent,
    topology,
};
use crashpoint::crash_point;
use kernel::TransactionId;
use messaging::{
    consumer::{Delivery, Failure, Handler, Unreachable, Verdict},
    inbox,
    topology::RETRY_DELAYS,
};
use payments_client::EventKeys;
use saga::{Engine, EngineError, NewSignal};
use tracing::{Instrument, info_span};
use workflows::payments::Payments;

use crate::config::EventProof;

/// This consumer's name in metrics.
const CONSUMER: &str = topology::PAYMENTS_EVENTS_QUEUE;

/// How long a fact that is stored alone waits for a lock: the batch has been delayed already, and
/// its other facts should not wait for each locked one.
const ALONE_LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// The same wait once another fact of the batch met a lock: a hundred facts that need the same row
/// must not wait for longer than a batch may take.
const NEXT_LOCK_TIMEOUT: Duration = Duration::from_millis(10);

pub(crate) struct PaymentEvents {
    engine: Engine,
    payments: Arc<dyn Payments>,
    keys: Arc<EventKeys>,
    proof: EventProof,
    /// A transaction that payments could not read when payments was last found unavailable.
    unread: Mutex<Option<TransactionId>>,
}

/// An event and the name of its source. The event of a canceled transaction may have no amount.
#[derive(Debug, Clone)]
struct Fact {
    event: PaymentEvent,
    /// Number of this attempt, from 1.
    attempt: u32,
    source: String,
}

/// Why a batch did not commit.
enum NotStored {
    Unreachable(Unreachable),
    /// Another session has locked a needed row.
    Locked(String),
    /// A saga changed meanwhile, or the database refused a row.
    Failed(String),
}

impl From<sqlx::Error> for NotStored {
    fn from(error: sqlx::Error) -> Self {
        if db::is_unreachable(&error) {
            Self::Unreachable(Unreachable(format!(
                "the shop's database cannot be used: {error}"
            )))
        } else if db::is_locked(&error) {
            Self::Locked(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<EngineError> for NotStored {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Db(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl PaymentEvents {
    pub(crate) fn new(
        engine: Engine,
        payments: Arc<dyn Payments>,
        keys: Arc<EventKeys>,
        proof: EventProof,
    ) -> Self {
        Self {
            engine,
            payments,
            keys,
            proof,
            unread: Mutex::default(),
        }
    }

    /// Stores facts in one transaction; if that fails, one by one.
    async fn store(&self, facts: &[Fact]) -> Result<Vec<Verdict>, Unreachable> {
        match self.commit(facts, None).await {
            Ok(verdicts) => return Ok(verdicts),
            Err(NotStored::Unreachable(why)) => return Err(why),
            Err(NotStored::Failed(why) | NotStored::Locked(why)) => {
                tracing::debug!("A batch of {} did not commit ({why})", facts.len());
            }
        }
        let mut verdicts = Vec::with_capacity(facts.len());
        let mut holders = None;
        for fact in facts {
            let lock_timeout = match holders {
                None => ALONE_LOCK_TIMEOUT,
                Some(_) => NEXT_LOCK_TIMEOUT,
            };
            match self
                .commit(std::slice::from_ref(fact), Some(lock_timeout))
                .await
            {
                Ok(verdict) => verdicts.extend(verdict),
                Err(NotStored::Locked(why)) => {
                    if holders.is_none() {
                        let sessions = db::open_transactions(self.engine.pool()).await;
                        holders = Some(sessions.unwrap_or_default());
                    }
                    let sessions = holders.as_deref().unwrap_or_default();
                    verdicts.push(Verdict::Locked(format!(
                        "{why}; open transactions: {sessions}"
                    )));
                }
                Err(NotStored::Unreachable(why)) => return Err(why),
                Err(NotStored::Failed(why)) => verdicts.push(Verdict::Retry(why)),
            }
        }
        Ok(verdicts)
    }

    /// Commits the effects of facts; `lock_timeout` overrides how long a statement waits for a
    /// lock.
    async fn commit(
        &self,
        facts: &[Fact],
        lock_timeout: Option<Duration>,
    ) -> Result<Vec<Verdict>, NotStored> {
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        let mut conn = self.engine.lane().acquire().await?;
        let mut tx = conn.begin().await?;
        if let Some(limit) = lock_timeout {
            db::set_lock_timeout(&mut tx, limit).await?;
        }
        let transactions: Vec<_> = facts.iter().map(|fact| fact.event.transaction_id).collect();
        let terms = order::find_terms(&mut tx, &transactions).await?;
        let checked: Vec<_> = facts.iter().map(|fact| check(fact, &terms)).collect();
        let accepted: Vec<_> = facts
            .iter()
            .zip(&checked)
            .filter_map(|(fact, terms)| Some((fact, terms.as_ref().ok()?)))
            .collect();
        let signals = accepted.into_iter().map(signal).collect();
        let signaled = self.engine.signal(&mut tx, signals).await?;
        crash_point!("events.before_commit");
        tx.commit().await?;
        conn.release();
        crash_point!("events.after_commit");
        let verdicts = signaled.verdicts.values();
        let verdicts = verdicts.map(|verdict| verdict.map_or("kept", saga::Verdict::as_str));
        let known = std::iter::repeat_n("duplicate", signaled.duplicates);
        for verdict in verdicts.chain(known) {
            metrics::counter!("inbox_handled_total", "queue" => CONSUMER, "result" => verdict)
                .increment(1);
        }
        signaled.after.emit();
        Ok(checked
            .into_iter()
            .map(|terms| terms.map_or_else(|verdict| verdict, |_| Verdict::Done))
            .collect())
    }
}

impl Handler for PaymentEvents {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Verdict>, Unreachable> {
        let span = info_span!(
            "process",
            otel.name = "process payments_events_queue",
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.operation.name = "process",
            messaging.destination.name = CONSUMER,
            messaging.batch.message_count = batch.len(),
        );
        for trace in batch.iter().filter_map(|delivery| delivery.trace.as_ref()) {
            telemetry::link(&span, trace);
        }
        if let [
            Delivery {
                trace: Some(trace), ..
            },
        ] = batch
        {
            telemetry::continue_trace(&span, trace);
        }
        async {
            let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.len()];
            let (mut proven, mut claimed) = (Vec::new(), Vec::new());
            for (index, delivery) in batch.iter().enumerate() {
                match decode(delivery) {
                    Ok(fact) if self.is_accepted(delivery).await => proven.push((index, fact)),
                    Ok(_) if self.proof == EventProof::Signed => {
                        verdicts[index] = Some(Verdict::Retry(unsigned()));
                    }
                    Ok(fact) => claimed.push((index, fact)),
                    Err(why) => verdicts[index] = Some(Verdict::Failed(why)),
                }
            }
            for (index, asked) in self.ask(claimed).await? {
                match asked {
                    Ok(fact) => proven.push((index, fact)),
                    Err(verdict) => verdicts[index] = Some(verdict),
                }
            }
            let facts: Vec<_> = proven.iter().map(|(_, fact)| fact.clone()).collect();
            for ((index, _), verdict) in proven.iter().zip(self.store(&facts).await?) {
                verdicts[*index] = Some(verdict);
            }
            let unanswered = || Verdict::Retry("it was not answered".to_owned());
            Ok(verdicts
                .into_iter()
                .map(|verdict| verdict.unwrap_or_else(unanswered))
                .collect())
        }
        .instrument(span)
        .await
    }

    async fn is_usable(&self) -> bool {
        inbox::probe(self.engine.pool()).await.is_ok() && self.payments_answers().await
    }
}

/// The signal that an event becomes. The engine drops it if another event about the same fact came
/// before.
fn signal((fact, terms): (&Fact, &PaymentTerms)) -> NewSignal {
    NewSignal {
        id: fact.event.signal_id(),
        saga_id: terms.saga_id,
        name: fact.event.outcome.routing_key().to_owned(),
        payload: serde_json::to_value(&fact.event).unwrap_or_default(),
        source: fact.source.clone(),
    }
}

fn decode(delivery: &Delivery) -> Result<Fact, Failure> {
    let event = decode::payment_event(&delivery.body, &delivery.routing_key)
        .map_err(|DecodeError { kind, reason }| failure(kind, reason))?;
    let source = delivery
        .message_id
        .clone()
        .unwrap_or_else(|| event.signal_id().to_string());
    Ok(Fact {
        event,
        attempt: delivery.attempt,
        source: format!("message {source}"),
    })
}

fn failure(kind: FailureKind, reason: String) -> Failure {
    Failure::new(kind.as_str(), reason)
}

fn mismatch(why: impl std::fmt::Display) -> Failure {
    // the release before recognizes a mismatch by this word
    let reason = format!("payment-mismatch: {why}");
    failure(FailureKind::PaymentMismatch, reason)
}

/// The payment terms of the fact's order, if the fact matches them in transaction, order, amount
/// and currency. An event that leaves out order or amount contradicts neither.
fn check(fact: &Fact, terms: &[PaymentTerms]) -> Result<PaymentTerms, Verdict> {
    let id = fact.event.transaction_id;
    let Some(terms) = terms.iter().find(|terms| terms.transaction_id == id) else {
        let reason = format!("unknown transaction: no order is paid through {id}");
        // payments may have chosen this id, and its answer to the shop is still under way
        let is_last = fact.attempt as usize > RETRY_DELAYS.len();
        return Err(if is_last {
            Verdict::Failed(failure(FailureKind::UnknownSubject, reason))
        } else {
            Verdict::Retry(reason)
        });
    };
    if fact
        .event
        .order_id
        .is_some_and(|order_id| order_id != terms.order_id)
    {
        let order_id = terms.order_id;
        let reason = mismatch(format!("transaction {id} pays order {order_id}"));
        return Err(Verdict::Failed(reason));
    }
    order::verify_payment(terms, id, fact.event.amount.as_ref())
        .map(|()| terms.clone())
        .map_err(|why| Verdict::Failed(mismatch(why)))
}

fn unsigned() -> String {
    "payments has not signed it, and PAYMENTS_EVENTS=signed accepts no other proof: give payments its signing key, \
     or set PAYMENTS_EVENTS=asked for the payments role"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use kernel::{Money, OrderId, SagaId};

    use contracts::payment_event::Outcome;

    use super::*;

    #[test]
    fn a_failure_carries_its_kind() {
        let eur = |amount| Money::new(amount, "EUR".parse().unwrap());
        let terms = PaymentTerms {
            order_id: OrderId::new(),
            saga_id: SagaId::new(),
            transaction_id: TransactionId::new(),
            total: eur(100),
        };
        let paid = |transaction_id, order_id, amount| Fact {
            event: PaymentEvent {
                transaction_id,
                outcome: Outcome::Completed,
                at: "2026-01-01T00:00:00Z".parse().unwrap(),
                event_id: None,
                order_id,
                amount,
            },
            attempt: 1,
            source: "a test".to_owned(),
        };
        let (id, order) = (terms.transaction_id, Some(terms.order_id));
        let checked = |fact| check(&fact, std::slice::from_ref(&terms));
        let kind_of = |fact| match checked(fact) {
            Err(Verdict::Failed(failure)) => failure.kind,
            _ => None,
        };
        for fact in [
            paid(id, order, Some(eur(100))),
            paid(id, order, None),
            paid(id, None, None),
        ] {
            assert_eq!(checked(fact), Ok(terms.clone()));
        }
        for fact in [
            paid(id, order, Some(eur(99))),
            paid(id, Some(OrderId::new()), Some(eur(100))),
        ] {
            assert_eq!(kind_of(fact), Some("payment_mismatch"));
        }
        let mut unknown = paid(TransactionId::new(), order, Some(eur(100)));
        let early = checked(unknown.clone());
        assert!(matches!(early, Err(Verdict::Retry(_))), "{early:?}");
        unknown.attempt = 4;
        assert_eq!(kind_of(unknown), Some("unknown_subject"));
        let body = b"{not json".to_vec();
        let delivery = Delivery {
            message_id: None,
            message_type: None,
            routing_key: topology::TRANSACTION_COMPLETED.to_owned(),
            body,
            attempt: 1,
            trace: None,
            signature: None,
        };
        let failure = decode(&delivery).unwrap_err();
        assert_eq!(failure.kind, Some("undecodable"));
    }
}
