//! Messages that could not be handled, as operators see and decide on them over HTTP, on a real
//! RabbitMQ.

use std::time::Duration;

use lapin::{
    Channel, Connection,
    options::{BasicAckOptions, BasicGetOptions},
};
use messaging::{
    failed::DeadLetterSession,
    topology::{self, ExchangeType, Route},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{eventually, eventually_some, foreign_client};

use crate::{
    refusal::bad,
    support::{Answer, Settings, Shop},
};

const QUEUE: &str = "messages";

/// A shop connected to a RabbitMQ, and a foreign client of that broker.
struct Failing {
    shop: Shop,
    amqp_url: String,
    operator: String,
    channel: Channel,
    _connection: Connection,
}

impl Failing {
    async fn open() -> Self {
        let amqp_url = testkit::vhost().await;
        let route = Route {
            exchange: QUEUE.to_owned(),
            exchange_type: ExchangeType::Topic,
            queue: QUEUE.to_owned(),
            routing_keys: vec!["send_welcome_email".to_owned()],
        };
        topology::declare(&amqp_url, &[route]).await.unwrap();
        let (connection, channel) = foreign_client(&amqp_url).await;
        let shop = Shop::open_with(Settings {
            amqp_url: Some(amqp_url.clone()),
            ..Settings::default()
        })
        .await;
        let operator = shop.operator();
        Self {
            shop,
            amqp_url,
            operator,
            channel,
            _connection: connection,
        }
    }

    /// Puts a message into `failed`, as if the consumer of `queue` could not handle it.
    async fn fail(&self, id: Option<&str>, queue: &str, body: &[u8], reason: &str) {
        self.fail_as(None, id, queue, body, reason).await;
    }

    /// The same, with the kind of failure that the consumer recorded.
    async fn fail_as(
        &self,
        kind: Option<&str>,
        id: Option<&str>,
        queue: &str,
        body: &[u8],
        reason: &str,
    ) {
        testkit::publish_failed(&self.channel, kind, id, queue, body, reason).await;
    }

    /// The groups, once they hold this many messages: messages that one reader releases reach the
    /// next reader a moment later.
    async fn groups(&self, count: usize) -> Vec<Value> {
        eventually_some(&format!("{count} in `failed`"), || async {
            let list = self.shop.get("/api/failed", &self.operator).await;
            assert_eq!(list.status, 200, "{}", list.text);
            let list = list.json();
            let found = list["count"] == count;
            found.then(|| list["groups"].as_array().unwrap().clone())
        })
        .await
    }

    async fn decide(&self, id: &str, verb: &str, body: Value) -> Answer {
        let path = format!("/api/failed/{id}/{verb}");
        let request = self.shop.request(Method::POST, &path);
        Answer::to(request.bearer_auth(&self.operator).json(&body)).await
    }

    /// Takes the next message from the queue.
    async fn next(&self) -> Vec<u8> {
        let message = eventually_some("a message in its queue", || async {
            let options = BasicGetOptions::default();
            self.channel.basic_get(QUEUE.into(), options).await.unwrap()
        })
        .await;
        let options = BasicAckOptions::default();
        message.delivery.acker.ack(options).await.unwrap();
        message.delivery.data
    }

    async fn audit(&self) -> Vec<(String, String, String, Value)> {
        sqlx::query_as(
            "select verb, subject_id, actor || ': ' || reason, before from saga.audit order by at, subject_id",
        )
        .fetch_all(&self.shop.pool)
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_messages_are_grouped_and_show_bodies_one_by_one() {
    let failing = Failing::open().await;
    assert_eq!(failing.groups(0).await, [] as [Value; 0]);
    let secret = b"{\"user\": \"secret\"}";
    failing
        .fail(Some("m-1"), QUEUE, secret, "no account 1")
        .await;
    failing
        .fail(Some("m-2"), "other", secret, "no account 2")
        .await;
    failing
        .fail(Some("m-3"), QUEUE, secret, "no account 3")
        .await;
    failing
        .fail(None, QUEUE, b"{nonsense\xff", "undecodable")
        .await;
    let groups = failing.groups(4).await;
    let told: Vec<_> = groups
        .iter()
        .map(|group| {
            let ids = group["messages"].as_array().unwrap().iter();
            let ids: Vec<_> = ids.map(|message| message["id"].as_str().unwrap()).collect();
            (
                group["queue"].as_str().unwrap(),
                group["reason"].as_str().unwrap(),
                ids,
            )
        })
        .collect();
    let nameless = groups[2]["messages"][0]["id"].as_str().unwrap();
    assert!(nameless.starts_with("sha:"), "{nameless}");
    assert_eq!(
        told,
        [
            (QUEUE, "no account …", vec!["m-1", "m-3"]),
            ("other", "no account …", vec!["m-2"]),
            (QUEUE, "undecodable", vec![nameless]),
        ]
    );
    assert!(!json!(groups).to_string().contains("secret"), "{groups:?}");
    let one = failing
        .shop
        .get("/api/failed/m-3", &failing.operator)
        .await
        .json();
    assert_eq!(one["body"], "{\"user\": \"secret\"}");
    assert_eq!(
        (&one["reason"], &one["attempts"]),
        (&json!("no account 3"), &json!(4))
    );
    let path = format!("/api/failed/{nameless}");
    let one = failing.shop.get(&path, &failing.operator).await.json();
    assert_eq!(one["body_base64"], "e25vbnNlbnNl/w==");
    failing.groups(4).await;
    assert!(failing.audit().await.is_empty(), "looking changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_is_redriven_or_dropped_and_audited() {
    let failing = Failing::open().await;
    failing.fail(Some("m-1"), QUEUE, b"first", "no mail").await;
    failing
        .fail(Some("a/b c"), QUEUE, b"second", "no mail")
        .await;
    failing.fail(Some("m-3"), "gone", b"third", "no mail").await;
    failing.groups(3).await;

    let again = failing
        .decide("m-1", "retry", json!({"reason": "mail is back"}))
        .await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(
        again.json()["decided"],
        json!([{"id": "m-1", "queue": QUEUE, "result": "sent again", "detail": null}])
    );
    assert_eq!(failing.next().await, b"first");

    let dropped = failing
        .decide("a%2Fb%20c", "drop", json!({"reason": "not ours"}))
        .await;
    assert_eq!(
        dropped.json()["decided"][0]["result"],
        "dropped",
        "{}",
        dropped.text
    );
    let stays = failing
        .decide("m-3", "retry", json!({"reason": "perhaps"}))
        .await;
    let stays = stays.json()["decided"][0].clone();
    assert_eq!(stays["result"], "stays");
    assert!(
        stays["detail"]
            .as_str()
            .unwrap()
            .contains("it names gone, which is not a queue"),
        "{stays}"
    );
    failing.groups(1).await;
    failing
        .decide("m-1", "drop", json!({"reason": "twice"}))
        .await
        .problem(404, "not-found");

    let audit = failing.audit().await;
    let verbs: Vec<_> = audit
        .iter()
        .map(|row| (row.0.as_str(), row.1.as_str()))
        .collect();
    assert_eq!(
        verbs,
        [
            ("failed retry", "m-1"),
            ("failed drop", "a/b c"),
            ("failed retry", "m-3")
        ]
    );
    assert!(audit[0].2.starts_with("user ") && audit[0].2.ends_with(": mail is back"));
    assert_eq!(
        audit[1].3["body"], "second",
        "what is dropped is kept whole"
    );
    assert!(audit[0].3["body"].is_null(), "what is sent again is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_an_order_a_length_and_a_place() {
    let failing = Failing::open().await;
    for id in ["m-1", "m-2", "m-3"] {
        failing.fail(Some(id), QUEUE, b"{}", "no mail").await;
    }
    failing.groups(3).await;
    for (query, expected, more) in [
        ("?limit=2", &["m-1", "m-2"][..], true),
        ("?limit=2&skip=2", &["m-3"], true),
        ("?order=newest&limit=1", &["m-3"], true),
        ("?order=oldest", &["m-1", "m-2", "m-3"], false),
    ] {
        let path = format!("/api/failed{query}");
        let list = eventually_some("the page", || async {
            let list = failing.shop.get(&path, &failing.operator).await.json();
            (list["count"] == expected.len()).then_some(list)
        })
        .await;
        let messages = list["groups"][0]["messages"].as_array().unwrap();
        let ids: Vec<_> = messages
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(
            (&ids[..], &list["more"]),
            (expected, &json!(more)),
            "{query}"
        );
    }
    for query in ["?limit=0", "?limit=1001", "?skip=50001"] {
        let path = format!("/api/failed{query}");
        let refused = failing.shop.get(&path, &failing.operator).await;
        refused.problem(422, "invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_failed_messages_is_decided_as_read() {
    let failing = Failing::open().await;
    for n in 1..=3 {
        let (id, reason) = (format!("m-{n}"), format!("no account {n}"));
        failing.fail(Some(&id), QUEUE, b"{}", &reason).await;
    }
    failing.fail(Some("m-4"), QUEUE, b"{}", "undecodable").await;
    failing.groups(4).await;
    let body = json!({"reason": "the accounts are there", "alike": 2});
    let changed = failing.decide("m-1", "retry", body).await;
    assert_eq!(changed.problem(409, "failed-changed")["alike"], 3);
    assert!(failing.audit().await.is_empty());
    failing.groups(4).await;

    let body = json!({"reason": "the accounts are there", "alike": 3});
    let done = failing.decide("m-2", "retry", body).await.json();
    let ids: Vec<_> = done["decided"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, ["m-1", "m-2", "m-3"]);
    let left = failing.groups(1).await;
    assert_eq!(left[0]["reason"], "undecodable");
    assert_eq!(failing.audit().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_somebody_else_looks_at_is_waited_for() {
    let failing = Failing::open().await;
    failing.fail(Some("m-1"), QUEUE, b"{}", "no mail").await;
    failing.groups(1).await;
    let (session, held) = eventually_some("the message to be there", || async {
        let mut session = DeadLetterSession::open(&failing.amqp_url, "test", &[])
            .await
            .unwrap();
        let held = session.take(1).await.unwrap();
        (held.len() == 1).then_some((session, held))
    })
    .await;
    let hidden = failing.decide("m-1", "drop", json!({"reason": "r"})).await;
    hidden.problem(404, "not-found");
    drop(held);
    let deciding = failing.decide("m-1", "drop", json!({"reason": "r"}));
    let ((), done) = tokio::join!(session.close(), deciding);
    assert_eq!(done.status, 200, "{}", done.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_waits_for_what_another_reader_holds() {
    let failing = Failing::open().await;
    failing.fail(Some("m-1"), QUEUE, b"{}", "no mail").await;
    failing.groups(1).await;
    let (session, held) = eventually_some("the message to be there", || async {
        let mut session = DeadLetterSession::open(&failing.amqp_url, "test", &[])
            .await
            .unwrap();
        let held = session.take(1).await.unwrap();
        (held.len() == 1).then_some((session, held))
    })
    .await;
    let give_back = async {
        // only after the list has been read once
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(held);
        session.close().await;
    };
    let looking = failing.shop.get("/api/failed", &failing.operator);
    let ((), list) = tokio::join!(give_back, looking);
    assert_eq!(list.json()["count"], 1, "{}", list.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_the_first_page_is_redriven() {
    let failing = Failing::open().await;
    let garbage = (0..1_001).map(|_| failing.fail(None, "other", b"garbage", "undecodable"));
    futures::future::join_all(garbage).await;
    let body = b"real";
    failing.fail(Some("real"), QUEUE, body, "no mail").await;
    let list = eventually_some("a full page", || async {
        let list = failing.shop.get("/api/failed", &failing.operator).await;
        let list = list.json();
        (list["count"] == 1_000).then_some(list)
    })
    .await;
    assert_eq!(list["more"], true);
    assert!(!list.to_string().contains("real"), "beyond the page");
    let found = failing.shop.get("/api/failed/real", &failing.operator);
    assert_eq!(found.await.json()["body"], "real");
    let again = failing
        .decide("real", "retry", json!({"reason": "mail is back"}))
        .await;
    assert_eq!(again.json()["decided"][0]["result"], "sent again");
    assert_eq!(failing.next().await, body);
}

/// Operators can read and decide on messages whose header values and bodies an attacker chose.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_any_text_is_decided_on() {
    let failing = Failing::open().await;
    let long = "q".repeat(300);
    failing.fail(Some("long"), &long, b"{}", "no mail").await;
    failing
        .fail(Some("nul body"), QUEUE, b"{\0", "no mail")
        .await;
    failing
        .fail(Some("a\0b"), QUEUE, b"nul id", "no mail")
        .await;
    failing
        .fail(Some("nul header"), "a\0b", b"{}", "why\0")
        .await;
    let groups = failing.groups(4).await;
    let messages = groups
        .iter()
        .flat_map(|group| group["messages"].as_array().unwrap());
    let ids: Vec<_> = messages.map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| !id.contains('\0')), "{ids:?}");
    for id in ids {
        let id = id.replace(' ', "%20");
        let again = failing.decide(&id, "retry", json!({"reason": "r"})).await;
        assert_eq!(again.status, 200, "{id}: {}", again.text);
        let sent = again.json()["decided"][0]["result"] == "sent again";
        assert_eq!(sent, !(id == "long" || id.contains("header")), "{id}");
        if sent {
            continue;
        }
        let dropped = failing.decide(&id, "drop", json!({"reason": "r"})).await;
        assert_eq!(dropped.status, 200, "{id}: {}", dropped.text);
    }
    let mut again = [failing.next().await, failing.next().await];
    again.sort();
    assert_eq!(again, [b"nul id".to_vec(), b"{\0".to_vec()]);
    failing
        .fail(Some("nul body"), QUEUE, b"{\0", "no mail")
        .await;
    failing.groups(1).await;
    let path = "/api/failed/nul%20body";
    let one = failing.shop.get(path, &failing.operator).await.json();
    assert_eq!(one["body_base64"], "ewA=");
    let dropped = failing
        .decide("nul%20body", "drop", json!({"reason": "r"}))
        .await;
    assert_eq!(dropped.status, 200, "{}", dropped.text);
    let audit = failing.audit().await;
    assert_eq!(audit.last().unwrap().3["body_base64"], "ewA=");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_decision_survives_its_callers_disconnect() {
    let failing = Failing::open().await;
    failing.fail(Some("m-1"), QUEUE, b"{}", "no mail").await;
    failing.groups(1).await;
    let mut held_up = failing.shop.pool.begin().await.unwrap();
    sqlx::query("lock table saga.audit in exclusive mode")
        .execute(&mut *held_up)
        .await
        .unwrap();
    let (url, token) = (failing.shop.url.clone(), failing.operator.clone());
    let caller = tokio::spawn(async move {
        let http = reqwest::Client::new();
        let request = http.post(format!("{url}/api/failed/m-1/retry"));
        let request = request.bearer_auth(token).json(&json!({"reason": "r"}));
        request.send().await
    });
    eventually("the decision to wait for its audit", || async {
        let waiting =
            "select count(*) from pg_locks where relation = 'saga.audit'::regclass and not granted";
        failing.shop.count(waiting).await == 1
    })
    .await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    held_up.rollback().await.unwrap();
    assert_eq!(failing.next().await, b"{}");
    failing.groups(0).await;
    assert_eq!(failing.audit().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_decision_names_the_field_and_does_nothing() {
    let failing = Failing::open().await;
    failing.fail(Some("m-1"), QUEUE, b"{}", "no mail").await;
    let long = "x".repeat(1001);
    let mut table = Vec::new();
    for verb in ["retry", "drop"] {
        for (body, field) in [
            (json!({}), "reason"),
            (json!({"reason": " "}), "reason"),
            (json!({"reason": long}), "reason"),
            (json!({"reason": "a\u{0}b"}), "reason"),
            (json!({"reason": "r", "alike": -1}), "alike"),
            (json!({"reason": "r", "alike": "all"}), "alike"),
            (json!({"reason": "r", "to": QUEUE}), "to"),
        ] {
            let path = format!("/api/failed/m-1/{verb}");
            let request = failing.shop.post(&path).bearer_auth(&failing.operator);
            let what = format!("{verb} {body}");
            table.push(bad(what, request.json(&body), (422, "invalid"), field));
        }
    }
    failing.shop.refuses(table).await;
    failing.groups(1).await;
}

#[tokio::test]
async fn without_rabbitmq_the_missing_part_is_named() {
    let blind = Shop::open().await;
    let operator = blind.operator();
    let told = blind.get("/api/failed", &operator).await;
    let told = told.problem_for_now(503, "unavailable");
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.contains("AMQP_URL") && detail.contains("shopctl failed"),
        "{detail}"
    );

    let cut_off = Shop::open_with(Settings {
        amqp_url: Some("amqp://shop:hush@127.0.0.1:1/%2f".to_owned()),
        ..Settings::default()
    })
    .await;
    let operator = cut_off.operator();
    let request = cut_off.post("/api/failed/m-1/drop").bearer_auth(&operator);
    let told = Answer::to(request.json(&json!({"reason": "r"}))).await;
    let told = told.problem_for_now(503, "unavailable");
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.contains("RabbitMQ") && !detail.contains("hush"),
        "{detail}"
    );
    let acts = "select count(*) from saga.audit";
    assert_eq!(cut_off.count(acts).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_shows_its_kind_if_one_is_recorded() {
    let failing = Failing::open().await;
    let mismatch = Some("payment_mismatch");
    for (id, kind) in [("m-1", mismatch), ("m-2", Some("dreamt")), ("m-3", None)] {
        failing
            .fail_as(kind, Some(id), QUEUE, b"{}", "a reason")
            .await;
    }
    failing.groups(3).await;
    for (id, kind) in [("m-1", mismatch), ("m-2", Some("dreamt")), ("m-3", None)] {
        let path = format!("/api/failed/{id}");
        let message = failing.shop.get(&path, &failing.operator).await.json();
        assert_eq!(message["kind"].as_str(), kind, "{message}");
        assert_eq!(message["reason"], "a reason");
    }
}
