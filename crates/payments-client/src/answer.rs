//! The meaning of payments' answers. A body is read as leniently as the contract allows: a missing
//! value is no contradiction, a different one is.

use contracts::payments::{
    InitTransaction, PROBLEM_DIFFERS, PROBLEM_NOT_FOUND, Status, Transaction,
};
use kernel::{OrderId, TransactionId};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use workflows::payments::{Cancellation, InitError, NoAnswer};

use crate::no_answer;

/// Longest reason that is kept of an answer that is no problem document, in characters.
const MAX_REASON: usize = 300;

/// The status and body of an answer.
pub(crate) struct Answer {
    route: &'static str,
    status: StatusCode,
    text: String,
    /// Null if the body is no JSON.
    body: Value,
}

/// The parts of a cancellation's answer that must not contradict it.
#[derive(Default, Deserialize)]
struct Canceled {
    transaction_id: Option<TransactionId>,
    order_id: Option<OrderId>,
    status: Option<Status>,
}

impl Answer {
    pub(crate) async fn read(route: &'static str, response: Response) -> Result<Self, NoAnswer> {
        let status = response.status();
        let text = response.text().await.map_err(no_answer)?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            route,
            status,
            text,
            body,
        })
    }

    /// The result of a creation.
    pub(crate) fn created(mut self, request: &InitTransaction) -> Result<Transaction, InitError> {
        if let (true, Some(created)) = (self.status.is_success(), self.body.as_object_mut()) {
            created.entry("status").or_insert(json!(Status::Pending));
        }
        let found = self.transaction();
        let ours = found.filter(|found| found.may_pay(request.order_id, &request.amount));
        if self.status.is_success() {
            return ours.ok_or_else(|| {
                self.unknown("it does not show this order's transaction")
                    .into()
            });
        }
        // a service may answer a repetition with the transaction that is there
        let repeated = self.status == StatusCode::CONFLICT && !self.is_problem(PROBLEM_DIFFERS);
        match ours.filter(|found| repeated && found.status != Status::Canceled) {
            Some(found) => Ok(found),
            None if is_definite(self.status) => Err(InitError::Refused(self.reason())),
            None => Err(self.unknown(&self.reason()).into()),
        }
    }

    /// The result of a cancellation.
    pub(crate) fn canceled(self, order_id: OrderId) -> Result<Cancellation, NoAnswer> {
        if self.status.is_success() {
            let said = if self.text.trim().is_empty() {
                Some(Canceled::default())
            } else {
                serde_json::from_value::<Canceled>(self.body.clone()).ok()
            };
            let canceled = said.filter(|said| {
                said.order_id.is_none_or(|id| id == order_id)
                    && said.status.is_none_or(|status| status == Status::Canceled)
            });
            return canceled
                .map(|canceled| Cancellation::Canceled(canceled.transaction_id))
                .ok_or_else(|| {
                    self.unknown("it says OK, but not that this order's transaction is canceled")
                });
        }
        let decided = self.transaction().filter(|found| {
            self.status == StatusCode::CONFLICT && found.order_id.is_none_or(|id| id == order_id)
        });
        match decided {
            Some(paid) if paid.status == Status::Paid => {
                Ok(Cancellation::AlreadyPaid(Box::new(paid)))
            }
            Some(canceled) if canceled.status == Status::Canceled => {
                Ok(Cancellation::Canceled(Some(canceled.transaction_id)))
            }
            _ => Err(self.unknown(&self.reason())),
        }
    }

    /// The result of a read.
    pub(crate) fn found(self, id: TransactionId) -> Result<Option<Transaction>, NoAnswer> {
        match self.status {
            StatusCode::OK => match self.transaction() {
                Some(found) if found.transaction_id == id => Ok(Some(found)),
                _ => Err(self.unknown("it does not show this transaction")),
            },
            StatusCode::NOT_FOUND => Ok(None),
            // a read has no effect, and a rate limit applies to all transactions alike
            StatusCode::TOO_MANY_REQUESTS => {
                Err(NoAnswer::Unreachable(format!("status {}", self.status)))
            }
            _ => Err(self.unknown(&self.reason())),
        }
    }

    /// [`NoAnswer::Unsupported`] if payments has no such route. A 404 says so unless it is a problem
    /// document of an unknown transaction.
    pub(crate) fn or_unsupported(self) -> Result<Self, NoAnswer> {
        match self.status {
            StatusCode::NOT_FOUND if self.is_problem(PROBLEM_NOT_FOUND) => Ok(self),
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Err(NoAnswer::Unsupported(format!(
                "{} answered {}",
                self.route, self.status
            ))),
            _ => Ok(self),
        }
    }

    /// The answer, unless it is about the caller or the moment and says nothing about the route.
    pub(crate) fn unless_denied(self) -> Result<Self, NoAnswer> {
        let denied = matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        if denied || self.status.is_server_error() {
            return Err(self.unknown(&self.reason()));
        }
        Ok(self)
    }

    /// Whether it is the answer to a bulk read.
    pub(crate) fn has_transactions(&self) -> bool {
        self.status.is_success() && self.body.get("transactions").is_some_and(Value::is_array)
    }

    /// Whether it is a key set with keys.
    pub(crate) fn has_keys(&self) -> bool {
        let keys = self.body.get("keys").and_then(Value::as_array);
        keys.is_some_and(|keys| !keys.is_empty())
    }

    /// Whether it is a problem document.
    pub(crate) fn is_any_problem(&self) -> bool {
        self.status.is_client_error() && self.body.get("type").is_some_and(Value::is_string)
    }

    /// The transaction that the answer is, or that its problem document carries.
    fn transaction(&self) -> Option<Transaction> {
        let found = self.body.get("transaction").unwrap_or(&self.body);
        serde_json::from_value(found.clone()).ok()
    }

    fn is_problem(&self, kind: &str) -> bool {
        let found = self.body.get("type").and_then(Value::as_str);
        found.is_some_and(|found| found.rsplit('/').next() == Some(kind))
    }

    /// The reason of a failure, for operators: of a problem document, or the beginning of the body.
    fn reason(&self) -> String {
        let text = |name| self.body.get(name).and_then(Value::as_str);
        if let Some(reason) = text("detail").or_else(|| text("title")) {
            return reason.to_owned();
        }
        let words: Vec<_> = self.text.split_whitespace().collect();
        let words: String = words.join(" ").chars().take(MAX_REASON).collect();
        format!("status {} {words}", self.status).trim().to_owned()
    }

    fn unknown(&self, why: &str) -> NoAnswer {
        NoAnswer::Unknown(format!("{} answered {}: {why}", self.route, self.status))
    }
}

/// Whether a creation that is answered with this status would be refused again. The statuses that
/// are left out concern the caller, the address or the moment, not the order.
fn is_definite(status: StatusCode) -> bool {
    let passing = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
    );
    status.is_client_error() && !passing
}
