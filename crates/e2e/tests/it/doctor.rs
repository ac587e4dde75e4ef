//! Tests of the doctor: every check reports its own violation, and no other check does.

use std::{collections::BTreeSet, time::Duration};

use doctor::{CHECKS, Limits, PaymentsSource, Report, Sources};
use lapin::{BasicProperties, options::QueueDeleteOptions, types::FieldTable};
use saga::{Kind, Role, Shape, StepShape};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use testkit::{System, copy_of, eventually, eventually_some, foreign_client, publish};

use crate::{hurried, text};

/// A violation, planted by hand into the databases of a healthy system. `{completed}`, `{canceled}`
/// and `{waiting}` are orders, `{…_saga}` their sagas. `{longer}` makes the canceled saga one of
/// the plan [`longer`].
struct Plant {
    /// The check that must report it.
    check: &'static str,
    /// Other checks that rightly report it, too.
    also: &'static [&'static str],
    /// The expected subject of the finding.
    subject: &'static str,
    shop: &'static str,
    payments: &'static str,
}

const fn shop(check: &'static str, subject: &'static str, shop: &'static str) -> Plant {
    Plant {
        check,
        also: &[],
        subject,
        shop,
        payments: "",
    }
}

/// A change that the saga's journal does not contain.
const fn untold(check: &'static str, subject: &'static str, statement: &'static str) -> Plant {
    Plant {
        also: &["I11"],
        ..shop(check, subject, statement)
    }
}

const fn payments(check: &'static str, subject: &'static str, payments: &'static str) -> Plant {
    Plant {
        check,
        also: &[],
        subject,
        shop: "",
        payments,
    }
}

/// No check at all.
const NONE: &str = "none";

const PLANTS: [Plant; 31] = [
    shop(NONE, "", ""),
    shop("I11", "saga {canceled_saga}", "{longer}"),
    shop(
        "I11",
        "saga {completed_saga}",
        "update saga.journal set verdict = 'late' where saga_id = '{completed_saga}' and kind = 'signal'",
    ),
    untold(
        "I6",
        "saga {canceled_saga}",
        "{longer}; delete from saga.journal where saga_id = '{canceled_saga}' and step = 'init_payment/undo'",
    ),
    untold(
        "I1",
        "order {completed}",
        "delete from saga.journal where saga_id = '{completed_saga}' and kind = 'begun'",
    ),
    payments(
        "I2",
        "order {waiting}",
        "delete from payments.transaction where order_id = '{waiting}'",
    ),
    payments(
        "I3",
        "order {completed}",
        "update payments.transaction set amount = amount + 1 where order_id = '{completed}'",
    ),
    payments(
        "I3",
        "order {canceled}",
        "delete from payments.transaction where order_id = '{canceled}'",
    ),
    shop(
        "I4",
        "order {completed}",
        "update commerce.\"order\" set awaiting_at = null where order_id = '{completed}'",
    ),
    shop(
        "I5",
        "saga {completed_saga}",
        "insert into saga.signal (signal_id, saga_id, name, verdict, source)
         select gen_random_uuid(), saga_id, name, 'applied', 'planted'
         from saga.signal where saga_id = '{completed_saga}' and verdict = 'applied'",
    ),
    payments(
        "late-messages",
        "message 00000000-0000-7000-8000-000000000001",
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, since)
         values ('00000000-0000-7000-8000-000000000001', 'message', 'e', 'k', 't', '{}', now() - interval '1 hour')",
    ),
    payments(
        "late-outcomes",
        "order {waiting}",
        "update payments.transaction set status = 'paid', completed_at = now() where order_id = '{waiting}'",
    ),
    untold(
        "I6",
        "saga {canceled_saga}",
        "delete from saga.journal where saga_id = '{canceled_saga}' and kind = 'undone'",
    ),
    shop(
        "I7",
        "saga {waiting_saga}",
        "delete from messaging.outbox where saga_id = '{waiting_saga}'",
    ),
    shop(
        "I8",
        "product ",
        "update commerce.stock set reserved = reserved + 1
         where product_id in (select product_id from commerce.order_line where order_id = '{waiting}')",
    ),
    shop(
        "I9",
        "order {waiting}",
        r#"update commerce."order" set total_amount = total_amount + 1 where order_id = '{waiting}'"#,
    ),
    Plant {
        also: &["parked-messages"],
        ..shop(
            "I10",
            "message 00000000-0000-7000-8000-000000000002",
            "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, parked_at)
             values ('00000000-0000-7000-8000-000000000002', 'message', 'e', 'k', 't', '{}', now())",
        )
    },
    shop(
        "late-messages",
        "message 00000000-0000-7000-8000-000000000003",
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, since)
         values ('00000000-0000-7000-8000-000000000003', 'message', 'e', 'k', 't', '{}', now() - interval '1 hour')",
    ),
    shop(
        "parked-messages",
        "message 00000000-0000-7000-8000-000000000004",
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, parked_at, last_error)
         values ('00000000-0000-7000-8000-000000000004', 'message', 'e', 'k', 't', '{}', now(), 'no route')",
    ),
    shop(
        "late-work",
        "saga {waiting_saga}",
        "update messaging.outbox set due_at = now() - interval '1 hour' where saga_id = '{waiting_saga}'",
    ),
    shop(
        "nothing-wakes",
        "saga {waiting_saga}",
        "update messaging.outbox set due_at = now() + interval '10 days' where saga_id = '{waiting_saga}'",
    ),
    shop(
        "unknown-plan",
        "saga {waiting_saga}",
        "update saga.saga set plan_version = 99 where saga_id = '{waiting_saga}'",
    ),
    untold(
        "overdue-compensation",
        "saga {waiting_saga}",
        r#"update saga.saga set state = 'compensating', step = 1, undo_from = 2, deadline = null
           where saga_id = '{waiting_saga}';
           update messaging.outbox set kind = 'step', step = 'init_payment/undo' where saga_id = '{waiting_saga}';
           insert into saga.journal (saga_id, revision, n, at, kind, state)
           values ('{waiting_saga}', 90, 0, now() - interval '1 hour', 'compensation_begun', 'compensating');
           update commerce."order" set canceling = true where order_id = '{waiting}'"#,
    ),
    untold(
        "long-pause",
        "saga {waiting_saga}",
        "update saga.saga set paused = true, updated_at = now() - interval '2 days' where saga_id = '{waiting_saga}';
         delete from messaging.outbox where saga_id = '{waiting_saga}'",
    ),
    shop(
        "retention-too-short",
        "saga {waiting_saga}",
        "update saga.saga set created_at = now() - interval '60 days' where saga_id = '{waiting_saga}'",
    ),
    shop(
        "retention-behind",
        "saga {completed_saga}",
        "update saga.saga set created_at = now() - interval '60 days', updated_at = now() - interval '60 days'
         where saga_id = '{completed_saga}'",
    ),
    shop(
        "retention-behind",
        "inbox row planted",
        "insert into messaging.inbox (consumer, message_id, handled_at)
         values ('messages', 'planted', now() - interval '60 days')",
    ),
    shop(
        "stuck-jobs",
        "job planted",
        "insert into apalis.jobs (id, job_type, job, status) values ('planted', 'retention', '1', 'Failed')",
    ),
    shop(
        "trusted-events",
        "process planted",
        r#"insert into saga.heartbeat
               (process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, seen_at, notes)
           values ('planted', '{payments}', '{}', 'h', 1, '0', 0, 0, now() + interval '1 hour',
                   '{"PAYMENTS_EVENTS": "trusted"}')"#,
    ),
    Plant {
        also: &["I5"],
        ..payments(
            "parked-messages",
            "message 00000000-0000-7000-8000-000000000005",
            "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, parked_at, last_error)
             values ('00000000-0000-7000-8000-000000000005', 'message', 'e', 'k', 't', '{}', now(), 'no route')",
        )
    },
    payments(
        "I2",
        "transaction 00000000-0000-7000-8000-000000000006",
        "insert into payments.transaction (transaction_id, order_id, user_id, amount, currency, status)
         values ('00000000-0000-7000-8000-000000000006', gen_random_uuid(), gen_random_uuid(), 1, 'EUR', 'pending')",
    ),
];

/// Violations planted by other means than a statement: a session, and queues.
const PLANTED_OTHERWISE: [&str; 6] = [
    "blocking-session",
    "idle-in-transaction",
    "missing-queue",
    "unbound-queue",
    "no-consumer",
    "failed-messages",
];

/// A plan in which two remote steps are undone.
fn longer() -> Shape {
    let step = |name, kind, role| StepShape { name, kind, role };
    Shape {
        name: "checkout",
        version: 9,
        steps: vec![
            step("place_order", Kind::Local, Role::Compensable),
            step("init_payment", Kind::Remote, Role::Compensable),
            step("reserve_shipment", Kind::Remote, Role::Compensable),
            step("await_payment", Kind::Wait, Role::Pivot),
        ],
        signals: Vec::new(),
        reasons: workflows::plans()[0].reasons,
    }
}

fn made_longer() -> String {
    let hash = longer().hash();
    format!(
        "update saga.saga set plan_version = 9, plan_hash = '{hash}', undo_from = 3 where saga_id = '{{canceled_saga}}';
         insert into saga.journal (saga_id, revision, n, at, kind, step, state)
         values ('{{canceled_saga}}', 90, 0, now(), 'undone', 'reserve_shipment/undo', 'compensating')"
    )
}

fn red(report: &Report) -> BTreeSet<&'static str> {
    let all = report.violations.iter().chain(&report.warnings);
    all.map(|found| found.check).collect()
}

fn limits() -> Limits {
    Limits {
        grace: Duration::from_secs(30),
        ..Limits::default()
    }
}

async fn apply(url: &str, statements: &str) {
    if statements.is_empty() {
        return;
    }
    let mut conn = PgConnection::connect(url).await.unwrap();
    // bypasses triggers and foreign keys, as a manual change could
    let statements = format!("set session_replication_role = replica; {statements}");
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
}

#[test]
fn every_check_has_a_violation_planted() {
    let planted = PLANTS.iter().map(|plant| plant.check);
    let planted = planted.filter(|check| *check != NONE);
    let planted: BTreeSet<_> = planted.chain(PLANTED_OTHERWISE).collect();
    assert_eq!(planted, CHECKS.iter().map(|check| check.id).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_goes_red_on_its_own_violation_alone() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let mut names = vec![("{longer}".to_owned(), made_longer())];
    for (name, ends) in [("completed", true), ("canceled", true), ("waiting", false)] {
        let (_, order) = buyer.order().await;
        let (id, transaction) = (text(&order, "id"), text(&order, "transaction_id"));
        match name {
            "completed" => buyer.pay(transaction).await,
            "canceled" => drop(buyer.decide("cancel", transaction).await.unwrap()),
            _ => {}
        }
        if ends {
            buyer.awaits(id, name).await;
        }
        let saga: uuid::Uuid =
            sqlx::query_scalar(r#"select saga_id from commerce."order" where order_id = $1::uuid"#)
                .bind(id)
                .fetch_one(&system.shop)
                .await
                .unwrap();
        names.push((format!("{{{name}}}"), id.to_owned()));
        names.push((format!("{{{name}_saga}}"), saga.to_string()));
    }
    eventually("all messages to be handled", async || {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from messaging.outbox where kind = 'message'")
                .fetch_one(&system.shop)
                .await
                .unwrap();
        waiting == 0
    })
    .await;
    let mut plans = workflows::plans();
    plans.push(longer());
    for role in ["worker", "api", "payments"] {
        system.stop(role);
    }
    system.shop.close().await;
    system.payments.close().await;
    let fill = |text: &str| {
        names
            .iter()
            .fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    };
    for plant in &PLANTS {
        let (shop_url, payments_url) =
            (copy_of(&system.shop).await, copy_of(&system.payments).await);
        apply(&shop_url, &fill(plant.shop)).await;
        apply(&payments_url, &fill(plant.payments)).await;
        let (shop, payments) = (pool(&shop_url), pool(&payments_url));
        let sources = Sources {
            shop: &shop,
            payments: &PaymentsSource::database(&payments),
            amqp_url: None,
            management_url: None,
            without: &[],
            plans: &plans,
        };
        // no grace period: nothing moves any more
        let limits = Limits {
            grace: Duration::ZERO,
            ..limits()
        };
        let report = doctor::examine_all(sources, &limits).await.unwrap();
        let mut expected: BTreeSet<_> = plant.also.iter().copied().collect();
        if plant.check != NONE {
            expected.insert(plant.check);
        }
        assert_eq!(red(&report), expected, "{} {report:#?}", plant.check);
        let subject = fill(plant.subject);
        let mut all = report.violations.iter().chain(&report.warnings);
        assert!(
            plant.check == NONE
                || all
                    .any(|found| found.check == plant.check && found.subject.starts_with(&subject)),
            "{} does not name {subject}: {report:#?}",
            plant.check
        );
        shop.close().await;
        payments.close().await;
    }
}

fn pool(url: &str) -> PgPool {
    db::connect(url, &db::PoolConfig::new("doctor", 2)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_a_session_that_idles_in_a_transaction() {
    let system = System::prepare(hurried()).await;
    let mut idle = system.shop.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *idle)
        .await
        .unwrap();
    let sources = Sources {
        shop: &system.shop,
        payments: &PaymentsSource::database(&system.payments),
        amqp_url: None,
        management_url: None,
        without: &[],
        plans: &[],
    };
    let limits = Limits {
        idle: Duration::ZERO,
        ..limits()
    };
    let report = doctor::examine_all(sources, &limits).await.unwrap();
    assert_eq!(red(&report), ["idle-in-transaction"].into());
    assert_eq!(report.warnings[0].subject, format!("session {pid}"));
    let end = format!("`select pg_terminate_backend({pid})` ends it");
    assert!(report.warnings[0].what.contains(&end), "{report:?}");
    sqlx::query("lock table saga.saga in exclusive mode")
        .execute(&mut *idle)
        .await
        .unwrap();
    eventually("doctor to see what it blocks", || async {
        let report = doctor::examine_all(sources, &limits).await.unwrap();
        red(&report) == ["blocking-session", "idle-in-transaction"].into()
    })
    .await;
    idle.rollback().await.unwrap();
    let report = doctor::examine_all(sources, &limits).await.unwrap();
    assert_eq!(red(&report), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_missing_unread_and_failed_queues() {
    let system = System::start(hurried()).await;
    let management_url = std::env::var("TEST_RABBITMQ_MANAGEMENT_URL").unwrap();
    let sources = Sources {
        shop: &system.shop,
        payments: &PaymentsSource::database(&system.payments),
        amqp_url: Some(&system.amqp_url),
        management_url: Some(&management_url),
        without: &[],
        plans: &[],
    };
    let limits = limits();
    let becomes = async |expected: &[&'static str]| {
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        eventually_some(&format!("doctor to say {expected:?}"), async || {
            let report = doctor::examine_all(sources, &limits).await.unwrap();
            (red(&report) == expected).then_some(report)
        })
        .await
    };
    assert!(becomes(&[]).await.skipped.is_empty());

    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    publish(&channel, "", "failed", BasicProperties::default(), b"{}").await;
    becomes(&["failed-messages"]).await;

    system.stop("worker");
    let report = becomes(&["failed-messages", "no-consumer"]).await;
    let unread = report
        .warnings
        .iter()
        .filter(|found| found.check == "no-consumer");
    assert_eq!(unread.count(), 2, "{report:#?}");

    let delete = channel.queue_delete("messages.retry.1s".into(), QueueDeleteOptions::default());
    delete.await.unwrap();
    let report = becomes(&["failed-messages", "no-consumer", "missing-queue"]).await;
    let missing = report
        .warnings
        .iter()
        .find(|found| found.check == "missing-queue");
    assert_eq!(missing.unwrap().subject, "queue messages.retry.1s");

    // another system's queue is bound, so no event is returned as unroutable
    let unbind = channel.queue_unbind(
        "payments_events_queue".into(),
        "payments_events".into(),
        "transaction_completed".into(),
        FieldTable::default(),
    );
    unbind.await.unwrap();
    let report = becomes(&[
        "failed-messages",
        "no-consumer",
        "missing-queue",
        "unbound-queue",
    ])
    .await;
    let unbound = report
        .warnings
        .iter()
        .find(|found| found.check == "unbound-queue");
    assert_eq!(unbound.unwrap().subject, "queue payments_events_queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_doctor_cannot_look_at_is_neither_well_nor_ill() {
    let system = System::prepare(hurried()).await;
    let nobody = pool("postgres://127.0.0.1:1/nobody");
    let sources = Sources {
        shop: &system.shop,
        payments: &PaymentsSource::database(&nobody),
        amqp_url: Some("amqp://127.0.0.1:1"),
        management_url: None,
        without: &[],
        plans: &[],
    };
    let report = doctor::examine_all(sources, &limits()).await.unwrap();
    assert_eq!(red(&report), BTreeSet::new());
    // payments has no API here either
    assert_eq!(report.unavailable.len(), 4, "{:?}", report.unavailable);
    assert!(!report.is_complete());
    for id in ["I2", "I3", "I5", "failed-messages"] {
        assert!(report.skipped.contains(&id), "{id}");
        assert!(!report.made.contains(&id), "{id}");
    }
}
