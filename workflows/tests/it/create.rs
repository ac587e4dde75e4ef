use commerce::{idempotency::ClaimError, order::PlaceError};
use testkit::{eventually, hangs_up_in_pause};
use workflows::submit::{SubmitError, Submitted};

use crate::shop::{Shop, quick};

#[tokio::test]
async fn order_stock_saga_journal_and_entry_commit_together() {
    let shop = Shop::open(quick()).await;
    let order = shop.submit().await;
    assert_eq!(shop.state(order.saga_id).await, "running");
    assert_eq!(shop.journal(order.saga_id).await, ["begun"]);
    assert_eq!(shop.count("messaging.outbox where kind = 'step'").await, 1);
    assert_eq!(shop.reserved().await, 1);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_refused_first_step_leaves_nothing_behind() {
    let shop = Shop::open(quick()).await;
    let refused = shop.try_submit(501, "key", false).await.unwrap_err();
    let SubmitError::Place(PlaceError::OutOfStock { wanted, left, .. }) = refused else {
        panic!("{refused}")
    };
    assert_eq!((wanted, left), (501, 500));
    for table in [
        "commerce.\"order\"",
        "saga.saga",
        "saga.journal",
        "messaging.outbox",
        "commerce.idempotency_key",
    ] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    assert_eq!(shop.reserved().await, 0);
}

#[tokio::test]
async fn the_same_key_makes_the_same_order_and_another_request_is_refused() {
    let shop = Shop::open(quick()).await;
    let Submitted::New { order_id, .. } = shop.try_submit(1, "key", false).await.unwrap() else {
        panic!("it is new")
    };
    let Submitted::Repeat { order_id: again } = shop.try_submit(1, "key", false).await.unwrap()
    else {
        panic!("it is a repeat")
    };
    assert_eq!(order_id, again);
    let refused = shop.try_submit(2, "key", false).await.unwrap_err();
    assert!(matches!(
        refused,
        SubmitError::Key(ClaimError::DifferentRequest)
    ));
    assert_eq!(shop.reserved().await, 1);
}

#[tokio::test]
async fn a_key_is_free_as_soon_as_its_last_request_is_answered() {
    let shop = Shop::open(quick()).await;
    for _ in 0..20 {
        let refused = shop.try_submit(501, "key", false).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Place(_)), "{refused}");
    }
    let Submitted::New { order_id, .. } = shop.try_submit(1, "key", false).await.unwrap() else {
        panic!("it is new")
    };
    for _ in 0..20 {
        let again = shop.try_submit(1, "key", false).await.unwrap();
        assert!(matches!(again, Submitted::Repeat { order_id: id } if id == order_id));
        let refused = shop.try_submit(2, "key", false).await.unwrap_err();
        assert!(
            matches!(refused, SubmitError::Key(ClaimError::DifferentRequest)),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn the_eager_attempt_is_the_committers_own_and_nobody_else_can_claim_it() {
    let shop = Shop::open(quick()).await;
    let Submitted::New { order_id, attempt } = shop.try_submit(1, "key", true).await.unwrap()
    else {
        panic!("it is new")
    };
    assert!(
        shop.claim().await.is_empty(),
        "it is leased to the committer"
    );
    attempt.unwrap().await.unwrap();
    assert_eq!(
        shop.look(order_id).await.status.as_str(),
        "awaiting_payment"
    );
    assert_eq!(shop.payments.calls().len(), 1);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    let shop = Shop::open(quick()).await;
    let Submitted::New { order_id, attempt } = shop.try_submit(1, "key", true).await.unwrap()
    else {
        panic!("it is new")
    };
    drop(attempt);
    shop.engine.drain().await; // as at shutdown
    assert_eq!(
        shop.look(order_id).await.status.as_str(),
        "awaiting_payment"
    );
}

/// No worker runs here; only the submitter makes attempts. An attempt that was claimed and not
/// begun would never be made.
#[tokio::test]
async fn wherever_a_client_hangs_up_what_was_committed_is_begun() {
    let shop = Shop::open(quick()).await;
    let (mut answered, mut committed) = (0, 0);
    // the number of a request's pauses varies
    for round in 0..10 {
        for pause in 0..100 {
            let key = format!("{round} {pause}");
            let submitted = shop.try_submit(1, &key, true);
            if let Some(order) = hangs_up_in_pause(pause, submitted).await {
                order.unwrap();
                answered += 1;
                break;
            }
        }
        committed = shop.count("saga.saga").await;
    }
    assert_eq!(answered, 10, "somebody was not patient enough");
    assert!(committed > answered, "nobody hung up behind the commit");
    eventually("every attempt to be made", || async {
        shop.count("saga.saga where state = 'running'").await == 0
    })
    .await;
    shop.assert_whole().await;
}
