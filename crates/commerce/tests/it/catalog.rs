//! Creating, editing and deleting products.

use commerce::{
    order::Status,
    product::{self, EditError, Product, StockEdit},
};
use kernel::{Money, ProductId};

use crate::shop::{Move, Shop, at_once, draft, eur, item};

#[tokio::test]
async fn a_new_product_is_found_by_id_and_slug() {
    let shop = Shop::open().await;
    let made = shop.create(&draft("Enamel Mug, 0.3 l", 1290, 10)).await;
    let expected = Product {
        id: made.id,
        slug: "enamel-mug-0-3-l".to_owned(),
        name: "Enamel Mug, 0.3 l".to_owned(),
        description: "As good as it gets.".to_owned(),
        price: eur(1290),
        available: 10,
        reserved: 0,
        version: 1,
        created_at: made.created_at,
    };
    assert_eq!(made, expected);
    assert_eq!(shop.find(made.id).await, Some(expected.clone()));
    let mut conn = shop.pool.acquire().await.unwrap();
    let by_slug = product::find_by_slug(&mut conn, "enamel-mug-0-3-l").await;
    assert_eq!(by_slug.unwrap(), Some(expected));
    let unknown = product::find_by_slug(&mut conn, "enamel-mug").await;
    assert_eq!(unknown.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn products_of_one_name_made_at_once_get_numbered_slugs() {
    let shop = Shop::crowded(10).await;
    let made = at_once(10, |_| {
        let shop = shop.clone();
        async move { shop.create(&draft("Mug", 1290, 1)).await.slug }
    })
    .await;
    let mut expected: Vec<_> = (2..=10).map(|n| format!("mug-{n}")).collect();
    expected.push("mug".to_owned());
    assert_eq!(sorted(made), sorted(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn products_whose_names_lead_to_one_slug_are_both_made() {
    let shop = Shop::open().await;
    shop.create(&draft("Mug", 1290, 1)).await;
    let mut tx = shop.pool.begin().await.unwrap();
    let second = product::create(&mut tx, ProductId::new(), &draft("Mug", 1290, 1)).await;
    assert_eq!(second.unwrap().slug, "mug-2");
    let named_so = tokio::spawn({
        let shop = shop.clone();
        async move { shop.try_create(&draft("Mug 2", 1290, 1)).await }
    });
    shop.until_waiting(1).await;
    tx.commit().await.unwrap();
    assert_eq!(named_so.await.unwrap().unwrap().slug, "mug-2-2");
}

#[tokio::test]
async fn an_edit_raises_the_version_and_keeps_the_slug() {
    let shop = Shop::open().await;
    let made = shop.create(&draft("Mug", 1290, 10)).await;
    let other = shop.create(&draft("Kettle", 5490, 10)).await;
    let mut wanted = draft("Golden Mug", 0, 7);
    wanted.description = "Shines.".to_owned();
    wanted.price = Money::new(99, "USD".parse().unwrap());
    let edited = shop.edit(made.id, made.version, &wanted).await.unwrap();
    let expected = Product {
        name: wanted.name,
        description: wanted.description,
        price: wanted.price,
        available: 7,
        reserved: 0,
        version: 2,
        ..made
    };
    assert_eq!(edited, expected);
    assert_eq!(shop.find(edited.id).await, Some(expected));
    assert_eq!(shop.find(other.id).await, Some(other));
}

#[tokio::test]
async fn an_edit_of_an_older_version_gets_the_current_one() {
    let shop = Shop::open().await;
    let made = shop.create(&draft("Mug", 1290, 10)).await;
    let current = shop
        .edit(made.id, made.version, &draft("Mug", 1390, 10))
        .await
        .unwrap();
    for version in [made.version, 3, 0, -1] {
        let refused = shop.edit(made.id, version, &draft("Late", 1, 1)).await;
        assert!(
            matches!(refused, Err(EditError::Stale { current: 2 })),
            "{version}: {refused:?}"
        );
        let refused = shop.delete(made.id, version).await;
        assert!(
            matches!(refused, Err(EditError::Stale { current: 2 })),
            "{version}: {refused:?}"
        );
    }
    assert_eq!(shop.find(made.id).await, Some(current));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_edits_is_applied() {
    let shop = Shop::crowded(20).await;
    let made = shop.create(&draft("Mug", 1290, 10)).await;
    let outcomes = at_once(20, |n| {
        let shop = shop.clone();
        async move {
            let cents = i64::try_from(n).unwrap() + 1;
            shop.edit(made.id, 1, &draft("Mug", cents, 10)).await
        }
    })
    .await;
    let mut edited = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(product) => edited.push(product),
            Err(EditError::Stale { current: 2 }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let [edited] = edited.as_slice() else {
        panic!("{edited:?}")
    };
    assert_eq!(shop.find(made.id).await.as_ref(), Some(edited));
}

#[tokio::test]
async fn a_deleted_product_leaves_the_catalog_but_not_orders() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    let held = shop
        .order_at(Status::AwaitingPayment, &[item(mug.id, 2)])
        .await;
    let before = shop.find_order(held).await;
    shop.delete(mug.id, mug.version).await.unwrap();
    assert_eq!(shop.find(mug.id).await, None);
    let mut conn = shop.pool.acquire().await.unwrap();
    let by_slug = product::find_by_slug(&mut conn, "mug").await;
    assert_eq!(by_slug.unwrap(), None);
    let listed = product::search(&mut conn, None, None, 10).await.unwrap();
    assert_eq!(listed.items, []);
    let found = product::search(&mut conn, Some("mug"), None, 10).await;
    assert_eq!(found.unwrap().items, []);
    for version in [1, 2] {
        let edited = shop.edit(mug.id, version, &draft("Mug", 1, 1)).await;
        assert!(
            matches!(edited, Err(EditError::NotFound(id)) if id == mug.id),
            "{edited:?}"
        );
        let deleted = shop.delete(mug.id, version).await;
        assert!(
            matches!(deleted, Err(EditError::NotFound(id)) if id == mug.id),
            "{deleted:?}"
        );
    }
    assert_eq!(shop.find_order(held).await, before);
    shop.go(Move::Complete, &[held]).await.unwrap();
    assert_eq!(shop.stock(mug.id).await.sold, 2);
}

#[tokio::test]
async fn an_unknown_product_cannot_be_edited() {
    let shop = Shop::open().await;
    let unknown = ProductId::new();
    let edited = shop.edit(unknown, 1, &draft("Mug", 1, 1)).await;
    assert!(
        matches!(edited, Err(EditError::NotFound(id)) if id == unknown),
        "{edited:?}"
    );
    let deleted = shop.delete(unknown, 1).await;
    assert!(
        matches!(deleted, Err(EditError::NotFound(id)) if id == unknown),
        "{deleted:?}"
    );
}

#[tokio::test]
async fn a_deleted_products_slug_is_not_reused() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    shop.delete(mug.id, mug.version).await.unwrap();
    assert_eq!(shop.create(&draft("Mug", 1290, 10)).await.slug, "mug-2");
}

#[tokio::test]
async fn stock_is_set_to_the_count_and_never_below_reservations() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    shop.order_at(Status::Completed, &[item(mug.id, 4)]).await;
    shop.place(&[item(mug.id, 3)]).await;
    let edited = shop.edit(mug.id, 1, &draft("Mug", 1290, 20)).await.unwrap();
    assert_eq!(edited.available, 17);
    let refused = shop.edit(mug.id, 2, &draft("Mugs", 1, 2)).await;
    assert!(
        matches!(refused, Err(EditError::StockBelowReserved { .. })),
        "{refused:?}"
    );
    assert_eq!(
        shop.find(mug.id).await,
        Some(edited),
        "nothing of it is made"
    );
    let edited = shop.edit(mug.id, 2, &draft("Mug", 1290, 3)).await.unwrap();
    assert_eq!(edited.available, 0);
    let stock = shop.stock(mug.id).await;
    assert_eq!((stock.lying, stock.reserved, stock.sold), (3, 3, 4));
}

fn sorted(mut slugs: Vec<String>) -> Vec<String> {
    slugs.sort();
    slugs
}

#[tokio::test]
async fn an_edit_changes_stock_by_the_difference() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    // three are sold and one is reserved while the editor's form is open
    shop.order_at(Status::Completed, &[item(mug.id, 3)]).await;
    shop.order_at(Status::Pending, &[item(mug.id, 1)]).await;
    let edit = async |version, stock| {
        let mut tx = shop.pool.begin().await.unwrap();
        let edited = product::update(&mut tx, mug.id, version, &draft("Mug", 1290, 0), stock).await;
        if edited.is_ok() {
            tx.commit().await.unwrap();
        }
        edited.map(|product| product.available + product.reserved)
    };
    let seen = |seen, to| StockEdit::Change { seen, to };
    assert_eq!(edit(1, StockEdit::Keep).await.unwrap(), 7, "only the text");
    assert_eq!(
        edit(2, seen(10, 10)).await.unwrap(),
        7,
        "as the form had it"
    );
    assert_eq!(edit(3, seen(10, 15)).await.unwrap(), 12, "five came in");
    assert_eq!(edit(4, seen(12, 3)).await.unwrap(), 3, "nine are gone");
    assert!(matches!(
        edit(5, seen(10, 0)).await,
        Err(EditError::StockBelowReserved {
            reserved: 1,
            left: -7
        })
    ));
    // a form that does not say which stock the editor saw must not change it
    assert_eq!(edit(5, StockEdit::Confirm(3)).await.unwrap(), 3);
    assert!(matches!(
        edit(6, StockEdit::Confirm(10)).await,
        Err(EditError::StockUnseen { stock: 3 })
    ));
}
