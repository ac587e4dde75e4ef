//! At start, the program `api` refuses invalid configuration with a message that names the
//! variable.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::process::Command;
use uuid::Uuid;

/// Files and variables with which the API would start if there were a database.
struct Good {
    dir: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Good {
    fn new(database: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("api-configuration-{}", Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let key = dir.join("key.pem");
        std::fs::write(&key, tokens::generate_key_pem()).unwrap();
        let env = vec![
            ("SHOP_DATABASE_URL", database.to_owned()),
            ("TOKEN_SIGNING_KEY_FILE", key.display().to_string()),
            ("API_LISTEN", "127.0.0.1:0".to_owned()),
            ("API_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        Self { dir, env }
    }

    /// The program with only these variables, one of them changed or removed.
    fn command(&self, variable: &str, value: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
        command.env_clear().envs(self.env.iter().cloned());
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Drop for Good {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

/// The program's output once it exits; a program that accepts the invalid value never exits.
async fn end_of(mut command: Command, what: &str) -> Output {
    tokio::time::timeout(Duration::from_mins(1), command.output())
        .await
        .unwrap_or_else(|_| panic!("{what} was not refused"))
        .unwrap()
}

#[tokio::test]
async fn an_invalid_setting_stops_the_api_and_is_named() {
    // this database never answers: a program that accepts the invalid value waits for it
    let good = Good::new("postgres://shop:hush@127.0.0.1:1/shop");
    let no_key = good.dir.join("no-key.pem");
    std::fs::write(
        &no_key,
        "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let no_key = no_key.display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (variable, value) in [
        ("SHOP_DATABASE_URL", None),
        ("SHOP_DATABASE_URL", Some("")),
        ("SHOP_DATABASE_URL", Some("shop")),
        (
            "SHOP_DATABASE_URL",
            Some("mysql://shop:hush@127.0.0.1/shop"),
        ),
        (
            "SHOP_DATABASE_URL",
            Some("postgres://shop:hush@127.0.0.1:port/shop"),
        ),
        ("SHOP_DATABASE_MAX_CONNECTIONS", Some("0")),
        ("SHOP_DATABASE_MAX_CONNECTIONS", Some("1")),
        ("SHOP_DATABASE_MAX_CONNECTIONS", Some("100000")),
        ("SHOP_DATABASE_MAX_CONNECTIONS", Some("many")),
        ("TOKEN_SIGNING_KEY_FILE", None),
        ("TOKEN_SIGNING_KEY_FILE", Some("/nowhere/key.pem")),
        ("TOKEN_SIGNING_KEY_FILE", Some(no_key.as_str())),
        ("SERVICE_SIGNING_KEY_FILE", Some("/nowhere/key.pem")),
        ("SERVICE_SIGNING_KEY_FILE", Some(no_key.as_str())),
        ("API_LISTEN", Some("here")),
        ("API_LISTEN", Some("")),
        ("API_LISTEN", Some(taken.as_str())),
        ("API_ADMIN_LISTEN", Some("127.0.0.1")),
        ("API_ADMIN_LISTEN", Some(taken.as_str())),
        ("AMQP_URL", Some("rabbit")),
        ("AMQP_URL", Some("http://shop:hush@127.0.0.1")),
        ("PAYMENTS_URL", Some("")),
        ("PAYMENTS_URL", Some("127.0.0.1:8081")),
        ("PAYMENTS_URL", Some("https-payments")),
        ("PUBLIC_URL", Some("localhost")),
        ("PUBLIC_URL", Some("httpd://localhost")),
        ("ORDER_WAIT_MS", Some("25001")),
        ("ORDER_WAIT_MS", Some("-1")),
        ("ORDER_WAIT_MS", Some("5s")),
        ("EAGER_ATTEMPTS", Some("-1")),
        ("EAGER_ATTEMPTS", Some("18446744073709551615")),
        ("LOGINS_PER_MINUTE", Some("few")),
        ("REFRESHES_PER_MINUTE", Some("few")),
        ("SEARCHES_PER_MINUTE", Some("-1")),
        ("SESSION_LIMIT_DAYS", Some("0")),
        ("SESSIONS_PER_ACCOUNT", Some("0")),
        ("CORS_ORIGINS", Some("*")),
        ("CORS_ORIGINS", Some("shop.example")),
        ("CORS_ORIGINS", Some("https://shop.example/")),
        (
            "CORS_ORIGINS",
            Some("https://shop.example,https://shop.example/page"),
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector")),
        ("LOG_FORMAT", Some("xml")),
        ("RUST_LOG", Some("shop=loud=very")),
        ("SAGA_LEASE_MS", Some("4999")),
        ("SAGA_CALL_TIMEOUT_MS", Some("0")),
        ("SAGA_CALL_TIMEOUT_MS", Some("3001")),
        ("SAGA_LEASE_MARGIN_MS", Some("2001")),
        ("SAGA_RETRY_BASE_MS", Some("0")),
        ("SAGA_RETRY_CAP_MS", Some("999")),
        ("SAGA_RETRY_BUDGET_MS", Some("long")),
        ("PAYMENT_DEADLINE_MS", Some("0")),
        ("PAYMENT_DEADLINE_MS", Some("18446744073709551615")),
    ] {
        let what = format!("{variable}={value:?}");
        let ended = end_of(good.command(variable, value), &what).await;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{what}: {said}");
        assert!(
            ended.status.code().is_some_and(|code| code != 101),
            "{what} panics: {said}"
        );
        assert!(said.contains(variable), "{what}: {said}");
        assert!(!said.contains("hush"), "{what} gives a secret away: {said}");
    }
}

#[tokio::test]
async fn a_configuration_that_makes_sense_starts_the_api() {
    let good = Good::new(&testkit::database("shop", &db::SHOP).await);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = port.local_addr().unwrap().to_string();
    drop(port);
    let mut command = good.command("API_ADMIN_LISTEN", Some(&admin));
    let mut api = command.stdout(Stdio::null()).spawn().unwrap();
    testkit::eventually("the api to be ready", || async {
        let ready = reqwest::get(format!("http://{admin}/readyz")).await;
        ready.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    api.kill().await.unwrap();
}

#[tokio::test]
async fn the_document_can_be_printed_without_any_configuration() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command.env_clear().arg("openapi").kill_on_drop(true);
    let ended = end_of(command, "openapi").await;
    assert!(ended.status.success());
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap().trim(),
        api::openapi().trim()
    );
}
