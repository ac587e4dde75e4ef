//! Paged lists: no item is missing, none appears twice.

use commerce::{
    order::{self, Order, Status},
    page::{Cursor, Page},
    product::{self, Product},
};
use kernel::{OrderId, ProductId, UserId};

use crate::shop::{Move, Shop, draft, item};

/// Reads all pages, each from the previous page's cursor; the cursor passes through its text form.
async fn pages<T, F>(mut page: impl FnMut(Option<Cursor>) -> F) -> Vec<Vec<T>>
where
    F: Future<Output = Page<T>>,
{
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let next = page(cursor).await;
        pages.push(next.items);
        match next.next_cursor {
            Some(next) => cursor = Some(next.to_string().parse().unwrap()),
            None => return pages,
        }
        assert!(pages.len() <= 100, "it never ends");
    }
}

async fn products(shop: &Shop, cursor: Option<Cursor>, limit: u32) -> Page<Product> {
    let mut conn = shop.pool.acquire().await.unwrap();
    product::search(&mut conn, None, cursor, limit)
        .await
        .unwrap()
}

#[tokio::test]
async fn catalog_pages_hold_each_product_once_newest_first() {
    let shop = Shop::open().await;
    let mut newest_first = Vec::new();
    for n in 0..23 {
        newest_first.insert(0, shop.product(&format!("Mug {n}"), 1290, 1).await);
    }
    for (limit, lengths) in [
        (1, vec![1; 23]),
        (5, vec![5, 5, 5, 5, 3]),
        (22, vec![22, 1]),
        (23, vec![23]), // a full page with no item after it
        (24, vec![23]),
    ] {
        let pages = pages(|cursor| products(&shop, cursor, limit)).await;
        let found: Vec<_> = pages.iter().map(Vec::len).collect();
        assert_eq!(found, lengths, "pages of {limit}");
        let ids: Vec<_> = pages
            .into_iter()
            .flatten()
            .map(|product| product.id)
            .collect();
        assert_eq!(ids, newest_first, "pages of {limit}");
    }
}

#[tokio::test]
async fn the_pages_of_a_search_hold_each_match_once() {
    let shop = Shop::open().await;
    let mut newest_first = Vec::new();
    for n in 0..12 {
        newest_first.insert(0, shop.product(&format!("Mug {n}"), 1290, 1).await);
        shop.product(&format!("Teapot {n}"), 1290, 1).await;
    }
    let shop = &shop;
    let pages = pages(|cursor| async move {
        let mut conn = shop.pool.acquire().await.unwrap();
        product::search(&mut conn, Some("mug"), cursor, 5)
            .await
            .unwrap()
    })
    .await;
    let ids: Vec<_> = pages
        .into_iter()
        .flatten()
        .map(|product| product.id)
        .collect();
    assert_eq!(ids, newest_first);
}

#[tokio::test]
async fn what_comes_and_goes_between_pages_moves_nothing_else() {
    let shop = Shop::open().await;
    let mut newest_first: Vec<ProductId> = Vec::new();
    for n in 0..9 {
        newest_first.insert(0, shop.product(&format!("Mug {n}"), 1290, 1).await);
    }
    let first = products(&shop, None, 3).await;
    shop.product("Newcomer", 1290, 1).await;
    // delete a product already shown, the one at the cursor, and one not shown yet
    for gone in [0, 2, 4] {
        shop.delete(newest_first[gone], 1).await.unwrap();
    }
    let second = products(&shop, first.next_cursor, 3).await;
    let third = products(&shop, second.next_cursor, 3).await;
    let ids: Vec<_> = [first.items, second.items, third.items]
        .into_iter()
        .flatten()
        .map(|product| product.id)
        .collect();
    newest_first.remove(4);
    assert_eq!(ids, newest_first);
    assert_eq!(third.next_cursor, None);
}

async fn orders(
    shop: &Shop,
    owner: Option<UserId>,
    status: Option<Status>,
    limit: u32,
) -> Vec<Order> {
    let filter = &order::Filter {
        owner,
        status,
        number: None,
    };
    let pages = pages(|cursor| async move {
        let mut conn = shop.pool.acquire().await.unwrap();
        order::list(&mut conn, filter, cursor, limit).await.unwrap()
    });
    pages.await.into_iter().flatten().collect()
}

#[tokio::test]
async fn order_pages_hold_each_order_once_by_owner_and_status() {
    let mine = Shop::open().await;
    let yours = Shop {
        user: UserId::new(),
        ..mine.clone()
    };
    let mug = mine.product("Mug", 1290, 1000).await;
    let mut all: Vec<(UserId, Status, OrderId)> = Vec::new();
    for n in 0..24 {
        let shop = if n % 3 == 0 { &yours } else { &mine };
        let status = [Status::Pending, Status::Completed, Status::Canceled][n / 2 % 3];
        let id = shop.order_at(status, &[item(mug, 1)]).await;
        all.insert(0, (shop.user, status, id));
    }
    for owner in [None, Some(mine.user), Some(yours.user), Some(UserId::new())] {
        for status in [
            None,
            Some(Status::Pending),
            Some(Status::AwaitingPayment),
            Some(Status::Canceled),
        ] {
            let expected: Vec<_> = all
                .iter()
                .filter(|(user, _, _)| owner.is_none_or(|owner| owner == *user))
                .filter(|(_, at, _)| status.is_none_or(|status| status == *at))
                .map(|(_, _, id)| *id)
                .collect();
            for limit in [1, 5, 24, 100] {
                let found = orders(&mine, owner, status, limit).await;
                let ids: Vec<_> = found.iter().map(|order| order.id).collect();
                assert_eq!(ids, expected, "{owner:?} {status:?} by {limit}");
            }
        }
    }
}

#[tokio::test]
async fn an_order_in_a_list_equals_the_single_order() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 1000).await;
    let kettle = shop.product("Kettle", 5490, 1000).await;
    shop.order_at(Status::Completed, &[item(mug, 1)]).await;
    let two = shop.place(&[item(kettle, 2), item(mug, 3)]).await;
    shop.go(Move::BeginCanceling, &[two]).await.unwrap();
    let listed = orders(&shop, Some(shop.user), None, 10).await;
    assert_eq!(listed.len(), 2);
    for order in listed {
        assert_eq!(order, shop.find_order(order.id).await);
    }
}

#[tokio::test]
async fn nobody_finds_an_order_of_somebody_else() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let id = shop.place(&[item(mug, 1)]).await;
    let find = async |owner| {
        order::find(&mut shop.pool.acquire().await.unwrap(), id, owner)
            .await
            .unwrap()
            .map(|order| order.id)
    };
    assert_eq!(find(Some(UserId::new())).await, None);
    assert_eq!(find(Some(shop.user)).await, Some(id));
    assert_eq!(find(None).await, Some(id));
}

#[tokio::test]
async fn a_text_that_is_no_cursor_is_refused() {
    let shop = Shop::open().await;
    shop.create(&draft("Mug", 1, 1)).await;
    shop.create(&draft("Kettle", 1, 1)).await;
    let cursor = products(&shop, None, 1).await.next_cursor.unwrap();
    let text = cursor.to_string();
    assert_eq!(text.parse(), Ok(cursor));
    for wrong in [
        "",
        "x",
        "%",
        &text[1..],
        &format!("{text}AA"),
        &format!("{text}="),
    ] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}
