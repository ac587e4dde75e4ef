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

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_line_or_span() {
    let collector = Collector::start().await;
    let mut options = hurried();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("LOG_FORMAT", "json"),
        (
            "RUST_LOG",
            "info,api=debug,auth=debug,commerce=debug,messaging=debug,payments=debug,saga=debug,web=debug,worker=debug",
        ),
    ] {
        options.env.insert(name, value.to_owned());
    }
    let system = System::start(options).await;
    let post = |path: &str, body: &Value| {
        let url = format!("{}{path}", system.api_url);
        system.http.post(url).json(body)
    };
    let email = "canary.bird@cage.example";
    let password = "canary password 4711";
    let wrong = "canary wrong password";
    let name = "Canary Bird";
    let account = json!({"email": email, "password": password, "name": name});
    let registered = post("/api/register", &account).send().await.unwrap();
    assert_eq!(registered.status(), StatusCode::CREATED);
    let cookie = registered.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let tokens: Value = registered.json().await.unwrap();
    let token = text(&tokens, "access_token").to_owned();
    // again, and wrongly, and with what cannot be read
    post("/api/register", &account).send().await.unwrap();
    for password in [wrong, password] {
        let login = json!({"email": email, "password": password});
        post("/api/login", &login).send().await.unwrap();
    }
    let broken = format!("{{\"email\": \"{email}\", \"password\": \"{wrong}");
    for path in ["/api/register", "/api/login", "/api/orders"] {
        let url = format!("{}{path}", system.api_url);
        let request = system.http.post(url).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        request.body(broken.clone()).send().await.unwrap();
    }
    let refreshed = system
        .http
        .post(format!("{}/api/refresh", system.api_url))
        .header("cookie", format!("refresh_token={cookie}"))
        .send()
        .await
        .unwrap();
    refreshed.text().await.unwrap();
    // orders: paid, canceled, and one that an operator works on
    let buyer = system.returning(token.clone());
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
    // a message with somebody's data that nobody can read
    let body = format!("{{\"email\": \"{email}\", \"card\": \"canary card 4111");
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
    system.settle().await;
    eventually("the last spans", || async {
        collector
            .spans()
            .iter()
            .any(|span| span.name == "saga.compensated")
    })
    .await;

    let key = system.signing_key();
    let key = key.lines().nth(1).unwrap().to_owned();
    let canaries = [
        ("an address", email.to_owned()),
        ("a name", name.to_owned()),
        ("a password", password.to_owned()),
        ("a wrong password", wrong.to_owned()),
        ("an access token", token),
        ("a refresh token", cookie),
        ("the signing key", key),
        ("a message's body", "canary card".to_owned()),
        ("RabbitMQ's URL", system.amqp_url.clone()),
    ];
    let mut said = logs(&system);
    for role in ROLES {
        let spans = collector.spans();
        let spans = spans
            .iter()
            .filter(|span| span.service == role || span.service == "saga");
        said.push((
            format!("{role}'s spans"),
            format!("{:?}", spans.collect::<Vec<_>>()),
        ));
    }
    assert!(
        said.iter().all(|(_, text)| text.len() > 1000),
        "they have said something"
    );
    assert_eq!(found(&said, &canaries), Vec::<String>::new());
    // and it would have been found
    said.push(("a bad process".to_owned(), format!("logged in {email}")));
    assert_eq!(found(&said, &canaries).len(), 1);

    for (role, log) in logs(&system) {
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| {
                panic!("{role}: each line is one object ({error}): {line}")
            });
            for field in ["timestamp", "level", "message", "service"] {
                assert!(line.get(field).is_some(), "{role}: {field} in {line}");
            }
            if line.get("saga.id").is_some() {
                assert!(line.get("trace_id").is_some(), "{role}: {line}");
            }
        }
    }
}
