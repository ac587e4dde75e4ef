//! Each alert fires: in a real Prometheus, over a real system, for a real fault, and not before the
//! fault.
//!
//! Only waiting times are shortened: those in the rules (see [`Prometheus`]), the age of a message
//! or its number of refusals, a relay's lease; `shopctl`'s own drills make sagas held or overdue.
//! The half of `InvariantBroken` that asks Kubernetes for failed jobs, and `InvariantsUnchecked`,
//! cannot fire here, without Kubernetes; the rule test covers them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel,
    options::QueueDeleteOptions,
    types::{AMQPValue, FieldTable},
};
use nix::sys::signal::Signal;
use regex::Regex;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{Buyer, Collector, Fault, Proxy, System, eventually, foreign_client};
use tokens::DetachedSigner;
use uuid::Uuid;

use super::{documented, file, prometheus::Prometheus};
use crate::{hurried, text};

/// Raised by [`what_breaks_raises_its_alert`].
const BREAKS: [&str; 18] = [
    "ApiErrorsFast",
    "ApiErrorsSlow",
    "CompensationOverdue",
    "FailedMessages",
    "InvariantBroken",
    "LoginsRefused",
    "NoWorker",
    "OrdersSlow",
    "OutboxLag",
    "OutboxParked",
    "PoolExhausted",
    "ProcessDown",
    "QueueMissing",
    "QueueUnbound",
    "QueueWithoutConsumer",
    "SagaPaused",
    "SagaStuck",
    "TelemetryLost",
];
/// Raised by [`who_wakes_too_late_raises_the_alert`].
const FENCES: [&str; 2] = ["SagasFenced", "RelayFenced"];

const EXCHANGE: &str = "payments_events";
const QUEUE: &str = "payments_events_queue";
const PAID: &str = "transaction_completed";

/// The tests below assert that Prometheus raises exactly these lists, so an alert that is in no list
/// never fired. Metrics of Kubernetes do not exist here.
#[test]
fn every_alert_on_our_own_metrics_is_raised_live() {
    let word = Regex::new("[a-z_]+").unwrap();
    let series = Regex::new("_(bucket|count)$").unwrap();
    let documented = documented();
    let asks_us = |expr: &str| {
        let mut words = word.find_iter(expr).map(|word| word.as_str());
        words.any(|word| word == "up" || documented.contains_key(&*series.replace(word, "")))
    };
    let rules: Value = serde_saphyr::from_str(&file("observability/alerts.yml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let ours: BTreeSet<_> = rules
        .filter(|rule| asks_us(text(rule, "expr")))
        .map(|rule| text(rule, "alert"))
        .collect();
    assert_eq!(
        BREAKS.into_iter().chain(FENCES).collect::<BTreeSet<_>>(),
        ours
    );
}

async fn publish(channel: &Channel, body: &[u8]) {
    testkit::publish(channel, EXCHANGE, PAID, BasicProperties::default(), body).await;
}

/// An event with payments' own signature, which contradicts payments' decision.
async fn publish_signed(system: &System, channel: &Channel, body: &[u8]) {
    let key = std::fs::read_to_string(system.setting("EVENT_SIGNING_KEY_FILE")).unwrap();
    let signature = DetachedSigner::from_pem(&key).unwrap().sign(body);
    let mut headers = FieldTable::default();
    headers.insert(
        "x-signature".into(),
        AMQPValue::LongString(signature.into()),
    );
    let signed = BasicProperties::default().with_headers(headers);
    testkit::publish(channel, EXCHANGE, PAID, signed, body).await;
}

async fn changed(pool: &PgPool, statement: &'static str) -> u64 {
    let done = sqlx::query(statement).execute(pool).await.unwrap();
    done.rows_affected()
}

async fn awaiting(buyer: &Buyer<'_>) -> Value {
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await
}

/// Repeats an action until a future completes.
async fn meanwhile<F: Future<Output = ()>>(again: impl Fn() -> F, until: impl Future<Output = ()>) {
    let forever = async {
        loop {
            again().await;
        }
    };
    tokio::select! {
        () = forever => {}
        () = until => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_raises_its_alert() {
    let collector = Collector::start().await;
    let spans = Proxy::new(collector.endpoint.trim_start_matches("http://")).await;
    let mut options = hurried();
    options.env.extend([
        ("CENSUS_INTERVAL_MS", "200".to_owned()),
        ("SAGA_RETRY_BUDGET_MS", "36000000".to_owned()),
        ("SHOP_DEV", "1".to_owned()),
        (
            "RABBITMQ_MANAGEMENT_URL",
            std::env::var("TEST_RABBITMQ_MANAGEMENT_URL").unwrap(),
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", spans.address),
        ),
    ]);
    let system = System::prepare(options).await;
    let processes = [
        "payments",
        "api",
        "worker saga",
        "worker payments",
        "worker async",
        "worker relay",
    ];
    for process in processes {
        system.spawn(process).await;
    }
    let prometheus = Prometheus::start(&system, &processes);
    let buyer = system.buyer().await;
    let paid = awaiting(&buyer).await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    let canceled = awaiting(&buyer).await;
    buyer.cancel(text(&canceled, "id")).await;
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    system.settle().await;
    let open = awaiting(&buyer).await;
    let healthy = [
        "count(up == 1) == 6",
        "saga_live",
        "saga_stuck",
        "shop_processes",
        "saga_breaches_total",
        "outbox_lag_seconds",
        "outbox_parked",
        "queue_messages",
        "queue_consumers",
        "queue_missing",
        "queue_bindings_missing",
        "db_pool_connections",
        r#"rate(http_server_request_duration_seconds_count{route="/api/orders"}[1m])"#,
    ];
    prometheus.rests(&healthy, &BREAKS).await;

    let (_broker, channel) = foreign_client(&system.amqp_url).await;
    for cause in ["paused-by", "compensation-overdue"] {
        system.run("drill", &["--cause", cause]);
    }
    prometheus.raises("SagaPaused", &[]).await;
    prometheus.raises("CompensationOverdue", &[]).await;

    let too_late = json!({
        "transaction_id": canceled["transaction_id"],
        "order_id": canceled["id"],
        "amount": canceled["total"],
        "completed_at": "2026-01-01T00:00:00Z",
        "routing_key": PAID,
    });
    publish_signed(&system, &channel, too_late.to_string().as_bytes()).await;
    publish(&channel, b"no event").await;
    prometheus.raises("InvariantBroken", &[]).await;
    prometheus.raises("FailedMessages", &[]).await;

    passwords_are_tried(&system).await;
    prometheus.raises("LoginsRefused", &[]).await;

    spans.will(Fault::Reset);
    let browsing = || async {
        buyer.find_order(text(&open, "id")).await;
    };
    meanwhile(browsing, async {
        prometheus.raises("TelemetryLost", &[]).await;
    })
    .await;

    refused_for_the_last_time(&system, &channel, &buyer, &open).await;
    let payments = system.admin_address("payments").unwrap();
    prometheus
        .raises("OutboxParked", &[("instance", &payments)])
        .await;

    // a starting process checks at once; it keeps the address that Prometheus scrapes
    let admin = system.admin_address("worker payments").unwrap();
    system.kill("worker payments");
    let env = [("WORKER_ADMIN_LISTEN", admin.as_str())];
    system.launch_with("worker payments", &env).await;
    prometheus.raises("QueueUnbound", &[("queue", QUEUE)]).await;

    nobody_works(&system, &prometheus).await;
    let delete = channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default());
    delete.await.unwrap();
    prometheus.raises("QueueMissing", &[("queue", QUEUE)]).await;
    database_hangs(&system, &prometheus).await;
    assert_eq!(prometheus.raised(), BREAKS.map(str::to_owned).into());
}

/// Tries passwords of an account, as an attacker does; whether the account exists makes no
/// difference.
async fn passwords_are_tried(system: &System) {
    let url = format!("{}/api/login", system.api_url);
    for n in 0..200 {
        let body = json!({"email": "ada@shop.example", "password": format!("wrong {n}")});
        let answer = system.http.post(&url).json(&body).send().await.unwrap();
        assert!(!answer.status().is_success(), "{n}");
    }
}

/// No queue is bound for payments' events; the relay has almost used up its attempts.
async fn refused_for_the_last_time(
    system: &System,
    channel: &Channel,
    buyer: &Buyer<'_>,
    order: &Value,
) {
    channel
        .queue_unbind(
            QUEUE.into(),
            EXCHANGE.into(),
            PAID.into(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    buyer.pay(text(order, "transaction_id")).await;
    eventually("the message to be refused once", || async {
        changed(
            &system.payments,
            "update messaging.outbox set attempt = 19, due_at = clock_timestamp()
             where attempt < 19 and last_error like '%NO_ROUTE%'",
        )
        .await
            == 1
    })
    .await;
}

/// Kills the processes that do the work, payments included.
async fn nobody_works(system: &System, prometheus: &Prometheus<'_>) {
    let payments = system.admin_address("payments").unwrap();
    for process in ["payments", "worker payments", "worker relay"] {
        system.kill(process);
    }
    let buyer = system.buyer().await;
    eventually("the mail to have been due for minutes", || async {
        let statement = "update messaging.outbox
             set since = since - interval '2 minutes', due_at = due_at - interval '2 minutes'
             where kind = 'message'";
        changed(&system.shop, statement).await > 0
    })
    .await;
    buyer.order().await;
    prometheus
        .raises("ProcessDown", &[("instance", &payments)])
        .await;
    prometheus.raises("OutboxLag", &[("kind", "message")]).await;
    prometheus
        .raises("QueueWithoutConsumer", &[("queue", QUEUE)])
        .await;
    prometheus.raises("NoWorker", &[("role", "payments")]).await;
    let cause = "participant-unreachable";
    let alert = prometheus.raises("SagaStuck", &[("cause", cause)]).await;
    let about = &alert["annotations"];
    let page = format!("docs/runbooks/{cause}.md");
    assert_eq!(text(about, "runbook_url"), page);
    let summary = text(about, "summary");
    assert!(
        summary.ends_with(" sagas are stuck: participant-unreachable"),
        "{summary}"
    );
}

/// A session holds a lock on the catalog, while many clients read it or order.
async fn database_hangs(system: &System, prometheus: &Prometheus<'_>) {
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let mut lock = system.shop.begin().await.unwrap();
    let statement = "lock table commerce.product in access exclusive mode";
    sqlx::query(statement).execute(&mut *lock).await.unwrap();
    let url = format!("{}/api/products", system.api_url);
    // a client without a connection retries
    let crowd = || async {
        let looks = (0..60).map(|_| async { while system.http.get(&url).send().await.is_ok() {} });
        let orders = (0..60).map(|_| async {
            while buyer
                .try_order(&mug, 1, &Uuid::new_v4().to_string())
                .await
                .is_ok()
            {}
        });
        futures::future::join(join_all(looks), join_all(orders)).await;
    };
    meanwhile(crowd, async {
        prometheus.raises("PoolExhausted", &[("pool", "api")]).await;
        prometheus.raises("ApiErrorsFast", &[]).await;
        prometheus.raises("ApiErrorsSlow", &[]).await;
        prometheus.raises("OrdersSlow", &[]).await;
    })
    .await;
    lock.rollback().await.unwrap();
}

/// A directory for crash points.
fn points() -> PathBuf {
    let dir = PathBuf::from(std::env::var("TEST_DEV_DIR").unwrap())
        .join("run")
        .join(format!("crash-{}", Uuid::new_v4().simple()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// How often a process has passed a point.
fn hits(dir: &Path, point: &str) -> usize {
    let hits = fs::read_to_string(dir.join("hits")).unwrap_or_default();
    hits.lines().filter(|hit| *hit == point).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wakes_too_late_raises_the_alert() {
    const SAGAS: usize = 8; // the alerts tolerate five
    let mut options = hurried();
    options.env.extend([
        ("EAGER_ATTEMPTS", "0".to_owned()),
        ("SAGA_LEASE_MS", "6000".to_owned()),
        ("SAGA_CALL_TIMEOUT_MS", "5000".to_owned()),
        // the relay's own clock limit must not end its work before it is fenced
        ("RELAY_LEASE_MS", "60000".to_owned()),
    ]);
    let system = System::prepare(options).await;
    for process in ["payments", "api"] {
        system.spawn(process).await;
    }
    let (saga, relay) = ("worker saga", "worker relay");
    let at_points = [(saga, points()), (relay, points())];
    for (process, dir) in &at_points {
        let env = [("CRASH_DIR", dir.to_str().unwrap())];
        system.spawn_with(process, &env).await;
    }
    let [(_, steps), (_, batches)] = &at_points;
    system.buyer().await; // sends a mail, so that the relay's counter exists
    let prometheus = Prometheus::start(&system, &[saga, relay]);
    // Prometheus sees an increase only after it has seen the start, and both processes have both
    // counters
    let counters = [(saga, "saga_fenced_total"), (relay, "outbox_fenced_total")];
    let seen = counters.map(|(process, counter)| {
        let instance = system.admin_address(process).unwrap();
        format!("{counter}{{instance={instance:?}}} == 0")
    });
    prometheus.rests(&seen, &FENCES).await;

    // both hold leases on many entries when they freeze
    for process in [saga, relay] {
        system.signal(process, Signal::SIGSTOP);
    }
    let buyers = join_all((0..SAGAS).map(|_| system.buyer())).await;
    join_all(buyers.iter().map(Buyer::order)).await;
    fs::write(batches.join("at"), "SIGSTOP relay.publish.after_confirm 1").unwrap();
    system.signal("payments", Signal::SIGSTOP);
    for process in [saga, relay] {
        system.signal(process, Signal::SIGCONT);
    }
    eventually("all to be asked of payments", || async {
        hits(steps, "saga.step.before_call") >= SAGAS
    })
    .await;
    system.signal(saga, Signal::SIGSTOP);
    eventually("the relay to freeze", || async {
        !batches.join("at").exists()
    })
    .await;

    // another worker does the work of both
    let ended = "update messaging.outbox set due_at = clock_timestamp() where kind = 'message'";
    assert!(changed(&system.shop, ended).await >= SAGAS as u64);
    system.signal("payments", Signal::SIGCONT);
    system.spawn("worker").await;
    let left = "select (select count(*) from saga.saga where state = 'running')
                     + (select count(*) from messaging.outbox where kind = 'message')";
    eventually("it to be done", || async {
        let left: i64 = sqlx::query_scalar(left)
            .fetch_one(&system.shop)
            .await
            .unwrap();
        left == 0
    })
    .await;
    for process in [saga, relay] {
        system.signal(process, Signal::SIGCONT);
    }
    for alert in FENCES {
        prometheus.raises(alert, &[]).await;
    }
    assert_eq!(prometheus.raised(), FENCES.map(str::to_owned).into());
}
