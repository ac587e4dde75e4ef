//! The clients' calls to the API and payments, repeated until they are answered.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Account, Clients, LATE, Order, RETRY_TIMEOUT, lock};
use crate::ledger::{Answer, Entry};

const PASSWORD: &str = "correct horse";

pub(super) enum Sent<T> {
    /// The request was answered.
    Answered(T),
    /// No usable answer: send the same request again.
    Again,
}

impl Clients {
    pub(super) async fn register(&self, name: &str) -> Option<Account> {
        let email = format!("{}-{name}@nemesis.example", self.seed);
        let body = json!({"email": email, "password": PASSWORD, "name": "Nemesis"});
        // repeats until accepted: the answer is the same if an earlier one was lost
        self.until_answered(|| async {
            let request = self
                .http
                .post(format!("{}/api/register", self.api))
                .json(&body);
            match self.call("register", request).await {
                Some((StatusCode::ACCEPTED, _)) => Sent::Answered(()),
                _ => Sent::Again,
            }
        })
        .await?;
        let body = json!({"email": email, "password": PASSWORD});
        let tokens = self
            .until_answered(|| async {
                let request = self
                    .http
                    .post(format!("{}/api/login", self.api))
                    .json(&body);
                match self.call("login", request).await {
                    Some((StatusCode::OK, tokens)) => Sent::Answered(tokens),
                    _ => Sent::Again,
                }
            })
            .await?;
        lock(&self.ledger).accounts.push(email);
        let token = tokens["access_token"].as_str()?.to_owned();
        Some(Account { token })
    }

    pub(super) async fn order_until_answered(
        &self,
        account: &Account,
        entry: &mut Entry,
        product: Uuid,
    ) -> Option<Order> {
        let key = entry.key.clone();
        let answered = self
            .until_answered(|| self.order(account, &key, product))
            .await;
        match answered {
            Some(Ok(order)) => {
                entry.accepted.push(order.id);
                return Some(order);
            }
            Some(Err(why)) => entry.wrong.push(why),
            None => entry
                .wrong
                .push(format!("it was not answered for {RETRY_TIMEOUT:?}")),
        }
        None
    }

    pub(super) async fn order(
        &self,
        account: &Account,
        key: &str,
        product: Uuid,
    ) -> Sent<Result<Order, String>> {
        let body = json!({"items": [{"product_id": product, "quantity": 1}]});
        let request = self
            .http
            .post(format!("{}/api/orders", self.api))
            .bearer_auth(&account.token)
            .header("idempotency-key", key)
            .json(&body);
        match self.call("order", request).await {
            Some((StatusCode::CREATED | StatusCode::ACCEPTED, order)) => {
                let id = |field: &str| order[field].as_str().and_then(|id| id.parse().ok());
                Sent::Answered(match (id("id"), id("transaction_id")) {
                    (Some(id), Some(transaction)) => Ok(Order { id, transaction }),
                    _ => Err(format!("it was answered with {order}")),
                })
            }
            Some((status, problem)) if is_final(status, &problem) => {
                Sent::Answered(Err(format!("it was refused: {problem}")))
            }
            _ => Sent::Again,
        }
    }

    /// Pays or cancels at payments, repeated until it is answered.
    pub(super) async fn decide(
        &self,
        account: &Account,
        verb: &str,
        mut order: Order,
        entry: &mut Entry,
    ) -> Option<Answer> {
        let until = Instant::now() + RETRY_TIMEOUT;
        while Instant::now() < until {
            let request = self
                .http
                .post(format!("{}/transactions/{verb}", self.payments))
                .bearer_auth(&account.token)
                .json(&json!({"transaction_id": order.transaction}));
            match self.call(verb, request).await {
                Some((StatusCode::OK, _)) if verb == "complete" => return Some(Answer::Paid),
                Some((StatusCode::OK, _)) => return Some(Answer::Canceled),
                Some((StatusCode::CONFLICT, _)) if verb == "complete" => {
                    return Some(Answer::TooLateToPay);
                }
                Some((StatusCode::CONFLICT, _)) => return Some(Answer::TooLateToCancel),
                // the transaction does not exist yet, never will, or has another id than the
                // proposed one: read the order
                Some((StatusCode::NOT_FOUND, _)) => {
                    let read = self.read(account, order.id, entry).await;
                    if let Some((seen @ Some(_), _)) = read {
                        return seen;
                    }
                    order.transaction = read.map_or(order.transaction, |(_, now)| now);
                }
                Some((status, problem)) if is_final(status, &problem) => {
                    entry.wrong.push(format!("{verb} was refused: {problem}"));
                    return None;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        entry
            .wrong
            .push(format!("{verb} was not answered for {RETRY_TIMEOUT:?}"));
        None
    }

    /// Asks the API to cancel, repeated until it is answered.
    pub(super) async fn cancel(
        &self,
        account: &Account,
        order: Order,
        entry: &mut Entry,
    ) -> Option<Answer> {
        let answered = self
            .until_answered(|| async {
                let request = self
                    .http
                    .post(format!("{}/api/orders/{}/cancel", self.api, order.id))
                    .bearer_auth(&account.token);
                match self.call("cancel order", request).await {
                    Some((StatusCode::ACCEPTED, _)) => Sent::Answered(Ok(None)),
                    Some((StatusCode::CONFLICT, _)) => Sent::Answered(Ok(Some(Answer::Completed))),
                    Some((status, problem)) if is_final(status, &problem) => {
                        Sent::Answered(Err(format!("its cancellation was refused: {problem}")))
                    }
                    _ => Sent::Again,
                }
            })
            .await;
        match answered {
            Some(Ok(answer)) => return answer,
            Some(Err(why)) => entry.wrong.push(why),
            None => entry.wrong.push(format!(
                "its cancellation was not answered for {RETRY_TIMEOUT:?}"
            )),
        }
        None
    }

    /// Reads the order once; returns its status if that is final.
    pub(super) async fn read_final_status(
        &self,
        account: &Account,
        id: Uuid,
        entry: &mut Entry,
    ) -> Option<Answer> {
        self.read(account, id, entry).await?.0
    }

    /// Reads the order once; returns its status if that is final, and its transaction's id.
    async fn read(
        &self,
        account: &Account,
        id: Uuid,
        entry: &mut Entry,
    ) -> Option<(Option<Answer>, Uuid)> {
        let request = self
            .http
            .get(format!("{}/api/orders/{id}", self.api))
            .bearer_auth(&account.token);
        match self.call("read order", request).await? {
            (StatusCode::OK, order) => {
                let status = order["status"].as_str()?;
                let end = matches!(status, "completed" | "canceled");
                let transaction = order["transaction_id"].as_str()?.parse().ok()?;
                Some((end.then(|| Answer::Seen(status.to_owned())), transaction))
            }
            (StatusCode::NOT_FOUND, _) => {
                entry
                    .wrong
                    .push(format!("order {id} was accepted and cannot be read"));
                None
            }
            _ => None,
        }
    }

    async fn until_answered<T, F: Future<Output = Sent<T>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Option<T> {
        let until = Instant::now() + RETRY_TIMEOUT;
        while Instant::now() < until {
            if let Sent::Answered(answer) = ask().await {
                return Some(answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Makes a call; `None` if no complete answer arrived. A body that is no JSON is null.
    async fn call(&self, what: &str, request: RequestBuilder) -> Option<(StatusCode, Value)> {
        let answer = async {
            let answer = request.send().await?;
            let status = answer.status();
            let body = answer.text().await?;
            Ok((status, serde_json::from_str(&body).unwrap_or_default()))
        };
        let answer: reqwest::Result<_> = answer.await;
        let heard = match &answer {
            Ok((status, _)) => status.as_u16().to_string(),
            Err(error) if error.is_timeout() => LATE.to_owned(),
            Err(error) if error.is_connect() => "refused".to_owned(),
            Err(_) => "cut".to_owned(),
        };
        *lock(&self.answers)
            .entry(format!("{what} {heard}"))
            .or_default() += 1;
        answer.ok()
    }
}

/// Whether retrying cannot help: a refusal that is neither an outage nor a temporary conflict.
fn is_final(status: StatusCode, problem: &Value) -> bool {
    let one_moment = problem["type"] == "/problems/idempotency-key-in-flight";
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS && !one_moment
}
