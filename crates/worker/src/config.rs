//! Configuration from environment variables; `worker --help` is its reference.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use kernel::Clock;
use messaging::relay::RelayConfig;
use tokens::Signer;
use workflows::settings::{CheckoutSettings, Retention, RetentionSettings};

/// A role of a worker, with the settings that only this role reads.
#[derive(Clone)]
pub(crate) enum Role {
    /// Advances sagas.
    Saga {
        /// Number of concurrent attempts.
        concurrency: u32,
        unknown_plans: UnknownPlans,
    },
    /// Consumes payment events.
    Payments {
        amqp_url: String,
        bindings: BindingsConfig,
        proof: EventProof,
    },
    /// Consumes commands and runs background jobs.
    Async {
        amqp_url: String,
        mail: MailConfig,
        /// Interval at which the stats collector counts all sagas.
        stats_interval: Duration,
        retention: Retention,
    },
    /// Publishes the outbox.
    Relay {
        amqp_url: String,
        relay: RelayConfig,
    },
}

impl Role {
    /// The role's name on the command line.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Saga { .. } => "saga",
            Self::Payments { .. } => "payments",
            Self::Async { .. } => "async",
            Self::Relay { .. } => "relay",
        }
    }
}

/// How the payments role checks the bindings of its queue.
#[derive(Debug, Clone)]
pub(crate) struct BindingsConfig {
    pub(crate) management_url: Option<String>,
    pub(crate) interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    Saga,
    Payments,
    Async,
    Relay,
    /// Prepare the databases and RabbitMQ, then exit.
    Migrate,
    /// Archive or delete data past its retention window once, then exit; the async role does this
    /// every hour.
    Retention,
    /// Print every setting as a Markdown table, then exit.
    Settings,
}

/// How to treat live sagas that no worker would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnknownPlans {
    /// Refuse to start.
    Refuse,
    /// Start, and leave these sagas where they are.
    Leave,
}

/// The proof that the payments role demands of a payment event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventProof {
    /// Payments' signature. Payments is never asked.
    Signed,
    /// Payments' signature or, without one, payments' answer about the transaction.
    Asked,
    /// None: RabbitMQ alone decides who may publish events.
    Trusted,
}

impl std::fmt::Display for EventProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signed => "signed",
            Self::Asked => "asked",
            Self::Trusted => "trusted",
        })
    }
}

/// The shop's workers.
#[derive(Parser, Clone)]
#[command(name = "worker", version)]
pub(crate) struct Args {
    /// Tasks to run: one or several roles, or one of `migrate`, `retention` and `settings` alone.
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
    /// Maximum connections to the shop's database.
    #[arg(
        long = "shop-database-max-connections",
        env = "SHOP_DATABASE_MAX_CONNECTIONS",
        default_value_t = 16
    )]
    database_max_connections: u32,
    /// RabbitMQ URL; every role except `saga` needs it.
    #[arg(long = "amqp-url", env = "AMQP_URL", hide_env_values = true)]
    pub(crate) amqp_url: Option<String>,
    /// URL of RabbitMQ's management API, with user and password: `migrate` creates users through
    /// it, and the payments role checks through it whether its queue is bound.
    #[arg(
        long = "rabbitmq-management-url",
        env = "RABBITMQ_MANAGEMENT_URL",
        hide_env_values = true
    )]
    pub(crate) rabbitmq_management_url: Option<String>,
    /// Interval at which the payments role checks the bindings of its queue and restores missing
    /// ones, milliseconds.
    #[arg(
        long = "bindings-interval-ms",
        env = "BINDINGS_INTERVAL_MS",
        default_value_t = 20_000
    )]
    bindings_interval_ms: u64,
    /// Folder with one password file per role, named after the role; only for `migrate`, which then
    /// creates the roles of all processes in PostgreSQL and RabbitMQ and grants them their
    /// privileges.
    #[arg(long = "roles-dir", env = "ROLES_DIR")]
    pub(crate) roles_dir: Option<PathBuf>,
    /// Base URL of the payments service.
    #[arg(
        long = "payments-url",
        env = "PAYMENTS_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    payments_url: String,
    /// File with the Ed25519 keys (PKCS#8 PEM) that sign calls to payments: the first key signs.
    /// Every role except `relay` needs it.
    #[arg(long = "service-signing-key-file", env = "SERVICE_SIGNING_KEY_FILE")]
    service_signing_key_file: Option<OsString>,
    /// Fallback while SERVICE_SIGNING_KEY_FILE is not set, from a release in which one key signed
    /// everything. This key can sign users' tokens: give a worker SERVICE_SIGNING_KEY_FILE instead.
    #[arg(long = "token-signing-key-file", env = "TOKEN_SIGNING_KEY_FILE")]
    token_signing_key_file: Option<OsString>,
    /// Proof that the payments role needs for an event: `signed`, payments' signature; `asked`, the
    /// signature or else payments' answer to `GET /transactions/{id}`; `trusted`, none, for a
    /// payments service that neither signs nor answers. With `trusted`, each client that RabbitMQ
    /// lets publish to `payments_events` can complete orders.
    #[arg(
        long = "payments-events",
        env = "PAYMENTS_EVENTS",
        value_enum,
        default_value_t = EventProof::Asked
    )]
    payments_events: EventProof,
    /// How many attempts the saga role makes at once.
    #[arg(
        long = "saga-concurrency",
        env = "SAGA_CONCURRENCY",
        default_value_t = 64
    )]
    saga_concurrency: u32,
    /// Whether the saga role starts while live sagas have a plan that neither this binary nor a
    /// live worker knows: `leave` starts anyway, and these sagas stay where they are.
    #[arg(
        long = "unknown-plans",
        env = "UNKNOWN_PLANS",
        value_enum,
        default_value_t = UnknownPlans::Refuse
    )]
    unknown_plans: UnknownPlans,
    /// Interval at which one process of the async role counts all sagas, milliseconds.
    #[arg(
        long = "census-interval-ms",
        env = "CENSUS_INTERVAL_MS",
        default_value_t = 15_000
    )]
    census_interval_ms: u64,
    /// How long a claim gives the relay the right to publish, in milliseconds.
    #[arg(
        long = "relay-lease-ms",
        env = "RELAY_LEASE_MS",
        default_value_t = 10_000
    )]
    relay_lease_ms: u64,
    /// SMTP server, such as `smtp://localhost:1025` or `smtps://user:password@mail.example`.
    #[arg(long = "smtp-url", env = "SMTP_URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// Folder that receives mails as `.eml` files in place of an SMTP server; for development.
    #[arg(long = "mail-dir", env = "MAIL_DIR")]
    mail_dir: Option<PathBuf>,
    /// Sender of the mails.
    #[arg(
        long = "mail-from",
        env = "MAIL_FROM",
        default_value = "Shop <shop@localhost>"
    )]
    mail_from: String,
    /// Public URL of the shop; links in mails lead there.
    #[arg(
        long = "public-url",
        env = "PUBLIC_URL",
        default_value = "http://localhost:8080"
    )]
    public_url: String,
    /// First wait before a retry after the mail server did not accept a mail, milliseconds. Later
    /// waits are up to 120 times as long; after three days the mail goes to `failed`.
    #[arg(
        long = "mail-retry-ms",
        env = "MAIL_RETRY_MS",
        default_value_t = 60_000
    )]
    mail_retry_ms: u64,
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

/// How mails are sent.
#[derive(Clone)]
pub(crate) struct MailConfig {
    pub(crate) transport: MailTransport,
    pub(crate) from: String,
    /// Public URL of the shop, without a trailing slash.
    pub(crate) public_url: String,
    /// First wait before a retry after the mail server did not accept a mail.
    pub(crate) retry: Duration,
}

#[derive(Clone)]
pub(crate) enum MailTransport {
    /// URL of an SMTP server.
    Smtp(String),
    /// Folder of `.eml` files.
    Files(PathBuf),
}

/// Settings of checkouts, which every role except `relay` needs.
#[derive(Clone)]
pub(crate) struct CheckoutConfig {
    pub(crate) payments_url: String,
    /// Signs calls to payments.
    pub(crate) signer: Signer,
    pub(crate) settings: CheckoutSettings,
}

/// A validated configuration.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) roles: Vec<Role>,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) database_url: String,
    pub(crate) database_max_connections: u32,
    /// None if all roles are `relay`.
    pub(crate) checkout: Option<CheckoutConfig>,
    pub(crate) telemetry: telemetry::Config,
}

impl Args {
    pub(crate) fn migrates(&self) -> bool {
        self.tasks == [Task::Migrate]
    }

    pub(crate) fn prints_settings(&self) -> bool {
        self.tasks == [Task::Settings]
    }

    /// The URL of the shop's database and the retention windows, if `retention` is the only task.
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

    /// Validates the settings that these roles need; no other setting is read.
    ///
    /// # Errors
    /// When a required variable is missing or a value is invalid; the error names the variable.
    pub(crate) fn checked(self) -> anyhow::Result<Config> {
        anyhow::ensure!(
            self.database_max_connections >= 2,
            "SHOP_DATABASE_MAX_CONNECTIONS must be at least 2"
        );
        let roles = self.tasks.iter().map(|task| self.role(*task));
        let roles: Vec<_> = roles.collect::<anyhow::Result<_>>()?;
        let relays_only = roles.iter().all(|role| matches!(role, Role::Relay { .. }));
        let checkout = (!relays_only).then(|| self.checkout_config()).transpose()?;
        Ok(Config {
            roles,
            admin_listen: self.admin_listen,
            telemetry: self.telemetry(),
            database_url: self
                .database_url
                .context("SHOP_DATABASE_URL is not set: it is the PostgreSQL URL")?,
            database_max_connections: self.database_max_connections,
            checkout,
        })
    }

    fn role(&self, task: Task) -> anyhow::Result<Role> {
        match task {
            Task::Saga => {
                anyhow::ensure!(
                    self.saga_concurrency >= 1,
                    "SAGA_CONCURRENCY must be at least 1"
                );
                Ok(Role::Saga {
                    concurrency: self.saga_concurrency,
                    unknown_plans: self.unknown_plans,
                })
            }
            Task::Payments => {
                anyhow::ensure!(
                    self.bindings_interval_ms >= 100,
                    "BINDINGS_INTERVAL_MS must be at least 100"
                );
                let management_url = self.rabbitmq_management_url.clone();
                Ok(Role::Payments {
                    amqp_url: self.amqp_url()?,
                    bindings: BindingsConfig {
                        management_url: management_url.filter(|url| !url.is_empty()),
                        interval: Duration::from_millis(self.bindings_interval_ms),
                    },
                    proof: self.payments_events,
                })
            }
            Task::Async => {
                anyhow::ensure!(
                    self.census_interval_ms >= 100,
                    "CENSUS_INTERVAL_MS must be at least 100"
                );
                Ok(Role::Async {
                    amqp_url: self.amqp_url()?,
                    mail: self.mail()?,
                    stats_interval: Duration::from_millis(self.census_interval_ms),
                    retention: self.retention.checked(&self.checkout)?,
                })
            }
            Task::Relay => Ok(Role::Relay {
                amqp_url: self.amqp_url()?,
                relay: RelayConfig::with_lease(Duration::from_millis(self.relay_lease_ms))
                    .map_err(|why| anyhow::anyhow!("RELAY_LEASE_MS {why}"))?,
            }),
            Task::Migrate | Task::Retention | Task::Settings => anyhow::bail!(
                "`migrate`, `retention` and `settings` end when they are done: they go with no other role"
            ),
        }
    }

    fn checkout_config(&self) -> anyhow::Result<CheckoutConfig> {
        self.checkout.engine_config()?;
        anyhow::ensure!(
            self.payments_url.starts_with("http"),
            "PAYMENTS_URL must be an http(s) URL"
        );
        Ok(CheckoutConfig {
            payments_url: self.payments_url.clone(),
            signer: self.signer()?,
            settings: self.checkout.clone(),
        })
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        let given = |file: &Option<OsString>| file.clone().filter(|file| !file.is_empty());
        let own = given(&self.service_signing_key_file);
        let own = own.map(|file| ("SERVICE_SIGNING_KEY_FILE", file));
        let shared = || {
            let file = given(&self.token_signing_key_file);
            file.map(|file| ("TOKEN_SIGNING_KEY_FILE", file))
        };
        let (variable, file) = own.or_else(shared).context(
            "SERVICE_SIGNING_KEY_FILE is not set: it names the Ed25519 key of calls to payments; `shopctl \
             keygen` makes one",
        )?;
        let pem = std::fs::read_to_string(&file)
            .with_context(|| format!("{variable}: {} cannot be read", file.display()))?;
        Signer::from_pem(&pem, Clock::System).with_context(|| variable.to_owned())
    }

    fn amqp_url(&self) -> anyhow::Result<String> {
        let url = self.amqp_url.clone();
        let url = url.context("AMQP_URL is not set: it is the RabbitMQ URL")?;
        messaging::check_url(&url)
            .map_err(|why| anyhow::anyhow!("AMQP_URL is not a RabbitMQ URL: {why}"))?;
        Ok(url)
    }

    fn mail(&self) -> anyhow::Result<MailConfig> {
        let smtp_url = self.smtp_url.clone().filter(|url| !url.is_empty());
        let transport = match (smtp_url, &self.mail_dir) {
            (Some(url), _) => MailTransport::Smtp(url),
            (None, Some(dir)) => MailTransport::Files(dir.clone()),
            (None, None) => anyhow::bail!(
                "SMTP_URL is not set: it is the SMTP server (MAIL_DIR names a folder for mails in its place)"
            ),
        };
        anyhow::ensure!(
            self.public_url.starts_with("http://") || self.public_url.starts_with("https://"),
            "PUBLIC_URL must be an http(s) URL such as https://shop.example, not `{}`",
            self.public_url
        );
        anyhow::ensure!(self.mail_retry_ms >= 1, "MAIL_RETRY_MS must be at least 1");
        Ok(MailConfig {
            transport,
            from: self.mail_from.clone(),
            public_url: self.public_url.trim_end_matches('/').to_owned(),
            retry: Duration::from_millis(self.mail_retry_ms),
        })
    }
}
