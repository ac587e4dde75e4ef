//! The four tests of `four`, on checkout.

use contracts::topology::TRANSACTION_COMPLETED;
use kernel::OrderId;
use saga::CANCEL;
use testkit::Mode;

use crate::shop::{Shop, quick};

/// The ways in which a call fails, once or for a long time.
const FAILURES: [Mode; 4] = [
    Mode::DoneButUnknown,
    Mode::Unreachable,
    Mode::Unknown,
    Mode::Panic,
];

async fn assert_ended(shop: &Shop, order: OrderId, status: &str) {
    assert_eq!(shop.find_order(order).await.status.as_str(), status);
    assert_eq!(shop.reserved().await, 0);
    shop.assert_whole().await;
}

#[tokio::test]
async fn a_repeated_init_payment_makes_one_transaction() {
    let shop = Shop::open(quick()).await;
    for mode in FAILURES {
        shop.payments.init_will(mode);
        let order = shop.submit().await;
        shop.work().await;
        shop.payments.init_will(Mode::Answer);
        shop.work_again().await;
        assert!(shop.payments.pay(order.id));
        for _ in 0..2 {
            shop.signal(order.saga_id, TRANSACTION_COMPLETED).await; // complete_order runs twice
        }
        assert_ended(&shop, order.id, "completed").await;
    }
}

#[tokio::test]
async fn a_failing_undo_is_never_given_up_and_cancels_once() {
    let shop = Shop::open(quick()).await;
    for mode in FAILURES {
        let order = shop.awaiting().await;
        shop.signal(order.saga_id, CANCEL).await;
        shop.payments.cancel_will(mode);
        for _ in 0..25 {
            shop.work_again().await;
            assert_eq!(shop.state(order.saga_id).await, "compensating", "{mode:?}");
            assert_eq!(shop.reserved().await, 1, "held until payments has canceled");
        }
        shop.payments.cancel_will(Mode::Answer);
        shop.work_again().await;
        assert_ended(&shop, order.id, "canceled").await;
        let undone = shop.journal(order.saga_id).await;
        let undone = undone.iter().filter(|kind| *kind == "undone");
        assert_eq!(undone.count(), 1);
    }
}

/// Rolls back the n-th write to an order from now on, as a serialization failure would.
async fn roll_back(shop: &Shop, nth: i64) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        r#"
        drop trigger if exists trip on commerce."order";
        drop sequence if exists writes;
        create sequence writes; -- not rolled back with what it counts
        create or replace function trip() returns trigger language plpgsql as $$
        begin
            if nextval('public.writes') = {nth} then
                raise exception using errcode = '40001';
            end if;
            return new;
        end $$;
        create trigger trip before insert or update on commerce."order"
            for each row execute function trip();
        "#
    )))
    .execute(&shop.pool)
    .await
    .unwrap();
}

async fn tripped(shop: &Shop, nth: i64) -> bool {
    let writes: i64 = sqlx::query_scalar("select last_value from writes")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    writes >= nth
}

/// Sends a signal until it is stored, as the broker redelivers an unacked message.
async fn insist(shop: &Shop, saga: kernel::SagaId, name: &str) {
    for _ in 0..3 {
        let mut tx = shop.pool.begin().await.unwrap();
        let signal = saga::NewSignal {
            id: kernel::SignalId::new(),
            saga_id: saga,
            name: name.to_owned(),
            payload: serde_json::Value::Null,
            source: "test".to_owned(),
        };
        if let Ok(signaled) = shop.engine.signal(&mut tx, vec![signal]).await {
            tx.commit().await.unwrap();
            return signaled.after.emit();
        }
        tx.rollback().await.unwrap();
    }
    panic!("{name} is not taken");
}

/// Each write of each local step and undo is rolled back once, after the steps before it ran, and
/// is then repeated.
#[tokio::test]
async fn rolled_back_local_steps_are_repeated_with_one_effect() {
    for (word, ends) in [(TRANSACTION_COMPLETED, "completed"), (CANCEL, "canceled")] {
        let shop = Shop::open(quick()).await;
        let mut trips = 0;
        for nth in 1.. {
            roll_back(&shop, nth).await;
            let key = uuid::Uuid::new_v4().to_string();
            if shop.try_submit(1, &key, false).await.is_err() {
                shop.try_submit(1, &key, false).await.unwrap();
            }
            let (order, saga): (uuid::Uuid, uuid::Uuid) = sqlx::query_as(
                "select order_id, saga_id from commerce.\"order\" order by created_at desc limit 1",
            )
            .fetch_one(&shop.pool)
            .await
            .unwrap();
            let (order, saga) = (OrderId::from(order), kernel::SagaId::from(saga));
            shop.work().await;
            if ends == "completed" {
                assert!(shop.payments.pay(order));
            }
            insist(&shop, saga, word).await;
            shop.work_again().await;
            assert_ended(&shop, order, ends).await;
            if !tripped(&shop, nth).await {
                break;
            }
            trips = nth;
        }
        assert!(trips >= 3, "{ends}: only {trips} writes");
    }
}
