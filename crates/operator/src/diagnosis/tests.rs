//! A table of cases: each rule, the cases next to it, and the order of precedence.

mod blocked;

use chrono::TimeDelta;
use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn plan() -> PlanKey {
    PlanKey {
        name: "checkout".to_owned(),
        version: 1,
        hash: "0123456789abcdef".to_owned(),
    }
}

fn worker(roles: &str, seen: i64) -> Process {
    Process {
        process: format!("worker-{}", roles.replace(' ', "")),
        roles: roles.split(' ').map(ToOwned::to_owned).collect(),
        plans: vec![saga::heartbeat::plan_name(&plan())],
        host: "shop-1".to_owned(),
        pid: 42,
        version: "0.1.0".to_owned(),
        lease_ms: 5_000,
        retry_budget_ms: 900_000,
        started_at: ago(3600),
        seen_at: ago(seen),
        stopped_at: None,
    }
}

fn world() -> World {
    World {
        now: now(),
        plans: vec![plan()],
        processes: vec![worker("saga", 1)],
        lease: Duration::from_secs(5),
        retry_budget: Duration::from_mins(15),
        due: 7,
        blocking: Observed::Available(Vec::new()),
        queue: Observed::Available(Some(Queue {
            messages: 0,
            retrying: 0,
            consumers: 1,
        })),
        unavailable: Vec::new(),
    }
}

fn payment(status: &str, decided: Option<i64>) -> Payment {
    Payment {
        transaction_id: transaction(),
        status: Stored::read(status.to_owned()),
        amount: Some(money(1200, "EUR")),
        decided_at: decided.map(ago),
    }
}

fn money(amount: i64, currency: &str) -> Money {
    Money::new(amount, currency.parse().unwrap())
}

fn transaction() -> TransactionId {
    TransactionId::from(uuid::Uuid::from_u128(3))
}

fn entry(step: &str, due_in: i64, attempt: i32) -> Entry {
    Entry {
        timer: step == "await_payment",
        step: step.to_owned(),
        since: ago(60),
        due_at: ago(-due_in),
        attempt,
        holder: Some("worker-saga".to_owned()),
        last_error: None,
    }
}

fn facts(state: &str, entry: Option<Entry>) -> Facts {
    Facts {
        saga_id: SagaId::from(uuid::Uuid::from_u128(1)),
        plan: plan(),
        state: Stored::read(state.to_owned()),
        paused: false,
        deadline: Some(ago(-1800)),
        moved_at: ago(60),
        compensating_since: None,
        pause: None,
        breach: None,
        order_id: Some(OrderId::from(uuid::Uuid::from_u128(2))),
        transaction_id: Some(transaction()),
        total: Some(money(1200, "EUR")),
        entry,
        attempts: Vec::new(),
        payment: Observed::Available(None),
        unpublished: Observed::Available(None),
        failed: Observed::Available(Vec::new()),
        locked: Vec::new(),
    }
}

fn finished(attempt: i32, kind: &str) -> FinishedAttempt {
    FinishedAttempt {
        attempt,
        fact: serde_json::from_value(json!({ "kind": kind })).unwrap(),
        detail: Some("it said so".to_owned()),
    }
}

fn running(due_in: i64, attempt: i32, kinds: &[&str]) -> Facts {
    let mut facts = facts("running", Some(entry("init_payment", due_in, attempt)));
    let numbers = (1..=attempt).rev();
    let ends = kinds.iter().zip(numbers);
    facts.attempts = ends.map(|(kind, number)| finished(number, kind)).collect();
    facts
}

fn undoing(due_in: i64, since: i64) -> Facts {
    let mut facts = facts("compensating", Some(entry("init_payment/undo", due_in, 1)));
    facts.attempts = vec![finished(1, "transient")];
    facts.compensating_since = Some(ago(since));
    facts
}

fn waiting(status: &str, decided: Option<i64>) -> Facts {
    let mut facts = facts("waiting", Some(entry("await_payment", 1800, 0)));
    facts.payment = Observed::Available(Some(payment(status, decided)));
    facts
}

fn message(parked: bool, refusal: Option<Refusal>) -> Observed<Option<Unpublished>> {
    Observed::Available(Some(Unpublished {
        message_id: "m-1".to_owned(),
        since: ago(30),
        attempt: 2,
        parked,
        refusal: refusal.map(Into::into),
        last_error: Some("it said so".to_owned()),
    }))
}

fn failed(kind: FailureKind) -> Observed<Vec<FailedMessage>> {
    Observed::Available(vec![FailedMessage {
        message_id: Some("m-2".to_owned()),
        queue: Some(EVENTS.to_owned()),
        routing_key: "transaction_completed".to_owned(),
        reason: Some("it cannot be handled".to_owned()),
        kind: Some(kind.into()),
    }])
}

fn queue(messages: u32, retrying: u32, consumers: u32) -> World {
    let queue = Queue {
        messages,
        retrying,
        consumers,
    };
    World {
        queue: Observed::Available(Some(queue)),
        ..world()
    }
}

#[track_caller]
fn is(code: Code, confidence: Confidence, facts: &Facts, world: &World) -> Diagnosis {
    let diagnosis = diagnose(facts, world);
    assert_eq!(
        (diagnosis.code, diagnosis.confidence),
        (code, confidence),
        "{diagnosis:#?}"
    );
    let names: Vec<_> = diagnosis
        .evidence
        .iter()
        .map(|evidence| evidence.name)
        .collect();
    for name in code.about().evidence {
        assert!(names.contains(name), "{code} promises {name}: {names:?}");
    }
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "each once: {names:?}");
    assert!(diagnosis.since <= world.now);
    for step in &diagnosis.next {
        assert!(step.command.starts_with("shopctl "), "{step:?}");
        assert!(
            !step.command.contains(['$', '<', '>', '`', '\n']),
            "safe to paste: {step:?}"
        );
    }
    assert!(!diagnosis.next.is_empty());
    diagnosis
}

#[track_caller]
fn certainly(code: Code, facts: &Facts, world: &World) -> Diagnosis {
    is(code, Confidence::Certain, facts, world)
}

#[track_caller]
fn likely(code: Code, facts: &Facts, world: &World) -> Diagnosis {
    is(code, Confidence::Likely, facts, world)
}

#[track_caller]
fn value<'a>(diagnosis: &'a Diagnosis, name: &str) -> &'a str {
    let mut evidence = diagnosis.evidence.iter();
    let found = evidence.find(|evidence| evidence.name == name);
    &found
        .unwrap_or_else(|| panic!("no {name} in {diagnosis:#?}"))
        .value
}

#[test]
fn at_rest_is_healthy_unless_the_payment_contradicts() {
    let mut done = facts("completed", None);
    done.payment = Observed::Available(Some(payment("paid", Some(60))));
    certainly(Code::Healthy, &done, &world());
    done.payment = Observed::Unavailable;
    likely(Code::Healthy, &done, &world());
    for (state, status) in [
        ("completed", "pending"),
        ("completed", "canceled"),
        ("compensated", "paid"),
        ("compensated", "pending"),
    ] {
        let mut facts = facts(state, None);
        facts.payment = Observed::Available(Some(payment(status, None)));
        let diagnosis = certainly(Code::PaymentMismatch, &facts, &world());
        assert!(value(&diagnosis, "what").contains(status));
    }
    let mut undone = facts("compensated", None);
    undone.payment = Observed::Available(Some(payment("canceled", Some(9))));
    certainly(Code::Healthy, &undone, &world());
    undone.breach = Some("a fact contradicts".to_owned());
    certainly(Code::Healthy, &undone, &world()); // payments and the saga agree since
    undone.payment = Observed::Unavailable;
    certainly(Code::PaymentMismatch, &undone, &world());
}

#[test]
fn a_paused_saga_is_in_an_operators_hands() {
    let mut paused = facts("waiting", None);
    paused.paused = true;
    paused.pause = Some(Pause {
        by: "ann".to_owned(),
        why: "looking".to_owned(),
        at: ago(600),
    });
    paused.plan.version = 99;
    let diagnosis = certainly(Code::PausedBy, &paused, &world());
    assert_eq!(value(&diagnosis, "by"), "ann");
    assert_eq!(value(&diagnosis, "why"), "looking");
    assert_eq!(diagnosis.since, ago(600));
    let first = &diagnosis.next[0].command;
    assert_eq!(
        first, "shopctl saga check-compat",
        "this program cannot resume it"
    );
    paused.plan.version = 1;
    let diagnosis = certainly(Code::PausedBy, &paused, &world());
    let first = &diagnosis.next[0].command;
    assert!(first.starts_with("shopctl saga resume "), "{first}");
}

#[test]
fn a_plan_without_program_or_live_worker_is_unknown() {
    let mut foreign = running(-60, 0, &[]);
    foreign.plan.version = 2;
    let mut world = world();
    let diagnosis = certainly(Code::UnknownPlanVersion, &foreign, &world);
    let first = &diagnosis.next[0].command;
    assert!(first.starts_with("shopctl saga pause "), "{first}");
    let mut there = worker("saga", 1);
    there.plans = vec!["checkout/2/0123456789abcdef".to_owned()];
    world.processes.push(there);
    certainly(Code::QueueBacklog, &foreign, &world);
    world.processes[1].seen_at = ago(9);
    certainly(Code::UnknownPlanVersion, &foreign, &world);
    world.plans.push(foreign.plan.clone());
    certainly(Code::NoWorker, &foreign, &world);
}

#[test]
fn what_was_paid_must_be_what_was_ordered() {
    let changes: [fn(&mut Payment); 3] = [
        |payment| payment.amount = Some(money(1, "EUR")),
        |payment| payment.amount = Some(money(1200, "USD")),
        |payment| payment.transaction_id = TransactionId::from(uuid::Uuid::from_u128(9)),
    ];
    for change in changes {
        let mut facts = waiting("paid", Some(60));
        let mut paid = payment("paid", Some(60));
        change(&mut paid);
        facts.payment = Observed::Available(Some(paid));
        certainly(Code::PaymentMismatch, &facts, &world());
    }
    let mut facts = waiting("pending", None);
    facts.payment = Observed::Available(None);
    certainly(Code::PaymentMismatch, &facts, &world()); // the transaction existed before
    facts.transaction_id = None; // of a workflow that no payment belongs to
    certainly(Code::WaitingForSignal, &facts, &world());
    let facts = running(30, 2, &["lost", "contradicted"]);
    certainly(Code::PaymentMismatch, &facts, &world());
    let mut facts = waiting("paid", Some(60));
    facts.failed = failed(FailureKind::PaymentMismatch);
    certainly(Code::PaymentMismatch, &facts, &world());
    let mut tombstone = undoing(30, 60);
    let mut canceled = payment("canceled", Some(60));
    canceled.amount = None;
    tombstone.payment = Observed::Available(Some(canceled));
    certainly(Code::RetryBackoff, &tombstone, &world());
}

#[test]
fn canceling_ends_the_mismatch_of_an_unpaid_order() {
    let mut facts = waiting("pending", None);
    facts.failed = failed(FailureKind::PaymentMismatch);
    let diagnosis = certainly(Code::PaymentMismatch, &facts, &world());
    let first = &diagnosis.next[0].command;
    assert!(first.starts_with("shopctl saga cancel"), "{first}");
    facts.payment = Observed::Available(Some(payment("paid", Some(60))));
    let diagnosis = certainly(Code::PaymentMismatch, &facts, &world());
    let offers = |verb| {
        diagnosis
            .next
            .iter()
            .any(|step| step.command.contains(verb))
    };
    assert!(!offers("saga cancel"), "{diagnosis:?}");
    let mut canceled = self::facts("compensated", None);
    canceled.failed = failed(FailureKind::PaymentMismatch);
    let mut other = payment("canceled", Some(5));
    other.amount = Some(money(1, "EUR"));
    canceled.payment = Observed::Available(Some(other));
    certainly(Code::Healthy, &canceled, &world());
}

#[test]
fn a_mismatch_is_reported_in_money_not_in_minor_units() {
    for (currency, expected) in [
        ("EUR", ["12.00 EUR", "12.01 EUR"]),
        ("JPY", ["1200 JPY", "1201 JPY"]),
        ("KWD", ["1.200 KWD", "1.201 KWD"]),
    ] {
        let mut facts = waiting("paid", Some(60));
        facts.total = Some(money(1200, currency));
        let mut paid = payment("paid", Some(60));
        paid.amount = Some(money(1201, currency));
        facts.payment = Observed::Available(Some(paid));
        let diagnosis = certainly(Code::PaymentMismatch, &facts, &world());
        let text = format!("{diagnosis:?}");
        for amount in expected {
            assert!(text.contains(amount), "{text}");
        }
    }
}

#[test]
fn without_an_entry_nothing_wakes_it() {
    for state in ["running", "compensating"] {
        certainly(Code::JobLost, &facts(state, None), &world());
    }
}

#[test]
fn an_unfinished_attempt_holds_the_lease() {
    let held = running(3, 2, &[]);
    let diagnosis = certainly(Code::LeaseHeld, &held, &world());
    assert!(value(&diagnosis, "by").starts_with("worker-saga (saga on shop-1, pid 42"));
    let mut other = held.clone();
    other.entry.as_mut().unwrap().holder = Some("worker-gone".to_owned());
    let diagnosis = likely(Code::LeaseHeld, &other, &world());
    assert_eq!(value(&diagnosis, "by"), "worker-gone (gone)");
    assert!(diagnosis.next[0].command.starts_with("shopctl saga retry"));
    let expired = running(-1, 2, &[]);
    certainly(Code::LeaseExpired, &expired, &world());
    let nobody = World {
        processes: vec![worker("payments", 1), worker("saga", 60)],
        ..world()
    };
    let diagnosis = certainly(Code::NoWorker, &expired, &nobody);
    let silent = format!("{}, when worker-saga fell silent", at(ago(60)));
    assert_eq!(value(&diagnosis, "last_seen"), silent);
    // an earlier attempt ended, which says nothing about this one
    let mut second = running(3, 2, &[]);
    second.attempts = vec![finished(1, "transient")];
    certainly(Code::LeaseHeld, &second, &world());
    let mut timer = waiting("pending", None);
    timer.entry = Some(entry("await_payment", 3, 1));
    certainly(Code::LeaseHeld, &timer, &world());
}

#[test]
fn what_is_due_waits_for_a_worker_or_behind_others() {
    let just = running(-1, 0, &[]);
    certainly(Code::Healthy, &just, &world());
    let long = running(-5, 0, &[]);
    let diagnosis = certainly(Code::QueueBacklog, &long, &world());
    assert_eq!(value(&diagnosis, "messages"), "7");
    let nobody = World {
        processes: Vec::new(),
        ..world()
    };
    for late in [just, long, running(-5, 1, &["transient"])] {
        certainly(Code::NoWorker, &late, &nobody);
    }
    let mut deadline = waiting("pending", None);
    deadline.entry = Some(entry("await_payment", -60, 0));
    certainly(Code::QueueBacklog, &deadline, &world());
    certainly(Code::NoWorker, &deadline, &nobody);
}

#[test]
fn a_compensation_is_overdue_after_a_quarter_of_an_hour() {
    certainly(Code::RetryBackoff, &undoing(30, 899), &world());
    let diagnosis = certainly(Code::CompensationOverdue, &undoing(30, 900), &world());
    assert_eq!(diagnosis.since, ago(900));
    let mut held = undoing(3, 2000);
    held.attempts.clear();
    certainly(Code::CompensationOverdue, &held, &world()); // not reset by an attempt
    held.entry.as_mut().unwrap().due_at = ago(1);
    certainly(Code::LeaseExpired, &held, &world());
}

#[test]
fn three_failures_in_a_row_are_no_bad_luck() {
    let world = world();
    certainly(Code::RetryBackoff, &running(5, 1, &["transient"]), &world);
    certainly(
        Code::RetryBackoff,
        &running(5, 2, &["unknown", "unknown"]),
        &world,
    );
    let unreachable = running(5, 3, &["transient"; 3]);
    certainly(Code::ParticipantUnreachable, &unreachable, &world);
    let unknown = running(5, 3, &["unknown"; 3]);
    certainly(Code::OutcomeUnknown, &unknown, &world);
    let mixed = running(5, 3, &["transient", "unknown", "transient"]);
    certainly(Code::OutcomeUnknown, &mixed, &world);
    let long_ago = running(5, 4, &["transient", "transient", "transient", "unknown"]);
    certainly(Code::ParticipantUnreachable, &long_ago, &world);
    // the fault stays the same while the next attempt is due or under way
    certainly(
        Code::ParticipantUnreachable,
        &running(-1, 3, &["transient"; 3]),
        &world,
    );
    let mut fourth = running(3, 4, &[]);
    fourth.attempts = (1..=3).rev().map(|n| finished(n, "unknown")).collect();
    let diagnosis = certainly(Code::OutcomeUnknown, &fourth, &world);
    assert!(value(&diagnosis, "next_at").starts_with("now, by worker-saga"));
    certainly(Code::RetryBackoff, &running(-1, 1, &["transient"]), &world);
    let diagnosis = certainly(Code::RetryBackoff, &running(5, 1, &["transient"]), &world);
    assert_eq!(value(&diagnosis, "budget_left"), "840 s");
    let undo = certainly(Code::RetryBackoff, &undoing(30, 60), &world);
    assert!(value(&undo, "budget_left").starts_with("without end"));
}

#[test]
fn an_undecided_payment_is_waited_for() {
    let diagnosis = certainly(Code::WaitingForSignal, &waiting("pending", None), &world());
    assert_eq!(value(&diagnosis, "status"), "pending");
    assert!(!diagnosis.stuck);
    let diagnosis = certainly(Code::WaitingForSignal, &waiting("paid", Some(4)), &world());
    assert_eq!(
        value(&diagnosis, "status"),
        "paid",
        "its news takes a moment"
    );
    let mut unavailable = waiting("pending", None);
    unavailable.payment = Observed::Unavailable;
    unavailable.unpublished = Observed::Unavailable;
    let blind = World {
        unavailable: vec!["payments: away".to_owned()],
        ..world()
    };
    let diagnosis = likely(Code::WaitingForSignal, &unavailable, &blind);
    assert_eq!(diagnosis.unavailable, ["payments: away"]);
    unavailable.failed = failed(FailureKind::Undecodable);
    certainly(Code::MessageFailed, &unavailable, &blind);
}

#[test]
fn a_decision_is_sought_along_its_way() {
    let decided = || waiting("paid", Some(60));
    let mut facts = decided();
    facts.unpublished = message(false, None);
    let diagnosis = certainly(Code::OutboxUnpublished, &facts, &world());
    assert_eq!(value(&diagnosis, "age"), "30 s");
    facts.unpublished = message(false, Some(Refusal::Unroutable));
    certainly(Code::Unroutable, &facts, &world());
    facts.unpublished = message(true, Some(Refusal::Refused));
    certainly(Code::Unroutable, &facts, &world());
    let mut facts = decided();
    facts.failed = failed(FailureKind::Undecodable);
    certainly(Code::MessageFailed, &facts, &queue(3, 0, 0));
    certainly(Code::QueueWithoutConsumer, &decided(), &queue(1, 0, 0));
    certainly(Code::QueueWithoutConsumer, &decided(), &queue(0, 1, 0));
    likely(Code::QueueBacklog, &decided(), &queue(9, 0, 1));
    likely(Code::QueueBacklog, &decided(), &queue(0, 1, 1));
    // only an entry that exists can be claimed
    let missed = certainly(Code::PaymentEventLost, &decided(), &queue(0, 0, 0));
    let command = &missed.next[0].command;
    assert!(
        command.contains(" transaction_completed --reason "),
        "{command}"
    );
    likely(Code::PaymentEventLost, &decided(), &queue(0, 0, 2));
    let canceled = waiting("canceled", Some(60));
    let missed = certainly(Code::PaymentEventLost, &canceled, &queue(0, 0, 0));
    assert!(
        missed.next[0]
            .command
            .contains(" transaction_canceled --reason ")
    );
}

#[test]
fn without_the_broker_or_payments_outbox_less_is_sure() {
    let decided = waiting("paid", Some(60));
    let blind = World {
        queue: Observed::Unavailable,
        ..world()
    };
    likely(Code::PaymentEventLost, &decided, &blind);
    let mut service = decided;
    service.unpublished = Observed::Unavailable;
    likely(Code::QueueWithoutConsumer, &service, &queue(1, 0, 0));
    likely(Code::PaymentEventLost, &service, &queue(0, 0, 0));
}

#[test]
fn a_message_with_a_broken_body_is_edited_first() {
    let commands = |facts: &Facts| {
        let diagnosis = certainly(Code::MessageFailed, facts, &world());
        let commands = diagnosis.next.into_iter().map(|step| step.command);
        commands.collect::<Vec<_>>()
    };
    let starts = |commands: &[String], expected: &[&str]| {
        let all = commands.len() > expected.len();
        let mut both = commands.iter().zip(expected);
        all && both.all(|(command, start)| command.starts_with(start))
    };
    let [edit, signal, show] = [
        "shopctl failed edit m-2 ",
        "shopctl saga signal ",
        "shopctl failed show m-2",
    ];
    let mut facts = waiting("paid", Some(60));
    for kind in [FailureKind::Undecodable, FailureKind::Contradictory] {
        facts.failed = failed(kind);
        let commands = commands(&facts);
        assert!(starts(&commands, &[edit, signal, show]), "{commands:?}");
        assert!(!commands.iter().any(|command| command.contains(" retry ")));
        let body = commands[0].split('\'').nth(1).unwrap();
        let key = "transaction_completed";
        let event = contracts::decode::payment_event(body.as_bytes(), key).unwrap();
        assert_eq!(event.transaction_id, transaction());
        assert_eq!(event.at, ago(60));
    }
    // sent again as it is, it may be handled
    facts.failed = failed(FailureKind::UnknownSubject);
    let handled = commands(&facts);
    let retry = "shopctl failed retry m-2 ";
    assert!(starts(&handled, &[signal, show, retry]), "{handled:?}");
    // no edit makes an event of a payment say that it is canceled
    let mut canceled = waiting("canceled", Some(60));
    canceled.failed = failed(FailureKind::Undecodable);
    let canceled = commands(&canceled);
    assert!(starts(&canceled, &[signal, show]), "{canceled:?}");
    facts.failed = failed(FailureKind::Undecodable);
    facts.payment = Observed::Unavailable;
    let blind = commands(&facts);
    assert!(starts(&blind, &[edit, show]), "{blind:?}");
}

#[test]
fn messages_left_behind_by_a_finished_order_are_closed() {
    let mut facts = facts("completed", None);
    facts.payment = Observed::Available(Some(payment("paid", Some(60))));
    let rest = certainly(Code::Healthy, &facts, &world());
    assert!(rest.evidence.iter().all(|it| it.name != "left_behind"));
    facts.failed = failed(FailureKind::Undecodable);
    facts.unpublished = message(true, Some(Refusal::Unroutable));
    let left = certainly(Code::Healthy, &facts, &world());
    assert_eq!(
        value(&left, "left_behind"),
        "message m-2 in failed, message m-1 parked at payments"
    );
    for (step, start) in left.next.iter().zip([
        "shopctl failed drop m-2 --settle ",
        "shopctl outbox retry m-1 ",
    ]) {
        assert!(step.command.starts_with(start), "{step:?}");
    }
    // a live order may still need them
    let mut live = waiting("pending", None);
    live.failed = failed(FailureKind::Undecodable);
    let waits = certainly(Code::WaitingForSignal, &live, &world());
    assert!(!format!("{:?}", waits.next).contains("--settle"));
}

#[test]
fn an_id_unsafe_for_a_shell_is_not_pasted() {
    let mut facts = waiting("paid", Some(60));
    facts.failed = Observed::Available(vec![FailedMessage {
        kind: None,
        message_id: Some("x; rm -rf".to_owned()),
        queue: None,
        routing_key: String::new(),
        reason: None,
    }]);
    let diagnosis = certainly(Code::MessageFailed, &facts, &world());
    assert!(
        !diagnosis
            .next
            .iter()
            .any(|step| step.command.contains("rm"))
    );
}

fn stopped(seconds: i64) -> World {
    let mut gone = worker("saga", seconds);
    gone.stopped_at = Some(gone.seen_at);
    World {
        processes: vec![gone],
        ..world()
    }
}

#[test]
fn a_lease_of_a_stopped_process_offers_retry_first() {
    let diagnosis = likely(Code::LeaseHeld, &running(3, 2, &[]), &stopped(1));
    assert!(value(&diagnosis, "by").contains("stopped at"));
    assert!(diagnosis.next[0].command.starts_with("shopctl saga retry"));
    let diagnosis = certainly(Code::LeaseHeld, &running(3, 2, &[]), &world());
    assert!(diagnosis.next[0].command.starts_with("shopctl saga watch"));
}

#[test]
fn the_last_worker_is_remembered_after_its_graceful_stop() {
    let diagnosis = certainly(Code::NoWorker, &running(-6, 0, &[]), &stopped(3));
    let stopped = format!("{}, when worker-saga stopped", at(ago(3)));
    assert_eq!(value(&diagnosis, "last_seen"), stopped);
}
