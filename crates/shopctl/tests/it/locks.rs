//! A session that holds a lock is named, stops no command for long, and can be ended.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::eventually;

use crate::place::{Place, Ran, ran};

/// Two orders of different products, each with a stuck saga, and the sessions of other people.
struct Shop {
    place: Place,
    blocked: String,
    innocent: String,
}

impl Shop {
    async fn open() -> Self {
        let place = Place::open().await;
        let blocked = place.stuck("participant-unreachable");
        // the drill orders the product of which there is most
        sqlx::query(
            "update commerce.stock set received = received + 100000
             where product_id = (select product_id from commerce.stock where reserved = 0 limit 1)",
        )
        .execute(&place.shop)
        .await
        .unwrap();
        let innocent = place.stuck("participant-unreachable");
        Self {
            place,
            blocked,
            innocent,
        }
    }

    fn why(&self, saga: &str) -> Ran {
        self.place.run(&["why", saga, "-o", "json"])
    }

    /// The diagnosis of a saga.
    fn diagnosis(&self, saga: &str) -> Value {
        self.why(saga).objects().remove(0)
    }

    /// Waits until the saga is blocked, certainly, and returns the diagnosis.
    async fn becomes_blocked(&self, saga: &str, what: &str) -> Value {
        eventually(&format!("{what} to block {saga}"), || async {
            self.why(saga)
                .objects()
                .first()
                .is_some_and(|why| why["code"] == "blocked-by-session")
        })
        .await;
        let why = self.diagnosis(saga);
        assert_eq!(why["sure"], "certain", "{what}: {why}");
        assert_eq!(why["stuck"], true, "{what}: {why}");
        why
    }

    /// An open transaction, such as a prompt's, that has run this statement about the first order.
    async fn prompt(&self, statement: &str) -> Prompt {
        let mut session = PgConnection::connect(self.place.url()).await.unwrap();
        let statement = statement.replace("{saga}", &self.blocked);
        let statements = format!("set application_name = 'prompt'; begin; {statement}");
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut session)
            .await
            .unwrap();
        let pid = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut session)
            .await
            .unwrap();
        Prompt { session, pid }
    }
}

struct Prompt {
    session: PgConnection,
    pid: i32,
}

impl Prompt {
    fn end_command(&self) -> String {
        format!(
            "shopctl db end-session {} --reason 'it blocks sagas'",
            self.pid
        )
    }

    async fn is_alive(&mut self) -> bool {
        self.session.ping().await.is_ok()
    }
}

fn evidence(why: &Value, name: &str) -> String {
    let all = why["evidence"].as_array().unwrap();
    let found = all.iter().find(|evidence| evidence["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {why}"));
    found["value"].as_str().unwrap().to_owned()
}

const SAGA_ROW: &str = "select from saga.saga where saga_id = '{saga}' for update";
const ENTRY: &str = "select from messaging.outbox where saga_id = '{saga}' for update";
const ORDER_ROW: &str =
    r#"update commerce."order" set updated_at = updated_at where saga_id = '{saga}'"#;
const STOCK_ROW: &str = r#"
    select from commerce.stock join commerce.order_line using (product_id) join commerce."order" using (order_id)
    where saga_id = '{saga}' for update of stock"#;

#[tokio::test]
async fn a_locked_row_is_its_own_sagas_cause_only() {
    let shop = Shop::open().await;
    for (statement, locked) in [
        (SAGA_ROW, "the saga's row"),
        (ENTRY, "the saga's entry in the outbox"),
        (ORDER_ROW, "the order's row"),
        (STOCK_ROW, "the stock of product"),
    ] {
        let prompt = shop.prompt(statement).await;
        let why = shop.becomes_blocked(&shop.blocked, locked).await;
        let session = format!("{} (prompt, user ", prompt.pid);
        assert!(evidence(&why, "session").starts_with(&session), "{why}");
        assert!(evidence(&why, "locked").starts_with(locked), "{why}");
        assert_eq!(evidence(&why, "doing"), "idle in transaction");
        assert_eq!(why["next"][0]["command"], prompt.end_command(), "{why}");

        let innocent = shop.diagnosis(&shop.innocent);
        assert_eq!(innocent["code"], "participant-unreachable", "{innocent}");
        assert_eq!(innocent["sure"], "likely", "{innocent}");
        let beside = evidence(&innocent, "blocks_others");
        assert!(beside.contains(&prompt.pid.to_string()), "{innocent}");

        let list = [
            "saga",
            "list",
            "--cause",
            "blocked-by-session",
            "-o",
            "json",
        ];
        let list = shop.place.run(&list).objects();
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(list[0]["saga_id"], shop.blocked.as_str());
        prompt.session.close().await.unwrap();
        let after = shop.diagnosis(&shop.blocked);
        assert_eq!(after["code"], "participant-unreachable", "{after}");
        assert_eq!(after["sure"], "certain", "{after}");
    }
}

#[tokio::test]
async fn a_locked_table_is_the_cause_of_every_live_saga() {
    let shop = Shop::open().await;
    for table in [
        "saga.saga in exclusive mode",
        "messaging.outbox in share row exclusive mode",
        "commerce.stock in access exclusive mode",
    ] {
        let prompt = shop.prompt(&format!("lock table {table}")).await;
        for saga in [&shop.blocked, &shop.innocent] {
            let why = shop.becomes_blocked(saga, table).await;
            assert!(evidence(&why, "locked").starts_with("the table "), "{why}");
            assert_eq!(why["next"][0]["command"], prompt.end_command(), "{why}");
        }
        prompt.session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_table_locked_against_readers_names_its_session() {
    let shop = Shop::open().await;
    let prompt = shop.prompt("lock table saga.saga").await;
    for saga in [&shop.blocked, &shop.innocent] {
        let why = shop.why(saga);
        assert_eq!(why.code, Some(4), "{why:?}");
        let end = format!("{}` ends the session", prompt.end_command());
        assert!(why.err.contains(&end), "{why:?}");
        let lock = format!("session {} (prompt", prompt.pid);
        assert!(why.err.contains(&lock), "{why:?}");
    }
    let list = shop.place.run(&["saga", "list"]);
    assert_eq!(list.code, Some(4), "{list:?}");
}

#[tokio::test]
async fn workers_idle_behind_a_lock_are_not_too_few() {
    let shop = Shop::open().await;
    // a worker is there, and the second saga is due and never claimed
    sqlx::query(
        "insert into saga.heartbeat (process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, seen_at)
         select 'worker-1', '{saga}', array[plan || '/' || plan_version || '/' || plan_hash], 'h', 1, '1', 100, 900000,
                clock_timestamp() + interval '1 hour'
         from saga.saga limit 1",
    )
    .execute(&shop.place.shop)
    .await
    .unwrap();
    sqlx::query("update messaging.outbox set attempt = 0, due_at = now() - interval '1 min' where saga_id = $1")
        .bind(shop.innocent.parse::<uuid::Uuid>().unwrap())
        .execute(&shop.place.shop)
        .await
        .unwrap();
    let before = shop.diagnosis(&shop.innocent);
    assert_eq!(before["code"], "queue-backlog", "{before}");
    assert_eq!(before["sure"], "certain", "{before}");
    let prompt = shop.prompt(SAGA_ROW).await;
    shop.becomes_blocked(&shop.blocked, "the row").await;
    let innocent = shop.diagnosis(&shop.innocent);
    assert_eq!(innocent["code"], "blocked-by-session", "{innocent}");
    assert_eq!(innocent["sure"], "likely", "{innocent}");
    let otherwise = evidence(&innocent, "otherwise");
    assert!(otherwise.starts_with("queue-backlog"), "{innocent}");
    prompt.session.close().await.unwrap();
}

#[tokio::test]
async fn the_first_printed_command_ends_the_session_and_is_audited() {
    let shop = Shop::open().await;
    let mut prompt = shop.prompt(SAGA_ROW).await;
    let why = shop.becomes_blocked(&shop.blocked, "the row").await;
    let sessions = shop.place.run(&["db", "sessions", "-o", "json"]).objects();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["pid"], prompt.pid);
    assert_eq!(sessions[0]["row_locks"], serde_json::json!(["saga.saga"]));
    let doctor = shop
        .place
        .run(&["doctor", "--without", "payments,rabbitmq,bindings"]);
    assert!(doctor.err.contains(&prompt.end_command()), "{doctor:?}");

    let command = why["next"][0]["command"].as_str().unwrap();
    let line = command.replacen("shopctl", env!("CARGO_BIN_EXE_shopctl"), 1);
    let asked = ran(&mut shop.place.shell(&line));
    assert_eq!(asked.code, Some(1), "it asks first: {asked:?}");
    assert!(prompt.is_alive().await);
    let ended = ran(&mut shop.place.shell(&format!("{line} --yes")));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!prompt.is_alive().await);

    let after = shop.diagnosis(&shop.blocked);
    assert_eq!(after["code"], "participant-unreachable", "{after}");
    assert_eq!(after["sure"], "certain", "{after}");
    let audit = shop.place.run(&["audit", "list", "-o", "json"]).objects();
    let ends: Vec<_> = audit
        .iter()
        .filter(|act| act["verb"] == "db end-session")
        .collect();
    assert_eq!(ends.len(), 1, "{audit:?}");
    assert_eq!(ends[0]["subject_id"], prompt.pid.to_string());
    assert_eq!(ends[0]["actor"], "ada");
    assert_eq!(ends[0]["before"]["application"], "prompt");
}

#[tokio::test]
async fn a_session_that_blocks_no_saga_is_left_alone() {
    let shop = Shop::open().await;
    let mut blocking = shop.prompt(SAGA_ROW).await;
    shop.becomes_blocked(&shop.blocked, "the row").await;
    let mut reading = shop.prompt("select from saga.saga").await;
    let mut elsewhere = shop.prompt(r#"lock table auth."user""#).await;
    for pid in [reading.pid, elsewhere.pid, i32::MAX] {
        let pid = pid.to_string();
        let refused = shop
            .place
            .run(&["db", "end-session", &pid, "--reason", "r", "--yes"]);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        let sentence = format!("session {pid} blocks no work on sagas; it is left alone");
        assert!(refused.err.contains(&sentence), "{refused:?}");
        // the right itself is as narrow
        let refused = sqlx::query("select saga.end_session($1)")
            .bind(pid.parse::<i32>().unwrap())
            .execute(&shop.place.shop)
            .await;
        assert!(refused.unwrap_err().to_string().contains("blocks no work"));
    }
    for prompt in [&mut blocking, &mut reading, &mut elsewhere] {
        assert!(prompt.is_alive().await);
    }
    let audit = shop.place.run(&["audit", "list", "-o", "json"]).objects();
    assert!(audit.is_empty(), "{audit:?}");
}

#[tokio::test]
async fn acts_on_a_locked_saga_end_and_name_the_session() {
    let shop = Shop::open().await;
    let prompt = shop.prompt(SAGA_ROW).await;
    for verb in ["retry", "pause", "cancel"] {
        let act = ["saga", verb, &shop.blocked, "--reason", "r", "--yes"];
        let act = shop.place.run(&act);
        assert_eq!(act.code, Some(4), "{verb}: {act:?}");
        let holder = format!("it is locked by session {} (prompt", prompt.pid);
        assert!(act.err.contains(&holder), "{verb}: {act:?}");
        assert!(act.err.contains(&prompt.end_command()), "{verb}: {act:?}");
    }
    let innocent = ["saga", "pause", &shop.innocent, "--reason", "r", "--yes"];
    let innocent = shop.place.run(&innocent);
    assert_eq!(innocent.code, Some(0), "{innocent:?}");
    prompt.session.close().await.unwrap();
    let act = ["saga", "pause", &shop.blocked, "--reason", "r", "--yes"];
    let act = shop.place.run(&act);
    assert_eq!(act.code, Some(0), "{act:?}");
}

#[tokio::test]
async fn an_action_on_a_locked_message_names_the_session() {
    let shop = Shop::open().await;
    let message = uuid::Uuid::now_v7();
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body)
         values ($1, 'message', 'e', 'k', 't', '{}')",
    )
    .bind(message)
    .execute(&shop.place.shop)
    .await
    .unwrap();
    let lock = format!("select from messaging.outbox where entry_id = '{message}' for update");
    let prompt = shop.prompt(&lock).await;
    let message = message.to_string();
    let park = ["outbox", "park", &message, "--reason", "r", "--yes"];
    let park = shop.place.run(&park);
    assert_eq!(park.code, Some(4), "{park:?}");
    assert!(park.err.contains(&prompt.end_command()), "{park:?}");
}

#[tokio::test]
async fn without_the_right_the_statement_to_run_is_printed() {
    let shop = Shop::open().await;
    let mut prompt = shop.prompt(SAGA_ROW).await;
    shop.becomes_blocked(&shop.blocked, "the row").await;
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    let grants = format!(
        "create role {role} login password '{role}';
         grant usage on schema saga, messaging, commerce to {role};
         grant select on all tables in schema saga, messaging, commerce to {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(grants))
        .execute(&shop.place.shop)
        .await
        .unwrap();
    let (_, server) = shop.place.url().split_once('@').unwrap();
    let url = format!("postgres://{role}:{role}@{server}");
    let as_reader = |arguments: &[&str]| {
        let mut command = shop.place.command(arguments);
        ran(command.env("SHOP_DATABASE_URL", &url))
    };
    let pid = prompt.pid.to_string();
    let refused = as_reader(&["db", "end-session", &pid, "--reason", "r", "--yes"]);
    let why = as_reader(&["why", &shop.blocked, "-o", "json"]);
    let doctor = as_reader(&[
        "doctor",
        "--without",
        "payments,rabbitmq,bindings",
        "-o",
        "json",
    ]);
    let dropped = format!("drop owned by {role}; drop role {role}");
    sqlx::raw_sql(AssertSqlSafe(dropped))
        .execute(&shop.place.shop)
        .await
        .unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let statement = format!("`select pg_terminate_backend({pid});`");
    assert!(refused.err.contains(&statement), "{refused:?}");
    assert!(refused.err.contains("pg_signal_backend"), "{refused:?}");
    assert!(prompt.is_alive().await);
    let why = why.objects().remove(0);
    let unavailable = why["could_not_see"].to_string();
    assert!(unavailable.contains("locks: "), "{why}");
    let checks = doctor.objects();
    let check = checks
        .iter()
        .find(|check| check["id"] == "blocking-session");
    assert_eq!(check.unwrap()["result"], "warning", "{doctor:?}");
}
