use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use chrono::SecondsFormat;
use kernel::Clock;
use lapin::{BasicProperties, Channel, Connection};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{foreign_client, publish};

/// A payments service of another team: level 1 of `docs/payments-contract.md` and no more. It shares
/// no type with the shop, chooses the ids of its transactions, knows no tokens, answers failures in
/// plain text, and signs nothing.
pub struct Level1 {
    /// The service's URL.
    pub url: String,
    service: Arc<Service>,
}

struct Service {
    /// By order.
    transactions: Mutex<HashMap<String, Transaction>>,
    loses_answers: AtomicBool,
    disturbed: AtomicBool,
    /// Calls so far while disturbed.
    calls: AtomicU64,
    channel: Channel,
    _connection: Connection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Fails,
    LosesAnswer,
}

#[derive(Clone)]
struct Transaction {
    id: String,
    status: &'static str,
}

impl Level1 {
    /// Starts the service on a free port; its events go to the broker at `amqp_url`.
    ///
    /// # Panics
    /// When the broker cannot be reached, or no port is free.
    pub async fn start(amqp_url: &str) -> Self {
        let (connection, channel) = foreign_client(amqp_url).await;
        let service = Arc::new(Service {
            transactions: Mutex::default(),
            loses_answers: AtomicBool::new(false),
            disturbed: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            channel,
            _connection: connection,
        });
        let router = Router::new()
            .route("/transactions", post(init))
            .route("/transactions/complete", post(complete))
            .route("/transactions/cancel", post(cancel))
            .with_state(Arc::clone(&service));
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let url = format!("http://{address}");
        Self { url, service }
    }

    /// Whether the answers to creations are lost from now on. The creations take effect.
    pub fn lose_answers(&self, lose: bool) {
        self.service.loses_answers.store(lose, Ordering::Relaxed);
    }

    /// Whether the service is in trouble from now on: of six calls, one fails with 500 and has no
    /// effect, and one has its effect and loses its answer.
    pub fn disturb(&self, disturb: bool) {
        self.service.disturbed.store(disturb, Ordering::Relaxed);
    }

    /// The id and the status of an order's transaction.
    pub fn transaction(&self, order: &str) -> Option<(String, &'static str)> {
        let found = self.service.with(|all| all.get(order).cloned())?;
        Some((found.id, found.status))
    }

    /// The payer pays; returns whether the payment was accepted.
    ///
    /// # Panics
    /// When the event cannot be published.
    pub async fn pay(&self, transaction: &str) -> bool {
        self.service.decide(transaction, "paid").await.is_ok()
    }

    /// The payer cancels; returns whether the cancellation was accepted.
    ///
    /// # Panics
    /// When the event cannot be published.
    pub async fn cancel(&self, transaction: &str) -> bool {
        self.service.decide(transaction, "canceled").await.is_ok()
    }
}

impl Service {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<String, Transaction>) -> T) -> T {
        f(&mut self
            .transactions
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// The trouble of the next call.
    fn trouble(&self) -> Trouble {
        if !self.disturbed.load(Ordering::Relaxed) {
            return Trouble::None;
        }
        match self.calls.fetch_add(1, Ordering::Relaxed) % 6 {
            2 => Trouble::Fails,
            5 => Trouble::LosesAnswer,
            _ => Trouble::None,
        }
    }

    /// The first decision wins; a repeated one changes nothing.
    async fn decide(
        &self,
        id: &str,
        status: &'static str,
    ) -> Result<Json<Value>, (StatusCode, String)> {
        let before = self.with(|all| {
            let found = all.values_mut().find(|found| found.id == id)?;
            let before = found.status;
            if before == "pending" {
                found.status = status;
            }
            Some(before)
        });
        match before {
            Some("pending") => self.announce(id, status).await,
            Some(before) if before == status => {}
            Some(before) => return Err((StatusCode::CONFLICT, format!("it is {before} already"))),
            None => return Err((StatusCode::NOT_FOUND, "no such transaction".to_owned())),
        }
        Ok(Json(json!({ "transaction_id": id, "status": status })))
    }

    async fn announce(&self, id: &str, status: &str) {
        let (key, moment) = match status {
            "paid" => ("transaction_completed", "completed_at"),
            _ => ("transaction_canceled", "canceled_at"),
        };
        let now = Clock::System
            .now()
            .to_rfc3339_opts(SecondsFormat::Secs, true);
        let event = json!({ "transaction_id": id, moment: now, "routing_key": key });
        let properties = BasicProperties::default().with_delivery_mode(2);
        let body = event.to_string();
        publish(
            &self.channel,
            "payments_events",
            key,
            properties,
            body.as_bytes(),
        )
        .await;
    }
}

async fn init(State(service): State<Arc<Service>>, Json(request): Json<Value>) -> Response {
    let Some(order) = request["order_id"].as_str() else {
        return (StatusCode::BAD_REQUEST, "order_id is missing").into_response();
    };
    let trouble = service.trouble();
    if trouble == Trouble::Fails {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let new = || Transaction {
        id: Uuid::new_v4().to_string(),
        status: "pending",
    };
    let found = service.with(|all| all.entry(order.to_owned()).or_insert_with(new).clone());
    if trouble == Trouble::LosesAnswer || service.loses_answers.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(json!({ "transaction_id": found.id, "status": found.status })).into_response()
}

async fn complete(state: State<Arc<Service>>, request: Json<Value>) -> Response {
    decide(state, request, "paid").await
}

async fn cancel(state: State<Arc<Service>>, request: Json<Value>) -> Response {
    decide(state, request, "canceled").await
}

async fn decide(
    State(service): State<Arc<Service>>,
    Json(request): Json<Value>,
    status: &'static str,
) -> Response {
    let trouble = service.trouble();
    if trouble == Trouble::Fails {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let id = request["transaction_id"].as_str().unwrap_or_default();
    let decided = service.decide(id, status).await;
    if trouble == Trouble::LosesAnswer {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    decided.into_response()
}
