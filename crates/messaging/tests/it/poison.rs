//! Messages built to do harm: none of them kills a consumer, loops, or hides the messages beside
//! it.

use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use messaging::{
    consumer::Verdict,
    failed::{self, DeadLetterSession, Page, SHOWN, Sent},
    topology::{FAILED, REDRIVE},
};
use testkit::{eventually, eventually_some};

use crate::{
    broker::{Broker, EXCHANGE, KEY, QUEUE, header},
    consumer::{Scripted, consume, stop},
};

/// Frame size: headers are padded to leave only `left` bytes of it.
const FRAME: usize = 131_072;

fn headed(headers: &[(&str, AMQPValue)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    BasicProperties::default()
        .with_headers(table)
        .with_delivery_mode(2)
}

fn long(bytes: usize) -> AMQPValue {
    AMQPValue::LongString("a".repeat(bytes).as_str().into())
}

fn garbage() -> Scripted {
    Scripted::by(|delivery| {
        if delivery.body == b"{}" {
            Verdict::Done
        } else {
            Verdict::Failed("it is garbage".to_owned().into())
        }
    })
}

#[tokio::test]
async fn headers_of_any_kind_and_length_kill_no_consumer() {
    let broker = Broker::open().await;
    let handler = Scripted::new(Verdict::Failed("it is poison".to_owned().into()));
    let running = consume(&broker.url, &handler);
    let names = [
        "x-attempt",
        "x-original-queue",
        "x-original-exchange",
        "x-original-routing-key",
    ];
    let names = names
        .into_iter()
        .chain(["x-reason", "traceparent", "x-signature", "x-death"]);
    let mut sent = 0;
    for name in names {
        for value in [
            long(300),
            long(70_000),
            AMQPValue::LongInt(i32::MAX),
            AMQPValue::LongInt(i32::MIN),
            AMQPValue::Void,
            AMQPValue::LongString(vec![0xFF, 0, 0xC3].into()),
            AMQPValue::FieldArray(vec![AMQPValue::Boolean(true)].into()),
        ] {
            broker
                .send(EXCHANGE, KEY, headed(&[(name, value)]), b"poison")
                .await;
            sent += 1;
        }
    }
    eventually("all are in `failed`", async || {
        failed::list(&broker.url, 1_000).await.unwrap().len() == sent
    })
    .await;
    for message in failed::list(&broker.url, 1_000).await.unwrap() {
        assert_eq!(message.queue.as_deref(), Some(QUEUE));
        assert_eq!(message.routing_key, KEY, "the key that the broker saw");
        assert_eq!(message.attempts, 1, "a publisher's count is not ours");
    }
    assert!(!running.1.is_finished());
    assert_eq!(handler.seen().len(), sent, "each was delivered once");
    stop(running).await;
}

#[tokio::test]
async fn a_message_whose_headers_fill_a_frame_moves_on() {
    let broker = Broker::open().await;
    let handler = Scripted::new(Verdict::Retry("not yet".to_owned()));
    let full = headed(&[("pad", long(FRAME - 100))]);
    broker.send(EXCHANGE, KEY, full, b"full").await;
    let running = consume(&broker.url, &handler);
    let failed = broker.take(FAILED).await;
    assert_eq!(failed.delivery.data, b"full");
    assert_eq!(header(&failed, "x-attempt"), "4");
    assert_eq!(handler.seen().len(), 4);
    stop(running).await;
}

#[tokio::test]
async fn a_message_with_an_oversized_broker_header_is_read() {
    let broker = Broker::open().await;
    let full = headed(&[("pad", long(FRAME - 400))]).with_message_id("big".into());
    broker.send(EXCHANGE, KEY, full, b"{}").await;
    broker.publish("small", b"{}").await;
    // the broker gives both messages up, and adds `x-death` headers to them
    eventually("the broker gives up", async || {
        let handed_out = broker.refuse(QUEUE).await;
        !handed_out && failed::list(&broker.url, 10).await.unwrap().len() == 2
    })
    .await;
    // each inspection makes the message longer, by the broker's delivery count
    for _ in 0..3 {
        let ids = failed::list(&broker.url, 10).await.unwrap();
        let ids: Vec<_> = ids.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, ["big", "small"]);
    }
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    let mut held = session.take(10).await.unwrap();
    let mut held: Vec<_> = held.iter_mut().collect();
    let sent = session.send_again(&mut held, Some(QUEUE)).await.unwrap();
    assert_eq!(sent, [Sent::Again, Sent::Again]);
    drop(held);
    session.close().await;
    assert!(failed::list(&broker.url, 10).await.unwrap().is_empty());
    assert_eq!(broker.take(QUEUE).await.delivery.data, b"{}");
}

#[tokio::test]
async fn a_message_that_would_expire_stays_in_failed() {
    let broker = Broker::open().await;
    let handler = garbage();
    let running = consume(&broker.url, &handler);
    let hasty = BasicProperties::default().with_expiration("1000".into());
    broker.send(EXCHANGE, KEY, hasty, b"garbage").await;
    let failed = broker.take(FAILED).await;
    assert!(failed.delivery.properties.expiration().is_none());
    stop(running).await;
}

#[tokio::test]
async fn a_flood_of_garbage_delays_no_later_message() {
    let broker = Broker::open().await;
    broker.flood(10_000, b"garbage").await;
    broker.publish("real", b"{}").await;
    let handler = garbage();
    let running = consume(&broker.url, &handler);
    eventually("the real one is handled", async || {
        handler.ids().contains(&"real".to_owned())
    })
    .await;
    stop(running).await;
    // a message is found behind ten thousand older ones
    broker
        .send(
            FAILED,
            "",
            BasicProperties::default().with_message_id("last".into()),
            b"{}",
        )
        .await;
    let newest = Page {
        limit: 3,
        skip: 0,
        newest: true,
    };
    let listed = failed::page(&broker.url, newest).await.unwrap();
    assert_eq!((listed.messages.len(), listed.more), (3, true));
    assert_eq!(listed.messages[0].id, "last");
    let found = failed::find(&broker.url, "last", SHOWN).await.unwrap();
    assert_eq!(found.unwrap().body, "{}");
    assert!(
        failed::find(&broker.url, "none", SHOWN)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn pages_follow_one_another() {
    let broker = Broker::open().await;
    for id in ["1", "2", "3", "4", "5"] {
        let named = BasicProperties::default().with_message_id(id.into());
        broker.send(FAILED, "", named, b"{}").await;
    }
    for (newest, skip, expected, others) in [
        (false, 0, &["1", "2"][..], true),
        (false, 4, &["5"], true),
        (true, 0, &["5", "4"], true),
        (true, 3, &["2", "1"], true),
        (true, 5, &[], true),
    ] {
        let page = Page {
            limit: 2,
            skip,
            newest,
        };
        let listed = eventually_some("all are ready", || async {
            let listed = failed::page(&broker.url, page).await.unwrap();
            (listed.messages.len() == expected.len()).then_some(listed)
        })
        .await;
        let ids: Vec<_> = listed
            .messages
            .iter()
            .map(|message| message.id.as_str())
            .collect();
        assert_eq!((&ids[..], listed.more), (expected, others), "{page:?}");
    }
}

#[tokio::test]
async fn large_bodies_are_cut_only_in_lists() {
    let broker = Broker::open().await;
    let bodies: Vec<_> = (0..5_u8).map(|n| vec![b'a' + n; 15 << 20]).collect();
    for (n, body) in bodies.iter().enumerate() {
        let named = BasicProperties::default().with_message_id(n.to_string().as_str().into());
        broker.send(FAILED, "", named, body).await;
    }
    let listed = eventually_some("all five are listed", || async {
        let listed = failed::list(&broker.url, 10).await.unwrap();
        (listed.len() == 5).then_some(listed)
    })
    .await;
    for message in &listed {
        assert_eq!((message.body.len(), message.body_bytes), (SHOWN, 15 << 20));
        assert!(message.body_cut);
    }
    let found = failed::find(&broker.url, "3", usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(found.body.as_bytes() == bodies[3], "whole");
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    let mut held = session.take(10).await.unwrap();
    let mut held: Vec<_> = held.iter_mut().collect();
    let sent = session.send_again(&mut held, Some(QUEUE)).await.unwrap();
    assert_eq!(sent, vec![Sent::Again; 5]);
    drop(held);
    session.close().await;
    assert!(failed::list(&broker.url, 10).await.unwrap().is_empty());
    for body in &bodies {
        let taken = broker.take(QUEUE).await.delivery.data;
        assert!(taken == *body, "{} of {:?}", taken.len(), taken.first());
    }
}

#[tokio::test]
async fn a_header_does_not_steer_a_redriven_message() {
    let broker = Broker::open().await;
    let says = |queue: &str| {
        let text = |text: &str| AMQPValue::LongString(text.into());
        headed(&[
            ("x-original-queue", text(queue)),
            ("x-original-routing-key", text(KEY)),
        ])
    };
    let died = headed(&[("x-first-death-queue", AMQPValue::LongString(QUEUE.into()))]);
    for (id, properties) in [
        ("unproven", says(QUEUE)),
        ("elsewhere", says("amq.default")),
        ("ladder", says("readers.retry.1s")),
        ("died", died),
        ("nowhere", BasicProperties::default()),
        // the broker vouches for the publisher: this record is the consumer's own
        ("proven", says(QUEUE).with_user_id("shop".into())),
    ] {
        broker
            .send(FAILED, "", properties.with_message_id(id.into()), b"{}")
            .await;
    }
    let mut session = eventually_some("all are there", || async {
        let session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "reader")])
            .await
            .unwrap();
        (session.waiting().await.unwrap() == 6).then_some(session)
    })
    .await;
    let mut held = session.take(10).await.unwrap();
    let mut held: Vec<_> = held.iter_mut().collect();
    let sent = session.send_again(&mut held, None).await.unwrap();
    let again: Vec<_> = held
        .iter()
        .zip(&sent)
        .filter(|(_, sent)| **sent == Sent::Again)
        .map(|(held, _)| held.message.id.as_str())
        .collect();
    assert_eq!(again, ["proven"], "{sent:?}");
    let elsewhere = session
        .send_again(&mut held[..1], Some(REDRIVE))
        .await
        .unwrap();
    assert!(matches!(&elsewhere[..], [Sent::Not(_)]), "{elsewhere:?}");
    drop(held);
    session.close().await;
    let redriven = broker.take(QUEUE).await;
    let id = redriven.delivery.properties.message_id().clone();
    assert_eq!(id.unwrap().as_str(), "proven");
    assert!(broker.take_now(QUEUE).await.is_none());
}

#[tokio::test]
async fn a_publisher_cannot_name_another_user() {
    let broker = Broker::open().await;
    let channel = broker.fresh_channel().await;
    let posing = BasicProperties::default().with_user_id("reader".into());
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(FAILED.into(), "".into(), options, b"{}", posing);
    sent.await.unwrap().await.ok();
    eventually("the broker refuses", async || !channel.status().connected()).await;
    assert!(broker.take_now(FAILED).await.is_none());
}
