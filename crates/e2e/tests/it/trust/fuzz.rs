//! Messages of every shape, generated from a seed that reproduces them (`TEST_SEED`).

use std::{collections::BTreeMap, time::Duration};

use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, BasicPublishOptions},
    types::{AMQPValue, FieldTable},
};
use reqwest::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use testkit::{System, SystemOptions, eventually, eventually_some, foreign_client};

use super::{COMPLETED, EVENTS};
use crate::text;

/// A small random generator: the same seed gives the same numbers.
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

/// Number of messages with each body, by the body's hash.
type Bodies = BTreeMap<[u8; 32], usize>;

fn add(bodies: &mut Bodies, body: &[u8]) {
    *bodies.entry(Sha256::digest(body).into()).or_default() += 1;
}

/// The seed of this run: `TEST_SEED`, or a constant.
fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok();
    given.map_or(0x5EED_2026_1129, |seed| seed.parse().unwrap())
}

/// A system with `count` messages of any kind and `large` large ones in its queues.
struct Fuzzed {
    system: System,
    channel: Channel,
    _connection: lapin::Connection,
    dice: Dice,
    sent: Bodies,
    /// The bodies of the messages named `fuzz-` and this number.
    bodies: BTreeMap<usize, Vec<u8>>,
    total: usize,
    /// The access token of an operator.
    operator: String,
}

impl Fuzzed {
    async fn send(system: System, count: usize) -> Self {
        let mut dice = Dice(seed());
        let (connection, channel) = foreign_client(&system.amqp_url).await;
        let mut confirms = Vec::new();
        let mut sent = Bodies::new();
        let mut bodies = BTreeMap::new();
        for n in 0..count {
            let exchange = ["payments_events", "messages", "failed"][n % 3];
            let key = if exchange == EVENTS {
                COMPLETED
            } else {
                "send_welcome_email"
            };
            let (mut properties, body) = (dice.properties(), dice.body());
            if n % 4 > 0 {
                properties = properties.with_message_id(format!("fuzz-{n}").as_str().into());
                bodies.insert(n, body.clone());
            }
            add(&mut sent, &body);
            let options = BasicPublishOptions::default();
            let sent =
                channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            confirm.await.unwrap();
        }
        Self {
            operator: operator(&system).await,
            system,
            channel,
            _connection: connection,
            dice,
            sent,
            bodies,
            total: count,
        }
    }

    /// Waits until every message that was not dropped is in `failed`.
    async fn is_in_failed(&self) {
        let what = format!("{} messages to be in `failed`", self.total);
        eventually(&what, || async {
            let waiting = messaging::topology::inspect(&self.system.amqp_url, &["failed"])
                .await
                .unwrap();
            waiting[0].1.unwrap().messages as usize == self.total
        })
        .await;
    }

    /// Decides on a message by the API, and returns the result.
    async fn decide(&self, id: &str, verb: &str) -> String {
        let url = format!("{}/api/failed/{id}/{verb}", self.system.api_url);
        let request = self.system.http.post(url).bearer_auth(&self.operator);
        let answer = request.json(&json!({"reason": "r"})).send().await.unwrap();
        let status = answer.status();
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{verb} {id}: {answer}");
        text(&answer["decided"][0], "result").to_owned()
    }

    /// Retries and drops a sample: an event, a mail command, and a message that was published to
    /// `failed` directly.
    async fn decide_on_a_sample(&mut self) {
        for exchange in 0..3 {
            let of_it: Vec<_> = self.bodies.keys().filter(|n| *n % 3 == exchange).collect();
            let [retried, dropped] = [0, 1].map(|_| *of_it[self.dice.below(of_it.len())]);
            let id = format!("fuzz-{retried}");
            let result = self.decide(&id, "retry").await;
            // no consumer recorded the origin of messages published to `failed` directly
            let expected = if exchange == 2 { "stays" } else { "sent again" };
            assert_eq!(result, expected, "{id}");
            self.is_in_failed().await;
            let id = format!("fuzz-{dropped}");
            assert_eq!(self.decide(&id, "drop").await, "dropped", "{id}");
            let body = self.bodies[&dropped].clone();
            self.remove(&body);
            self.is_in_failed().await;
        }
    }

    async fn send_large(&mut self, count: usize) {
        for n in 0..count {
            let mut body = vec![b'x'; 15 << 20];
            body[n] = b'y';
            let properties = BasicProperties::default().with_delivery_mode(2);
            testkit::publish(&self.channel, EVENTS, COMPLETED, properties, &body).await;
            add(&mut self.sent, &body);
            self.total += 1;
        }
    }

    fn remove(&mut self, body: &[u8]) {
        let hash: [u8; 32] = Sha256::digest(body).into();
        let left = self
            .sent
            .get_mut(&hash)
            .expect("the body is one of those sent");
        *left -= 1;
        self.total -= 1;
    }

    /// Takes everything out of `failed`, and compares each body with those sent.
    async fn assert_each_is_whole(mut self) {
        for role in ["worker", "api"] {
            self.system.stop(role);
        }
        let mut found = Bodies::new();
        for _ in 0..self.total {
            let options = BasicGetOptions { no_ack: true };
            let got = eventually_some("a message of `failed`", || async {
                let got = self.channel.basic_get("failed".into(), options);
                got.await.unwrap()
            })
            .await;
            add(&mut found, &got.delivery.data);
        }
        self.sent.retain(|_, count| *count > 0);
        assert!(found == self.sent, "seed {}: a body changed", seed());
    }
}

/// The access token of the system's first account, which gets the role of an operator.
async fn operator(system: &System) -> String {
    let made = r#"update auth."user" set roles = '{operator}' returning user_id"#;
    let user: uuid::Uuid = sqlx::query_scalar(made)
        .fetch_one(&system.shop)
        .await
        .unwrap();
    let key = system.signing_key();
    let signer = tokens::Signer::from_pem(&key, kernel::Clock::System).unwrap();
    let roles = ["operator".to_owned()];
    signer.access_token(user.into(), &roles, Duration::from_hours(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_kills_a_process_and_each_is_in_failed() {
    let wide = std::env::var_os("TEST_WIDE").is_some();
    let (count, large) = if wide { (20_000, 16) } else { (2_000, 6) };
    eprintln!("TEST_SEED={}", seed());
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    buyer.pay(text(&first, "transaction_id")).await;
    buyer.awaits(text(&first, "id"), "completed").await;
    let token = buyer.token.clone();
    let before = ["api", "worker"].map(|role| system.peak_memory(role));

    let mut fuzzed = Fuzzed::send(system, count).await;
    // real orders complete meanwhile
    let buyer = fuzzed.system.returning(token);
    let (_, real) = buyer.order().await;
    buyer.pay(text(&real, "transaction_id")).await;
    buyer.awaits(text(&real, "id"), "completed").await;
    fuzzed.is_in_failed().await;
    fuzzed.decide_on_a_sample().await;
    fuzzed.send_large(large).await;
    fuzzed.is_in_failed().await;
    for order in ["oldest", "newest"] {
        let url = format!("{}/api/failed?order={order}", fuzzed.system.api_url);
        let listed = fuzzed.system.http.get(url).bearer_auth(&fuzzed.operator);
        let listed: serde_json::Value = listed.send().await.unwrap().json().await.unwrap();
        assert_eq!(listed["count"], 1_000, "{order}");
        assert_eq!(listed["more"], true, "{order}");
    }
    for (role, before) in ["api", "worker"].into_iter().zip(before) {
        let grown = (fuzzed.system.peak_memory(role) - before) >> 20;
        assert!(grown <= 64, "{role} has grown by {grown} MiB");
    }
    assert!(fuzzed.system.fallen().is_none(), "a process died");
    fuzzed.system.settle().await;
    fuzzed.system.assert_whole().await;
    fuzzed.assert_each_is_whole().await;
}
