use std::time::Duration;

use kernel::{RetryPolicy, TraceRef};
use messaging::{
    Message, Wakeup,
    relay::{Relay, RelayConfig},
};
use sqlx::PgPool;
use testkit::{Fault, Proxy, eventually, shop_db};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{Broker, EXCHANGE, KEY, QUEUE, header},
    outbox::{enqueue, message},
};

fn quick() -> RelayConfig {
    RelayConfig {
        poll: Duration::from_millis(20),
        confirm_deadline: Duration::from_millis(500),
        max_attempts: 3,
        retry: RetryPolicy {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(20),
            ..RetryPolicy::default()
        },
        ..RelayConfig::default()
    }
}

/// A relay that runs until it is dropped.
struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(pool: &PgPool, url: &str) -> Self {
        let relay = Relay::new(pool.clone(), url, quick(), Wakeup::default());
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { relay.run(token).await });
        Self { shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

async fn left(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from messaging.outbox")
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn entry(pool: &PgPool, message: &Message) -> (i32, Option<String>, bool) {
    sqlx::query_as(
        "select attempt, last_error, parked_at is not null from messaging.outbox where entry_id = $1",
    )
    .bind(message.id.uuid())
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_entry_is_published_and_deleted_on_ack() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let trace = TraceRef::random();
    let body = serde_json::json!({ "n": 1 });
    let sent = Message::new(EXCHANGE, KEY, "note", &body, Some(trace.clone())).unwrap();
    enqueue(&pool, std::slice::from_ref(&sent)).await;
    let relay = Running::start(&pool, &broker.url);
    let got = broker.take(QUEUE).await;
    let properties = &got.delivery.properties;
    let id = sent.id.to_string();
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), id);
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "note");
    assert_eq!(
        properties.delivery_mode(),
        &Some(2),
        "it survives a restart"
    );
    assert_eq!(header(&got, "traceparent"), trace.to_string());
    assert_eq!(got.delivery.data, body.to_string().into_bytes());
    eventually("the entry is deleted", async || left(&pool).await == 0).await;
    relay.stop().await;
}

#[tokio::test]
async fn an_unroutable_message_backs_off_parks_and_blocks_no_other() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let lost = Message {
        routing_key: "nobody_listens".to_owned(),
        ..message(1)
    };
    enqueue(&pool, std::slice::from_ref(&lost)).await;
    enqueue(&pool, &(2..12).map(message).collect::<Vec<_>>()).await;
    let relay = Running::start(&pool, &broker.url);
    for _ in 2..12 {
        broker.take(QUEUE).await;
    }
    eventually("it is parked", async || entry(&pool, &lost).await.2).await;
    let (attempts, error, _) = entry(&pool, &lost).await;
    assert_eq!(attempts, 3, "after its last attempt");
    assert!(error.unwrap().contains("unroutable"));
    let refusal = "select refusal from messaging.outbox where entry_id = $1";
    let refusal = sqlx::query_scalar(refusal).bind(lost.id.uuid());
    let refusal: Option<String> = refusal.fetch_one(&pool).await.unwrap();
    assert_eq!(refusal.as_deref(), Some("unroutable"));
    eventually("all others are gone", async || left(&pool).await == 1).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_message_that_closes_the_channel_leaves_its_batch() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let bad = Message {
        exchange: "not_there".to_owned(),
        ..message(1)
    };
    let mut batch = vec![message(0), bad.clone()];
    batch.extend((2..12).map(message));
    enqueue(&pool, &batch).await;
    let relay = Running::start(&pool, &broker.url);
    for _ in 0..11 {
        broker.take(QUEUE).await;
    }
    eventually("it is parked", async || entry(&pool, &bad).await.2).await;
    let (_, error, _) = entry(&pool, &bad).await;
    assert!(error.unwrap().contains("not_there"));
    eventually("all others are gone", async || left(&pool).await == 1).await;
    relay.stop().await;
}

#[tokio::test]
async fn an_unreachable_broker_is_no_attempt() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let host = broker.url.split('@').nth(1).unwrap();
    let host = host.split('/').next().unwrap().to_owned();
    let proxy = Proxy::new(host.clone()).await;
    let relay = Running::start(&pool, &broker.url.replace(&host, &proxy.address));
    let first = message(1);
    enqueue(&pool, std::slice::from_ref(&first)).await;
    broker.take(QUEUE).await;
    eventually("it is deleted", async || left(&pool).await == 0).await;

    proxy.will(Fault::NoRequests); // connected, but nothing arrives: no confirm in time
    let second = message(2);
    enqueue(&pool, std::slice::from_ref(&second)).await;
    eventually("the relay has tried in vain", async || {
        entry(&pool, &second).await.1.is_some()
    })
    .await;
    let (attempts, error, parked) = entry(&pool, &second).await;
    assert_eq!((attempts, parked), (0, false), "{error:?}");
    proxy.will(Fault::None);
    broker.take(QUEUE).await;
    eventually("it is deleted", async || left(&pool).await == 0).await;
    relay.stop().await;
}

#[tokio::test]
async fn two_relays_share_the_work_and_lose_nothing() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let messages: Vec<_> = (0..600).map(message).collect();
    enqueue(&pool, &messages).await;
    let relays = [
        Running::start(&pool, &broker.url),
        Running::start(&pool, &broker.url),
    ];
    let mut seen = std::collections::HashSet::new();
    for _ in 0..600 {
        let got = broker.take(QUEUE).await;
        let id = got.delivery.properties.message_id().clone();
        assert!(seen.insert(id.unwrap().to_string()), "published twice");
    }
    eventually("all are deleted", async || left(&pool).await == 0).await;
    assert!(broker.take_now(QUEUE).await.is_none());
    for relay in relays {
        relay.stop().await;
    }
}

#[tokio::test]
async fn a_relay_outlives_its_connection_and_its_database() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let host = broker.url.split('@').nth(1).unwrap();
    let host = host.split('/').next().unwrap().to_owned();
    let proxy = Proxy::new(host.clone()).await;
    let relay = Running::start(&pool, &broker.url.replace(&host, &proxy.address));
    for n in 0..5 {
        enqueue(&pool, &[message(n)]).await;
        broker.take(QUEUE).await;
        proxy.will(Fault::Cut); // the relay's next bytes break the connection
        enqueue(&pool, &[message(n + 100)]).await;
        eventually("the cut is noticed", async || {
            let (_, error, _) = sqlx::query_as::<_, (i32, Option<String>, bool)>(
                "select attempt, last_error, false from messaging.outbox order by since desc limit 1",
            )
            .fetch_one(&pool)
            .await
            .unwrap();
            error.is_some()
        })
        .await;
        proxy.will(Fault::None);
        broker.take(QUEUE).await;
        // the relay's database sessions end, too
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&pool)
        .await
        .unwrap();
    }
    eventually("all are deleted", async || {
        sqlx::query_scalar::<_, i64>("select count(*) from messaging.outbox")
            .fetch_one(&pool)
            .await
            .is_ok_and(|left| left == 0)
    })
    .await;
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_that_was_connected_begins_its_back_off_again() {
    let (pool, broker) = (shop_db().await, Broker::open().await);
    let host = broker.url.split('@').nth(1).unwrap();
    let host = host.split('/').next().unwrap().to_owned();
    let proxy = Proxy::new(host.clone()).await;
    proxy.will(Fault::Reset);
    let relay = Running::start(&pool, &broker.url.replace(&host, &proxy.address));
    // the sixth pause would be five seconds long
    eventually("five tries in vain", async || proxy.hits() >= 5).await;
    proxy.will(Fault::None);
    enqueue(&pool, &[message(1)]).await;
    broker.take(QUEUE).await;
    eventually("it is deleted", async || left(&pool).await == 0).await;

    let hits = proxy.hits();
    proxy.will(Fault::Reset);
    eventually("the connection is reset", async || proxy.hits() > hits).await;
    proxy.will(Fault::None);
    let begun = std::time::Instant::now();
    enqueue(&pool, &[message(2)]).await;
    broker.take(QUEUE).await;
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "connected again after {took:?}"
    );
    relay.stop().await;
}
