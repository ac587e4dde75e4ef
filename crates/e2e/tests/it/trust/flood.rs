//! Floods of garbage in front of real messages.

use std::time::{Duration, Instant};

use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use serde_json::json;
use testkit::{System, SystemOptions, eventually, foreign_client, within};

use super::{COMPLETED, EVENTS};
use crate::text;

const GARBAGE: usize = 10_000;
/// Generous: the target is 5 s on an idle machine, and the test prints the time.
const DEADLINE: Duration = Duration::from_mins(2);

async fn flood(channel: &Channel, exchange: &str, key: &str) {
    let mut confirms = Vec::with_capacity(GARBAGE);
    for _ in 0..GARBAGE {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sent =
            channel.basic_publish(exchange.into(), key.into(), options, b"garbage", properties);
        confirms.push(sent.await.unwrap());
    }
    for confirm in confirms {
        confirm.await.unwrap();
    }
}

async fn waits(system: &System, queue: &str, count: usize) {
    eventually(&format!("{count} messages in {queue}"), || async {
        let queues = [queue];
        let waiting = messaging::topology::inspect(&system.amqp_url, &queues).await;
        waiting.unwrap()[0].1.unwrap().messages as usize == count
    })
    .await;
}

/// Whether a mail was sent to this address.
fn is_mailed(system: &System, address: &str) -> bool {
    let mails = std::fs::read_dir(system.setting("MAIL_DIR"));
    mails.into_iter().flatten().any(|mail| {
        let text = std::fs::read_to_string(mail.unwrap().path()).unwrap_or_default();
        text.contains(address)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_behind_a_flood_of_garbage_completes_its_order() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api", "worker saga", "worker relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    flood(&channel, EVENTS, COMPLETED).await;
    buyer.pay(text(&order, "transaction_id")).await;
    waits(&system, "payments_events_queue", GARBAGE + 1).await;
    let begun = Instant::now();
    system.spawn("worker payments").await;
    within(
        DEADLINE,
        "the order behind the flood to complete",
        || async {
            let order = buyer.find_order(text(&order, "id")).await?;
            (order["status"] == "completed").then_some(())
        },
    )
    .await;
    eprintln!(
        "a payment behind {GARBAGE} messages of garbage took effect after {:?}",
        begun.elapsed()
    );
    within(DEADLINE, "the garbage to be in `failed`", || async {
        let waiting = messaging::topology::inspect(&system.amqp_url, &["failed"]).await;
        (waiting.unwrap()[0].1.unwrap().messages as usize == GARBAGE).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_behind_a_flood_of_garbage_is_sent() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api", "worker relay"] {
        system.spawn(role).await;
    }
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    flood(&channel, "messages", "send_welcome_email").await;
    let address = "behind@shop.example";
    let account = json!({"email": address, "password": "correct horse", "name": "Test Buyer"});
    let url = format!("{}/api/register", system.api_url);
    let answer = system.http.post(url).json(&account).send().await.unwrap();
    assert!(answer.status().is_success());
    waits(&system, "messages", GARBAGE + 1).await;
    let begun = Instant::now();
    system.spawn("worker async").await;
    within(DEADLINE, "the mail behind the flood", || async {
        is_mailed(&system, address).then_some(())
    })
    .await;
    eprintln!(
        "a mail behind {GARBAGE} messages of garbage was sent after {:?}",
        begun.elapsed()
    );
    within(DEADLINE, "the garbage to be in `failed`", || async {
        let waiting = messaging::topology::inspect(&system.amqp_url, &["failed"]).await;
        (waiting.unwrap()[0].1.unwrap().messages as usize == GARBAGE).then_some(())
    })
    .await;
}
