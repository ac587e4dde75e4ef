use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use messaging::consumer::{self, ConsumerConfig, Delivery, Failure, Handler, Unreachable, Verdict};
use testkit::{Fault, Proxy, eventually};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, KEY, QUEUE, header};

/// A handler that returns the test's verdicts, and remembers its deliveries.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<VecDeque<Verdict>>>,
    otherwise: fn(&Delivery) -> Verdict,
    fixed: Option<Verdict>,
    seen: Arc<Mutex<Vec<Delivery>>>,
    reachable: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
}

impl Scripted {
    pub(crate) fn new(otherwise: Verdict) -> Self {
        Self {
            fixed: Some(otherwise),
            ..Self::by(|_| Verdict::Done)
        }
    }

    /// Returns the verdict that `otherwise` chooses for each delivery.
    pub(crate) fn by(otherwise: fn(&Delivery) -> Verdict) -> Self {
        Self {
            script: Arc::default(),
            otherwise,
            fixed: None,
            seen: Arc::default(),
            reachable: Arc::new(AtomicBool::new(true)),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    fn first(self, verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        self.script.lock().unwrap().extend(verdicts);
        self
    }

    pub(crate) fn seen(&self) -> Vec<Delivery> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let ids = seen.iter().map(|delivery| delivery.message_id.clone());
        ids.map(Option::unwrap_or_default).collect()
    }
}

impl Handler for Scripted {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Verdict>, Unreachable> {
        self.seen.lock().unwrap().extend_from_slice(batch);
        if !self.reachable.load(Ordering::SeqCst) {
            return Err(Unreachable("the database is away".to_owned()));
        }
        self.gate.acquire().await.unwrap().forget();
        assert!(
            !batch.iter().any(|delivery| delivery.body == b"panic"),
            "this body makes the handler panic"
        );
        let mut script = self.script.lock().unwrap();
        let verdict = |delivery| {
            let scripted = script.pop_front().or_else(|| self.fixed.clone());
            scripted.unwrap_or_else(|| (self.otherwise)(delivery))
        };
        Ok(batch.iter().map(verdict).collect())
    }

    async fn is_usable(&self) -> bool {
        self.reachable.load(Ordering::SeqCst)
    }
}

pub(crate) fn consume(url: &str, handler: &Scripted) -> (CancellationToken, JoinHandle<()>) {
    consume_with(url, handler, ConsumerConfig::default())
}

fn consume_with(
    url: &str,
    handler: &Scripted,
    config: ConsumerConfig,
) -> (CancellationToken, JoinHandle<()>) {
    let shutdown = CancellationToken::new();
    let (url, handler, token) = (url.to_owned(), handler.clone(), shutdown.clone());
    let task = tokio::spawn(async move {
        let health = messaging::BrokerHealth::default().watch(QUEUE);
        consumer::run(&url, QUEUE, config, &handler, &health, token).await;
    });
    (shutdown, task)
}

pub(crate) async fn stop((shutdown, task): (CancellationToken, JoinHandle<()>)) {
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_message_is_acked_only_after_the_handler_is_done() {
    let broker = Broker::open().await;
    broker.publish("1", b"{}").await;
    let first = Scripted {
        gate: Arc::new(Semaphore::new(0)), // handling never ends
        ..Scripted::new(Verdict::Done)
    };
    let (_, killed) = consume(&broker.url, &first);
    eventually("it is being handled", async || first.seen().len() == 1).await;
    assert!(broker.take_now(QUEUE).await.is_none(), "it is handed out");
    killed.abort();
    let second = Scripted::new(Verdict::Done);
    let running = consume(&broker.url, &second);
    eventually("it is delivered again", async || second.seen().len() == 1).await;
    stop(running).await;
    assert!(broker.take_now(QUEUE).await.is_none(), "it was acked");
}

#[tokio::test]
async fn a_failing_message_passes_every_delay_then_reaches_failed() {
    let broker = Broker::open().await;
    broker.publish("1", b"{\"whole\": true}").await;
    let handler = Scripted::new(Verdict::Retry("it does not work".to_owned()));
    let running = consume(&broker.url, &handler);
    let failed = broker.take("failed").await;
    let attempts: Vec<_> = handler.seen().iter().map(|d| d.attempt).collect();
    assert_eq!(
        attempts,
        [1, 2, 3, 4],
        "at once, and after 1 s, 2 s and 4 s"
    );
    for delivery in handler.seen() {
        assert_eq!(delivery.routing_key, KEY, "the original key, on each rung");
        assert_eq!(delivery.message_type.as_deref(), Some("note"));
    }
    assert_eq!(failed.delivery.data, b"{\"whole\": true}");
    assert_eq!(header(&failed, "x-reason"), "it does not work");
    assert_eq!(header(&failed, "x-attempt"), "4");
    assert_eq!(header(&failed, "x-original-queue"), QUEUE);
    assert_eq!(header(&failed, "x-original-exchange"), "news");
    assert_eq!(header(&failed, "x-original-routing-key"), KEY);
    let headers = failed.delivery.properties.headers().clone().unwrap();
    let foreign = headers.inner().get("x-of-the-producer");
    assert!(foreign.is_none(), "ours and no others: {headers:?}");
    stop(running).await;
}

#[tokio::test]
async fn the_rungs_wait_1_2_and_4_seconds() {
    let delays = messaging::topology::RETRY_DELAYS.map(|delay| delay.as_secs());
    assert_eq!(delays, [1, 2, 4]);
    let broker = Broker::open().await;
    // declaring a delay queue with another delay is refused: the existing one has ours
    for (delay, other) in [("1s", 1001), ("2s", 2001), ("4s", 4001)] {
        let channel = broker.fresh_channel().await;
        let error = broker
            .declare_rung(&channel, delay, other)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("x-message-ttl"), "{error}");
    }
}

#[tokio::test]
async fn a_poison_message_goes_to_failed_at_once() {
    let broker = Broker::open().await;
    let handler = Scripted::new(Verdict::Done).first([
        Verdict::Failed(Failure::new("garbage", "it is not JSON")),
        Verdict::Done,
    ]);
    let body = b"\xff\x00 not even text";
    broker.publish("1", body).await;
    broker.publish("2", b"{}").await;
    let running = consume(&broker.url, &handler);
    let failed = broker.take("failed").await;
    assert_eq!(failed.delivery.data, body);
    assert_eq!(header(&failed, "x-reason"), "it is not JSON");
    assert_eq!(header(&failed, "x-failure-kind"), "garbage");
    assert_eq!(header(&failed, "x-attempt"), "1");
    let id = failed.delivery.properties.message_id().clone();
    assert_eq!(id.unwrap().as_str(), "1");
    eventually("the other is handled", async || handler.ids() == ["1", "2"]).await;
    stop(running).await;
}

#[tokio::test]
async fn an_unreachable_database_is_no_attempt() {
    let broker = Broker::open().await;
    let handler = Scripted::new(Verdict::Done);
    handler.reachable.store(false, Ordering::SeqCst);
    broker.publish("1", b"{}").await;
    let running = consume(&broker.url, &handler);
    eventually("it was tried", async || !handler.seen().is_empty()).await;
    let tried = handler.seen().len();
    handler.reachable.store(true, Ordering::SeqCst);
    eventually("it was handled", async || handler.seen().len() > tried).await;
    let attempts: Vec<_> = handler.seen().iter().map(|d| d.attempt).collect();
    assert!(attempts.iter().all(|attempt| *attempt == 1), "{attempts:?}");
    stop(running).await;
    assert!(broker.take_now("failed").await.is_none());
}

#[tokio::test]
async fn one_message_with_an_unreachable_participant_delays_no_other() {
    let broker = Broker::open().await;
    let unreachable = Verdict::Unreachable("payments is away".to_owned());
    let handler = Scripted {
        gate: Arc::new(Semaphore::new(0)),
        ..Scripted::new(Verdict::Done).first([Verdict::Done, unreachable, Verdict::Done])
    };
    for id in ["1", "2", "3"] {
        broker.publish(id, b"{}").await;
    }
    let running = consume(&broker.url, &handler);
    handler.gate.add_permits(100);
    let again = || async { handler.ids().iter().filter(|id| *id == "2").count() == 2 };
    eventually("it comes back", again).await;
    stop(running).await;
    let ids = handler.ids();
    for done in ["1", "3"] {
        let count = ids.iter().filter(|id| *id == done).count();
        assert_eq!(count, 1, "{done} is acked: {ids:?}");
    }
    assert!(handler.seen().iter().all(|delivery| delivery.attempt == 1));
}

#[tokio::test]
async fn a_message_that_panics_the_handler_leaves_its_batch() {
    let broker = Broker::open().await;
    for (id, body) in [("1", "{}"), ("2", "panic"), ("3", "{}")] {
        broker.publish(id, body.as_bytes()).await;
    }
    let handler = Scripted::new(Verdict::Done);
    let running = consume(&broker.url, &handler);
    let failed = broker.take("failed").await;
    let id = failed.delivery.properties.message_id().clone();
    assert_eq!(id.unwrap().as_str(), "2");
    assert_eq!(header(&failed, "x-reason"), "the handler panicked");
    stop(running).await;
    assert!(
        broker.take_now(QUEUE).await.is_none(),
        "the others are acked"
    );
    assert!(broker.take_now("failed").await.is_none());
}

#[tokio::test]
async fn a_consumer_outlives_its_connection() {
    let broker = Broker::open().await;
    let host = broker.url.split('@').nth(1).unwrap();
    let host = host.split('/').next().unwrap().to_owned();
    let proxy = Proxy::new(host.clone()).await;
    let handler = Scripted::new(Verdict::Done);
    let running = consume(&broker.url.replace(&host, &proxy.address), &handler);
    for n in 0..3 {
        let (before, after) = (format!("{n} before"), format!("{n} after"));
        broker.publish(&before, b"{}").await;
        eventually("it is handled", async || handler.ids().contains(&before)).await;
        let cuts = proxy.hits();
        proxy.will(Fault::Cut); // the next ack cuts the connection
        broker.publish(&after, b"{}").await;
        eventually("the connection is cut", async || proxy.hits() > cuts).await;
        proxy.will(Fault::None);
        eventually("it is handled", async || handler.ids().contains(&after)).await;
    }
    // messages handled but not acked are delivered again: the inbox recognizes them
    broker.publish("last", b"{}").await;
    eventually("it is handled", async || {
        handler.ids().contains(&"last".to_owned())
    })
    .await;
    stop(running).await;
}

#[tokio::test]
async fn a_consumer_hears_again_soon_after_its_connection_fell_silent() {
    let broker = Broker::open().await;
    let host = broker.url.split('@').nth(1).unwrap();
    let host = host.split('/').next().unwrap().to_owned();
    let proxy = Proxy::new(host.clone()).await;
    let handler = Scripted::new(Verdict::Done);
    let running = consume(&broker.url.replace(&host, &proxy.address), &handler);
    broker.publish("before", b"{}").await;
    eventually("it is handled", async || handler.ids() == ["before"]).await;
    proxy.silence();
    broker.publish("after", b"{}").await;
    // RabbitMQ's own heartbeat of 60 s would need two minutes, longer than the deadline of
    // `eventually`
    eventually("it is handled", async || {
        handler.ids().contains(&"after".to_owned())
    })
    .await;
    stop(running).await;
}

#[tokio::test]
async fn a_consumer_waits_for_a_missing_topology() {
    let url = testkit::vhost().await;
    let handler = Scripted::new(Verdict::Done);
    let running = consume(&url, &handler);
    let broker = Broker::open_on(url).await;
    broker.publish("1", b"{}").await;
    eventually("it is handled", async || handler.ids() == ["1"]).await;
    stop(running).await;
}

#[tokio::test]
async fn shutdown_waits_for_what_is_being_handled() {
    let broker = Broker::open().await;
    broker.publish("1", b"{}").await;
    let handler = Scripted {
        gate: Arc::new(Semaphore::new(0)),
        ..Scripted::new(Verdict::Done)
    };
    let (shutdown, task) = consume(&broker.url, &handler);
    eventually("it is being handled", async || handler.seen().len() == 1).await;
    shutdown.cancel();
    let early = tokio::time::timeout(Duration::from_millis(50), async {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    });
    assert!(early.await.is_err(), "it does not leave its work");
    handler.gate.add_permits(1);
    task.await.unwrap();
    assert!(broker.take_now(QUEUE).await.is_none(), "it was acked");
}

#[tokio::test]
async fn messages_waiting_for_locks_leave_room_and_spend_no_attempt() {
    const LOCKED: usize = 12;
    let broker = Broker::open().await;
    for number in 0..LOCKED {
        broker.publish(&number.to_string(), b"locked").await;
    }
    broker.publish("free", b"{}").await;
    let handler = Scripted::by(|delivery| {
        if delivery.body == b"locked" {
            Verdict::Locked("another session holds the row".to_owned())
        } else {
            Verdict::Done
        }
    });
    let config = ConsumerConfig {
        prefetch: 8,
        ..ConsumerConfig::default()
    };
    let running = consume_with(&broker.url, &handler, config);
    eventually("the message that needs no lock is handled", async || {
        handler.ids().contains(&"free".to_owned())
    })
    .await;
    eventually("each locked message is tried again", async || {
        let ids = handler.ids();
        (0..LOCKED).all(|number| ids.iter().filter(|id| **id == number.to_string()).count() > 1)
    })
    .await;
    stop(running).await;
    let seen = handler.seen();
    assert!(
        seen.iter().all(|delivery| delivery.attempt == 1),
        "{seen:?}"
    );
    assert!(seen.iter().all(|delivery| delivery.routing_key == KEY));
    assert!(broker.take_now("failed").await.is_none());
}

/// RabbitMQ 4.3 does not count deliveries of a message that is given back: without a pause this
/// would never end.
#[tokio::test]
async fn what_failed_refuses_is_tried_again_without_being_handled_again() {
    let broker = Broker::open().await;
    let channel = broker.fresh_channel().await;
    let unbind = channel.queue_unbind(
        "failed".into(),
        "failed".into(),
        "".into(),
        lapin::types::FieldTable::default(),
    );
    unbind.await.unwrap();
    broker.publish("1", b"{}").await;
    let handler = Scripted::new(Verdict::Failed("it can never work".to_owned().into()));
    let running = consume(&broker.url, &handler);
    eventually("it is handled", async || handler.seen().len() == 1).await;
    broker.publish("2", b"{}").await;
    eventually("the next one is handled", async || handler.seen().len() > 1).await;
    let bind = channel.queue_bind(
        "failed".into(),
        "failed".into(),
        "".into(),
        lapin::options::QueueBindOptions::default(),
        lapin::types::FieldTable::default(),
    );
    bind.await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let failed = broker.take("failed").await;
        ids.push(
            failed
                .delivery
                .properties
                .message_id()
                .clone()
                .unwrap()
                .to_string(),
        );
    }
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
    stop(running).await;
    assert_eq!(handler.ids(), ["1", "2"], "each is handled once");
}
