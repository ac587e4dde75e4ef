//! A user of the composed system, through its published ports; and a load of ten orders per second.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use servers::Result;
use ureq::Agent;

use crate::{Doing, fail};

use super::checkout::{Checkout, eventually};

const PASSWORD: &str = "correct horse battery";
/// Pause between two orders.
const PACE: Duration = Duration::from_millis(100);
/// Many products: orders of the same product wait for each other.
const PRODUCTS: usize = 40;

/// A logged-in user, and products with enough stock.
#[derive(Clone)]
pub(super) struct User {
    http: Agent,
    shop: String,
    payments: String,
    token: String,
    products: Arc<Vec<String>>,
    /// Index of the product to order next.
    next: Arc<AtomicUsize>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }
}

impl User {
    /// Creates an admin with the operator's command line, who then adds the products.
    pub(super) fn new(checkout: &Checkout<'_>) -> Result<Self> {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(40)))
            .http_status_as_error(false);
        let mut user = Self {
            http: config.build().new_agent(),
            shop: checkout.shop(),
            payments: checkout.payments(),
            token: String::new(),
            products: Arc::default(),
            next: Arc::default(),
        };
        let email = "load@shop.example";
        checkout.run(&format!(
            "printf %s '{PASSWORD}' | docker compose run --rm -T shopctl user create --email {email} \
             --name Load --role admin --reason 'to measure' --yes"
        ))?;
        let login = user.api(
            "POST",
            "/api/login",
            &json!({"email": email, "password": PASSWORD}),
        )?;
        user.token = login.text("access_token");
        if user.token.is_empty() {
            return fail(format!("the admin cannot log in: {}", login.body));
        }
        let product = |number: usize| {
            let product = json!({
                "name": format!("Endless mug {number}"), "description": "There is enough of it.",
                "price": {"amount": 1990, "currency": "EUR"}, "stock": 1_000_000,
            });
            let made = user.api("POST", "/api/products", &product)?;
            match made.status {
                201 => Ok(made.text("id")),
                _ => fail(format!("the admin could not add a product: {}", made.body)),
            }
        };
        let products: Result<Vec<_>> = (0..PRODUCTS).map(product).collect();
        user.products = Arc::new(products?);
        Ok(user)
    }

    fn api(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.send(method, &format!("{}{path}", self.shop), body)
    }

    fn send(&self, method: &str, url: &str, body: &Value) -> Result<Answer> {
        let what = format!("{method} {url}");
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(url)
            .header("idempotency-key", unique());
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        let answer = if body.is_null() {
            self.http.run(request.body(()).doing(&what)?)
        } else {
            let request = request.header("content-type", "application/json");
            self.http.run(request.body(body.to_string()).doing(&what)?)
        };
        let mut answer = answer.doing(&what)?;
        Ok(Answer {
            status: answer.status().as_u16(),
            body: answer.body_mut().read_json().unwrap_or_default(),
        })
    }

    fn order(&self) -> Result<Answer> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % PRODUCTS;
        let basket = json!({"items": [{"product_id": self.products[number], "quantity": 1}]});
        self.api("POST", "/api/orders", &basket)
    }

    fn pay(&self, transaction: &str) -> Result<Answer> {
        let url = format!("{}/transactions/complete", self.payments);
        self.send("POST", &url, &json!({"transaction_id": transaction}))
    }

    fn status(&self, order: &str) -> Result<Answer> {
        self.api("GET", &format!("/api/orders/{order}"), &Value::Null)
    }

    /// Places one order, retrying until it is accepted, pays it, and waits until it is completed.
    pub(super) fn checkout(&self) -> Result<()> {
        let mut order = None;
        eventually("an order to be taken", || {
            let answer = self.order()?;
            if ![201, 202].contains(&answer.status) {
                return fail(format!(
                    "an order was answered with {}: {}",
                    answer.status, answer.body
                ));
            }
            order = Some((answer.text("id"), answer.text("transaction_id")));
            Ok(true)
        })?;
        let (id, transaction) = order.unwrap_or_default();
        self.complete(&id, &transaction)
    }

    /// Pays an order once it awaits its payment, and waits until it is completed.
    fn complete(&self, id: &str, transaction: &str) -> Result<()> {
        eventually(&format!("order {id} to be completed"), || {
            let status = self.status(id)?.text("status");
            if status == "awaiting_payment" {
                self.pay(transaction)?;
            }
            Ok(status == "completed")
        })
    }
}

/// A load of ten orders per second, until it is ended.
pub(super) struct Load {
    user: User,
    ended: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    pacer: thread::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    orders: Vec<(String, String)>,
    /// Failed requests: when, in seconds, and why (a 4xx, a 5xx, or no answer).
    failures: Vec<(f32, String)>,
    slowest: Duration,
}

impl Load {
    pub(super) fn start(user: &User) -> Self {
        let (ended, seen) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<Mutex<Seen>>::default(),
        );
        let begun = Instant::now();
        let pacer = {
            let (user, ended, seen) = (user.clone(), ended.clone(), seen.clone());
            thread::spawn(move || {
                let mut clients = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let (user, seen) = (user.clone(), seen.clone());
                    clients.push(thread::spawn(move || order_and_pay(&user, &seen, begun)));
                    thread::sleep(PACE);
                }
                for client in clients {
                    client.join().ok();
                }
            })
        };
        Self {
            user: user.clone(),
            ended,
            seen,
            pacer,
        }
    }

    /// Ends the load and waits until every order is completed; fails if any request failed.
    pub(super) fn end(self, what: &str) -> Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        self.pacer.join().ok();
        let seen = self
            .seen
            .lock()
            .map(|mut seen| std::mem::take(&mut *seen))
            .unwrap_or_default();
        for (id, transaction) in &seen.orders {
            self.user.complete(id, transaction)?;
        }
        eprintln!(
            "  {what}: {} orders, {} requests, {} failed, the slowest took {:.1} s",
            seen.orders.len(),
            seen.requests,
            seen.failures.len(),
            seen.slowest.as_secs_f32()
        );
        if seen.orders.is_empty() {
            return fail(format!("{what}: no order was taken"));
        }
        if seen.failures.is_empty() {
            return Ok(());
        }
        let mut kinds = BTreeMap::<_, (usize, f32)>::new();
        for (when, why) in &seen.failures {
            kinds.entry(why).or_insert((0, *when)).0 += 1;
        }
        let lines: Vec<_> = kinds
            .iter()
            .map(|(why, (count, first))| format!("{count} from {first:.1} s on: {why}"))
            .collect();
        fail(format!(
            "{what}: {} of {} requests were answered with a 4xx or 5xx, or cut:\n{}",
            seen.failures.len(),
            seen.requests,
            lines.join("\n")
        ))
    }
}

fn order_and_pay(user: &User, seen: &Mutex<Seen>, begun: Instant) {
    let observed = |asked: &str, ask: &dyn Fn() -> Result<Answer>| {
        let from = Instant::now();
        let answer = ask();
        let Ok(mut seen) = seen.lock() else {
            return None;
        };
        seen.requests += 1;
        seen.slowest = seen.slowest.max(from.elapsed());
        let why = match answer {
            Ok(answer) if answer.status < 400 => return Some(answer),
            Ok(answer) => format!("{asked}: {} {}", answer.status, answer.text("detail")),
            Err(error) => format!("{asked}: {}", error.0),
        };
        seen.failures.push((begun.elapsed().as_secs_f32(), why));
        None
    };
    let Some(order) = observed("order", &|| user.order()) else {
        return;
    };
    let (id, transaction) = (order.text("id"), order.text("transaction_id"));
    if let Ok(mut seen) = seen.lock() {
        seen.orders.push((id.clone(), transaction.clone()));
    }
    // an order that is accepted but not started yet is paid afterwards
    if order.status == 201 {
        observed("pay", &|| user.pay(&transaction));
    }
    observed("look", &|| user.status(&id));
}

/// A name that is unique in this run.
fn unique() -> String {
    use std::sync::atomic::AtomicU64;
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}", now.map_or(0, |time| time.as_nanos()))
}
