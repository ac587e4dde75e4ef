//! Plants the traces of each cause.

use contracts::{payment_event::Outcome, payment_event::PaymentEvent, topology};
use kernel::{Money, OrderId, SagaId, TransactionId};
use messaging::outbox::Refusal;
use operator::{Actor, Operator, cause::Code};
use saga::{AfterCommit, Verb};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction};
use uuid::Uuid;
use workflows::payments::NoAnswer;

use super::DrillError;

/// Far enough in the future to leave time for inspection, in seconds.
const LONG: f64 = 3600.0;

/// Whether the entry must be withheld from workers: they would repair the saga at once.
pub(super) const fn is_withheld(code: Code) -> bool {
    matches!(code, Code::LeaseExpired | Code::QueueBacklog)
}

/// Plants the traces in the shop's database, in the transaction that places the order.
pub(super) async fn entry(
    operator: &Operator,
    conn: &mut PgConnection,
    saga_id: SagaId,
    code: Code,
) -> Result<(), DrillError> {
    // the words of a real attempt, which the runbook's commands select by
    let nobody = NoAnswer::Unreachable("connection refused".to_owned()).to_string();
    let silence = "no answer within 3s; whether it took effect is unknown";
    match code {
        Code::RetryBackoff => failed(conn, saga_id, "transient", &nobody, 1).await?,
        Code::ParticipantUnreachable => failed(conn, saga_id, "transient", &nobody, 3).await?,
        Code::OutcomeUnknown => failed(conn, saga_id, "unknown", silence, 3).await?,
        Code::LeaseHeld => claimed(conn, saga_id, LONG).await?,
        Code::LeaseExpired => {
            withhold(conn, saga_id).await?;
            claimed(conn, saga_id, 0.0).await?;
        }
        Code::QueueBacklog => withhold(conn, saga_id).await?,
        Code::JobLost => {
            sqlx::query!(
                "delete from messaging.outbox where saga_id = $1",
                saga_id.uuid()
            )
            .execute(conn)
            .await?;
        }
        Code::UnknownPlanVersion => {
            sqlx::query!(
                r#"
                with entry as (update messaging.outbox set plan_version = 99 where saga_id = $1)
                update saga.saga set plan_version = 99 where saga_id = $1
                "#,
                saga_id.uuid(),
            )
            .execute(conn)
            .await?;
        }
        Code::PausedBy => execute(operator, conn, saga_id, Verb::Pause).await?,
        Code::CompensationOverdue => {
            claimed(conn, saga_id, LONG).await?;
            execute(operator, conn, saga_id, Verb::Cancel).await?;
            failed(conn, saga_id, "transient", &nobody, 1).await?;
            // disables the trigger that makes the journal immutable
            sqlx::query("set local session_replication_role = replica")
                .execute(&mut *conn)
                .await?;
            sqlx::query!(
                "update saga.journal set at = at - interval '20 min' where saga_id = $1 and kind = 'compensation_begun'",
                saga_id.uuid()
            )
            .execute(&mut *conn)
            .await?;
            sqlx::query("set local session_replication_role = origin")
                .execute(conn)
                .await?;
        }
        Code::WaitingForSignal
        | Code::NoWorker
        | Code::BlockedBySession
        | Code::OutboxUnpublished
        | Code::Unroutable
        | Code::QueueWithoutConsumer
        | Code::MessageFailed
        | Code::PaymentEventLost
        | Code::PaymentMismatch
        | Code::Healthy => {}
    }
    Ok(())
}

async fn execute(
    operator: &Operator,
    conn: &mut PgConnection,
    saga_id: SagaId,
    verb: Verb,
) -> Result<(), DrillError> {
    let actor = Actor::new("drill", "made to stick").expect("a name and a reason");
    let (_, after): (_, AfterCommit) = operator
        .execute_in(conn, saga_id, verb, &actor, None, None)
        .await?;
    after.emit();
    Ok(())
}

/// Plants failed attempts; the next attempt is far in the future.
async fn failed(
    conn: &mut PgConnection,
    saga_id: SagaId,
    kind: &str,
    said: &str,
    attempts: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update messaging.outbox
        set attempt = $2, since = clock_timestamp(), due_at = clock_timestamp() + make_interval(secs => $3),
            last_error = $4
        where saga_id = $1
        "#,
        saga_id.uuid(),
        attempts,
        LONG,
        said,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        with moved as (
            update saga.saga set revision = revision + $4::integer where saga_id = $1 returning saga_id, revision - $4::integer as before, state
        )
        insert into saga.journal (saga_id, revision, n, kind, step, attempt, detail, state)
        select m.saga_id, m.before + a, 0, $2, o.step, a, $3, m.state
        from moved m
             join messaging.outbox o using (saga_id)
             cross join generate_series(1, $4::integer) as a
        "#,
        saga_id.uuid(),
        kind,
        said,
        attempts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Plants an attempt under way; its claim ends after `ends_in` seconds.
async fn claimed(conn: &mut PgConnection, saga_id: SagaId, ends_in: f64) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update messaging.outbox
        set attempt = 1, holder = 'drill', due_at = clock_timestamp() + make_interval(secs => $2)
        where saga_id = $1
        "#,
        saga_id.uuid(),
        ends_in,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks the entry as one of a plan that no worker knows, so that none claims it. A lock would be
/// another cause.
async fn withhold(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<()> {
    sqlx::query!(
        "update messaging.outbox set plan_version = 99 where saga_id = $1",
        saga_id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes the saga and its entry ones of the plan that they were begun with, which the hash names.
pub(crate) async fn restore_plan(operator: &Operator, saga_id: SagaId) -> sqlx::Result<()> {
    for plan in operator.engine().plan_keys() {
        sqlx::query!(
            r#"
            with entry as (
                update messaging.outbox set plan_version = $3 where saga_id = $1 and plan_hash = $2 and plan_version <> $3
            )
            update saga.saga set plan_version = $3 where saga_id = $1 and plan_hash = $2 and plan_version <> $3
            "#,
            saga_id.uuid(),
            plan.hash,
            plan.version,
        )
        .execute(operator.engine().pool())
        .await?;
    }
    Ok(())
}

/// Gives the order's transaction its amount again, and lets payments' relay publish its event now.
pub(crate) async fn restore_payment(
    payments: &PgPool,
    order_id: OrderId,
    transaction_id: TransactionId,
    total: i64,
) -> sqlx::Result<()> {
    let mut tx = db::begin(payments).await?;
    sqlx::query("update payments.transaction set amount = $2 where order_id = $1 and amount <> $2")
        .bind(order_id.uuid())
        .bind(total)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "update messaging.outbox
         set due_at = clock_timestamp(), parked_at = null, attempt = 0, epoch = epoch + 1
         where kind = 'message' and body->>'transaction_id' = $1",
    )
    .bind(transaction_id.to_string())
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Locks the saga's row, like a forgotten session with an open transaction.
pub(super) async fn lock(
    pool: &PgPool,
    saga_id: SagaId,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut held = db::begin(pool).await?;
    sqlx::query!("set local idle_in_transaction_session_timeout = 0")
        .execute(&mut *held)
        .await?;
    sqlx::query!(
        "select saga_id from saga.saga where saga_id = $1 for update",
        saga_id.uuid()
    )
    .fetch_one(&mut *held)
    .await?;
    Ok(held)
}

/// Plants payments' decision in its database, and its event in its outbox.
pub(super) async fn decision(
    payments: &PgPool,
    order_id: OrderId,
    code: Code,
) -> Result<(), DrillError> {
    let mut tx = db::begin(payments).await?;
    if code == Code::PaymentMismatch {
        sqlx::query("update payments.transaction set amount = amount + 1 where order_id = $1")
            .bind(order_id.uuid())
            .execute(&mut *tx)
            .await?;
        return Ok(tx.commit().await?);
    }
    // long enough ago that the event counts as missing
    let row = sqlx::query(
        "update payments.transaction set status = 'paid', completed_at = clock_timestamp() - interval '1 min'
         where order_id = $1
         returning transaction_id, amount, currency, completed_at",
    )
    .bind(order_id.uuid())
    .fetch_one(&mut *tx)
    .await?;
    let transaction_id = TransactionId::from(row.try_get::<Uuid, _>("transaction_id")?);
    let currency: String = row.try_get("currency")?;
    let event = PaymentEvent {
        transaction_id,
        outcome: Outcome::Completed,
        at: row.try_get("completed_at")?,
        event_id: Some(Uuid::now_v7()),
        order_id: Some(order_id),
        amount: Some(Money::new(
            row.try_get("amount")?,
            currency
                .parse()
                .map_err(|error| sqlx::Error::Decode(format!("{error}").into()))?,
        )),
    };
    let event = serde_json::to_value(event).expect("an event is JSON");
    match code {
        Code::PaymentEventLost => {}
        Code::OutboxUnpublished => {
            let said = "RabbitMQ: connection refused";
            message(&mut tx, &event, LONG, Some((said, None))).await?;
        }
        Code::Unroutable => {
            let said = "unroutable: NO_ROUTE (312)";
            let refusal = Some(Refusal::Unroutable);
            message(&mut tx, &event, LONG, Some((said, refusal))).await?;
        }
        Code::MessageFailed => {
            let broken =
                json!({ "transaction_id": transaction_id, "completed_at": "one of these days" });
            message(&mut tx, &broken, 0.0, None).await?;
        }
        _ => message(&mut tx, &event, 0.0, None).await?,
    }
    Ok(tx.commit().await?)
}

/// Adds payments' event to its outbox; with an error, after one attempt.
async fn message(
    conn: &mut PgConnection,
    body: &Value,
    due_in: f64,
    attempt: Option<(&str, Option<Refusal>)>,
) -> sqlx::Result<()> {
    let (said, refusal) = attempt.unzip();
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, due_at, attempt,
                                       last_error, refusal)
         values ($1, 'message', $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6), $7, $8, $9)",
    )
    .bind(Uuid::now_v7())
    .bind(topology::PAYMENTS_EVENTS)
    .bind(topology::TRANSACTION_COMPLETED)
    .bind(topology::TRANSACTION_COMPLETED)
    .bind(body)
    .bind(due_in)
    .bind(i32::from(said.is_some()))
    .bind(said)
    .bind(refusal.flatten().map(Refusal::as_str))
    .execute(conn)
    .await?;
    Ok(())
}
