//! A client that does not give up, and remembers every answer.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use testkit::{System, eventually_some};
use uuid::Uuid;

use crate::text;

/// An order that was accepted (201 or 202), and its expected end.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) ends: &'static str,
}

pub(super) struct Client<'a> {
    system: &'a System,
    token: String,
    mug: String,
}

const PASSWORD: &str = "correct horse";

async fn tokens(system: &System, path: &str, body: &Value) -> Option<(StatusCode, Value)> {
    let url = format!("{}{path}", system.api_url);
    let answer = system.http.post(url).json(body).send().await.ok()?;
    Some((answer.status(), answer.json().await.ok()?))
}

/// Creates an account, with any number of tries: the answer is the same when the account already
/// exists.
pub(super) async fn register(system: &System) -> String {
    let email = format!("{}@shop.example", Uuid::new_v4().simple());
    let body = json!({"email": email, "password": PASSWORD, "name": "Test Buyer"});
    eventually_some("an account", || async {
        let (status, _) = tokens(system, "/api/register", &body).await?;
        (status == StatusCode::ACCEPTED).then_some(())
    })
    .await;
    email
}

impl<'a> Client<'a> {
    pub(super) async fn log_in(system: &'a System, email: &str) -> Self {
        let body = json!({"email": email, "password": PASSWORD});
        let token = eventually_some("a session", || async {
            let (status, tokens) = tokens(system, "/api/login", &body).await?;
            (status == StatusCode::OK).then(|| text(&tokens, "access_token").to_owned())
        })
        .await;
        Self {
            system,
            token,
            mug: system.product("enamel-mug").await,
        }
    }

    fn request(&self, method: Method, url: String) -> RequestBuilder {
        self.system
            .http
            .request(method, url)
            .bearer_auth(&self.token)
    }

    /// Orders a mug under this key until it gets an answer. With `later`, a worker makes the first
    /// attempt at its payment.
    pub(super) async fn place(&self, key: &str, later: bool) -> String {
        let body = json!({"items": [{"product_id": self.mug, "quantity": 1}]});
        eventually_some(&format!("order {key} to be accepted"), || async {
            let mut request = self
                .request(Method::POST, format!("{}/api/orders", self.system.api_url))
                .header("idempotency-key", key)
                .json(&body);
            if later {
                request = request.header("prefer", "respond-async");
            }
            let answer = request.send().await.ok()?;
            let accepted = matches!(answer.status(), StatusCode::CREATED | StatusCode::ACCEPTED);
            let order: Value = answer.json().await.ok().filter(|_| accepted)?;
            Some(text(&order, "id").to_owned())
        })
        .await
    }

    pub(super) async fn awaits(&self, id: &str, status: &str) -> Value {
        let url = format!("{}/api/orders/{id}", self.system.api_url);
        eventually_some(&format!("order {id} to be {status}"), || async {
            let answer = self.request(Method::GET, url.clone()).send().await.ok()?;
            let order: Value = answer.json().await.ok()?;
            (order["status"] == status).then_some(order)
        })
        .await
    }

    /// Asks the shop to cancel an order until the shop accepts the request.
    pub(super) async fn cancel(&self, id: &str) {
        let url = format!("{}/api/orders/{id}/cancel", self.system.api_url);
        eventually_some(&format!("order {id} to be taken back"), || async {
            let answer = self.request(Method::POST, url.clone()).send().await.ok()?;
            (answer.status() == StatusCode::ACCEPTED).then_some(())
        })
        .await;
    }

    /// Pays (`complete`) or refuses (`cancel`) until payments confirms it.
    pub(super) async fn decide(&self, verb: &str, transaction: &str) {
        let url = format!("{}/transactions/{verb}", self.system.payments_url);
        let body = json!({"transaction_id": transaction});
        eventually_some(&format!("{verb} of transaction {transaction}"), || async {
            let request = self.request(Method::POST, url.clone()).json(&body);
            let answer = request.send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Every accepted order exists, is at rest in its expected state, and is the same under its
    /// key.
    pub(super) async fn compare(&self, ledger: &[Accepted]) {
        for accepted in ledger {
            self.awaits(&accepted.id, accepted.ends).await;
            let again = self.place(&accepted.key, false).await;
            assert_eq!(again, accepted.id, "one order under key {}", accepted.key);
        }
    }
}
