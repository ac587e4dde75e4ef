//! Checkout with a payments service that offers level 1 of `docs/payments-contract.md` only.

use contracts::topology::TRANSACTION_COMPLETED;
use testkit::Mode;

use crate::shop::{Shop, hasty, quick};

#[tokio::test]
async fn the_transaction_has_the_id_that_payments_answers_with() {
    let shop = Shop::open(quick()).await;
    shop.payments.offers_level_1_only();
    let submitted = shop.submit().await;
    shop.work().await;
    let order = shop.find_order(submitted.id).await;
    let chosen = shop.payments.transaction(order.id).unwrap().transaction_id;
    assert_ne!(chosen, submitted.transaction_id);
    assert_eq!(order.transaction_id, chosen);
    shop.signal(order.saga_id, TRANSACTION_COMPLETED).await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    shop.assert_whole().await;
}

#[tokio::test]
async fn without_tombstones_an_unanswered_creation_is_repeated_and_canceled() {
    for init in [Mode::DoneButUnknown, Mode::Unknown] {
        let shop = Shop::open(hasty()).await;
        shop.payments.offers_level_1_only();
        shop.payments.init_will(init);
        let order = shop.submit().await;
        shop.work().await; // the retry budget is spent
        shop.work_again().await;
        assert_eq!(shop.state(order.saga_id).await, "compensating");
        assert_eq!(shop.reserved().await, 1, "held until it is known");
        shop.payments.init_will(Mode::Answer);
        shop.work_again().await;
        let canceled = shop.find_order(order.id).await;
        assert_eq!(canceled.status.as_str(), "canceled");
        let transaction = shop.payments.transaction(order.id).unwrap();
        assert_eq!(transaction.status.as_str(), "canceled");
        // the event of its cancellation names it
        assert_eq!(canceled.transaction_id, transaction.transaction_id);
        let key = format!("{}/init_payment", order.saga_id);
        assert_eq!(
            shop.payments.calls(),
            [key.clone(), key.clone(), key.clone(), key + "/undo"]
        );
        shop.assert_whole().await;
    }
}

/// The payer cancels before the shop has an answer.
#[tokio::test]
async fn a_creation_that_is_answered_canceled_leaves_its_id() {
    let shop = Shop::open(quick()).await;
    shop.payments.offers_level_1_only();
    shop.payments.init_will(Mode::DoneButUnknown);
    let order = shop.submit().await;
    shop.work().await;
    assert!(shop.payments.payer_cancels(order.id));
    shop.payments.init_will(Mode::Answer);
    shop.work_again().await; // it is refused
    shop.work_again().await;
    let canceled = shop.find_order(order.id).await;
    assert_eq!(canceled.status.as_str(), "canceled");
    let transaction = shop.payments.transaction(order.id).unwrap();
    assert_eq!(canceled.transaction_id, transaction.transaction_id);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_tombstone_of_another_id_is_stored_with_its_order() {
    let shop = Shop::open(hasty()).await;
    shop.payments.chooses_ids();
    shop.payments.init_will(Mode::Unknown);
    let submitted = shop.submit().await;
    shop.work().await; // the retry budget is spent
    shop.work_again().await;
    let canceled = shop.find_order(submitted.id).await;
    assert_eq!(canceled.status.as_str(), "canceled");
    let tombstone = shop.payments.transaction(canceled.id).unwrap();
    assert_ne!(tombstone.transaction_id, submitted.transaction_id);
    assert_eq!(canceled.transaction_id, tombstone.transaction_id);
    shop.assert_whole().await;
}

#[tokio::test]
async fn without_tombstones_a_refused_creation_is_undone() {
    let shop = Shop::open(quick()).await;
    shop.payments.offers_level_1_only();
    shop.payments.init_will(Mode::Refuse);
    let order = shop.submit().await;
    shop.work().await;
    shop.work_again().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    shop.assert_whole().await;
}

#[tokio::test]
async fn without_tombstones_a_payment_overtakes_the_undo() {
    let shop = Shop::open(quick()).await;
    shop.payments.offers_level_1_only();
    let order = shop.awaiting().await;
    assert!(shop.payments.pay(order.id));
    shop.signal(order.saga_id, saga::CANCEL).await;
    shop.work().await;
    let order = shop.find_order(order.id).await;
    assert_eq!(order.status.as_str(), "completed");
    let paid = shop.payments.transaction(order.id).unwrap();
    assert_eq!(order.transaction_id, paid.transaction_id);
    shop.assert_whole().await;
}
