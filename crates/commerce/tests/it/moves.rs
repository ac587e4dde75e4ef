//! The transitions of an order: which are legal, and that illegal ones change nothing.

use commerce::order::{self, CancelCause, HistoryStatus, Status};
use kernel::{OrderId, Stored, TransactionId};
use serde_json::{Value, json};

use crate::shop::{Move, Shop, Stock, item};

const MOVES: [Move; 4] = [
    Move::AwaitPayment,
    Move::BeginCanceling,
    Move::Complete,
    Move::Cancel,
];
const STATUSES: [Status; 4] = [
    Status::Pending,
    Status::AwaitingPayment,
    Status::Completed,
    Status::Canceled,
];

/// The status after a transition, if the transition is legal.
fn legal(from: Status, step: Move) -> Option<Status> {
    match (from, step) {
        (Status::Pending, Move::AwaitPayment) => Some(Status::AwaitingPayment),
        (Status::AwaitingPayment, Move::Complete) => Some(Status::Completed),
        (Status::Pending | Status::AwaitingPayment, Move::Cancel) => Some(Status::Canceled),
        (Status::Pending | Status::AwaitingPayment, Move::BeginCanceling) => Some(from),
        _ => None,
    }
}

#[tokio::test]
async fn an_order_moves_along_the_legal_arrows_only() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 1000).await;
    for from in STATUSES {
        for step in MOVES {
            let id = shop.order_at(from, &[item(mug, 1)]).await;
            let before = shop.find_order(id).await;
            let stock = shop.stock(mug).await;
            let mails = shop.count("messaging.outbox").await;
            let outcome = shop.go(step, &[id]).await;
            let after = shop.find_order(id).await;
            let Some(to) = legal(from, step) else {
                let refused = outcome.unwrap_err();
                assert!(
                    !db::is_unreachable(&refused) && !db::is_retryable(&refused),
                    "{from:?} {step:?}: whoever takes this for a passing outage tries for ever: {refused}"
                );
                assert_eq!(after, before, "{from:?} {step:?}");
                assert_eq!(shop.stock(mug).await, stock, "{from:?} {step:?}");
                assert_eq!(shop.count("messaging.outbox").await, mails);
                continue;
            };
            outcome.unwrap_or_else(|error| panic!("{from:?} {step:?}: {error}"));
            assert_eq!(after.status, to, "{from:?} {step:?}");
            assert_eq!(after.canceling, step == Move::BeginCanceling);
            assert_eq!(after.history.len(), before.history.len() + 1);
            let (reserved, sold) = match step {
                Move::AwaitPayment | Move::BeginCanceling => (stock.reserved, stock.sold),
                Move::Complete => (stock.reserved - 1, stock.sold + 1),
                Move::Cancel => (stock.reserved - 1, stock.sold),
            };
            let lying = stock.lying + stock.sold - sold;
            let expected = Stock {
                lying,
                reserved,
                sold,
            };
            assert_eq!(shop.stock(mug).await, expected, "{from:?} {step:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_move_changes_nothing_even_if_its_transaction_commits() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    for (from, step) in [
        (Status::Pending, Move::Complete),
        (Status::Completed, Move::Complete),
        (Status::Completed, Move::Cancel),
        (Status::Canceled, Move::Cancel),
        (Status::Canceled, Move::Complete),
    ] {
        let id = shop.order_at(from, &[item(mug, 1)]).await;
        let (before, stock) = (shop.find_order(id).await, shop.stock(mug).await);
        let mails = shop.count("messaging.outbox").await;
        let mut tx = shop.pool.begin().await.unwrap();
        let outcome = match step {
            Move::Complete => order::complete(&mut tx, &[id]).await,
            _ => order::cancel(&mut tx, &[(id, "a test")]).await,
        };
        outcome.unwrap_err();
        tx.commit().await.unwrap();
        assert_eq!(shop.find_order(id).await, before, "{from:?} {step:?}");
        assert_eq!(shop.stock(mug).await, stock, "{from:?} {step:?}");
        assert_eq!(shop.count("messaging.outbox").await, mails);
    }
}

#[tokio::test]
async fn the_database_itself_refuses_every_other_arrow() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 1000).await;
    for from in STATUSES {
        for to in STATUSES {
            let id = shop.order_at(from, &[item(mug, 1)]).await;
            let sql = format!(
                "update commerce.\"order\" set status = '{}' where order_id = '{id}'",
                to.as_str()
            );
            let is_legal = from == to || MOVES.iter().any(|step| legal(from, *step) == Some(to));
            let expected = (!is_legal).then_some("order_status_arrows");
            assert_eq!(
                shop.refusing_constraint(&sql).await.as_deref(),
                expected,
                "{from:?} to {to:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_canceling_order_can_be_canceled_or_turn_out_paid() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    for from in [Status::Pending, Status::AwaitingPayment] {
        let id = shop.order_at(from, &[item(mug, 1)]).await;
        shop.go(Move::BeginCanceling, &[id]).await.unwrap();
        shop.go(Move::Cancel, &[id]).await.unwrap();
        let order = shop.find_order(id).await;
        assert_eq!((order.status, order.canceling), (Status::Canceled, false));
    }
    let id = shop
        .order_at(Status::AwaitingPayment, &[item(mug, 1)])
        .await;
    shop.go(Move::BeginCanceling, &[id]).await.unwrap();
    shop.go(Move::Complete, &[id]).await.unwrap();
    let order = shop.find_order(id).await;
    assert_eq!((order.status, order.canceling), (Status::Completed, false));
    assert_eq!(shop.stock(mug).await.sold, 1);
}

#[tokio::test]
async fn the_history_tells_every_change_in_order_and_why() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let id = shop.place(&[item(mug, 1)]).await;
    for step in [Move::AwaitPayment, Move::BeginCanceling, Move::Cancel] {
        shop.go(step, &[id]).await.unwrap();
    }
    let history = shop.find_order(id).await.history;
    let told: Vec<_> = history
        .iter()
        .map(|change| (change.seq, change.status.known(), change.reason.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(HistoryStatus::Pending), None),
            (2, Some(HistoryStatus::AwaitingPayment), None),
            (3, Some(HistoryStatus::Canceling), Some("a test")),
            (4, Some(HistoryStatus::Canceled), Some("a test")),
        ]
    );
    assert!(history.is_sorted_by_key(|change| change.at));
}

#[tokio::test]
async fn a_canceled_order_keeps_the_cause_of_its_cancellation() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    for cause in CancelCause::ALL {
        let id = shop.order_at(Status::Pending, &[item(mug, 1)]).await;
        let mut conn = shop.pool.acquire().await.unwrap();
        order::begin_canceling(&mut conn, &[(id, cause, "a test")])
            .await
            .unwrap();
        shop.go(Move::Cancel, &[id]).await.unwrap();
        let history = shop.find_order(id).await.history;
        let changes = order::changes_since(&mut conn, &[(id, 0)]).await.unwrap();
        let changes = changes.into_iter().map(|(_, change)| change);
        assert_eq!(changes.collect::<Vec<_>>(), history);
        let causes = history.into_iter().map(|change| change.cancel_cause);
        let expected = [None, Some(cause.into()), Some(cause.into())];
        assert_eq!(causes.collect::<Vec<_>>(), expected, "{cause:?}");
    }
}

#[tokio::test]
async fn a_cause_of_a_newer_release_is_read_as_stored() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let id = shop.order_at(Status::Pending, &[item(mug, 1)]).await;
    shop.go(Move::BeginCanceling, &[id]).await.unwrap();
    for sql in [
        r#"alter table commerce."order" drop constraint order_canceling_cause_known"#,
        r#"update commerce."order" set canceling_cause = 'moved_away'"#,
    ] {
        sqlx::query(sql).execute(&shop.pool).await.unwrap();
    }
    let history = shop.find_order(id).await.history;
    let cause = history
        .last()
        .and_then(|change| change.cancel_cause.as_ref());
    assert_eq!(cause, Some(&Stored::Unknown("moved_away".to_owned())));
}

#[tokio::test]
async fn a_completed_order_shows_a_cause_only_where_canceling_began() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let items = [item(mug, 1)];
    let id = shop.order_at(Status::AwaitingPayment, &items).await;
    shop.go(Move::BeginCanceling, &[id]).await.unwrap();
    shop.go(Move::Complete, &[id]).await.unwrap();
    for change in shop.find_order(id).await.history {
        let began = change.status == HistoryStatus::Canceling;
        assert_eq!(change.cancel_cause.is_some(), began, "{change:?}");
    }
}

#[tokio::test]
async fn a_batch_moves_as_a_whole_or_not_at_all() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    let kettle = shop.product("Kettle", 5490, 100).await;
    for (step, ready, unready) in [
        (Move::AwaitPayment, Status::Pending, Status::Canceled),
        (Move::BeginCanceling, Status::Pending, Status::Completed),
        (Move::Complete, Status::AwaitingPayment, Status::Pending),
        (Move::Cancel, Status::AwaitingPayment, Status::Completed),
    ] {
        let one = shop.order_at(ready, &[item(mug, 1)]).await;
        let two = shop.order_at(ready, &[item(kettle, 1), item(mug, 1)]).await;
        let other = shop.order_at(unready, &[item(mug, 1)]).await;
        let before = (shop.find_order(one).await, shop.stock(mug).await);
        shop.go(step, &[one, other]).await.unwrap_err();
        shop.go(step, &[one, OrderId::new()]).await.unwrap_err();
        assert_eq!((shop.find_order(one).await, shop.stock(mug).await), before);
        shop.go(step, &[one, two]).await.unwrap();
        let to = legal(ready, step).unwrap();
        assert_eq!(shop.find_order(one).await.status, to, "{step:?}");
        assert_eq!(shop.find_order(two).await.status, to, "{step:?}");
    }
}

#[tokio::test]
async fn completing_enqueues_the_confirmation_in_the_same_transaction() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let id = shop.order_at(Status::Completed, &[item(mug, 1)]).await;
    let (body, key, traceparent, together): (Value, String, String, bool) = sqlx::query_as(
        r#"
        select m.body, m.routing_key, m.traceparent,
               m.xmin::text = o.xmin::text and m.xmin::text = s.xmin::text
        from messaging.outbox m, commerce."order" o, commerce.stock s
        "#,
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(
        body,
        json!({"command": "send_order_confirmation", "user_id": shop.user, "order_id": id})
    );
    assert_eq!(key, "send_order_confirmation");
    assert!(together, "order, stock and mail are of one transaction");
    let trace_id = shop.find_order(id).await.trace_id;
    assert_eq!(traceparent.split('-').nth(1), Some(trace_id.as_str()));
}

#[tokio::test]
async fn the_terms_of_a_payment_are_found_by_its_transaction() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let id = shop.place(&[item(mug, 2)]).await;
    shop.place(&[item(mug, 1)]).await;
    let order = shop.find_order(id).await;
    let asked = [order.transaction_id, TransactionId::new()];
    let terms = order::find_terms(&mut shop.pool.acquire().await.unwrap(), &asked)
        .await
        .unwrap();
    let [terms] = terms.as_slice() else {
        panic!("{terms:?}")
    };
    assert_eq!(
        (
            terms.order_id,
            terms.saga_id,
            terms.transaction_id,
            &terms.total
        ),
        (id, order.saga_id, order.transaction_id, &order.total)
    );
}
