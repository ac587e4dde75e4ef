//! A customer of the shop, as tests use one.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{System, eventually, eventually_some};

/// The password of every buyer.
const PASSWORD: &str = "correct horse";

impl System {
    /// Creates a new account and logs in.
    ///
    /// # Panics
    /// When the account or the session cannot be created.
    pub async fn buyer(&self) -> Buyer<'_> {
        self.try_buyer().await.expect("an account and a session")
    }

    /// Creates a new account and logs in.
    ///
    /// # Errors
    /// The unexpected answer to the registration or the login.
    pub async fn try_buyer(&self) -> Result<Buyer<'_>, String> {
        let email = format!("{}@shop.example", Uuid::new_v4().simple());
        let body = json!({"email": email, "password": PASSWORD, "name": "Test Buyer"});
        self.ask("/api/register", &body, StatusCode::ACCEPTED)
            .await?;
        self.log_in(&email).await
    }

    /// Logs in an existing account.
    ///
    /// # Errors
    /// The unexpected answer to the login.
    pub async fn log_in(&self, email: &str) -> Result<Buyer<'_>, String> {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.ask("/api/login", &body, StatusCode::OK).await?;
        let tokens: Value = answer.json().await.map_err(|error| error.to_string())?;
        let token = tokens["access_token"].as_str().ok_or("no token")?;
        Ok(self.returning(token.to_owned()))
    }

    async fn ask(
        &self,
        path: &str,
        body: &Value,
        expected: StatusCode,
    ) -> Result<Response, String> {
        let url = format!("{}{path}", self.api_url);
        let answer = self.http.post(url).json(body).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status == expected {
            Ok(answer)
        } else {
            Err(format!("{path} answered {status}"))
        }
    }

    /// A buyer whose access token is already known.
    pub fn returning(&self, token: String) -> Buyer<'_> {
        Buyer {
            system: self,
            token,
        }
    }
}

/// A customer of the shop.
pub struct Buyer<'a> {
    system: &'a System,
    /// The access token.
    pub token: String,
}

impl Buyer<'_> {
    /// Orders a quantity of one product.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn try_order(
        &self,
        product: &str,
        quantity: u32,
        key: &str,
    ) -> reqwest::Result<Response> {
        let body = json!({"items": [{"product_id": product, "quantity": quantity}]});
        let url = format!("{}/api/orders", self.system.api_url);
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .header("idempotency-key", key)
            .json(&body)
            .send()
            .await
    }

    /// Orders a mug.
    ///
    /// # Panics
    /// When the order is not accepted.
    pub async fn order(&self) -> (StatusCode, Value) {
        let mug = self.system.product("enamel-mug").await;
        let answer = self
            .try_order(&mug, 1, &Uuid::new_v4().to_string())
            .await
            .expect("the API answers");
        let status = answer.status();
        assert!(status.is_success(), "{status}: {:?}", answer.text().await);
        (status, answer.json().await.expect("JSON"))
    }

    /// Reads an order; `None` if no answer arrives.
    pub async fn find_order(&self, order: &str) -> Option<Value> {
        let url = format!("{}/api/orders/{order}", self.system.api_url);
        let answer = self
            .system
            .http
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .ok()?;
        if answer.status().is_success() {
            answer.json().await.ok()
        } else {
            None
        }
    }

    /// Waits until an order has this status; returns the order.
    pub async fn awaits(&self, order: &str, status: &str) -> Value {
        eventually_some(&format!("order {order} to be {status}"), || async {
            self.find_order(order)
                .await
                .filter(|order| order["status"] == status)
        })
        .await
    }

    /// Calls payments' simulator: `complete` or `cancel`.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn decide(&self, verb: &str, transaction: &str) -> reqwest::Result<Response> {
        let url = format!("{}/transactions/{verb}", self.system.payments_url);
        let body = json!({"transaction_id": transaction});
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
    }

    /// Pays, repeating the call until it is answered.
    pub async fn pay(&self, transaction: &str) {
        eventually(&format!("transaction {transaction} to be paid"), || async {
            self.decide("complete", transaction)
                .await
                .is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
    }

    /// Asks the API to cancel an order.
    ///
    /// # Panics
    /// When no answer arrives.
    pub async fn cancel(&self, order: &str) -> Response {
        let url = format!("{}/api/orders/{order}/cancel", self.system.api_url);
        self.system
            .http
            .post(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .expect("the API answers")
    }
}
