//! Messages of every shape, by a seed that reproduces them.

use std::time::Duration;

use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use serde_json::json;
use testkit::{System, SystemOptions, eventually, foreign_client};

use super::{COMPLETED, EVENTS};
use crate::text;

/// A small generator: the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn text(&mut self, most: usize) -> String {
        let length = self.below(most) + 1;
        let letters = [
            "a", "ä", "\u{0}", "\u{202e}", "/", "\"", "{", "🦀", ".", " ",
        ];
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }

    fn short(&mut self) -> String {
        let mut text = self.text(80);
        while text.len() > 255 {
            text.pop();
        }
        text
    }

    fn value(&mut self) -> AMQPValue {
        match self.below(9) {
            0 => AMQPValue::LongString(self.text(300).as_str().into()),
            1 => AMQPValue::LongString(vec![0xFF; self.below(40_000)].into()),
            2 => AMQPValue::LongInt(i32::MIN),
            3 => AMQPValue::LongLongInt(i64::MAX),
            4 => AMQPValue::Boolean(true),
            5 => AMQPValue::Void,
            6 => AMQPValue::Double(1e300),
            7 => AMQPValue::FieldArray(vec![AMQPValue::Void, AMQPValue::Boolean(false)].into()),
            _ => AMQPValue::Timestamp(u64::MAX),
        }
    }

    fn properties(&mut self) -> BasicProperties {
        const NAMES: [&str; 10] = [
            "x-attempt",
            "x-original-queue",
            "x-original-exchange",
            "x-original-routing-key",
            "x-reason",
            "x-signature",
            "traceparent",
            "x-death",
            "x-first-death-queue",
            "pad",
        ];
        let mut headers = FieldTable::default();
        for _ in 0..self.below(4) {
            let name = NAMES[self.below(NAMES.len())];
            headers.insert(name.into(), self.value());
        }
        let mut properties = BasicProperties::default().with_headers(headers);
        if self.below(2) == 0 {
            properties = properties.with_message_id(self.short().as_str().into());
        }
        if self.below(3) == 0 {
            properties = properties.with_type(self.short().as_str().into());
        }
        if self.below(3) == 0 {
            properties = properties.with_expiration("3600000".into());
        }
        if self.below(3) == 0 {
            properties = properties.with_priority(255).with_timestamp(self.next());
        }
        properties.with_delivery_mode(2)
    }

    fn body(&mut self) -> Vec<u8> {
        match self.below(7) {
            0 => Vec::new(),
            1 => self.text(400).into_bytes(),
            2 => vec![0xFF; self.below(2_000)],
            3 => "[".repeat(self.below(20_000)).into_bytes(),
            4 => json!({"transaction_id": uuid::Uuid::now_v7(), "routing_key": self.text(20)})
                .to_string()
                .into_bytes(),
            5 => json!({"transaction_id": 7, "completed_at": "never", "routing_key": COMPLETED})
                .to_string()
                .into_bytes(),
            _ => {
                let mut event = json!({
                    "transaction_id": uuid::Uuid::now_v7(), "completed_at": "2026-01-01T00:00:00Z", "routing_key": COMPLETED,
                    "amount": {"amount": i64::MAX, "currency": "EUR"}, "order_id": uuid::Uuid::now_v7(),
                })
                .to_string()
                .into_bytes();
                let at = self.below(event.len());
                event[at] = b'#';
                event
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_kills_a_process_and_each_is_in_failed() {
    let wide = std::env::var_os("TEST_WIDE").is_some();
    let (count, large) = if wide { (20_000, 16) } else { (2_000, 6) };
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    buyer.pay(text(&first, "transaction_id")).await;
    buyer.awaits(text(&first, "id"), "completed").await;
    let before = ["api", "worker"].map(|role| system.peak_memory(role));

    let seed = 0x5EED_2026_1129;
    let mut dice = Dice(seed);
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let mut confirms = Vec::new();
    for n in 0..count {
        let exchange = ["payments_events", "messages", "failed"][n % 3];
        let key = if exchange == EVENTS {
            COMPLETED
        } else {
            "send_welcome_email"
        };
        let (properties, body) = (dice.properties(), dice.body());
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
        confirms.push(sent.await.unwrap());
    }
    let body = vec![b'x'; 15 << 20];
    for _ in 0..large {
        let properties = BasicProperties::default().with_delivery_mode(2);
        testkit::publish(&channel, EVENTS, COMPLETED, properties, &body).await;
    }
    for confirm in confirms {
        confirm.await.unwrap();
    }
    // real orders are completed meanwhile
    let (_, real) = buyer.order().await;
    buyer.pay(text(&real, "transaction_id")).await;
    buyer.awaits(text(&real, "id"), "completed").await;

    let signer = tokens::Signer::from_pem(&system.signing_key(), kernel::Clock::System).unwrap();
    let roles = ["operator".to_owned()];
    let token = signer.access_token(kernel::UserId::new(), &roles, Duration::from_mins(5));
    eventually(
        &format!("all to be in `failed` (seed {seed:#x})"),
        || async {
            let waiting = messaging::topology::look(&system.amqp_url, &["failed"])
                .await
                .unwrap();
            waiting[0].1.unwrap().messages as usize == count + large
        },
    )
    .await;
    for order in ["oldest", "newest"] {
        let url = format!("{}/api/failed?order={order}", system.api_url);
        let listed = system
            .http
            .get(url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        let listed: serde_json::Value = listed.json().await.unwrap();
        assert_eq!(listed["count"], 1_000, "{order}");
        assert_eq!(listed["more"], true, "{order}");
    }
    assert!(system.fallen().is_none(), "nobody died");
    for (role, before) in ["api", "worker"].into_iter().zip(before) {
        let grown = (system.peak_memory(role) - before) >> 20;
        assert!(
            grown <= 64,
            "{role} has grown by {grown} MiB (seed {seed:#x})"
        );
    }
    system.settle().await;
    system.assert_whole().await;
}
