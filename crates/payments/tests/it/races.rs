//! Concurrent calls: the database decides, once.

use futures::future::join_all;

use crate::support::{Payments, Purchase};

const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_decisions_have_one_winner_and_one_event() {
    let payments = Payments::start().await;
    for _ in 0..ROUNDS {
        let purchase = payments.pending().await;
        let (one, other) = (payments.clone(), payments.clone());
        let pay = tokio::spawn(async move { one.decide("complete", purchase).await });
        let cancel = tokio::spawn(async move { other.decide("cancel", purchase).await });
        let (pay, cancel) = (pay.await.unwrap(), cancel.await.unwrap());
        let stored = payments.stored_status(purchase.order).await.unwrap();
        let (winner, loser, slug, event) = match stored.as_str() {
            "paid" => (pay, cancel, "transaction-paid", "transaction_completed"),
            "canceled" => (cancel, pay, "transaction-canceled", "transaction_canceled"),
            other => panic!("{other}"),
        };
        assert_eq!(winner.status, 200, "{}", winner.text);
        assert_eq!(winner.json()["status"], stored);
        assert_eq!(loser.problem(409, slug)["transaction"]["status"], stored);
        assert_eq!(payments.events_of(purchase.transaction).await, [event]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_creation_and_cancellation_never_stay_pending() {
    let payments = Payments::start().await;
    for _ in 0..ROUNDS {
        let purchase = Purchase::new();
        let (one, other) = (payments.clone(), payments.clone());
        let init = tokio::spawn(async move { one.init(purchase).await });
        let cancel = tokio::spawn(async move { other.cancel_by_order(purchase).await });
        let (init, cancel) = (init.await.unwrap(), cancel.await.unwrap());
        assert_eq!(cancel.status, 200, "{}", cancel.text);
        assert_eq!(
            payments.stored_status(purchase.order).await.as_deref(),
            Some("canceled")
        );
        let events = payments.events_of(purchase.transaction).await;
        if init.status == 201 {
            assert_eq!(
                events,
                ["transaction_canceled"],
                "it was created, then canceled"
            );
        } else {
            init.problem(409, "transaction-canceled");
            assert!(events.len() <= 1, "{events:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_payment_and_cancellation_have_one_winner() {
    let payments = Payments::start().await;
    for _ in 0..ROUNDS {
        let purchase = payments.pending().await;
        let (one, other) = (payments.clone(), payments.clone());
        let pay = tokio::spawn(async move { one.decide("complete", purchase).await });
        let cancel = tokio::spawn(async move { other.cancel_by_order(purchase).await });
        let statuses = (pay.await.unwrap().status, cancel.await.unwrap().status);
        let stored = payments.stored_status(purchase.order).await.unwrap();
        let expected = if stored == "paid" {
            (200, 409)
        } else {
            (409, 200)
        };
        assert_eq!(statuses, expected, "{stored}");
        assert_eq!(payments.events_of(purchase.transaction).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_creation_many_times_at_once_makes_one_transaction() {
    let payments = Payments::start().await;
    let purchase = Purchase::new();
    let calls = (0..ROUNDS).map(|_| {
        let payments = payments.clone();
        tokio::spawn(async move { payments.init(purchase).await.status })
    });
    let statuses: Vec<u16> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 201].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(payments.transactions().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_payment_many_times_at_once_is_one_event() {
    let payments = Payments::start().await;
    let purchase = payments.pending().await;
    let calls = (0..ROUNDS).map(|_| {
        let payments = payments.clone();
        tokio::spawn(async move { payments.decide("complete", purchase).await.status })
    });
    let statuses: Vec<u16> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(payments.events().await, 1);
}
