//! Gathers the facts for a diagnosis: from the shop's database in a few statements for any number
//! of sagas, and from payments and RabbitMQ, if available, each within two seconds.

use std::{collections::HashMap, time::Duration};

use commerce::order;
use contracts::{
    failure::FailureKind, payment_event::PaymentEvent, topology::PAYMENTS_EVENTS_QUEUE,
};
use kernel::{Currency, Money, OrderId, SagaId, Stored, TransactionId};
use messaging::{
    failed,
    topology::{self, RETRY_DELAYS, delay_queue},
};
use saga::{claim::PlanKey, heartbeat, machine::StateKind};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use crate::{
    DataSources, Operator, PaymentsAccess,
    blocking::{self, BlockingSession},
    diagnosis::{
        Diagnosis, Entry, Facts, FailedMessage, FinishedAttempt, Observed, Pause, Payment, Queue,
        Unpublished, World, diagnose,
    },
    outbox::EntryKind,
    sources,
};

/// Timeout of the requests to payments and to RabbitMQ.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of failed messages that are searched.
const MAX_FAILED_MESSAGES: usize = 1_000;

/// The diagnosis of a saga: why it is in its current state.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Why {
    /// The saga.
    pub saga_id: SagaId,
    /// The saga's order.
    pub order_id: Option<OrderId>,
    /// The saga's state.
    #[schema(value_type = StateKind)]
    pub state: Stored<StateKind>,
    /// The cause, with its evidence.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

/// Diagnoses these sagas; unknown sagas are missing.
///
/// # Errors
/// When the shop's database cannot be read. Other unavailable sources are named in each diagnosis
/// and are not an error.
pub async fn why(operator: &Operator, sagas: &[SagaId]) -> sqlx::Result<Vec<Why>> {
    let mut conn = operator.engine.pool().acquire().await?;
    let mut facts = of_sagas(&mut conn, sagas).await?;
    adopted(&mut conn, &mut facts).await?;
    let mut world = of_world(&mut conn, operator).await?;
    of_locks(&mut conn, &mut facts, &mut world).await?;
    drop(conn);
    let (payments, broker) = tokio::join!(
        of_payments(&operator.sources.payments, &facts),
        of_broker(&operator.sources),
    );
    let mut unavailable =
        |what: &str, why: String| world.unavailable.push(format!("{what}: {why}"));
    match payments {
        Ok(payments) => {
            if let Err(why) = &payments.outbox {
                unavailable("payments' outbox", why.clone());
            }
            for facts in &mut facts {
                payments.add_to(facts);
            }
        }
        Err(why) => unavailable("payments", why),
    }
    match broker {
        Ok((queue, failed)) => {
            world.queue = Observed::Available(queue);
            match failed {
                Some(failed) => {
                    for facts in &mut facts {
                        facts.failed = Observed::Available(about(facts, &failed));
                    }
                }
                None => unavailable("`failed`", "this process may not read it".to_owned()),
            }
        }
        Err(why) => unavailable("RabbitMQ", why),
    }
    let whys = facts.iter().map(|facts| Why {
        saga_id: facts.saga_id,
        order_id: facts.order_id,
        state: facts.state.clone(),
        diagnosis: diagnose(facts, &world),
    });
    Ok(whys.collect())
}

/// Replaces the proposed transactions by those that payments answered with.
async fn adopted(conn: &mut PgConnection, facts: &mut [Facts]) -> sqlx::Result<()> {
    let orders: Vec<_> = facts.iter().filter_map(|facts| facts.order_id).collect();
    let transactions = order::transactions_of(conn, &orders).await?;
    for facts in facts {
        let adopted = facts.order_id.and_then(|id| transactions.get(&id));
        facts.transaction_id = adopted.copied().or(facts.transaction_id);
    }
    Ok(())
}

async fn of_sagas(conn: &mut PgConnection, sagas: &[SagaId]) -> sqlx::Result<Vec<Facts>> {
    let ids: Vec<_> = sagas.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"
        select s.saga_id as "saga_id: SagaId", s.plan, s.plan_version, s.plan_hash,
               s.state as "state: Stored<StateKind>", s.paused, s.deadline, s.input, s.updated_at,
               o.kind as "kind?: Stored<EntryKind>", o.step as "step?", o.since as "since?", o.due_at as "due_at?",
               o.attempt as "attempt?", o.holder as "holder?", o.last_error as "last_error?",
               (select max(j.at) from saga.journal j
                where j.saga_id = s.saga_id and j.kind = 'compensation_begun') as compensating_since,
               (select j.detail from saga.journal j
                where j.saga_id = s.saga_id and j.kind = 'breach' order by j.revision desc, j.n desc limit 1) as breach,
               p.at as "paused_at?", p.actor as "paused_by?", p.detail as "paused_why?"
        from saga.saga s
             left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
             left join lateral (
                 select j.at, j.actor, j.detail
                 from saga.journal j
                 where j.saga_id = s.saga_id and j.kind = 'operator' and saga.journal_fact(j)->>'verb' = 'pause'
                 order by j.revision desc, j.n desc
                 limit 1) as p on true
        where s.saga_id = any($1)
        order by s.created_at, s.saga_id
        "#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut attempts = finished_attempts(conn, &ids).await?;
    let facts = rows.into_iter().map(|row| {
        let text = |name: &str| row.input.get(name).and_then(Value::as_str);
        let total = row
            .input
            .get("total")
            .and_then(|total| serde_json::from_value::<Money>(total.clone()).ok());
        let entry = match (row.kind, row.step, row.since, row.due_at) {
            (Some(kind), Some(step), Some(since), Some(due_at)) => Some(Entry {
                timer: kind == EntryKind::Timer,
                step,
                since,
                due_at,
                attempt: row.attempt.unwrap_or_default(),
                holder: row.holder,
                last_error: row.last_error,
            }),
            _ => None,
        };
        let pause = row.paused_at.map(|at| Pause {
            by: row.paused_by.unwrap_or_default(),
            why: row
                .paused_why
                .unwrap_or_default()
                .trim_start_matches("pause: ")
                .to_owned(),
            at,
        });
        Facts {
            saga_id: row.saga_id,
            plan: PlanKey {
                name: row.plan,
                version: row.plan_version,
                hash: row.plan_hash,
            },
            compensating_since: row
                .compensating_since
                .filter(|_| row.state == StateKind::Compensating),
            state: row.state,
            paused: row.paused,
            deadline: row.deadline,
            moved_at: row.updated_at,
            pause: pause.filter(|_| row.paused),
            breach: row.breach,
            order_id: text("order_id").and_then(|id| id.parse().ok()),
            transaction_id: text("transaction_id").and_then(|id| id.parse().ok()),
            total,
            entry,
            attempts: attempts.remove(&row.saga_id).unwrap_or_default(),
            payment: Observed::Unavailable,
            unpublished: Observed::Unavailable,
            failed: Observed::Unavailable,
            locked: Vec::new(),
        }
    });
    Ok(facts.collect())
}

/// Reads who blocks whom. A database that does not allow it is a source that could not be read.
async fn of_locks(
    conn: &mut PgConnection,
    facts: &mut [Facts],
    world: &mut World,
) -> sqlx::Result<()> {
    let sessions = match blocking::list(&mut *conn).await {
        Ok(sessions) => sessions,
        Err(error) if blocking::is_not_allowed(&error) => {
            world.unavailable.push(format!("locks: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // the rows of such a table cannot be read, and the table's lock is the answer already
    let unreadable = sessions.iter().any(BlockingSession::stops_readers);
    if !sessions.is_empty() && !unreadable {
        let ids: Vec<_> = facts.iter().map(|facts| facts.saga_id.uuid()).collect();
        let mut rows = HashMap::<_, Vec<_>>::new();
        for row in blocking::locked_rows(conn, &ids, &sessions).await? {
            rows.entry(row.saga_id).or_default().push(row);
        }
        for facts in facts {
            facts.locked = rows.remove(&facts.saga_id).unwrap_or_default();
        }
    }
    world.blocking = Observed::Available(sessions);
    Ok(())
}

/// The last finished attempts at each entry's work, newest first.
async fn finished_attempts(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<SagaId, Vec<FinishedAttempt>>> {
    let rows = sqlx::query!(
        r#"
        select o.saga_id as "saga_id!: SagaId", j.attempt as "attempt!", j.fact as "fact!", j.detail
        from messaging.outbox o
             cross join lateral (
                 select j.revision, j.n, j.attempt, saga.journal_fact(j) as fact, j.detail
                 from saga.journal j
                 where j.saga_id = o.saga_id
                   and j.step = o.step
                   and j.attempt is not null
                   and j.kind <> 'lost' -- its process said nothing
                   and j.at >= o.since
                 order by j.revision desc, j.n desc
                 limit 5) as j
        where o.saga_id = any($1)
          and o.kind in ('step', 'timer')
        order by o.saga_id, j.revision desc, j.n desc
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let mut attempts = HashMap::<SagaId, Vec<FinishedAttempt>>::new();
    for row in rows {
        // skip kinds that only a newer release knows
        let Ok(fact) = serde_json::from_value(row.fact) else {
            continue;
        };
        attempts
            .entry(row.saga_id)
            .or_default()
            .push(FinishedAttempt {
                attempt: row.attempt,
                fact,
                detail: row.detail,
            });
    }
    Ok(attempts)
}

async fn of_world(conn: &mut PgConnection, operator: &Operator) -> sqlx::Result<World> {
    let due = sqlx::query!(
        r#"
        select clock_timestamp() as "now!",
               count(*) filter (where kind in ('step', 'timer') and due_at <= clock_timestamp()) as "due!"
        from messaging.outbox
        "#,
    )
    .fetch_one(&mut *conn)
    .await?;
    let processes = heartbeat::list(conn).await?;
    let config = operator.engine.config();
    // the workers' own settings take precedence over this process's
    let worker = processes
        .iter()
        .find(|process| process.is_alive(due.now) && process.has_role("saga"));
    let millis = |value: i64| Duration::from_millis(value.unsigned_abs());
    Ok(World {
        now: due.now,
        plans: operator.engine.plan_keys(),
        lease: worker.map_or(config.lease, |worker| millis(worker.lease_ms)),
        retry_budget: worker.map_or(config.retry.budget, |worker| millis(worker.retry_budget_ms)),
        processes,
        due: due.due,
        blocking: Observed::Unavailable,
        queue: Observed::Unavailable,
        unavailable: Vec::new(),
    })
}

/// Payments' data about some orders.
struct Payments {
    transactions: HashMap<OrderId, Payment>,
    unpublished: HashMap<TransactionId, Unpublished>,
    /// Why payments' outbox was not read.
    outbox: Result<(), String>,
}

impl Payments {
    fn add_to(&self, facts: &mut Facts) {
        let payment = facts.order_id.and_then(|id| self.transactions.get(&id));
        facts.payment = Observed::Available(payment.cloned());
        if self.outbox.is_ok() {
            let of = facts
                .transaction_id
                .and_then(|id| self.unpublished.get(&id));
            facts.unpublished = Observed::Available(of.cloned());
        }
    }
}

async fn of_payments(access: &PaymentsAccess, facts: &[Facts]) -> Result<Payments, String> {
    let database = access.need_database().await;
    let asked = async {
        match &database {
            Ok(pool) => read(pool, facts).await.map_err(|error| error.to_string()),
            Err(why) => ask(access, facts, why).await,
        }
    };
    let answered = tokio::time::timeout(TIMEOUT, asked).await;
    answered.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
}

/// Queries the API, which does not show the outbox.
async fn ask(
    access: &PaymentsAccess,
    facts: &[Facts],
    no_database: &str,
) -> Result<Payments, String> {
    let payments = access
        .api()
        .map_err(|why| sources::both(&why, no_database))?;
    let known: Vec<_> = facts
        .iter()
        .filter_map(|facts| facts.order_id.zip(facts.transaction_id))
        .collect();
    let ids: Vec<_> = known.iter().map(|(_, id)| *id).collect();
    let mut transactions = HashMap::new();
    for ((order_id, _), found) in known.iter().zip(payments.find_many(&ids).await) {
        let Some(found) = found.map_err(|error| error.to_string())? else {
            continue;
        };
        let payment = Payment {
            transaction_id: found.transaction_id,
            status: found.status.into(),
            amount: found.amount,
            decided_at: found.completed_at.or(found.canceled_at),
        };
        transactions.insert(*order_id, payment);
    }
    Ok(Payments {
        transactions,
        unpublished: HashMap::new(),
        outbox: Err(no_database.to_owned()),
    })
}

/// Queries the database. Unchecked: the macros know only the shop's database.
async fn read(pool: &PgPool, facts: &[Facts]) -> sqlx::Result<Payments> {
    let orders: Vec<Uuid> = facts
        .iter()
        .filter_map(|facts| facts.order_id.map(OrderId::uuid))
        .collect();
    let rows = sqlx::query(
        "select order_id, transaction_id, status, amount, currency, coalesce(completed_at, canceled_at) as decided_at
         from payments.transaction where order_id = any($1)",
    )
    .bind(&orders)
    .fetch_all(pool)
    .await?;
    let mut transactions = HashMap::new();
    for row in rows {
        let (amount, currency): (Option<i64>, Option<Currency>) =
            (row.try_get("amount")?, row.try_get("currency")?);
        let payment = Payment {
            transaction_id: TransactionId::from(row.try_get::<Uuid, _>("transaction_id")?),
            status: row.try_get("status")?,
            amount: amount
                .zip(currency)
                .map(|(amount, currency)| Money::new(amount, currency)),
            decided_at: row.try_get("decided_at")?,
        };
        let order_id = OrderId::from(row.try_get::<Uuid, _>("order_id")?);
        transactions.insert(order_id, payment);
    }
    let ids: Vec<String> = facts
        .iter()
        .filter_map(|facts| facts.transaction_id.map(|id| id.to_string()))
        .collect();
    let rows = sqlx::query(
        "select entry_id, body->>'transaction_id' as transaction_id, since, attempt, parked_at is not null as parked,
                last_error, to_jsonb(o)->>'refusal' as refusal -- a database of the release before has no such column
         from messaging.outbox o where kind = 'message' and body->>'transaction_id' = any($1)",
    )
    .bind(&ids)
    .fetch_all(pool)
    .await?;
    let mut unpublished = HashMap::new();
    for row in rows {
        let id: String = row.try_get("transaction_id")?;
        let Ok(id) = id.parse() else { continue };
        let entry = Unpublished {
            message_id: row.try_get::<Uuid, _>("entry_id")?.to_string(),
            since: row.try_get("since")?,
            attempt: row.try_get("attempt")?,
            parked: row.try_get("parked")?,
            refusal: row.try_get("refusal")?,
            last_error: row.try_get("last_error")?,
        };
        unpublished.insert(id, entry);
    }
    Ok(Payments {
        transactions,
        unpublished,
        outbox: Ok(()),
    })
}

type Broker = (Option<Queue>, Option<Vec<failed::FailedMessage>>);

async fn of_broker(sources: &DataSources) -> Result<Broker, String> {
    let Some(url) = sources.amqp_url.as_deref() else {
        return Err("AMQP_URL is not set".to_owned());
    };
    let delay_queues = RETRY_DELAYS.map(|delay| delay_queue(PAYMENTS_EVENTS_QUEUE, delay));
    let mut queues = vec![PAYMENTS_EVENTS_QUEUE];
    queues.extend(delay_queues.iter().map(String::as_str));
    let asked = async {
        let states = topology::inspect(url, &queues).await?;
        let failed = if sources.reads_failed {
            Some(failed::list(url, MAX_FAILED_MESSAGES).await?)
        } else {
            None
        };
        Ok::<_, messaging::BrokerError>((states, failed))
    };
    let (states, failed) = match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {TIMEOUT:?}")),
    };
    let mut states = states.into_iter().map(|(_, state)| state);
    let queue = states.next().flatten().map(|state| Queue {
        messages: state.messages,
        consumers: state.consumers,
        retrying: states.flatten().map(|state| state.messages).sum(),
    });
    Ok((queue, failed))
}

/// The failed messages that name the saga's transaction.
fn about(facts: &Facts, failed: &[failed::FailedMessage]) -> Vec<FailedMessage> {
    let Some(id) = facts.transaction_id.map(|id| id.to_string()) else {
        return Vec::new();
    };
    let of = failed.iter().filter(|message| message.body.contains(&id));
    of.map(|message| FailedMessage {
        message_id: Some(message.id.clone()),
        queue: message.queue.clone(),
        routing_key: message.routing_key.clone(),
        reason: message.reason.clone(),
        kind: match &message.kind {
            Some(kind) => Some(Stored::read(kind.clone())),
            None => differs(facts, &message.body).then_some(FailureKind::PaymentMismatch.into()),
        },
    })
    .collect()
}

/// Whether a payment event differs from the saga's order. This is asked of a message without a
/// recorded kind, such as one that failed under the release before.
fn differs(facts: &Facts, body: &str) -> bool {
    let Ok(event) = serde_json::from_str::<PaymentEvent>(body) else {
        return false;
    };
    let other_transaction = facts.transaction_id != Some(event.transaction_id);
    let other_order = event.order_id.is_some() && event.order_id != facts.order_id;
    let other_amount =
        event.amount.is_some() && facts.total.is_some() && event.amount != facts.total;
    !other_transaction && (other_order || other_amount)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use saga::claim::PlanKey;
    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        Facts {
            saga_id: SagaId::from(Uuid::from_u128(1)),
            plan: PlanKey {
                name: "checkout".to_owned(),
                version: 1,
                hash: String::new(),
            },
            state: StateKind::Waiting.into(),
            paused: false,
            deadline: None,
            moved_at: DateTime::default(),
            compensating_since: None,
            pause: None,
            breach: None,
            order_id: Some(OrderId::from(Uuid::from_u128(2))),
            transaction_id: Some(TransactionId::from(Uuid::from_u128(3))),
            total: Some(Money::new(1200, "EUR".parse().unwrap())),
            entry: None,
            attempts: Vec::new(),
            payment: Observed::Unavailable,
            unpublished: Observed::Unavailable,
            failed: Observed::Unavailable,
            locked: Vec::new(),
        }
    }

    fn failed(body: &Value, kind: Option<&str>, reason: &str) -> failed::FailedMessage {
        failed::FailedMessage {
            id: "m-1".to_owned(),
            message_id: Some("m-1".to_owned()),
            message_type: None,
            queue: Some(PAYMENTS_EVENTS_QUEUE.to_owned()),
            exchange: "payments_events".to_owned(),
            routing_key: "transaction_completed".to_owned(),
            attempts: 1,
            reason: Some(reason.to_owned()),
            kind: kind.map(str::to_owned),
            trace_id: None,
            body_bytes: 0,
            body: body.to_string(),
            body_base64: None,
            body_cut: false,
        }
    }

    fn paid(amount: i64) -> Value {
        json!({
            "transaction_id": Uuid::from_u128(3),
            "order_id": Uuid::from_u128(2),
            "amount": { "amount": amount, "currency": "EUR" },
            "completed_at": "2026-01-01T00:00:00Z",
            "routing_key": "transaction_completed",
        })
    }

    #[test]
    fn the_recorded_kind_of_a_failure_decides_not_its_words() {
        let kind_of = |message| about(&facts(), &[message]).pop().unwrap().kind;
        let mismatch = Some(FailureKind::PaymentMismatch.into());
        let kind = Some("payment_mismatch");
        assert_eq!(kind_of(failed(&paid(1200), kind, "cents")), mismatch);
        let other = failed(&paid(1), Some("undecodable"), "payment-mismatch: 1");
        assert_eq!(kind_of(other), Some(FailureKind::Undecodable.into()));
        let newer = failed(&paid(1), Some("dreamt"), "it was a dream");
        assert_eq!(kind_of(newer), Some(Stored::Unknown("dreamt".to_owned())));
    }

    #[test]
    fn a_message_without_a_kind_is_compared_with_its_order() {
        let kind_of = |body: Value| {
            let message = failed(&body, None, "payment-mismatch: of the release before");
            about(&facts(), &[message]).pop().unwrap().kind
        };
        let mismatch = Some(FailureKind::PaymentMismatch.into());
        assert_eq!(kind_of(paid(1)), mismatch);
        assert_eq!(kind_of(paid(1200)), None);
        let mut other_order = paid(1200);
        other_order["order_id"] = json!(Uuid::from_u128(9));
        assert_eq!(kind_of(other_order), mismatch);
        let mut without_amount = paid(1);
        without_amount["amount"] = Value::Null;
        assert_eq!(kind_of(without_amount), None);
        assert_eq!(
            kind_of(json!({ "transaction_id": Uuid::from_u128(3) })),
            None
        );
    }
}
