//! Repeating a request under the same key returns the order that the first one created.

use std::time::Duration;

use commerce::{
    idempotency::{self, Account, Claim, ClaimError, NewKey},
    order,
};
use kernel::{OrderId, ProductId, UserId};
use sqlx::PgConnection;

use crate::shop::{Shop, at_once, item};

const HASH: [u8; 32] = [7; 32];

/// Claims one key, and waits for other orders of its account.
async fn claim(
    conn: &mut PgConnection,
    user_id: UserId,
    key: &str,
    request_hash: &[u8; 32],
    order_id: OrderId,
) -> Result<Claim, ClaimError> {
    let key = NewKey {
        user_id,
        key,
        request_hash,
        order_id,
    };
    let claims = idempotency::claim(conn, &[key], Account::Wait).await;
    claims.unwrap().pop().unwrap()
}

/// Places an order under this key, in the steps of an order submission.
async fn submit(
    shop: &Shop,
    user: UserId,
    key: &str,
    hash: &[u8; 32],
    product: ProductId,
) -> Result<(Claim, OrderId), ClaimError> {
    let basket = shop.price(&[item(product, 1)]).await.unwrap();
    let order = shop.new_order(&basket);
    let mut tx = shop.pool.begin().await.unwrap();
    let claim = claim(&mut tx, user, key, hash, order.id).await;
    if !matches!(claim, Ok(Claim::New)) {
        tx.rollback().await.unwrap();
        return Ok((claim?, order.id));
    }
    let placed = order::place(&mut tx, std::slice::from_ref(&order)).await;
    placed.unwrap().pop().unwrap().unwrap();
    tx.commit().await.unwrap();
    Ok((Claim::New, order.id))
}

#[tokio::test]
async fn the_same_key_repeats_its_order_and_refuses_another_request() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    let (claim, first) = submit(&shop, shop.user, "key", &HASH, mug).await.unwrap();
    assert_eq!(claim, Claim::New);
    for _ in 0..2 {
        let (claim, _) = submit(&shop, shop.user, "key", &HASH, mug).await.unwrap();
        assert_eq!(claim, Claim::Repeat(first));
    }
    let mut other = HASH;
    other[31] += 1;
    let refused = submit(&shop, shop.user, "key", &other, mug).await;
    assert!(
        matches!(refused, Err(ClaimError::DifferentRequest)),
        "{refused:?}"
    );
    let (claim, _) = submit(&shop, shop.user, "key", &HASH, mug).await.unwrap();
    assert_eq!(claim, Claim::Repeat(first), "the refusal changed nothing");
    assert_eq!(shop.count("commerce.\"order\"").await, 1);
}

#[tokio::test]
async fn keys_of_different_users_are_independent() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    for (user, key) in [
        (shop.user, "key"),
        (UserId::new(), "key"),
        (shop.user, "Key"),
        (shop.user, ""),
    ] {
        let (claim, _) = submit(&shop, user, key, &HASH, mug).await.unwrap();
        assert_eq!(claim, Claim::New, "{key}");
    }
    assert_eq!(shop.count("commerce.\"order\"").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_requests_under_one_key_at_once_make_one_order() {
    let shop = Shop::crowded(20).await;
    let mug = shop.product("Mug", 1290, 100).await;
    let outcomes = at_once(20, |_| {
        let shop = shop.clone();
        async move { submit(&shop, shop.user, "key", &HASH, mug).await }
    })
    .await;
    let mut made = Vec::new();
    let mut repeated = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok((Claim::New, id)) => made.push(id),
            Ok((Claim::Repeat(id), _)) => repeated.push(id),
            Err(ClaimError::InFlight) => {}
            Ok((Claim::Skipped, _)) => panic!("it waits"),
            Err(error) => panic!("{error:?}"),
        }
    }
    let [order] = made.as_slice() else {
        panic!("{made:?}")
    };
    assert!(repeated.iter().all(|id| id == order), "{repeated:?}");
    assert_eq!(shop.count("commerce.\"order\"").await, 1);
    assert_eq!(shop.stock(mug).await.reserved, 1);
}

#[tokio::test]
async fn a_key_in_use_is_reported_at_once() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    let mut tx = shop.pool.begin().await.unwrap();
    let id = OrderId::new();
    claim(&mut tx, shop.user, "key", &HASH, id).await.unwrap();
    let asked = tokio::spawn({
        let shop = shop.clone();
        async move { submit(&shop, shop.user, "key", &HASH, mug).await }
    });
    let answered = || async { asked.is_finished() };
    testkit::eventually("an answer before the first use commits", answered).await;
    let refused = asked.await.unwrap();
    assert!(matches!(refused, Err(ClaimError::InFlight)), "{refused:?}");
    tx.commit().await.unwrap();
    let (claim, _) = submit(&shop, shop.user, "key", &HASH, mug).await.unwrap();
    assert_eq!(claim, Claim::Repeat(id));
}

#[tokio::test]
async fn a_key_whose_transaction_rolled_back_is_free_again() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    let mut tx = shop.pool.begin().await.unwrap();
    claim(&mut tx, shop.user, "key", &HASH, OrderId::new())
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    let (claim, _) = submit(&shop, shop.user, "key", &[8; 32], mug)
        .await
        .unwrap();
    assert_eq!(claim, Claim::New);
}

#[tokio::test]
async fn purging_forgets_old_keys_only() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    submit(&shop, shop.user, "old", &HASH, mug).await.unwrap();
    sqlx::query("update commerce.idempotency_key set created_at = created_at - interval '2 days'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let (_, kept) = submit(&shop, shop.user, "new", &HASH, mug).await.unwrap();
    let mut conn = shop.pool.acquire().await.unwrap();
    let mut purge = async |days: u64| {
        idempotency::purge(&mut conn, Duration::from_hours(24 * days))
            .await
            .unwrap()
    };
    assert_eq!(purge(3).await, 0);
    assert_eq!(purge(1).await, 1);
    let (claim, _) = submit(&shop, shop.user, "new", &HASH, mug).await.unwrap();
    assert_eq!(claim, Claim::Repeat(kept));
    let (claim, _) = submit(&shop, shop.user, "old", &HASH, mug).await.unwrap();
    assert_eq!(claim, Claim::New);
}

#[tokio::test]
async fn each_key_of_a_batch_has_its_own_answer() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 100).await;
    let (_, before) = submit(&shop, shop.user, "before", &HASH, mug)
        .await
        .unwrap();
    let busy = UserId::new();
    let mut other = shop.pool.begin().await.unwrap();
    claim(&mut other, busy, "under way", &HASH, OrderId::new())
        .await
        .unwrap();
    let third = UserId::new();
    let new = |user_id, key, request_hash| NewKey {
        user_id,
        key,
        request_hash,
        order_id: OrderId::new(),
    };
    let keys = [
        new(shop.user, "new", &HASH),
        new(shop.user, "new", &HASH),
        new(shop.user, "second of the account", &HASH),
        new(busy, "under way", &HASH),
        new(busy, "another", &HASH),
        new(third, "third", &HASH),
    ];
    let mut tx = shop.pool.begin().await.unwrap();
    let claims = idempotency::claim(&mut tx, &keys, Account::Skip)
        .await
        .unwrap();
    assert_eq!(
        claims,
        [
            Ok(Claim::New),
            Err(ClaimError::InFlight),
            Ok(Claim::Skipped),
            Err(ClaimError::InFlight),
            Ok(Claim::Skipped),
            Ok(Claim::New),
        ]
    );
    idempotency::release(&mut tx, &keys[5..]).await.unwrap();
    tx.commit().await.unwrap();
    other.rollback().await.unwrap();
    let again = [
        new(shop.user, "before", &HASH),
        new(shop.user, "new", &[8; 32]),
        new(third, "third", &[8; 32]),
        new(shop.user, "new", &HASH),
    ];
    let mut tx = shop.pool.begin().await.unwrap();
    let claims = idempotency::claim(&mut tx, &again[..3], Account::Free)
        .await
        .unwrap();
    assert_eq!(
        claims,
        [
            Ok(Claim::Repeat(before)),
            Err(ClaimError::DifferentRequest),
            Ok(Claim::New),
        ]
    );
    tx.rollback().await.unwrap();
    let mut tx = shop.pool.begin().await.unwrap();
    let claims = idempotency::claim(&mut tx, &again[3..], Account::Wait)
        .await
        .unwrap();
    assert_eq!(claims, [Ok(Claim::Repeat(keys[0].order_id))]);
}
