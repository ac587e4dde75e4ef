//! Sessions that block sagas.

use super::*;
use crate::blocking::Row;

fn prompt(row_locks: &[&str], table_locks: &[&str]) -> World {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let session = BlockingSession {
        pid: 4711,
        application: Some("psql".to_owned()),
        user: Some("postgres".to_owned()),
        client: None,
        state: Some("idle in transaction".to_owned()),
        since: Some(ago(600)),
        statement: Some("select * from saga.saga".to_owned()),
        row_locks: texts(row_locks),
        table_locks: texts(table_locks),
        waiting: vec![12],
        xids: Vec::new(),
        queued_xids: Vec::new(),
    };
    World {
        blocking: Observed::Available(vec![session]),
        ..world()
    }
}

fn locked(mut facts: Facts, row: Row) -> Facts {
    facts.locked = vec![LockedRow {
        saga_id: facts.saga_id,
        pid: 4711,
        row,
        queued: false,
    }];
    facts
}

#[test]
fn a_session_locking_a_sagas_rows_is_the_certain_cause() {
    let beside = prompt(&["saga.saga"], &[]);
    let rows = [
        Row::Saga,
        Row::Entry,
        Row::Order,
        Row::Stock(uuid::Uuid::from_u128(5)),
    ];
    for row in rows {
        for facts in [
            running(-60, 1, &[]),
            waiting("paid", Some(60)),
            undoing(30, 60),
        ] {
            let diagnosis = certainly(Code::BlockedBySession, &locked(facts, row), &beside);
            assert!(value(&diagnosis, "session").starts_with("4711 (psql, user postgres"));
            assert_eq!(value(&diagnosis, "locked"), row.to_string());
            let first = &diagnosis.next[0].command;
            assert!(first.starts_with("shopctl db end-session 4711 "), "{first}");
        }
    }
    let table = prompt(&[], &["commerce.stock AccessExclusiveLock"]);
    certainly(Code::BlockedBySession, &running(-60, 1, &[]), &table);
    let mut done = locked(facts("completed", None), Row::Saga);
    done.payment = Observed::Available(Some(payment("paid", Some(60))));
    certainly(Code::Healthy, &done, &beside);
}

#[test]
fn beside_a_blocking_session_idle_workers_prove_nothing() {
    let beside = prompt(&["saga.saga"], &[]);
    for (facts, otherwise) in [
        (running(-60, 1, &[]), "lease-expired"),
        (running(-60, 0, &[]), "queue-backlog"),
        (waiting("paid", Some(60)), "payment-event-lost"),
    ] {
        let diagnosis = likely(Code::BlockedBySession, &facts, &beside);
        assert!(value(&diagnosis, "otherwise").starts_with(otherwise));
    }
    let with_queue = |processes: Vec<Process>| World {
        blocking: prompt(&["saga.saga"], &[]).blocking,
        processes,
        ..queue(1, 0, 0)
    };
    let paid = waiting("paid", Some(60));
    let consumer = with_queue(vec![worker("saga", 1), worker("payments", 1)]);
    likely(Code::BlockedBySession, &paid, &consumer);
    let none = with_queue(vec![worker("saga", 1)]);
    likely(Code::QueueWithoutConsumer, &paid, &none);
}

#[test]
fn beside_a_blocking_session_no_other_cause_is_certain() {
    let beside = prompt(&["messaging.outbox"], &[]);
    let diagnosis = likely(Code::WaitingForSignal, &waiting("pending", None), &beside);
    assert!(value(&diagnosis, "blocks_others").contains("session 4711 (psql"));
    likely(Code::LeaseHeld, &running(3, 2, &[]), &beside);
    likely(Code::RetryBackoff, &undoing(30, 60), &beside);
    // what the rows themselves say stays certain
    certainly(Code::JobLost, &facts("running", None), &beside);
}

#[test]
fn without_known_locks_idle_workers_are_only_likely_the_cause() {
    let unavailable = World {
        blocking: Observed::Unavailable,
        ..world()
    };
    likely(Code::LeaseExpired, &running(-60, 1, &[]), &unavailable);
    likely(Code::QueueBacklog, &running(-60, 0, &[]), &unavailable);
    certainly(Code::RetryBackoff, &undoing(30, 60), &unavailable);
}
