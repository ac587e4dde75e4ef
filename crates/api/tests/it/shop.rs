//! An API of one's own, and callers with tokens.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use api::{App, http::Limiter};
use auth::{Auth, AuthConfig, Hasher};
use commerce::client::CreateClientOnRegistration;
use db::Bus;
use kernel::{Clock, UserId};
use messaging::Wakeup;
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use saga::{Engine, EngineConfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::FakePayments;
use tokens::{Signer, Verifier};
use tokio::{net::TcpListener, sync::Semaphore};
use web::{Gate, Layers};
use workflows::checkout::Checkout;

pub(crate) struct Shop {
    url: String,
    http: Client,
    pub(crate) pool: PgPool,
    pub(crate) payments: FakePayments,
    pub(crate) engine: Engine<Checkout>,
    pub(crate) signer: Signer,
    /// PEM of the signer's key.
    pub(crate) key: String,
    /// A product of which 100 lie in stock.
    pub(crate) mug: String,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let pool = testkit::shop_db().await;
        let draft = commerce::product::Draft {
            name: "Mug".to_owned(),
            description: "Holds tea.".to_owned(),
            price: kernel::Money::new(1290, "EUR".parse().unwrap()),
            stock: 100,
        };
        let id = kernel::ProductId::new();
        let mut tx = pool.begin().await.unwrap();
        commerce::product::create(&mut tx, id, &draft)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self {
            mug: id.to_string(),
            ..Self::on(pool).await
        }
    }

    pub(crate) async fn on(pool: PgPool) -> Self {
        let payments = FakePayments::default();
        let checkout = Checkout {
            payments: Arc::new(payments.clone()),
            payment_deadline: Duration::from_mins(30),
        };
        let config = EngineConfig {
            call_timeout: Duration::from_millis(500),
            ..EngineConfig::default()
        };
        let engine = Engine::new(checkout, pool.clone(), config, Wakeup::default()).unwrap();
        let key = tokens::generate_key_pem();
        let signer = Signer::from_pem(&key, Clock::System).unwrap();
        let bus = Bus::default().with(CreateClientOnRegistration);
        let hasher = Hasher::new(2).unwrap();
        let app = App {
            auth: Auth::new(
                pool.clone(),
                bus,
                signer.clone(),
                hasher,
                AuthConfig::default(),
            ),
            gate: Gate {
                verifier: Verifier::with_key(&signer),
                audience: contracts::payments::SHOP_AUDIENCE,
            },
            jwks: Arc::new(signer.jwks()),
            pool: pool.clone(),
            engine: engine.clone(),
            order_wait: Duration::from_millis(300),
            eager: Arc::new(Semaphore::new(64)),
            secure_cookie: true,
            logins: Arc::new(Limiter::new(30)),
        };
        let layers = Layers {
            cors_origins: vec!["https://shop.example".parse().unwrap()],
        };
        let router = layers
            .wrap(app.router())
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            http: Client::new(),
            pool,
            payments,
            engine,
            signer,
            key,
            mug: String::new(),
        }
    }

    pub(crate) fn user(&self) -> String {
        self.user_token(UserId::new(), &[])
    }

    pub(crate) fn admin(&self) -> String {
        self.user_token(UserId::new(), &["admin".to_owned()])
    }

    pub(crate) fn user_token(&self, user: UserId, roles: &[String]) -> String {
        self.signer
            .access_token(user, roles, Duration::from_mins(1))
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, token)).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path, token).json(body)).await
    }

    /// An order, under a key.
    pub(crate) fn ordering(&self, token: &str, key: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "/api/orders", token)
            .header("idempotency-key", key)
            .json(body)
    }

    pub(crate) fn basket(&self, quantity: u32) -> Value {
        json!({"items": [{"product_id": self.mug, "quantity": quantity}]})
    }

    /// A mug, ordered.
    pub(crate) async fn order(&self, token: &str) -> Value {
        let key = uuid();
        let answer = Answer::of(self.ordering(token, &key, &self.basket(1))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    }

    /// How much of everything there is: what a refused request must not change.
    pub(crate) async fn traces(&self) -> Vec<i64> {
        let mut traces = Vec::new();
        for sql in [
            r#"select count(*) from commerce."order""#,
            "select count(*) from commerce.order_line",
            "select count(*) from commerce.idempotency_key",
            "select count(*) from commerce.product where deleted_at is null",
            "select sum(reserved) + 1000 * sum(received) from commerce.stock",
            "select count(*) from saga.saga",
            "select count(*) from saga.journal",
            "select count(*) from saga.signal",
            "select count(*) from messaging.outbox",
            r#"select count(*) from auth."user""#,
            "select count(*) from auth.refresh_token",
        ] {
            let count: Option<i64> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select ({sql})::bigint")))
                    .fetch_one(&self.pool)
                    .await
                    .unwrap();
            traces.push(count.unwrap_or_default());
        }
        traces
    }
}

pub(crate) fn uuid() -> String {
    kernel::OrderId::new().to_string()
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is this problem, as RFC 9457 wants it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, slug: &str) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        let problem = &self.body;
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32, "{problem}");
        problem
    }

    /// As [`Answer::problem`], about this field.
    #[track_caller]
    pub(crate) fn names(&self, status: u16, slug: &str, field: &str) {
        let problem = self.problem(status, slug);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}
