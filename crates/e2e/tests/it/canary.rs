//! No secret is in any log line or span: canaries are planted everywhere, and searched for in all
//! that a system says of itself.

use std::fs;

use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Collector, System, eventually};

use crate::{hurried, text};

const ROLES: [&str; 3] = ["payments", "api", "worker"];

/// All that the processes have written.
fn logs(system: &System) -> Vec<(String, String)> {
    let read = |role: &str| fs::read_to_string(system.log(role)).unwrap();
    ROLES.map(|role| (role.to_owned(), read(role))).into()
}

/// Which canaries are to be found where.
fn found(said: &[(String, String)], canaries: &[(&str, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (who, text) in said {
        for line in text.lines() {
            for (what, canary) in canaries {
                if line.contains(canary.as_str()) {
                    found.push(format!("{what} in what {who} says: {line}"));
                }
            }
        }
    }
    found
}

const EMAIL: &str = "canary.bird@cage.example";
const NAME: &str = "Canary Bird";
const PASSWORD: &str = "canary password 4711";
const WRONG: &str = "canary wrong password";
const CARD: &str = "canary card 4111";

/// Registers, logs in, rightly, wrongly and with what cannot be read; the access token and the
/// refresh token.
async fn accounts(system: &System) -> (String, String) {
    let url = |path: &str| format!("{}{path}", system.api_url);
    let post = |path: &str, body: &Value| system.http.post(url(path)).json(body);
    let account = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let registered = post("/api/register", &account).send().await.unwrap();
    assert_eq!(registered.status(), StatusCode::CREATED);
    let cookie = registered.headers()["set-cookie"].to_str().unwrap();
    let (name, rest) = cookie.split_once('=').unwrap();
    let refresh = rest.split(';').next().unwrap().to_owned();
    let name = name.to_owned();
    let tokens: Value = registered.json().await.unwrap();
    let token = text(&tokens, "access_token").to_owned();
    post("/api/register", &account).send().await.unwrap();
    for (password, status) in [(WRONG, 401), (PASSWORD, 200)] {
        let login = json!({"email": EMAIL, "password": password});
        let answer = post("/api/login", &login).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let broken = format!("{{\"email\": \"{EMAIL}\", \"password\": \"{WRONG}");
    for path in ["/api/register", "/api/login", "/api/orders"] {
        let request = system.http.post(url(path)).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        let answer = request.body(broken.clone()).send().await.unwrap();
        assert!(answer.status().is_client_error());
    }
    let request = system.http.post(url("/api/refresh"));
    let cookie = format!("{name}={refresh}");
    let answer = request.header("cookie", cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    (token, refresh)
}

async fn orders(system: &System, token: &str) {
    let buyer = system.returning(token.to_owned());
    for paid in [true, false] {
        let (_, order) = buyer.order().await;
        let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
        if paid {
            buyer.pay(text(&order, "transaction_id")).await;
            buyer.awaits(text(&order, "id"), "completed").await;
        } else {
            buyer.cancel(text(&order, "id")).await;
            buyer.awaits(text(&order, "id"), "canceled").await;
        }
    }
}

/// Messages with somebody's data that nobody can read.
async fn poison(system: &System) {
    let body = format!("{{\"email\": \"{EMAIL}\", \"card\": \"{CARD}");
    let broker = Connection::connect(&system.amqp_url, ConnectionProperties::default());
    let channel = broker.await.unwrap().create_channel().await.unwrap();
    for (exchange, key) in [
        ("payments_events", "transaction_completed"),
        ("messages", "send_welcome_email"),
    ] {
        channel
            .basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                BasicProperties::default(),
            )
            .await
            .unwrap();
    }
    let failed = || async { system.run("shopctl", &["failed", "list", "-o", "json"]) };
    eventually("both to be in failed", || async {
        failed().await.lines().count() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_line_or_span() {
    let collector = Collector::start().await;
    let mut options = hurried();
    let talkative = "info,api=debug,auth=debug,commerce=debug,messaging=debug,payments=debug,saga=debug,web=debug,worker=debug";
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", talkative),
    ] {
        options.env.insert(name, value.to_owned());
    }
    let system = System::start(options).await;
    let (token, refresh) = accounts(&system).await;
    orders(&system, &token).await;
    poison(&system).await;
    system.settle().await;
    eventually("the last spans", || async {
        let spans = collector.spans();
        spans.iter().any(|span| span.name == "saga.compensated")
    })
    .await;

    let key = system.signing_key();
    let canaries = [
        ("an address", EMAIL.to_owned()),
        ("a name", NAME.to_owned()),
        ("a password", PASSWORD.to_owned()),
        ("a wrong password", WRONG.to_owned()),
        ("an access token", token),
        ("a refresh token", refresh),
        ("the signing key", key.lines().nth(1).unwrap().to_owned()),
        ("a message's body", CARD.to_owned()),
        ("RabbitMQ's URL", system.amqp_url.clone()),
    ];
    let mut said = logs(&system);
    said.push(("a span".to_owned(), format!("{:?}", collector.spans())));
    assert!(
        said.iter().all(|(_, text)| text.len() > 1000),
        "they have said something"
    );
    assert_eq!(found(&said, &canaries), Vec::<String>::new());
    // and it would have been found
    said.push(("a bad process".to_owned(), format!("logged in {EMAIL}")));
    assert_eq!(found(&said, &canaries).len(), 1);
    for (role, log) in logs(&system) {
        log.lines().for_each(|line| is_an_object(&role, line));
    }
}

fn is_an_object(role: &str, line: &str) {
    let line: Value = serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("{role}: each line is one object ({error}): {line}"));
    for field in ["timestamp", "level", "message", "service"] {
        assert!(line.get(field).is_some(), "{role}: {field} in {line}");
    }
    if line.get("saga.id").is_some() {
        assert!(line.get("trace_id").is_some(), "{role}: {line}");
    }
}
