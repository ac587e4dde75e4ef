//! The whole system as real processes, on databases and a vhost of its own.

use std::{
    collections::{BTreeMap, HashMap},
    fs::OpenOptions,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use servers::{Postgres, PostgresOptions, RabbitMq, free_port};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    Fault, Proxy, Upstream, database, eventually, eventually_some, links::Links, variable, vhost,
};

/// How a system is set up.
#[derive(Debug, Clone, Default)]
pub struct SystemOptions {
    /// Variables for all processes, beside those that every test system has.
    pub env: BTreeMap<&'static str, String>,
    /// A PostgreSQL and a RabbitMQ of its own, to be stopped and killed.
    pub own_servers: bool,
    /// A proxy for each process in front of each thing that it talks to.
    pub proxies: bool,
}

/// Servers of one system alone.
pub struct Servers {
    /// Both databases.
    pub postgres: Mutex<Postgres>,
    /// The broker.
    pub rabbitmq: Mutex<RabbitMq>,
}

/// Real processes; killed when dropped.
pub struct System {
    /// The API.
    pub api_url: String,
    /// Payments.
    pub payments_url: String,
    /// RabbitMQ.
    pub amqp_url: String,
    /// The shop's database.
    pub shop: PgPool,
    /// Payments' database.
    pub payments: PgPool,
    /// Its own servers, when it has them.
    pub servers: Option<Servers>,
    /// For requests.
    pub http: Client,
    env: BTreeMap<String, String>,
    links: Option<Links>,
    running: Mutex<HashMap<String, Running>>,
    dir: PathBuf,
}

struct Running {
    child: Child,
    admin: String,
}

impl System {
    /// A system with everything running: payments, api and one worker of all roles.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(options: SystemOptions) -> Self {
        let system = Self::prepare(options).await;
        for role in ["payments", "api", "worker"] {
            system.spawn(role).await;
        }
        system
    }

    /// A system with nothing running yet, migrated and with the demo catalog.
    ///
    /// # Panics
    /// When its databases and queues cannot be made.
    pub async fn prepare(options: SystemOptions) -> Self {
        let dir = PathBuf::from(variable("TEST_DEV_DIR"))
            .join("run")
            .join(Uuid::new_v4().simple().to_string());
        std::fs::create_dir_all(&dir).expect("a folder for logs can be made");
        let (servers, shop_url, payments_database_url, amqp_url) = if options.own_servers {
            own_servers(&dir)
        } else {
            (
                None,
                database("shop", &db::SHOP).await,
                database("payments", &db::PAYMENTS).await,
                vhost().await,
            )
        };
        let port = || free_port().expect("a port is free");
        let (api, payments) = (port(), port());
        let key = dir.join("token.pem");
        let mut env: BTreeMap<String, String> = [
            ("SHOP_DATABASE_URL", shop_url.clone()),
            ("PAYMENTS_DATABASE_URL", payments_database_url.clone()),
            ("AMQP_URL", amqp_url.clone()),
            ("API_LISTEN", format!("127.0.0.1:{api}")),
            ("API_ADMIN_LISTEN", format!("127.0.0.1:{}", port())),
            ("PAYMENTS_LISTEN", format!("127.0.0.1:{payments}")),
            ("PAYMENTS_ADMIN_LISTEN", format!("127.0.0.1:{}", port())),
            ("PAYMENTS_URL", format!("http://127.0.0.1:{payments}")),
            (
                "JWKS_URL",
                format!("http://127.0.0.1:{api}/.well-known/jwks.json"),
            ),
            ("PAYMENTS_SIMULATOR", "1".to_owned()),
            ("TOKEN_SIGNING_KEY_FILE", key.display().to_string()),
            ("MAIL_DIR", dir.join("mail").display().to_string()),
            ("LOGINS_PER_MINUTE", "0".to_owned()),
            ("SHOPCTL_ACTOR", "operator".to_owned()),
            (
                "RUST_LOG",
                "info,saga=debug,worker=debug,messaging=debug".to_owned(),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let payments_url = env["PAYMENTS_URL"].clone();
        env.extend(
            options
                .env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let pool = |url: &str| {
            sqlx::postgres::PgPoolOptions::new()
                .max_connections(8)
                .acquire_timeout(Duration::from_secs(10))
                .connect_lazy(url)
                .expect("a PostgreSQL URL")
        };
        let system = Self {
            api_url: format!("http://127.0.0.1:{api}"),
            payments_url,
            amqp_url,
            shop: pool(&shop_url),
            payments: pool(&payments_database_url),
            servers,
            http: Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .expect("a client can be made"),
            env,
            links: options.proxies.then(Links::default),
            running: Mutex::default(),
            dir,
        };
        std::fs::write(&key, system.run("shopctl", &["keygen"])).expect("the key can be written");
        system.run("worker", &["migrate"]);
        system.run("shopctl", &["seed"]);
        system
    }

    /// Runs a program of ours to its end and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, binary: &str, arguments: &[&str]) -> String {
        let output = self
            .command(binary)
            .args(arguments)
            .output()
            .expect("the program starts");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{binary} {arguments:?}: {out}{err}"
        );
        out.into_owned()
    }

    /// The key that tokens are signed with, PEM.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn signing_key(&self) -> String {
        std::fs::read_to_string(&self.env["TOKEN_SIGNING_KEY_FILE"]).expect("the key can be read")
    }

    /// How many of a product can still be ordered.
    ///
    /// # Panics
    /// When there is none of that slug.
    pub async fn available(&self, slug: &str) -> i64 {
        sqlx::query_scalar(
            "select received - sold - reserved from commerce.stock join commerce.product using (product_id) where slug = $1",
        )
        .bind(slug)
        .fetch_one(&self.shop)
        .await
        .expect("the demo catalog has it")
    }

    /// What the programs are told.
    ///
    /// # Panics
    /// When they are not told that.
    pub fn setting(&self, name: &str) -> &str {
        &self.env[name]
    }

    /// A program of ours with this system's settings.
    pub fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(PathBuf::from(variable("TEST_BIN_DIR")).join(binary));
        command.envs(&self.env).stdin(Stdio::null());
        command
    }

    /// Starts `payments`, `api`, `worker` (all roles) or one with roles of its own, such as
    /// `worker saga relay`, and waits until it is ready. A second one of the same kind gets a name
    /// of its own behind a `#`: `worker#2`.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn spawn(&self, role: &str) {
        self.spawn_with(role, &[]).await;
    }

    /// As [`System::spawn`], with variables of its own.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn spawn_with(&self, role: &str, env: &[(&str, &str)]) {
        self.launch_with(role, env).await;
        eventually(
            &format!("{role} to be ready (log in {})", self.dir.display()),
            || self.is_ready(role),
        )
        .await;
    }

    /// As [`System::spawn`], without waiting.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub async fn launch(&self, role: &str) {
        self.launch_with(role, &[]).await;
    }

    /// As [`System::launch`], with variables of its own.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub async fn launch_with(&self, role: &str, env: &[(&str, &str)]) {
        let what = role.split('#').next().unwrap_or(role);
        let binary = what.split(' ').next().unwrap_or(what);
        let mut command = self.command(binary);
        let admin = if binary == "worker" {
            let admin = format!("127.0.0.1:{}", free_port().expect("a port is free"));
            let roles: Vec<_> = what.split(' ').skip(1).collect();
            let all = ["saga", "payments", "async", "relay"];
            command.args(if roles.is_empty() {
                &all[..]
            } else {
                &roles[..]
            });
            command.env("WORKER_ADMIN_LISTEN", &admin);
            admin
        } else {
            self.env[&format!("{}_ADMIN_LISTEN", binary.to_uppercase())].clone()
        };
        if let Some(links) = &self.links {
            command.envs(links.variables(role, binary, &self.env).await);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(role));
        let log = log.expect("the log can be opened");
        let child = command
            .envs(env.iter().copied())
            .stdout(log.try_clone().expect("the log can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.running
            .lock()
            .expect("no test panics here")
            .insert(role.to_owned(), Running { child, admin });
    }

    /// Where a process writes its log.
    pub fn log(&self, role: &str) -> PathBuf {
        self.dir.join(format!("{role}.log"))
    }

    /// Whether a process says that it is ready.
    pub async fn is_ready(&self, role: &str) -> bool {
        self.admin(role, "/readyz").await.is_some()
    }

    /// An address that nobody listens on.
    ///
    /// # Panics
    /// When no port is free.
    pub fn free_address(&self) -> String {
        format!("127.0.0.1:{}", free_port().expect("a port is free"))
    }

    /// Where a process' admin port is; `None` while it does not run.
    ///
    /// # Panics
    /// Never, unless another thread did.
    pub fn admin_address(&self, role: &str) -> Option<String> {
        let running = self.running.lock().expect("no test panics here");
        running.get(role).map(|running| running.admin.clone())
    }

    /// What a process says on its admin port, such as `/metrics`; `None` while it does not.
    pub async fn admin(&self, role: &str, path: &str) -> Option<String> {
        let admin = self.admin_address(role)?;
        let answer = self.http.get(format!("http://{admin}{path}")).send().await;
        let answer = answer
            .ok()
            .filter(|answer| answer.status() == StatusCode::OK)?;
        answer.text().await.ok()
    }

    /// Whether a process that was started has not ended, by itself or otherwise.
    ///
    /// # Panics
    /// Never, unless another thread did.
    pub fn runs(&self, role: &str) -> bool {
        let mut running = self.running.lock().expect("no test panics here");
        running
            .get_mut(role)
            .is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    /// The proxy that `role` reaches something through.
    ///
    /// # Panics
    /// When the system has no proxies, or that process was never started.
    pub fn link(&self, role: &str, to: Upstream) -> Arc<Proxy> {
        let links = self.links.as_ref().expect("it was set up with proxies");
        links.link(role, to)
    }

    /// What all links have lost or cut so far.
    pub fn link_hits(&self) -> u64 {
        self.links.as_ref().map_or(0, Links::hits)
    }

    /// Lets the way of every process to something misbehave, of those that start later, too.
    ///
    /// # Panics
    /// When the system has no proxies.
    pub fn fault(&self, to: Upstream, fault: Fault) {
        let links = self.links.as_ref().expect("it was set up with proxies");
        links.fault(to, fault);
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self, role: &str) {
        self.end(role, Signal::SIGKILL);
    }

    /// SIGTERM, and waits until it ended by itself.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&self, role: &str) {
        self.end(role, Signal::SIGTERM);
    }

    /// SIGSTOP or SIGCONT.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, role: &str, signal: Signal) {
        let running = self.running.lock().expect("no test panics here");
        send(&running.get(role).expect("it runs").child, signal);
    }

    /// As [`System::signal`]; false when it does not run.
    ///
    /// # Panics
    /// Never, unless another thread did.
    pub fn try_signal(&self, role: &str, signal: Signal) -> bool {
        let running = self.running.lock().expect("no test panics here");
        let running = running.get(role);
        running
            .inspect(|running| send(&running.child, signal))
            .is_some()
    }

    /// A process that ended without being told to, and how; told once of each.
    ///
    /// # Panics
    /// Never, unless another thread did.
    pub fn fallen(&self) -> Option<(String, ExitStatus)> {
        let mut running = self.running.lock().expect("no test panics here");
        let fallen = running
            .iter_mut()
            .find_map(|(role, running)| Some((role.clone(), running.child.try_wait().ok()??)))?;
        running.remove(&fallen.0);
        Some(fallen)
    }

    /// The sum of a metric's series; 0 when the process has none, or does not answer.
    pub async fn metric(&self, role: &str, name: &str) -> f64 {
        let page = self.admin(role, "/metrics").await.unwrap_or_default();
        page.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    fn end(&self, role: &str, signal: Signal) {
        let running = self
            .running
            .lock()
            .expect("no test panics here")
            .remove(role);
        let mut child = running
            .unwrap_or_else(|| panic!("{role} does not run"))
            .child;
        send(&child, signal);
        child.wait().expect("it can be waited for");
    }

    /// A new account, logged in.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn buyer(&self) -> Buyer<'_> {
        let email = format!("{}@shop.example", Uuid::new_v4().simple());
        let body = json!({"email": email, "password": "correct horse", "name": "Test Buyer"});
        let answer = self
            .http
            .post(format!("{}/api/register", self.api_url))
            .json(&body)
            .send()
            .await;
        let answer = answer.expect("the API answers");
        assert_eq!(answer.status(), StatusCode::CREATED);
        let tokens: Value = answer.json().await.expect("JSON");
        Buyer {
            system: self,
            token: tokens["access_token"].as_str().expect("a token").to_owned(),
        }
    }

    /// Somebody who is logged in already.
    pub fn returning(&self, token: String) -> Buyer<'_> {
        Buyer {
            system: self,
            token,
        }
    }

    /// Id of a demo product.
    ///
    /// # Panics
    /// When there is none of that slug.
    pub async fn product(&self, slug: &str) -> String {
        let id: Uuid =
            sqlx::query_scalar("select product_id from commerce.product where slug = $1")
                .bind(slug)
                .fetch_one(&self.shop)
                .await
                .expect("the demo catalog has it");
        id.to_string()
    }

    /// Waits until every saga rests and every message is published.
    pub async fn settle(&self) {
        eventually("all sagas to rest and all messages to be published", || async {
            let live: Result<i64, _> = sqlx::query_scalar(
                "select (select count(*) from saga.saga where state not in ('completed', 'compensated'))
                      + (select count(*) from messaging.outbox)",
            )
            .fetch_one(&self.shop)
            .await;
            let unpublished: Result<i64, _> =
                sqlx::query_scalar("select count(*) from messaging.outbox").fetch_one(&self.payments).await;
            matches!((live, unpublished), (Ok(0), Ok(0)))
        })
        .await;
    }

    /// What `doctor` says; what moved within `grace` is not held to what settles later.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn examine(&self, grace: Duration) -> sqlx::Result<doctor::Report> {
        doctor::examine(&self.shop, Some(&self.payments), grace).await
    }

    /// Checks all invariants, without grace.
    ///
    /// # Panics
    /// When one is violated.
    pub async fn assert_whole(&self) {
        let report = self.examine(Duration::ZERO).await;
        let report = report.expect("both databases can be read");
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let mut running = self
            .running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (_, Running { mut child, .. }) in running.drain() {
            // a test that fails stops some processes; those must go, too
            send(&child, Signal::SIGKILL);
            child.wait().ok();
        }
    }
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("process ids are small");
    kill(Pid::from_raw(pid), signal).ok();
}

fn own_servers(dir: &std::path::Path) -> (Option<Servers>, String, String, String) {
    let postgres = Postgres::start(&dir.join("postgres"), PostgresOptions::default())
        .expect("PostgreSQL starts");
    let rabbitmq = RabbitMq::start(&dir.join("rabbitmq")).expect("RabbitMQ starts");
    for name in ["shop", "payments"] {
        postgres
            .create_database(name)
            .expect("a database can be made");
    }
    let urls = (
        postgres.url("shop"),
        postgres.url("payments"),
        rabbitmq.amqp_url("%2f"),
    );
    let servers = Servers {
        postgres: Mutex::new(postgres),
        rabbitmq: Mutex::new(rabbitmq),
    };
    (Some(servers), urls.0, urls.1, urls.2)
}

/// Somebody who shops.
pub struct Buyer<'a> {
    system: &'a System,
    /// The access token.
    pub token: String,
}

impl Buyer<'_> {
    /// Sends a basket of one product.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_order(
        &self,
        product: &str,
        quantity: u32,
        key: &str,
    ) -> reqwest::Result<Response> {
        let body = json!({"items": [{"product_id": product, "quantity": quantity}]});
        let url = format!("{}/api/orders", self.system.api_url);
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .header("idempotency-key", key)
            .json(&body)
            .send()
            .await
    }

    /// Orders a mug.
    ///
    /// # Panics
    /// When the order is not accepted.
    pub async fn order(&self) -> (StatusCode, Value) {
        let mug = self.system.product("enamel-mug").await;
        let answer = self
            .try_order(&mug, 1, &Uuid::new_v4().to_string())
            .await
            .expect("the API answers");
        let status = answer.status();
        assert!(status.is_success(), "{status}: {:?}", answer.text().await);
        (status, answer.json().await.expect("JSON"))
    }

    /// Reads an order; `None` while there is no answer.
    pub async fn try_look(&self, order: &str) -> Option<Value> {
        let url = format!("{}/api/orders/{order}", self.system.api_url);
        let answer = self
            .system
            .http
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .ok()?;
        if answer.status().is_success() {
            answer.json().await.ok()
        } else {
            None
        }
    }

    /// Waits until an order has this status; returns it.
    pub async fn awaits(&self, order: &str, status: &str) -> Value {
        eventually_some(&format!("order {order} to be {status}"), || async {
            self.try_look(order)
                .await
                .filter(|order| order["status"] == status)
        })
        .await
    }

    /// Calls payments' simulator: `complete` or `cancel`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn decide(&self, verb: &str, transaction: &str) -> reqwest::Result<Response> {
        let url = format!("{}/transactions/{verb}", self.system.payments_url);
        let body = json!({"transaction_id": transaction});
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
    }

    /// Pays, however long it takes to get an answer.
    pub async fn pay(&self, transaction: &str) {
        eventually(&format!("transaction {transaction} to be paid"), || async {
            self.decide("complete", transaction)
                .await
                .is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
    }

    /// Asks the API to cancel an order.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn cancel(&self, order: &str) -> Response {
        let url = format!("{}/api/orders/{order}/cancel", self.system.api_url);
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .expect("the API answers")
    }
}
