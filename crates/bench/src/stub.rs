//! A cheap payments: transactions in memory, events straight to RabbitMQ with confirms.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use contracts::{
    payment_event::{Outcome, PaymentEvent},
    payments::{
        COMPLETE, InitTransaction, JWKS, Status, TRANSACTIONS, Transaction, TransactionRef,
    },
    topology,
};
use kernel::{Clock, TransactionId};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokens::DetachedSigner;
use tokio::net::TcpListener;
use uuid::Uuid;

#[derive(Clone)]
struct Stub {
    transactions: Arc<Mutex<HashMap<TransactionId, Transaction>>>,
    channel: Channel,
    /// Signs events, since the shop cannot ask the stub about a transaction that the stub has
    /// dropped.
    signer: Arc<DetachedSigner>,
    _connection: Arc<Connection>,
}

/// Starts the stub on a free port; returns its URL.
pub(crate) async fn start(amqp_url: &str) -> anyhow::Result<String> {
    let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let stub = Stub {
        transactions: Arc::default(),
        channel,
        signer: Arc::new(DetachedSigner::from_pem(&tokens::generate_key_pem())?),
        _connection: Arc::new(connection),
    };
    let router = Router::new()
        .route(TRANSACTIONS, post(init))
        .route(&format!("{TRANSACTIONS}/{{id}}"), get(find))
        .route(COMPLETE, post(complete))
        .route(JWKS, get(keys))
        .with_state(stub);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

impl Stub {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<TransactionId, Transaction>) -> T) -> T {
        f(&mut self
            .transactions
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    async fn publish(&self, transaction: &Transaction) -> anyhow::Result<()> {
        let event = PaymentEvent {
            transaction_id: transaction.transaction_id,
            outcome: Outcome::Completed,
            at: Clock::System.now(),
            event_id: Some(Uuid::now_v7()),
            order_id: transaction.order_id,
            amount: transaction.amount.clone(),
        };
        let body = serde_json::to_vec(&event)?;
        let mut headers = FieldTable::default();
        let signature = self.signer.sign(&body);
        headers.insert(
            "x-signature".into(),
            AMQPValue::LongString(signature.into()),
        );
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_message_id(Uuid::now_v7().to_string().as_str().into())
            .with_type(topology::TRANSACTION_COMPLETED.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = self.channel.basic_publish(
            topology::PAYMENTS_EVENTS.into(),
            topology::TRANSACTION_COMPLETED.into(),
            options,
            &body,
            properties,
        );
        let confirmation = confirm.await?.await?;
        anyhow::ensure!(confirmation.is_ack(), "the event was refused");
        Ok(())
    }
}

async fn keys(State(stub): State<Stub>) -> Json<serde_json::Value> {
    Json(stub.signer.jwks())
}

async fn init(
    State(stub): State<Stub>,
    Json(request): Json<InitTransaction>,
) -> (StatusCode, Json<Transaction>) {
    let transaction = Transaction {
        transaction_id: request.transaction_id.unwrap_or_else(TransactionId::new),
        order_id: Some(request.order_id),
        user_id: Some(request.user_id),
        amount: Some(request.amount),
        status: Status::Pending,
        created_at: Some(Clock::System.now()),
        completed_at: None,
        canceled_at: None,
    };
    stub.with(|all| all.insert(transaction.transaction_id, transaction.clone()));
    (StatusCode::CREATED, Json(transaction))
}

async fn find(
    State(stub): State<Stub>,
    Path(id): Path<TransactionId>,
) -> Result<Json<Transaction>, StatusCode> {
    let found = stub.with(|all| all.get(&id).cloned());
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn complete(
    State(stub): State<Stub>,
    Json(request): Json<TransactionRef>,
) -> Result<Json<Transaction>, (StatusCode, String)> {
    // removed once it is paid, so that the stub does not grow
    let found = stub.with(|all| all.remove(&request.transaction_id));
    let mut transaction = found.ok_or((StatusCode::NOT_FOUND, String::new()))?;
    transaction.status = Status::Paid;
    transaction.completed_at = Some(Clock::System.now());
    let published = stub.publish(&transaction).await.context("publishing");
    published.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))?;
    Ok(Json(transaction))
}
