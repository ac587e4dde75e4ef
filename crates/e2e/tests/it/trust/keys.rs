//! Payments' signing keys: used, rotated, and absent.

use testkit::{Buyer, System, SystemOptions};

use crate::text;

/// The number of events with this kind of signature that the worker has seen.
async fn counted(system: &System, signature: &str) -> u64 {
    let address = system.admin_address("worker").unwrap();
    let page = system
        .http
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    let label = format!("payment_events_total{{signature=\"{signature}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&label));
    line.map_or(0, |count| count.parse().unwrap())
}

async fn paid(buyer: &Buyer<'_>) {
    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_without_a_lost_event() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    paid(&buyer).await;
    assert_eq!(
        (
            counted(&system, "good").await,
            counted(&system, "none").await
        ),
        (1, 0)
    );
    let path = system.setting("EVENT_SIGNING_KEY_FILE").to_owned();
    let old = std::fs::read_to_string(&path).unwrap();
    let new = system.run("shopctl", &["keygen"]);
    for keys in [format!("{old}{new}"), format!("{new}{old}"), new] {
        std::fs::write(&path, keys).unwrap();
        system.stop("payments");
        system.spawn("payments").await;
        paid(&buyer).await;
    }
    system.settle().await;
    system.assert_whole().await;
}

/// As from a payments service of the previous release, or of another team.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_signed_are_asked_about() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    system
        .spawn_with("payments", &[("EVENT_SIGNING_KEY_FILE", "")])
        .await;
    let buyer = system.buyer().await;
    for _ in 0..3 {
        paid(&buyer).await;
    }
    assert_eq!(
        (
            counted(&system, "good").await,
            counted(&system, "none").await
        ),
        (0, 3)
    );
    system.settle().await;
    system.assert_whole().await;
}
