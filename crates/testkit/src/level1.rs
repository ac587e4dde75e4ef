use std::{
    convert::Infallible,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::SecondsFormat;
use kernel::Clock;
use lapin::{
    BasicProperties, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{net::TcpListener, time};
use uuid::Uuid;

use crate::{System, system::lazy_pool};

/// Each order's transaction, and whether its event is still to be published.
const SCHEMA: &str = "
    create schema if not exists level1;
    create table if not exists level1.transaction (
        order_id uuid primary key,
        transaction_id uuid not null unique default gen_random_uuid(),
        status text not null default 'pending',
        unannounced boolean not null default false
    );";

/// How often the service looks for events to publish.
const INTERVAL: Duration = Duration::from_millis(20);
/// Between two attempts to reach a server.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the broker may take to confirm an event.
const CONFIRM: Duration = Duration::from_secs(3);

/// A payments service of another team: level 1 of `docs/payments-contract.md` and no more. It shares
/// no type with the shop, chooses the ids of its transactions, knows no tokens, answers failures in
/// plain text, and signs nothing. It survives a crash: transactions and events are in its database.
pub struct Level1 {
    service: Arc<Service>,
}

struct Service {
    database: PgPool,
    amqp_url: String,
    loses_answers: AtomicBool,
    disturbed: AtomicBool,
    /// Calls so far while disturbed.
    calls: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Fails,
    LosesAnswer,
}

/// A refusal or failure: status and plain text.
type Refused = (StatusCode, String);

impl Level1 {
    /// Starts the service in this process, at the address of the system's payments.
    ///
    /// # Panics
    /// When its database cannot be reached, or the address is taken.
    pub async fn start(system: &System) -> Self {
        let service = Service::new(system.payments.clone(), system.amqp_url.clone());
        service.prepare().await.expect("its database is there");
        let listener = TcpListener::bind(system.setting("PAYMENTS_LISTEN")).await;
        let listener = listener.expect("the address is free");
        tokio::spawn(Arc::clone(&service).serve(listener));
        Self { service }
    }

    /// Runs the service as a process of its own, with the settings of ours: its addresses, its
    /// database and the broker.
    ///
    /// # Errors
    /// When a setting is missing, or an address is taken.
    pub async fn run() -> Result<(), Box<dyn Error>> {
        let setting = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
        let listener = TcpListener::bind(setting("PAYMENTS_LISTEN")?).await?;
        let admin = TcpListener::bind(setting("PAYMENTS_ADMIN_LISTEN")?).await?;
        let database = lazy_pool(&setting("PAYMENTS_DATABASE_URL")?);
        let service = Service::new(database, setting("AMQP_URL")?);
        while let Err(error) = service.prepare().await {
            eprintln!("its database cannot be used: {error}");
            time::sleep(PAUSE).await;
        }
        let probes = Router::new()
            .route("/livez", get(|| async {}))
            .route("/readyz", get(|| async {}));
        tokio::spawn(async move { axum::serve(admin, probes).await });
        Ok(service.serve(listener).await?)
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
    ///
    /// # Panics
    /// When its database cannot be read.
    pub async fn transaction(&self, order: &str) -> Option<(String, String)> {
        let found = sqlx::query_as(
            "select transaction_id::text, status from level1.transaction where order_id = $1::uuid",
        )
        .bind(order)
        .fetch_optional(&self.service.database);
        found.await.expect("its database is there")
    }

    /// The payer pays; returns whether the payment was accepted.
    pub async fn pay(&self, transaction: &str) -> bool {
        self.service.decide(transaction, "paid").await.is_ok()
    }

    /// The payer cancels; returns whether the cancellation was accepted.
    pub async fn cancel(&self, transaction: &str) -> bool {
        self.service.decide(transaction, "canceled").await.is_ok()
    }
}

impl Service {
    fn new(database: PgPool, amqp_url: String) -> Arc<Self> {
        Arc::new(Self {
            database,
            amqp_url,
            loses_answers: AtomicBool::new(false),
            disturbed: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        })
    }

    async fn prepare(&self) -> sqlx::Result<()> {
        sqlx::raw_sql(SCHEMA).execute(&self.database).await?;
        Ok(())
    }

    /// Answers requests and publishes events; ends only if the address cannot be served.
    async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let router = Router::new()
            .route("/transactions", post(init))
            .route("/transactions/complete", post(complete))
            .route("/transactions/cancel", post(cancel))
            .with_state(Arc::clone(&self));
        tokio::select! {
            served = async { axum::serve(listener, router).await } => served,
            never = self.publish() => match never {},
        }
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

    /// Creates an order's transaction, or finds the one that is there.
    async fn init(&self, order: Uuid) -> sqlx::Result<(Uuid, String)> {
        sqlx::query("insert into level1.transaction (order_id) values ($1) on conflict do nothing")
            .bind(order)
            .execute(&self.database)
            .await?;
        sqlx::query_as("select transaction_id, status from level1.transaction where order_id = $1")
            .bind(order)
            .fetch_one(&self.database)
            .await
    }

    /// The first decision wins; a repeated one changes nothing.
    async fn decide(&self, id: &str, status: &'static str) -> Result<Json<Value>, Refused> {
        let unknown = || (StatusCode::NOT_FOUND, "no such transaction".to_owned());
        let id: Uuid = id.parse().map_err(|_| unknown())?;
        sqlx::query(
            "update level1.transaction set status = $2, unannounced = true
             where transaction_id = $1 and status = 'pending'",
        )
        .bind(id)
        .bind(status)
        .execute(&self.database)
        .await
        .map_err(failed)?;
        let now: Option<String> =
            sqlx::query_scalar("select status from level1.transaction where transaction_id = $1")
                .bind(id)
                .fetch_optional(&self.database)
                .await
                .map_err(failed)?;
        match now.ok_or_else(unknown)? {
            now if now == status => Ok(Json(json!({ "transaction_id": id, "status": status }))),
            now => Err((StatusCode::CONFLICT, format!("it is {now} already"))),
        }
    }

    /// Publishes the events that wait; connects again whenever that fails.
    async fn publish(&self) -> Infallible {
        loop {
            let Err(error) = self.publish_connected().await;
            eprintln!("events wait: {error}");
            time::sleep(PAUSE).await;
        }
    }

    async fn publish_connected(&self) -> Result<Infallible, Box<dyn Error + Send + Sync>> {
        let connection = Connection::connect(&self.amqp_url, ConnectionProperties::default());
        let connection = time::timeout(CONFIRM, connection).await??;
        let channel = time::timeout(CONFIRM, connection.create_channel()).await??;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        time::timeout(CONFIRM, confirms).await??;
        loop {
            let waiting: Vec<(Uuid, String)> = sqlx::query_as(
                "select transaction_id, status from level1.transaction where unannounced",
            )
            .fetch_all(&self.database)
            .await?;
            for (id, status) in waiting {
                let (key, body) = event(id, &status);
                let options = BasicPublishOptions {
                    mandatory: true,
                    ..BasicPublishOptions::default()
                };
                let properties = BasicProperties::default().with_delivery_mode(2);
                let exchange = "payments_events".into();
                let sent = channel.basic_publish(exchange, key.into(), options, &body, properties);
                let confirm = time::timeout(CONFIRM, sent).await??;
                let confirmed = time::timeout(CONFIRM, confirm).await??;
                if confirmed != Confirmation::Ack(None) {
                    return Err(format!("{key} {id} is not confirmed: {confirmed:?}").into());
                }
                sqlx::query(
                    "update level1.transaction set unannounced = false where transaction_id = $1",
                )
                .bind(id)
                .execute(&self.database)
                .await?;
            }
            time::sleep(INTERVAL).await;
        }
    }
}

/// The routing key and the body of a decision's event.
fn event(id: Uuid, status: &str) -> (&'static str, Vec<u8>) {
    let (key, moment) = match status {
        "paid" => ("transaction_completed", "completed_at"),
        _ => ("transaction_canceled", "canceled_at"),
    };
    let now = Clock::System
        .now()
        .to_rfc3339_opts(SecondsFormat::Secs, true);
    let event = json!({ "transaction_id": id, moment: now, "routing_key": key });
    (key, event.to_string().into_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it by value")]
fn failed(error: sqlx::Error) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn init(
    State(service): State<Arc<Service>>,
    Json(request): Json<Value>,
) -> Result<Response, Refused> {
    let order = request["order_id"].as_str().and_then(|id| id.parse().ok());
    let order = order.ok_or((StatusCode::BAD_REQUEST, "order_id is missing".to_owned()))?;
    let trouble = service.trouble();
    if trouble == Trouble::Fails {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    }
    let (id, status) = service.init(order).await.map_err(failed)?;
    if trouble == Trouble::LosesAnswer || service.loses_answers.load(Ordering::Relaxed) {
        return Ok(StatusCode::BAD_GATEWAY.into_response());
    }
    Ok(Json(json!({ "transaction_id": id, "status": status })).into_response())
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
