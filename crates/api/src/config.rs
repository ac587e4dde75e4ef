//! Configuration by environment; `api --help` is its reference.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use axum::http::HeaderValue;
use workflows::settings::CheckoutSettings;

/// What the environment says.
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
    /// Most connections to it.
    #[arg(
        long = "shop-database-max-connections",
        env = "SHOP_DATABASE_MAX_CONNECTIONS",
        default_value_t = 32
    )]
    database_max_connections: u32,
    /// Where payments is.
    #[arg(
        long = "payments-url",
        env = "PAYMENTS_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    payments_url: String,
    /// File with the Ed25519 key (PKCS#8 PEM) that tokens are signed with.
    #[arg(long = "token-signing-key-file", env = "TOKEN_SIGNING_KEY_FILE")]
    token_signing_key_file: Option<PathBuf>,
    /// Where people reach us; `https` makes the refresh cookie secure.
    #[arg(
        long = "public-url",
        env = "PUBLIC_URL",
        default_value = "http://localhost:8080"
    )]
    public_url: String,
    /// How long `POST /api/orders` waits for the payment to be initialised, milliseconds.
    #[arg(long = "order-wait-ms", env = "ORDER_WAIT_MS", default_value_t = 5_000)]
    order_wait_ms: u64,
    /// How many first attempts this process makes at once; beyond that, workers make them.
    #[arg(long = "eager-attempts", env = "EAGER_ATTEMPTS", default_value_t = 256)]
    eager_attempts: usize,
    /// Logins and registrations a minute for one address; 0 switches the limit off.
    #[arg(
        long = "logins-per-minute",
        env = "LOGINS_PER_MINUTE",
        default_value_t = 60
    )]
    logins_per_minute: u32,
    /// Origins whose pages may call us, separated by commas.
    #[arg(long = "cors-origins", env = "CORS_ORIGINS", value_delimiter = ',')]
    cors_origins: Vec<String>,
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

/// A configuration that makes sense.
#[derive(Clone)]
pub struct Config {
    /// Address of the API.
    pub listen: SocketAddr,
    /// Address of the admin port.
    pub admin_listen: SocketAddr,
    /// PostgreSQL URL.
    pub database_url: String,
    /// Most connections.
    pub database_max_connections: u32,
    /// Where payments is.
    pub payments_url: String,
    /// PEM of the signing key.
    pub signing_key: String,
    /// Whether the refresh cookie is sent over TLS only.
    pub secure_cookie: bool,
    /// How long `POST /api/orders` waits.
    pub order_wait: Duration,
    /// How many first attempts this process makes at once.
    pub eager_attempts: usize,
    /// Logins a minute for one address; 0 for any number.
    pub logins_per_minute: u32,
    /// Origins whose pages may call us.
    pub cors_origins: Vec<HeaderValue>,
    /// Where logs and traces go.
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
            .field("signing_key", &"***")
            .field("payments_url", &self.payments_url)
            .field("checkout", &self.checkout)
            .finish_non_exhaustive()
    }
}

impl Args {
    /// Refuses nonsense, naming the variable.
    ///
    /// # Errors
    /// When a needed variable is missing, or one makes no sense.
    pub fn checked(self) -> anyhow::Result<Config> {
        self.checkout.engine_config()?;
        anyhow::ensure!(
            self.database_max_connections >= 2,
            "SHOP_DATABASE_MAX_CONNECTIONS must be at least 2"
        );
        anyhow::ensure!(
            self.payments_url.starts_with("http"),
            "PAYMENTS_URL must be an http(s) URL"
        );
        anyhow::ensure!(
            self.public_url.starts_with("http"),
            "PUBLIC_URL must be an http(s) URL"
        );
        anyhow::ensure!(
            self.order_wait_ms <= 25_000,
            "ORDER_WAIT_MS must be at most 25000"
        );
        let key_file = self.token_signing_key_file.context(
            "TOKEN_SIGNING_KEY_FILE is not set: it names the Ed25519 key; `shopctl keygen` makes one",
        )?;
        let signing_key = std::fs::read_to_string(&key_file).with_context(|| {
            format!(
                "TOKEN_SIGNING_KEY_FILE: {} cannot be read",
                key_file.display()
            )
        })?;
        let origins = self
            .cors_origins
            .iter()
            .map(|origin| origin.trim())
            .filter(|origin| !origin.is_empty());
        let cors_origins = origins
            .map(|origin| {
                anyhow::ensure!(
                    origin.starts_with("http") && !origin.ends_with('/'),
                    "CORS_ORIGINS: `{origin}` is not an origin such as https://shop.example"
                );
                HeaderValue::from_str(origin).with_context(|| format!("CORS_ORIGINS: `{origin}`"))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Config {
            listen: self.listen,
            admin_listen: self.admin_listen,
            database_url: self
                .database_url
                .context("SHOP_DATABASE_URL is not set: it is the PostgreSQL URL")?,
            database_max_connections: self.database_max_connections,
            payments_url: self.payments_url,
            signing_key,
            secure_cookie: self.public_url.starts_with("https"),
            order_wait: Duration::from_millis(self.order_wait_ms),
            eager_attempts: self.eager_attempts,
            logins_per_minute: self.logins_per_minute,
            cors_origins,
            telemetry: telemetry::Config {
                otlp_endpoint: self.otlp_endpoint.filter(|endpoint| !endpoint.is_empty()),
                json: self.log_format == "json",
            },
            checkout: self.checkout,
        })
    }
}
