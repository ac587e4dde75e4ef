//! The whole system as real processes, on databases and a vhost of its own.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Client;
use servers::{Postgres, PostgresOptions, RabbitMq, free_port};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    Fault, Proxy, Upstream, database, eventually, links::Links, postgres::restored,
    processes::Running, variable, vhost,
};

/// Options for setting up a system.
#[derive(Debug, Clone, Default)]
pub struct SystemOptions {
    /// Variables for all processes, in addition to those of every test system.
    pub env: BTreeMap<&'static str, String>,
    /// Whether the system gets its own PostgreSQL and RabbitMQ, which the test may stop and kill.
    pub own_servers: bool,
    /// Whether a proxy runs between each process and each of its upstreams.
    pub proxies: bool,
    /// Dumps to restore both databases from, the shop's first; without them, fresh databases.
    pub dumps: Option<[&'static str; 2]>,
    /// Another release than this checkout's; payments is this checkout's in each case.
    pub release: Option<Release>,
    /// Whether the payments service is that of another team, [`crate::Level1`]. Its events are
    /// trusted.
    pub level1: bool,
}

/// A release of the shop's programs.
#[derive(Debug, Clone)]
pub struct Release {
    /// The folder that its programs are in.
    pub programs: PathBuf,
    /// The plans that it knows.
    pub plans: Vec<saga::Shape>,
}

/// Servers that only one system uses.
pub struct Servers {
    /// The server of both databases.
    pub postgres: Mutex<Postgres>,
    /// The broker.
    pub rabbitmq: Mutex<RabbitMq>,
}

/// A system of real processes; killed on drop.
pub struct System {
    /// URL of the API.
    pub api_url: String,
    /// URL of payments.
    pub payments_url: String,
    /// URL of RabbitMQ.
    pub amqp_url: String,
    /// The shop's database.
    pub shop: PgPool,
    /// Payments' database.
    pub payments: PgPool,
    /// The system's own servers, if it has any.
    pub servers: Option<Servers>,
    /// The client for the system's requests.
    pub http: Client,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) links: Option<Links>,
    pub(crate) running: Mutex<HashMap<String, Running>>,
    pub(crate) dir: PathBuf,
    release: Option<Release>,
    level1: bool,
}

/// A transaction, as the payments service stores it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredTransaction {
    /// The order that it pays.
    pub order_id: Uuid,
    /// Its id.
    pub transaction_id: Uuid,
    /// `pending`, `paid` or `canceled`.
    pub status: String,
}

/// A pool that connects when it is first used.
pub(crate) fn lazy_pool(url: &str) -> PgPool {
    sqlx::postgres::PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy(url)
        .expect("a PostgreSQL URL")
}

impl System {
    /// A running system: payments, API and one worker of all roles.
    ///
    /// # Panics
    /// When the system does not become ready.
    pub async fn start(options: SystemOptions) -> Self {
        let system = Self::prepare(options).await;
        for role in ["payments", "api", "worker"] {
            system.spawn(role).await;
        }
        system
    }

    /// A system without running processes, migrated and with the demo catalog.
    ///
    /// # Panics
    /// When its databases and queues cannot be created.
    pub async fn prepare(options: SystemOptions) -> Self {
        let dir = PathBuf::from(variable("TEST_DEV_DIR"))
            .join("run")
            .join(Uuid::new_v4().simple().to_string());
        std::fs::create_dir_all(&dir).expect("a folder for logs can be made");
        let (servers, shop_url, payments_database_url, amqp_url) = places(&options, &dir).await;
        let port = || free_port().expect("a port is free");
        let (api, payments) = (port(), port());
        let [key, service_key, event_key] =
            ["token.pem", "service.pem", "event.pem"].map(|name| dir.join(name));
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
            (
                "SERVICE_SIGNING_KEY_FILE",
                service_key.display().to_string(),
            ),
            ("EVENT_SIGNING_KEY_FILE", event_key.display().to_string()),
            // as in the image: large allocations return to the operating system when they are freed
            ("MALLOC_MMAP_THRESHOLD_", "262144".to_owned()),
            ("MAIL_DIR", dir.join("mail").display().to_string()),
            ("LOGINS_PER_MINUTE", "0".to_owned()),
            ("REFRESHES_PER_MINUTE", "0".to_owned()),
            ("SEARCHES_PER_MINUTE", "0".to_owned()),
            ("MAIL_RETRY_MS", "500".to_owned()),
            // some tests remove a binding, which must stay removed
            ("BINDINGS_INTERVAL_MS", "3600000".to_owned()),
            ("ORDER_LIMIT_OPEN", "0".to_owned()),
            ("ORDER_LIMIT_PIECES", "0".to_owned()),
            ("ORDER_LIMIT_PER_HOUR", "0".to_owned()),
            ("SHOPCTL_ACTOR", "operator".to_owned()),
            (
                "RUST_LOG",
                "info,saga=debug,worker=debug,messaging=debug".to_owned(),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if options.level1 {
            env.insert("PAYMENTS_EVENTS".to_owned(), "trusted".to_owned());
        }
        let payments_url = env["PAYMENTS_URL"].clone();
        env.extend(
            options
                .env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let system = Self {
            api_url: format!("http://127.0.0.1:{api}"),
            payments_url,
            amqp_url,
            shop: lazy_pool(&shop_url),
            payments: lazy_pool(&payments_database_url),
            servers,
            http: Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .expect("a client can be made"),
            env,
            links: options.proxies.then(Links::default),
            running: Mutex::default(),
            dir,
            release: options.release,
            level1: options.level1,
        };
        for key in [key, service_key, event_key] {
            let made = system.run("shopctl", &["keygen"]);
            std::fs::write(&key, made).expect("the key can be written");
        }
        system.run("worker", &["migrate"]);
        system.run("shopctl", &["seed"]);
        system
    }

    /// Runs one of our programs to its end and returns its output.
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

    /// The key that signs calls to payments, PEM.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn service_signing_key(&self) -> String {
        std::fs::read_to_string(&self.env["SERVICE_SIGNING_KEY_FILE"]).expect("the key can be read")
    }

    /// The key that signs users' tokens, PEM.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn signing_key(&self) -> String {
        std::fs::read_to_string(&self.env["TOKEN_SIGNING_KEY_FILE"]).expect("the key can be read")
    }

    /// The quantity of a product that can still be ordered.
    ///
    /// # Panics
    /// When no product has this slug.
    pub async fn available(&self, slug: &str) -> i64 {
        sqlx::query_scalar(
            "select received - sold - reserved from commerce.stock join commerce.product using (product_id) where slug = $1",
        )
        .bind(slug)
        .fetch_one(&self.shop)
        .await
        .expect("the demo catalog has it")
    }

    /// The value of a variable that the programs get.
    ///
    /// # Panics
    /// When the variable is not set.
    pub fn setting(&self, name: &str) -> &str {
        &self.env[name]
    }

    /// A command for one of our programs, with this system's settings.
    pub fn command(&self, binary: &str) -> Command {
        let release = self
            .release
            .as_ref()
            .map(|release| release.programs.join(binary));
        let program = release.filter(|program| program.exists());
        let built = if self.level1 && binary == "payments" {
            "level1"
        } else {
            binary
        };
        let program =
            program.unwrap_or_else(|| PathBuf::from(variable("TEST_BIN_DIR")).join(built));
        let mut command = Command::new(program);
        command.envs(&self.env).stdin(Stdio::null());
        // as in production: a process gets only the keys that it signs with
        let name = std::path::Path::new(binary).file_name();
        let name = name.and_then(|name| name.to_str()).unwrap_or(binary);
        for (key, signers) in [
            ("TOKEN_SIGNING_KEY_FILE", &["api"][..]),
            ("SERVICE_SIGNING_KEY_FILE", &["api", "worker", "shopctl"]),
            ("EVENT_SIGNING_KEY_FILE", &["payments"]),
        ] {
            if !signers.contains(&name) {
                command.env_remove(key);
            }
        }
        command
    }

    /// Path of a process's log.
    pub fn log(&self, role: &str) -> PathBuf {
        self.dir.join(format!("{role}.log"))
    }

    /// An address with a free port.
    ///
    /// # Panics
    /// When no port is free.
    pub fn free_address(&self) -> String {
        format!("127.0.0.1:{}", free_port().expect("a port is free"))
    }

    /// The proxy through which `role` reaches an upstream.
    ///
    /// # Panics
    /// When the system has no proxies, or the process was never started.
    pub fn link(&self, role: &str, to: Upstream) -> Arc<Proxy> {
        let links = self.links.as_ref().expect("it was set up with proxies");
        links.link(role, to)
    }

    /// Number of losses and cut connections of all links so far.
    pub fn link_hits(&self) -> u64 {
        self.links.as_ref().map_or(0, Links::hits)
    }

    /// Sets the fault of every process's link to an upstream, including processes that start later.
    ///
    /// # Panics
    /// When the system has no proxies.
    pub fn fault(&self, to: Upstream, fault: Fault) {
        let links = self.links.as_ref().expect("it was set up with proxies");
        links.fault(to, fault);
    }

    /// Id of a demo product.
    ///
    /// # Panics
    /// When no product has this slug.
    pub async fn product(&self, slug: &str) -> String {
        let id: Uuid =
            sqlx::query_scalar("select product_id from commerce.product where slug = $1")
                .bind(slug)
                .fetch_one(&self.shop)
                .await
                .expect("the demo catalog has it");
        id.to_string()
    }

    /// All transactions, as the payments service stores them.
    ///
    /// # Errors
    /// When its database cannot be read.
    pub async fn transactions(&self) -> sqlx::Result<Vec<StoredTransaction>> {
        let statement = if self.level1 {
            "select order_id, transaction_id, status from level1.transaction"
        } else {
            "select order_id, transaction_id, status from payments.transaction"
        };
        sqlx::query_as(statement).fetch_all(&self.payments).await
    }

    /// The number of events that the payments service has not published yet.
    ///
    /// # Errors
    /// When its database cannot be read.
    pub async fn unpublished_events(&self) -> sqlx::Result<i64> {
        let statement = if self.level1 {
            "select count(*) from level1.transaction where unannounced"
        } else {
            "select count(*) from messaging.outbox"
        };
        sqlx::query_scalar(statement)
            .fetch_one(&self.payments)
            .await
    }

    /// Waits until every saga is at rest and every message is published.
    pub async fn settle(&self) {
        eventually("all sagas to rest and all messages to be published", || async {
            let live: Result<i64, _> = sqlx::query_scalar(
                "select (select count(*) from saga.saga where state not in ('completed', 'compensated'))
                      + (select count(*) from messaging.outbox)",
            )
            .fetch_one(&self.shop)
            .await;
            matches!((live, self.unpublished_events().await), (Ok(0), Ok(0)))
        })
        .await;
    }

    /// The report of `doctor`; objects that moved within `grace` are exempt from rules that hold
    /// only after a while. The payments service of another team is not read.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn examine(&self, grace: Duration) -> sqlx::Result<doctor::Report> {
        let release = self.release.as_ref();
        let plans = release.map_or_else(workflows::plans, |release| release.plans.clone());
        let payments = (!self.level1).then_some(&self.payments);
        doctor::examine(&self.shop, payments, &plans, grace).await
    }

    /// Orders that have ended otherwise than their transactions, which `doctor` sees only if it can
    /// read the payments service (I2, I3).
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn contradictions(&self) -> sqlx::Result<Vec<String>> {
        let orders: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
            r#"select order_id, transaction_id, status from commerce."order"
               where status in ('completed', 'canceled')"#,
        )
        .fetch_all(&self.shop)
        .await?;
        let transactions = self.transactions().await?.into_iter();
        let transactions: HashMap<_, _> = transactions
            .map(|transaction| (transaction.order_id, transaction))
            .collect();
        let contradictions = orders.into_iter().filter_map(|(id, transaction_id, status)| {
            let transaction = transactions.get(&id);
            let fits = match transaction {
                None => status == "canceled",
                Some(transaction) => {
                    let expected = if status == "completed" { "paid" } else { "canceled" };
                    transaction.status == expected && transaction.transaction_id == transaction_id
                }
            };
            (!fits).then(|| {
                format!("order {id} is {status}, through {transaction_id}; payments has {transaction:?}")
            })
        });
        Ok(contradictions.collect())
    }

    /// Checks all invariants, without grace.
    ///
    /// # Panics
    /// When an invariant is violated.
    pub async fn assert_whole(&self) {
        let report = self.examine(Duration::ZERO).await;
        let report = report.expect("both databases can be read");
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
        if self.level1 {
            let contradictions = self.contradictions().await;
            let contradictions = contradictions.expect("both databases can be read");
            assert!(contradictions.is_empty(), "{contradictions:#?}");
        }
    }
}

/// The system's data stores: its own servers, and the URLs of both databases and of the broker.
async fn places(options: &SystemOptions, dir: &Path) -> (Option<Servers>, String, String, String) {
    if options.own_servers {
        own_servers(dir)
    } else if let Some([shop, payments]) = options.dumps {
        let shop = restored("shop", shop).await;
        (
            None,
            shop,
            restored("payments", payments).await,
            vhost().await,
        )
    } else {
        (
            None,
            database("shop", &db::SHOP).await,
            database("payments", &db::PAYMENTS).await,
            vhost().await,
        )
    }
}

fn own_servers(dir: &Path) -> (Option<Servers>, String, String, String) {
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
