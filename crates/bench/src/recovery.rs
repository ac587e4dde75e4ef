//! Recovery: how long it takes after every process of ours was killed under load.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    Args, Servers, load, meter,
    system::{System, Variant},
};

/// Clients that order until the processes are killed.
const CLIENTS: usize = 16;
/// How long they order before that.
const LOAD: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The time after the kill, in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Recovery {
    /// Sagas that were in the middle of a step.
    interrupted: i64,
    /// Until all processes were started again and an order was accepted.
    accepting: f64,
    /// Until each interrupted saga had ended the step in which it was killed.
    caught_up: f64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interrupted,
            accepting,
            caught_up,
        } = self;
        write!(
            f,
            "after kill -9 of every process at {CLIENTS} clients: {interrupted} sagas interrupted, \
             the first order accepted after {accepting:.2} s, all caught up after {caught_up:.2} s"
        )
    }
}

/// Kills all processes under load, starts them again, and waits for the interrupted sagas.
pub(crate) async fn measure(
    args: &Args,
    Servers { postgres, rabbitmq }: Servers<'_>,
    database: &str,
) -> anyhow::Result<Recovery> {
    let system = System::resume(args, postgres, rabbitmq, database, Variant::USUAL).await?;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let order = Order::of(&system, client);
        clients.spawn(async move {
            // until the api is killed
            for turn in 0.. {
                if order.place(client, turn).await.is_err() {
                    break;
                }
            }
        });
    }
    tokio::time::sleep(LOAD).await;
    system.kill();
    let killed = Instant::now();
    while clients.join_next().await.is_some() {}
    let interrupted = running(postgres.url(database)).await?;

    let system = System::resume(args, postgres, rabbitmq, database, Variant::USUAL).await?;
    let order = Order::of(&system, CLIENTS);
    let accepted = order.place(CLIENTS, 0).await;
    accepted.context("an order after the restart")?;
    let accepting = meter::seconds(killed);
    while running(postgres.url(database)).await? > 0 {
        anyhow::ensure!(
            killed.elapsed() < TIMEOUT,
            "sagas still hang {TIMEOUT:?} after the kill"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let caught_up = meter::seconds(killed);
    system.stop();
    Ok(Recovery {
        interrupted,
        accepting,
        caught_up,
    })
}

/// Number of sagas in the middle of a step.
async fn running(url: String) -> anyhow::Result<i64> {
    use sqlx::Connection;
    let mut conn = sqlx::PgConnection::connect(&url).await?;
    let running = sqlx::query_scalar("select count(*) from saga.saga where state = 'running'")
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    Ok(running)
}

struct Order {
    http: reqwest::Client,
    url: String,
    token: String,
    products: Vec<String>,
}

impl Order {
    fn of(system: &System, client: usize) -> Self {
        let products = system.products.iter();
        Self {
            http: system.http.clone(),
            url: format!("{}/api/orders", system.api_url(client)),
            token: system.token(client),
            products: products.map(ToString::to_string).collect(),
        }
    }

    /// Places an order that its customer never pays.
    async fn place(&self, client: usize, turn: usize) -> anyhow::Result<()> {
        let product = &self.products[load::shuffled(client, turn) % self.products.len()];
        let request = self.http.post(&self.url).bearer_auth(&self.token);
        let request = request.header("idempotency-key", Uuid::new_v4().to_string());
        let body = json!({"items": [{"product_id": product, "quantity": 1}]});
        let answer = request.json(&body).send().await?;
        anyhow::ensure!(
            answer.status() == 201,
            "POST /api/orders: {}",
            answer.status()
        );
        Ok(())
    }
}
