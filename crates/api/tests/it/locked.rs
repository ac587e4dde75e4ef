//! A lock of another session ends a call with a problem, and operators learn which session it is.

use kernel::SagaId;
use operator::{
    Actor, DataSources, Operator, PaymentsAccess,
    batch::{self, ItemResult},
};
use reqwest::Method;
use saga::Verb;
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgPoolOptions};
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Answer, Settings, Shop, id_of};

/// A shop whose pool gives up a lock, as the api's own pools do.
async fn shop() -> Shop {
    let pool = testkit::shop_db().await;
    let mut conn = pool.acquire().await.unwrap();
    commerce::product::seed(&mut conn).await.unwrap();
    drop(conn);
    let options = pool.connect_options().as_ref().clone();
    let options = options.options([("lock_timeout", "500ms")]);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    Shop::open_on(pool, Settings::default()).await
}

/// A session that holds the row of the order's saga.
async fn lock(shop: &PgPool, order: &Value) -> (Transaction<'static, Postgres>, Uuid, i32) {
    let mut session = shop.begin().await.unwrap();
    let (saga, pid) = sqlx::query_as(
        r#"
        select s.saga_id, pg_backend_pid()
        from saga.saga s join commerce."order" o using (saga_id)
        where o.order_id = $1
        for update of s
        "#,
    )
    .bind(id_of(order).uuid())
    .fetch_one(&mut *session)
    .await
    .unwrap();
    (session, saga, pid)
}

#[tokio::test]
async fn an_operators_act_behind_a_lock_names_the_session() {
    let shop = shop().await;
    let operator = shop.operator();
    let order = shop.awaiting(&shop.buyer()).await;
    let (session, saga, pid) = lock(&shop.pool, &order).await;
    let end = format!("shopctl db end-session {pid} --reason 'it blocks sagas'");
    let why = format!("/api/sagas/{saga}/why");
    eventually("the session to count as blocking", || async {
        shop.get(&why, &operator).await.json()["code"] == "blocked-by-session"
    })
    .await;
    let why = shop.get(&why, &operator).await.json();
    assert_eq!(why["next"][0]["command"], end, "{why}");
    for verb in ["pause", "cancel"] {
        let path = format!("/api/sagas/{saga}/{verb}");
        let request = shop.request(Method::POST, &path).bearer_auth(&operator);
        let answer = Answer::to(request.json(&json!({"reason": "r"}))).await;
        let problem = answer.problem_for_now(503, "unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("session {pid} (")), "{problem}");
        assert_eq!(problem["hint"], end, "{problem}");
    }
    session.rollback().await.unwrap();
}

#[tokio::test]
async fn a_customers_cancellation_behind_a_lock_can_be_repeated() {
    let shop = shop().await;
    let buyer = shop.buyer();
    let order = shop.awaiting(&buyer).await;
    let (session, _, pid) = lock(&shop.pool, &order).await;
    let answer = shop.cancel(&order, &buyer).await;
    let problem = answer.problem_for_now(503, "unavailable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("Try again"), "{problem}");
    assert!(
        !answer.text.contains(&pid.to_string()),
        "sessions are the operators' affair: {problem}"
    );
    session.rollback().await.unwrap();
    assert_eq!(shop.cancel(&order, &buyer).await.status, 202);
}

#[tokio::test]
async fn a_batch_skips_a_locked_saga_and_goes_on() {
    let shop = shop().await;
    let buyer = shop.buyer();
    let (first, second) = (shop.awaiting(&buyer).await, shop.awaiting(&buyer).await);
    let (other, free, _) = lock(&shop.pool, &second).await;
    other.rollback().await.unwrap();
    let (session, locked, _) = lock(&shop.pool, &first).await;
    let sources = DataSources {
        payments: PaymentsAccess::none("this test asks no payments"),
        amqp_url: None,
        reads_failed: false,
    };
    let registry = workflows::registry(&workflows::Settings::default());
    let operator = Operator::new(shop.engine.clone(), registry, sources);
    let actor = Actor::new("ann", "looking").unwrap();
    let sagas = [locked, free].map(SagaId::from);
    let batch = operator.plan(&sagas, &Verb::Pause, &actor).await.unwrap();
    operator.apply(batch, None, None, "ann").await.unwrap();
    operator.run_batch(batch).await.unwrap();
    let mut conn = shop.pool.acquire().await.unwrap();
    let items = batch::items(&mut conn, batch).await.unwrap();
    let result = |saga: Uuid| {
        let item = items.iter().find(|item| item.saga_id.uuid() == saga);
        item.unwrap().result.clone().unwrap()
    };
    assert_eq!(result(free), ItemResult::Done);
    assert_eq!(result(locked), ItemResult::Skipped);
    let detail = format!("{items:?}");
    assert!(detail.contains("it is locked by"), "{detail}");
    session.rollback().await.unwrap();
}
