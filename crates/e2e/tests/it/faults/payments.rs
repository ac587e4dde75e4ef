//! The link to payments: slow, cut, and overtaken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri, header},
};
use contracts::payments::LOOKUP;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Fault, Upstream, eventually};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{
    completes, count,
    outages::failed,
    transactions,
    unseen::{awaiting, pay_unsigned, without_payment_events},
    whole, with,
};
use crate::text;

#[tokio::test(flavor = "multi_thread")]
async fn slow_payments_slow_nobody_else_and_hold_no_connection_f27() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    system.fault(
        Upstream::Payments,
        Fault::SlowAnswers(Duration::from_secs(10)),
    );
    // more orders at once than the api has connections
    let keys: Vec<_> = (0..60).map(|n| format!("order {n}")).collect();
    let ordering = futures::future::join_all(keys.iter().map(|key| buyer.try_order(&mug, 1, key)));
    let reading = async {
        eventually("all to be under way", || async {
            count(&system.shop, r#"select count(*) from commerce."order""#).await == 60
        })
        .await;
        let url = format!("{}/api/products", system.api_url);
        let answers =
            futures::future::join_all((0..40).map(|_| system.http.get(&url).send())).await;
        answers.into_iter().map(|answer| answer.unwrap().status())
    };
    let (orders, statuses) = tokio::join!(ordering, reading);
    assert!(statuses.into_iter().all(|status| status == StatusCode::OK));
    let mut accepted: Vec<Value> = Vec::new();
    for answer in orders {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        accepted.push(answer.json().await.unwrap());
    }
    system.fault(Upstream::Payments, Fault::None);
    for order in &accepted {
        completes(&buyer, order).await;
    }
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_cut_after_its_effect_makes_one_transaction_f29() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let link = system.link("api", Upstream::Payments);
    link.will(Fault::CutAnswers);
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(link.hits() > 0);
    let unknown = "select count(*) from saga.journal where kind = 'unknown'";
    assert_eq!(
        count(&system.shop, unknown).await,
        1,
        "not known, and so asked again"
    );
    completes(&buyer, &order).await; // by the worker, whose link works
    assert_eq!(transactions(&system).await, 1);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_its_cancellation_overtook_is_refused_f30() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let link = system.link("api", Upstream::Payments);
    link.will(Fault::StallRequests); // the creation is sent, and held back
    let mug = system.product("enamel-mug").await;
    let canceling = async {
        let id: Uuid = testkit::eventually_some("the order", || async {
            sqlx::query_scalar(r#"select order_id from commerce."order""#)
                .fetch_optional(&system.shop)
                .await
                .unwrap()
        })
        .await;
        buyer.cancel(&id.to_string()).await.status()
    };
    let (answer, canceled) = tokio::join!(buyer.try_order(&mug, 1, "overtaken"), canceling);
    assert_eq!(canceled, StatusCode::ACCEPTED);
    let order: Value = answer.unwrap().json().await.unwrap();
    buyer.awaits(text(&order, "id"), "canceled").await;
    link.will(Fault::None); // now it arrives
    let (_, next) = buyer.order().await;
    completes(&buyer, &next).await;
    let tombstones = "select count(*) from payments.transaction where tombstone";
    assert_eq!(count(&system.payments, tombstones).await, 1);
    let answer = buyer
        .decide("complete", text(&order, "transaction_id"))
        .await
        .unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::NOT_FOUND,
        "there is nothing to pay"
    );
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_undo_is_shown_and_done_when_possible_f08() {
    let mut options = crate::impatient();
    options.proxies = true;
    let system = testkit::System::start(options).await;
    let buyer = system.buyer().await;
    system.fault(Upstream::Payments, Fault::Reset);
    let (_, order) = buyer.order().await;
    let id = text(&order, "id");
    let shown = || async {
        let listed = system.run("shopctl", &["saga", "list", "--order", id, "-o", "json"]);
        serde_json::from_str::<Value>(listed.lines().next()?).ok()
    };
    eventually(
        "an operator to see that it is being undone, and why it is not",
        || async {
            shown().await.is_some_and(|saga| {
                saga["state"] == "compensating" && !saga["last_error"].is_null()
            })
        },
    )
    .await;
    assert_eq!(
        text(&buyer.find_order(id).await.unwrap(), "status"),
        "pending"
    );
    system.fault(Upstream::Payments, Fault::None);
    buyer.awaits(id, "canceled").await;
    whole(&system).await;
}

/// A proxy for payments that delays each call by half a second.
#[derive(Clone)]
struct SlowPayments {
    payments_url: String,
    bulk_read: bool,
    http: reqwest::Client,
    reads: Arc<Reads>,
}

#[derive(Default)]
struct Reads {
    all: AtomicUsize,
    under_way: AtomicUsize,
    /// The most calls under way at once.
    most: AtomicUsize,
}

impl SlowPayments {
    const DELAY: Duration = Duration::from_millis(500);

    /// Returns the address to call.
    async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(Self::forward).with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn forward(
        State(slow): State<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, Bytes) {
        if uri.path() == LOOKUP && !slow.bulk_read {
            return (StatusCode::NOT_FOUND, Bytes::new());
        }
        let Reads {
            all,
            under_way,
            most,
        } = &*slow.reads;
        all.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(
            under_way.fetch_add(1, Ordering::Relaxed) + 1,
            Ordering::Relaxed,
        );
        tokio::time::sleep(Self::DELAY).await;
        under_way.fetch_sub(1, Ordering::Relaxed);
        let mut call = slow
            .http
            .request(method, format!("{}{uri}", slow.payments_url))
            .body(body);
        for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
            if let Some(value) = headers.get(&name) {
                call = call.header(name, value);
            }
        }
        let answer = call.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    }
}

/// Sixty unsigned events, with a payments service that takes half a second for each call.
async fn unsigned_events(bulk_read: bool) -> Arc<Reads> {
    const EVENTS: usize = 60;
    let system = without_payment_events().await;
    let buyer = system.buyer().await;
    let orders = awaiting(&buyer, EVENTS).await;
    pay_unsigned(&system, &orders).await;
    let reads = Arc::<Reads>::default();
    let slow = SlowPayments {
        payments_url: system.payments_url.clone(),
        bulk_read,
        http: system.http.clone(),
        reads: Arc::clone(&reads),
    };
    let url = slow.serve().await;
    let settings = [
        ("PAYMENTS_URL", url.as_str()),
        ("SAGA_LEASE_MS", "5000"),
        ("SAGA_CALL_TIMEOUT_MS", "3000"),
        ("SAGA_LEASE_MARGIN_MS", "2000"),
    ];
    system.spawn_with("worker payments", &settings).await;
    for order in &orders {
        buyer.awaits(text(order, "id"), "completed").await;
    }
    assert_eq!(failed(&system).await, 0);
    whole(&system).await;
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_payments_are_asked_about_many_events_at_once_f73() {
    let reads = unsigned_events(true).await;
    let reads = reads.all.load(Ordering::Relaxed);
    assert!(reads < 20, "{reads} reads for 60 events");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_payments_without_bulk_read_are_asked_concurrently_f73() {
    let reads = unsigned_events(false).await;
    let all = reads.all.load(Ordering::Relaxed);
    assert!(all >= 60, "{all} reads for 60 events");
    let most = reads.most.load(Ordering::Relaxed);
    assert!(most >= 4, "at most {most} reads at once");
}
