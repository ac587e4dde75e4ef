//! The messages and tokens of an attacker who reaches the broker and the services: forged events,
//! garbage, poison, forged tokens.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use kernel::{Clock, UserId};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use tokens::{DetachedSigner, Signer};
use uuid::Uuid;

use crate::System;

/// Longest wait for the broker.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
const COMPLETED: &str = "transaction_completed";
const CANCELED: &str = "transaction_canceled";

/// An order of which the attacker knows everything.
#[derive(Debug, Clone)]
pub struct Target {
    /// The order.
    pub order: Uuid,
    /// Its transaction.
    pub transaction: Uuid,
    /// Its total, minor units.
    pub amount: i64,
    /// The total's currency.
    pub currency: String,
}

/// A connection to the broker with another client's rights, and a signing key that no service
/// trusts.
pub struct Attack {
    _connection: Connection,
    channel: Channel,
    signer: DetachedSigner,
}

/// Numbers the messages of all attacks of this process.
static SENT: AtomicU64 = AtomicU64::new(0);

/// Prefix of the message ids of all attacks.
pub const ATTACK: &str = "attack-";

impl Attack {
    /// Connects; `None` while the broker is unavailable.
    ///
    /// # Panics
    /// When no key can be generated.
    pub async fn connect(amqp_url: &str) -> Option<Self> {
        let connect = async {
            let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            lapin::Result::Ok((connection, channel))
        };
        let connected = tokio::time::timeout(BROKER_TIMEOUT, connect).await;
        let (connection, channel) = connected.ok()?.ok()?;
        let signer = DetachedSigner::from_pem(&tokens::generate_key_pem());
        Some(Self {
            _connection: connection,
            channel,
            signer: signer.expect("a key just made can sign"),
        })
    }

    /// Publishes a message; returns its id once the broker has confirmed it, `None` without a
    /// confirmation.
    pub async fn publish(
        &self,
        exchange: &str,
        key: &str,
        headers: FieldTable,
        body: &[u8],
    ) -> Option<String> {
        let id = format!("{ATTACK}{}", SENT.fetch_add(1, SeqCst));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(id.as_str().into())
            .with_headers(headers);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let sent = async {
            let sent =
                self.channel
                    .basic_publish(exchange.into(), key.into(), options, body, properties);
            sent.await?.await
        };
        let confirmed = tokio::time::timeout(BROKER_TIMEOUT, sent)
            .await
            .ok()?
            .ok()?;
        matches!(confirmed, Confirmation::Ack(None)).then_some(id)
    }

    /// Claims that an order was paid, and that it was canceled, in every form except payments' own.
    /// Returns false if the broker became unavailable.
    pub async fn forge(&self, target: &Target) -> bool {
        let Target {
            order,
            transaction,
            amount,
            currency,
        } = target;
        let event = |moment: &str, key: &str| {
            json!({
                "transaction_id": transaction, moment: "2026-11-28T20:00:00Z", "routing_key": key, "order_id": order,
                "amount": {"amount": amount, "currency": currency},
            })
        };
        let paid = event("completed_at", COMPLETED);
        let canceled = event("canceled_at", CANCELED);
        let minimal = json!({
            "transaction_id": transaction, "completed_at": "2026-11-28T20:00:00Z", "routing_key": COMPLETED,
        });
        let strange = self.signer.sign(paid.to_string().as_bytes());
        let replayed = self.signer.sign(minimal.to_string().as_bytes());
        let steered = [
            ("x-original-queue", "payments_events_queue"),
            ("x-original-exchange", "payments_events"),
            ("x-original-routing-key", COMPLETED),
            ("x-reason", "the shop's database could not be used"),
        ];
        let events = "payments_events";
        let queue = "payments_events_queue";
        for (exchange, key, headers, body) in [
            (events, COMPLETED, headers(&[]), &paid),
            (events, COMPLETED, headers(&[]), &minimal),
            (events, CANCELED, headers(&[]), &canceled),
            (events, CANCELED, headers(&[]), &paid),
            (
                events,
                COMPLETED,
                headers(&[("x-signature", &strange)]),
                &paid,
            ),
            (
                events,
                COMPLETED,
                headers(&[("x-signature", &replayed)]),
                &paid,
            ),
            ("", queue, headers(&steered), &paid),
            ("redrive", queue, headers(&steered), &paid),
            ("failed", "", headers(&steered), &paid),
        ] {
            let sent = self
                .publish(exchange, key, headers, body.to_string().as_bytes())
                .await;
            if sent.is_none() {
                return false;
            }
        }
        true
    }

    /// Sends `count` garbage messages; returns the ids of those that the broker has confirmed.
    pub async fn flood(&self, count: usize) -> Vec<String> {
        let sends = (0..count).map(|number| async move {
            let (exchange, key) = match number % 3 {
                0 | 1 => ("payments_events", COMPLETED),
                _ => ("messages", "send_welcome_email"),
            };
            let body = format!("{{\"garbage\": {number}}}");
            self.publish(exchange, key, FieldTable::default(), body.as_bytes())
                .await
        });
        let sent = futures::future::join_all(sends).await;
        sent.into_iter().flatten().collect()
    }

    /// Sends headers and bodies that once broke a consumer; returns the ids of those that the
    /// broker has confirmed.
    pub async fn poison(&self) -> Vec<String> {
        let long = "a".repeat(300);
        let wide = "p".repeat(130_900);
        let mut odd = headers(&[("x-original-queue", &long)]);
        odd.insert("x-attempt".into(), AMQPValue::LongInt(i32::MIN));
        odd.insert("x-signature".into(), AMQPValue::Timestamp(u64::MAX));
        odd.insert("traceparent".into(), AMQPValue::Void);
        let large = vec![b'x'; 1 << 20];
        let deep = "[".repeat(50_000);
        let mut ids = Vec::new();
        for (headers, body) in [
            (headers(&[("x-original-routing-key", &long)]), &b"{}"[..]),
            (headers(&[("pad", &wide)]), b"{}"),
            (odd, b"{}"),
            (FieldTable::default(), &large),
            (FieldTable::default(), deep.as_bytes()),
            (FieldTable::default(), b""),
        ] {
            ids.extend(
                self.publish("payments_events", COMPLETED, headers, body)
                    .await,
            );
        }
        ids
    }
}

fn headers(named: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in named {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    table
}

impl System {
    /// Tokens that neither service may accept: expired, not valid yet, signed with another key,
    /// unsigned, or with a replaced payload.
    ///
    /// # Panics
    /// When the signing key cannot be read.
    pub fn forged_tokens(&self) -> Vec<(&'static str, String)> {
        let hour = Duration::from_hours(1);
        let roles = ["admin".to_owned(), "operator".to_owned()];
        let signer = |pem: &str, clock| Signer::from_pem(pem, clock).expect("it is a key");
        let earlier = Clock::Shifted(chrono::TimeDelta::hours(-2));
        let later = Clock::Shifted(chrono::TimeDelta::hours(2));
        let ours = self.signing_key();
        let foreign = tokens::generate_key_pem();
        let user = UserId::new();
        let good = signer(&ours, Clock::System).access_token(user, &roles, hour);
        let (signed, signature) = good.rsplit_once('.').expect("a token has three parts");
        let (header, _) = signed.split_once('.').expect("a token has three parts");
        let other = signer(&foreign, Clock::System).access_token(user, &roles, hour);
        let payload = other.split('.').nth(1).expect("a token has three parts");
        vec![
            (
                "expired",
                signer(&ours, earlier).access_token(user, &roles, hour),
            ),
            (
                "not valid yet",
                signer(&ours, later).access_token(user, &roles, hour),
            ),
            ("of another key", other.clone()),
            ("without a signature", format!("{signed}.")),
            (
                "of another payload",
                format!("{header}.{payload}.{signature}"),
            ),
            (
                "an expired service's",
                signer(&ours, earlier).service_token("transactions", None),
            ),
            (
                "a foreign service's",
                signer(&foreign, Clock::System).service_token("transactions", None),
            ),
        ]
    }

    /// A valid token of this user.
    ///
    /// # Panics
    /// When the signing key cannot be read.
    pub fn access_token(&self, user: UserId) -> String {
        let signer = Signer::from_pem(&self.signing_key(), Clock::System).expect("it is a key");
        signer.access_token(user, &[], Duration::from_mins(10))
    }

    /// A random order that awaits its payment; `None` if no such order exists or the database is
    /// unavailable.
    pub async fn target(&self) -> Option<Target> {
        let found: (Uuid, Uuid, i64, String) = sqlx::query_as(
            r#"select order_id, transaction_id, total_amount, currency from commerce."order"
               where status = 'awaiting_payment' order by random() limit 1"#,
        )
        .fetch_optional(&self.shop)
        .await
        .ok()??;
        let (order, transaction, amount, currency) = found;
        Some(Target {
            order,
            transaction,
            amount,
            currency,
        })
    }

    /// The ids of the messages in `failed`; `None` while they cannot be read.
    pub fn failed_ids(&self) -> Option<Vec<String>> {
        let mut command = self.command("shopctl");
        command.args(["failed", "list", "-o", "json"]);
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let id = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["id"].as_str().map(str::to_owned)
        };
        text.lines().map(id).collect()
    }
}
