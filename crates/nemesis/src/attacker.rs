//! An attacker beside the clients: it has full rights at the broker, knows every order, and sends
//! forged events, floods of garbage, poison messages and invalid tokens. None of them may take
//! effect, and each garbage message must end up unchanged in `failed`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kernel::UserId;
use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use testkit::{ATTACK, Attack, System};
use tokio::task::block_in_place;
use uuid::Uuid;

use crate::{
    client::{Clients, lock},
    random::Random,
};

/// Timeout of one request.
const ANSWER: Duration = Duration::from_secs(4);
/// The session of an attacker that was logged out.
struct EndedSession {
    /// Its cookies.
    cookie: String,
    /// Its access token; by its own expiry, it is valid for ten minutes.
    token: String,
}

/// How long garbage may take to reach `failed`.
const HANDLED: Duration = Duration::from_mins(2);
/// Messages of one flood.
const FLOOD: usize = 100;

/// An attacker and the results of its attacks.
pub(crate) struct Attacker {
    seed: u64,
    system: Arc<System>,
    http: reqwest::Client,
    api: String,
    payments: String,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    /// Number of attacks, by name.
    counts: BTreeMap<String, u64>,
    /// Ids of the garbage messages that the broker has confirmed.
    garbage: BTreeSet<String>,
    /// Requests that succeeded although they should have been refused.
    accepted: BTreeSet<String>,
}

impl Attacker {
    /// An attacker that reaches the services under these URLs.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub(crate) fn new(seed: u64, system: Arc<System>, (api, payments): (String, String)) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER).build();
        Self {
            seed,
            system,
            http: http.expect("a client can be made"),
            api,
            payments,
            done: Mutex::default(),
        }
    }

    /// The number of attempts, by attack.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        lock(&self.done).counts.clone()
    }

    /// Attacks until the clients are stopped; pauses whenever they are silent.
    pub(crate) async fn run(&self, clients: &Clients) {
        let mut random = Random::new(self.seed, &[u64::from_le_bytes(*b"attacker")]);
        let mut over = None;
        let mut broker = None;
        loop {
            let _open = clients.gate.read().await;
            if clients.is_stopped() {
                return;
            }
            tokio::time::sleep(random.millis(100, 700)).await;
            let attack = random.below(100);
            if attack >= 80 {
                if over.is_none() {
                    over = self.session_that_is_over().await;
                }
                self.send_tokens(over.as_ref()).await;
                continue;
            }
            if broker.is_none() {
                broker = Attack::connect(&self.system.amqp_url).await;
            }
            let Some(attacking) = &broker else { continue };
            let sent = match attack {
                0..40 => self.forge(attacking).await,
                40..60 => self.remember("floods", attacking.flood(FLOOD).await),
                _ => self.remember("poison", attacking.poison().await),
            };
            if !sent {
                broker = None; // the connection is lost: the next attack reconnects
            }
        }
    }

    /// Sends forged events about an order that awaits its payment.
    async fn forge(&self, attack: &Attack) -> bool {
        let Some(target) = self.system.target().await else {
            return true;
        };
        self.count("forged events", 9);
        attack.forge(&target).await
    }

    fn remember(&self, name: &str, ids: Vec<String>) -> bool {
        self.count(name, 1);
        let reached = !ids.is_empty();
        lock(&self.done).garbage.extend(ids);
        reached
    }

    fn count(&self, name: &str, times: u64) {
        *lock(&self.done).counts.entry(name.to_owned()).or_default() += times;
    }

    /// Registers, logs in and logs out again.
    async fn session_that_is_over(&self) -> Option<EndedSession> {
        let body = json!({
            "email": format!("{}-attacker@nemesis.example", self.seed), "password": "correct horse", "name": "Mallory",
        });
        let url = format!("{}/api/register", self.api);
        let answer = self.http.post(url).json(&body).send().await.ok()?;
        if answer.status() != StatusCode::ACCEPTED {
            return None;
        }
        let body = json!({"email": body["email"], "password": body["password"]});
        let url = format!("{}/api/login", self.api);
        let answer = self.http.post(url).json(&body).send().await.ok()?;
        let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
        let cookies: Vec<_> = cookies
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect();
        let cookie = cookies.join("; ");
        let answer: Value = answer.json().await.ok()?;
        let token = answer["access_token"].as_str()?.to_owned();
        let url = format!("{}/api/logout", self.api);
        let request = self.http.post(url).header(header::COOKIE, &cookie);
        let answer = request.send().await.ok()?;
        (answer.status() == StatusCode::NO_CONTENT).then_some(EndedSession { cookie, token })
    }

    /// Sends requests that must be refused with these tokens.
    async fn send_tokens(&self, over: Option<&EndedSession>) {
        let target = self.system.target().await;
        let (order, transaction) = target.map_or_else(
            || (Uuid::now_v7(), Uuid::now_v7()),
            |target| (target.order, target.transaction),
        );
        if let Some(EndedSession { cookie, token }) = over {
            let request = self.http.post(format!("{}/api/refresh", self.api));
            let request = request.header(header::COOKIE, cookie);
            self.must_be_refused("a session that is over", request)
                .await;
            let body = json!({"items": [{"product_id": Uuid::now_v7(), "quantity": 1}]});
            let place = self.http.post(format!("{}/api/orders", self.api));
            let place = place.header("idempotency-key", Uuid::now_v7().to_string());
            self.must_be_over(place.bearer_auth(token).json(&body))
                .await;
            for request in self.foreign(order, transaction) {
                self.must_be_over(request.bearer_auth(token)).await;
            }
        }
        for (name, token) in self.system.forged_tokens() {
            for request in self.requests(order, transaction) {
                let what = format!("a token that is {name}");
                self.must_be_refused(&what, request.bearer_auth(&token))
                    .await;
            }
        }
        // a valid token, but of another user
        let stranger = self.system.access_token(UserId::new());
        for request in self.foreign(order, transaction) {
            self.must_be_refused("another user's token", request.bearer_auth(&stranger))
                .await;
        }
    }

    fn foreign(&self, order: Uuid, transaction: Uuid) -> Vec<RequestBuilder> {
        let transaction = json!({"transaction_id": transaction});
        let post = |url: String| self.http.post(url);
        let Self { api, payments, .. } = self;
        vec![
            post(format!("{api}/api/orders/{order}/cancel")),
            post(format!("{payments}/transactions/complete")).json(&transaction),
            post(format!("{payments}/transactions/cancel")).json(&transaction),
            post(format!("{payments}/transactions/cancel-by-order"))
                .json(&json!({"order_id": order})),
        ]
    }

    fn requests(&self, order: Uuid, transaction: Uuid) -> Vec<RequestBuilder> {
        let Self { api, .. } = self;
        let product = json!({"name": "forged", "description": "", "stock": 1,
            "price": {"amount": 1, "currency": "EUR"}});
        let mut requests = self.foreign(order, transaction);
        requests.push(self.http.post(format!("{api}/api/products")).json(&product));
        requests.push(self.http.get(format!("{api}/api/failed")));
        requests.push(self.http.get(format!("{api}/api/admin/orders")));
        requests
    }

    async fn must_be_refused(&self, what: &str, request: RequestBuilder) {
        self.count("requests", 1);
        self.ask(what, request, |status| !status.is_success()).await;
    }

    /// Sends a request with the token of an ended session. The answer must be 401, even if the
    /// request has other errors; timeouts and server errors are accepted, too, since faults are
    /// injected.
    async fn must_be_over(&self, request: RequestBuilder) {
        self.count("revoked tokens", 1);
        let refused = |status: StatusCode| {
            status == StatusCode::UNAUTHORIZED
                || status == StatusCode::REQUEST_TIMEOUT
                || status.is_server_error()
        };
        self.ask("the token of a session that is over", request, refused)
            .await;
    }

    /// Sends a request, and records an answer that is not the expected refusal.
    async fn ask(&self, what: &str, request: RequestBuilder, refused: impl Fn(StatusCode) -> bool) {
        let Ok(request) = request.build() else { return };
        let asked = format!("{} {}", request.method(), request.url().path());
        // without an answer there is no proof that the request succeeded
        let Ok(answer) = self.http.execute(request).await else {
            return;
        };
        if !refused(answer.status()) {
            let accepted = format!("{what} was accepted: {asked} {}", answer.status());
            lock(&self.done).accepted.insert(accepted);
        }
    }

    /// The violations, once the system is silent: garbage that is missing in `failed`, other
    /// messages in `failed`, and requests that succeeded.
    pub(crate) async fn verify(&self) -> Vec<String> {
        let (garbage, accepted) = {
            let done = lock(&self.done);
            (done.garbage.clone(), done.accepted.clone())
        };
        let until = Instant::now() + HANDLED;
        let mut wrong: Vec<_> = accepted.into_iter().collect();
        loop {
            let failed = block_in_place(|| self.system.failed_ids());
            let failed: BTreeSet<_> = failed.into_iter().flatten().collect();
            let missing: Vec<_> = garbage.difference(&failed).collect();
            if missing.is_empty() {
                let others = failed.iter().filter(|id| !id.starts_with(ATTACK));
                wrong
                    .extend(others.map(|id| format!("not sent by the attacker, and failed: {id}")));
                return wrong;
            }
            if Instant::now() > until {
                let count = missing.len();
                let first = missing.first().map_or("", |id| id.as_str());
                wrong.push(format!(
                    "{count} messages are not in `failed`, such as {first}"
                ));
                return wrong;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
