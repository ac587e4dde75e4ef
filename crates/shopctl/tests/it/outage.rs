//! An order that is being worked on, however slowly, violates no invariant. Only a saga at rest
//! says that its order has settled.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::place::{Place, Ran, ran};

/// A shop, and the database of payments, whose process does not run.
struct Outage {
    place: Place,
    payments: PgPool,
    payments_url: String,
    saga: String,
}

impl Outage {
    /// One order whose payment was never initiated: payments has been away for an hour.
    async fn begin() -> Self {
        let place = Place::open().await;
        let payments_url = testkit::database("payments", &db::PAYMENTS).await;
        let payments = PgPool::connect(&payments_url).await.unwrap();
        let saga = place.stuck("participant-unreachable");
        // the workers noted payments' database while payments was there
        sqlx::query(
            "insert into saga.heartbeat (process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, notes)
             values ('worker-1', '{payments}', '{}', 'h', 1, '0', 0, 0, jsonb_build_object('payments_instance', $1))",
        )
        .bind(instance(&payments).await)
        .execute(&place.shop)
        .await
        .unwrap();
        let outage = Self {
            place,
            payments,
            payments_url,
            saga,
        };
        outage
            .shop(r#"update commerce."order" set updated_at = now() - interval '1 hour'"#)
            .await;
        outage
    }

    /// Changes the shop's database by hand, past its triggers.
    async fn shop(&self, statement: &str) {
        let statements = format!("set local session_replication_role = replica; {statement}");
        let statements = statements.replace("{saga}", &self.saga);
        let mut tx = self.place.shop.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn at_payments(&self, statement: &'static str) {
        sqlx::raw_sql(statement)
            .execute(&self.payments)
            .await
            .unwrap();
    }

    /// A transaction of the order, decided an hour ago.
    async fn is_paid(&self) {
        let (order, transaction, total, currency): (uuid::Uuid, uuid::Uuid, i64, String) =
            sqlx::query_as(
                r#"select order_id, transaction_id, total_amount, currency from commerce."order""#,
            )
            .fetch_one(&self.place.shop)
            .await
            .unwrap();
        sqlx::query(
            "insert into payments.transaction
                 (transaction_id, order_id, user_id, amount, currency, status, completed_at)
             values ($1, $2, gen_random_uuid(), $3, $4, 'paid', now() - interval '1 hour')",
        )
        .bind(transaction)
        .bind(order)
        .bind(total)
        .bind(currency)
        .execute(&self.payments)
        .await
        .unwrap();
    }

    fn doctor(&self) -> Ran {
        let mut command =
            self.place
                .command(&["doctor", "--without", "rabbitmq,bindings", "-o", "json"]);
        command.env("PAYMENTS_URL", "http://127.0.0.1:1");
        ran(command.env("PAYMENTS_DATABASE_URL", &self.payments_url))
    }
}

async fn instance(payments: &PgPool) -> String {
    sqlx::query_scalar("select instance_id::text from payments.instance")
        .fetch_one(payments)
        .await
        .unwrap()
}

/// The checks that found something.
fn red(ran: &Ran) -> Vec<String> {
    let found = |check: &&Value| !check["found"].as_array().unwrap().is_empty();
    let checks = ran.objects();
    checks
        .iter()
        .filter(found)
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_order_in_an_outage_is_not_a_violation() {
    let outage = Outage::begin().await;
    let ran = outage.doctor();
    assert_eq!(red(&ran), [""; 0], "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn an_order_whose_saga_rests_is_settled_at_once() {
    let outage = Outage::begin().await;
    outage
        .shop(
            r#"update saga.saga set state = 'compensated', undo_from = 1, ended_at = now();
               update commerce."order" set updated_at = now()"#,
        )
        .await;
    let ran = outage.doctor();
    assert!(red(&ran).contains(&"I2".to_owned()), "{ran:?}");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn a_decision_that_has_not_arrived_is_a_warning() {
    let outage = Outage::begin().await;
    outage.is_paid().await;
    let ran = outage.doctor();
    assert_eq!(red(&ran), ["late-outcomes"], "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn an_event_that_waits_for_rabbitmq_is_a_warning() {
    let outage = Outage::begin().await;
    outage
        .at_payments(
            "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, since)
             values (gen_random_uuid(), 'message', 'e', 'k', 't', '{}', now() - interval '1 hour')",
        )
        .await;
    let ran = outage.doctor();
    assert_eq!(red(&ran), ["late-messages"], "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn an_event_that_is_parked_is_a_violation() {
    let outage = Outage::begin().await;
    outage
        .at_payments(
            "insert into messaging.outbox
                 (entry_id, kind, exchange, routing_key, message_type, body, parked_at, last_error)
             values (gen_random_uuid(), 'message', 'e', 'k', 't', '{}', now(), 'no route')",
        )
        .await;
    let ran = outage.doctor();
    assert_eq!(red(&ran), ["I5", "parked-messages"], "{ran:?}");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn a_signal_is_late_while_its_saga_is_live() {
    let outage = Outage::begin().await;
    outage
        .shop(
            "insert into saga.signal (signal_id, saga_id, name, verdict, source, received_at)
             values (gen_random_uuid(), '{saga}', 'transaction_completed', 'early', 'planted',
                     now() - interval '1 hour')",
        )
        .await;
    let ran = outage.doctor();
    assert_eq!(red(&ran), ["late-work"], "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    outage
        .shop("update saga.saga set state = 'compensated', undo_from = 1, ended_at = now()")
        .await;
    let ran = outage.doctor();
    assert!(red(&ran).contains(&"I5".to_owned()), "{ran:?}");
}
