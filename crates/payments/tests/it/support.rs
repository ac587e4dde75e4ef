//! A payments service for one test, and callers with tokens.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, header},
};
use contracts::payments::{AUDIENCE, SCOPE_SERVICE};
use kernel::{Clock, OrderId, TransactionId, UserId};
use messaging::Wakeup;
use serde_json::{Value, json};
use sqlx::PgPool;
pub(crate) use testkit::Answer;
use tokens::{Identity, Signer, Verifier};
use tower::ServiceExt;
use web::{Gate, Layers, SessionCheck, Sessions};

/// The service on a database of its own.
#[derive(Clone)]
pub(crate) struct Payments {
    pub(crate) router: Router,
    pub(crate) pool: PgPool,
    pub(crate) signer: Signer,
}

/// An order to be paid, and its payer.
#[derive(Clone, Copy)]
pub(crate) struct Purchase {
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) transaction: TransactionId,
}

impl Payments {
    pub(crate) async fn start() -> Self {
        Self::on(testkit::payments_db().await, true)
    }

    pub(crate) async fn without_simulator() -> Self {
        Self::on(testkit::payments_db().await, false)
    }

    pub(crate) fn on(pool: PgPool, simulator: bool) -> Self {
        let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
        let verifier = Verifier::with_key(&signer);
        Self {
            router: router(&pool, verifier, simulator),
            pool,
            signer,
        }
    }

    pub(crate) fn service(&self) -> String {
        self.signer.service_token(SCOPE_SERVICE, None)
    }

    pub(crate) fn user(&self, user: UserId) -> String {
        self.signer.access_token(user, &[], Duration::from_mins(1))
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10 << 20).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(post(path, token, body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn init(&self, purchase: Purchase) -> Answer {
        self.post("/transactions", &self.service(), &purchase.init())
            .await
    }

    /// Calls `complete` or `cancel` as the payer.
    pub(crate) async fn decide(&self, verb: &str, purchase: Purchase) -> Answer {
        let body = json!({"transaction_id": purchase.transaction});
        self.post(
            &format!("/transactions/{verb}"),
            &self.user(purchase.user),
            &body,
        )
        .await
    }

    pub(crate) async fn cancel_by_order(&self, purchase: Purchase) -> Answer {
        let body = json!({"order_id": purchase.order, "transaction_id": purchase.transaction});
        self.post("/transactions/cancel-by-order", &self.service(), &body)
            .await
    }

    /// Creates a transaction that waits for its payer.
    pub(crate) async fn pending(&self) -> Purchase {
        let purchase = Purchase::new();
        assert_eq!(self.init(purchase).await.status, 201);
        purchase
    }

    /// Stored status of the order's transaction; `None` without a row.
    pub(crate) async fn stored_status(&self, order: OrderId) -> Option<String> {
        let query =
            sqlx::query_scalar("select status from payments.transaction where order_id = $1");
        query
            .bind(order.uuid())
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn transactions(&self) -> i64 {
        self.count("select count(*) from payments.transaction")
            .await
    }

    pub(crate) async fn events(&self) -> i64 {
        self.count("select count(*) from messaging.outbox").await
    }

    /// Routing keys of the events about this transaction.
    pub(crate) async fn events_of(&self, id: TransactionId) -> Vec<String> {
        let query = sqlx::query_scalar(
            "select routing_key from messaging.outbox where body->>'transaction_id' = $1",
        );
        query
            .bind(id.to_string())
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}

impl Purchase {
    pub(crate) fn new() -> Self {
        Self {
            order: OrderId::new(),
            user: UserId::new(),
            transaction: TransactionId::new(),
        }
    }

    pub(crate) fn init(self) -> Value {
        json!({
            "order_id": self.order,
            "user_id": self.user,
            "amount": {"amount": 1999, "currency": "EUR"},
            "transaction_id": self.transaction,
        })
    }
}

/// A shop in which no session ends.
struct AllLive;

impl Sessions for AllLive {
    fn check<'a>(&'a self, _: &'a Identity, _: &'a str) -> SessionCheck<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// The service as in production, without its ports and with a stub for the shop's sessions.
pub(crate) fn router(pool: &PgPool, verifier: Verifier, simulator: bool) -> Router {
    router_with(pool, verifier, simulator, Arc::new(AllLive))
}

/// As [`router`], with the test's own shop.
pub(crate) fn router_with(
    pool: &PgPool,
    verifier: Verifier,
    simulator: bool,
    sessions: Arc<dyn Sessions>,
) -> Router {
    let gate = Gate {
        verifier,
        audience: AUDIENCE,
        sessions,
    };
    let layers = Layers {
        cors_origins: vec!["https://shop.example".parse().unwrap()],
        callers: telemetry::http::Callers::Services,
    };
    payments::app(
        payments::App::new(pool.clone(), gate, simulator, Wakeup::default()),
        &layers,
    )
}

pub(crate) fn post(path: &str, token: &str, body: &Value) -> Request {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}
