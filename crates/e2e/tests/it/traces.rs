//! One trace for a saga's whole life, as a real receiver sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;
use testkit::{Buyer, Captured, Collector, System, SystemOptions, eventually};
use uuid::Uuid;

use crate::{hurried, text};

fn traced(collector: &Collector) -> SystemOptions {
    let mut options = hurried();
    let endpoint = collector.endpoint.clone();
    options.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    options
}

async fn saga_and_trace(system: &System, order: &Value) -> (String, String) {
    let order: Uuid = text(order, "id").parse().unwrap();
    let (saga, trace): (Uuid, String) = sqlx::query_as(
        "select saga_id, trace_id from saga.saga where input->>'order_id' = $1::text",
    )
    .bind(order.to_string())
    .fetch_one(&system.shop)
    .await
    .unwrap();
    (saga.to_string(), trace)
}

async fn arrives(collector: &Collector, trace: &str, name: &str) {
    let found = || collector.trace(trace);
    let there = || async { found().iter().any(|span| span.name == name) };
    if tokio::time::timeout(std::time::Duration::from_secs(8), eventually(name, there))
        .await
        .is_err()
    {
        let lines: Vec<_> = found().iter().map(line).collect();
        panic!("no {name} in trace {trace}: {lines:#?}");
    }
}

/// The tree that a viewer would show, without values that differ from run to run.
fn tree(spans: &[Captured]) -> String {
    let mut below = BTreeMap::<&str, Vec<&Captured>>::new();
    for span in spans {
        below.entry(&span.parent).or_default().push(span);
    }
    let mut seen = String::new();
    let mut roots = below.remove("").unwrap_or_default();
    roots.sort_by_key(|span| line(span));
    let mut stack: Vec<_> = roots.into_iter().rev().map(|span| (0, span)).collect();
    while let Some((depth, span)) = stack.pop() {
        seen.extend([&*"  ".repeat(depth), &line(span), "\n"]);
        let mut children = below.remove(span.span_id.as_str()).unwrap_or_default();
        children.sort_by_key(|span| (span.service.clone(), line(span)));
        stack.extend(children.into_iter().rev().map(|span| (depth + 1, span)));
    }
    let missing: Vec<_> = below.values().flatten().map(|span| line(span)).collect();
    assert!(
        missing.is_empty(),
        "their parent is missing: {missing:#?} beside {seen}"
    );
    seen
}

fn line(span: &Captured) -> String {
    let mut said = format!("{}: {}", span.service, span.name);
    for name in [
        "saga.step",
        "saga.attempt",
        "saga.outcome",
        "saga.state",
        "saga.detail",
        "error.type",
        "http.response.status_code",
    ] {
        if let Some(value) = span.attributes.get(name) {
            said.extend([" ", name.rsplit('.').next().unwrap(), "=", value]);
        }
    }
    if let Some(error) = &span.error {
        said.extend([" ! ", error]);
    }
    said
}

fn assert_one_saga(spans: &[Captured], saga: &str, order: &str) {
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "each span once");
    for span in spans.iter().filter(|span| span.service == "saga") {
        assert_eq!(span.get("saga.id"), saga, "{span:?}");
        assert_eq!(span.get("order.id"), order, "{span:?}");
        assert!(span.began <= span.ended, "{span:?}");
    }
    let services: BTreeSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
    for service in ["saga", "api", "payments", "worker"] {
        assert!(services.contains(service), "{service} in {services:?}");
    }
}

async fn ends(collector: &Collector, trace: &str, buyer: &Buyer<'_>, order: &Value, status: &str) {
    buyer.awaits(text(order, "id"), status).await;
    let last = if status == "completed" {
        "saga.completed"
    } else {
        "saga.compensated"
    };
    arrives(collector, trace, last).await;
    // payments' event of a cancellation arrives last
    arrives(collector, trace, "process payments_events_queue").await;
    arrives(collector, trace, "publish payments_events").await;
    if status == "completed" {
        arrives(collector, trace, "publish messages").await;
        arrives(collector, trace, "process messages").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_and_a_canceled_order_export_one_trace_each() {
    let collector = Collector::start().await;
    let mut options = traced(&collector);
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let mut trees = String::new();
    let mut stories = Vec::new();
    for status in ["completed", "canceled"] {
        let (_, order) = buyer.order().await;
        let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
        let (saga, trace) = saga_and_trace(&system, &order).await;
        assert_eq!(text(&order, "trace_id"), trace);
        // the wait is visible while it lasts
        arrives(&collector, &trace, "saga.waiting").await;
        let now = collector.trace(&trace);
        assert!(now.iter().any(|span| span.get("saga.state") == "waiting"
            && span.get("order.id") == text(&order, "id")));
        assert!(
            now.iter().all(|span| span.name != "saga.wait"),
            "it has not ended"
        );
        if status == "completed" {
            buyer.pay(text(&order, "transaction_id")).await;
        } else {
            buyer.cancel(text(&order, "id")).await;
        }
        ends(&collector, &trace, &buyer, &order, status).await;
        if status == "canceled" {
            eventually("the event of the cancellation to be heard", || async {
                let signals = |span: &Captured| span.name == "saga.signal";
                collector.trace(&trace).into_iter().filter(signals).count() == 2
            })
            .await;
        }
        let spans = collector.trace(&trace);
        assert_one_saga(&spans, &saga, text(&order, "id"));
        // the worker may be faster than the answer, which then says 201
        let (faster, usual) = (
            "POST /api/orders status_code=201",
            "POST /api/orders status_code=202",
        );
        trees.extend(["# ", status, "\n", &tree(&spans).replace(faster, usual)]);
        stories.push((saga, trace, spans));
    }
    insta::assert_snapshot!("traces", trees);

    let ours = |spans: Vec<Captured>| -> BTreeSet<Vec<u8>> {
        let ours = spans.into_iter().filter(|span| span.service == "saga");
        ours.map(|span| span.bytes).collect()
    };
    for (saga, trace, spans) in stories {
        let before = ours(spans);
        for _ in 0..2 {
            collector.clear();
            system.run("shopctl", &["saga", "trace", &saga, "--reemit"]);
            assert_eq!(
                ours(collector.trace(&trace)),
                before,
                "the same, to the byte"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_a_killed_worker_are_exported_by_its_successor() {
    let collector = Collector::start().await;
    let mut options = traced(&collector);
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    let system = System::prepare(options).await;
    let dev = std::env::var("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
    let dir = PathBuf::from(dev)
        .join("run")
        .join(format!("crash-{}", Uuid::new_v4().simple()));
    fs::create_dir_all(&dir).unwrap();
    let at = dir.join("at");
    fs::write(&at, "SIGKILL saga.step.after_call 1").unwrap();
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    let env = [("CRASH_DIR", dir.to_str().unwrap())];
    system.spawn_with("worker saga", &env).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    eventually("the worker to die in mid-step", || async {
        !system.runs("worker saga")
    })
    .await;
    let (saga, trace) = saga_and_trace(&system, &order).await;
    arrives(&collector, &trace, "saga checkout").await;
    arrives(&collector, &trace, "POST /transactions").await;
    system.spawn("worker").await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    buyer.pay(text(&order, "transaction_id")).await;
    ends(&collector, &trace, &buyer, &order, "completed").await;
    let spans = collector.trace(&trace);
    assert_one_saga(&spans, &saga, text(&order, "id"));
    tree(&spans);
    let lost: Vec<_> = spans
        .iter()
        .filter(|span| span.get("error.type") == "lost")
        .collect();
    let [lost] = lost[..] else {
        panic!("{lost:#?}")
    };
    assert_eq!(
        (
            lost.name.as_str(),
            lost.get("saga.step"),
            lost.get("saga.attempt")
        ),
        ("init_payment", "init_payment", "1")
    );
    assert!(!lost.get("saga.process").is_empty() && lost.ended > lost.began);
    assert!(
        spans
            .iter()
            .any(|span| span.service == "payments" && span.parent == lost.span_id),
        "what payments did for it hangs on it"
    );
    let done = spans
        .iter()
        .find(|span| span.get("saga.attempt") == "2")
        .unwrap();
    assert_eq!(done.get("saga.outcome"), "done");
    assert_ne!(done.get("saga.process"), lost.get("saga.process"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unsampled_traces_are_exported_whole_only_on_errors() {
    let collector = Collector::start().await;
    let mut options = traced(&collector);
    options
        .env
        .insert("OTEL_TRACES_SAMPLER_ARG", "0".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let mut traces = Vec::new();
    for status in ["completed", "canceled"] {
        let (_, order) = buyer.order().await;
        let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
        if status == "completed" {
            buyer.pay(text(&order, "transaction_id")).await;
        } else {
            buyer.cancel(text(&order, "id")).await;
        }
        buyer.awaits(text(&order, "id"), status).await;
        traces.push(saga_and_trace(&system, &order).await.1);
    }
    arrives(&collector, &traces[1], "saga.compensated").await;
    for name in [
        "saga checkout",
        "place_order",
        "saga.wait",
        "saga.compensation",
        "undo init_payment",
    ] {
        arrives(&collector, &traces[1], name).await;
    }
    tree(&collector.trace(&traces[1]));
    let others = collector.spans();
    assert!(
        others.iter().all(|span| span.trace_id == traces[1]),
        "nothing else was sent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_not_sampled_and_sticks_is_told() {
    let collector = Collector::start().await;
    let mut options = traced(&collector);
    for (name, value) in [
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ("CENSUS_INTERVAL_MS", "200"),
        ("SAGA_RETRY_BUDGET_MS", "36000000"),
    ] {
        options.env.insert(name, value.to_owned());
    }
    let system = System::prepare(options).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    let (_, order) = system.buyer().await.order().await; // payments is down
    let (_, trace) = saga_and_trace(&system, &order).await;
    arrives(&collector, &trace, "saga checkout").await;
    eventually("its failed attempts", || async {
        let spans = collector.trace(&trace);
        let failed = spans
            .iter()
            .filter(|span| span.get("error.type") == "transient");
        failed.count() >= 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_collector_costs_a_process_two_log_lines() {
    let mut options = hurried();
    options.env.insert(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://127.0.0.1:1".to_owned(),
    );
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    for _ in 0..3 {
        let before = system.metric("api", "telemetry_spans_lost_total").await;
        buyer.order().await;
        eventually("spans to be lost", || async {
            system.metric("api", "telemetry_spans_lost_total").await > before
        })
        .await;
    }
    let log = fs::read_to_string(system.log("api")).unwrap();
    let about = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    // one line about the process's own spans, one about the sagas'
    let lines = about("OTEL_EXPORTER_OTLP_ENDPOINT");
    assert!((1..=2).contains(&lines), "{lines} lines: {log}");
    assert_eq!(about("\"target\":\"opentelemetry"), 0, "{log}");
}
