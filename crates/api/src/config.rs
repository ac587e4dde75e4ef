//! Configuration from environment variables; `api --help` is its reference.

use std::{
    ffi::OsString,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use auth::AuthConfig;
use axum::http::{HeaderValue, Uri};
use commerce::order::OrderLimits;
use kernel::Clock;
use tokens::Signer;
use workflows::settings::CheckoutSettings;

use crate::{http::Settings, storefront::Storefront};

/// Command-line arguments and environment variables, before validation.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Address of the API.
    #[arg(
        long = "api-listen",
        env = "API_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    #[arg(
        long = "api-admin-listen",
        env = "API_ADMIN_LISTEN",
        default_value = "127.0.0.1:9080"
    )]
    admin_listen: SocketAddr,
    /// PostgreSQL URL of the shop's database.
    #[arg(
        long = "shop-database-url",
        env = "SHOP_DATABASE_URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// Maximum connections to the shop's database.
    #[arg(
        long = "shop-database-max-connections",
        env = "SHOP_DATABASE_MAX_CONNECTIONS",
        default_value_t = 32
    )]
    database_max_connections: u32,
    /// RabbitMQ URL, for operators: it lets them inspect queues and decide on messages in `failed`.
    #[arg(long = "amqp-url", env = "AMQP_URL", hide_env_values = true)]
    amqp_url: Option<String>,
    /// Base URL of the payments service.
    #[arg(
        long = "payments-url",
        env = "PAYMENTS_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    payments_url: String,
    /// File with the Ed25519 keys (PKCS#8 PEM) of users' tokens: the first key signs, all are
    /// published. No other process receives this file.
    #[arg(long = "token-signing-key-file", env = "TOKEN_SIGNING_KEY_FILE")]
    token_signing_key_file: Option<PathBuf>,
    /// File with the Ed25519 keys (PKCS#8 PEM) with which the shop's processes sign their calls to
    /// payments: the first key signs, all are published. Without this file, the keys of
    /// TOKEN_SIGNING_KEY_FILE sign these calls, too.
    #[arg(long = "service-signing-key-file", env = "SERVICE_SIGNING_KEY_FILE")]
    service_signing_key_file: Option<OsString>,
    /// Public URL of the shop; `https` makes the refresh cookie secure.
    #[arg(
        long = "public-url",
        env = "PUBLIC_URL",
        default_value = "http://localhost:8080"
    )]
    public_url: String,
    /// How long `POST /api/orders` waits for the payment to be initialised, milliseconds.
    #[arg(long = "order-wait-ms", env = "ORDER_WAIT_MS", default_value_t = 5_000)]
    order_wait_ms: u64,
    /// How many first attempts this process makes at once; workers make the rest.
    #[arg(long = "eager-attempts", env = "EAGER_ATTEMPTS", default_value_t = 256)]
    eager_attempts: usize,
    /// Unpaid orders that one account may have; 0 disables the limit.
    #[arg(
        long = "order-limit-open",
        env = "ORDER_LIMIT_OPEN",
        default_value_t = 10
    )]
    order_limit_open: u32,
    /// Pieces that the unpaid orders of one account may hold; 0 disables the limit.
    #[arg(
        long = "order-limit-pieces",
        env = "ORDER_LIMIT_PIECES",
        default_value_t = 1_000
    )]
    order_limit_pieces: u32,
    /// Orders that one account may place within an hour; 0 disables the limit.
    #[arg(
        long = "order-limit-per-hour",
        env = "ORDER_LIMIT_PER_HOUR",
        default_value_t = 60
    )]
    order_limit_per_hour: u32,
    /// Logins, registrations, password changes and password resets per minute and address; 0
    /// disables the limit.
    #[arg(
        long = "logins-per-minute",
        env = "LOGINS_PER_MINUTE",
        default_value_t = 60
    )]
    logins_per_minute: u32,
    /// Refreshes per minute and address; 0 disables the limit.
    #[arg(
        long = "refreshes-per-minute",
        env = "REFRESHES_PER_MINUTE",
        default_value_t = 120
    )]
    refreshes_per_minute: u32,
    /// Searches per minute and address; 0 disables the limit.
    #[arg(
        long = "searches-per-minute",
        env = "SEARCHES_PER_MINUTE",
        default_value_t = 240
    )]
    searches_per_minute: u32,
    /// Days after its login at which a session ends, even if it is renewed.
    #[arg(
        long = "session-limit-days",
        env = "SESSION_LIMIT_DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    session_limit_days: u32,
    /// Live sessions of one account: one more ends the oldest.
    #[arg(
        long = "sessions-per-account",
        env = "SESSIONS_PER_ACCOUNT",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    sessions_per_account: u32,
    /// Origins whose pages may call the API, separated by commas.
    #[arg(long = "cors-origins", env = "CORS_ORIGINS", value_delimiter = ',')]
    cors_origins: Vec<String>,
    /// Folder of the built storefront, if the API serves it.
    #[arg(long = "storefront-dir", env = "STOREFRONT_DIR")]
    storefront_dir: Option<PathBuf>,
    /// URL at which browsers reach payments; `PAYMENTS_URL` by default.
    #[arg(long = "payments-public-url", env = "PAYMENTS_PUBLIC_URL")]
    payments_public_url: Option<String>,
    /// URL template of a trace's page, such as http://localhost:16686/trace/{trace_id}.
    #[arg(long = "trace-url", env = "TRACE_URL")]
    trace_url: Option<String>,
    /// URL at which the storefront's demo panel injects faults; in development only.
    #[arg(long = "demo-url", env = "DEMO_URL")]
    demo_url: Option<String>,
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
}

/// A validated configuration.
#[derive(Clone)]
pub struct Config {
    /// Address of the API.
    pub listen: SocketAddr,
    /// Address of the admin port.
    pub admin_listen: SocketAddr,
    /// PostgreSQL URL.
    pub database_url: String,
    /// Maximum connections to the database.
    pub database_max_connections: u32,
    /// RabbitMQ URL, if operators inspect RabbitMQ through this API.
    pub amqp_url: Option<String>,
    /// Base URL of the payments service.
    pub payments_url: String,
    /// Signs users' tokens.
    pub signer: Signer,
    /// Signs calls to payments.
    pub service_signer: Signer,
    /// Whether the refresh cookie is sent over TLS only.
    pub secure_cookie: bool,
    /// How much one account may order.
    pub order_limits: OrderLimits,
    /// How long `POST /api/orders` waits for the payment to be initialised.
    pub order_wait: Duration,
    /// How many first attempts this process makes at once.
    pub eager_attempts: usize,
    /// Logins per minute and address; 0 for no limit.
    pub logins_per_minute: u32,
    /// Refreshes per minute and address; 0 for no limit.
    pub refreshes_per_minute: u32,
    /// Searches per minute and address; 0 for no limit.
    pub searches_per_minute: u32,
    /// How long sessions live, and how many an account may have.
    pub auth: AuthConfig,
    /// Origins of the shop's own pages.
    pub own_origins: Arc<[String]>,
    /// Origins whose pages may call the API.
    pub cors_origins: Vec<HeaderValue>,
    /// Folder of the built storefront, if the API serves it.
    pub storefront_dir: Option<PathBuf>,
    /// Settings that the storefront needs.
    pub settings: Settings,
    /// Where logs and traces are sent.
    pub telemetry: telemetry::Config,
    /// How checkout runs.
    pub checkout: CheckoutSettings,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .field("database_url", &"***")
            .field("signer", &self.signer)
            .field("service_signer", &self.service_signer)
            .field("payments_url", &self.payments_url)
            .field("checkout", &self.checkout)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The storefront's files, if the API serves them; its pages may call payments and the demo's
    /// faults.
    ///
    /// # Errors
    /// When the folder cannot be read or has no `index.html`.
    pub fn storefront(&self) -> std::io::Result<Option<Storefront>> {
        let urls = [
            Some(&self.settings.payments_url),
            self.settings.demo_url.as_ref(),
        ];
        let origins: Vec<_> = urls
            .into_iter()
            .flatten()
            .filter_map(|url| origin(url))
            .collect();
        let load = |folder| Storefront::load(folder, &origins);
        self.storefront_dir.as_deref().map(load).transpose()
    }
}

impl Args {
    /// Validates the arguments; an error names the variable.
    ///
    /// # Errors
    /// When a required variable is missing or a value is invalid.
    pub fn checked(self) -> anyhow::Result<Config> {
        self.checkout.engine_config()?;
        anyhow::ensure!(
            (2..=1000).contains(&self.database_max_connections),
            "SHOP_DATABASE_MAX_CONNECTIONS must be from 2 to 1000"
        );
        http_url("PAYMENTS_URL", &self.payments_url)?;
        http_url("PUBLIC_URL", &self.public_url)?;
        anyhow::ensure!(
            self.order_wait_ms <= 25_000,
            "ORDER_WAIT_MS must be at most 25000"
        );
        anyhow::ensure!(
            self.eager_attempts <= 100_000,
            "EAGER_ATTEMPTS must be at most 100000"
        );
        let otlp_endpoint = self.otlp_endpoint.filter(|endpoint| !endpoint.is_empty());
        if let Some(endpoint) = &otlp_endpoint {
            http_url("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)?;
        }
        let given = |url: Option<String>| url.filter(|url| !url.is_empty());
        let amqp_url = given(self.amqp_url);
        if let Some(url) = &amqp_url {
            messaging::check_url(url)
                .map_err(|why| anyhow::anyhow!("AMQP_URL is not a RabbitMQ URL: {why}"))?;
        }
        let settings = Settings {
            payments_url: given(self.payments_public_url)
                .unwrap_or_else(|| self.payments_url.clone()),
            trace_url: given(self.trace_url),
            demo_url: given(self.demo_url),
        };
        http_url("PAYMENTS_PUBLIC_URL", &settings.payments_url)?;
        if let Some(url) = &settings.demo_url {
            http_url("DEMO_URL", url)?;
        }
        if let Some(url) = &settings.trace_url {
            anyhow::ensure!(
                url.starts_with("http") && url.contains("{trace_id}"),
                "TRACE_URL must be a URL with {{trace_id}} in it, such as http://localhost:16686/trace/{{trace_id}}, not `{url}`"
            );
        }
        let (signer, service_signer) = signers(
            self.token_signing_key_file,
            self.service_signing_key_file.as_deref().map(Path::new),
        )?;
        let cors_origins = cors_origins(&self.cors_origins)?;
        Ok(Config {
            listen: self.listen,
            admin_listen: self.admin_listen,
            database_url: postgres_url(self.database_url)?,
            database_max_connections: self.database_max_connections,
            amqp_url,
            payments_url: self.payments_url,
            signer,
            service_signer,
            secure_cookie: self.public_url.starts_with("https"),
            order_limits: OrderLimits {
                open: self.order_limit_open,
                pieces: self.order_limit_pieces,
                per_hour: self.order_limit_per_hour,
            },
            order_wait: Duration::from_millis(self.order_wait_ms),
            eager_attempts: self.eager_attempts,
            logins_per_minute: self.logins_per_minute,
            refreshes_per_minute: self.refreshes_per_minute,
            searches_per_minute: self.searches_per_minute,
            auth: AuthConfig {
                session_limit: Duration::from_hours(24) * self.session_limit_days,
                sessions_per_account: self.sessions_per_account,
                ..AuthConfig::default()
            },
            own_origins: origin(&self.public_url)
                .into_iter()
                .chain(
                    self.cors_origins
                        .iter()
                        .map(|origin| origin.trim().to_owned()),
                )
                .collect(),
            cors_origins,
            storefront_dir: self
                .storefront_dir
                .filter(|folder| !folder.as_os_str().is_empty()),
            settings,
            telemetry: telemetry::Config {
                otlp_endpoint,
                json: self.log_format == "json",
            },
            checkout: self.checkout,
        })
    }
}

/// The signers of users' tokens and of calls to payments; without a second key, the first signs
/// both.
fn signers(users: Option<PathBuf>, services: Option<&Path>) -> anyhow::Result<(Signer, Signer)> {
    let users = users.context(
        "TOKEN_SIGNING_KEY_FILE is not set: it names the Ed25519 key; `shopctl keygen` makes one",
    )?;
    let users = signer("TOKEN_SIGNING_KEY_FILE", &users)?;
    let services = match services.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => signer("SERVICE_SIGNING_KEY_FILE", file)?,
        None => users.clone(),
    };
    Ok((users, services))
}

fn cors_origins(origins: &[String]) -> anyhow::Result<Vec<HeaderValue>> {
    let origins = origins.iter().map(|origin| origin.trim());
    let given = origins.filter(|origin| !origin.is_empty());
    let checked = given.map(|origin| {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        anyhow::ensure!(
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '@', '?', '#'])),
            "CORS_ORIGINS: `{origin}` is not an origin such as https://shop.example"
        );
        HeaderValue::from_str(origin).with_context(|| format!("CORS_ORIGINS: `{origin}`"))
    });
    checked.collect()
}

fn signer(variable: &str, file: &Path) -> anyhow::Result<Signer> {
    let pem = std::fs::read_to_string(file)
        .with_context(|| format!("{variable}: {} cannot be read", file.display()))?;
    Signer::from_pem(&pem, Clock::System).with_context(|| variable.to_owned())
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// The URL may hold a password, so no error repeats it.
fn postgres_url(text: Option<String>) -> anyhow::Result<String> {
    let text = text
        .filter(|text| !text.is_empty())
        .context("SHOP_DATABASE_URL is not set: it is the PostgreSQL URL")?;
    anyhow::ensure!(
        text.starts_with("postgres://") || text.starts_with("postgresql://"),
        "SHOP_DATABASE_URL must be a URL such as postgres://user:password@host:port/shop"
    );
    Ok(text)
}

fn http_url(variable: &str, text: &str) -> anyhow::Result<()> {
    let uri: Option<Uri> = text.parse().ok();
    let good = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    anyhow::ensure!(
        good,
        "{variable} must be an http(s) URL such as http://localhost:8080, not `{text}`"
    );
    Ok(())
}
