//! The operators' views and acts over HTTP: the library that shopctl uses, behind roles and
//! documents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Shop};

async fn saga_of(shop: &Shop, order: &Value, token: &str) -> Value {
    let path = format!("/api/sagas?order={}", order["id"].as_str().unwrap());
    let page = shop.get(&path, token).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    page["items"][0].clone()
}

async fn act(shop: &Shop, saga: &Value, verb: &str, body: Value, token: &str) -> Answer {
    let path = format!("/api/sagas/{}/{verb}", saga["saga_id"].as_str().unwrap());
    let request = shop.request(Method::POST, &path).bearer_auth(token);
    Answer::to(request.json(&body)).await
}

#[tokio::test]
async fn sagas_are_listed_oldest_first_by_page_and_filter() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(shop.awaiting(&buyer).await["id"].clone());
    }
    shop.completed(&buyer).await;
    let mut seen = Vec::new();
    let mut path = "/api/sagas?limit=2".to_owned();
    loop {
        let page = shop.get(&path, &operator).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|saga| saga["order_id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/sagas?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, orders, "oldest first, and none that is at rest");

    let count = async |query: &str| {
        let page = shop.get(&format!("/api/sagas?{query}"), &operator).await;
        page.json()["items"].as_array().unwrap().len()
    };
    assert_eq!(count("state=completed").await, 1);
    assert_eq!(count("state=running").await, 0);
    assert_eq!(count("step=await_payment").await, 3);
    assert_eq!(count("step=init_payment").await, 0);
    assert_eq!(count("plan=checkout").await, 3);
    assert_eq!(count("plan=other").await, 0);
    assert_eq!(count("older_than=3600").await, 0);
    assert_eq!(count("failing_for=0").await, 0);
    assert_eq!(count("stuck_for=0").await, 0, "they continue by themselves");
    assert_eq!(count("text=%25").await, 0, "taken literally");
    assert_eq!(count(&format!("user={}", kernel::UserId::new())).await, 0);
}

#[tokio::test]
async fn sagas_are_found_by_cause_and_stuck_page_by_page() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let get = async |query: &str| {
        let page = shop.get(&format!("/api/sagas?{query}"), &operator).await;
        assert_eq!(page.status, 200, "{query}: {}", page.text);
        page.json()
    };
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(shop.awaiting(&buyer).await);
    }
    let paused = [&orders[1], &orders[3]];
    for order in paused {
        let saga = saga_of(&shop, order, &operator).await;
        assert!(saga["cause"].is_null(), "nobody asked for it: {saga}");
        let done = act(&shop, &saga, "pause", json!({"reason": "r"}), &operator).await;
        assert_eq!(done.status, 200, "{}", done.text);
    }
    let all = get("causes=true").await;
    let causes = all["items"].as_array().unwrap().iter();
    let causes: Vec<_> = causes
        .map(|saga| {
            (
                saga["cause"].as_str().unwrap(),
                saga["stuck"].as_bool().unwrap(),
            )
        })
        .collect();
    let (waits, held) = (("waiting-for-signal", false), ("paused-by", true));
    assert_eq!(causes, [waits, held, waits, held]);

    for query in [
        "stuck=true",
        "cause=paused-by",
        "cause=paused-by&stuck=true",
    ] {
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let page = get(&format!("{query}&limit=1{next}")).await;
            let items = page["items"].as_array().unwrap();
            found.extend(items.iter().map(|saga| saga["order_id"].clone()));
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            next = format!("&cursor={cursor}");
        }
        let expected = paused.map(|order| order["id"].clone());
        assert_eq!(found, expected, "{query}: oldest first, each once");
    }
    for query in ["cause=waiting-for-signal&stuck=true", "cause=job-lost"] {
        assert_eq!(get(query).await["items"], json!([]), "{query}");
    }
    let nobody = format!("cause=paused-by&user={}", kernel::UserId::new());
    assert_eq!(
        get(&nobody).await["items"],
        json!([]),
        "beside other filters"
    );
}

#[tokio::test]
async fn why_leads_to_a_runbook_that_browsers_can_read() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let order = shop.awaiting(&buyer).await;
    let saga = saga_of(&shop, &order, &operator).await;
    let path = format!("/api/sagas/{}/why", saga["saga_id"].as_str().unwrap());
    let why = shop.get(&path, &operator).await.json();
    let cause = why["code"].as_str().unwrap();
    assert_eq!(why["runbook"], format!("docs/runbooks/{cause}.md"));
    let page = shop.get(&format!("/api/runbooks/{cause}"), "").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(
        page.text.starts_with("# waiting-for-signal\n"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn an_action_is_previewed_executed_once_and_shown_afterwards() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let order = shop.awaiting(&buyer).await;
    let saga = saga_of(&shop, &order, &operator).await;
    let revision = &saga["revision"];

    let dry = json!({"reason": "looking", "dry_run": true});
    let shown = act(&shop, &saga, "cancel", dry, &operator).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(shown.json()["then"], "compensated");
    assert_eq!(
        saga_of(&shop, &order, &operator).await["revision"],
        *revision
    );

    let body = json!({"reason": "ticket 4711", "revision": revision});
    let done = act(&shop, &saga, "cancel", body.clone(), &operator).await;
    assert_eq!((done.status, &done.json()["dry_run"]), (200, &json!(false)));
    let again = act(&shop, &saga, "cancel", body, &operator).await;
    again.problem(409, "act-refused");

    let path = format!("/api/sagas/{}", saga["saga_id"].as_str().unwrap());
    let life = shop.get(&path, &operator).await.json();
    assert_eq!(life["acts"][0]["reason"], "ticket 4711");
    assert_eq!(life["acts"].as_array().unwrap().len(), 1);
    assert!(
        life["acts"][0]["actor"]
            .as_str()
            .unwrap()
            .starts_with("user ")
    );
    assert_eq!(
        life["steps"][1],
        json!({"name": "init_payment", "kind": "remote", "status": "undoing"})
    );
    let timeline = life["timeline"].as_array().unwrap();
    assert!(
        timeline
            .iter()
            .any(|moment| moment["detail"] == "cancel: ticket 4711"),
        "{life}"
    );
    while shop.work().await > 0 {}
    shop.order_with_status(&order, &buyer, "canceled").await;
}

#[tokio::test]
async fn only_an_admin_resolves_and_only_what_payments_bears_out() {
    let shop = Shop::open().await;
    let (buyer, operator, admin) = (shop.buyer(), shop.operator(), shop.admin());
    let order = shop.awaiting(&buyer).await;
    let saga = saga_of(&shop, &order, &operator).await;
    let body = json!({"step": "init_payment", "as": "undone", "evidence": "seen", "reason": "r"});
    let by_operator = act(&shop, &saga, "resolve", body.clone(), &operator).await;
    by_operator.problem(403, "forbidden");
    let waits = act(&shop, &saga, "resolve", body, &admin).await;
    waits.problem(409, "act-refused");
    let lie = json!({"name": "transaction_completed", "reason": "r"});
    let lie = act(&shop, &saga, "signal", lie, &operator).await;
    lie.problem(409, "act-refused");
    assert!(lie.text.contains("is pending"), "{}", lie.text);

    assert!(shop.payments.pay(crate::support::id_of(&order)));
    let truth =
        json!({"name": "transaction_completed", "payload": {"ticket": 4711}, "reason": "r"});
    let told = act(&shop, &saga, "signal", truth, &operator).await;
    assert_eq!(told.status, 200, "{}", told.text);
    shop.order_with_status(&order, &buyer, "completed").await;
}

#[tokio::test]
async fn why_names_the_cause_and_unavailable_sources() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let order = shop.awaiting(&buyer).await;
    let saga = saga_of(&shop, &order, &operator).await;
    let path = format!("/api/sagas/{}/why", saga["saga_id"].as_str().unwrap());
    let why = shop.get(&path, &operator).await.json();
    assert_eq!(why["code"], "waiting-for-signal", "{why}");
    assert_eq!(why["sure"], "certain", "payments was seen: {why}");
    let unavailable = why["could_not_see"].to_string();
    assert!(
        unavailable.contains("RabbitMQ") && !unavailable.contains("payments:"),
        "{unavailable}"
    );
    let nobody = format!("/api/sagas/{}/why", kernel::SagaId::new());
    shop.get(&nobody, &operator).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_invalid_action_names_the_field_and_does_nothing() {
    let shop = Shop::open().await;
    let (buyer, admin) = (shop.buyer(), shop.admin());
    let order = shop.awaiting(&buyer).await;
    let saga = saga_of(&shop, &order, &admin).await;
    let before = shop.traces().await;
    let long = "x".repeat(1001);
    for (verb, body, field) in [
        ("retry", json!({}), "reason"),
        ("retry", json!({"reason": " "}), "reason"),
        ("pause", json!({"reason": long}), "reason"),
        ("resume", json!({"reason": "a\u{0}b"}), "reason"),
        (
            "cancel",
            json!({"reason": "r", "revision": "1"}),
            "revision",
        ),
        ("cancel", json!({"reason": "r", "why": "r"}), "why"),
        ("signal", json!({"reason": "r"}), "name"),
        ("signal", json!({"name": "", "reason": "r"}), "name"),
        (
            "resolve",
            json!({"step": "s", "as": "gone", "evidence": "e", "reason": "r"}),
            "as",
        ),
        (
            "resolve",
            json!({"step": "s", "as": "done", "evidence": "", "reason": "r"}),
            "evidence",
        ),
    ] {
        let answer = act(&shop, &saga, verb, body.clone(), &admin).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(
            problem["errors"][0]["field"], field,
            "{verb} {body}: {problem}"
        );
    }
    let nobody = json!({"saga_id": kernel::SagaId::new()});
    let reason = json!({"reason": "r"});
    act(&shop, &nobody, "retry", reason, &admin)
        .await
        .problem(404, "not-found");
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn the_doctor_is_asked_by_http_too() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let order = shop.awaiting(&buyer).await;
    let well = shop.get("/api/doctor", &operator).await.json();
    assert_eq!(well["well"], true, "{well}");
    let summary = well["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("11 of 11 invariants hold, 2 of them in part"),
        "{summary}"
    );
    let result = |report: &Value, id: &str| {
        let checks = report["checks"].as_array().unwrap().iter();
        let check = checks.filter(|check| check["id"] == id);
        check.map(|check| check["result"].clone()).next().unwrap()
    };
    assert_eq!(result(&well, "I7"), "holds");
    assert_eq!(result(&well, "I3"), "holds", "through payments' API");
    let saga = saga_of(&shop, &order, &operator).await;
    sqlx::query("delete from messaging.outbox where saga_id = $1::uuid")
        .bind(saga["saga_id"].as_str().unwrap())
        .execute(&shop.pool)
        .await
        .unwrap();
    let ill = shop.get("/api/doctor", &operator).await.json();
    assert_eq!(
        (result(&ill, "I7"), &ill["well"]),
        (json!("violated"), &json!(false))
    );
    let summary = ill["summary"].as_str().unwrap();
    assert!(summary.contains("1 violated"), "{summary}");
}

#[tokio::test]
async fn values_of_a_newer_release_are_shown_as_stored() {
    let shop = Shop::open().await;
    let (buyer, operator) = (shop.buyer(), shop.operator());
    let order = shop.awaiting(&buyer).await;
    let id = order["id"].as_str().unwrap();
    let saga = saga_of(&shop, &order, &operator).await["saga_id"].clone();
    let saga = saga.as_str().unwrap();
    for constraint in [
        "saga.saga drop constraint saga_state_known",
        "saga.signal drop constraint signal_verdict_known",
    ] {
        let statement = format!("alter table {constraint}");
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::query(statement).execute(&shop.pool).await.unwrap();
    }
    for statement in [
        "update saga.saga set state = 'hibernating' where saga_id = $1",
        "insert into saga.journal (saga_id, revision, n, kind, state) values ($1, 99, 0, 'dreamt', 'hibernating')",
        "insert into saga.signal (signal_id, saga_id, name, verdict, payload, source)
         values (gen_random_uuid(), $1, 'lullaby', 'heard', '{}', 'a test')",
        "insert into saga.audit (audit_id, actor, reason, verb, subject_kind, subject_id)
         values (gen_random_uuid(), 'ada', 'it is late', 'saga tuck-in', 'saga', $1::uuid::text)",
    ] {
        let id: uuid::Uuid = saga.parse().unwrap();
        sqlx::query(statement)
            .bind(id)
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    let history = "create or replace function commerce.order_history(o commerce.\"order\")
                       returns table (seq smallint, status text, reason text, at timestamptz)
                       language sql as $$ select 1::smallint, 'on_hold', null, o.created_at $$";
    sqlx::raw_sql(history).execute(&shop.pool).await.unwrap();
    let get = async |path: String| {
        let answer = shop.get(&path, &operator).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    };
    let listed = get(format!("/api/sagas?order={id}&causes=true")).await;
    assert_eq!(listed["items"][0]["state"], "hibernating");
    let life = get(format!("/api/sagas/{saga}")).await;
    let last = life["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["state"]),
        (&json!("dreamt"), &json!("hibernating"))
    );
    assert_eq!(life["signals"][0]["verdict"], "heard");
    assert_eq!(life["acts"][0]["verb"], "saga tuck-in");
    let why = get(format!("/api/sagas/{saga}/why")).await;
    assert_eq!(why["state"], "hibernating");
    let order = get(format!("/api/orders/{id}")).await;
    let history = order["history"].as_array().unwrap();
    assert_eq!(history.last().unwrap()["status"], "on_hold");
}
