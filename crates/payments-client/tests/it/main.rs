//! The result for a saga of each response of payments, over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::IntoResponse,
};
use contracts::payments::{InitTransaction, LOOKUP, Status, Transaction};
use kernel::{Clock, Currency, Money, OrderId, TraceRef, TransactionId, UserId};
use payments_client::{EventKeys, PaymentsClient};
use serde_json::{Value, json};
use tokens::{Signer, Verifier};
use tokio::{io::AsyncReadExt, net::TcpListener};
use workflows::payments::{
    Call, Cancellation, InitError, NoAnswer, Payments, PaymentsInstance, Support,
};

/// A payments service that always gives the same answer, and records its requests.
#[derive(Clone)]
struct Canned {
    status: StatusCode,
    body: String,
    asked: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
}

async fn answer(
    State(canned): State<Canned>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let asked = (uri.to_string(), headers, body);
    canned.asked.lock().unwrap().push(asked);
    let json = [(header::CONTENT_TYPE, "application/json")];
    (canned.status, json, canned.body)
}

async fn payments(status: u16, body: String) -> (PaymentsClient, Canned) {
    let (url, canned) = serve(status, body).await;
    (client(&url), canned)
}

async fn serve(status: u16, body: String) -> (String, Canned) {
    let canned = Canned {
        status: StatusCode::from_u16(status).unwrap(),
        body,
        asked: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(canned.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, canned)
}

fn client(url: &str) -> PaymentsClient {
    let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
    PaymentsClient::new(url, signer, Duration::from_millis(300)).unwrap()
}

struct Asked {
    order_id: OrderId,
    transaction_id: TransactionId,
    user_id: UserId,
    trace: TraceRef,
}

impl Asked {
    fn new() -> Self {
        Self {
            order_id: OrderId::new(),
            transaction_id: TransactionId::new(),
            user_id: UserId::new(),
            trace: TraceRef::random(),
        }
    }

    fn call(&self) -> Call<'_> {
        Call {
            effect_key: "saga/init_payment".to_owned(),
            user_id: self.user_id,
            trace: &self.trace,
        }
    }

    async fn init(&self, client: &PaymentsClient) -> Result<Transaction, InitError> {
        let request = InitTransaction {
            order_id: self.order_id,
            user_id: self.user_id,
            amount: euros(),
            transaction_id: Some(self.transaction_id),
        };
        Payments::init(client, self.call(), request).await
    }

    async fn cancel(&self, client: &PaymentsClient) -> Result<Cancellation, NoAnswer> {
        Payments::cancel(client, self.call(), self.order_id, self.transaction_id).await
    }

    async fn undo(&self, client: &PaymentsClient) -> Result<Cancellation, NoAnswer> {
        Payments::cancel_by_order(client, self.call(), self.order_id, self.transaction_id).await
    }

    fn transaction(&self, status: &str) -> Value {
        json!({
            "transaction_id": self.transaction_id, "order_id": self.order_id, "status": status,
            "amount": {"amount": 1999, "currency": "EUR"}, "created_at": "2026-01-01T00:00:00Z",
        })
    }
}

fn euros() -> Money {
    Money::new(1999, "EUR".parse::<Currency>().unwrap())
}

fn problem(kind: &str, transaction: Option<&Value>) -> Value {
    json!({"type": format!("https://shop.example/problems/{kind}"), "title": kind, "status": 409, "transaction": transaction})
}

fn is_unknown<T>(result: &Result<T, InitError>) -> bool {
    matches!(result, Err(InitError::NoAnswer(NoAnswer::Unknown(_))))
}

#[tokio::test]
async fn created_and_found_again_are_done() {
    for status in [200, 201] {
        let asked = Asked::new();
        let (client, _) = payments(status, asked.transaction("pending").to_string()).await;
        let created = asked.init(&client).await.unwrap();
        assert_eq!(created.transaction_id, asked.transaction_id, "{status}");
    }
}

/// The transaction's id is payments' choice, and an answer may leave out what the shop knows.
#[tokio::test]
async fn an_answer_that_leaves_something_out_contradicts_nothing() {
    let (asked, id) = (Asked::new(), TransactionId::new());
    for (status, answer) in [
        (201, json!({"transaction_id": id})),
        (200, json!({"transaction_id": id, "status": "pending"})),
        (
            200,
            json!({"transaction_id": id, "order_id": asked.order_id}),
        ),
        (409, json!({"transaction_id": id, "status": "pending"})), // the repetition is a conflict to it
        (
            409,
            json!({"message": "there", "transaction": {"transaction_id": id, "status": "pending"}}),
        ),
    ] {
        let (client, _) = payments(status, answer.to_string()).await;
        let created = asked.init(&client).await.unwrap();
        let shown = (created.transaction_id, created.status);
        assert_eq!(shown, (id, Status::Pending), "{answer}");
    }
    let found = json!({"transaction_id": asked.transaction_id, "status": "paid"});
    let (client, _) = payments(200, found.to_string()).await;
    let found = Payments::find(&client, asked.transaction_id, None).await;
    assert_eq!(found.unwrap().unwrap().status, Status::Paid);
}

/// With or without a problem document: the order is canceled at once, and operators see the reason.
#[tokio::test]
async fn a_definite_no_without_a_problem_document_is_refused() {
    let canceled = json!({"transaction_id": TransactionId::new(), "status": "canceled"});
    for (status, body, reason) in [
        (
            400,
            "no such currency\n",
            "status 400 Bad Request no such currency",
        ),
        (402, "", "status 402 Payment Required"),
        (409, "canceled", "status 409 Conflict canceled"),
        (410, r#"{"detail": "too late"}"#, "too late"),
        (
            422,
            r#"{"error": 7}"#,
            r#"status 422 Unprocessable Entity {"error": 7}"#,
        ),
    ] {
        let (client, _) = payments(status, body.to_owned()).await;
        let refused = Asked::new().init(&client).await;
        assert_eq!(refused, Err(InitError::Refused(reason.to_owned())));
    }
    let (client, _) = payments(409, canceled.to_string()).await;
    let refused = Asked::new().init(&client).await;
    assert!(matches!(refused, Err(InitError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_route_that_payments_lacks_is_unsupported() {
    let asked = Asked::new();
    let not_found = problem("not-found", None).to_string();
    for (status, body, lacks) in [
        (404, "404 page not found", true),
        (404, "{}", true),
        (405, "", true),
        (501, "", true),
        (404, &*not_found, false),
    ] {
        let (client, _) = payments(status, body.to_owned()).await;
        let undone = asked.undo(&client).await;
        let unsupported = matches!(undone, Err(NoAnswer::Unsupported(_)));
        assert_eq!(unsupported, lacks, "{status} {body}: {undone:?}");
        let found = Payments::find(&client, asked.transaction_id, None).await;
        let unsupported = matches!(found, Err(NoAnswer::Unsupported(_)));
        assert_eq!(unsupported, lacks, "{status} {body}: {found:?}");
    }
}

#[tokio::test]
async fn a_business_no_is_refused() {
    for (status, kind) in [
        (409, "transaction-differs"),
        (409, "transaction-canceled"),
        (422, "validation"),
        (400, "malformed"),
    ] {
        let asked = Asked::new();
        let (client, _) = payments(status, problem(kind, None).to_string()).await;
        let refused = asked.init(&client).await;
        assert_eq!(
            refused,
            Err(InitError::Refused(kind.to_owned())),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_unknown() {
    let asked = Asked::new();
    let other = Asked::new().transaction("pending");
    let mut cheaper = asked.transaction("pending");
    cheaper["amount"]["amount"] = json!(1);
    for (status, body) in [
        (500, "{}".to_owned()),
        (502, "<html>".to_owned()),
        (503, "{}".to_owned()),
        (429, "{}".to_owned()),
        (401, "{}".to_owned()),
        (403, "{}".to_owned()),
        (404, "{}".to_owned()),
        (302, String::new()),
        (201, "{".to_owned()),
        (201, "null".to_owned()),
        (201, other.to_string()),
        (201, cheaper.to_string()),
        (408, "{}".to_owned()),
        (425, "{}".to_owned()),
        (405, "{}".to_owned()),
    ] {
        let (client, _) = payments(status, body.clone()).await;
        let result = asked.init(&client).await;
        assert!(is_unknown(&result), "{status} {body}: {result:?}");
    }
}

#[tokio::test]
async fn only_a_connect_error_never_left() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free); // no server listens on this port any more
    let result = Asked::new().init(&client(&url)).await;
    assert!(
        matches!(result, Err(InitError::NoAnswer(NoAnswer::Unreachable(_)))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_time_out_and_a_cut_connection_are_unknown() {
    for cut in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut heard = [0; 4096];
                while !cut && matches!(socket.read(&mut heard).await, Ok(1..)) {}
                let _ = socket.read(&mut heard).await;
            }
        });
        let result = Asked::new().init(&client(&url)).await;
        assert!(is_unknown(&result), "cut {cut}: {result:?}");
    }
}

#[tokio::test]
async fn an_undo_is_canceled_overtaken_or_unknown() {
    let asked = Asked::new();
    let (client, _) = payments(200, asked.transaction("canceled").to_string()).await;
    let canceled = Ok(Cancellation::Canceled(Some(asked.transaction_id)));
    assert_eq!(asked.undo(&client).await, canceled);

    for paid in [
        problem("transaction-paid", Some(&asked.transaction("paid"))),
        asked.transaction("paid"),
        json!({"transaction_id": asked.transaction_id, "status": "paid"}),
    ] {
        let (client, _) = payments(409, paid.to_string()).await;
        for overtaken in [asked.undo(&client).await, asked.cancel(&client).await] {
            assert!(
                matches!(overtaken, Ok(Cancellation::AlreadyPaid(transaction))
                if transaction.transaction_id == asked.transaction_id)
            );
        }
    }
    for (status, canceled) in [
        (200, json!({"status": "canceled"}).to_string()),
        (204, String::new()),
        (409, asked.transaction("canceled").to_string()),
    ] {
        let (client, _) = payments(status, canceled).await;
        for canceled in [asked.undo(&client).await, asked.cancel(&client).await] {
            assert!(matches!(canceled, Ok(Cancellation::Canceled(id))
                if id.is_none_or(|id| id == asked.transaction_id)));
        }
    }

    let foreign = problem("transaction-paid", Some(&Asked::new().transaction("paid")));
    for (status, body) in [
        (200, asked.transaction("pending").to_string()),
        (200, Asked::new().transaction("canceled").to_string()),
        (409, foreign.to_string()),
        (409, problem("transaction-paid", None).to_string()),
        (409, "it is paid".to_owned()), // whether it is, its creation shows
        (404, problem("not-found", None).to_string()),
        (500, "{}".to_owned()),
        (200, "<html>".to_owned()),
    ] {
        let (client, _) = payments(status, body.clone()).await;
        let result = asked.undo(&client).await;
        assert!(
            matches!(result, Err(NoAnswer::Unknown(_))),
            "{status} {body}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_transaction_is_found_or_not_there_or_unknown() {
    let asked = Asked::new();
    let find =
        async |client: PaymentsClient| Payments::find(&client, asked.transaction_id, None).await;
    let (client, _) = payments(200, asked.transaction("paid").to_string()).await;
    assert!(find(client).await.unwrap().is_some());
    let (client, _) = payments(404, problem("not-found", None).to_string()).await;
    assert_eq!(find(client).await, Ok(None));
    let (client, _) = payments(200, Asked::new().transaction("paid").to_string()).await;
    assert!(matches!(find(client).await, Err(NoAnswer::Unknown(_))));
}

/// A rate limit says nothing about the transaction: for a consumer it is an outage, and not an
/// attempt.
#[tokio::test]
async fn a_read_that_is_throttled_counts_as_unreachable() {
    let (client, _) = payments(429, "{}".to_owned()).await;
    let ids = [TransactionId::new(), TransactionId::new()];
    let is_unreachable =
        |answer: &Result<_, NoAnswer>| matches!(answer, Err(NoAnswer::Unreachable(_)));
    let answers = client.find_many(&ids).await;
    assert!(answers.iter().all(is_unreachable), "{answers:?}");
    assert!(is_unreachable(&Payments::find(&client, ids[0], None).await));
    // a change may have been applied
    assert!(is_unknown(&Asked::new().init(&client).await));
}

#[tokio::test]
async fn a_call_names_its_effect_its_caller_and_its_trace() {
    let asked = Asked::new();
    let (client, canned) = payments(201, asked.transaction("pending").to_string()).await;
    asked.init(&client).await.unwrap();
    let (path, headers, body) = canned.asked.lock().unwrap().remove(0);
    assert_eq!(path, "/transactions");
    assert_eq!(headers["idempotency-key"], "saga/init_payment");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Bearer ")
    );
    let trace = headers["traceparent"].to_str().unwrap();
    assert!(trace.contains(asked.trace.trace_id()), "{trace}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["transaction_id"], json!(asked.transaction_id));
}

#[tokio::test]
async fn without_a_bulk_read_each_transaction_is_asked_about() {
    let (client, canned) = payments(404, problem("not-found", None).to_string()).await;
    let ids: Vec<_> = (0..20).map(|_| TransactionId::new()).collect();
    for expected in [21, 41] {
        let answers = client.find_many(&ids).await;
        assert!(
            answers.iter().all(|answer| *answer == Ok(None)),
            "{answers:?}"
        );
        let asked = canned.asked.lock().unwrap().len();
        assert_eq!(asked, expected, "the bulk read is not asked for again");
    }
}

#[tokio::test]
async fn a_bulk_read_answers_in_the_order_of_the_ids() {
    let ids = [
        TransactionId::new(),
        TransactionId::new(),
        TransactionId::new(),
    ];
    let known = |id: TransactionId| {
        json!({
            "transaction_id": id, "order_id": OrderId::new(), "status": "paid", "created_at": "2026-01-01T00:00:00Z",
        })
    };
    let body = json!({"transactions": [known(ids[2]), known(ids[0])]});
    let (client, canned) = payments(200, body.to_string()).await;
    let answers = client.find_many(&ids).await;
    let answers = answers
        .into_iter()
        .map(|answer| answer.unwrap().map(|found| found.transaction_id));
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers, [Some(ids[0]), None, Some(ids[2])]);
    let asked = canned.asked.lock().unwrap();
    assert_eq!(
        (asked.len(), asked[0].0.as_str()),
        (1, "/transactions/lookup")
    );
}

#[tokio::test]
async fn without_a_bulk_read_transactions_are_asked_one_by_one() {
    for (singles, calls) in [(true, 21), (false, 9)] {
        let asked = Arc::<Mutex<usize>>::default();
        let counter = Arc::clone(&asked);
        let answer = async move |uri: Uri| {
            *counter.lock().unwrap() += 1;
            if !singles || uri.path() == LOOKUP {
                std::future::pending::<()>().await;
            }
            (
                StatusCode::NOT_FOUND,
                problem("not-found", None).to_string(),
            )
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let ids: Vec<_> = (0..20).map(|_| TransactionId::new()).collect();
        let answers = client(&url).find_many(&ids).await;
        assert!(
            answers.len() == ids.len() && answers.iter().all(|answer| answer.is_ok() == singles),
            "{answers:?}"
        );
        assert_eq!(*asked.lock().unwrap(), calls);
    }
}

#[tokio::test]
async fn an_unreachable_payments_answers_about_none() {
    let ids = [TransactionId::new(), TransactionId::new()];
    let answers = client("http://127.0.0.1:1").find_many(&ids).await;
    let is_unreachable =
        |answer: &Result<_, NoAnswer>| matches!(answer, Err(NoAnswer::Unreachable(_)));
    assert!(
        answers.len() == 2 && answers.iter().all(is_unreachable),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_change_names_its_user_and_a_read_names_none() {
    let asked = Asked::new();
    let (url, canned) = serve(500, "{}".to_owned()).await;
    let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
    let verifier = Verifier::with_key(&signer);
    let client = PaymentsClient::new(&url, signer, Duration::from_secs(3)).unwrap();
    asked.init(&client).await.unwrap_err();
    asked.undo(&client).await.unwrap_err();
    let read = Payments::find(&client, asked.transaction_id, Some(&asked.trace)).await;
    read.unwrap_err();
    let calls: Vec<_> = canned.asked.lock().unwrap().drain(..).collect();
    let expected = [
        ("/transactions", Some(asked.user_id)),
        ("/transactions/cancel-by-order", Some(asked.user_id)),
        (&*format!("/transactions/{}", asked.transaction_id), None),
    ];
    assert_eq!(calls.len(), expected.len());
    for ((path, headers, _), (known, user)) in calls.iter().zip(expected) {
        let token = headers["authorization"].to_str().unwrap();
        let token = token.strip_prefix("Bearer ").unwrap();
        let identity = verifier.verify(token, "payments").await.unwrap();
        assert_eq!((path.as_str(), identity.on_behalf_of), (known, user));
    }
}

#[tokio::test]
async fn the_parts_of_level_2_are_probed_without_effect() {
    let (level_1, canned) = payments(404, "no such page".to_owned()).await;
    assert_eq!(level_1.support().await, Ok(Support::default()));
    let names_an_order = |(_, _, body): &(String, HeaderMap, Bytes)| {
        std::str::from_utf8(body).unwrap().contains("order_id")
    };
    assert!(!canned.asked.lock().unwrap().iter().any(names_an_order));

    let not_found = json!({ "type": "/problems/not-found", "title": "Not found" });
    let (reads, _) = payments(404, not_found.to_string()).await;
    let support = reads.support().await.unwrap();
    assert!(support.read && support.problem_types, "{support:?}");
    assert!(!support.bulk_read && !support.signed_events, "{support:?}");

    for denied in [401, 403, 429, 503] {
        let (denies, _) = payments(denied, String::new()).await;
        let unknown = denies.support().await;
        assert!(matches!(unknown, Err(NoAnswer::Unknown(_))), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_service_may_name_its_database() {
    let named = json!({ "keys": [], "instance_id": "0199b1c2" }).to_string();
    for (status, body, expected) in [
        (200, named, Some("0199b1c2".to_owned())),
        (200, json!({ "keys": [] }).to_string(), None),
        (404, String::new(), None),
    ] {
        let (url, _) = serve(status, body).await;
        let keys = EventKeys::new(&url).unwrap();
        assert_eq!(keys.instance().await, Ok(expected));
    }
}
