//! The plays during which a process is killed. Each play does everything twice, so that a point has
//! a second hit; the api attempts one order, a worker the other.

use lapin::BasicProperties;
use nix::sys::signal::Signal;
use serde_json::json;
use testkit::foreign_client;
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
    /// Order and pay while payments loses the answers to the creation: completed by an event that
    /// overtook the answer. Beside it, an undecodable message. Only a service of level 1 can lose
    /// them at will.
    Overtake,
}

impl Play {
    pub(super) const OURS: [Self; 7] = [
        Self::Pay,
        Self::Register,
        Self::Foreign,
        Self::Refuse,
        Self::TakeBack,
        Self::Entomb,
        Self::Deadline,
    ];

    pub(super) const LEVEL_1: [Self; 6] = [
        Self::Pay,
        Self::Overtake,
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
            Self::Overtake => "overtake",
        }
    }

    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Pay | Self::Register | Self::Foreign | Self::Overtake => Direction::Forward,
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
        if self == Self::Overtake {
            rig.lose_answers(true);
        }
        let id = client.place(&key, later || self == Self::Entomb).await;
        match self {
            Self::Pay | Self::Foreign | Self::Refuse => {
                let order = client.awaits(&id, "awaiting_payment").await;
                let transaction = text(&order, "transaction_id");
                if self == Self::Foreign {
                    // premature: payments is asked, and the message goes to the retry queues
                    let early = json!({
                        "transaction_id": transaction, "completed_at": "2026-01-01T00:00:00Z",
                        "routing_key": "transaction_completed",
                    });
                    let before = rig.rungs();
                    publish(rig, &[nonsense(rig, transaction), early.to_string()]).await;
                    rig.climbs(before).await;
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
            Self::Overtake => {
                let transaction = rig.transaction(&id).await;
                publish(rig, &[nonsense(rig, &transaction)]).await;
                let before = rig.rungs();
                client.decide("complete", &transaction).await;
                rig.climbs(before).await;
                rig.lose_answers(false);
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

/// A message that must end in `failed`.
fn nonsense(rig: &Rig, transaction: &str) -> String {
    let nonsense = format!("nonsense {transaction}");
    rig.expect_failed(&nonsense);
    nonsense
}

/// Publishes these bodies as payments' events.
async fn publish(rig: &Rig, bodies: &[String]) {
    let (connection, channel) = foreign_client(&rig.system.amqp_url).await;
    for body in bodies {
        testkit::publish(
            &channel,
            "payments_events",
            "transaction_completed",
            BasicProperties::default(),
            body.as_bytes(),
        )
        .await;
    }
    connection.close(200, "done".into()).await.unwrap();
}
