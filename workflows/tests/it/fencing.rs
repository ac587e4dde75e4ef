use contracts::topology::TRANSACTION_COMPLETED;
use futures::future::join_all;
use kernel::SignalId;
use saga::{NewSignal, Verb};

use crate::shop::{Shop, quick};

#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_write() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    let slow = shop.claim().await.pop().unwrap();
    shop.hasten().await; // the lease ends
    shop.work().await; // another worker takes over and finishes
    let before = shop.journal(order.saga_id).await;
    shop.runner.attempt(&slow).await;
    assert_eq!(shop.journal(order.saga_id).await, before);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_claim_filters_on_plan_version_and_hash() {
    let shop = Shop::open(quick()).await;
    shop.submit().await;
    sqlx::query("update messaging.outbox set plan_hash = 'another'")
        .execute(&shop.pool)
        .await
        .unwrap();
    assert_eq!(shop.work().await, 0);
}

#[tokio::test]
async fn an_operators_retry_fences_the_holder_and_renews_the_budget() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    let held = shop.claim().await.pop().unwrap();
    shop.apply_operation(order.saga_id, Verb::Retry)
        .await
        .unwrap();
    let before = shop.journal(order.saga_id).await;
    shop.runner.attempt(&held).await;
    assert_eq!(
        shop.journal(order.saga_id).await,
        before,
        "the holder is fenced out"
    );
    let fresh = shop.claim().await.pop().unwrap();
    assert!(fresh.epoch > held.epoch && fresh.attempt == 1 && fresh.since > held.since);
    shop.runner.attempt(&fresh).await;
    assert_eq!(
        shop.find_order(order.id).await.status.as_str(),
        "awaiting_payment"
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_stale_lease_cannot_write_to_a_resumed_saga() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    let slow = shop.claim().await.pop().unwrap();
    shop.apply_operation(order.saga_id, Verb::Pause)
        .await
        .unwrap();
    let paused = shop.journal(order.saga_id).await;
    shop.runner.attempt(&slow).await;
    assert_eq!(shop.journal(order.saga_id).await, paused, "it is paused");

    // the new entry's epochs start again, but its id differs
    shop.apply_operation(order.saga_id, Verb::Resume)
        .await
        .unwrap();
    let fresh = shop.claim().await.pop().unwrap();
    assert_eq!(fresh.epoch, slow.epoch);
    let resumed = shop.journal(order.saga_id).await;
    shop.runner.attempt(&slow).await;
    assert_eq!(
        shop.journal(order.saga_id).await,
        resumed,
        "another holds it"
    );

    shop.runner.attempt(&fresh).await;
    assert_eq!(
        shop.find_order(order.id).await.status.as_str(),
        "awaiting_payment"
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn two_workers_racing_for_every_saga_move_each_once() {
    let shop = Shop::open(quick()).await;
    for _ in 0..20 {
        shop.submit().await;
    }
    let (left, right) = tokio::join!(shop.work(), shop.work());
    let rest = shop.work().await;
    assert_eq!(left + right + rest, 20);
    assert_eq!(shop.payments.calls().len(), 20);
    assert_eq!(shop.count("saga.journal where kind = 'done'").await, 20);
    shop.assert_whole().await;
}

#[tokio::test]
async fn signals_at_the_same_moment_are_applied_once() {
    let shop = Shop::open(quick()).await;
    let order = shop.awaiting().await;
    let signals = (0..8).map(|_| shop.signal(order.saga_id, TRANSACTION_COMPLETED));
    futures::future::join_all(signals).await;
    let verdicts: Vec<_> = shop
        .verdicts(order.saga_id)
        .await
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(
        verdicts
            .iter()
            .filter(|verdict| *verdict == "applied")
            .count(),
        1
    );
    assert_eq!(
        verdicts
            .iter()
            .filter(|verdict| *verdict == "duplicate")
            .count(),
        7
    );
    shop.assert_whole().await;
}

#[tokio::test]
async fn batches_in_opposite_order_do_not_wait_for_each_other() {
    let shop = Shop::open(quick()).await;
    let mut sagas = Vec::new();
    for _ in 0..12 {
        sagas.push(shop.awaiting().await.saga_id);
    }
    let backward: Vec<_> = sagas.iter().rev().copied().collect();
    let batch = async |sagas: &[kernel::SagaId], name: &str| {
        let signals = sagas.iter().map(|saga_id| NewSignal {
            id: SignalId::new(),
            saga_id: *saga_id,
            name: name.to_owned(),
            payload: serde_json::Value::Null,
            source: "test".to_owned(),
        });
        let mut tx = shop.pool.begin().await.unwrap();
        let signaled = shop
            .engine
            .signal(&mut tx, signals.collect())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        signaled.after.emit();
    };
    tokio::join!(
        batch(&sagas, TRANSACTION_COMPLETED),
        batch(&backward, TRANSACTION_COMPLETED),
        batch(&sagas, "cancel"),
        batch(&backward, TRANSACTION_COMPLETED),
    );
    for saga in sagas {
        let applied = shop.verdicts(saga).await;
        let applied = applied
            .iter()
            .flatten()
            .filter(|verdict| *verdict == "applied");
        assert!(applied.count() >= 1);
    }
    shop.assert_whole().await;
}

/// Sixteen outcomes at once, of which the claim of one has ended meanwhile: the others are stored
/// together, and that one is not stored. On one thread: all of them end before the first batch
/// begins.
#[tokio::test]
async fn concurrent_outcomes_share_commits_and_fenced_ones_drop_out() {
    let shop = Shop::open(quick()).await;
    let fenced = shop.submit().await;
    let stale = shop.claim().await.pop().unwrap();
    shop.apply_operation(fenced.saga_id, Verb::Retry)
        .await
        .unwrap();
    let before = shop.journal(fenced.saga_id).await;
    let mut orders = Vec::new();
    for _ in 0..15 {
        orders.push(shop.submit().await);
    }
    let mut claims = Vec::new();
    loop {
        let some = shop.claim().await;
        if some.is_empty() {
            break;
        }
        claims.extend(some);
    }
    claims.retain(|claim| claim.saga_id != fenced.saga_id);
    assert_eq!(claims.len(), 15);
    claims.insert(7, stale);
    join_all(claims.iter().map(|claim| shop.runner.attempt(claim))).await;
    assert_eq!(shop.journal(fenced.saga_id).await, before);
    assert_eq!(shop.count("saga.saga where state = 'waiting'").await, 15);
    let commits = shop
        .count("(select distinct xmin::text from saga.saga where state = 'waiting') as commits")
        .await;
    assert!(commits < 15, "each outcome had a commit of its own");
    shop.assert_whole().await;
}

/// A saga that another session has locked waits alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_saga_delays_no_outcome_of_others() {
    let shop = Shop::open(quick()).await;
    let locked = shop.submit().await;
    let mut orders = Vec::new();
    for _ in 0..7 {
        orders.push(shop.submit().await);
    }
    let claims = shop.claim().await;
    assert_eq!(claims.len(), 8);
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query("select 1 from saga.saga where saga_id = $1 for update")
        .bind(locked.saga_id.uuid())
        .execute(&mut *other)
        .await
        .unwrap();
    let attempts = join_all(claims.iter().map(|claim| shop.runner.attempt(claim)));
    let others = async {
        testkit::eventually("the other outcomes", || async {
            shop.count("saga.saga where state = 'waiting'").await == 7
        })
        .await;
        assert_eq!(shop.state(locked.saga_id).await, "running");
        other.rollback().await.unwrap();
    };
    tokio::join!(attempts, others);
    assert_eq!(shop.count("saga.saga where state = 'waiting'").await, 8);
    shop.assert_whole().await;
}
