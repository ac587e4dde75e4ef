//! The HTTP adapter of the payments port: translates payments' responses into results for a saga.
//!
//! The most important rule: only a connect error proves that nothing happened. After a timeout, a
//! cut connection or an unreadable response, the call *may* have had its effect.

mod keys;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use contracts::payments::{
    CANCEL_BY_ORDER, CancelByOrder, Found, InitTransaction, LOOKUP, Lookup, MAX_LOOKUP,
    PROBLEM_PAID, SCOPE_SERVICE, Status, TRANSACTIONS, Transaction,
};
use futures::future::BoxFuture;
use kernel::{OrderId, TraceRef, TransactionId};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokens::Signer;
use tracing::{Instrument, info_span};
use workflows::payments::{
    Call, Cancellation, InitError, NoAnswer, Payments, READS_AT_ONCE, find_each,
};

pub use keys::EventKeys;

/// The route of one transaction, for span names.
const ONE_TRANSACTION: &str = "/transactions/{id}";

/// Calls payments over HTTP.
#[derive(Debug, Clone)]
pub struct PaymentsClient {
    base_url: String,
    signer: Signer,
    http: reqwest::Client,
    /// When payments last answered that it has no bulk read.
    no_lookup: Arc<Mutex<Option<Instant>>>,
}

/// How long no bulk read is tried after payments answered that it has none.
const NO_LOOKUP: Duration = Duration::from_mins(10);

/// The parts of a problem document that the client reads.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    transaction: Option<Transaction>,
}

impl PaymentsClient {
    /// Creates a client for the server at `base_url`. Each call carries its own service token and
    /// takes at most `timeout`.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(base_url: &str, signer: Signer, timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            // payments closes idle connections after twenty seconds: drop them well before that
            .pool_idle_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            signer,
            http,
            no_lookup: Arc::default(),
        })
    }

    async fn send(
        &self,
        route: &'static str,
        request: RequestBuilder,
        call: Option<&Call<'_>>,
        trace: Option<&TraceRef>,
    ) -> Result<Response, NoAnswer> {
        // a change is made on behalf of its user; a read is the shop's own
        let user_id = call.map(|call| call.user_id);
        let token = self.signer.service_token(SCOPE_SERVICE, user_id);
        let mut request = request.bearer_auth(token);
        if let Some(call) = call {
            request = request.header("idempotency-key", &call.effect_key);
        }
        // the call propagates the caller's stored trace position, not its own span, which is lost
        // if the process dies: a span in payments never lacks its parent
        if let Some(trace) = trace {
            request = request.header("traceparent", trace.to_string());
        }
        let request = request.build().map_err(no_answer)?;
        let span = info_span!(
            "http.call",
            otel.name = format!("{} {route}", request.method()),
            otel.kind = "client",
            http.request.method = %request.method(),
            server.address = request.url().host_str().unwrap_or_default(),
            server.port = request.url().port_or_known_default(),
            url.template = route,
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        // a step's own span is exported from its journal, so that this process has no span around
        // the call
        if let (None, Some(trace)) = (telemetry::current(), trace) {
            telemetry::continue_trace(&span, trace);
        }
        let answer = self.http.execute(request).instrument(span.clone()).await;
        match &answer {
            Ok(response) => {
                span.record("http.response.status_code", response.status().as_u16());
            }
            Err(error) => {
                let kind = if error.is_connect() {
                    "connect"
                } else {
                    "no_answer"
                };
                span.record("error.type", kind);
            }
        }
        answer.map_err(no_answer)
    }

    async fn init(&self, call: Call<'_>, request: InitTransaction) -> Result<(), InitError> {
        let post = self
            .http
            .post(format!("{}{TRANSACTIONS}", self.base_url))
            .json(&request);
        let response = self
            .send(TRANSACTIONS, post, Some(&call), Some(call.trace))
            .await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::OK => {
                let created: Transaction = read(response).await?;
                let ours = created.order_id == request.order_id
                    && request
                        .transaction_id
                        .is_none_or(|id| id == created.transaction_id)
                    && created.amount.as_ref() == Some(&request.amount);
                if ours {
                    Ok(())
                } else {
                    Err(unknown("it answered with another transaction").into())
                }
            }
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                let problem: Problem = read(response).await?;
                Err(InitError::Refused(problem.detail.unwrap_or(problem.title)))
            }
            status => Err(unknown(&format!("status {status}")).into()),
        }
    }

    async fn cancel_by_order(
        &self,
        call: Call<'_>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> Result<Cancellation, NoAnswer> {
        let body = CancelByOrder {
            order_id,
            transaction_id: Some(transaction_id),
        };
        let post = self
            .http
            .post(format!("{}{CANCEL_BY_ORDER}", self.base_url))
            .json(&body);
        let response = self
            .send(CANCEL_BY_ORDER, post, Some(&call), Some(call.trace))
            .await?;
        match response.status() {
            StatusCode::OK => {
                let transaction: Transaction = read(response).await?;
                if transaction.order_id == order_id && transaction.status == Status::Canceled {
                    Ok(Cancellation::Canceled)
                } else {
                    Err(unknown(
                        "it says OK, but not that this order's transaction is canceled",
                    ))
                }
            }
            StatusCode::CONFLICT => {
                let problem: Problem = read(response).await?;
                let paid = problem
                    .transaction
                    .filter(|_| problem.kind.ends_with(PROBLEM_PAID));
                match paid.filter(|paid| paid.order_id == order_id && paid.status == Status::Paid) {
                    Some(paid) => Ok(Cancellation::AlreadyPaid(Box::new(paid))),
                    None => Err(unknown(&problem.detail.unwrap_or(problem.title))),
                }
            }
            status => Err(unknown(&format!("status {status}"))),
        }
    }

    async fn find(
        &self,
        transaction_id: TransactionId,
        trace: Option<&TraceRef>,
    ) -> Result<Option<Transaction>, NoAnswer> {
        let get = self
            .http
            .get(format!("{}{TRANSACTIONS}/{transaction_id}", self.base_url));
        let response = self.send(ONE_TRANSACTION, get, None, trace).await?;
        match response.status() {
            StatusCode::OK => {
                let transaction: Transaction = read(response).await?;
                let ours = transaction.transaction_id == transaction_id;
                if ours {
                    Ok(Some(transaction))
                } else {
                    Err(unknown("it answered with another transaction"))
                }
            }
            StatusCode::NOT_FOUND => Ok(None),
            // a read has no effect, and a rate limit applies to all transactions alike
            StatusCode::TOO_MANY_REQUESTS => Err(NoAnswer::Unreachable(format!(
                "status {}",
                StatusCode::TOO_MANY_REQUESTS
            ))),
            status => Err(unknown(&format!("status {status}"))),
        }
    }
}

impl PaymentsClient {
    /// Makes one bulk read; `None` when payments has no bulk read, or none that works.
    async fn lookup(&self, ids: &[TransactionId]) -> Result<Option<Vec<Transaction>>, NoAnswer> {
        if self.no_lookup().is_some_and(|at| at.elapsed() < NO_LOOKUP) {
            return Ok(None);
        }
        let post = self
            .http
            .post(format!("{}{LOOKUP}", self.base_url))
            .json(&Lookup {
                transaction_ids: ids.to_vec(),
            });
        let response = self.send(LOOKUP, post, None, None).await?;
        match response.status() {
            StatusCode::OK => match read::<Found>(response).await {
                Ok(found) => Ok(Some(found.transactions)),
                // one unreadable transaction must not hide the others
                Err(error) => {
                    tracing::warn!(
                        "The answer of payments to {LOOKUP} cannot be read ({error}): asking about each transaction"
                    );
                    Ok(None)
                }
            },
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => {
                *self.no_lookup() = Some(Instant::now());
                Ok(None)
            }
            status => {
                tracing::warn!(
                    "Payments answered {LOOKUP} with status {status}: asking about each transaction"
                );
                Ok(None)
            }
        }
    }

    fn no_lookup(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.no_lookup
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_many(&self, ids: &[TransactionId]) -> Vec<Result<Option<Transaction>, NoAnswer>> {
        let mut answers = Vec::with_capacity(ids.len());
        for some in ids.chunks(MAX_LOOKUP) {
            match self.lookup(some).await {
                Ok(Some(found)) => {
                    let by_id = found.into_iter().map(|found| (found.transaction_id, found));
                    let by_id: HashMap<_, _> = by_id.collect();
                    answers.extend(some.iter().map(|id| Ok(by_id.get(id).cloned())));
                }
                Ok(None) => answers.extend(find_each(self, some).await),
                Err(error @ NoAnswer::Unknown(_)) => {
                    answers.extend(self.find_without_lookup(some, &error).await);
                }
                Err(error) => answers.extend(some.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    /// Reads each transaction by itself after a bulk read got no answer: it may have been too
    /// large, while single reads may still work. If all reads of the first group fail, payments is
    /// unreachable, and the rest is not tried.
    async fn find_without_lookup(
        &self,
        ids: &[TransactionId],
        error: &NoAnswer,
    ) -> Vec<Result<Option<Transaction>, NoAnswer>> {
        let (first, rest) = ids.split_at(ids.len().min(READS_AT_ONCE));
        let mut answers = find_each(self, first).await;
        if answers.iter().any(Result::is_ok) {
            answers.extend(find_each(self, rest).await);
        } else {
            answers.extend(rest.iter().map(|_| Err(error.clone())));
        }
        answers
    }
}

impl Payments for PaymentsClient {
    fn init<'a>(
        &'a self,
        call: Call<'a>,
        request: InitTransaction,
    ) -> BoxFuture<'a, Result<(), InitError>> {
        Box::pin(self.init(call, request))
    }

    fn cancel_by_order<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>> {
        Box::pin(self.cancel_by_order(call, order_id, transaction_id))
    }

    fn find<'a>(
        &'a self,
        transaction_id: TransactionId,
        trace: Option<&'a TraceRef>,
    ) -> BoxFuture<'a, Result<Option<Transaction>, NoAnswer>> {
        Box::pin(self.find(transaction_id, trace))
    }

    fn find_many<'a>(
        &'a self,
        ids: &'a [TransactionId],
    ) -> BoxFuture<'a, Vec<Result<Option<Transaction>, NoAnswer>>> {
        Box::pin(self.find_many(ids))
    }
}

fn unknown(why: &str) -> NoAnswer {
    NoAnswer::Unknown(why.to_owned())
}

async fn read<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, NoAnswer> {
    response
        .json()
        .await
        .map_err(|error| NoAnswer::Unknown(chain(&error.without_url())))
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let never_left = error.is_connect();
    let why = chain(&error.without_url());
    if never_left {
        NoAnswer::Unreachable(why)
    } else {
        NoAnswer::Unknown(why)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
