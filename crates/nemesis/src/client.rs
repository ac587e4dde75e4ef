//! Clients: they order, pay, cancel and race, retry while they get no answer, and record every
//! answer.

mod calls;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::RwLock;
use uuid::Uuid;

use crate::{
    ledger::{Answer, Entry, Ledger},
    random::Random,
};
use calls::Sent;

/// Timeout of one request.
const ANSWER: Duration = Duration::from_secs(4);
/// How long a client retries before it reports that the system does not answer: longer than any
/// round.
const RETRY_TIMEOUT: Duration = Duration::from_mins(2);
/// Label of calls without an answer in time.
const LATE: &str = "late";
/// Orders of one account; after them the client creates another account.
const ORDERS: u64 = 8;

/// State that all clients share.
pub(crate) struct Clients {
    seed: u64,
    http: reqwest::Client,
    api: String,
    payments: String,
    products: Vec<Uuid>,
    ledger: Mutex<Ledger>,
    answers: Mutex<BTreeMap<String, u64>>,
    /// Held for reading during each play; a writer thereby silences all clients.
    pub(crate) gate: RwLock<()>,
    stopped: AtomicBool,
}

/// A logged-in account.
struct Account {
    token: String,
}

/// An order, as the API's answers describe it.
#[derive(Clone, Copy)]
struct Order {
    id: Uuid,
    transaction: Uuid,
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

    /// The answers recorded so far.
    pub(crate) fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// The number of answers by call and status.
    pub(crate) fn answers(&self) -> BTreeMap<String, u64> {
        lock(&self.answers).clone()
    }

    /// The answers that a healthy system never gives: server errors, and timeouts. A refused or cut
    /// connection is no answer: the client sends the same request again.
    pub(crate) fn failures(&self) -> Vec<String> {
        let answers = self.answers().into_iter();
        let failures = answers.filter(|(what, _)| {
            let heard = what.rsplit(' ').next().unwrap_or_default();
            heard == LATE || heard.starts_with('5')
        });
        failures
            .map(|(what, times)| format!("a failed request, {times} times: {what}"))
            .collect()
    }

    /// Whether the clients are stopped: no further play begins.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Stops the clients: no further play begins.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Runs one client: play after play, until stopped.
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

    /// Places an order with a new account and pays it at once; returns the time until it is
    /// completed.
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
            let until = Instant::now() + RETRY_TIMEOUT;
            while Instant::now() < until {
                let seen = self.read_final_status(&account, order.id, &mut entry).await;
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
            // gives up early, so it often gets no answer
            0..10 => {
                let asked = self.order(account, &entry.key, product);
                if let Ok(Sent::Answered(Ok(order))) =
                    tokio::time::timeout(random.millis(0, 60), asked).await
                {
                    entry.accepted.push(order.id);
                }
            }
            // sends the same request twice at once
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
            // no decision: the payment deadline decides
            _ => Vec::new(),
        };
        entry.wrong.extend(other.wrong);
        entry.answers.extend(answers.into_iter().flatten());
        let seen = self.read_final_status(account, order.id, entry).await;
        entry.answers.extend(seen);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
