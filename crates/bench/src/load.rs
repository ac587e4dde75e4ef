//! The closed loop: a client orders, pays, waits for its order to be completed, and starts again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    meter::{Costs, Meter},
    system::System,
    watch::Watch,
};

/// A saga that takes longer than this has failed.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(30);

/// The ordered products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basket {
    /// All products of the catalog, in turn.
    Any,
    /// One product for all clients.
    Hot,
}

/// The measurements of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) sagas: usize,
    pub(crate) sagas_per_second: f64,
    /// Time from start to 201, milliseconds.
    pub(crate) accepted: Quantiles,
    /// Time from start to completion, milliseconds.
    pub(crate) completed: Quantiles,
    pub(crate) costs: Costs,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Quantiles {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |permille: usize| {
            let index = (times.len() * permille / 1000).min(times.len().saturating_sub(1));
            times
                .get(index)
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            p50: at(500),
            p95: at(950),
            p99: at(990),
            p999: at(999),
        }
    }
}

struct Sample {
    started: Instant,
    accepted: Instant,
    completed: Instant,
}

/// Runs `concurrency` clients for `time`, after a warm-up of a fifth of it.
pub(crate) async fn run(
    system: &System,
    concurrency: usize,
    time: Duration,
    basket: Basket,
) -> anyhow::Result<Measured> {
    let watch = Watch::default();
    let (watcher, watching) = watch.start(&system.pool.connect_options()).await?;
    let before = orders(system).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..concurrency {
        let client = Client {
            http: system.http.clone(),
            api_url: system.api_url(number).to_owned(),
            payments_url: system.payments_url.clone(),
            token: system.token(number),
            watch: watch.clone(),
        };
        let products = match basket {
            Basket::Any => system.products.clone(),
            Basket::Hot => system.products[..1].to_vec(),
        };
        let stop = Arc::clone(&stop);
        clients.spawn(async move {
            let mut samples = Vec::new();
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let product = products[shuffled(number, turn) % products.len()];
                samples.push(client.checkout(&product.to_string()).await?);
            }
            anyhow::Ok(samples)
        });
    }
    tokio::time::sleep(time / 5).await;
    let meter = Meter::start(system, watcher).await?;
    let begun = Instant::now();
    tokio::time::sleep(time).await;
    let ended = Instant::now();
    let totals = meter.stop(system).await?;
    stop.store(true, Ordering::Relaxed);
    let mut samples = Vec::new();
    while let Some(client) = clients.join_next().await {
        samples.extend(client??);
    }
    watching.abort();
    once_each(system, before, samples.len()).await?;

    let within = |sample: &&Sample| sample.completed >= begun && sample.completed < ended;
    let counted: Vec<_> = samples.iter().filter(within).collect();
    let since = |f: fn(&Sample) -> Instant| {
        let times = counted.iter().map(|sample| f(sample) - sample.started);
        Quantiles::of(times.collect())
    };
    anyhow::ensure!(!counted.is_empty(), "no saga completed");
    Ok(Measured {
        sagas: counted.len(),
        sagas_per_second: counted.len() as f64 / (ended - begun).as_secs_f64(),
        accepted: since(|sample| sample.accepted),
        completed: since(|sample| sample.completed),
        costs: totals.per(counted.len()),
    })
}

/// Each client walks through the catalog in its own order; otherwise all would contend for the same
/// product.
pub(crate) fn shuffled(client: usize, turn: usize) -> usize {
    turn * 31 + client * 617
}

/// Number of orders, and number of those completed exactly once.
async fn orders(system: &System) -> anyhow::Result<(i64, i64)> {
    sqlx::query_as(
        r#"
        select (select count(*) from commerce."order"),
               (select count(*)
                from commerce."order" o join saga.saga s using (saga_id)
                where o.status = 'completed' and s.state = 'completed'
                  and (select count(*) from commerce.order_status h
                       where h.order_id = o.order_id and h.status = 'completed') = 1)
        "#,
    )
    .fetch_one(&system.pool)
    .await
    .context("counting orders")
}

async fn once_each(system: &System, before: (i64, i64), placed: usize) -> anyhow::Result<()> {
    let after = orders(system).await?;
    let placed = i64::try_from(placed)?;
    anyhow::ensure!(
        after.0 - before.0 == placed && after.1 - before.1 == placed,
        "{placed} were placed: {} are there, {} are completed exactly once",
        after.0 - before.0,
        after.1 - before.1
    );
    Ok(())
}

struct Client {
    http: reqwest::Client,
    api_url: String,
    payments_url: String,
    token: String,
    watch: Watch,
}

impl Client {
    async fn checkout(&self, product: &str) -> anyhow::Result<Sample> {
        let started = Instant::now();
        let answer = self
            .http
            .post(format!("{}/api/orders", self.api_url))
            .bearer_auth(&self.token)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .json(&json!({"items": [{"product_id": product, "quantity": 1}]}))
            .send()
            .await?;
        let status = answer.status();
        let order: Value = answer.json().await?;
        let accepted = Instant::now();
        anyhow::ensure!(status == 201, "POST /api/orders: {status}: {order}");
        let id: Uuid = order["id"].as_str().context("an id")?.parse()?;
        let completed = self.watch.completed(id);
        let paid = self
            .http
            .post(format!("{}/transactions/complete", self.payments_url))
            .bearer_auth(&self.token)
            .json(&json!({"transaction_id": order["transaction_id"]}))
            .send()
            .await?;
        anyhow::ensure!(paid.status().is_success(), "paying: {}", paid.status());
        let completed = tokio::time::timeout(COMPLETION_TIMEOUT, completed)
            .await
            .with_context(|| {
                format!("order {id} is not completed after {COMPLETION_TIMEOUT:?}")
            })??;
        Ok(Sample {
            started,
            accepted,
            completed,
        })
    }
}
