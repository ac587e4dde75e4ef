//! The HTTP adapter of the payments port: translates payments' responses into results for a saga.
//!
//! The most important rule: only a connect error proves that nothing happened. After a timeout, a
//! cut connection or an unreadable response, the call *may* have had its effect.
//!
//! `docs/payments-contract.md` is the contract, also for a payments service of another team: such a
//! service may lack the tombstone, the reads and the problem types.

mod answer;

mod keys;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use contracts::payments::{
    CANCEL, CANCEL_BY_ORDER, CancelByOrder, Found, InitTransaction, JWKS, LOOKUP, Lookup,
    MAX_LOOKUP, SCOPE_SERVICE, TRANSACTIONS, Transaction, TransactionRef,
};
use futures::future::BoxFuture;
use kernel::{OrderId, TraceRef, TransactionId};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokens::Signer;
use tracing::{Instrument, info_span};
use workflows::payments::{
    Call, Cancellation, InitError, MAX_CONCURRENT_READS, NoAnswer, Payments, Support, find_each,
};

use answer::Answer;
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

    /// Makes a change on behalf of its user, and reads the answer.
    async fn change(
        &self,
        route: &'static str,
        call: &Call<'_>,
        body: &impl Serialize,
    ) -> Result<Answer, NoAnswer> {
        let post = self
            .http
            .post(format!("{}{route}", self.base_url))
            .json(body);
        let response = self.send(route, post, Some(call), Some(call.trace)).await?;
        Answer::read(route, response).await
    }

    async fn init(
        &self,
        call: Call<'_>,
        request: InitTransaction,
    ) -> Result<Transaction, InitError> {
        let answer = self.change(TRANSACTIONS, &call, &request).await?;
        answer.created(&request)
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
        let answer = self.change(CANCEL_BY_ORDER, &call, &body).await?;
        answer.or_unsupported()?.canceled(order_id)
    }

    async fn cancel(
        &self,
        call: Call<'_>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> Result<Cancellation, NoAnswer> {
        let body = TransactionRef { transaction_id };
        let answer = self.change(CANCEL, &call, &body).await?;
        answer.canceled(order_id)
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
        let answer = Answer::read(ONE_TRANSACTION, response).await?;
        answer.or_unsupported()?.found(transaction_id)
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

    /// Asks for each part of level 2 with a call that changes nothing: reads of an unknown
    /// transaction, and a cancellation that names no order.
    async fn support(&self) -> Result<Support, NoAnswer> {
        let unknown = TransactionId::new();
        let post = |route: &'static str| self.http.post(format!("{}{route}", self.base_url));
        let lookup = post(LOOKUP).json(&Lookup {
            transaction_ids: vec![unknown],
        });
        let get = format!("{}{TRANSACTIONS}/{unknown}", self.base_url);
        let cancel = post(CANCEL_BY_ORDER).json(&json!({}));
        let keys = format!("{}{JWKS}", self.base_url);
        let (lookup, read, cancel, keys) = futures::join!(
            self.probe(LOOKUP, lookup),
            self.probe(ONE_TRANSACTION, self.http.get(get)),
            self.probe(CANCEL_BY_ORDER, cancel),
            self.probe(JWKS, self.http.get(keys)),
        );
        let (lookup, read, cancel, keys) = (lookup?, read?, cancel?, keys?);
        let documents = [&lookup, &read, &cancel].map(|answer| answer.as_ref());
        let documents = documents.into_iter().flatten();
        Ok(Support {
            tombstone: cancel.is_some(),
            read: read.is_some(),
            bulk_read: lookup.as_ref().is_some_and(Answer::has_transactions),
            problem_types: documents.into_iter().any(Answer::is_any_problem),
            signed_events: keys.is_some_and(|answer| answer.has_keys()),
        })
    }

    /// The answer of a route; `None` if payments has no such route.
    async fn probe(
        &self,
        route: &'static str,
        request: RequestBuilder,
    ) -> Result<Option<Answer>, NoAnswer> {
        let response = self.send(route, request, None, None).await?;
        match Answer::read(route, response).await?.or_unsupported() {
            Ok(answer) => answer.unless_denied().map(Some),
            Err(NoAnswer::Unsupported(_)) => Ok(None),
            Err(error) => Err(error),
        }
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
        let (first, rest) = ids.split_at(ids.len().min(MAX_CONCURRENT_READS));
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
    ) -> BoxFuture<'a, Result<Transaction, InitError>> {
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

    fn cancel<'a>(
        &'a self,
        call: Call<'a>,
        order_id: OrderId,
        transaction_id: TransactionId,
    ) -> BoxFuture<'a, Result<Cancellation, NoAnswer>> {
        Box::pin(self.cancel(call, order_id, transaction_id))
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

    fn support(&self) -> BoxFuture<'_, Result<Support, NoAnswer>> {
        Box::pin(self.support())
    }
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
