use std::{sync::Arc, time::Duration};

use commerce::order::{self, Item, Order, OrderLimits};
use kernel::{OrderId, ProductId, RetryPolicy, SagaId, SignalId, TraceRef, UserId};
use messaging::Wakeup;
use saga::{
    Engine, EngineConfig, NewSignal, Verb, Verdict,
    claim::{EntryKind, SagaClaim, claim_sagas},
};
use serde_json::Value;
use sqlx::PgPool;
use testkit::FakePayments;
use uuid::Uuid;
use workflows::{
    Ports, Runner, Settings,
    submit::{Submit, SubmitError, Submitted, Submitter},
};

/// A shop with one database, one engine and no worker: the tests do the work step by step.
pub(crate) struct Shop {
    pub(crate) pool: PgPool,
    pub(crate) engine: Engine,
    pub(crate) runner: Runner,
    pub(crate) submitter: Submitter,
    pub(crate) payments: FakePayments,
    pub(crate) mug: ProductId,
    pub(crate) user: UserId,
}

pub(crate) fn quick() -> EngineConfig {
    EngineConfig {
        lease: Duration::from_secs(5),
        call_timeout: Duration::from_millis(200),
        margin: Duration::from_secs(2),
        retry: RetryPolicy {
            budget: Duration::from_mins(1),
            ..RetryPolicy::default()
        },
    }
}

/// The first failed attempt uses up the retry budget.
pub(crate) fn hasty() -> EngineConfig {
    let retry = RetryPolicy {
        budget: Duration::ZERO,
        ..quick().retry
    };
    EngineConfig { retry, ..quick() }
}

impl Shop {
    pub(crate) async fn open(config: EngineConfig) -> Self {
        Self::open_on(testkit::shop_db().await, config).await
    }

    pub(crate) async fn open_on(pool: PgPool, config: EngineConfig) -> Self {
        let payments = FakePayments::default();
        let registry = workflows::registry(&Settings {
            payment_deadline: Duration::from_mins(1),
        });
        let engine = Engine::new(&registry, pool.clone(), config, Wakeup::default()).unwrap();
        let ports = Ports::new(Arc::new(payments.clone()), pool.clone());
        let runner = Runner::new(engine.clone(), &registry, ports);
        commerce::product::seed(&mut pool.acquire().await.unwrap())
            .await
            .unwrap();
        let mug = commerce::product::find_by_slug(&mut pool.acquire().await.unwrap(), "enamel-mug")
            .await
            .unwrap()
            .unwrap()
            .id;
        Self {
            pool,
            engine,
            submitter: Submitter::new(runner.clone(), OrderLimits::default()),
            runner,
            payments,
            mug,
            user: UserId::new(),
        }
    }

    pub(crate) async fn try_submit(
        &self,
        quantity: u32,
        key: &str,
        eager: bool,
    ) -> Result<Submitted, SubmitError> {
        let request = self.request(self.user, quantity, key, eager);
        self.submitter.submit(request).await
    }

    pub(crate) fn request(&self, user_id: UserId, quantity: u32, key: &str, eager: bool) -> Submit {
        Submit {
            user_id,
            idempotency_key: key.to_owned(),
            request_hash: [u8::try_from(quantity % 256).unwrap(); 32],
            items: vec![Item {
                product_id: self.mug,
                quantity,
            }],
            expected_total: None,
            trace: TraceRef::random(),
            exported: false,
            eager,
        }
    }

    /// A product that [`Shop::request`] does not order.
    pub(crate) async fn other_product(&self) -> ProductId {
        let id: Uuid = sqlx::query_scalar(
            "select product_id from commerce.product where product_id <> $1 limit 1",
        )
        .bind(self.mug.uuid())
        .fetch_one(&self.pool)
        .await
        .unwrap();
        ProductId::from(id)
    }

    /// An order whose first attempt has not been made.
    pub(crate) async fn submit(&self) -> Order {
        let key = Uuid::new_v4().to_string();
        match self.try_submit(1, &key, false).await.unwrap() {
            Submitted::New { order_id, .. } => self.find_order(order_id).await,
            Submitted::Repeat { .. } => panic!("the key is new"),
        }
    }

    /// An order that awaits its payment.
    pub(crate) async fn awaiting(&self) -> Order {
        let order = self.submit().await;
        self.work().await;
        let order = self.find_order(order.id).await;
        assert_eq!(order.status, order::Status::AwaitingPayment);
        order
    }

    pub(crate) async fn find_order(&self, id: OrderId) -> Order {
        order::find(&mut self.pool.acquire().await.unwrap(), id, None)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn claim(&self) -> Vec<SagaClaim> {
        let plans = self.engine.plan_keys();
        let mut conn = self.pool.acquire().await.unwrap();
        let lease = self.engine.config().lease;
        claim_sagas(&mut conn, self.engine.holder(), &plans, lease, 10)
            .await
            .unwrap()
    }

    /// Does all work that is due now, once; returns the number of claims.
    pub(crate) async fn work(&self) -> usize {
        let claims = self.claim().await;
        for claim in &claims {
            match claim.kind {
                EntryKind::Step => self.runner.attempt(claim).await,
                EntryKind::Timer => self.engine.timers(std::slice::from_ref(claim)).await,
            }
        }
        claims.len()
    }

    /// Makes all work due: leases, backoffs and deadlines end now.
    pub(crate) async fn hasten(&self) {
        sqlx::query("update messaging.outbox set due_at = clock_timestamp() where kind in ('step', 'timer')")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn work_again(&self) {
        self.hasten().await;
        self.work().await;
    }

    pub(crate) async fn signal(&self, saga_id: SagaId, name: &str) -> Option<Verdict> {
        let mut tx = self.pool.begin().await.unwrap();
        let signal = NewSignal {
            id: SignalId::new(),
            saga_id,
            name: name.to_owned(),
            payload: Value::Null,
            source: "test".to_owned(),
        };
        let id = signal.id;
        let signaled = self.engine.signal(&mut tx, vec![signal]).await.unwrap();
        tx.commit().await.unwrap();
        let verdict = signaled.verdicts[&id];
        signaled.after.emit();
        verdict
    }

    pub(crate) async fn signal_newest(&self, name: &str) {
        let newest: Uuid =
            sqlx::query_scalar("select saga_id from saga.saga order by created_at desc limit 1")
                .fetch_one(&self.pool)
                .await
                .unwrap();
        self.signal(SagaId::from(newest), name).await;
    }

    pub(crate) async fn apply_operation(
        &self,
        saga_id: SagaId,
        verb: Verb,
    ) -> Result<(), saga::EngineError> {
        let mut tx = self.pool.begin().await.unwrap();
        let operation = saga::Operation {
            verb,
            actor: "tester".to_owned(),
            reason: "a test".to_owned(),
        };
        let done = self
            .engine
            .apply_operation(&mut tx, saga_id, operation, None)
            .await?;
        tx.commit().await.unwrap();
        done.after.emit();
        Ok(())
    }

    pub(crate) async fn state(&self, saga_id: SagaId) -> String {
        sqlx::query_scalar("select state from saga.saga where saga_id = $1")
            .bind(saga_id.uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The kinds of the saga's journal rows, in order.
    pub(crate) async fn journal(&self, saga_id: SagaId) -> Vec<String> {
        sqlx::query_scalar("select kind from saga.journal where saga_id = $1 order by revision, n")
            .bind(saga_id.uuid())
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn verdicts(&self, saga_id: SagaId) -> Vec<Option<String>> {
        sqlx::query_scalar(
            "select verdict from saga.signal where saga_id = $1 order by received_at, signal_id",
        )
        .bind(saga_id.uuid())
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        let sql = format!("select count(*) from {from}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn reserved(&self) -> i64 {
        sqlx::query_scalar("select reserved from commerce.stock where product_id = $1")
            .bind(self.mug.uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The newest order.
    pub(crate) async fn newest(&self) -> OrderId {
        let id: Uuid = sqlx::query_scalar(
            r#"select order_id from commerce."order" order by order_id desc limit 1"#,
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        OrderId::from(id)
    }

    /// Checks the invariants that the shop's database alone can show.
    pub(crate) async fn assert_whole(&self) {
        let report = doctor::examine(&self.pool, None, &workflows::plans(), Duration::ZERO)
            .await
            .unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}
