//! Clients: they order, pay, cancel and race, ask again while they hear nothing, and write down
//! every answer.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use uuid::Uuid;

use crate::{
    ledger::{Answer, Entry, Ledger},
    random::Random,
};

/// How long a client waits for one answer.
const ANSWER: Duration = Duration::from_secs(4);
/// How long it asks again before it says that the system does not answer: longer than any round.
const PATIENCE: Duration = Duration::from_mins(2);
const PASSWORD: &str = "correct horse";
/// Orders of one account; then the client makes another one.
const ORDERS: u64 = 8;

/// What all clients share.
pub(crate) struct Clients {
    seed: u64,
    http: reqwest::Client,
    api: String,
    payments: String,
    products: Vec<Uuid>,
    ledger: Mutex<Ledger>,
    answers: Mutex<BTreeMap<String, u64>>,
    /// Held for reading by each play: whoever holds it for writing has silence.
    pub(crate) gate: RwLock<()>,
    stopped: AtomicBool,
}

/// Somebody who is logged in.
struct Account {
    token: String,
}

/// An order, as its answers tell.
#[derive(Clone, Copy)]
struct Order {
    id: Uuid,
    transaction: Uuid,
}

enum Sent<T> {
    /// It is answered.
    Answered(T),
    /// It is not: the same request again.
    Again,
}

impl Clients {
    /// Clients that reach the API and payments under these URLs.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub(crate) fn new(seed: u64, api: String, payments: String, products: Vec<Uuid>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(ANSWER)
            .build()
            .expect("a client can be made");
        Self {
            seed,
            http,
            api,
            payments,
            products,
            ledger: Mutex::default(),
            answers: Mutex::default(),
            gate: RwLock::default(),
            stopped: AtomicBool::new(false),
        }
    }

    /// What they heard so far.
    pub(crate) fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// How many answers of each kind came: call and status.
    pub(crate) fn answers(&self) -> BTreeMap<String, u64> {
        lock(&self.answers).clone()
    }

    /// No play begins any more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// One client: play after play, until stopped.
    pub(crate) async fn run(&self, client: u64) {
        let mut account = None;
        for number in 0.. {
            let _open = self.gate.read().await;
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            if number % ORDERS == 0 {
                account = self.register(&format!("{client}-{number}")).await;
            }
            if let Some(account) = &account {
                self.play(client, number, account).await;
            }
        }
    }

    /// An order by a client of its own that is paid at once; returns when it is completed.
    pub(crate) async fn probe(&self, number: u64) -> Option<Duration> {
        let begun = Instant::now();
        let account = self.register(&format!("probe-{number}")).await?;
        let mut entry = Entry {
            key: format!("{}-probe-{number}", self.seed),
            ..Entry::default()
        };
        let order = self
            .order_until_answered(&account, &mut entry, self.products[0])
            .await;
        let mut completed = None;
        if let Some(order) = order {
            let answer = self.decide(&account, "complete", order, &mut entry).await;
            entry.answers.extend(answer);
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                let seen = self.look(&account, order.id, &mut entry).await;
                if let Some(Answer::Seen(status)) = &seen {
                    completed = (status == "completed").then(|| begun.elapsed());
                    entry.answers.extend(seen);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        lock(&self.ledger).entries.push(entry);
        completed
    }

    async fn play(&self, client: u64, number: u64, account: &Account) {
        let mut random = Random::new(
            self.seed,
            &[u64::from_le_bytes(*b"a client"), client, number],
        );
        tokio::time::sleep(random.millis(0, 150)).await;
        let mut entry = Entry {
            key: format!("{}-{client}-{number}", self.seed),
            ..Entry::default()
        };
        let product = random.pick(&self.products);
        match random.below(100) {
            // hears nothing, because it does not wait
            0..10 => {
                let asked = self.order(account, &entry.key, product);
                if let Ok(Sent::Answered(Ok(order))) =
                    tokio::time::timeout(random.millis(0, 60), asked).await
                {
                    entry.accepted.push(order.id);
                }
            }
            // the same request twice at once
            10..20 => {
                let (one, other) = tokio::join!(
                    self.order(account, &entry.key, product),
                    self.order(account, &entry.key, product)
                );
                for sent in [one, other] {
                    if let Sent::Answered(Ok(order)) = sent {
                        entry.accepted.push(order.id);
                    }
                }
            }
            _ => {}
        }
        if let Some(order) = self
            .order_until_answered(account, &mut entry, product)
            .await
        {
            self.end(&mut random, account, order, &mut entry).await;
        }
        lock(&self.ledger).entries.push(entry);
    }

    async fn end(&self, random: &mut Random, account: &Account, order: Order, entry: &mut Entry) {
        let mut other = Entry::default(); // a second client's part of a race
        let answers = match random.below(100) {
            0..55 => vec![self.decide(account, "complete", order, entry).await],
            55..65 => vec![self.decide(account, "cancel", order, entry).await],
            65..75 => vec![self.cancel(account, order, entry).await],
            75..85 => {
                let (paid, canceled) = tokio::join!(
                    self.decide(account, "complete", order, entry),
                    self.decide(account, "cancel", order, &mut other)
                );
                vec![paid, canceled]
            }
            85..95 => {
                let (paid, canceled) = tokio::join!(
                    self.decide(account, "complete", order, entry),
                    self.cancel(account, order, &mut other)
                );
                vec![paid, canceled]
            }
            // left alone: its deadline decides
            _ => Vec::new(),
        };
        entry.wrong.extend(other.wrong);
        entry.answers.extend(answers.into_iter().flatten());
        let seen = self.look(account, order.id, entry).await;
        entry.answers.extend(seen);
    }

    async fn register(&self, name: &str) -> Option<Account> {
        let email = format!("{}-{name}@nemesis.example", self.seed);
        let body = json!({"email": email, "password": PASSWORD, "name": "Nemesis"});
        let registered = self
            .until_answered(|| async {
                let request = self
                    .http
                    .post(format!("{}/api/register", self.api))
                    .json(&body);
                match self.call("register", request).await {
                    Some((StatusCode::CREATED, tokens)) => Sent::Answered(Some(tokens)),
                    // an earlier answer was lost
                    Some((StatusCode::CONFLICT, _)) => Sent::Answered(None),
                    _ => Sent::Again,
                }
            })
            .await?;
        let tokens = if let Some(tokens) = registered {
            tokens
        } else {
            let body = json!({"email": email, "password": PASSWORD});
            self.until_answered(|| async {
                let request = self
                    .http
                    .post(format!("{}/api/login", self.api))
                    .json(&body);
                match self.call("login", request).await {
                    Some((StatusCode::OK, tokens)) => Sent::Answered(tokens),
                    _ => Sent::Again,
                }
            })
            .await?
        };
        lock(&self.ledger).accounts.push(email);
        let token = tokens["access_token"].as_str()?.to_owned();
        Some(Account { token })
    }

    async fn order_until_answered(
        &self,
        account: &Account,
        entry: &mut Entry,
        product: Uuid,
    ) -> Option<Order> {
        let key = entry.key.clone();
        let answered = self
            .until_answered(|| self.order(account, &key, product))
            .await;
        match answered {
            Some(Ok(order)) => {
                entry.accepted.push(order.id);
                return Some(order);
            }
            Some(Err(why)) => entry.wrong.push(why),
            None => entry
                .wrong
                .push(format!("it was not answered for {PATIENCE:?}")),
        }
        None
    }

    async fn order(
        &self,
        account: &Account,
        key: &str,
        product: Uuid,
    ) -> Sent<Result<Order, String>> {
        let body = json!({"items": [{"product_id": product, "quantity": 1}]});
        let request = self
            .http
            .post(format!("{}/api/orders", self.api))
            .bearer_auth(&account.token)
            .header("idempotency-key", key)
            .json(&body);
        match self.call("order", request).await {
            Some((StatusCode::CREATED | StatusCode::ACCEPTED, order)) => {
                let id = |field: &str| order[field].as_str().and_then(|id| id.parse().ok());
                Sent::Answered(match (id("id"), id("transaction_id")) {
                    (Some(id), Some(transaction)) => Ok(Order { id, transaction }),
                    _ => Err(format!("it was answered with {order}")),
                })
            }
            Some((status, problem)) if is_final(status, &problem) => {
                Sent::Answered(Err(format!("it was refused: {problem}")))
            }
            _ => Sent::Again,
        }
    }

    /// Pays or cancels at payments, until there is an answer.
    async fn decide(
        &self,
        account: &Account,
        verb: &str,
        order: Order,
        entry: &mut Entry,
    ) -> Option<Answer> {
        let body = json!({"transaction_id": order.transaction});
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let request = self
                .http
                .post(format!("{}/transactions/{verb}", self.payments))
                .bearer_auth(&account.token)
                .json(&body);
            match self.call(verb, request).await {
                Some((StatusCode::OK, _)) if verb == "complete" => return Some(Answer::Paid),
                Some((StatusCode::OK, _)) => return Some(Answer::Canceled),
                Some((StatusCode::CONFLICT, _)) if verb == "complete" => {
                    return Some(Answer::TooLateToPay);
                }
                Some((StatusCode::CONFLICT, _)) => return Some(Answer::TooLateToCancel),
                // not there yet, or never: the order tells
                Some((StatusCode::NOT_FOUND, _)) => {
                    let seen = self.look(account, order.id, entry).await;
                    if seen.is_some() {
                        return seen;
                    }
                }
                Some((status, problem)) if is_final(status, &problem) => {
                    entry.wrong.push(format!("{verb} was refused: {problem}"));
                    return None;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        entry
            .wrong
            .push(format!("{verb} was not answered for {PATIENCE:?}"));
        None
    }

    /// Asks the API to cancel, until there is an answer.
    async fn cancel(&self, account: &Account, order: Order, entry: &mut Entry) -> Option<Answer> {
        let answered = self
            .until_answered(|| async {
                let request = self
                    .http
                    .post(format!("{}/api/orders/{}/cancel", self.api, order.id))
                    .bearer_auth(&account.token);
                match self.call("cancel order", request).await {
                    Some((StatusCode::ACCEPTED, _)) => Sent::Answered(Ok(None)),
                    Some((StatusCode::CONFLICT, _)) => Sent::Answered(Ok(Some(Answer::Completed))),
                    Some((status, problem)) if is_final(status, &problem) => {
                        Sent::Answered(Err(format!("its cancellation was refused: {problem}")))
                    }
                    _ => Sent::Again,
                }
            })
            .await;
        match answered {
            Some(Ok(answer)) => return answer,
            Some(Err(why)) => entry.wrong.push(why),
            None => entry.wrong.push(format!(
                "its cancellation was not answered for {PATIENCE:?}"
            )),
        }
        None
    }

    /// Reads the order, once; tells what will never change.
    async fn look(&self, account: &Account, id: Uuid, entry: &mut Entry) -> Option<Answer> {
        let request = self
            .http
            .get(format!("{}/api/orders/{id}", self.api))
            .bearer_auth(&account.token);
        match self.call("read order", request).await? {
            (StatusCode::OK, order) => {
                let status = order["status"].as_str()?;
                matches!(status, "completed" | "canceled").then(|| Answer::Seen(status.to_owned()))
            }
            (StatusCode::NOT_FOUND, _) => {
                entry
                    .wrong
                    .push(format!("order {id} was accepted and cannot be read"));
                None
            }
            _ => None,
        }
    }

    async fn until_answered<T, F: Future<Output = Sent<T>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Option<T> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Sent::Answered(answer) = ask().await {
                return Some(answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Makes a call; `None` when no whole answer came.
    async fn call(&self, what: &str, request: RequestBuilder) -> Option<(StatusCode, Value)> {
        let answer = async {
            let answer = request.send().await.ok()?;
            Some((answer.status(), answer.json().await.ok()?))
        };
        let answer = answer.await;
        let status = answer
            .as_ref()
            .map_or("none".to_owned(), |(status, _)| status.as_u16().to_string());
        *lock(&self.answers)
            .entry(format!("{what} {status}"))
            .or_default() += 1;
        answer
    }
}

/// Whether asking again cannot help: a refusal that is neither an outage nor "one moment".
fn is_final(status: StatusCode, problem: &Value) -> bool {
    let one_moment = problem["type"] == "/problems/idempotency-key-in-flight";
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS && !one_moment
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
