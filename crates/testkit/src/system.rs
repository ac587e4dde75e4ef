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

/// How a system is set up.
#[derive(Debug, Clone, Default)]
pub struct SystemOptions {
    /// Variables for all processes, beside those that every test system has.
    pub env: BTreeMap<&'static str, String>,
    /// A PostgreSQL and a RabbitMQ of its own, to be stopped and killed.
    pub own_servers: bool,
    /// A proxy for each process in front of each thing that it talks to.
    pub proxies: bool,
    /// Dumps of both databases to begin with, the shop's first; absent: fresh ones.
    pub dumps: Option<[&'static str; 2]>,
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
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) links: Option<Links>,
    pub(crate) running: Mutex<HashMap<String, Running>>,
    pub(crate) dir: PathBuf,
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
            // as the image sets it: what is large goes back to the system when it is freed
            ("MALLOC_MMAP_THRESHOLD_", "262144".to_owned()),
            ("MAIL_DIR", dir.join("mail").display().to_string()),
            ("LOGINS_PER_MINUTE", "0".to_owned()),
            ("REFRESHES_PER_MINUTE", "0".to_owned()),
            ("SEARCHES_PER_MINUTE", "0".to_owned()),
            ("MAIL_RETRY_MS", "500".to_owned()),
            // some tests remove a binding, and it must stay away
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
        for key in [key, service_key, event_key] {
            let made = system.run("shopctl", &["keygen"]);
            std::fs::write(&key, made).expect("the key can be written");
        }
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

    /// The key that calls to payments are signed with, PEM.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn service_signing_key(&self) -> String {
        std::fs::read_to_string(&self.env["SERVICE_SIGNING_KEY_FILE"]).expect("the key can be read")
    }

    /// The key that users' tokens are signed with, PEM.
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
        // as in production: a process finds the keys that it signs with, and no others
        let name = std::path::Path::new(binary).file_name();
        let name = name.and_then(|name| name.to_str()).unwrap_or(binary);
        for (key, signers) in [
            ("TOKEN_SIGNING_KEY_FILE", &["api"][..]),
            ("SERVICE_SIGNING_KEY_FILE", &["api", "worker"]),
            ("EVENT_SIGNING_KEY_FILE", &["payments"]),
        ] {
            if !signers.contains(&name) {
                command.env_remove(key);
            }
        }
        command
    }

    /// Where a process writes its log.
    pub fn log(&self, role: &str) -> PathBuf {
        self.dir.join(format!("{role}.log"))
    }

    /// An address that nobody listens on.
    ///
    /// # Panics
    /// When no port is free.
    pub fn free_address(&self) -> String {
        format!("127.0.0.1:{}", free_port().expect("a port is free"))
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
        let plans = workflows::plans();
        doctor::examine(&self.shop, Some(&self.payments), &plans, grace).await
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

/// Where its data is: its own servers, and the URLs of both databases and of the broker.
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
