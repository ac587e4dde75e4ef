use contracts::topology::{TRANSACTION_CANCELED, TRANSACTION_COMPLETED};
use saga::{EngineError, Verb, Verdict};
use testkit::Mode;

use crate::shop::{Shop, quick};

#[tokio::test]
async fn paid_completes_the_order_in_one_commit() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    let verdict = shop.signal(order.saga_id, TRANSACTION_COMPLETED).await;
    assert_eq!(verdict, Some(Verdict::Applied));
    let completed = shop.find_order(order.id).await;
    assert_eq!(completed.status.as_str(), "completed");
    assert_eq!(
        shop.count("messaging.outbox where kind in ('step', 'timer')")
            .await,
        0
    );
    assert_eq!(
        shop.count("messaging.outbox where message_type = 'send_order_confirmation'")
            .await,
        1
    );
    assert_eq!(shop.reserved().await, 0);
    shop.assert_whole().await;
}

#[tokio::test]
async fn signals_are_kept_always_with_a_verdict() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    for (signal, verdict) in [
        (TRANSACTION_COMPLETED, Verdict::Applied),
        (TRANSACTION_COMPLETED, Verdict::Duplicate),
        (saga::CANCEL, Verdict::Late),
        ("gibberish", Verdict::Late),
    ] {
        assert_eq!(
            shop.signal(order.saga_id, signal).await,
            Some(verdict),
            "{signal}"
        );
    }
    let kept: Vec<_> = shop
        .verdicts(order.saga_id)
        .await
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(kept, ["applied", "duplicate", "late", "late"]);
    shop.assert_whole().await;
}

#[tokio::test]
async fn an_early_signal_passes_both_arrows_with_its_outcome() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    let claim = shop.claim().await.pop().unwrap();
    // payments has created the transaction, its answer is under way, and the user has already paid
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        Some(Verdict::Early)
    );
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "pending");
    shop.runner.attempt(&claim).await;
    let completed = shop.find_order(order.id).await;
    let history: Vec<_> = completed
        .history
        .iter()
        .map(|change| change.status.to_string())
        .collect();
    assert_eq!(history, ["pending", "awaiting_payment", "completed"]);
    assert_eq!(
        shop.verdicts(order.saga_id).await,
        [Some("applied".to_owned())]
    );
    assert_eq!(
        shop.count("saga.journal where kind in ('done', 'signal', 'signal_decided')")
            .await,
        3
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_kept_payment_proves_an_init_whose_answer_never_came() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    shop.signal(order.saga_id, TRANSACTION_COMPLETED).await;
    shop.payments.init_will(Mode::Unknown);
    shop.work().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    shop.assert_whole().await;
}

#[tokio::test]
async fn canceled_by_payments_compensates() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.signal(order.saga_id, TRANSACTION_CANCELED).await;
    assert!(shop.find_order(order.id).await.canceling);
    shop.work().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_CANCELED).await,
        Some(Verdict::Duplicate)
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_cancel_before_the_pivot_fences_the_attempt() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    let claim = shop.claim().await.pop().unwrap();
    assert_eq!(
        shop.signal(order.saga_id, saga::CANCEL).await,
        Some(Verdict::Applied)
    );
    let before = shop.journal(order.saga_id).await;
    shop.runner.attempt(&claim).await; // the lease holder does not know of the cancellation
    assert_eq!(shop.journal(order.saga_id).await, before, "fenced out");
    shop.work().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    shop.assert_whole().await;
}

#[tokio::test]
async fn paid_turns_forward_before_the_undo_and_breaches_after() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.signal(order.saga_id, saga::CANCEL).await;
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        Some(Verdict::Applied)
    );
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    shop.assert_whole().await;

    let order = shop.awaiting().await;
    shop.signal(order.saga_id, saga::CANCEL).await;
    shop.work().await;
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        Some(Verdict::Late)
    );
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    assert!(
        shop.journal(order.saga_id)
            .await
            .contains(&"breach".to_owned()),
        "kept and alerted"
    );
}

#[tokio::test]
async fn the_deadline_is_a_durable_timer_and_asks_payments_first() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.work_again().await;
    assert_eq!(
        shop.state(order.saga_id).await,
        "waiting",
        "a timer that is early changes nothing"
    );
    sqlx::query("update saga.saga set deadline = clock_timestamp()")
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.work_again().await;
    assert_eq!(shop.state(order.saga_id).await, "compensating");
    assert_eq!(
        shop.find_order(order.id).await.status.as_str(),
        "awaiting_payment",
        "payments decides"
    );
    shop.work().await;
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "canceled");
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_paused_saga_keeps_signals_and_resume_applies_them_first() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    shop.apply_operation(order.saga_id, Verb::Pause)
        .await
        .unwrap();
    assert_eq!(
        shop.count("messaging.outbox where kind in ('step', 'timer')")
            .await,
        0
    );
    shop.assert_whole().await;
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        None,
        "kept"
    );
    assert_eq!(
        shop.find_order(order.id).await.status.as_str(),
        "awaiting_payment"
    );
    let refused = shop
        .apply_operation(order.saga_id, Verb::Retry)
        .await
        .unwrap_err();
    assert!(matches!(refused, EngineError::Conflict { .. }), "{refused}");
    shop.apply_operation(order.saga_id, Verb::Resume)
        .await
        .unwrap();
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    assert_eq!(
        shop.verdicts(order.saga_id).await,
        [Some("applied".to_owned())]
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn resume_writes_the_entry_that_the_state_asks_for() {
    let shop = Shop::open(quick()).await;
    for order in [shop.submit().await, shop.awaiting().await] {
        shop.apply_operation(order.saga_id, Verb::Pause)
            .await
            .unwrap();
        shop.apply_operation(order.saga_id, Verb::Resume)
            .await
            .unwrap();
        shop.assert_whole().await;
    }
    assert_eq!(
        shop.count("messaging.outbox where kind = 'timer' and step = 'await_payment'")
            .await,
        2
    );
}

/// Makes all sagas ones of this version of their plan.
async fn set_version(shop: &Shop, version: i32) {
    for table in ["saga.saga", "messaging.outbox"] {
        let sql = format!("update {table} set plan_version = {version}");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&shop.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_saga_of_an_unknown_plan_can_only_be_paused() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    set_version(&shop, 99).await;
    let orphaned = async || shop.engine.orphaned().await.unwrap().len();
    assert_eq!(orphaned().await, 1);
    let refused = shop
        .apply_operation(order.saga_id, Verb::Retry)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::Unreadable { .. }),
        "{refused}"
    );

    shop.apply_operation(order.saga_id, Verb::Pause)
        .await
        .unwrap();
    assert_eq!(orphaned().await, 0, "a parked saga keeps no worker away");
    let again = shop
        .apply_operation(order.saga_id, Verb::Pause)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("is paused already"), "{again}");
    let resumed = shop
        .apply_operation(order.saga_id, Verb::Resume)
        .await
        .unwrap_err();
    assert!(
        matches!(resumed, EngineError::Unreadable { .. }),
        "{resumed}"
    );
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        None
    );
    assert_eq!(shop.work().await, 0, "it has no entry");

    set_version(&shop, 1).await; // as a binary that knows the plan sees it
    assert_eq!(orphaned().await, 0);
    shop.apply_operation(order.saga_id, Verb::Resume)
        .await
        .unwrap();
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_signal_for_an_unknown_plan_makes_the_entry_due() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    set_version(&shop, 99).await;
    assert_eq!(
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await,
        None
    );
    assert_eq!(
        shop.work().await,
        0,
        "this binary claims only what it knows"
    );
    set_version(&shop, 1).await; // as a binary that knows the plan sees it
    assert_eq!(
        shop.work().await,
        1,
        "due at once, long before the deadline"
    );
    assert_eq!(shop.find_order(order.id).await.status.as_str(), "completed");
    shop.assert_whole().await;
}
