//! Finding products: by words, by their beginnings and in spite of typing mistakes.

use commerce::product;

use crate::shop::{Shop, draft};

async fn seeded() -> Shop {
    let shop = Shop::open().await;
    product::seed(&mut shop.pool.acquire().await.unwrap())
        .await
        .unwrap();
    shop
}

async fn found(shop: &Shop, query: &str) -> Vec<String> {
    let mut conn = shop.pool.acquire().await.unwrap();
    let page = product::search(&mut conn, Some(query), None, 100)
        .await
        .unwrap_or_else(|error| panic!("{query:?}: {error}"));
    page.items.into_iter().map(|product| product.slug).collect()
}

/// Asserts that each query finds its product, and few others.
async fn check(cases: &[(&str, &str)]) {
    let shop = seeded().await;
    for (query, slug) in cases {
        let found = found(&shop, query).await;
        assert!(
            found.iter().any(|found| found == slug),
            "{query}: {found:?}"
        );
        assert!(found.len() <= 5, "{query}: {found:?}");
    }
}

#[tokio::test]
async fn words_are_found_in_any_form_and_case() {
    check(&[
        ("enamel mug", "enamel-mug"),
        ("MUG enamel", "enamel-mug"),
        ("campfire", "enamel-mug"),
        ("blankets", "wool-blanket"),
        ("grinding", "hand-coffee-grinder"),
        ("gooseneck", "pour-over-kettle"),
        ("\"opens flat\"", "desk-notebook"),
        ("chef's knife", "chef-s-knife"),
        ("  sundial  ", "sundial-pocket-size"),
    ])
    .await;
}

#[tokio::test]
async fn the_beginning_of_a_word_finds_it() {
    check(&[
        ("ena", "enamel-mug"),
        ("Sourd", "sourdough-basket"),
        ("keyb", "mechanical-keyboard"),
        ("coffee gri", "hand-coffee-grinder"),
        ("French Pr", "french-press"),
        ("fount", "fountain-pen"),
    ])
    .await;
}

#[tokio::test]
async fn typing_mistakes_are_forgiven() {
    check(&[
        ("enamle mug", "enamel-mug"),
        ("ketle", "pour-over-kettle"),
        ("coffe grindr", "hand-coffee-grinder"),
        ("skilet", "cast-iron-skillet"),
        ("notebok", "desk-notebook"),
        ("hamock", "camping-hammock"),
        ("backpak", "canvas-backpack"),
        ("sundail", "sundial-pocket-size"),
        ("keybord", "mechanical-keyboard"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let shop = seeded().await;
    for query in ["zzzz", "quantum chromodynamics", "xylophone"] {
        assert_eq!(found(&shop, query).await, Vec::<String>::new(), "{query}");
    }
}

#[tokio::test]
async fn signs_of_query_languages_mean_themselves() {
    let shop = seeded().await;
    shop.create(&draft("Fifty % Off_er \\o/", 100, 1)).await;
    for sign in ["%", "_", "\\"] {
        assert_eq!(found(&shop, sign).await, ["fifty-off-er-o"], "{sign}");
    }
    for noise in [
        "'", "\"", "& | !", "((((", ":*", "mug:*", "-", "<->", "'; --", "*", "%%%%", "$1",
    ] {
        let found = found(&shop, noise).await;
        assert!(
            found.len() < 25,
            "{noise} must not find everything: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_blank_query_is_none() {
    let shop = seeded().await;
    for blank in ["", "   ", "\t"] {
        assert_eq!(found(&shop, blank).await.len(), 24, "{blank:?}");
    }
}

#[tokio::test]
async fn an_edited_product_is_found_by_what_it_says_now() {
    let shop = Shop::open().await;
    let mug = shop.create(&draft("Mug", 1290, 10)).await;
    shop.edit(mug.id, 1, &draft("Teapot", 1290, 10))
        .await
        .unwrap();
    assert_eq!(found(&shop, "teapot").await, ["mug"]);
    assert_eq!(found(&shop, "mug").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_best_match_comes_first() {
    let shop = seeded().await;
    for (query, slug) in [
        ("cup", "espresso-cups-set-of-four"),
        ("pan", "cast-iron-skillet"),
        ("book", "bookshelf-speaker-pair"),
        ("trail", "trail-bottle"),
        ("kettel", "pour-over-kettle"),
        ("note", "desk-notebook"),
    ] {
        let found = found(&shop, query).await;
        assert_eq!(
            found.first().map(String::as_str),
            Some(slug),
            "{query}: {found:?}"
        );
    }
    let found = found(&shop, "kitchen").await;
    assert!(found.len() >= 4, "the description counts: {found:?}");
    assert!(found.contains(&"cutting-board".to_owned()), "{found:?}");
}

#[tokio::test]
async fn what_fits_equally_well_comes_newest_first() {
    let shop = Shop::open().await;
    for name in ["Blue Mug", "Mug Tree", "Red Mug"] {
        shop.create(&draft(name, 1290, 1)).await;
    }
    assert_eq!(
        found(&shop, "mug").await,
        ["red-mug", "mug-tree", "blue-mug"]
    );
}

#[tokio::test]
async fn the_pages_of_a_search_go_on_where_they_ended() {
    let shop = seeded().await;
    let whole = found(&shop, "steel").await;
    assert!(whole.len() >= 4, "{whole:?}");
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let mut conn = shop.pool.acquire().await.unwrap();
        let page = product::search(&mut conn, Some("steel"), cursor, 2)
            .await
            .unwrap();
        paged.extend(page.items.into_iter().map(|product| product.slug));
        let Some(next) = page.next_cursor else { break };
        cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(paged, whole);
}
