use contracts::topology::{TRANSACTION_CANCELED, TRANSACTION_COMPLETED};
use saga::{Resolution, Verb};
use testkit::Mode;

use crate::shop::{Shop, hasty, quick};

/// Rewrites rows to the previous release's form: a row's facts are in its text alone.
const UNTYPED: &str = r"
    set session_replication_role = replica;
    update saga.journal
    set kind = case kind when 'signal_decided' then 'signal' when 'contradicted' then 'unknown' else kind end,
        signal = null, verdict = null, verb = null, cause = null, budget_spent = null;
    set session_replication_role = origin";

/// Sagas with every fact that the previous release recorded as text.
async fn lives() -> Shop {
    let shop = Shop::open(hasty()).await;
    let paid = shop.awaiting().await;
    shop.signal(paid.saga_id, TRANSACTION_COMPLETED).await;
    shop.signal(paid.saga_id, "gibberish").await;
    let refused = shop.awaiting().await;
    shop.signal(refused.saga_id, TRANSACTION_CANCELED).await;
    shop.work().await;
    let paused = shop.awaiting().await;
    shop.apply_operation(paused.saga_id, Verb::Pause)
        .await
        .unwrap();
    shop.signal(paused.saga_id, saga::CANCEL).await;
    shop.apply_operation(paused.saga_id, Verb::Resume)
        .await
        .unwrap();
    shop.work().await;
    let early = shop.submit().await;
    shop.signal(early.saga_id, TRANSACTION_COMPLETED).await;
    shop.work().await;
    shop.payments.init_will(Mode::Unreachable);
    let slow = shop.submit().await;
    shop.work().await;
    shop.work_again().await;
    assert_eq!(shop.state(slow.saga_id).await, "compensated");
    shop.payments.init_will(Mode::Answer);
    let resolved = shop.submit().await;
    let done = Verb::Resolve {
        step: "init_payment".to_owned(),
        to: Resolution::Done,
        evidence: "payments shows the transaction".to_owned(),
    };
    shop.apply_operation(resolved.saga_id, done).await.unwrap();
    let held = shop.awaiting().await;
    shop.apply_operation(held.saga_id, Verb::Pause)
        .await
        .unwrap();
    shop.signal(held.saga_id, TRANSACTION_COMPLETED).await;
    shop
}

#[tokio::test]
async fn a_journal_of_the_release_before_replays() {
    let shop = lives().await;
    shop.assert_whole().await;
    sqlx::raw_sql(UNTYPED).execute(&shop.pool).await.unwrap();
    assert_eq!(
        shop.count("saga.journal where signal is not null or cause is not null")
            .await,
        0
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn the_facts_of_a_row_are_columns() {
    let shop = lives().await;
    for kind in [
        "signal' and verdict = 'applied",
        "signal' and verdict = 'late",
        "signal' and verdict is null and signal = 'cancel",
        "signal_decided' and verdict = 'applied",
        "operator' and verb = 'pause",
        "operator' and verb = 'resolve",
        "transient' and budget_spent and step = 'init_payment",
        "compensation_begun' and cause = 'budget_spent",
        "compensation_begun' and cause = 'aborted",
        "compensation_begun' and cause = 'canceled",
    ] {
        let rows = format!("saga.journal where kind = '{kind}'");
        assert!(shop.count(&rows).await > 0, "{rows}");
    }
}

#[tokio::test]
async fn the_journal_is_append_only() {
    let shop = Shop::open(quick()).await;
    shop.awaiting().await;
    for change in [
        "update saga.journal set at = now()",
        "delete from saga.journal where kind = 'begun'",
        "truncate saga.journal",
    ] {
        let refused = sqlx::raw_sql(change).execute(&shop.pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(shop.count("saga.journal where kind = 'begun'").await, 1);
}
