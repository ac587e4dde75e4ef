//! `POST /api/orders`: its answers, and that it makes one order despite network failures.

use std::{collections::HashSet, time::Duration};

use commerce::{
    idempotency::{self, Account, Claim, NewKey},
    order::OrderLimits,
};
use futures::future::join_all;
use kernel::{OrderId, TraceRef, UserId};
use serde_json::json;
use testkit::{Mode, eventually};

use crate::support::{Answer, Settings, Shop, basket, id_of};

#[tokio::test]
async fn an_order_with_an_initialised_payment_shows_its_transaction() {
    let shop = Shop::open().await;
    let (user, mug) = (UserId::new(), shop.product("enamel-mug").await);
    let press = shop.product("french-press").await;
    let token = shop.token_of(user);
    let body = json!({"items": [
        {"product_id": mug, "quantity": 2}, {"product_id": press, "quantity": 1},
    ]});
    let trace = TraceRef::random();
    let request = shop.ordering(&token, &body);
    let answer = Answer::to(request.header("traceparent", trace.to_string())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let order = answer.json();
    let path = format!("/api/orders/{}", id_of(&order));
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(order["status"], "awaiting_payment");
    assert_eq!(order["canceling"], false);
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    assert_eq!(
        order["items"],
        json!([
            {"product_id": mug, "name": "Enamel Mug", "quantity": 2, "unit_price": eur(1290)},
            {"product_id": press, "name": "French Press", "quantity": 1, "unit_price": eur(3950)},
        ])
    );
    assert_eq!(order["total"], eur(2 * 1290 + 3950));
    // a client cannot choose an order's trace: two orders could share one
    assert_ne!(order["trace_id"], trace.trace_id());
    let history: Vec<_> = order["history"].as_array().unwrap().iter().collect();
    assert_eq!(history.len(), 2, "{history:?}");
    assert_eq!(
        (&history[0]["status"], &history[1]["status"]),
        (&json!("pending"), &json!("awaiting_payment"))
    );
    assert!(
        history
            .iter()
            .all(|change| change["at"].as_str().unwrap().ends_with('Z'))
    );

    let transaction = shop.payments.transaction(id_of(&order)).unwrap();
    assert_eq!(order["transaction_id"], json!(transaction.transaction_id));
    assert_eq!(transaction.user_id, Some(user));
    assert_eq!(json!(transaction.amount), order["total"]);
    assert_eq!(shop.get(&path, &token).await.json(), order);
    assert_eq!(shop.stock(mug).await.1, 2);
}

#[tokio::test]
async fn an_order_keeps_its_price_and_name() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    sqlx::query(
        "update commerce.product set price_amount = 1, name = 'Other' where slug = 'enamel-mug'",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    let now = shop
        .order_with_status(&order, &token, "awaiting_payment")
        .await;
    assert_eq!(now, order);
    assert_eq!(shop.awaiting(&token).await["total"]["amount"], 1);
}

#[tokio::test]
async fn an_order_is_pending_while_payments_is_slow() {
    let settings = Settings {
        order_wait: Duration::from_millis(1),
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    shop.payments.init_will(Mode::Hang);
    accepted_and_goes_on(&shop).await;
}

#[tokio::test]
async fn an_order_is_pending_while_payments_is_unreachable() {
    for mode in [
        Mode::Unreachable,
        Mode::Unknown,
        Mode::DoneButUnknown,
        Mode::Panic,
    ] {
        let shop = Shop::open().await;
        shop.payments.init_will(mode);
        accepted_and_goes_on(&shop).await;
    }
}

/// An order is answered with 202 while payments fails; once payments recovers, a worker continues.
async fn accepted_and_goes_on(shop: &Shop) {
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let answer = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let order = answer.json();
    assert_eq!(
        (&order["status"], &order["canceling"]),
        (&json!("pending"), &json!(false))
    );
    let path = format!("/api/orders/{}", id_of(&order));
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(shop.get(&path, &token).await.status, 200);
    assert_eq!(shop.stock(mug).await.1, 1, "its stock is held");

    let again = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    assert_eq!((again.status, &again.json()["id"]), (202, &order["id"]));

    shop.payments.init_will(Mode::Answer);
    eventually("a worker to go on with the order", || async {
        shop.hasten().await;
        shop.work().await;
        shop.get(&path, &token).await.json()["status"] == "awaiting_payment"
    })
    .await;
    let again = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    assert_eq!((again.status, &again.json()["id"]), (201, &order["id"]));
    assert_eq!(again.json()["transaction_id"], order["transaction_id"]);
    assert_eq!(shop.orders().await, 1);
    let keys: HashSet<_> = shop.payments.calls().into_iter().collect();
    assert_eq!(keys.len(), 1, "payments was asked for one effect: {keys:?}");
}

#[tokio::test]
async fn respond_async_answers_at_once_and_a_worker_calls_payments() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    for (count, prefer) in ["respond-async", "wait=10, Respond-Async"]
        .into_iter()
        .enumerate()
    {
        let request = shop.ordering(&token, &basket(mug, 1));
        let answer = Answer::to(request.header("prefer", prefer)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let order = answer.json();
        assert_eq!(order["status"], "pending");
        let path = format!("/api/orders/{}", id_of(&order));
        assert_eq!(answer.header("location"), Some(path.as_str()));
        assert_eq!(
            shop.payments.calls().len(),
            count,
            "nobody has asked payments yet"
        );
        assert_eq!(shop.work().await, 1);
        shop.order_with_status(&order, &token, "awaiting_payment")
            .await;
    }
    let request = shop.ordering(&token, &basket(mug, 1));
    let answer = Answer::to(request.header("prefer", "return=minimal")).await;
    assert_eq!(answer.status, 201, "another preference: {}", answer.text);
}

#[tokio::test]
async fn a_saturated_api_leaves_the_next_attempt_to_a_worker() {
    let settings = Settings {
        eager_attempts: 0,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let answer = Answer::to(shop.ordering(&token, &basket(mug, 1))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(shop.payments.calls(), Vec::<String>::new());
    assert_eq!(shop.work().await, 1);
    shop.order_with_status(&answer.json(), &token, "awaiting_payment")
        .await;
}

#[tokio::test]
async fn an_order_that_payments_refuses_is_undone() {
    let shop = Shop::open().await;
    shop.payments.init_will(Mode::Refuse);
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let answer = Answer::to(shop.ordering(&token, &basket(mug, 1))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let path = format!("/api/orders/{}", id_of(&answer.json()));
    eventually("the order to be canceled", || async {
        shop.hasten().await;
        shop.work().await;
        shop.get(&path, &token).await.json()["status"] == "canceled"
    })
    .await;
    assert_eq!(shop.stock(mug).await.1, 0);
}

#[tokio::test]
async fn the_same_request_under_the_same_key_makes_one_order() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let first = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    let after_one = shop.traces().await;
    for key in ["key", "\"key\"", " key "] {
        let again = Answer::to(shop.ordering_under(key, &token, &basket(mug, 1))).await;
        assert_eq!((again.status, again.json()), (201, first.json()), "{key}");
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(shop.traces().await, after_one);
    assert_eq!(shop.payments.calls().len(), 1);

    for (key, token) in [("Key", &token), ("key", &shop.buyer())] {
        let other = Answer::to(shop.ordering_under(key, token, &basket(mug, 1))).await;
        assert_eq!(other.status, 201, "{}", other.text);
        assert_ne!(
            other.json()["id"],
            first.json()["id"],
            "another key, or another's"
        );
    }
    assert_eq!((shop.orders().await, shop.stock(mug).await.1), (3, 3));
}

#[tokio::test]
async fn a_repeat_is_answered_from_the_current_order() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let order = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1)))
        .await
        .json();
    shop.cancel(&order, &token).await;
    assert_eq!(shop.work().await, 1);
    let again = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1)))
        .await
        .json();
    assert_eq!(
        (&again["id"], &again["status"]),
        (&order["id"], &json!("canceled"))
    );
    assert_eq!((shop.orders().await, shop.stock(mug).await.1), (1, 0));
}

#[tokio::test]
async fn concurrent_repeats_of_one_request_make_one_order() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let body = basket(mug, 1);
    let answers =
        join_all((0..12).map(|_| Answer::to(shop.ordering_under("key", &token, &body)))).await;
    let mut orders = HashSet::new();
    for answer in answers {
        match answer.status {
            201 | 202 => {
                orders.insert(id_of(&answer.json()));
            }
            _ => {
                answer.problem_for_now(409, "idempotency-key-in-flight");
            }
        }
    }
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!((shop.orders().await, shop.stock(mug).await.1), (1, 1));
}

#[tokio::test]
async fn a_repeat_of_an_order_in_flight_is_refused() {
    let shop = Shop::open().await;
    let (user, mug) = (UserId::new(), shop.product("enamel-mug").await);
    let token = shop.token_of(user);
    let mut first = shop.pool.begin().await.unwrap();
    let key = NewKey {
        user_id: user,
        key: "key",
        request_hash: &[0; 32],
        order_id: OrderId::new(),
    };
    let claims = idempotency::claim(&mut first, &[key], Account::Wait).await;
    assert_eq!(claims.unwrap(), [Ok(Claim::New)]);
    let before = shop.traces().await;
    let repeat = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    repeat.problem_for_now(409, "idempotency-key-in-flight");
    assert_eq!(shop.traces().await, before);
    first.rollback().await.unwrap();
    let repeat = Answer::to(shop.ordering_under("key", &token, &basket(mug, 1))).await;
    assert_eq!(repeat.status, 201, "{}", repeat.text);
}

#[tokio::test]
async fn more_buyers_than_pieces_leave_none_sold_twice() {
    let shop = Shop::open().await;
    let mug = shop.product("enamel-mug").await;
    shop.restock(mug, 5).await;
    let body = basket(mug, 1);
    let answers = join_all((0..12).map(|_| Answer::to(shop.ordering(&shop.buyer(), &body)))).await;
    let (ordered, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((ordered.len(), refused.len()), (5, 7));
    for answer in refused {
        answer.problem(409, "out-of-stock");
    }
    assert_eq!((shop.stock(mug).await, shop.orders().await), ((0, 5), 5));
}

#[tokio::test]
async fn an_order_exposes_no_more_of_its_buyer_than_needed() {
    let shop = Shop::open().await;
    let order = shop.awaiting(&shop.buyer()).await;
    let members: Vec<_> = order
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        [
            "canceling",
            "created_at",
            "history",
            "id",
            "items",
            "status",
            "total",
            "trace_id",
            "transaction_id"
        ]
    );
}

#[tokio::test]
async fn another_total_than_was_agreed_to_orders_nothing() {
    let shop = Shop::open().await;
    let (token, mug) = (shop.buyer(), shop.product("enamel-mug").await);
    let body = |amount: i64| {
        json!({
            "items": [{"product_id": mug, "quantity": 2}],
            "expected_total": {"amount": amount, "currency": "EUR"},
        })
    };
    let reprice = "update commerce.product set price_amount = 9900 where slug = 'enamel-mug'";
    sqlx::query(reprice).execute(&shop.pool).await.unwrap();
    let key = uuid::Uuid::new_v4().to_string();
    let order = async |body: &serde_json::Value| {
        let request = shop.post("/api/orders").bearer_auth(&token).json(body);
        Answer::to(request.header("idempotency-key", &key)).await
    };
    let refused = order(&body(2580)).await;
    refused.problem(409, "price-changed");
    let problem = refused.json();
    assert_eq!(problem["expected_total"]["amount"], 2580);
    assert_eq!(problem["total"]["amount"], 19800);
    assert_eq!(
        shop.count("select count(*) from commerce.\"order\"").await,
        0
    );
    assert_eq!(shop.stock(mug).await.1, 0, "nothing is reserved");
    // the customer agrees: the refusal did not consume the key
    let placed = order(&body(19800)).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    // a repeat is answered from the order, though the price has changed
    let back = "update commerce.product set price_amount = 1290 where slug = 'enamel-mug'";
    sqlx::query(back).execute(&shop.pool).await.unwrap();
    let again = order(&body(19800)).await;
    assert_eq!(again.json()["id"], placed.json()["id"]);
    assert_eq!(again.json()["total"]["amount"], 19800);
}

#[tokio::test]
async fn one_account_holds_no_more_than_its_limits_allow() {
    let shop = Shop::open_with(Settings {
        order_limits: OrderLimits {
            open: 3,
            pieces: 20,
            per_hour: 6,
        },
        ..Settings::default()
    })
    .await;
    let mug = shop.product("enamel-mug").await;
    let (mallory, honest) = (shop.buyer(), shop.buyer());
    // all at once: each request is counted
    let many = (0..12).map(|_| Answer::to(shop.ordering(&mallory, &basket(mug, 1))));
    let many = join_all(many).await;
    let placed: Vec<_> = many.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(placed.len(), 3, "{many:?}");
    for refused in many.iter().filter(|answer| answer.status != 201) {
        let problem = refused.problem(429, "order-limit");
        assert_eq!(
            (&problem["limit"], &problem["allowed"]),
            (&json!("open"), &json!(3))
        );
        assert_eq!(refused.header("retry-after"), Some("3600"));
    }
    assert_eq!(shop.stock(mug).await.1, 3, "three pieces are held");
    assert_eq!(
        Answer::to(shop.ordering(&honest, &basket(mug, 20)))
            .await
            .status,
        201
    );
    let more = Answer::to(shop.ordering(&honest, &basket(mug, 1))).await;
    assert_eq!(more.problem(429, "order-limit")["limit"], "pieces");

    // canceled orders free capacity, until the hourly limit is reached
    for answer in placed {
        let order = answer.json();
        shop.cancel(&order, &mallory).await;
        assert_eq!(shop.work().await, 1);
        shop.order_with_status(&order, &mallory, "canceled").await;
    }
    for _ in 0..3 {
        assert_eq!(
            Answer::to(shop.ordering(&mallory, &basket(mug, 1)))
                .await
                .status,
            201
        );
    }
    let refused = Answer::to(shop.ordering(&mallory, &basket(mug, 1))).await;
    assert_eq!(refused.problem(429, "order-limit")["limit"], "open");
    sqlx::query(
        "update commerce.\"order\" set status = 'canceled' where status = 'awaiting_payment'",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    let refused = Answer::to(shop.ordering(&mallory, &basket(mug, 1))).await;
    assert_eq!(refused.problem(429, "order-limit")["limit"], "per_hour");
}

#[tokio::test]
async fn an_order_unpaid_for_hours_still_counts_as_unpaid() {
    let shop = Shop::open_with(Settings {
        order_limits: OrderLimits {
            open: 2,
            pieces: 0,
            per_hour: 2,
        },
        ..Settings::default()
    })
    .await;
    let mug = shop.product("enamel-mug").await;
    for (status, refused) in [("canceled", None), ("awaiting_payment", Some("open"))] {
        let user = UserId::new();
        for _ in 0..2 {
            shop.order_of_two_hours_ago(user, mug, status).await;
        }
        let answer = Answer::to(shop.ordering(&shop.token_of(user), &basket(mug, 1))).await;
        match refused {
            None => assert_eq!(answer.status, 201, "{answer:?}"),
            Some(limit) => assert_eq!(answer.problem(429, "order-limit")["limit"], limit),
        }
    }
}
