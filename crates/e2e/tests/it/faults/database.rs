//! PostgreSQL: connections that end at the worst moment, and a database that refuses writes.

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::PgPool;
use testkit::{Fault, Upstream, eventually, eventually_some};

use super::{completes, count, left_to, transactions, whole, with};
use crate::{outages::load, text};

#[tokio::test(flavor = "multi_thread")]
async fn terminated_sessions_lose_nothing_and_repeat_nothing_f37() {
    let system = with(&["worker"]).await;
    let end_one = |pool: &PgPool| {
        let pool = pool.clone();
        async move {
            let ended: i64 = sqlx::query_scalar(
                "select count(pg_terminate_backend(pid)) from (
                     select pid from pg_stat_activity
                     where datname = current_database() and application_name ~ '^(api|worker|payments)'
                     order by random() limit 1) one",
            )
            .fetch_one(&pool)
            .await
            .unwrap();
            ended
        }
    };
    let ending = async {
        let sessions = "select count(distinct user_id) from auth.refresh_token";
        eventually("all shoppers to be logged in", || async {
            count(&system.shop, sessions).await == 4
        })
        .await;
        let mut ended = 0;
        loop {
            ended += end_one(&system.shop).await + end_one(&system.payments).await;
            let done = count(
                &system.shop,
                r#"select count(*) from commerce."order" where status = 'completed'"#,
            )
            .await;
            if done >= 40 {
                return ended;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let shoppers = futures::future::join_all((0..4).map(|_| load(&system, 10)));
    let (accepted, ended) = tokio::join!(shoppers, ending);
    assert!(ended > 10, "{ended} sessions were ended");
    assert_eq!(accepted.iter().map(Vec::len).sum::<usize>(), 40);
    whole(&system).await;
    assert_eq!(
        count(&system.shop, r#"select count(*) from commerce."order""#).await,
        40
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_an_unanswered_commit_is_found_by_key_f38() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let link = system.link("api", Upstream::Postgres);
    link.will(Fault::CutAtCommit);
    let answer = buyer.try_order(&mug, 1, "the key").await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(link.hits() > 0);
    let orders = || count(&system.shop, r#"select count(*) from commerce."order""#);
    assert_eq!(orders().await, 1, "it was committed");
    link.will(Fault::None);
    let order: Value = eventually_some("the same order", || async {
        let answer = buyer.try_order(&mug, 1, "the key").await.ok()?;
        let replayed = answer.headers().contains_key("idempotent-replayed");
        if answer.status().is_success() && replayed {
            answer.json().await.ok()
        } else {
            None
        }
    })
    .await;
    completes(&buyer, &order).await;
    assert_eq!(orders().await, 1);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_commit_is_never_answered_is_recorded_once_f38() {
    let system = left_to(&["worker saga", "worker payments async relay"]).await;
    let buyer = system.buyer().await;
    let link = system.link("worker saga", Upstream::Postgres);
    link.will(Fault::CutAtCommit);
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    assert!(link.hits() > 0);
    link.will(Fault::None);
    completes(&buyer, &order).await;
    let done = "select count(*) from saga.journal where kind = 'done' and step = 'init_payment'";
    assert_eq!(count(&system.shop, done).await, 1);
    assert_eq!(transactions(&system).await, 1);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_an_unanswered_commit_is_one_event_f38() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let link = system.link("payments", Upstream::Postgres);
    link.will(Fault::CutAtCommit);
    let id = text(&order, "transaction_id");
    let answer = buyer.decide("complete", id).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(link.hits() > 0);
    link.will(Fault::None);
    completes(&buyer, &order).await; // pays again
    let answer = buyer.decide("cancel", id).await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::CONFLICT,
        "what was committed counts"
    );
    whole(&system).await;
    assert_eq!(
        count(&system.shop, "select count(*) from saga.signal").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_commit_is_never_answered_takes_effect_once_f38() {
    let system = with(&["worker saga async relay", "worker payments"]).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    let link = system.link("worker payments", Upstream::Postgres);
    link.will(Fault::CutAtCommit);
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    eventually("the commit's answer to be cut", || async {
        link.hits() > 0
    })
    .await;
    link.will(Fault::None);
    let (_, next) = buyer.order().await;
    completes(&buyer, &next).await; // behind the redelivered event
    whole(&system).await;
    assert_eq!(
        count(&system.shop, "select count(*) from saga.signal").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_refuses_orders_cleanly_f40() {
    let system = with(&["worker"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    let mug = system.product("enamel-mug").await;
    let database: String = sqlx::query_scalar("select current_database()")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    let switch = async |how: &str| {
        let mut admin = system.shop.acquire().await.unwrap();
        for statement in [
            "set default_transaction_read_only = off".to_owned(),
            format!("alter database {database} {how}"),
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name ~ '^(api|worker)'"
                .to_owned(),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                .execute(&mut *admin)
                .await
                .unwrap();
        }
    };
    switch("set default_transaction_read_only = on").await;
    let answer = eventually_some("orders to be refused", || async {
        // if a session from before still accepts it, the next one is another order
        let key = uuid::Uuid::new_v4().to_string();
        let answer = buyer.try_order(&mug, 1, &key).await.unwrap();
        (!answer.status().is_success()).then_some(answer)
    })
    .await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let orders = || count(&system.shop, r#"select count(*) from commerce."order""#);
    let before = orders().await;
    buyer.pay(text(&first, "transaction_id")).await;
    buyer.awaits(text(&first, "id"), "awaiting_payment").await; // reads still work
    switch("reset default_transaction_read_only").await;
    buyer.awaits(text(&first, "id"), "completed").await;
    let order: Value = eventually_some("the order to be taken", || async {
        let answer = buyer.try_order(&mug, 1, "the key").await.ok()?;
        if answer.status().is_success() {
            answer.json().await.ok()
        } else {
            None
        }
    })
    .await;
    completes(&buyer, &order).await;
    assert_eq!(orders().await, before + 1);
    for row in sqlx::query_as::<_, (uuid::Uuid,)>(
        "select transaction_id from payments.transaction where status = 'pending'",
    )
    .fetch_all(&system.payments)
    .await
    .unwrap()
    {
        buyer.pay(&row.0.to_string()).await; // orders accepted by sessions from before
    }
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_worker_survives_silently_dropped_connections_f16() {
    let system = left_to(&["worker saga", "worker payments async relay"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await;
    // all its connections are silently dead; new ones would work
    for to in [Upstream::Postgres, Upstream::Payments] {
        system.link("worker saga", to).silence();
    }
    let (_, order) = buyer.order().await;
    completes(&buyer, &order).await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_survives_silently_dropped_connections_f16() {
    let system = with(&["worker saga payments async", "worker relay"]).await;
    let buyer = system.buyer().await;
    let (_, first) = buyer.order().await;
    completes(&buyer, &first).await;
    for (role, to) in [
        ("worker relay", Upstream::Postgres),
        ("worker relay", Upstream::RabbitMq),
        ("payments", Upstream::Postgres),
        ("payments", Upstream::RabbitMq),
    ] {
        system.link(role, to).silence();
    }
    let (_, order) = buyer.order().await;
    completes(&buyer, &order).await;
    whole(&system).await;
}
