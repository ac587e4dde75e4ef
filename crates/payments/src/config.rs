//! Configuration by environment; `payments --help` is its reference.

use std::{fmt, net::SocketAddr};

use anyhow::Context;
use axum::http::HeaderValue;
use clap::Args as ClapArgs;

/// What the environment says.
#[derive(ClapArgs, Clone)]
pub struct Args {
    /// Address of the API.
    #[arg(long, env = "PAYMENTS_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    #[arg(long, env = "PAYMENTS_ADMIN_LISTEN", default_value = "127.0.0.1:9081")]
    admin_listen: SocketAddr,
    /// PostgreSQL URL of payments' own database.
    #[arg(long, env = "PAYMENTS_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Most connections to it.
    #[arg(long, env = "PAYMENTS_DATABASE_MAX_CONNECTIONS", default_value_t = 16)]
    database_max_connections: u32,
    /// RabbitMQ URL.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    amqp_url: Option<String>,
    /// Where the keys are that tokens are checked by.
    #[arg(long, env = "JWKS_URL", default_value = "http://127.0.0.1:8080/.well-known/jwks.json")]
    jwks_url: String,
    /// 1: people may pay and cancel by calling us, as if we were a payment provider.
    #[arg(long, env = "PAYMENTS_SIMULATOR", default_value = "0")]
    simulator: String,
    /// Origins whose pages may call us, separated by commas.
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    cors_origins: Vec<String>,
    #[command(flatten)]
    telemetry: Telemetry,
}

/// Where logs and traces go.
#[derive(ClapArgs, Clone, Debug)]
pub struct Telemetry {
    /// OTLP endpoint (gRPC) for traces.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// `json` or `text`.
    #[arg(long, env = "LOG_FORMAT", default_value = "json", value_parser = ["json", "text"])]
    log_format: String,
}

impl Telemetry {
    pub(crate) fn config(&self) -> telemetry::Config {
        let otlp_endpoint = self.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        telemetry::Config { otlp_endpoint, json: self.log_format == "json" }
    }
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
    /// RabbitMQ URL.
    pub amqp_url: String,
    /// Where the keys are.
    pub jwks_url: String,
    /// Whether people may pay and cancel here.
    pub simulator: bool,
    /// Origins whose pages may call us.
    pub cors_origins: Vec<HeaderValue>,
    /// Where logs and traces go.
    pub telemetry: Telemetry,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .field("database_url", &"***")
            .field("amqp_url", &"***")
            .field("jwks_url", &self.jwks_url)
            .field("simulator", &self.simulator)
            .finish_non_exhaustive()
    }
}

impl Args {
    /// Refuses nonsense, naming the variable.
    ///
    /// # Errors
    /// When a needed variable is missing, or one makes no sense.
    pub fn checked(self) -> anyhow::Result<Config> {
        let simulator = match self.simulator.as_str() {
            "0" | "" => false,
            "1" => true,
            other => anyhow::bail!("PAYMENTS_SIMULATOR must be 0 or 1, not `{other}`"),
        };
        anyhow::ensure!(self.database_max_connections >= 2, "PAYMENTS_DATABASE_MAX_CONNECTIONS must be at least 2");
        anyhow::ensure!(self.jwks_url.starts_with("http"), "JWKS_URL must be an http(s) URL");
        let origins = self.cors_origins.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty());
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
            database_url: self.database_url.context("PAYMENTS_DATABASE_URL is not set: it is the PostgreSQL URL")?,
            database_max_connections: self.database_max_connections,
            amqp_url: self.amqp_url.context("AMQP_URL is not set: it is the RabbitMQ URL")?,
            jwks_url: self.jwks_url,
            simulator,
            cors_origins,
            telemetry: self.telemetry,
        })
    }
}
