//! Stock is never oversold, however many buyers order concurrently.

use commerce::order::{self, PlaceError, Status};
use kernel::{OrderId, ProductId};

use crate::shop::{Move, Shop, Stock, at_once, item};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_orders_at_once_never_oversell_a_product() {
    let shop = Shop::crowded(50).await;
    let mug = shop.product("Mug", 1290, 20).await;
    let outcomes = at_once(50, |_| {
        let shop = shop.clone();
        async move { shop.try_place(&[item(mug, 1)]).await }
    })
    .await;
    assert_eq!(accepted(outcomes), 20);
    assert_eq!(
        shop.stock(mug).await,
        Stock {
            lying: 20,
            reserved: 20,
            sold: 0
        }
    );
    assert_eq!(shop.count("commerce.\"order\"").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn opposite_orders_of_two_products_neither_deadlock_nor_oversell() {
    let shop = Shop::crowded(50).await;
    let mug = shop.product("Mug", 1290, 60).await;
    let kettle = shop.product("Kettle", 5490, 50).await;
    let outcomes = at_once(50, |i| {
        let shop = shop.clone();
        let mut items = [item(mug, 3), item(kettle, 2)];
        if i % 2 == 0 {
            items.reverse();
        }
        async move { shop.try_place(&items).await }
    })
    .await;
    assert_eq!(accepted(outcomes), 20);
    assert_eq!(shop.stock(mug).await.reserved, 60);
    assert_eq!(shop.stock(kettle).await.reserved, 40);
}

/// Returns how many orders were placed; the others must have failed with `OutOfStock`.
fn accepted(outcomes: Vec<Result<OrderId, PlaceError>>) -> usize {
    let mut placed = 0;
    for outcome in outcomes {
        match outcome {
            Ok(_) => placed += 1,
            Err(PlaceError::OutOfStock { .. }) => {}
        }
    }
    placed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_move_locks_stock_in_product_order() {
    for step in [None, Some(Move::Complete), Some(Move::Cancel)] {
        let shop = Shop::open().await;
        let first = shop.product("First", 100, 10).await;
        let second = shop.product("Second", 100, 10).await;
        let lines = [item(second, 1), item(first, 1)];
        let order = shop.order_at(Status::AwaitingPayment, &lines).await;
        let mut gate = shop.pool.begin().await.unwrap();
        sqlx::query("select from commerce.stock where product_id = $1 for update")
            .bind(first.uuid())
            .execute(&mut *gate)
            .await
            .unwrap();
        let moving = tokio::spawn({
            let shop = shop.clone();
            async move {
                match step {
                    None => shop.try_place(&lines).await.map(drop).unwrap(),
                    Some(step) => shop.go(step, &[order]).await.unwrap(),
                }
            }
        });
        shop.until_waiting(1).await;
        // the order waits for the first product and has not locked the second
        sqlx::query("select from commerce.stock where product_id = $1 for update nowait")
            .bind(second.uuid())
            .execute(&mut *gate)
            .await
            .unwrap_or_else(|error| panic!("{step:?}: {error}"));
        gate.rollback().await.unwrap();
        moving.await.unwrap();
    }
}

#[tokio::test]
async fn an_oversold_order_learns_the_available_quantity() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 5).await;
    let kettle = shop.product("Kettle", 5490, 5).await;
    shop.place(&[item(mug, 2)]).await;
    let refused = shop
        .try_place(&[item(kettle, 1), item(mug, 4)])
        .await
        .unwrap_err();
    let PlaceError::OutOfStock {
        product_id,
        name,
        wanted,
        left,
    } = refused;
    assert_eq!(
        (product_id, name.as_str(), wanted, left),
        (mug, "Mug", 4, 3)
    );
    // no kettle is reserved for the order that was not placed
    assert_eq!(shop.stock(kettle).await.reserved, 0);
    assert_eq!(shop.count("commerce.\"order\"").await, 1);
    shop.place(&[item(mug, 3)]).await; // exactly what is left
}

#[tokio::test]
async fn orders_of_a_batch_get_stock_in_their_order() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let kettle = shop.product("Kettle", 4900, 9).await;
    let basket = |mugs, kettles| {
        let shop = shop.clone();
        async move {
            let items = [item(mug, mugs), item(kettle, kettles)];
            shop.price(&items).await.unwrap()
        }
    };
    let baskets = [
        basket(5, 1).await,
        basket(6, 1).await,
        basket(5, 1).await,
        basket(1, 1).await,
    ];
    let orders: Vec<_> = baskets
        .iter()
        .map(|basket| shop.new_order(basket))
        .collect();
    let mut tx = shop.pool.begin().await.unwrap();
    let placed = order::place(&mut tx, &orders).await.unwrap();
    tx.commit().await.unwrap();
    let refused = |wanted, left| PlaceError::OutOfStock {
        product_id: mug,
        name: "Mug".to_owned(),
        wanted,
        left,
    };
    assert_eq!(
        placed,
        [Ok(()), Err(refused(6, 5)), Ok(()), Err(refused(1, 0))]
    );
    // what was refused holds nothing of the other product either
    assert_eq!(shop.stock(mug).await.reserved, 10);
    assert_eq!(shop.stock(kettle).await.reserved, 2);
    assert_eq!(shop.count("commerce.\"order\"").await, 2);
    assert_eq!(shop.count("commerce.order_line").await, 4);
}

#[tokio::test]
async fn a_product_without_stock_cannot_be_ordered() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 0).await;
    let refused = shop.try_place(&[item(mug, 1)]).await.unwrap_err();
    assert!(
        matches!(refused, PlaceError::OutOfStock { left: 0, .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_orders_hold_is_neither_available_nor_sold() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let held = shop.place(&[item(mug, 3)]).await;
    assert_eq!(stock_and_available(&shop, mug).await, (stock(10, 3, 0), 7));
    shop.go(Move::AwaitPayment, &[held]).await.unwrap();
    assert_eq!(stock_and_available(&shop, mug).await, (stock(10, 3, 0), 7));
    shop.go(Move::Complete, &[held]).await.unwrap();
    assert_eq!(stock_and_available(&shop, mug).await, (stock(7, 0, 3), 7));
    let canceled = shop.place(&[item(mug, 7)]).await;
    assert_eq!(stock_and_available(&shop, mug).await, (stock(7, 7, 3), 0));
    shop.go(Move::Cancel, &[canceled]).await.unwrap();
    assert_eq!(stock_and_available(&shop, mug).await, (stock(7, 0, 3), 7));
}

fn stock(lying: i64, reserved: i64, sold: i64) -> Stock {
    Stock {
        lying,
        reserved,
        sold,
    }
}

async fn stock_and_available(shop: &Shop, id: ProductId) -> (Stock, i64) {
    (shop.stock(id).await, shop.find(id).await.unwrap().available)
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_many_times_at_once_sells_once() {
    let shop = Shop::crowded(20).await;
    let mug = shop.product("Mug", 1290, 10).await;
    shop.place(&[item(mug, 4)]).await; // another order's pieces
    let order = shop
        .order_at(Status::AwaitingPayment, &[item(mug, 3)])
        .await;
    assert_eq!(winners(&shop, order, &[Move::Complete]).await, 1);
    assert_eq!(shop.stock(mug).await, stock(7, 4, 3));
    assert_eq!(shop.count("messaging.outbox").await, 1, "one mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn canceling_many_times_at_once_releases_once() {
    let shop = Shop::crowded(20).await;
    let mug = shop.product("Mug", 1290, 10).await;
    shop.place(&[item(mug, 4)]).await;
    let order = shop
        .order_at(Status::AwaitingPayment, &[item(mug, 3)])
        .await;
    assert_eq!(winners(&shop, order, &[Move::Cancel]).await, 1);
    assert_eq!(shop.stock(mug).await, stock(10, 4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_and_canceling_at_once_either_sells_or_releases() {
    let shop = Shop::crowded(20).await;
    let mug = shop.product("Mug", 1290, 100).await;
    let mut sold = 0;
    for _ in 0..10 {
        let order = shop
            .order_at(Status::AwaitingPayment, &[item(mug, 3)])
            .await;
        let both = winners(&shop, order, &[Move::Complete, Move::Cancel]);
        assert_eq!(both.await, 1);
        match shop.find_order(order).await.status {
            Status::Completed => sold += 3,
            Status::Canceled => {}
            live => panic!("{live:?}"),
        }
        assert_eq!(shop.stock(mug).await, stock(100 - sold, 0, sold));
    }
    assert_eq!(
        shop.count("messaging.outbox").await,
        sold / 3,
        "a mail for each completed order"
    );
}

/// Makes these transitions in turn, twenty concurrently; returns how many succeeded.
async fn winners(shop: &Shop, order: OrderId, moves: &'static [Move]) -> usize {
    let outcomes = at_once(20, |i| {
        let shop = shop.clone();
        async move { shop.go(moves[i % moves.len()], &[order]).await }
    })
    .await;
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}
