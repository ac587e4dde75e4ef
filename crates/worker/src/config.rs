//! Configuration by environment; `worker --help` is its reference.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use messaging::relay::RelayConfig;
use workflows::settings::{CheckoutSettings, Retention, RetentionSettings};

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Advance sagas.
    Saga,
    /// Take payment events.
    Payments,
    /// Take commands, run background jobs.
    Async,
    /// Publish the outbox.
    Relay,
}

impl Role {
    /// As typed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Saga => "saga",
            Self::Payments => "payments",
            Self::Async => "async",
            Self::Relay => "relay",
        }
    }

    /// Whether it calls payments, with tokens of ours.
    const fn calls_payments(self) -> bool {
        !matches!(self, Self::Relay)
    }

    /// Whether it talks to RabbitMQ.
    const fn needs_broker(self) -> bool {
        !matches!(self, Self::Saga)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    Saga,
    Payments,
    Async,
    Relay,
    /// Prepare the databases and RabbitMQ, then end.
    Migrate,
    /// Archive and forget what is past its window, once, then end; the async role does it hourly.
    Retention,
    /// Print every setting, as a table (Markdown), then end.
    Settings,
}

/// What to do about live sagas that nobody would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnknownPlans {
    /// Do not start.
    Refuse,
    /// Start, and leave them.
    Leave,
}

/// The shop's workers.
#[derive(Parser, Clone)]
#[command(name = "worker", version)]
pub(crate) struct Args {
    /// What to do: one role, several, or `migrate` alone.
    #[arg(required = true)]
    tasks: Vec<Task>,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    #[arg(
        long = "worker-admin-listen",
        env = "WORKER_ADMIN_LISTEN",
        default_value = "127.0.0.1:9082"
    )]
    admin_listen: SocketAddr,
    /// PostgreSQL URL of the shop's database.
    #[arg(
        long = "shop-database-url",
        env = "SHOP_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<String>,
    /// PostgreSQL URL of payments' database; only for `migrate`.
    #[arg(
        long = "payments-database-url",
        env = "PAYMENTS_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) payments_database_url: Option<String>,
    /// Most connections to the shop's database.
    #[arg(
        long = "shop-database-max-connections",
        env = "SHOP_DATABASE_MAX_CONNECTIONS",
        default_value_t = 16
    )]
    database_max_connections: u32,
    /// RabbitMQ URL; the saga role alone needs none.
    #[arg(long = "amqp-url", env = "AMQP_URL", hide_env_values = true)]
    pub(crate) amqp_url: Option<String>,
    /// RabbitMQ's management API, with user and password; only for `migrate`, when it makes users.
    #[arg(
        long = "rabbitmq-management-url",
        env = "RABBITMQ_MANAGEMENT_URL",
        hide_env_values = true
    )]
    pub(crate) rabbitmq_management_url: Option<String>,
    /// Folder with a password for each role, in a file of its name; only for `migrate`, which then
    /// makes the roles of all processes at PostgreSQL and RabbitMQ, and grants them their work.
    #[arg(long = "roles-dir", env = "ROLES_DIR")]
    pub(crate) roles_dir: Option<PathBuf>,
    /// Where payments is.
    #[arg(
        long = "payments-url",
        env = "PAYMENTS_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    payments_url: String,
    /// File with the Ed25519 key (PKCS#8 PEM) that service tokens are signed with; the relay role alone
    /// needs none.
    #[arg(long = "token-signing-key-file", env = "TOKEN_SIGNING_KEY_FILE")]
    token_signing_key_file: Option<PathBuf>,
    /// Attempts that the saga role makes at once.
    #[arg(
        long = "saga-concurrency",
        env = "SAGA_CONCURRENCY",
        default_value_t = 64
    )]
    saga_concurrency: u32,
    /// Whether the saga role starts while live sagas are of a plan that neither it nor a living worker
    /// knows: `leave` starts all the same, and they stay where they are.
    #[arg(
        long = "unknown-plans",
        env = "UNKNOWN_PLANS",
        value_enum,
        default_value_t = UnknownPlans::Refuse
    )]
    unknown_plans: UnknownPlans,
    /// Between two counts of all sagas, which one process of the async role takes, milliseconds.
    #[arg(
        long = "census-interval-ms",
        env = "CENSUS_INTERVAL_MS",
        default_value_t = 15_000
    )]
    census_interval_ms: u64,
    /// For how long a claim gives the relay the right to publish, milliseconds.
    #[arg(
        long = "relay-lease-ms",
        env = "RELAY_LEASE_MS",
        default_value_t = 10_000
    )]
    relay_lease_ms: u64,
    /// SMTP server, such as `smtp://localhost:1025` or `smtps://user:password@mail.example`.
    #[arg(long = "smtp-url", env = "SMTP_URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// Where mails are written as `.eml` files when there is no SMTP server.
    #[arg(long = "mail-dir", env = "MAIL_DIR", default_value = ".dev/mail")]
    mail_dir: PathBuf,
    /// Who the mails are from.
    #[arg(
        long = "mail-from",
        env = "MAIL_FROM",
        default_value = "Shop <shop@localhost>"
    )]
    mail_from: String,
    /// OTLP endpoint (gRPC) for traces.
    #[arg(
        long = "otel-exporter-otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT"
    )]
    otlp_endpoint: Option<String>,
    /// `json` or `text`.
    #[arg(long = "log-format", env = "LOG_FORMAT", default_value = "json", value_parser = ["json", "text"])]
    log_format: String,
    #[command(flatten)]
    checkout: CheckoutSettings,
    #[command(flatten)]
    retention: RetentionSettings,
}

/// How mails leave.
#[derive(Clone)]
pub(crate) struct MailConfig {
    pub(crate) smtp_url: Option<String>,
    pub(crate) dir: PathBuf,
    pub(crate) from: String,
}

/// A configuration that makes sense.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) roles: Vec<Role>,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) database_url: String,
    pub(crate) database_max_connections: u32,
    /// Empty when no role needs it.
    pub(crate) amqp_url: String,
    pub(crate) payments_url: String,
    pub(crate) signing_key: String,
    pub(crate) saga_concurrency: u32,
    pub(crate) relay: RelayConfig,
    pub(crate) mail: MailConfig,
    pub(crate) telemetry: telemetry::Config,
    pub(crate) checkout: CheckoutSettings,
    pub(crate) retention: Retention,
    pub(crate) census: Duration,
    pub(crate) unknown_plans: UnknownPlans,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("roles", &self.roles)
            .field("database_url", &"***")
            .field("amqp_url", &"***")
            .field("signing_key", &"***")
            .field("checkout", &self.checkout)
            .finish_non_exhaustive()
    }
}

impl Args {
    pub(crate) fn migrates(&self) -> bool {
        self.tasks == [Task::Migrate]
    }

    pub(crate) fn prints_settings(&self) -> bool {
        self.tasks == [Task::Settings]
    }

    /// The shop's database and the windows, when all that is wanted is `retention`.
    pub(crate) fn retains(&self) -> anyhow::Result<Option<(String, Retention)>> {
        if self.tasks != [Task::Retention] {
            return Ok(None);
        }
        let url = self.database_url.clone();
        let url = url.context("SHOP_DATABASE_URL is not set: it is the PostgreSQL URL")?;
        Ok(Some((url, self.retention.checked(&self.checkout)?)))
    }

    pub(crate) fn telemetry(&self) -> telemetry::Config {
        telemetry::Config {
            otlp_endpoint: self
                .otlp_endpoint
                .clone()
                .filter(|endpoint| !endpoint.is_empty()),
            json: self.log_format == "json",
        }
    }

    /// Refuses nonsense, naming the variable.
    pub(crate) fn checked(self) -> anyhow::Result<Config> {
        self.checkout.engine_config()?;
        let retention = self.retention.checked(&self.checkout)?;
        anyhow::ensure!(
            self.database_max_connections >= 2,
            "SHOP_DATABASE_MAX_CONNECTIONS must be at least 2"
        );
        anyhow::ensure!(
            self.saga_concurrency >= 1,
            "SAGA_CONCURRENCY must be at least 1"
        );
        anyhow::ensure!(
            self.census_interval_ms >= 100,
            "CENSUS_INTERVAL_MS must be at least 100"
        );
        anyhow::ensure!(
            self.payments_url.starts_with("http"),
            "PAYMENTS_URL must be an http(s) URL"
        );
        let roles = self.tasks.iter().map(|task| match task {
            Task::Saga => Ok(Role::Saga),
            Task::Payments => Ok(Role::Payments),
            Task::Async => Ok(Role::Async),
            Task::Relay => Ok(Role::Relay),
            Task::Migrate | Task::Retention | Task::Settings => Err(anyhow::anyhow!(
                "`migrate`, `retention` and `settings` end when they are done: they go with no other role"
            )),
        });
        let roles: Vec<_> = roles.collect::<anyhow::Result<_>>()?;
        let relay = RelayConfig::with_lease(Duration::from_millis(self.relay_lease_ms))
            .map_err(|why| anyhow::anyhow!("RELAY_LEASE_MS {why}"))?;
        let telemetry = self.telemetry();
        let signing_key = if roles.iter().any(|role| role.calls_payments()) {
            signing_key(self.token_signing_key_file)?
        } else {
            tokens::generate_key_pem() // nobody trusts it, and nobody is shown it
        };
        let amqp_url = if roles.iter().any(|role| role.needs_broker()) {
            let url = self
                .amqp_url
                .context("AMQP_URL is not set: it is the RabbitMQ URL")?;
            messaging::check_url(&url)
                .map_err(|why| anyhow::anyhow!("AMQP_URL is not a RabbitMQ URL: {why}"))?;
            url
        } else {
            String::new()
        };
        Ok(Config {
            roles,
            admin_listen: self.admin_listen,
            database_url: self
                .database_url
                .context("SHOP_DATABASE_URL is not set: it is the PostgreSQL URL")?,
            database_max_connections: self.database_max_connections,
            amqp_url,
            payments_url: self.payments_url,
            signing_key,
            saga_concurrency: self.saga_concurrency,
            relay,
            mail: MailConfig {
                smtp_url: self.smtp_url.filter(|url| !url.is_empty()),
                dir: self.mail_dir,
                from: self.mail_from,
            },
            telemetry,
            checkout: self.checkout,
            retention,
            census: Duration::from_millis(self.census_interval_ms),
            unknown_plans: self.unknown_plans,
        })
    }
}

fn signing_key(file: Option<PathBuf>) -> anyhow::Result<String> {
    let file = file.context(
        "TOKEN_SIGNING_KEY_FILE is not set: it names the Ed25519 key; `shopctl keygen` makes one",
    )?;
    std::fs::read_to_string(&file)
        .with_context(|| format!("TOKEN_SIGNING_KEY_FILE: {} cannot be read", file.display()))
}
