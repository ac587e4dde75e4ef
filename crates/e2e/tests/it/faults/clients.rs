//! Clients that get no answer, or get it too late.

use serde_json::Value;
use testkit::{Fault, Proxy, eventually_some};

use super::{completes, count, whole, with};
use crate::text;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_lost_answer_gets_one_order_f01() {
    let mut system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let token = buyer.token.clone();
    let mug = system.product("enamel-mug").await;
    let proxy = Proxy::new(system.api_url.trim_start_matches("http://")).await;
    system.api_url = format!("http://{}", proxy.address);
    let buyer = system.returning(token);
    proxy.will(Fault::CutAnswers);
    assert!(buyer.try_order(&mug, 1, "lost").await.is_err());
    proxy.will(Fault::None);
    let order: Value = eventually_some("the order", || async {
        let answer = buyer.try_order(&mug, 1, "lost").await.ok()?;
        let known = answer.headers().contains_key("idempotent-replayed");
        if known {
            answer.json().await.ok()
        } else {
            None
        }
    })
    .await;
    completes(&buyer, &order).await;
    assert_eq!(
        count(&system.shop, r#"select count(*) from commerce."order""#).await,
        1
    );
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_with_a_lost_answer_pays_once_f32() {
    let mut system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let token = buyer.token.clone();
    let (_, order) = buyer.order().await;
    let id = text(&order, "transaction_id");
    let proxy = Proxy::new(system.payments_url.trim_start_matches("http://")).await;
    system.payments_url = format!("http://{}", proxy.address);
    let buyer = system.returning(token);
    proxy.will(Fault::CutAnswers);
    assert!(buyer.decide("complete", id).await.is_err());
    proxy.will(Fault::None);
    let two_tabs = futures::future::join_all((0..2).map(|_| buyer.decide("complete", id)));
    for answer in two_tabs.await {
        assert_eq!(answer.unwrap().status(), reqwest::StatusCode::OK);
    }
    assert_eq!(
        buyer.decide("cancel", id).await.unwrap().status(),
        reqwest::StatusCode::CONFLICT
    );
    buyer.awaits(text(&order, "id"), "completed").await;
    whole(&system).await;
    assert_eq!(
        count(&system.shop, "select count(*) from saga.signal").await,
        1
    );
}
