//! `cargo xtask demo`: plays the system's promises live.
//!
//! It uses the running system, or starts and stops one; with `--payments level1` one of its own, whose
//! payments service offers level 1 of its contract. Each play prints its actions and
//! observations; the table at the end compares each promise with the observation.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use servers::{Process, Result};
use ureq::{Agent, http::Response};

use crate::{
    Doing, cargo, down,
    env::Env,
    fail, lock, processes,
    roles::{self, ROLES, Role},
    up,
};

/// Longer than a lease and a backoff together on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(40);

/// The command that plays the demo in the system of [`beside_level_1`].
pub(crate) const INSIDE: &str = "demo-beside-level-1";

/// Plays the demo in a system of its own whose payments service is one of level 1.
pub(crate) fn beside_level_1() -> Result<()> {
    eprintln!("building");
    let build = cargo::cargo(&["build", "--workspace", "--bins"]);
    cargo::run(build, "the build")?;
    let _alone = lock::take("demo-level-1")?;
    let dir = cargo::dev_dir().join("level-1");
    if !processes::read_in(&dir).is_empty() {
        let dir = dir.display();
        return fail(format!(
            "an earlier demo still runs: `XTASK_DEV_DIR={dir} cargo xtask down` stops it"
        ));
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).doing("wipe .dev/level-1")?;
    }
    let programs = dir.join("programs");
    fs::create_dir_all(&programs).doing("make .dev/level-1")?;
    for (program, built) in [
        ("payments", "level1"),
        ("api", "api"),
        ("worker", "worker"),
        ("shopctl", "shopctl"),
    ] {
        let built = cargo::bin_dir(false).join(built);
        symlink(built, programs.join(program)).doing("link a program")?;
    }
    // the build may have replaced this program's file
    let this = format!("/proc/{}/exe", std::process::id());
    let mut demo = Command::new(this);
    demo.arg(INSIDE)
        .env(cargo::DEV_DIR, &dir)
        .env(cargo::PROGRAMS, &programs)
        .env("PAYMENTS_EVENTS", "trusted");
    cargo::run(demo, "the demo")
}

/// Plays the demo against the running system, or against one of its own; `level1` tells that its
/// payments service is of level 1.
pub(crate) fn run(level1: bool) -> Result<()> {
    let starts_it = processes::read().is_empty();
    if starts_it {
        up::run(&up::Options::detached())?;
    }
    let mut demo = Demo::new();
    demo.level1 = level1;
    let kept = demo.run();
    if starts_it {
        down::run();
    }
    kept
}

pub(crate) struct Demo {
    env: Env,
    http: Agent,
    token: String,
    rows: Vec<Row>,
    /// Whether the payments service is of level 1.
    level1: bool,
}

struct Row {
    play: &'static str,
    promised: String,
    seen: String,
    kept: bool,
}

/// A service's answer.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

impl Demo {
    /// The demo of the running system, as `.dev/env` and `.dev/processes.json` describe it.
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(15)))
            .http_status_as_error(false);
        Self {
            env: Env::read(),
            http: config.build().new_agent(),
            token: String::new(),
            rows: Vec::new(),
            level1: false,
        }
    }

    /// Plays everything and prints the table of promises.
    pub(crate) fn run(mut self) -> Result<()> {
        let played = self.play();
        let verdict = self.table();
        played?;
        verdict
    }

    fn play(&mut self) -> Result<()> {
        self.paid()?;
        self.canceled()?;
        let ours = |name: &str| processes::read().iter().any(|(role, _)| role == name);
        if ours("payments") && ours("worker-saga") {
            self.payments_down()?;
            self.worker_killed()?;
        } else {
            print_step("payments or worker-saga is not run from here: their outages are left out");
        }
        self.whole()
    }

    fn paid(&mut self) -> Result<()> {
        const PLAY: &str = "an order is paid";
        title(PLAY);
        let email = format!("demo-{}@shop.example", unique());
        let account = json!({"email": email, "password": "correct horse", "name": "Demo"});
        let registered = self.api("POST", "/api/register", &account, &[])?;
        self.expect(
            PLAY,
            "a new user is registered",
            &registered.status.to_string(),
            "202",
        );
        let login = json!({"email": email, "password": "correct horse"});
        let entered = self.api("POST", "/api/login", &login, &[])?;
        self.token = String::from(entered.text("access_token"));
        self.expect(
            PLAY,
            "a new user logs in",
            &entered.status.to_string(),
            "200",
        );
        let found = self.api("GET", "/api/products?search=enamle", &Value::Null, &[])?;
        let mug = &found.body["items"][0];
        let name = mug["name"].as_str().unwrap_or("nothing");
        self.expect(
            PLAY,
            "a search with a typing mistake finds it",
            name,
            "Enamel Mug",
        );
        let order = self.order(mug["id"].as_str().unwrap_or_default(), &[])?;
        self.expect(
            PLAY,
            "the order awaits its payment at once",
            &at(&order),
            "201 awaiting_payment",
        );
        let paid = self.decide("complete", &order)?;
        self.expect(PLAY, "its user pays", &at(&paid), "200 paid");
        let status = self.becomes(&order, "completed")?;
        self.expect(PLAY, "the event completes the order", &status, "completed");
        Ok(())
    }

    fn canceled(&mut self) -> Result<()> {
        const PLAY: &str = "a payment is canceled";
        title(PLAY);
        let (product, slug) = self.single()?;
        let order = self.order(&product, &[])?;
        self.expect(
            PLAY,
            "the last piece is ordered",
            &at(&order),
            "201 awaiting_payment",
        );
        let left = self.in_stock(&slug)?;
        self.expect(PLAY, "while it is held there is none left", &left, "false");
        let canceled = self.decide("cancel", &order)?;
        self.expect(PLAY, "payments cancels", &at(&canceled), "200 canceled");
        let status = self.becomes(&order, "canceled")?;
        self.expect(PLAY, "the event cancels the order", &status, "canceled");
        let left = self.in_stock(&slug)?;
        self.expect(PLAY, "the piece is back", &left, "true");
        Ok(())
    }

    fn payments_down(&mut self) -> Result<()> {
        const PLAY: &str = "payments is down";
        title(PLAY);
        let (product, _) = self.single()?;
        print_step("stopping payments");
        let payments = running("payments")?;
        payments.terminate(TIMEOUT);
        let order = self.order(&product, &[])?;
        self.expect(
            PLAY,
            "the order is accepted all the same",
            &at(&order),
            "202 pending",
        );
        print_step("starting payments");
        self.start("payments")?;
        let status = self.becomes(&order, "awaiting_payment")?;
        self.expect(
            PLAY,
            "payments is back: it awaits its payment",
            &status,
            "awaiting_payment",
        );
        self.decide("complete", &order)?;
        let status = self.becomes(&order, "completed")?;
        self.expect(PLAY, "and is paid", &status, "completed");
        Ok(())
    }

    fn worker_killed(&mut self) -> Result<()> {
        const PLAY: &str = "a worker is killed";
        title(PLAY);
        let (product, _) = self.single()?;
        print_step("freezing payments, so that a worker is caught in the middle of its call");
        let payments = running("payments")?;
        payments.freeze();
        let caught = self.caught(&product);
        print_step("one is: killing it (SIGKILL); payments goes on");
        running("worker-saga")?.kill();
        payments.thaw();
        let order = caught?;
        print_step("another worker-saga starts");
        self.start("worker-saga")?;
        let status = self.becomes(&order, "awaiting_payment")?;
        self.expect(
            PLAY,
            "it finishes what the dead one began",
            &status,
            "awaiting_payment",
        );
        self.decide("complete", &order)?;
        let status = self.becomes(&order, "completed")?;
        self.expect(PLAY, "and the order is paid, once", &status, "completed");
        Ok(())
    }

    /// Places an order and waits until a worker, not the API, has started to initialise its
    /// payment.
    fn caught(&self, product: &str) -> Result<Answer> {
        let order = self.order(product, &[("prefer", "respond-async")])?;
        let until = Instant::now() + TIMEOUT;
        while Instant::now() < until {
            let mut list = roles::command(&self.env, "shopctl");
            list.args(["saga", "list", "-o", "json", "--order", order.text("id")]);
            let row = cargo::output(list, "shopctl saga list")?;
            let row: Value = serde_json::from_str(row.trim()).doing("read shopctl's answer")?;
            if row["attempt"] == 1 {
                return Ok(order);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        fail("no worker began with the order")
    }

    fn whole(&mut self) -> Result<()> {
        const PLAY: &str = "after all that";
        title(PLAY);
        let mut doctor = roles::command(&self.env, "shopctl");
        doctor.args(["doctor", "--grace", "0", "-o", "json"]);
        let output = doctor.output().doing("run shopctl doctor")?;
        let out = String::from_utf8_lossy(&output.stdout);
        let checks = out
            .lines()
            .map(serde_json::from_str)
            .collect::<std::result::Result<Vec<Value>, _>>()
            .doing("read shopctl's answer")?;
        let invariants = checks
            .iter()
            .filter(|check| check["severity"] == "violation");
        let (hold, fail): (Vec<_>, Vec<_>) =
            invariants.partition(|check| check["result"] == "holds");
        let seen = match (hold.len(), fail.as_slice()) {
            (0, []) => "none was checked".to_owned(),
            (_, []) => "all of them".to_owned(),
            (_, fail) => {
                let result = |check: &&Value| {
                    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}", text("id"), text("result"))
                };
                fail.iter().map(result).collect::<Vec<_>>().join(", ")
            }
        };
        let (promised, expected) = if self.level1 {
            // these compare orders with transactions, which this service does not show
            (
                "each invariant holds that can be checked (shopctl doctor)",
                "I2: not checked, I3: not checked, I5: not checked",
            )
        } else {
            ("every invariant holds (shopctl doctor)", "all of them")
        };
        self.expect(PLAY, promised, &seen, expected);
        Ok(())
    }

    /// Creates a product with one piece in stock; returns its id and slug.
    fn single(&self) -> Result<(String, String)> {
        let login = json!({
            "email": self.env.get("SHOP_ADMIN_EMAIL"), "password": self.env.get("SHOP_ADMIN_PASSWORD"),
        });
        let admin = self.api("POST", "/api/login", &login, &[])?;
        let bearer = format!("Bearer {}", admin.text("access_token"));
        let product = json!({
            "name": format!("Single piece {}", unique()), "description": "There is one of it.",
            "price": {"amount": 1990, "currency": "EUR"}, "stock": 1,
        });
        let made = self.api(
            "POST",
            "/api/products",
            &product,
            &[("authorization", &bearer)],
        )?;
        if made.status != 201 {
            return fail(format!("the admin could not add a product: {}", made.body));
        }
        Ok((made.text("id").to_owned(), made.text("slug").to_owned()))
    }

    fn in_stock(&self, slug: &str) -> Result<String> {
        let product = self.api("GET", &format!("/api/products/{slug}"), &Value::Null, &[])?;
        Ok(product.body["in_stock"].to_string())
    }

    fn order(&self, product: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let basket = json!({"items": [{"product_id": product, "quantity": 1}]});
        let key = unique();
        let headers = [&[("idempotency-key", key.as_str())], headers].concat();
        self.api("POST", "/api/orders", &basket, &headers)
    }

    /// Pays or cancels, as the order's user. Payments may have chosen another transaction's id than
    /// an order showed that did not await its payment yet.
    fn decide(&self, verb: &str, order: &Answer) -> Result<Answer> {
        let url = format!("{}/transactions/{verb}", self.env.get("PAYMENTS_URL"));
        let path = format!("/api/orders/{}", order.text("id"));
        let now = self.api("GET", &path, &Value::Null, &[])?;
        let body = json!({"transaction_id": now.body["transaction_id"]});
        self.send("POST", &url, &body, &[])
    }

    /// Waits for this status of the order; returns the last status seen.
    fn becomes(&self, order: &Answer, status: &str) -> Result<String> {
        let path = format!("/api/orders/{}", order.text("id"));
        let until = Instant::now() + TIMEOUT;
        loop {
            let now = self.api("GET", &path, &Value::Null, &[])?;
            if now.text("status") == status || Instant::now() > until {
                return Ok(now.text("status").to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn api(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.env.get("API_URL"));
        self.send(method, &url, body, headers)
    }

    fn send(
        &self,
        method: &str,
        url: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "authorization") && !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let what = format!("{method} {url}");
        let answer = if body.is_null() {
            self.http.run(request.body(()).doing(&what)?)
        } else {
            let request = request.header("content-type", "application/json");
            self.http.run(request.body(body.to_string()).doing(&what)?)
        };
        let mut answer: Response<ureq::Body> = answer.doing(&what)?;
        Ok(Answer {
            status: answer.status().as_u16(),
            body: answer.body_mut().read_json().unwrap_or_default(),
        })
    }

    /// Starts a process in place of one that ended, and records it in `.dev`.
    fn start(&self, name: &str) -> Result<()> {
        let role: Option<Role> = ROLES.into_iter().find(|role| role.name == name);
        let Some(role) = role else {
            return fail(format!("there is no {name}"));
        };
        let mut child = role.spawn(&self.env)?;
        let mut all = processes::read();
        if let Some(process) = Process::of(child.id()) {
            all.push((name.to_owned(), process));
        }
        processes::write(&all)?;
        role.await_ready(&mut child, &self.env, || Ok(()))
    }

    fn expect(&mut self, play: &'static str, promised: &str, seen: &str, expected: &str) {
        let kept = seen == expected;
        if kept {
            print_step(&format!("✓ {promised}: {seen}"));
        } else {
            print_step(&format!("✗ {promised}: {seen}, not {expected}"));
        }
        self.rows.push(Row {
            play,
            promised: format!("{promised}: {expected}"),
            seen: seen.to_owned(),
            kept,
        });
    }

    /// Prints the promises and the observations; fails if they differ.
    fn table(&self) -> Result<()> {
        let width = |text: fn(&Row) -> &str| {
            let lengths = self.rows.iter().map(|row| text(row).chars().count());
            lengths.max().unwrap_or_default()
        };
        let (plays, promises) = (width(|row| row.play), width(|row| &row.promised));
        eprintln!("\n  {:plays$}  {:promises$}  SEEN", "PLAY", "PROMISED");
        for row in &self.rows {
            let mark = if row.kept { "✓" } else { "✗" };
            eprintln!(
                "{mark} {:plays$}  {:promises$}  {}",
                row.play, row.promised, row.seen
            );
        }
        let broken: Vec<_> = self.rows.iter().filter(|row| !row.kept).collect();
        if broken.is_empty() {
            eprintln!("\nAll {} promises were kept.", self.rows.len());
            return Ok(());
        }
        let which: Vec<_> = broken.iter().map(|row| row.promised.as_str()).collect();
        fail(format!("promised, but not seen: {}", which.join("; ")))
    }
}

fn title(play: &str) {
    eprintln!("\n{play}");
}

fn print_step(what: &str) {
    eprintln!("  {what}");
}

/// The status code, and the order's status or the problem's type.
fn at(answer: &Answer) -> String {
    match answer.text("status") {
        "" => format!("{} {}", answer.status, answer.text("type")),
        status => format!("{} {status}", answer.status),
    }
}

fn running(name: &str) -> Result<Process> {
    let found = processes::read()
        .into_iter()
        .find_map(|(role, process)| (role == name).then_some(process));
    found.map_or_else(|| fail(format!("{name} does not run")), Ok)
}

/// A name that is unique on this machine, from process id and time.
fn unique() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |time| time.as_nanos());
    format!("{}-{nanos}", std::process::id())
}
