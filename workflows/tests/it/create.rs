use commerce::{
    idempotency::ClaimError,
    order::{OrderLimits, PlaceError},
};
use kernel::UserId;
use testkit::{eventually, hangs_up_in_pause};
use workflows::submit::{Placed, Submit, SubmitError, Submitted, submit_all};

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
async fn a_reused_key_returns_its_order_or_is_refused() {
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
async fn a_key_is_free_after_its_last_answer() {
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
async fn the_eager_attempt_belongs_to_the_committer_alone() {
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
        shop.find_order(order_id).await.status.as_str(),
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
        shop.find_order(order_id).await.status.as_str(),
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

/// A batch with orders that are placed, refused, and left to be placed alone, all in one
/// transaction.
#[tokio::test]
async fn each_order_of_a_batch_has_its_own_answer() {
    let shop = Shop::open(quick()).await;
    let before = shop.submit().await;
    let limits = OrderLimits {
        open: 2,
        ..OrderLimits::default()
    };
    // every second one is refused
    let requests = [
        shop.request(shop.user, 1, "first", true),
        shop.request(UserId::new(), 501, "too many", true),
        shop.request(UserId::new(), 400, "many", false),
        shop.request(UserId::new(), 100, "more than is left", true),
        shop.request(shop.user, 1, "second of the account", true),
        Submit {
            items: Vec::new(),
            ..shop.request(UserId::new(), 1, "empty", true)
        },
        shop.request(UserId::new(), 98, "the rest", false),
        Submit {
            expected_total: Some(before.total.clone()),
            ..shop.request(UserId::new(), 2, "another price", false)
        },
    ];
    let mut tx = shop.pool.begin().await.unwrap();
    let placed = submit_all(&shop.engine, &mut tx, &requests, limits).await;
    tx.commit().await.unwrap();
    let placed = placed.unwrap();
    let answers: Vec<_> = placed
        .iter()
        .map(|placed| match placed {
            Some(Ok(Placed::New(..))) => "new",
            Some(Ok(Placed::Repeat(_))) => "repeat",
            Some(Err(SubmitError::Place(_))) => "out of stock",
            Some(Err(SubmitError::Price(_))) => "no price",
            Some(Err(SubmitError::PriceChanged { .. })) => "another price",
            Some(Err(error)) => panic!("{error}"),
            None => "alone",
        })
        .collect();
    assert_eq!(
        answers,
        [
            "new",
            "out of stock",
            "new",
            "out of stock",
            "alone",
            "no price",
            "new",
            "another price"
        ]
    );
    for table in [
        "commerce.\"order\"",
        "saga.saga",
        "saga.journal",
        "messaging.outbox",
        "commerce.idempotency_key",
    ] {
        assert_eq!(shop.count(table).await, 4, "{table}");
    }
    assert_eq!(shop.reserved().await, 500);
    assert_eq!(
        shop.count("messaging.outbox where holder is not null and epoch = 1 and attempt = 1")
            .await,
        1,
        "the eager one is claimed"
    );
    shop.assert_whole().await;
    // the limit of an account counts what the batch placed, and the key of a refused one is free
    let mut tx = shop.pool.begin().await.unwrap();
    let again = [requests[4].clone()];
    let placed = submit_all(&shop.engine, &mut tx, &again, limits).await;
    let placed = placed.unwrap().pop().unwrap().unwrap();
    assert!(matches!(placed, Err(SubmitError::Limit(_))), "{placed:?}");
    let free = [shop.request(requests[1].user_id, 0, "too many", true)];
    let placed = submit_all(&shop.engine, &mut tx, &free, limits).await;
    let placed = placed.unwrap().pop().unwrap().unwrap();
    assert!(matches!(placed, Err(SubmitError::Price(_))), "{placed:?}");
}

/// Sixty-four customers at once, of whom every second one wants more than there is.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_arrive_together_share_commits() {
    let shop = Shop::open(quick()).await;
    let commits = || shop.count("(select distinct xmin::text from saga.saga) as commits");
    let submits = (0..64).map(|number| {
        let quantity = if number % 2 == 0 { 1 } else { 501 };
        let request = shop.request(UserId::new(), quantity, &number.to_string(), false);
        shop.submitter.submit(request)
    });
    let answers = futures::future::join_all(submits).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let as_wanted = match answer {
            Ok(Submitted::New { .. }) => number % 2 == 0,
            Err(SubmitError::Place(_)) => number % 2 == 1,
            other => panic!("{other:?}"),
        };
        assert!(as_wanted, "{number}");
    }
    assert_eq!(
        (shop.reserved().await, shop.count("saga.saga").await),
        (32, 32)
    );
    let commits = commits().await;
    assert!(commits <= 4, "{commits} commits for 64 customers");
    shop.assert_whole().await;
}

/// A row that another session has locked delays the orders that need it, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_product_delays_no_order_of_another_one() {
    let shop = Shop::open(quick()).await;
    let locked = shop.other_product().await;
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query("select 1 from commerce.stock where product_id = $1 for update")
        .bind(locked.uuid())
        .execute(&mut *other)
        .await
        .unwrap();
    let request = |number: usize| {
        let mut request = shop.request(UserId::new(), 1, &number.to_string(), false);
        if number == 0 {
            request.items[0].product_id = locked;
        }
        request
    };
    let submits = (0..16).map(|number| shop.submitter.submit(request(number)));
    let mut submits: Vec<_> = submits.map(Box::pin).collect();
    let waiting = submits.remove(0);
    let waiting = async {
        let order = waiting.await;
        (order, shop.count("saga.saga").await)
    };
    let others = async {
        for order in futures::future::join_all(submits).await {
            assert!(matches!(order, Ok(Submitted::New { .. })), "{order:?}");
        }
        other.rollback().await.unwrap();
    };
    let ((order, sagas), ()) = tokio::join!(waiting, others);
    assert!(matches!(order, Ok(Submitted::New { .. })), "{order:?}");
    assert_eq!(sagas, 16, "the order of the locked product came last");
}
