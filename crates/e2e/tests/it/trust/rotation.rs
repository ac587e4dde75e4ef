//! The keys of users' tokens and of calls to payments, rotated while users order and pay.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use serde_json::{Value, json};
use testkit::{System, SystemOptions, eventually};
use tokio::sync::RwLock;
use uuid::Uuid;

use crate::{layout::root, text};

/// Users who order and pay, at the apis in service, and the results.
struct Traffic {
    system: Arc<System>,
    /// Held while an order is under way: an api leaves only when it has no request, as behind a
    /// balancer.
    apis: RwLock<Vec<String>>,
    token: Mutex<String>,
    product: String,
    stop: AtomicBool,
    paid: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Traffic {
    /// One order, from its placing to its payment.
    async fn shop(&self, number: usize) -> Result<(), String> {
        let token = self.token.lock().unwrap().clone();
        let apis = self.apis.read().await;
        let api = &apis[number % apis.len()];
        let http = &self.system.http;
        let order = http
            .post(format!("{api}/api/orders"))
            .bearer_auth(&token)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .json(&json!({"items": [{"product_id": self.product, "quantity": 1}]}))
            .send()
            .await
            .map_err(|error| format!("order: {error}"))?;
        let status = order.status();
        let order: Value = order.json().await.map_err(|error| error.to_string())?;
        drop(apis);
        if !status.is_success() || order["status"] == "canceled" {
            return Err(format!("order: {status} {order}"));
        }
        let transaction = text(&order, "transaction_id").to_owned();
        let url = format!("{}/transactions/complete", self.system.payments_url);
        eventually("the transaction to be there", || async {
            let paid = http.post(&url).bearer_auth(&token);
            let paid = paid.json(&json!({"transaction_id": transaction}));
            match paid.send().await {
                Ok(answer) if answer.status() == 200 => true,
                // no worker has created the transaction yet, or the only api that payments asks
                // about sessions is restarting
                Ok(answer) if [404, 503].contains(&answer.status().as_u16()) => false,
                Ok(answer) => {
                    let status = answer.status();
                    self.refused.lock().unwrap().push(format!("pay: {status}"));
                    true
                }
                Err(error) => {
                    self.refused.lock().unwrap().push(format!("pay: {error}"));
                    true
                }
            }
        })
        .await;
        Ok(())
    }

    async fn run(self: Arc<Self>, first: usize) {
        let mut number = first;
        while !self.stop.load(SeqCst) {
            match self.shop(number).await {
                Ok(()) => drop(self.paid.fetch_add(1, SeqCst)),
                Err(error) => self.refused.lock().unwrap().push(error),
            }
            number += 1;
        }
    }

    /// Restarts every process that has a changed key: one api after the other, as a balancer would.
    async fn restart(&self) {
        for (role, other) in [("api", "api#2"), ("api#2", "api")] {
            *self.apis.write().await = vec![self.url(other)];
            self.system.stop(role);
            self.system.spawn(role).await;
            *self.apis.write().await = vec![self.url(role), self.url(other)];
        }
        self.system.stop("worker");
        self.system.spawn("worker").await;
    }

    fn url(&self, role: &str) -> String {
        self.system.address(role).map_or_else(
            || self.system.api_url.clone(),
            |address| format!("http://{address}"),
        )
    }

    /// New users log in, and some of them order and pay.
    async fn go_on(&self) {
        let token = self.system.buyer().await.token;
        *self.token.lock().unwrap() = token;
        let before = self.paid.load(SeqCst);
        eventually("more orders to be paid", || async {
            self.paid.load(SeqCst) >= before + 6 || !self.refused.lock().unwrap().is_empty()
        })
        .await;
    }
}

fn rotate(step: &str, file: &str) {
    let done = Command::new(root().join("docker/rotate-key.sh"))
        .args([step, file])
        .status();
    assert!(done.unwrap().success(), "{step} {file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_keys_rotate_under_traffic_without_a_refused_request() {
    let system = Arc::new(System::start(SystemOptions::default()).await);
    system.spawn("api#2").await;
    let token = system.buyer().await.token;
    let traffic = Arc::new(Traffic {
        apis: RwLock::new(Vec::new()),
        token: Mutex::new(token.clone()),
        product: system.product("enamel-mug").await,
        stop: AtomicBool::default(),
        paid: AtomicUsize::default(),
        refused: Mutex::default(),
        system: system.clone(),
    });
    let stocked = "update commerce.stock set received = 1000000";
    sqlx::query(stocked).execute(&system.shop).await.unwrap();
    *traffic.apis.write().await = vec![traffic.url("api"), traffic.url("api#2")];
    let people: Vec<_> = (0..3)
        .map(|first| tokio::spawn(traffic.clone().run(first)))
        .collect();
    traffic.go_on().await;
    let files = ["TOKEN_SIGNING_KEY_FILE", "SERVICE_SIGNING_KEY_FILE"];
    for step in ["add", "promote", "retire"] {
        for file in files {
            rotate(step, system.setting(file));
        }
        traffic.restart().await;
        traffic.go_on().await;
    }
    traffic.stop.store(true, SeqCst);
    for person in people {
        person.await.unwrap();
    }
    let refused = traffic.refused.lock().unwrap().clone();
    assert!(refused.is_empty(), "{refused:#?}");
    // the previous key is no longer accepted
    let orders = system.http.get(format!("{}/api/orders", system.api_url));
    let answer = orders.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    system.settle().await;
    system.assert_whole().await;
}

/// The first step of an upgrade from a release in which a single key signed everything: the
/// workers' old key is the first of the services' keys.
#[tokio::test(flavor = "multi_thread")]
async fn workers_with_the_former_single_key_continue_beside_new_ones() {
    let system = System::prepare(SystemOptions::default()).await;
    let (old, new) = (system.signing_key(), system.service_signing_key());
    std::fs::write(
        system.setting("SERVICE_SIGNING_KEY_FILE"),
        format!("{old}{new}"),
    )
    .unwrap();
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    // the api makes no first attempt: a worker calls payments
    let order = |buyer: String| {
        let system = &system;
        async move {
            let product = system.product("enamel-mug").await;
            let buyer = system.returning(buyer);
            let answer = system
                .http
                .post(format!("{}/api/orders", system.api_url))
                .bearer_auth(&buyer.token)
                .header("idempotency-key", Uuid::new_v4().to_string())
                .header("prefer", "respond-async")
                .json(&json!({"items": [{"product_id": product, "quantity": 1}]}))
                .send()
                .await
                .unwrap();
            let order: Value = answer.json().await.unwrap();
            let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
            buyer.pay(text(&order, "transaction_id")).await;
            buyer.awaits(text(&order, "id"), "completed").await;
        }
    };
    let token = system.buyer().await.token;
    let shared = system.setting("TOKEN_SIGNING_KEY_FILE").to_owned();
    for env in [
        // a worker of the previous release, which knows only the one setting
        &[
            ("TOKEN_SIGNING_KEY_FILE", shared.as_str()),
            ("SERVICE_SIGNING_KEY_FILE", ""),
        ][..],
        &[],
    ] {
        system.spawn_with("worker", env).await;
        order(token.clone()).await;
        system.stop("worker");
    }
    std::fs::write(system.setting("SERVICE_SIGNING_KEY_FILE"), new).unwrap();
    // a key that the api already publishes is accepted before the api gets its new setting
    system.spawn("worker").await;
    order(token.clone()).await;
    system.settle().await;
    system.assert_whole().await;
}
