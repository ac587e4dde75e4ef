//! Authorization: every operation of both documents by every kind of caller and with every kind of
//! forged token, against running processes.

mod forged;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::Stdio,
};

use lapin::BasicProperties;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{System, SystemOptions, ended, eventually, foreign_client};
use uuid::Uuid;

use crate::{layout::root, saga_of, text};
use forged::Mint;
use table::{At, Caller, May, Row, TABLE, expected};

/// A token of the shop's service that is valid for a day.
pub(crate) fn lasting_service_token(system: &System) -> String {
    let signer = tokens::Signer::from_pem(&system.service_signing_key(), kernel::Clock::System);
    let signer = signer.unwrap();
    let token = signer.service_token("transactions", None);
    let key = system.service_signing_key();
    Mint::new(&token, &key, &key, &signer.jwks()).lasting()
}

/// The token of a new account with these roles, valid for a day.
pub(crate) async fn lasting_account(system: &System, roles: &[&str]) -> String {
    let token = account(system, roles).await;
    let signer = tokens::Signer::from_pem(&system.signing_key(), kernel::Clock::System).unwrap();
    let key = system.signing_key();
    Mint::new(&token, &key, &key, &signer.jwks()).lasting()
}

/// Method and path of each operation, by its id, and whether it requires a token.
fn operations(at: At) -> BTreeMap<String, (Method, String, bool)> {
    let name = match at {
        At::Shop => "api",
        At::Payments => "payments",
    };
    let path = root().join(format!("docs/openapi/{name}.json"));
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let id = text(operation, "operationId").to_owned();
            let secured = operation["security"].is_array();
            operations.insert(id, (method, path.clone(), secured));
        }
    }
    operations
}

#[test]
fn every_operation_of_the_documents_has_a_row() {
    for at in [At::Shop, At::Payments] {
        let documented = operations(at);
        let rows = TABLE.iter().filter(|row| row.at == at);
        let ids: BTreeSet<_> = rows.clone().map(|row| row.id.to_owned()).collect();
        let documented_ids: BTreeSet<_> = documented.keys().cloned().collect();
        assert_eq!(ids, documented_ids, "{at:?}: say who may call it");
        for row in rows {
            let (_, path, secured) = &documented[row.id];
            assert_eq!(
                *secured,
                row.may != May::Anybody,
                "{}: the document and the table",
                row.id
            );
            let fits = |(one, other): (&str, &str)| one == other || one.starts_with('{');
            let asked = row.path.split('?').next().unwrap();
            let mut pairs = path.split('/').zip(asked.split('/'));
            assert!(pairs.all(fits), "{}: {path} and {}", row.id, row.path);
        }
    }
}

/// A running system, its operations, the values that fill the requests, and the callers' tokens.
struct Rig {
    system: System,
    operations: BTreeMap<String, (Method, String, bool)>,
    fillings: Vec<(&'static str, String)>,
    owner: kernel::UserId,
    stranger: kernel::UserId,
    tokens: Vec<(Caller, String)>,
}

/// The token of a new account with these roles.
async fn account(system: &System, roles: &[&str]) -> String {
    let email = format!("{}@shop.example", Uuid::new_v4().simple());
    let password = format!("a password of {email}");
    let mut command = system.command("shopctl");
    command.args(["user", "create", "--email", &email, "--name", "Matrix"]);
    for role in roles {
        command.args(["--role", role]);
    }
    command.args(["--reason", "the matrix"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(password.as_bytes()).unwrap();
    drop(input);
    assert!(ended(&mut child).success());
    logged_in(system, &email, &password).await
}

async fn logged_in(system: &System, email: &str, password: &str) -> String {
    let url = format!("{}/api/login", system.api_url);
    let body = json!({"email": email, "password": password});
    let answer = system.http.post(url).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    text(&answer, "access_token").to_owned()
}

/// The user of a token.
async fn user(system: &System, token: &str) -> Value {
    let url = format!("{}/api/me", system.api_url);
    let answer = system.http.get(url).bearer_auth(token).send().await;
    answer.unwrap().json().await.unwrap()
}

impl Rig {
    async fn start() -> Self {
        let system = System::start(SystemOptions::default()).await;
        let (owner, stranger, disabled) = (
            system.buyer().await,
            system.buyer().await,
            system.buyer().await,
        );
        let mut fillings = Vec::new();
        let mut orders = Vec::new();
        for _ in 0..4 {
            let (_, order) = owner.order().await;
            orders.push(owner.awaits(text(&order, "id"), "awaiting_payment").await);
        }
        let [order, canceled, paid, withdrawn] = &orders[..] else {
            panic!("four orders")
        };
        owner.cancel(text(canceled, "id")).await;
        owner.awaits(text(canceled, "id"), "canceled").await;
        for (name, value) in [
            ("{order}", text(order, "id")),
            ("{transaction}", text(order, "transaction_id")),
            ("{canceled}", text(canceled, "id")),
            ("{paid}", text(paid, "transaction_id")),
            ("{withdrawn}", text(withdrawn, "transaction_id")),
            ("{message}", "matrix"),
        ] {
            fillings.push((name, value.to_owned()));
        }
        fillings.push(("{amount}", order["total"].to_string()));
        fillings.push(("{saga}", saga_of(&system, order).await));
        fillings.push(("{product}", system.product("enamel-mug").await));
        let owners = user(&system, &owner.token).await;
        let owners_id: Uuid = text(&owners, "id").parse().unwrap();
        fillings.push(("{owner}", owners_id.to_string()));

        let (_connection, channel) = foreign_client(&system.amqp_url).await;
        let garbage = BasicProperties::default().with_message_id("matrix".into());
        testkit::publish(
            &channel,
            "payments_events",
            "transaction_completed",
            garbage,
            b"{}",
        )
        .await;
        eventually("the garbage to fail", || async {
            let failed = system.run("shopctl", &["failed", "list", "-o", "json"]);
            failed.lines().count() == 1
        })
        .await;

        let left = user(&system, &disabled.token).await;
        let email = text(&left, "email");
        let disable = [
            "user", "disable", "--email", email, "--reason", "r", "--yes",
        ];
        system.run("shopctl", &disable);
        let foreign = tokens::Signer::from_pem(&tokens::generate_key_pem(), kernel::Clock::System);
        let minute = std::time::Duration::from_mins(1);
        let roles = ["admin".to_owned(), "operator".to_owned()];
        let strangers_id: Value = user(&system, &stranger.token).await;
        let strangers_id: Uuid = text(&strangers_id, "id").parse().unwrap();
        let tokens = [
            (Caller::Owner, owner.token.clone()),
            (Caller::Stranger, stranger.token.clone()),
            (Caller::Disabled, disabled.token.clone()),
            (Caller::Admin, account(&system, &["admin"]).await),
            (Caller::Operator, account(&system, &["operator"]).await),
            (
                Caller::AdminOperator,
                account(&system, &["admin", "operator"]).await,
            ),
            (
                Caller::Foreign,
                foreign
                    .unwrap()
                    .access_token(kernel::UserId::new(), &roles, minute),
            ),
        ];
        let mut operations_of_both = operations(At::Shop);
        operations_of_both.extend(operations(At::Payments));
        drop((owner, stranger, disabled));
        Self {
            system,
            operations: operations_of_both,
            fillings,
            owner: owners_id.into(),
            stranger: strangers_id.into(),
            tokens: tokens.into(),
        }
    }

    fn filled(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
        self.fillings.iter().fold(text.to_owned(), fill)
    }

    fn request(&self, row: &Row) -> RequestBuilder {
        let base = match row.at {
            At::Shop => &self.system.api_url,
            At::Payments => &self.system.payments_url,
        };
        let (method, ..) = &self.operations[row.id];
        let url = format!("{base}{}", self.filled(row.path));
        let mut request = self
            .system
            .http
            .request(method.clone(), url)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .header("if-match", "\"999999\"");
        if let Some(body) = row.body {
            request = request
                .header("content-type", "application/json")
                .body(self.filled(body));
        }
        request
    }

    /// A fresh token of a service, which is valid for a minute, or the one that was issued.
    fn token(&self, caller: Caller) -> Option<String> {
        let key = self.system.service_signing_key();
        let signer = tokens::Signer::from_pem(&key, kernel::Clock::System).unwrap();
        match caller {
            Caller::Service => Some(signer.service_token("transactions", Some(self.owner))),
            Caller::ServiceForNobody => Some(signer.service_token("transactions", None)),
            Caller::ServiceForOther => {
                Some(signer.service_token("transactions", Some(self.stranger)))
            }
            Caller::Unscoped => Some(signer.service_token("", None)),
            _ => {
                let mut tokens = self.tokens.iter();
                tokens
                    .find(|(of, _)| *of == caller)
                    .map(|(_, token)| token.clone())
            }
        }
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_every_caller_and_forged_token_as_documented() {
    let rig = Rig::start().await;
    let jwks = format!("{}/.well-known/jwks.json", rig.system.api_url);
    let jwks = rig.system.http.get(jwks).send().await.unwrap();
    let jwks: Value = jwks.json().await.unwrap();
    let (mut cells, mut wrong) = (0, Vec::new());
    for row in TABLE {
        for caller in Caller::ALL {
            let mut request = rig.request(row);
            if let Some(token) = rig.token(caller) {
                request = request.bearer_auth(token);
            }
            let is_read = rig.operations[row.id].0 == Method::GET;
            let (expected, got) = (expected(row, caller, is_read), status(request).await);
            cells += 1;
            if got != expected {
                wrong.push(format!("{} by {caller:?}: {got}, not {expected}", row.id));
            }
        }
        // each forgery is made from a token that the operation accepts
        let good = match row.may {
            May::Anybody => Caller::Owner,
            May::Only(may, _) => may[0],
        };
        let (services, users) = (rig.system.service_signing_key(), rig.system.signing_key());
        let (key, sibling) = match good {
            Caller::Service => (services, users),
            _ => (users, services),
        };
        let good = rig.token(good).unwrap();
        let mint = Mint::new(&good, &key, &sibling, &jwks);
        let (expected, other) = match (row.may, row.at) {
            (May::Anybody, _) => (row.ok, "payments"),
            (May::Only(..), At::Shop) => (401, "payments"),
            (May::Only(..), At::Payments) => (401, "shop"),
        };
        for (name, authorization) in mint.all(other) {
            let request = rig.request(row).header("authorization", authorization);
            let got = status(request).await;
            cells += 1;
            if got != expected {
                wrong.push(format!("{} with {name}: {got}, not {expected}", row.id));
            }
        }
        // a token in the query string is ignored
        let mut request = rig.request(row);
        request = request.query(&[("access_token", &good)]);
        let (method, ..) = &rig.operations[row.id];
        let got = status(request).await;
        cells += 1;
        let refused = matches!(got, 400 | 401);
        if row.may != May::Anybody && !refused {
            wrong.push(format!(
                "{method} {} with a token in its address: {got}",
                row.id
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cells}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cells > 2_400, "{cells}");
}
