//! Configuration from environment variables; `payments --help` is the reference.

use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use axum::http::{HeaderValue, Uri};
use messaging::relay::RelayConfig;
use tokens::DetachedSigner;

/// The settings as given in the environment. All fields are text, so that [`Args::checked`] can
/// refuse invalid values with a sentence that names the variable.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Address of the API.
    #[arg(
        long,
        env = "PAYMENTS_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    listen: String,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    #[arg(
        long,
        env = "PAYMENTS_ADMIN_LISTEN",
        default_value = "127.0.0.1:9081",
        value_name = "ADDRESS"
    )]
    admin_listen: String,
    /// PostgreSQL URL of payments' own database (required).
    #[arg(
        long,
        env = "PAYMENTS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<String>,
    /// Maximum connections to the database.
    #[arg(
        long,
        env = "PAYMENTS_DATABASE_MAX_CONNECTIONS",
        default_value = "16",
        value_name = "NUMBER"
    )]
    database_max_connections: String,
    /// RabbitMQ URL (required).
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
    amqp_url: Option<String>,
    /// How long a claim gives the relay the right to publish, in milliseconds.
    #[arg(
        long,
        env = "RELAY_LEASE_MS",
        default_value = "10000",
        value_name = "NUMBER"
    )]
    relay_lease_ms: String,
    /// URL of the key set that tokens are verified with.
    #[arg(
        long,
        env = "JWKS_URL",
        default_value = "http://127.0.0.1:8080/.well-known/jwks.json",
        value_name = "URL"
    )]
    jwks_url: String,
    /// Ed25519 keys that sign events, PEM (`shopctl keygen` makes one): the first key signs, all
    /// are published. Without keys, events are not signed, and the shop asks payments about each
    /// event.
    #[arg(
        long,
        env = "EVENT_SIGNING_KEY",
        hide_env_values = true,
        value_name = "PEM"
    )]
    event_signing_key: Option<String>,
    /// 1: users may pay and cancel by calling this service, which then acts as a simulated payment
    /// provider.
    #[arg(
        long,
        env = "PAYMENTS_SIMULATOR",
        default_value = "0",
        value_name = "0|1"
    )]
    simulator: String,
    /// Origins whose pages may call this service, separated by commas.
    #[arg(long, env = "CORS_ORIGINS", default_value = "", value_name = "ORIGINS")]
    cors_origins: String,
    /// OTLP endpoint for traces, over gRPC, such as `http://localhost:4317`; by default no traces
    /// are exported.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        default_value = "",
        value_name = "URL"
    )]
    otlp_endpoint: String,
    /// Log format: `json` or `text`.
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "json",
        value_name = "FORMAT"
    )]
    log_format: String,
}

/// A checked configuration.
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
    /// RabbitMQ URL.
    pub amqp_url: String,
    /// Settings of the relay.
    pub relay: RelayConfig,
    /// URL of the key set that tokens are verified with.
    pub jwks_url: String,
    /// Signs events.
    pub event_signer: Option<Arc<DetachedSigner>>,
    /// Whether users may pay and cancel by calling this service.
    pub simulator: bool,
    /// Origins whose pages may call this service.
    pub cors_origins: Vec<HeaderValue>,
    /// Settings of logs and traces.
    pub telemetry: telemetry::Config,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .field("database_url", &"***")
            .field("database_max_connections", &self.database_max_connections)
            .field("amqp_url", &"***")
            .field("relay", &self.relay)
            .field("jwks_url", &self.jwks_url)
            .field("event_signer", &self.event_signer)
            .field("simulator", &self.simulator)
            .field("cors_origins", &self.cors_origins)
            .field("telemetry", &self.telemetry)
            .finish()
    }
}

impl Args {
    /// Checks the settings and refuses invalid ones.
    ///
    /// # Errors
    /// A sentence that names the variable which is missing or invalid.
    pub fn checked(self) -> anyhow::Result<Config> {
        let listen = address("PAYMENTS_LISTEN", &self.listen)?;
        let admin_listen = address("PAYMENTS_ADMIN_LISTEN", &self.admin_listen)?;
        ensure!(
            listen != admin_listen || listen.port() == 0,
            "PAYMENTS_ADMIN_LISTEN must differ from PAYMENTS_LISTEN: both are {listen}"
        );
        let connections = self
            .database_max_connections
            .parse()
            .ok()
            .filter(|number| (2..=1000).contains(number));
        if !self.otlp_endpoint.is_empty() {
            url(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &self.otlp_endpoint,
                &["http", "https"],
            )?;
        }
        Ok(Config {
            listen,
            admin_listen,
            database_url: required(
                "PAYMENTS_DATABASE_URL",
                self.database_url,
                &["postgres", "postgresql"],
            )?,
            database_max_connections: connections
                .context("PAYMENTS_DATABASE_MAX_CONNECTIONS must be a number from 2 to 1000")?,
            amqp_url: required("AMQP_URL", self.amqp_url, &["amqp", "amqps"])?,
            relay: relay(&self.relay_lease_ms)?,
            jwks_url: url("JWKS_URL", &self.jwks_url, &["http", "https"])
                .map(|()| self.jwks_url)?,
            event_signer: self.event_signing_key.as_deref().map(signer).transpose()?,
            simulator: switch("PAYMENTS_SIMULATOR", &self.simulator)?,
            cors_origins: origins(&self.cors_origins)?,
            telemetry: telemetry::Config {
                json: match self.log_format.as_str() {
                    "json" => true,
                    "text" => false,
                    other => bail!("LOG_FORMAT must be `json` or `text`, not `{other}`"),
                },
                otlp_endpoint: Some(self.otlp_endpoint).filter(|endpoint| !endpoint.is_empty()),
            },
        })
    }
}

fn address(variable: &str, text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().ok().with_context(|| {
        format!("{variable} must be an address such as 127.0.0.1:8081, not `{text}`")
    })
}

fn signer(pem: &str) -> anyhow::Result<Arc<DetachedSigner>> {
    let signer = DetachedSigner::from_pem(pem);
    signer.map(Arc::new).context("EVENT_SIGNING_KEY")
}

fn relay(lease_ms: &str) -> anyhow::Result<RelayConfig> {
    let lease = lease_ms
        .parse()
        .map_err(|_| "must be a number".to_owned())
        .and_then(|ms| RelayConfig::with_lease(Duration::from_millis(ms)));
    lease.map_err(|why| anyhow::anyhow!("RELAY_LEASE_MS {why}"))
}

fn switch(variable: &str, text: &str) -> anyhow::Result<bool> {
    match text {
        "" | "0" => Ok(false),
        "1" => Ok(true),
        other => bail!("{variable} must be 0 or 1, not `{other}`"),
    }
}

/// A required URL. It may hold a password, so that no error repeats it.
fn required(variable: &str, text: Option<String>, schemes: &[&str]) -> anyhow::Result<String> {
    let expected = format!("{}://user:password@host:port/…", schemes[0]);
    let text = text
        .filter(|text| !text.is_empty())
        .with_context(|| format!("{variable} is not set: give it as {expected}"))?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    ensure!(
        scheme.is_some_and(|scheme| schemes.contains(&scheme)),
        "{variable} must be a URL such as {expected}"
    );
    Ok(text)
}

fn url(variable: &str, text: &str, schemes: &[&str]) -> anyhow::Result<()> {
    let uri = Uri::from_str(text).ok();
    let good = uri.is_some_and(|uri| {
        uri.scheme_str()
            .is_some_and(|scheme| schemes.contains(&scheme))
            && uri.host().is_some()
    });
    ensure!(
        good,
        "{variable} must be a URL that starts with {}://, not `{text}`",
        schemes.join(":// or ")
    );
    Ok(())
}

fn origins(text: &str) -> anyhow::Result<Vec<HeaderValue>> {
    let origins = text
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            ensure!(
                host.is_some_and(
                    |host| !host.is_empty() && !host.contains(['/', '*', '@', '?', '#'])
                ),
                "CORS_ORIGINS: `{origin}` is not an origin such as https://shop.example"
            );
            HeaderValue::from_str(origin)
                .with_context(|| format!("CORS_ORIGINS: `{origin}` is not an origin"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn config(given: &[&str]) -> anyhow::Result<Config> {
        let needed = [
            "--database-url=postgres://app:hush@db/payments",
            "--amqp-url=amqp://app:hush@mq",
        ];
        let rest = [
            "--listen=127.0.0.1:8081",
            "--admin-listen=127.0.0.1:9081",
            "--jwks-url=http://api/jwks",
        ];
        // the last occurrence of each argument counts
        let args = ["payments"].iter().chain(&needed).chain(&rest).chain(given);
        let mut by_name = std::collections::BTreeMap::new();
        for arg in args {
            by_name.insert(arg.split('=').next().unwrap(), *arg);
        }
        let program = by_name.remove("payments").unwrap();
        Cli::try_parse_from([program].into_iter().chain(by_name.into_values()))?
            .args
            .checked()
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence_that_names_the_variable() {
        for (given, variable) in [
            ("--listen=here", "PAYMENTS_LISTEN"),
            ("--admin-listen=80", "PAYMENTS_ADMIN_LISTEN"),
            ("--admin-listen=127.0.0.1:8081", "PAYMENTS_ADMIN_LISTEN"),
            ("--database-url=", "PAYMENTS_DATABASE_URL"),
            (
                "--database-url=mysql://app:hush@db/payments",
                "PAYMENTS_DATABASE_URL",
            ),
            (
                "--database-max-connections=0",
                "PAYMENTS_DATABASE_MAX_CONNECTIONS",
            ),
            (
                "--database-max-connections=many",
                "PAYMENTS_DATABASE_MAX_CONNECTIONS",
            ),
            ("--amqp-url=http://app:hush@mq", "AMQP_URL"),
            ("--relay-lease-ms=long", "RELAY_LEASE_MS"),
            ("--relay-lease-ms=0", "RELAY_LEASE_MS"),
            ("--jwks-url=api/jwks", "JWKS_URL"),
            ("--event-signing-key=hush", "EVENT_SIGNING_KEY"),
            ("--simulator=yes", "PAYMENTS_SIMULATOR"),
            ("--cors-origins=*", "CORS_ORIGINS"),
            ("--cors-origins=https://shop.example/", "CORS_ORIGINS"),
            ("--otlp-endpoint=collector", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("--log-format=xml", "LOG_FORMAT"),
        ] {
            let error = config(&[given]).expect_err(given).to_string();
            assert!(error.starts_with(variable), "{given}: {error}");
            assert!(!error.contains("hush"), "{given}: {error}");
        }
    }

    #[test]
    fn secrets_print_as_stars_and_origins_are_a_list() {
        let config = config(&[
            "--cors-origins=https://shop.example, http://localhost:8080",
            "--simulator=1",
        ])
        .unwrap();
        assert_eq!(
            config.cors_origins,
            ["https://shop.example", "http://localhost:8080"]
        );
        assert!(config.simulator);
        let printed = format!("{config:?}");
        assert!(
            printed.contains("***") && !printed.contains("hush"),
            "{printed}"
        );
    }
}
