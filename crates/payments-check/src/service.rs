//! The calls to the service under test.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contracts::payments::{
    CANCEL, COMPLETE, InitTransaction, SCOPE_SERVICE, Status, TRANSACTIONS, Transaction,
};
use kernel::{Money, OrderId, TransactionId, UserId};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokens::Signer;
use uuid::Uuid;

use crate::report::{Fault, broken};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How calls are authenticated.
pub(crate) enum Credentials {
    Signer(Signer),
    Token(String),
    None,
}

/// The service under test.
pub(crate) struct Service {
    url: String,
    http: Client,
    credentials: Credentials,
    user: UserId,
    log: Mutex<Vec<String>>,
}

/// An order that is to be paid.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) order: OrderId,
    pub(crate) proposed: TransactionId,
    pub(crate) amount: Money,
}

impl Purchase {
    pub(crate) fn new() -> Self {
        Self {
            order: OrderId::new(),
            proposed: TransactionId::new(),
            amount: Money::new(1999, "EUR".parse().expect("a currency")),
        }
    }
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it refuses for good; see the contract.
    pub(crate) fn is_definite_refusal(&self) -> bool {
        (400..500).contains(&self.status)
            && ![401, 403, 404, 405, 408, 425, 429].contains(&self.status)
    }

    /// Whether the service has no such route.
    pub(crate) fn has_no_route(&self) -> bool {
        match self.status {
            404 => !self.is_problem("not-found"),
            405 | 501 => true,
            _ => false,
        }
    }

    pub(crate) fn is_problem(&self, kind: &str) -> bool {
        let found = self.body["type"].as_str().unwrap_or_default();
        found.rsplit('/').next() == Some(kind)
    }

    /// The state of the transaction that the answer shows, be it the answer itself or a member of a
    /// problem.
    pub(crate) fn state(&self) -> Option<Status> {
        let found = self.body.get("transaction").unwrap_or(&self.body);
        serde_json::from_value(found["status"].clone()).ok()
    }

    /// The id of the transaction that the answer shows.
    pub(crate) fn id(&self) -> Option<TransactionId> {
        let found = self.body.get("transaction").unwrap_or(&self.body);
        serde_json::from_value(found["transaction_id"].clone()).ok()
    }

    /// An error if the service has no such route.
    pub(crate) fn of_level_2(self) -> Result<Self, Fault> {
        if self.has_no_route() {
            Err(Fault::Missing(format!("status {}", self.status)))
        } else {
            Ok(self)
        }
    }
}

impl Service {
    pub(crate) fn new(
        url: &str,
        credentials: Credentials,
        user: UserId,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            http: Client::builder().timeout(TIMEOUT).build()?,
            credentials,
            user,
            log: Mutex::default(),
        })
    }

    /// Finds out whether anything listens at the URL.
    pub(crate) async fn reach(&self) -> anyhow::Result<()> {
        let answer = self.http.get(&self.url).send().await;
        match answer.map_err(reqwest::Error::without_url) {
            Err(error) if error.is_connect() || error.is_builder() => {
                Err(anyhow::Error::new(error).context(format!(
                    "{} cannot be reached: start the service, or correct the URL",
                    self.url
                )))
            }
            _ => Ok(()),
        }
    }

    fn log(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests and answers since the last call.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log())
    }

    /// Adds a line to the log.
    pub(crate) fn note(&self, line: String) {
        self.log().push(line);
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, Fault> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.header("idempotency-key", key).json(body);
        self.send(format!("POST {path} {body}"), Some(self.user), request)
            .await
    }

    /// A read, which names no user, as the shop's reads do.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Fault> {
        let request = self.http.get(format!("{}{path}", self.url));
        self.send(format!("GET {path}"), None, request).await
    }

    /// A read by POST, which names no user either.
    pub(crate) async fn query(&self, path: &str, body: &Value) -> Result<Answer, Fault> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        self.send(format!("POST {path} {body}"), None, request)
            .await
    }

    async fn send(
        &self,
        shown: String,
        user: Option<UserId>,
        request: RequestBuilder,
    ) -> Result<Answer, Fault> {
        let request = match &self.credentials {
            Credentials::Signer(signer) => {
                request.bearer_auth(signer.service_token(SCOPE_SERVICE, user))
            }
            Credentials::Token(token) => request.bearer_auth(token),
            Credentials::None => request,
        };
        let answered = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok((status, answer.text().await?))
        };
        let answered: reqwest::Result<_> = answered.await;
        match answered {
            Ok((status, text)) => {
                let body = serde_json::from_str(&text).unwrap_or_default();
                let text: String = text.chars().take(600).collect();
                self.log()
                    .extend([format!("> {shown}"), format!("< {status} {text}")]);
                Ok(Answer { status, body })
            }
            Err(error) => {
                let error = error.without_url();
                self.log()
                    .extend([format!("> {shown}"), format!("< {error}")]);
                broken(format!("no answer: {error}"))
            }
        }
    }

    /// Asks to create the transaction; `proposed` is the first key too, so that a repetition has it.
    pub(crate) async fn init(&self, purchase: &Purchase) -> Result<Answer, Fault> {
        let key = format!("{}/init_payment", purchase.proposed);
        self.init_under(purchase, &key).await
    }

    pub(crate) async fn init_under(&self, purchase: &Purchase, key: &str) -> Result<Answer, Fault> {
        let request = InitTransaction {
            order_id: purchase.order,
            user_id: self.user,
            amount: purchase.amount.clone(),
            transaction_id: Some(purchase.proposed),
        };
        self.post(TRANSACTIONS, key, &json!(request)).await
    }

    /// Creates a transaction, and returns its id.
    pub(crate) async fn create(&self, purchase: &Purchase) -> Result<TransactionId, Fault> {
        let answer = self.init(purchase).await?;
        created(purchase, &answer)
    }

    pub(crate) async fn complete(&self, id: TransactionId) -> Result<Answer, Fault> {
        self.decide(COMPLETE, id).await
    }

    pub(crate) async fn cancel(&self, id: TransactionId) -> Result<Answer, Fault> {
        self.decide(CANCEL, id).await
    }

    async fn decide(&self, path: &str, id: TransactionId) -> Result<Answer, Fault> {
        let body = json!({ "transaction_id": id });
        self.post(path, &Uuid::now_v7().to_string(), &body).await
    }
}

/// The id in the answer to a creation, if nothing in the answer contradicts the request.
fn created(purchase: &Purchase, answer: &Answer) -> Result<TransactionId, Fault> {
    if !answer.is_success() {
        return broken(format!(
            "status {}, and 200 or 201 was expected",
            answer.status
        ));
    }
    let Some(id) = answer.id() else {
        return broken("the answer has no `transaction_id` that is a UUID");
    };
    let mut shown = answer.body.clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.entry("status").or_insert(json!(Status::Pending));
    }
    match serde_json::from_value::<Transaction>(shown) {
        Ok(shown) if shown.may_pay(purchase.order, &purchase.amount) => Ok(id),
        Ok(_) => broken("the answer shows another order or amount than the request"),
        Err(error) => broken(format!("the answer cannot be read: {error}")),
    }
}

/// An error unless the call succeeded.
pub(crate) fn succeeds(what: &str, answer: &Answer) -> Result<(), Fault> {
    if answer.is_success() {
        Ok(())
    } else {
        broken(format!("{what} is answered {}", answer.status))
    }
}

/// An error unless the call is refused for good.
pub(crate) fn is_refused(what: &str, answer: &Answer) -> Result<(), Fault> {
    if answer.is_definite_refusal() {
        Ok(())
    } else {
        broken(format!(
            "{what} is answered {}, and a 4xx that refuses for good was expected",
            answer.status
        ))
    }
}
