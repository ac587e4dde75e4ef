//! A shop for one test, users with tokens, and a digest of everything a request leaves behind.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::{
    App, http::Limiter, placed::Placed, sessions::Sessions, storefront::Storefront, watch::Watch,
};
use auth::{Auth, AuthConfig, Hasher};
use commerce::{client::CreateClientOnRegistration, order::OrderLimits};
use contracts::{payments::SHOP_AUDIENCE, topology::TRANSACTION_COMPLETED};
use db::{Bus, Lane};
use kernel::{Clock, OrderId, ProductId, RetryPolicy, SagaId, SignalId, UserId};
use messaging::Wakeup;
use reqwest::{Client, Method, RequestBuilder};
use saga::{
    Engine, EngineConfig, NewSignal, Verdict,
    claim::{EntryKind, claim_sagas},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
pub(crate) use testkit::Answer;
use testkit::FakePayments;
use tokens::{Signer, Verifier};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};
use web::{Gate, Layers};
use workflows::{Ports, Runner, submit::Submitter};

use crate::people::PEOPLE;

/// The API on a port and a database of its own, without a worker: tests run the steps one by one.
pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    pub(crate) payments: FakePayments,
    pub(crate) signing_key: String,
    pub(crate) signer: Signer,
    pub(crate) http: Client,
    pub(crate) engine: Engine,
    runner: Runner,
}

/// Differences from the default shop.
pub(crate) struct Settings {
    pub(crate) order_limits: OrderLimits,
    pub(crate) order_wait: Duration,
    pub(crate) eager_attempts: usize,
    pub(crate) logins_per_minute: u32,
    pub(crate) refreshes_per_minute: u32,
    pub(crate) searches_per_minute: u32,
    pub(crate) secure_cookie: bool,
    pub(crate) amqp_url: Option<String>,
    pub(crate) storefront: Option<Storefront>,
    pub(crate) shutdown: CancellationToken,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // generous: a slow machine must not change an answer
            order_limits: OrderLimits::default(),
            order_wait: Duration::from_secs(25),
            eager_attempts: 100,
            logins_per_minute: 0,
            refreshes_per_minute: 0,
            searches_per_minute: 0,
            secure_cookie: false,
            amqp_url: None,
            storefront: None,
            shutdown: CancellationToken::new(),
        }
    }
}

/// Row count of each table, and a digest of its contents.
pub(crate) type Traces = BTreeMap<String, (i64, String)>;

impl Shop {
    /// Opens a shop with the demo catalog.
    pub(crate) async fn open() -> Self {
        Self::open_with(Settings::default()).await
    }

    pub(crate) async fn open_with(settings: Settings) -> Self {
        let pool = testkit::shop_db().await;
        commerce::product::seed(&mut pool.acquire().await.unwrap())
            .await
            .unwrap();
        Self::open_on(pool, settings).await
    }

    /// Opens a shop on a database as it is; the database may be unreachable.
    pub(crate) async fn open_on(pool: PgPool, settings: Settings) -> Self {
        let payments = FakePayments::default();
        let registry = workflows::registry(&workflows::Settings::default());
        let config = EngineConfig {
            call_timeout: Duration::from_millis(200),
            retry: RetryPolicy::default(),
            ..EngineConfig::default()
        };
        let engine = Engine::new(&registry, pool.clone(), config, Wakeup::default()).unwrap();
        let ports = Ports::new(Arc::new(payments.clone()), pool.clone());
        let runner = Runner::new(engine.clone(), &registry, ports);
        let signing_key = tokens::generate_key_pem();
        let signer = Signer::from_pem(&signing_key, Clock::System).unwrap();
        let bus = Bus::default().with(CreateClientOnRegistration);
        let sessions = Sessions::new(Lane::new(pool.clone()), settings.shutdown.clone());
        let app = App {
            auth: Auth::new(
                pool.clone(),
                bus,
                signer.clone(),
                Hasher::new(2).unwrap(),
                AuthConfig::default(),
            ),
            gate: Gate {
                verifier: Verifier::with_key(&signer),
                audience: SHOP_AUDIENCE,
                sessions: Arc::new(sessions.clone()),
            },
            sessions,
            jwks: Arc::new(signer.jwks()),
            pool: pool.clone(),
            operator: operator::Operator::new(
                engine.clone(),
                registry,
                operator::DataSources {
                    payments: operator::PaymentsAccess::service(Arc::new(payments.clone())),
                    amqp_url: settings.amqp_url,
                    reads_failed: true,
                },
            ),
            engine: runner.engine().clone(),
            submitter: Arc::new(Submitter::new(runner.clone(), settings.order_limits)),
            placed: Placed::new(runner.engine().lane().clone()),
            order_wait: settings.order_wait,
            eager: Arc::new(Semaphore::new(settings.eager_attempts)),
            secure_cookie: settings.secure_cookie,
            own_origins: Arc::new(["https://shop.example".to_owned()]),
            logins: Arc::new(Limiter::new(settings.logins_per_minute)),
            refreshes: Arc::new(Limiter::new(settings.refreshes_per_minute)),
            searches: Arc::new(Limiter::new(settings.searches_per_minute)),
            watch: Watch::new(pool.clone(), settings.shutdown),
            settings: Arc::new(api::http::Settings {
                payments_url: "https://pay.example".to_owned(),
                trace_url: None,
                demo_url: None,
            }),
            storefront: settings.storefront.map(Arc::new),
        };
        let layers = Layers {
            cors_origins: vec!["https://shop.example".parse().unwrap()],
            callers: telemetry::http::Callers::Public,
        };
        let service = layers
            .wrap(app.router())
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            url,
            pool,
            payments,
            signing_key,
            signer,
            http: Client::new(),
            engine,
            runner,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let request = self.request(Method::GET, path);
        Answer::to(if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        })
        .await
    }

    /// A request to place an order, under a fresh key.
    pub(crate) fn ordering(&self, token: &str, body: &Value) -> RequestBuilder {
        self.ordering_under(&Uuid::new_v4().to_string(), token, body)
    }

    pub(crate) fn ordering_under(&self, key: &str, token: &str, body: &Value) -> RequestBuilder {
        self.post("/api/orders")
            .bearer_auth(token)
            .header("idempotency-key", key)
            .json(body)
    }

    /// An order of one mug that awaits payment; its transaction exists.
    pub(crate) async fn awaiting(&self, token: &str) -> Value {
        let body = basket(self.product("enamel-mug").await, 1);
        let answer = Answer::to(self.ordering(token, &body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    /// A paid and completed order.
    pub(crate) async fn completed(&self, token: &str) -> Value {
        let order = self.awaiting(token).await;
        assert!(self.payments.pay(id_of(&order)));
        assert_eq!(
            self.signal(id_of(&order), TRANSACTION_COMPLETED).await,
            Some(Verdict::Applied)
        );
        self.order_with_status(&order, token, "completed").await
    }

    /// A canceled order, fully compensated.
    pub(crate) async fn canceled(&self, token: &str) -> Value {
        let order = self.awaiting(token).await;
        self.cancel(&order, token).await;
        assert_eq!(self.work().await, 1);
        self.order_with_status(&order, token, "canceled").await
    }

    pub(crate) async fn cancel(&self, order: &Value, token: &str) -> Answer {
        let path = format!("/api/orders/{}/cancel", id_of(order));
        Answer::to(self.post(&path).bearer_auth(token)).await
    }

    pub(crate) async fn cancel_because(&self, order: &Value, token: &str, reason: &str) -> Answer {
        let path = format!("/api/orders/{}/cancel", id_of(order));
        let request = self.post(&path).bearer_auth(token);
        Answer::to(request.json(&json!({ "reason": reason }))).await
    }

    /// The order as it is now; asserts its status.
    pub(crate) async fn order_with_status(
        &self,
        order: &Value,
        token: &str,
        status: &str,
    ) -> Value {
        let path = format!("/api/orders/{}", id_of(order));
        let order = self.get(&path, token).await.json();
        assert_eq!(order["status"], status, "{order}");
        order
    }

    /// Passes the state of the order's transaction to the saga, as the worker would.
    async fn signal(&self, order: OrderId, name: &str) -> Option<Verdict> {
        let saga: Uuid =
            sqlx::query_scalar(r#"select saga_id from commerce."order" where order_id = $1"#)
                .bind(order.uuid())
                .fetch_one(&self.pool)
                .await
                .unwrap();
        let mut tx = self.pool.begin().await.unwrap();
        let signal = NewSignal {
            id: SignalId::new(),
            saga_id: SagaId::from(saga),
            name: name.to_owned(),
            payload: Value::Null,
            source: "test".to_owned(),
        };
        let id = signal.id;
        let signaled = self.engine.signal(&mut tx, vec![signal]).await.unwrap();
        tx.commit().await.unwrap();
        signaled.verdicts[&id]
    }

    /// Runs all steps that are due now, as a worker would; returns their number.
    pub(crate) async fn work(&self) -> usize {
        let plans = self.engine.plan_keys();
        let lease = self.engine.config().lease;
        let mut conn = self.pool.acquire().await.unwrap();
        let claims = claim_sagas(&mut conn, self.engine.holder(), &plans, lease, 10)
            .await
            .unwrap();
        drop(conn);
        for claim in &claims {
            assert_eq!(claim.kind, EntryKind::Step);
            self.runner.attempt(claim).await;
        }
        claims.len()
    }

    /// Ends all backoffs and leases.
    pub(crate) async fn hasten(&self) {
        sqlx::query("update messaging.outbox set due_at = clock_timestamp() where kind = 'step'")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn product(&self, slug: &str) -> ProductId {
        let id: Uuid =
            sqlx::query_scalar("select product_id from commerce.product where slug = $1")
                .bind(slug)
                .fetch_one(&self.pool)
                .await
                .unwrap();
        ProductId::from(id)
    }

    /// Available pieces of a product, and reserved pieces.
    pub(crate) async fn stock(&self, product: ProductId) -> (i64, i64) {
        sqlx::query_as(
            "select received - sold - reserved, reserved from commerce.stock where product_id = $1",
        )
        .bind(product.uuid())
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// An order of one piece, as an outage or a long payment deadline would leave it.
    pub(crate) async fn order_of_two_hours_ago(
        &self,
        user: UserId,
        product: ProductId,
        status: &str,
    ) {
        let made = SystemTime::now() - Duration::from_hours(2);
        let made = made.duration_since(UNIX_EPOCH).unwrap();
        let random = Uuid::new_v4().into_bytes();
        let random: [u8; 10] = random[..10].try_into().unwrap();
        let millis = u64::try_from(made.as_millis()).unwrap();
        let order = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let insert = r#"
            with placed as (
                insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency, trace_id)
                values ($1, $2, $1, $1, $3, 100, 'EUR', 'trace')
                returning order_id)
            insert into commerce.order_line (order_id, line_no, product_id, name, quantity, unit_amount)
            select order_id, 1, $4, 'Mug', 1, 100 from placed"#;
        let insert = sqlx::query(insert)
            .bind(order)
            .bind(user.uuid())
            .bind(status);
        insert
            .bind(product.uuid())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn restock(&self, product: ProductId, pieces: i64) {
        sqlx::query(
            "update commerce.stock set received = sold + reserved + $2 where product_id = $1",
        )
        .bind(product.uuid())
        .bind(pieces)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn orders(&self) -> i64 {
        self.count(r#"select count(*) from commerce."order""#).await
    }

    /// All contents of the database, except the accounts that tests create to have a token.
    pub(crate) async fn traces(&self) -> Traces {
        let tables: Vec<(String, String)> = sqlx::query_as(
            "select schemaname, tablename from pg_tables
             where schemaname in ('auth', 'commerce', 'saga', 'messaging')
               and tablename <> 'login_throttle' -- refused logins are counted there",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let looks: Vec<_> = tables
            .iter()
            .map(|(schema, table)| {
                format!(
                    r#"select '{schema}.{table}', count(*),
                              md5(coalesce(string_agg(t::text, ' ' order by t::text), ''))
                       from "{schema}"."{table}" t
                       where t::text not like '%{PEOPLE}%'"#
                )
            })
            .collect();
        // table names come from the catalog: none comes from outside
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as(AssertSqlSafe(looks.join(" union all ")))
                .fetch_all(&self.pool)
                .await
                .unwrap();
        let traces: Traces = rows
            .into_iter()
            .map(|(table, count, digest)| (table, (count, digest)))
            .collect();
        for needed in [
            "commerce.order",
            "commerce.stock",
            "commerce.idempotency_key",
            "saga.saga",
            "saga.signal",
            "messaging.outbox",
        ] {
            assert!(traces.contains_key(needed), "{needed} is looked at");
        }
        traces
    }
}

pub(crate) fn basket(product: ProductId, quantity: u32) -> Value {
    json!({"items": [{"product_id": product, "quantity": quantity}]})
}

pub(crate) fn id_of(order: &Value) -> OrderId {
    order["id"].as_str().unwrap().parse().unwrap()
}

/// The operations of the document: method, path and description.
pub(crate) fn operations() -> Vec<(Method, String, Value)> {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().filter_map(|(method, operation)| {
            let method: Method = method.to_uppercase().parse().unwrap();
            let known = [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::DELETE,
                Method::PATCH,
            ];
            known
                .contains(&method)
                .then(|| (method, path.clone(), operation.clone()))
        })
    });
    let operations: Vec<_> = operations.collect();
    assert!(operations.len() >= 15, "{} operations", operations.len());
    operations
}

/// A path of the document with its parameters filled in.
pub(crate) fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        if part.starts_with('{') {
            Uuid::now_v7().to_string()
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("/")
}
