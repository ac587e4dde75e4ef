//! The entry of a saga names its lease holder, as the holder's heartbeat names it.

use saga::heartbeat::{self, Heartbeat};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, quick};

async fn holders(shop: &Shop) -> Vec<Option<String>> {
    sqlx::query_scalar("select holder from messaging.outbox where kind in ('step', 'timer')")
        .fetch_all(&shop.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_entry_names_the_process_that_claimed_it() {
    let shop = Shop::open(quick()).await;
    shop.submit().await;
    assert_eq!(holders(&shop).await, [None], "nobody has claimed it yet");
    assert_eq!(shop.claim().await.len(), 1);
    let holder = Some(shop.engine.holder().to_owned());
    assert_eq!(holders(&shop).await, [holder]);
}

#[tokio::test]
async fn an_eager_entry_names_the_process_that_created_it() {
    let shop = Shop::open(quick()).await;
    shop.payments.init_will(testkit::Mode::Hang);
    shop.try_submit(1, "key", true).await.unwrap();
    let holder = Some(shop.engine.holder().to_owned());
    assert_eq!(holders(&shop).await, [holder]);
}

#[tokio::test]
async fn a_process_is_alive_between_first_beat_and_stop() {
    let shop = Shop::open(quick()).await;
    let list = || async {
        let mut conn = shop.pool.acquire().await.unwrap();
        heartbeat::list(&mut conn).await.unwrap()
    };
    let stop_heartbeat = CancellationToken::new();
    let heartbeat = Heartbeat::new(&shop.engine, ["saga".to_owned()]);
    let beating = tokio::spawn(heartbeat.run(shop.pool.clone(), stop_heartbeat.clone()));
    testkit::eventually("the first beat", || async { list().await.len() == 1 }).await;
    let process = list().await.remove(0);
    assert_eq!(process.process, shop.engine.holder());
    assert!(process.is_alive(process.started_at));
    assert!(process.advances(&shop.engine.plan_keys()[0]));
    testkit::eventually("another beat", || async {
        list().await[0].seen_at > process.seen_at
    })
    .await;
    stop_heartbeat.cancel();
    beating.await.unwrap();
    let stopped = list().await.remove(0);
    assert!(stopped.stopped_at.is_some());
    assert!(!stopped.is_alive(stopped.seen_at));
}
