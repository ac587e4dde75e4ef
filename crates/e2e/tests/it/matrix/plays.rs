//! The plays during which a process is killed. Each play does everything twice, so that a point has
//! a second hit; the api attempts one order, a worker the other.

use lapin::BasicProperties;
use nix::sys::signal::Signal;
use serde_json::json;
use testkit::{eventually, foreign_client};
use uuid::Uuid;

use super::{
    client::{Accepted, Client, register},
    rig::Rig,
};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Compensating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Play {
    /// Order and pay: completed, with a mail.
    Pay,
    /// Register: a mail.
    Register,
    /// Foreign messages: an undecodable one, and one that claims a payment before it happened.
    Foreign,
    /// Order, and the payer refuses at payments: canceled.
    Refuse,
    /// Order and cancel it at the shop: compensated.
    TakeBack,
    /// Order and cancel it before payments knows it: a tombstone.
    Entomb,
    /// Order and never pay: compensated at the deadline.
    Deadline,
}

impl Play {
    pub(super) const ALL: [Self; 7] = [
        Self::Pay,
        Self::Register,
        Self::Foreign,
        Self::Refuse,
        Self::TakeBack,
        Self::Entomb,
        Self::Deadline,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Register => "register",
            Self::Foreign => "foreign",
            Self::Refuse => "refuse",
            Self::TakeBack => "take back",
            Self::Entomb => "entomb",
            Self::Deadline => "deadline",
        }
    }

    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Pay | Self::Register | Self::Foreign => Direction::Forward,
            Self::Refuse | Self::TakeBack | Self::Entomb | Self::Deadline => {
                Direction::Compensating
            }
        }
    }

    /// The system on which it is played: plays of one system run one after the other.
    pub(super) fn rig(self) -> usize {
        match self {
            Self::Pay => 0,
            Self::Deadline => 2,
            _ => 1,
        }
    }

    /// Plays it; returns the accepted orders.
    pub(super) async fn perform(self, rig: &Rig, client: &Client<'_>) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        if self == Self::Register {
            for _ in 0..2 {
                let email = register(&rig.system).await;
                Client::log_in(&rig.system, &email).await;
            }
            return accepted;
        }
        for later in [false, true] {
            accepted.push(self.order(rig, client, later).await);
        }
        accepted
    }

    async fn order(self, rig: &Rig, client: &Client<'_>, later: bool) -> Accepted {
        let key = Uuid::new_v4().to_string();
        if self == Self::Entomb {
            rig.signal("worker", Signal::SIGSTOP).await;
        }
        let id = client.place(&key, later || self == Self::Entomb).await;
        match self {
            Self::Pay | Self::Foreign | Self::Refuse => {
                let order = client.awaits(&id, "awaiting_payment").await;
                let transaction = text(&order, "transaction_id");
                if self == Self::Foreign {
                    publish(rig, transaction).await;
                }
                let verb = if self == Self::Refuse {
                    "cancel"
                } else {
                    "complete"
                };
                client.decide(verb, transaction).await;
            }
            Self::TakeBack => {
                client.awaits(&id, "awaiting_payment").await;
                client.cancel(&id).await;
            }
            Self::Entomb => {
                client.cancel(&id).await;
                rig.signal("worker", Signal::SIGCONT).await;
            }
            Self::Deadline | Self::Register => {}
        }
        let ends = match self.direction() {
            Direction::Forward => "completed",
            Direction::Compensating => "canceled",
        };
        client.awaits(&id, ends).await;
        Accepted { key, id, ends }
    }
}

/// Publishes nonsense, which must end in `failed`, and a premature claim that a transaction is
/// paid: payments is asked, and the message goes to the retry queues.
async fn publish(rig: &Rig, transaction: &str) {
    let (connection, channel) = foreign_client(&rig.system.amqp_url).await;
    let nonsense = format!("nonsense {transaction}");
    let early = json!({
        "transaction_id": transaction, "completed_at": "2026-01-01T00:00:00Z", "routing_key": "transaction_completed",
    });
    rig.expect_failed(&nonsense);
    let before = rig.rungs();
    for body in [nonsense, early.to_string()] {
        testkit::publish(
            &channel,
            "payments_events",
            "transaction_completed",
            BasicProperties::default(),
            body.as_bytes(),
        )
        .await;
    }
    eventually("the early word to be on the ladder", || async {
        rig.rungs() > before
    })
    .await;
    connection.close(200, "done".into()).await.unwrap();
}
