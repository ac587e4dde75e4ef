//! The database's constraints, checked without the application code.

use commerce::order::Status;

use crate::shop::{Shop, item};

/// A database with one product of 10 pieces, 2 of them reserved by one order, and one more sold to
/// another order.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 11).await;
    shop.order_at(Status::Completed, &[item(mug, 1)]).await;
    shop.place(&[item(mug, 2)]).await;
    shop
}

async fn check(cases: &[(&str, &str)]) {
    let shop = shop().await;
    for (sql, constraint) in cases {
        assert_eq!(
            shop.refusing_constraint(sql).await.as_deref(),
            Some(*constraint),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn stock_is_never_promised_twice_nor_negative() {
    check(&[
        (
            "update commerce.stock set reserved = 11",
            "stock_reserved_within",
        ),
        (
            "update commerce.stock set reserved = -1",
            "stock_reserved_within",
        ),
        (
            "update commerce.stock set received = 2",
            "stock_reserved_within",
        ),
        (
            "update commerce.stock set sold = 10",
            "stock_reserved_within",
        ),
        (
            "update commerce.stock set sold = -1",
            "stock_counts_natural",
        ),
        (
            "update commerce.stock set received = -1, reserved = 0",
            "stock_counts_natural",
        ),
        (
            "insert into commerce.stock (product_id) select product_id from commerce.product",
            "stock_pk",
        ),
        (
            "insert into commerce.stock (product_id) values (gen_random_uuid())",
            "stock_product_fk",
        ),
        ("delete from commerce.product", "stock_product_fk"),
    ])
    .await;
    let shop = shop().await;
    let last = "update commerce.stock set reserved = 10";
    assert_eq!(shop.refusing_constraint(last).await, None);
}

#[tokio::test]
async fn the_catalog_holds_products_that_can_be_sold() {
    let copy = |what: &str, with: &str| {
        let values = "gen_random_uuid(), slug || '-b', name, description, price_amount, currency";
        format!(
            "insert into commerce.product (product_id, slug, name, description, price_amount, currency)
             select {} from commerce.product",
            values.replacen(what, with, 1)
        )
    };
    let cases = [
        (copy("slug || '-b'", "slug"), "product_slug_unique"),
        (copy("slug || '-b'", "'Mug B'"), "product_slug_shape"),
        (copy("slug || '-b'", "''"), "product_slug_shape"),
        (copy("price_amount", "0"), "product_price_positive"),
        (copy("price_amount", "-1"), "product_price_positive"),
        (copy("currency", "'eur'"), "product_currency_shape"),
        (copy("gen_random_uuid()", "product_id"), "product_pk"),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(sql, constraint)| (sql.as_str(), *constraint))
        .collect();
    check(&cases).await;
}

#[tokio::test]
async fn an_order_has_one_transaction_valid_status_and_positive_total() {
    check(&[
        (
            r#"insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount,
                                             currency, trace_id)
               select gen_random_uuid(), user_id, saga_id, transaction_id, status, total_amount, currency, trace_id
               from commerce."order" limit 1"#,
            "order_transaction_unique",
        ),
        (
            r#"insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount,
                                             currency, trace_id)
               select gen_random_uuid(), user_id, saga_id, gen_random_uuid(), 'lost', total_amount, currency, trace_id
               from commerce."order" limit 1"#,
            "order_status_known",
        ),
        (
            r#"update commerce."order" set status = 'lost'"#,
            "order_status_arrows",
        ),
        (
            r#"update commerce."order" set total_amount = 0"#,
            "order_total_positive",
        ),
        (
            r#"update commerce."order" set currency = 'euro'"#,
            "order_currency_shape",
        ),
        (
            r#"update commerce."order" set canceling = true where status = 'completed'"#,
            "order_canceling_only_live",
        ),
        (
            r#"update commerce."order" set canceling_cause = 'moody'"#,
            "order_canceling_cause_known",
        ),
        (
            "update commerce.order_line set quantity = 0",
            "order_line_quantity_positive",
        ),
        (
            "update commerce.order_line set unit_amount = 0",
            "order_line_amount_positive",
        ),
        (
            "insert into commerce.order_line select * from commerce.order_line",
            "order_line_pk",
        ),
        (
            "update commerce.order_line set order_id = gen_random_uuid()",
            "order_line_order_fk",
        ),
    ])
    .await;
}
