//! Prices come from the catalog at order time, and do not change afterwards.

use commerce::{
    order::{Item, Line, MAX_LINES, MAX_QUANTITY, PriceError},
    product::Draft,
};
use contracts::payments::MAX_AMOUNT;
use kernel::{Money, ProductId};

use crate::shop::{Shop, draft, eur, item};

#[tokio::test]
async fn an_order_keeps_the_catalog_price_of_its_placement() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    let kettle = shop.product("Kettle", 5490, 10).await;
    let id = shop.place(&[item(kettle, 1), item(mug.id, 3)]).await;
    let before = shop.find_order(id).await;
    assert_eq!(before.total, eur(5490 + 3 * 1290));
    let line = |product_id, name: &str, quantity, cents| Line {
        product_id,
        name: name.to_owned(),
        quantity,
        unit_price: eur(cents),
    };
    assert_eq!(
        before.lines,
        [
            line(kettle, "Kettle", 1, 5490),
            line(mug.id, "Mug", 3, 1290)
        ],
        "as asked for"
    );
    let dearer = Draft {
        price: Money::new(9900, "USD".parse().unwrap()),
        ..draft("Golden Mug", 0, 10)
    };
    let mug = shop.edit(mug.id, mug.version, &dearer).await.unwrap();
    assert_eq!(shop.find_order(id).await, before);
    let basket = shop.price(&[item(mug.id, 1)]).await.unwrap();
    assert_eq!(
        basket.total, dearer.price,
        "the next order pays the new price"
    );
    shop.delete(mug.id, mug.version).await.unwrap();
    assert_eq!(shop.find_order(id).await, before);
}

#[tokio::test]
async fn a_product_twice_in_a_basket_is_refused() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let kettle = shop.product("Kettle", 5490, 10).await;
    let items = [item(mug, 1), item(kettle, 1), item(mug, 2)];
    let refused = shop.price(&items).await.unwrap_err();
    assert!(
        matches!(refused, PriceError::Duplicate { index: 2 }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_line_has_from_1_to_1000_pieces() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    for quantity in [1, MAX_QUANTITY] {
        let basket = shop.price(&[item(mug, quantity)]).await.unwrap();
        assert_eq!(basket.total, eur(1290 * i64::from(quantity)));
    }
    for quantity in [0, MAX_QUANTITY + 1, u32::MAX] {
        let refused = shop.price(&[item(mug, quantity)]).await.unwrap_err();
        assert!(
            matches!(refused, PriceError::Quantity { index: 0 }),
            "{quantity}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_basket_has_from_1_to_100_lines() {
    let shop = Shop::open().await;
    let mut items: Vec<Item> = Vec::new();
    for n in 0..=MAX_LINES {
        items.push(item(shop.product(&format!("Mug {n}"), 1, 10).await, 1));
    }
    let basket = shop.price(&items[1..]).await.unwrap();
    assert_eq!((basket.lines.len(), basket.total), (100, eur(100)));
    let refused = shop.price(&items).await.unwrap_err();
    assert!(matches!(refused, PriceError::TooManyLines), "{refused:?}");
    let refused = shop.price(&[]).await.unwrap_err();
    assert!(matches!(refused, PriceError::Empty), "{refused:?}");
    // all lines are stored
    let id = shop.place(&items[1..]).await;
    assert_eq!(shop.find_order(id).await.lines, basket.lines);
}

#[tokio::test]
async fn an_unavailable_product_is_refused_by_its_basket_position() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let kettle = shop.create(&draft("Kettle", 5490, 10)).await;
    shop.delete(kettle.id, kettle.version).await.unwrap();
    for missing in [ProductId::new(), kettle.id] {
        let refused = shop
            .price(&[item(mug, 1), item(missing, 1)])
            .await
            .unwrap_err();
        let PriceError::UnknownProduct { index, product_id } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((index, product_id), (1, missing));
    }
}

#[tokio::test]
async fn a_total_that_cannot_be_counted_is_refused() {
    let shop = Shop::open().await;
    let dear = shop.product("Moon", MAX_AMOUNT, 10).await;
    let half = shop.product("Half the Moon", MAX_AMOUNT / 2 + 1, 10).await;
    let cheap = shop.product("Mug", 1, 10).await;
    assert_eq!(
        shop.price(&[item(dear, 1)]).await.unwrap().total,
        eur(MAX_AMOUNT)
    );
    for items in [
        vec![item(dear, 2)],
        vec![item(half, 2)],
        vec![item(dear, 1), item(cheap, 1)],
        vec![item(half, 1), item(cheap, 1), item(dear, 1)],
    ] {
        let refused = shop.price(&items).await.unwrap_err();
        assert!(matches!(refused, PriceError::TooMuch), "{refused:?}");
    }
}

#[tokio::test]
async fn one_order_has_one_currency() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 10).await;
    let import = Draft {
        price: Money::new(1290, "USD".parse().unwrap()),
        ..draft("Imported Mug", 0, 10)
    };
    let import = shop.create(&import).await.id;
    let refused = shop
        .price(&[item(mug, 1), item(import, 1)])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, PriceError::MixedCurrencies),
        "{refused:?}"
    );
    let id = shop.place(&[item(import, 2)]).await;
    let total = shop.find_order(id).await.total;
    assert_eq!((total.amount, total.currency.as_str()), (2580, "USD"));
}
