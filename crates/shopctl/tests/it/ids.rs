//! One id is enough, be it of a saga, an order, a transaction or a message.

use serde_json::Value;

use crate::place::{Place, Ran};

/// An order whose saga is stuck.
struct Order {
    place: Place,
    saga: String,
    order: String,
    transaction: String,
}

impl Order {
    async fn stuck() -> Self {
        let place = Place::open().await;
        let saga = place.stuck("participant-unreachable");
        let (order, transaction): (uuid::Uuid, uuid::Uuid) =
            sqlx::query_as(r#"select order_id, transaction_id from commerce."order""#)
                .fetch_one(&place.shop)
                .await
                .unwrap();
        Self {
            place,
            saga,
            order: order.to_string(),
            transaction: transaction.to_string(),
        }
    }

    fn number(&self) -> String {
        self.order[self.order.len() - 8..].to_uppercase()
    }
}

fn saga_of(ran: &Ran) -> Value {
    ran.objects().remove(0)["saga_id"].clone()
}

#[tokio::test]
async fn each_verb_takes_saga_order_or_transaction_ids() {
    let order = Order::stuck().await;
    let run = |arguments: &[&str]| order.place.run(arguments);
    let (saga, number) = (order.saga.as_str(), order.number());
    let hashed = format!("#{}", number.to_lowercase());
    for id in [saga, &order.order, &order.transaction, &number, &hashed] {
        for verb in [&["why"][..], &["saga", "why"]] {
            let why = run(&[verb, &[id, "-o", "json"]].concat());
            assert_eq!((why.code, saga_of(&why)), (Some(1), saga.into()), "{id}");
        }
        for verb in [&["saga", "show"][..], &["trace"], &["saga", "trace"]] {
            let shown = run(&[verb, &[id, "-o", "json"]].concat());
            assert_eq!(
                (shown.code, saga_of(&shown)),
                (Some(0), saga.into()),
                "{id}"
            );
        }
        for verb in [&["show"][..], &["order", "show"]] {
            let shown = run(&[verb, &[id, "-o", "json"]].concat());
            let object = shown.objects().remove(0);
            assert_eq!(object["order_id"], order.order.as_str(), "{id}: {shown:?}");
            assert_eq!(object["why"]["code"], "participant-unreachable");
        }
        for verb in [&["retry"][..], &["saga", "retry"]] {
            let asked = run(&[verb, &[id, "--reason", "payments is back"]].concat());
            assert_eq!(asked.code, Some(1), "{asked:?}");
            assert!(asked.err.contains(&format!("saga {saga}")), "{asked:?}");
        }
        for verb in [&["watch"][..], &["saga", "watch"]] {
            let watched = run(&[verb, &[id, "--timeout", "0s"]].concat());
            assert_eq!(watched.code, Some(1), "{watched:?}");
            assert!(watched.out.contains(saga), "{watched:?}");
        }
    }
    let done = run(&["retry", &number, "--reason", "payments is back", "--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[tokio::test]
async fn a_message_leads_to_its_saga() {
    let order = Order::stuck().await;
    let (event, mail) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    sqlx::query(
        "insert into saga.signal (signal_id, saga_id, name, verdict, source)
         values (gen_random_uuid(), $1::uuid, 'transaction_completed', 'late', 'message ' || $2)",
    )
    .bind(&order.saga)
    .bind(event.to_string())
    .execute(&order.place.shop)
    .await
    .unwrap();
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body)
         values ($1, 'message', 'e', 'k', 't', jsonb_build_object('order_id', $2))",
    )
    .bind(mail)
    .bind(&order.order)
    .execute(&order.place.shop)
    .await
    .unwrap();
    for message in [event, mail] {
        let why = order
            .place
            .run(&["why", &message.to_string(), "-o", "json"]);
        assert_eq!(saga_of(&why), order.saga.as_str(), "{message}");
    }
}

#[tokio::test]
async fn an_unknown_id_exits_3_and_a_malformed_one_2() {
    let place = Place::open().await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for verb in ["why", "show", "trace", "watch"] {
        for id in [&unknown, "0123ABCD"] {
            let ran = place.run(&[verb, id]);
            assert_eq!(ran.code, Some(3), "{verb} {id}: {ran:?}");
            assert!(ran.err.contains(id), "{ran:?}");
        }
        assert_eq!(place.run(&[verb, "not-an-id"]).code, Some(2), "{verb}");
    }
}

#[tokio::test]
async fn a_number_that_two_orders_share_names_both() {
    let order = Order::stuck().await;
    let twin: uuid::Uuid = sqlx::query_scalar(
        r#"insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency, trace_id)
           select overlay(order_id::text placing '00000000' from 1)::uuid, user_id, gen_random_uuid(), gen_random_uuid(),
                  status, total_amount, currency, trace_id
           from commerce."order" returning order_id"#,
    )
    .fetch_one(&order.place.shop)
    .await
    .unwrap();
    let ran = order.place.run(&["why", &order.number()]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    for id in [&order.order, &twin.to_string()] {
        assert!(ran.err.contains(id), "{ran:?}");
    }
}

#[tokio::test]
async fn an_order_ends_with_its_cause_and_the_next_command() {
    let order = Order::stuck().await;
    let shown = order.place.run(&["order", "show", &order.number()]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let (_, end) = shown.err.split_once("Cause: ").unwrap();
    assert!(end.starts_with("participant-unreachable"), "{end}");
    let command = format!("shopctl saga retry {} --reason", order.saga);
    assert!(end.contains(&command), "{end}");
}

#[tokio::test]
async fn a_runbook_is_printed_with_the_ids_filled_in() {
    let order = Order::stuck().await;
    let page = order
        .place
        .run(&["runbook", "participant-unreachable", &order.number()]);
    assert_eq!(page.code, Some(0), "{page:?}");
    let command = format!("shopctl saga why {}\n", order.saga);
    assert!(page.out.contains(&command), "{}", page.out);
    assert!(
        page.out.contains("How to know that it is over"),
        "{}",
        page.out
    );
    let page = order
        .place
        .run(&["runbook", "waiting-for-signal", &order.number()]);
    let command = format!("shopctl order show {}", order.order);
    assert!(page.out.contains(&command), "{}", page.out);
    assert!(
        page.err.contains("participant-unreachable"),
        "the saga has another cause: {page:?}"
    );
}

#[test]
fn a_runbook_needs_no_server() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shopctl"));
    let page = crate::place::ran(command.env_clear().args(["runbook", "job-lost"]));
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.out.contains("shopctl saga retry SAGA"), "{}", page.out);
    assert!(!page.out.contains("```"), "{}", page.out);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shopctl"));
    let unknown = crate::place::ran(command.env_clear().args(["runbook", "bad-luck"]));
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("job-lost"), "{unknown:?}");
}
