//! A plan with a wait and a sleep before and after its pivot, which is a remote step.

use std::time::Duration;

use kernel::SagaId;
use saga::{
    CANCEL, Complete, Local, Plan, Remote, Saga, Signal, Sleep, SleepStep, Wait, WaitStep,
    claim::{EntryKind, claim_sagas},
};

use crate::{
    four::{Bench, WELL, fault},
    four_plans::{Books, How, L, R, Subject, Zones},
};

pub(crate) fn plan() -> Plan<Zones, Complete> {
    Plan::start()
        .compensable(Local(L::<0>))
        .compensable(Wait(Approve))
        .compensable(Sleep(Pause::<2>))
        .compensable(Remote(R::<3>))
        .pivot(Remote(R::<4>))
        .retryable(Wait(Deliver))
        .retryable(Sleep(Pause::<6>))
        .retryable(Local(L::<7>))
}

struct Approve;

impl<S: Subject> WaitStep<S> for Approve {
    const NAME: &'static str = "approve";
    const SIGNALS: &'static [Signal] = &[Signal::proceed("approved"), Signal::abort("declined")];

    fn deadline(_: &S) -> Duration {
        Duration::from_hours(1)
    }
}

struct Deliver;

impl<S: Subject> WaitStep<S> for Deliver {
    const NAME: &'static str = "deliver";
    const SIGNALS: &'static [Signal] = &[Signal::proceed("delivered")];

    fn deadline(_: &S) -> Duration {
        Duration::from_hours(1)
    }
}

struct Pause<const N: usize>;

impl<S: Subject, const N: usize> SleepStep<S> for Pause<N> {
    const NAME: &'static str = ["", "", "cool_off", "", "", "", "hold", ""][N];

    fn duration(_: &S) -> Duration {
        Duration::from_hours(1)
    }
}

impl Bench<Zones> {
    /// Lets the time of the wait or the sleep pass, so that its timer is due.
    async fn time_passes(&self, saga: SagaId) {
        for due in [
            "update saga.saga set deadline = clock_timestamp() - interval '1 s' where saga_id = $1",
            "update messaging.outbox set due_at = clock_timestamp() where saga_id = $1 and kind = 'timer'",
        ] {
            let passed = sqlx::query(due).bind(saga.uuid()).execute(&self.pool).await;
            assert_eq!(passed.unwrap().rows_affected(), 1, "it waits: {due}");
        }
        let plans = self.engine.plan_keys();
        let mut conn = self.pool.acquire().await.unwrap();
        let lease = self.engine.config().lease;
        let claims = claim_sagas(&mut conn, self.engine.holder(), &plans, lease, 10).await;
        let timers: Vec<_> = claims
            .unwrap()
            .into_iter()
            .filter(|it| it.kind == EntryKind::Timer)
            .collect();
        assert_eq!(timers.len(), 1);
        self.engine.timers(&timers).await;
    }

    async fn step(&self, saga: SagaId) -> i16 {
        sqlx::query_scalar("select step from saga.saga where saga_id = $1")
            .bind(saga.uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// A saga that was approved and has slept, so that its remote steps are due.
    async fn approved(&self, fault: crate::four_plans::Fault) -> SagaId {
        let saga = self.start(fault).await;
        self.signal(saga, "approved").await;
        assert_eq!(
            (self.state(saga).await, self.step(saga).await),
            ("waiting".to_owned(), 2)
        );
        self.time_passes(saga).await;
        saga
    }

    /// Checks that every invariant holds and that each journal replays.
    async fn assert_whole(&self) {
        let plans = [Zones::plan().shape()];
        let report = doctor::examine(&self.pool, None, &plans, Duration::ZERO)
            .await
            .unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }

    async fn books(&self, saga: SagaId) -> (Vec<i32>, Vec<i32>) {
        let books = Books::of(&self.pool, saga.uuid()).await;
        (books.effects, books.undone)
    }
}

#[tokio::test]
async fn waits_and_sleeps_stand_in_every_zone() {
    let bench = Bench::<Zones>::open().await;
    let saga = bench.approved(WELL).await;
    bench.until(saga, "waiting", 1).await;
    assert_eq!(bench.step(saga).await, 5);
    bench.time_passes(saga).await;
    assert_eq!(
        bench.step(saga).await,
        5,
        "a wait after the pivot is never given up"
    );
    let ahead: bool = sqlx::query_scalar(
        "select deadline > clock_timestamp() and due_at = deadline
         from saga.saga join messaging.outbox using (saga_id) where saga_id = $1",
    )
    .bind(saga.uuid())
    .fetch_one(&bench.pool)
    .await
    .unwrap();
    assert!(ahead, "its wait begins anew");
    bench.signal(saga, "delivered").await;
    assert_eq!(bench.step(saga).await, 6);
    bench.time_passes(saga).await;
    assert_eq!(bench.state(saga).await, "completed");
    assert_eq!(bench.books(saga).await, (vec![0, 3, 4, 7], vec![]));
    bench.assert_whole().await;
}

#[tokio::test]
async fn a_later_waits_signal_is_kept_until_then() {
    let bench = Bench::<Zones>::open().await;
    let saga = bench.start(WELL).await;
    bench.signal(saga, "delivered").await;
    assert_eq!(
        (bench.state(saga).await, bench.step(saga).await),
        ("waiting".to_owned(), 1)
    );
    bench.signal(saga, "approved").await;
    bench.time_passes(saga).await;
    bench.until(saga, "waiting", 1).await;
    assert_eq!(bench.step(saga).await, 6, "it was delivered already");
    bench.assert_whole().await;
}

#[tokio::test]
async fn an_unanswered_pivot_is_repeated_and_a_refused_one_compensated() {
    let bench = Bench::<Zones>::open().await;
    for how in [How::Lost, How::NoAnswer, How::NeverLeft, How::Panic] {
        let saga = bench.approved(fault(4, false, how, 2)).await;
        bench.until(saga, "waiting", 1).await;
        assert_eq!(bench.books(saga).await, (vec![0, 3, 4], vec![]));
        bench.assert_whole().await;
    }
    let saga = bench.approved(fault(4, false, How::Refused, 1)).await;
    bench.until(saga, "compensated", 1).await;
    assert_eq!(bench.books(saga).await, (vec![0, 3], vec![3, 0]));
    bench.assert_whole().await;
}

#[tokio::test]
async fn a_cancel_refusal_or_deadline_ends_a_wait() {
    let bench = Bench::<Zones>::open().await;
    for end in ["declined", CANCEL, "the deadline"] {
        let saga = bench.start(WELL).await;
        match end {
            "the deadline" => bench.time_passes(saga).await,
            signal => bench.signal(saga, signal).await,
        }
        assert_eq!(bench.state(saga).await, "compensated", "{end}");
        assert_eq!(bench.books(saga).await, (vec![0], vec![0]), "{end}");
        bench.assert_whole().await;
    }
    let asleep = bench.start(WELL).await;
    bench.signal(asleep, "approved").await;
    bench.signal(asleep, CANCEL).await;
    assert_eq!(bench.state(asleep).await, "compensated");
    bench.assert_whole().await;
}
