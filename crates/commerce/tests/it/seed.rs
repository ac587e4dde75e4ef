//! The demo catalog.

use commerce::product::{self, Product};

use crate::shop::{Shop, draft, item};

async fn seed(shop: &Shop) -> usize {
    let mut tx = shop.pool.begin().await.unwrap();
    let added = product::seed(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    added
}

async fn catalog(shop: &Shop) -> Vec<Product> {
    let mut conn = shop.pool.acquire().await.unwrap();
    product::search(&mut conn, None, None, 100)
        .await
        .unwrap()
        .items
}

#[tokio::test]
async fn the_demo_catalog_is_loaded_once() {
    let shop = Shop::open().await;
    assert_eq!(seed(&shop).await, 24);
    let loaded = catalog(&shop).await;
    assert_eq!(loaded.len(), 24);
    assert!(loaded.iter().all(|product| product.available > 0));
    assert_eq!(seed(&shop).await, 0);
    assert_eq!(catalog(&shop).await, loaded);
}

#[tokio::test]
async fn demo_products_have_the_same_ids_and_slugs_everywhere() {
    let (one, other) = (Shop::open().await, Shop::open().await);
    seed(&one).await;
    seed(&other).await;
    let names = |catalog: Vec<Product>| -> Vec<_> {
        catalog
            .into_iter()
            .map(|product| (product.id, product.slug))
            .collect()
    };
    assert_eq!(names(catalog(&one).await), names(catalog(&other).await));
}

#[tokio::test]
async fn what_was_edited_sold_or_deleted_since_stays_so() {
    let shop = Shop::open().await;
    seed(&shop).await;
    let loaded = catalog(&shop).await;
    let [edited, deleted, ordered, ..] = loaded.as_slice() else {
        panic!("{loaded:?}")
    };
    shop.edit(edited.id, 1, &draft("Mine now", 1, 1))
        .await
        .unwrap();
    shop.delete(deleted.id, 1).await.unwrap();
    shop.place(&[item(ordered.id, 1)]).await;
    let before = catalog(&shop).await;
    assert_eq!(seed(&shop).await, 0);
    assert_eq!(catalog(&shop).await, before);
}

#[tokio::test]
async fn the_demo_catalog_comes_after_earlier_products() {
    let shop = Shop::open().await;
    let own = shop.product("Mug", 1290, 1).await;
    assert_eq!(seed(&shop).await, 24);
    assert_eq!(catalog(&shop).await[0].id, own);
}
