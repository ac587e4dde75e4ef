use testkit::Mode;

use crate::shop::{Shop, hasty, quick};

#[tokio::test]
async fn a_timeout_is_unknown_and_repeated_under_its_key() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::Hang);
    let order = shop.submit().await;
    shop.work().await;
    shop.payments.init_will(Mode::Answer);
    shop.work_again().await;
    assert_eq!(
        shop.journal(order.saga_id).await,
        ["begun", "unknown", "done"]
    );
    assert_eq!(
        shop.find_order(order.id).await.status.as_str(),
        "awaiting_payment"
    );
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_has_one_effect() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::DoneButUnknown);
    let order = shop.submit().await;
    shop.work().await;
    let before = shop.payments.transaction(order.id).unwrap();
    shop.payments.init_will(Mode::Answer);
    shop.work_again().await;
    assert_eq!(shop.payments.transaction(order.id).unwrap(), before);
    let key = format!("{}/init_payment", order.saga_id);
    assert_eq!(
        shop.payments.calls(),
        [key.clone(), key],
        "one key for all attempts"
    );
}

#[tokio::test]
async fn a_connect_error_is_transient() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::Unreachable);
    let order = shop.submit().await;
    shop.work().await;
    assert_eq!(shop.journal(order.saga_id).await, ["begun", "transient"]);
    assert_eq!(shop.work().await, 0, "it backs off");
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_panic_is_unknown() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::Panic);
    let order = shop.submit().await;
    shop.work().await;
    assert_eq!(shop.journal(order.saga_id).await, ["begun", "unknown"]);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_refusal_compensates_and_always_leaves_a_tombstone() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(Mode::Refuse);
    let order = shop.submit().await;
    shop.work().await;
    let canceling = shop.find_order(order.id).await;
    assert_eq!(
        (canceling.status.as_str(), canceling.canceling),
        ("pending", true)
    );
    shop.work().await;
    let canceled = shop.find_order(order.id).await;
    assert_eq!(
        (canceled.status.as_str(), canceled.canceling),
        ("canceled", false)
    );
    assert_eq!(
        shop.payments.transaction(order.id).unwrap().amount,
        None,
        "a tombstone"
    );
    assert_eq!(shop.reserved().await, 0);
    assert_eq!(
        shop.journal(order.saga_id).await,
        ["begun", "refused", "compensation_begun", "undone"]
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn budget_spent_compensates() {
    let shop = Shop::open(hasty()).await;
    shop.payments.init_will(Mode::Unreachable);
    let order = shop.submit().await;
    shop.work().await;
    assert_eq!(shop.state(order.saga_id).await, "compensating");
    assert_eq!(
        shop.reserved().await,
        1,
        "held until payments has the tombstone"
    );
}

#[tokio::test]
async fn compensation_never_gives_up() {
    let shop = Shop::open(hasty()).await;
    shop.payments.init_will(Mode::Refuse);
    shop.payments.cancel_will(Mode::Unreachable);
    let order = shop.submit().await;
    shop.work().await;
    for _ in 0..10 {
        shop.work_again().await;
        assert_eq!(shop.state(order.saga_id).await, "compensating");
        shop.assert_whole().await;
    }
    let capped: bool = sqlx::query_scalar(
        "select due_at < clock_timestamp() + interval '40 s' from messaging.outbox",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert!(capped, "the backoff is capped");
    shop.payments.cancel_will(Mode::Answer);
    shop.work_again().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
}

#[tokio::test]
async fn an_undo_with_a_lost_answer_repeats_under_its_key() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.signal(order.saga_id, saga::CANCEL).await;
    shop.payments.cancel_will(Mode::DoneButUnknown);
    shop.work().await;
    shop.payments.cancel_will(Mode::Answer);
    shop.work_again().await;
    let key = format!("{}/init_payment/undo", order.saga_id);
    assert_eq!(shop.payments.calls()[1..], [key.clone(), key]);
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    shop.assert_whole().await;
}

#[tokio::test]
async fn an_undo_overtaken_by_a_payment_turns_the_saga_forward() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    assert!(shop.payments.pay(order.id));
    shop.signal(order.saga_id, saga::CANCEL).await;
    shop.work().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    assert_eq!(shop.state(order.saga_id).await, "completed");
    shop.assert_whole().await;
}

#[tokio::test]
async fn an_undo_overtaken_before_init_was_recorded_passes_both_arrows() {
    let shop = Shop::open(hasty()).await;
    shop.payments.init_will(Mode::DoneButUnknown);
    let order = shop.submit().await;
    shop.work().await;
    assert!(shop.payments.pay(order.id));
    shop.work().await;
    let completed = shop.find_order(order.id).await;
    let history: Vec<_> = completed
        .history
        .iter()
        .map(|change| change.status.to_string())
        .collect();
    assert_eq!(
        history,
        ["pending", "canceling", "awaiting_payment", "completed"]
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_paid_answer_with_a_wrong_amount_moves_nothing() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    assert!(shop.payments.pay(order.id));
    shop.payments.falsify(order.id);
    shop.signal(order.saga_id, saga::CANCEL).await;
    shop.work().await;
    assert_eq!(shop.state(order.saga_id).await, "compensating");
    let error: String = sqlx::query_scalar("select last_error from messaging.outbox")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert!(error.starts_with("payment-mismatch"), "{error}");
    let journal = shop.journal(order.saga_id).await;
    assert_eq!(journal.last().map(String::as_str), Some("contradicted"));
    shop.assert_whole().await;
}
