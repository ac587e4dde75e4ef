//! Doctor compares orders with payments through its API alone.

use std::sync::Arc;

use contracts::topology::TRANSACTION_COMPLETED;
use doctor::{CheckResult, Limits, PaymentsSource, Report, Source, Sources};

use crate::shop::{Shop, quick};

/// A shop with this many paid orders.
async fn with_paid_orders(number: usize, is_whole: bool) -> Shop {
    let shop = Shop::open(quick()).await;
    if !is_whole {
        shop.payments.offers_level_1_only();
    }
    for _ in 0..number {
        let submitted = shop.submit().await;
        shop.work().await;
        assert!(shop.payments.pay(submitted.id));
        let order = shop.find_order(submitted.id).await;
        shop.signal(order.saga_id, TRANSACTION_COMPLETED).await;
    }
    shop
}

async fn examine(shop: &Shop, orders: Option<i64>) -> Report {
    let sources = Sources {
        shop: &shop.pool,
        payments: &PaymentsSource::api(Arc::new(shop.payments.clone())),
        amqp_url: None,
        management_url: None,
        without: &[Source::RabbitMq, Source::Bindings],
        plans: &workflows::plans(),
    };
    let limits = Limits {
        orders,
        ..Limits::default()
    };
    doctor::examine_all(sources, &limits).await.unwrap()
}

fn result(report: &Report, id: &str) -> CheckResult {
    let check = doctor::CHECKS.iter().find(|check| check.id == id);
    report.result(check.unwrap())
}

#[tokio::test]
async fn an_amount_that_differs_is_found_through_the_api() {
    let shop = with_paid_orders(1, true).await;
    let report = examine(&shop, None).await;
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.is_complete(), "{}", report.summary());
    assert_eq!(result(&report, "I3"), CheckResult::Holds);
    assert!(
        report
            .summary()
            .contains("without payments' database (PAYMENTS_DATABASE_URL is not set)"),
        "{}",
        report.summary()
    );
    let order = shop.newest().await;
    shop.payments.falsify(order);
    let report = examine(&shop, None).await;
    assert_eq!(result(&report, "I3"), CheckResult::Violated);
}

#[tokio::test]
async fn a_bounded_comparison_says_what_share_it_saw() {
    let shop = with_paid_orders(3, true).await;
    let report = examine(&shop, Some(2)).await;
    let summary = report.summary();
    assert!(
        summary.contains("I2, I3, late-outcomes for 2 of 3 orders, the newest"),
        "{summary}"
    );
    let whole = examine(&shop, Some(3)).await.summary();
    assert!(!whole.contains("of 3 orders"), "{whole}");
}

#[tokio::test]
async fn an_amount_that_payments_leaves_out_contradicts_nothing() {
    let shop = with_paid_orders(1, false).await;
    let report = examine(&shop, None).await;
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(result(&report, "I3"), CheckResult::Holds);
}
