//! The cause of a cancellation, as the order keeps it.

use commerce::order::CancelCause;
use contracts::topology::TRANSACTION_CANCELED;
use kernel::OrderId;
use saga::Verb;
use testkit::Mode;

use crate::shop::{Shop, hasty, quick};

/// Asserts that the order's cancellation has this cause, once it is canceled, too.
async fn assert_cause(shop: &Shop, id: OrderId, cause: CancelCause) {
    let begun = shop.find_order(id).await;
    assert!(begun.canceling, "{begun:?}");
    shop.work().await;
    let canceled = shop.find_order(id).await;
    assert_eq!(canceled.status.as_str(), "canceled");
    for order in [begun, canceled] {
        let last = order.history.last().unwrap();
        assert_eq!(last.cancel_cause, Some(cause.into()), "{last:?}");
    }
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_cancellation_by_the_customer_is_requested() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.signal(order.saga_id, saga::CANCEL).await;
    assert_cause(&shop, order.id, CancelCause::Requested).await;
}

#[tokio::test]
async fn a_cancellation_by_an_operator_names_the_operator() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.apply_operation(order.saga_id, Verb::Cancel)
        .await
        .unwrap();
    assert_cause(&shop, order.id, CancelCause::Operator).await;
}

#[tokio::test]
async fn a_transaction_canceled_at_payments_is_the_cause() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.signal(order.saga_id, TRANSACTION_CANCELED).await;
    assert_cause(&shop, order.id, CancelCause::PaymentCanceled).await;
}

#[tokio::test]
async fn a_passed_payment_deadline_is_the_cause() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    sqlx::query("update saga.saga set deadline = clock_timestamp()")
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.work_again().await;
    assert_cause(&shop, order.id, CancelCause::DeadlinePassed).await;
}

#[tokio::test]
async fn a_refusal_by_payments_is_the_cause() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::Refuse);
    let order = shop.submit().await;
    shop.work().await;
    assert_cause(&shop, order.id, CancelCause::Refused).await;
}

#[tokio::test]
async fn a_spent_retry_budget_is_the_cause() {
    let shop = Shop::open(hasty()).await;
    shop.payments.init_will(Mode::Unreachable);
    let order = shop.submit().await;
    shop.work().await;
    assert_cause(&shop, order.id, CancelCause::BudgetSpent).await;
}
