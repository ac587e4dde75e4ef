//! Four tests that any plan must pass, modeled on the tests that Oxide's omicron runs on each of
//! its sagas (nexus/src/app/sagas/test_helpers.rs): every step twice, every undo twice, every step
//! failing once, every undo failing for a long time. Here they run on plans of every kind, in
//! `four_checkout` on checkout.

use std::marker::PhantomData;

use kernel::{SagaId, SignalId, TraceRef};
use messaging::Wakeup;
use saga::{CANCEL, Engine, Kind, NewSaga, NewSignal, Registry, Role, Runner, claim::claim_sagas};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    four_plans::{BOOKS, Books, Fault, How, Input, Locals, Mixed, OnlyWait, Remotes, Subject},
    shop::quick,
};

pub(crate) const WELL: Fault = Fault {
    step: usize::MAX,
    undo: false,
    how: How::Well,
    tries: 0,
};

/// More failures than the backoff takes to reach its cap.
const LONG: i64 = 25;

pub(crate) struct Bench<S: Subject> {
    pub(crate) pool: PgPool,
    pub(crate) engine: Engine,
    runner: Runner<PgPool>,
    plan: PhantomData<S>,
}

impl<S: Subject> Bench<S> {
    pub(crate) async fn open() -> Self {
        let pool = testkit::shop_db().await;
        sqlx::raw_sql(BOOKS).execute(&pool).await.unwrap();
        let registry = Registry::<_, ()>::default().with(S::new());
        let engine = Engine::new(&registry, pool.clone(), quick(), Wakeup::default()).unwrap();
        Self {
            runner: Runner::new(engine.clone(), &registry, pool.clone()),
            pool,
            engine,
            plan: PhantomData,
        }
    }

    /// Indices of the steps of this role and kind.
    fn steps(wanted: impl Fn(Role, Kind) -> bool) -> Vec<usize> {
        let steps = S::plan().shape().steps.into_iter().enumerate();
        steps
            .filter(|(_, step)| wanted(step.role, step.kind))
            .map(|(index, _)| index)
            .collect()
    }

    /// Starts a saga with this fault; a start that the database refuses is retried.
    pub(crate) async fn start(&self, fault: Fault) -> SagaId {
        sqlx::query("alter sequence four.tries restart")
            .execute(&self.pool)
            .await
            .unwrap();
        let id = SagaId::new();
        for _ in 0..=LONG {
            let new = NewSaga::<S> {
                id,
                input: Input { saga_id: id, fault },
                details: &(),
                trace: TraceRef::random(),
                parent_span: None,
                eager: false,
            };
            let mut tx = self.pool.begin().await.unwrap();
            if self.engine.start(&mut tx, new).await.is_ok() {
                tx.commit().await.unwrap();
                return id;
            }
            tx.rollback().await.unwrap();
        }
        panic!("it does not start");
    }

    pub(crate) async fn signal(&self, saga_id: SagaId, name: &str) {
        for _ in 0..=LONG {
            let signal = NewSignal {
                id: SignalId::new(),
                saga_id,
                name: name.to_owned(),
                payload: Value::Null,
                source: "test".to_owned(),
            };
            let mut tx = self.pool.begin().await.unwrap();
            if let Ok(signaled) = self.engine.signal(&mut tx, vec![signal]).await {
                tx.commit().await.unwrap();
                return signaled.after.emit();
            }
            tx.rollback().await.unwrap();
        }
        panic!("the signal {name} is not taken");
    }

    pub(crate) async fn state(&self, saga_id: SagaId) -> String {
        sqlx::query_scalar("select state from saga.saga where saga_id = $1")
            .bind(saga_id.uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Does the due work, running each claim `times` times; a repeat must change nothing.
    async fn work(&self, times: usize) {
        sqlx::query("update messaging.outbox set due_at = clock_timestamp() where kind = 'step'")
            .execute(&self.pool)
            .await
            .unwrap();
        let plans = self.engine.plan_keys();
        let mut conn = self.pool.acquire().await.unwrap();
        let lease = self.engine.config().lease;
        let claims = claim_sagas(&mut conn, self.engine.holder(), &plans, lease, 10).await;
        for claim in claims.unwrap() {
            for _ in 0..times {
                self.runner.attempt(&claim).await;
            }
        }
    }

    /// Works until the saga reaches this state.
    pub(crate) async fn until(&self, saga_id: SagaId, state: &str, times: usize) {
        for _ in 0..=LONG + 10 {
            if self.state(saga_id).await == state {
                return;
            }
            self.work(times).await;
        }
        panic!("{} is {}, not {state}", S::NAME, self.state(saga_id).await);
    }

    /// Checks that all steps with an effect took it once, in order, and that none was undone.
    async fn assert_forward(&self, saga_id: SagaId) {
        let steps = Self::steps(|_, kind| kind != Kind::Wait);
        let books = Books::of(&self.pool, saga_id.uuid()).await;
        assert_eq!(books.effects, indices(&steps), "{}", S::NAME);
        assert!(books.undone.is_empty(), "{}", S::NAME);
    }

    /// Checks that these steps were undone, each once and in reverse, and that nothing after the
    /// pivot took effect.
    async fn assert_undone(&self, saga_id: SagaId, started: &[usize]) {
        let books = Books::of(&self.pool, saga_id.uuid()).await;
        let mut reverse = indices(started);
        reverse.reverse();
        assert_eq!(books.undone, reverse, "{}", S::NAME);
        let pivot = i32::try_from(S::plan().shape().pivot()).unwrap();
        assert!(books.effects.iter().all(|step| *step < pivot));
    }

    async fn forward(&self, fault: Fault, times: usize) {
        let saga = self.start(fault).await;
        self.until(saga, "waiting", times).await;
        self.signal(saga, "yes").await;
        self.until(saga, "completed", times).await;
        self.assert_forward(saga).await;
    }

    /// Runs a saga to its wait, where a signal compensates it.
    async fn backward(&self, fault: Fault, word: &str, times: usize) {
        let saga = self.start(fault).await;
        self.until(saga, "waiting", times).await;
        self.signal(saga, word).await;
        self.until(saga, "compensated", times).await;
        let all = Self::steps(|role, _| role == Role::Compensable);
        self.assert_undone(saga, &all).await;
    }

    fn remote() -> Vec<usize> {
        Self::steps(|_, kind| kind == Kind::Remote)
    }

    fn local() -> Vec<usize> {
        Self::steps(|_, kind| kind == Kind::Local)
    }

    fn undoable(wanted: Kind) -> Vec<usize> {
        Self::steps(|role, kind| role == Role::Compensable && kind == wanted)
    }

    async fn every_step_twice(&self) {
        for step in Self::remote() {
            self.forward(fault(step, false, How::Lost, 1), 1).await;
        }
        for step in Self::local() {
            self.forward(fault(step, false, How::Conflict, 1), 1).await;
        }
        self.forward(WELL, 2).await;
    }

    async fn every_undo_twice(&self) {
        for word in ["no", CANCEL] {
            for step in Self::undoable(Kind::Remote) {
                self.backward(fault(step, true, How::Lost, 1), word, 1)
                    .await;
            }
            for step in Self::undoable(Kind::Local) {
                self.backward(fault(step, true, How::Conflict, 1), word, 1)
                    .await;
            }
            self.backward(WELL, word, 2).await;
        }
    }

    async fn every_step_failing_once(&self) {
        for step in Self::remote() {
            for how in [How::NeverLeft, How::NoAnswer, How::Panic] {
                self.forward(fault(step, false, how, 1), 1).await;
            }
        }
        // a refused step compensates itself and every step before it
        for step in Self::undoable(Kind::Remote) {
            let saga = self.start(fault(step, false, How::Refused, 1)).await;
            self.until(saga, "compensated", 1).await;
            let started: Vec<_> = (0..=step).collect();
            self.assert_undone(saga, &started).await;
        }
    }

    async fn every_undo_failing_for_long(&self) {
        for step in Self::undoable(Kind::Remote) {
            for how in [How::NeverLeft, How::NoAnswer, How::Panic] {
                let saga = self.start(fault(step, true, how, LONG)).await;
                self.until(saga, "waiting", 1).await;
                self.signal(saga, CANCEL).await;
                let later = Self::steps(|role, _| role == Role::Compensable);
                let later: Vec<_> = later.into_iter().filter(|other| *other > step).collect();
                for _ in 0..i64::try_from(later.len()).unwrap() + LONG - 1 {
                    assert_eq!(
                        self.state(saga).await,
                        "compensating",
                        "it is never given up"
                    );
                    let books = Books::of(&self.pool, saga.uuid()).await;
                    assert!(
                        books.undone.len() <= later.len(),
                        "nothing before it is undone"
                    );
                    self.work(1).await;
                }
                self.until(saga, "compensated", 1).await; // the participant is reachable again
                let all = Self::steps(|role, _| role == Role::Compensable);
                self.assert_undone(saga, &all).await;
            }
        }
        for step in Self::undoable(Kind::Local) {
            self.backward(fault(step, true, How::Conflict, 3), CANCEL, 1)
                .await;
        }
    }
}

pub(crate) fn fault(step: usize, undo: bool, how: How, tries: i64) -> Fault {
    Fault {
        step,
        undo,
        how,
        tries,
    }
}

fn indices(steps: &[usize]) -> Vec<i32> {
    let steps = steps.iter().map(|step| i32::try_from(*step).unwrap());
    steps.collect()
}

macro_rules! for_every_plan {
    ($($rule:ident => $test:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $rule() {
            Bench::<Remotes>::open().await.$test().await;
            Bench::<Mixed>::open().await.$test().await;
            Bench::<OnlyWait>::open().await.$test().await;
            Bench::<Locals>::open().await.$test().await;
        }
    )*};
}

for_every_plan! {
    a_step_that_runs_twice_takes_effect_once => every_step_twice,
    an_undo_that_runs_twice_takes_effect_once => every_undo_twice,
    a_step_that_fails_once_is_done_or_all_is_undone => every_step_failing_once,
    an_undo_that_fails_for_long_is_never_given_up_nor_overtaken => every_undo_failing_for_long,
}
