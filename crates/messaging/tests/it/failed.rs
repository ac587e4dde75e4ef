use std::time::Duration;

use messaging::{
    consumer::Verdict,
    failed::{self, DeadLetterSession, Sent},
    topology,
};
use testkit::eventually_some;

use crate::{
    broker::{Broker, KEY, QUEUE},
    consumer::{Scripted, consume, stop},
};

/// A broker with a message that it gave up on itself: its delivery limit is 20.
async fn given_up() -> Broker {
    let broker = Broker::open().await;
    broker.publish("1", b"{\"whole\": true}").await;
    eventually_some("the broker gives up", || async {
        let handed_out = broker.refuse(QUEUE).await;
        let failed = failed::list(&broker.url, 10).await.unwrap();
        (!handed_out && failed.len() == 1).then_some(())
    })
    .await;
    broker
}

#[tokio::test]
async fn a_message_dropped_by_the_broker_is_whole_in_failed() {
    let broker = given_up().await;
    let message = failed::list(&broker.url, 10).await.unwrap().remove(0);
    assert_eq!(message.message_id.as_deref(), Some("1"));
    assert_eq!(message.body, "{\"whole\": true}");
    assert_eq!(message.queue.as_deref(), Some(QUEUE));
    assert_eq!(message.exchange, "news");
    assert_eq!(message.routing_key, KEY);
    let reason = message.reason.unwrap();
    assert!(reason.contains("delivery_limit"), "{reason}");
    let again = failed::list(&broker.url, 10).await.unwrap();
    assert_eq!(again.len(), 1, "looking takes nothing away");
}

/// A `failed` queue of an earlier release, declared without a limit, is kept with all its messages.
#[tokio::test]
async fn a_queue_that_was_declared_otherwise_is_kept() {
    let url = testkit::vhost().await;
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url, properties).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = lapin::types::FieldTable::default();
    let quorum = lapin::types::AMQPValue::LongString("quorum".into());
    arguments.insert("x-queue-type".into(), quorum);
    let options = lapin::options::QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let old = channel.queue_declare(topology::FAILED.into(), options, arguments);
    old.await.unwrap();
    let options = lapin::options::BasicPublishOptions::default();
    let properties = lapin::BasicProperties::default().with_delivery_mode(2);
    let sent = channel.basic_publish(
        "".into(),
        topology::FAILED.into(),
        options,
        b"kept",
        properties,
    );
    sent.await.unwrap();
    let broker = Broker::open_on(url).await;
    let message = eventually_some("it is there", || async {
        failed::list(&broker.url, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(message.body, "kept");
    assert!(message.id.starts_with("sha:"), "{message:?}");
}

#[tokio::test]
async fn undecided_messages_go_back_when_their_session_dies() {
    let broker = given_up().await;
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    assert_eq!(session.take(10).await.unwrap().len(), 1);
    assert!(
        failed::list(&broker.url, 10).await.unwrap().is_empty(),
        "nobody else sees what is held"
    );
    drop(session);
    eventually_some("it is back", || async {
        let failed = failed::list(&broker.url, 10).await.unwrap();
        (failed.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_canceled_read_of_failed_leaves_no_subscription_behind() {
    let broker = Broker::open().await;
    for limit in 0..60 {
        let read = failed::list(&broker.url, 10);
        // the call is canceled at any point
        let ended = tokio::time::timeout(Duration::from_millis(limit), read).await;
        if let Ok(ended) = ended {
            ended.unwrap();
        }
    }
    eventually_some("nobody to take from `failed`", || async {
        let queues = topology::inspect(&broker.url, &[topology::FAILED]).await;
        let (_, failed) = queues.unwrap().pop().unwrap();
        (failed.unwrap().consumers == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_edited_message_goes_to_its_queue_under_its_id() {
    let broker = given_up().await;
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    let held = session.take(10).await.unwrap();
    let to = Some(QUEUE);
    let sent = session
        .send_edited(&held[0], to, b"{\"mended\": true}")
        .await;
    assert_eq!(sent.unwrap(), Sent::Again);
    session.close().await;
    let message = broker.take(QUEUE).await;
    assert_eq!(message.delivery.data, b"{\"mended\": true}");
    let id = message.delivery.properties.message_id().as_ref();
    assert_eq!(id.unwrap().as_str(), "1");
    assert!(failed::list(&broker.url, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_redriven_message_starts_like_a_new_one() {
    let broker = given_up().await;
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    let mut held = session.take(10).await.unwrap();
    let [held] = held.as_mut_slice() else {
        panic!("one message");
    };
    let sent = session.send_again(&mut [held], Some(QUEUE)).await.unwrap();
    assert_eq!(sent, [Sent::Again]);
    session.close().await;
    let message = broker.take(QUEUE).await;
    assert_eq!(message.delivery.data, b"{\"whole\": true}");
    assert!(failed::list(&broker.url, 10).await.unwrap().is_empty());
}

/// RabbitMQ 3 drops a message when its own headers, written when it gave the message up, suggest a
/// cycle.
#[tokio::test]
async fn a_message_dropped_by_the_broker_arrives_after_a_redrive() {
    let broker = given_up().await;
    let mut session = DeadLetterSession::open(&broker.url, "test", &[(QUEUE, "shop")])
        .await
        .unwrap();
    let mut held = session.take(10).await.unwrap();
    let [message] = held.as_mut_slice() else {
        panic!("one message");
    };
    let sent = session
        .send_again(&mut [message], Some(QUEUE))
        .await
        .unwrap();
    assert_eq!(sent, [Sent::Again]);
    session.close().await;
    let handler = Scripted::by(|delivery| {
        if delivery.attempt == 1 {
            Verdict::Retry("once more".to_owned())
        } else {
            Verdict::Done
        }
    });
    let running = consume(&broker.url, &handler);
    eventually_some("it comes back from the delay queue", || async {
        (handler.seen().len() == 2).then_some(())
    })
    .await;
    stop(running).await;
    let attempts: Vec<_> = handler.seen().iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 2]);
    assert!(broker.take_now(QUEUE).await.is_none());
    assert!(failed::list(&broker.url, 10).await.unwrap().is_empty());
}
