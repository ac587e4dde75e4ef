//! Logs and spans contain no secret, no address and no body: canaries are planted wherever one
//! could leak in, and searched for in everything that the processes wrote and sent.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use lapin::BasicProperties;
use reqwest::{StatusCode, header::SET_COOKIE};
use serde_json::{Value, json};
use testkit::{Buyer, Collector, System, eventually, foreign_client, publish};
use uuid::Uuid;

use crate::{hurried, text};

/// Our own crates log everything that they can, libraries as in production.
const LOUD: &str = "info,api=trace,auth=trace,commerce=trace,db=trace,messaging=trace,operator=trace,\
                    payments=trace,payments_client=trace,saga=trace,tokens=trace,web=trace,worker=trace,workflows=trace";

/// Secrets that must not be logged, each under a harmless name.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Plants a new canary.
    fn plant(&mut self, name: &'static str) -> String {
        let canary = format!("canary{}", Uuid::new_v4().simple());
        self.watch(name, &canary);
        canary
    }

    /// Watches for a secret made elsewhere.
    fn watch(&mut self, name: &'static str, secret: &str) {
        assert!(
            secret.len() > 8,
            "{name} is too short to be told from anything else"
        );
        self.0.push((name, secret.to_owned()));
    }

    /// Names the canaries that a text contains: logs, spans, or other output of a process.
    fn in_text(&self, text: &str) -> Vec<String> {
        let lines = text.lines().flat_map(|line| {
            let told = self.0.iter().filter(|(_, secret)| line.contains(secret));
            told.map(move |(name, _)| format!("{name}: {line}"))
        });
        lines.collect()
    }
}

/// All output of a system's processes.
fn written(system: &System) -> String {
    let dir = system.log("any");
    let files = std::fs::read_dir(dir.parent().unwrap()).unwrap();
    let logs = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.map(|path| String::from_utf8(std::fs::read(path).unwrap()).unwrap())
        .collect()
}

/// Runs shopctl. Only its stderr is checked, since its stdout is the requested data.
fn shopctl(system: &System, arguments: &[&str], input: &str) -> Output {
    let mut command = system.command("shopctl");
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{input}").unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

async fn send(system: &System, path: &str, body: String) -> reqwest::Response {
    let url = format!("{}{path}", system.api_url);
    let request = system
        .http
        .post(url)
        .header("content-type", "application/json");
    request.body(body).send().await.unwrap()
}

async fn waits_for(system: &System, what: &str) {
    eventually(&format!("`{what}` to be logged"), || async {
        written(system).contains(what)
    })
    .await;
}

/// Registers, logs in, refreshes and is refused; returns the access token.
async fn account(system: &System, canaries: &mut Canaries) -> String {
    let (password, wrong) = (canaries.plant("password"), canaries.plant("wrong password"));
    let email = format!("{}@shop.example", canaries.plant("address"));
    let name = canaries.plant("name");
    let person = json!({"email": email, "password": password, "name": name}).to_string();
    for _ in 0..2 {
        let answer = send(system, "/api/register", person.clone()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    let login = |password: &str| {
        let body = json!({"email": email, "password": password}).to_string();
        send(system, "/api/login", body)
    };
    assert_eq!(login(&wrong).await.status(), StatusCode::UNAUTHORIZED);
    let answer = login(&password).await;
    assert_eq!(answer.status(), StatusCode::OK);
    for body in [
        json!({"email": email, "password": {"x": password}, "name": name}).to_string(),
        json!({"email": [email], "password": password, "name": 1}).to_string(),
        json!({"email": email, "password": password, "name": name, (password.as_str()): 1})
            .to_string(),
        format!("{{\"email\": \"{email}\", \"password\": \"{password}"),
        format!("{email}{password}"),
    ] {
        let refused = send(system, "/api/register", body).await.status();
        assert!(refused.is_client_error(), "{refused}");
    }

    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    canaries.watch("refresh token", cookie.split_once('=').unwrap().1);
    let token: Value = answer.json().await.unwrap();
    let token = text(&token, "access_token").to_owned();
    canaries.watch("access token", &token);
    canaries.watch("its signature", token.rsplit('.').next().unwrap());
    for (verb, status) in [
        ("refresh", StatusCode::OK),
        ("logout", StatusCode::NO_CONTENT),
        ("refresh", StatusCode::UNAUTHORIZED),
    ] {
        let url = format!("{}/api/{verb}", system.api_url);
        let answer = system.http.post(url).header("cookie", cookie).send().await;
        assert_eq!(answer.unwrap().status(), status, "{verb}");
    }
    let nobody = canaries.plant("token that is none");
    for token in [&nobody, &format!("{token}x")] {
        for url in [
            format!("{}/api/me?token={token}", system.api_url),
            format!("{}/api/{token}", system.api_url),
            format!("{}/transactions/{token}", system.payments_url),
        ] {
            let answer = system
                .http
                .get(url)
                .bearer_auth(token)
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_client_error());
        }
    }
    // the first session is over: the orders are placed in another one
    let credentials = json!({"email": email, "password": password}).to_string();
    let answer = send(system, "/api/login", credentials).await;
    let session: Value = answer.json().await.unwrap();
    let token = text(&session, "access_token").to_owned();
    canaries.watch("second access token", &token);
    token
}

/// Places orders: one paid, one canceled, one paused by an operator meanwhile; returns those with a
/// saga.
async fn orders(system: &System, buyer: &Buyer<'_>) -> Vec<(String, Uuid)> {
    let mut seen = Vec::new();
    for paid in [true, false] {
        let (_, order) = buyer.order().await;
        let id = text(&order, "id").to_owned();
        let order = buyer.awaits(&id, "awaiting_payment").await;
        let saga: Uuid =
            sqlx::query_scalar(r#"select saga_id from commerce."order" where order_id = $1"#)
                .bind(id.parse::<Uuid>().unwrap())
                .fetch_one(&system.shop)
                .await
                .unwrap();
        for verb in ["pause", "resume"] {
            let act = [
                "saga",
                verb,
                &saga.to_string(),
                "--reason",
                "looking",
                "--yes",
            ];
            assert!(shopctl(system, &act, "").status.success());
        }
        if paid {
            buyer.pay(text(&order, "transaction_id")).await;
            let again = buyer.decide("cancel", text(&order, "transaction_id")).await;
            assert_eq!(again.unwrap().status(), StatusCode::CONFLICT);
            buyer.awaits(&id, "completed").await;
        } else {
            buyer.cancel(&id).await;
            buyer.awaits(&id, "canceled").await;
        }
        seen.push((id, saga));
    }
    seen
}

/// Sends undecodable messages; returns an id that may be logged.
async fn messages(system: &System, canaries: &mut Canaries) -> String {
    let body = canaries.plant("body of a message");
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let told = format!("told-{}", Uuid::new_v4().simple());
    let bodies = [
        body.clone(),
        format!("{{\"user_id\": \"{body}\"}}"),
        json!({"send_welcome_email": body}).to_string(),
        json!({"type": body, "user_id": body}).to_string(),
        json!({"transaction_id": body, (body.as_str()): 1}).to_string(),
        json!({"transaction_id": Uuid::new_v4(), "completed_at": body, "routing_key": body})
            .to_string(),
    ];
    for (n, body) in bodies.iter().enumerate() {
        for (exchange, key) in [
            ("messages", "send_welcome_email"),
            ("payments_events", "transaction_completed"),
        ] {
            let properties = BasicProperties::default()
                .with_type(key.into())
                .with_delivery_mode(2)
                .with_message_id(format!("{told}-{exchange}-{n}").into());
            publish(&channel, exchange, key, properties, body.as_bytes()).await;
        }
    }
    for exchange in ["messages", "payments_events"] {
        waits_for(system, &format!("{told}-{exchange}-{}", bodies.len() - 1)).await;
    }
    told
}

/// Creates and disables accounts from the command line.
fn operators(system: &System, canaries: &mut Canaries) -> String {
    let password = canaries.plant("operator's password");
    let email = format!("{}@shop.example", canaries.plant("operator's address"));
    let mut talk = String::new();
    for act in [
        &[
            "user", "create", "--email", &email, "--name", "Olga", "--role", "operator",
            "--reason", "on call",
        ][..],
        &["failed", "retry", "--all", "--reason", "once more", "--yes"],
        &[
            "failed",
            "drop",
            "--all",
            "--reason",
            "nobody can read them",
            "--yes",
        ],
        &["doctor"],
    ] {
        talk += &String::from_utf8(shopctl(system, act, &password).stderr).unwrap();
    }
    talk
}

/// Starts processes with invalid or unreachable settings that contain a secret.
async fn settings(system: &System, canaries: &mut Canaries) {
    let secret = canaries.plant("password in a URL");
    let nowhere = format!("postgres://shop:{secret}@127.0.0.1:1/shop");
    system
        .launch_with("worker saga#lost", &[("SHOP_DATABASE_URL", &nowhere)])
        .await;
    waits_for(system, "does not answer yet").await;
    let mail = format!("smtpx://shop:{secret}@mail.example");
    for (role, name, value) in [
        (
            "worker saga#bad",
            "SHOP_DATABASE_URL",
            format!("mysql://shop:{secret}@db.example/shop"),
        ),
        (
            "worker relay#bad",
            "AMQP_URL",
            format!("amqpx://shop:{secret}@mq.example"),
        ),
        ("worker async#bad", "SMTP_URL", mail),
        (
            "payments",
            "PAYMENTS_DATABASE_URL",
            format!("{secret}:5432"),
        ),
    ] {
        if system.runs(role) {
            system.stop(role);
        }
        system.launch_with(role, &[(name, &value)]).await;
        eventually(&format!("{role} to refuse {name}"), || async {
            !system.runs(role)
        })
        .await;
    }
}

/// Each line is one JSON object with time, level, service, target and message; a line about an
/// order or a saga has the id in its field, and its trace.
fn assert_lines(written: &str, orders: &[(String, Uuid)]) {
    let mut spoke_of = (0, 0);
    for line in written.lines() {
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
            panic!("each line is one object: {line}");
        };
        for field in ["timestamp", "level", "message", "service", "target"] {
            assert!(
                fields.get(field).is_some_and(Value::is_string),
                "no {field}: {line}"
            );
        }
        let message = text(&Value::Object(fields.clone()), "message").to_owned();
        for (order, saga) in orders {
            let saga = saga.to_string();
            if message.contains(order) || fields.get("order.id").is_some_and(|id| id == order) {
                spoke_of.0 += 1;
                assert_eq!(
                    fields.get("order.id").and_then(Value::as_str),
                    Some(&**order),
                    "{line}"
                );
                assert!(fields.contains_key("trace_id"), "no trace_id: {line}");
            }
            if message.contains(&saga) || fields.get("saga.id").is_some_and(|id| *id == *saga) {
                spoke_of.1 += 1;
                assert_eq!(
                    fields.get("saga.id").and_then(Value::as_str),
                    Some(&*saga),
                    "{line}"
                );
                assert!(fields.contains_key("trace_id"), "no trace_id: {line}");
            }
        }
    }
    assert!(
        spoke_of.0 >= orders.len() && spoke_of.1 >= orders.len(),
        "{spoke_of:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_and_spans_contain_no_secret() {
    let collector = Collector::start().await;
    let mut options = hurried();
    let endpoint = collector.endpoint.clone();
    options.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    options.env.insert("RUST_LOG", LOUD.to_owned());
    let system = System::prepare(options).await;
    let mut canaries = Canaries::default();
    let password = canaries.plant("database's password");
    for (role, name) in [
        ("payments", "PAYMENTS_DATABASE_URL"),
        ("api", "SHOP_DATABASE_URL"),
        ("worker", "SHOP_DATABASE_URL"),
    ] {
        let url = system
            .setting(name)
            .replacen("postgres@", &format!("postgres:{password}@"), 1);
        assert!(url.contains(&password));
        system.spawn_with(role, &[(name, &url)]).await;
    }
    canaries.watch("broker's password", "shop:shop@");
    for key in [system.signing_key(), system.service_signing_key()] {
        canaries.watch("signing key", key.lines().nth(1).unwrap());
    }

    // a mail that cannot be sent is retried
    std::fs::remove_dir_all(system.setting("MAIL_DIR")).unwrap();
    let token = account(&system, &mut canaries).await;
    waits_for(&system, "was not taken").await;
    std::fs::create_dir(system.setting("MAIL_DIR")).unwrap();
    let buyer = system.returning(token);
    let orders = orders(&system, &buyer).await;
    let told = messages(&system, &mut canaries).await;
    let talk = operators(&system, &mut canaries);
    system.settle().await;
    assert_lines(&written(&system), &orders);
    eventually("the last spans", || async {
        let spans = collector.spans();
        let ended = |name| spans.iter().any(|span| span.name == name);
        ended("saga.completed") && ended("saga.compensated")
    })
    .await;
    settings(&system, &mut canaries).await;

    let written = written(&system);
    let spans: Vec<_> = collector.spans();
    let sent = spans
        .iter()
        .map(|span| String::from_utf8_lossy(&span.bytes));
    let sent: String = sent.collect::<Vec<_>>().join("\n");
    // the logs contain the ids that each process may log
    let mut open = Canaries::default();
    open.watch("message", &told);
    for (order, saga) in &orders {
        open.watch("order", order);
        open.watch("saga", &saga.to_string());
    }
    let found = open.in_text(&written);
    for service in ["api", "payments", "worker"] {
        let of = format!("\"service\":\"{service}\"");
        assert!(
            found.iter().any(|line| line.contains(&of)),
            "nothing of {service}"
        );
    }
    assert!(
        found.iter().any(|line| line.starts_with("message: ")),
        "{found:#?}"
    );
    let found = open.in_text(&sent);
    assert!(
        found.iter().any(|span| span.starts_with("saga: ")),
        "{sent}"
    );

    let refused = written.lines().find(|line| line.contains("Login refused"));
    let refused: Value = serde_json::from_str(refused.expect("a refused login is logged")).unwrap();
    assert_eq!(text(&refused, "level"), "WARN");
    assert_eq!(text(&refused, "account").len(), 12, "a digest: {refused}");
    assert!(refused["network"].is_string(), "{refused}");

    let leaks = [&written, &talk, &sent].map(|text| canaries.in_text(text));
    let leaks = leaks.concat();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
