//! Dependencies that answer but cannot be used: a read-only database, rows locked by another
//! session, a mail server that falls silent. None of these counts as an attempt.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kernel::{EntryId, UserId};
use lapin::{BasicProperties, options::QueueDeclareOptions, types::FieldTable};
use regex::Regex;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{Buyer, MailServer, System, eventually, foreign_client};

use super::{count, long_outages::slowest, whole};
use crate::{hurried, shopctl::shopctl, text};

async fn awaiting(buyer: &Buyer<'_>, product: &str, orders: usize) -> Vec<Value> {
    let mut awaiting = Vec::with_capacity(orders);
    for n in 0..orders {
        let key = format!("{product}-{n}");
        let order = buyer.try_order(product, 1, &key).await.unwrap();
        let order: Value = order.json().await.unwrap();
        awaiting.push(buyer.awaits(text(&order, "id"), "awaiting_payment").await);
    }
    awaiting
}

async fn pay(buyer: &Buyer<'_>, orders: &[Value]) {
    for order in orders {
        buyer.pay(text(order, "transaction_id")).await;
    }
}

async fn complete(buyer: &Buyer<'_>, orders: &[Value]) {
    for order in orders {
        buyer.awaits(text(order, "id"), "completed").await;
    }
}

/// Messages in `failed`.
pub(super) async fn failed(system: &System) -> u32 {
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare("failed".into(), passive, FieldTable::default());
    queue.await.unwrap().message_count()
}

/// How often each mail was sent, by its Message-ID.
fn mails(system: &System) -> BTreeMap<String, usize> {
    let mut mails = BTreeMap::new();
    for file in std::fs::read_dir(system.setting("MAIL_DIR")).unwrap() {
        let mail = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let id = mail
            .lines()
            .find_map(|line| line.strip_prefix("Message-ID: "));
        *mails.entry(id.unwrap().to_owned()).or_default() += 1;
    }
    mails
}

async fn logged(system: &System, what: &str) {
    logged_like(system, &Regex::new(&regex::escape(what)).unwrap()).await;
}

async fn logged_like(system: &System, what: &Regex) {
    eventually(&format!("the worker to log {what}"), || async {
        let log = std::fs::read_to_string(system.log("worker"));
        log.is_ok_and(|log| what.is_match(&log))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_spends_no_delivery_repeats_no_mail_f60() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let orders = awaiting(&buyer, &mug, 5).await;
    eventually("the welcome mail to be sent", || async {
        mails(&system).len() == 1
    })
    .await;
    let user: UserId = sqlx::query_scalar("select user_id from commerce.client limit 1")
        .fetch_one(&system.shop)
        .await
        .unwrap();

    let database = system
        .setting("SHOP_DATABASE_URL")
        .rsplit_once('/')
        .unwrap()
        .1
        .to_owned();
    let run = |statement: String| {
        let pool = system.shop.clone();
        async move {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&pool)
                .await
                .unwrap()
        }
    };
    run(format!(
        "alter database {database} set default_transaction_read_only = on"
    ))
    .await;
    run("select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name ~ '^(api|worker)'"
        .to_owned())
    .await;
    pay(&buyer, &orders).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    for _ in 0..3 {
        let command = json!({"command": "send_welcome_email", "user_id": user});
        let properties = BasicProperties::default()
            .with_message_id(EntryId::new().to_string().into())
            .with_type("send_welcome_email".into());
        let body = command.to_string();
        testkit::publish(
            &channel,
            "messages",
            "send_welcome_email",
            properties,
            body.as_bytes(),
        )
        .await;
    }
    // the fifth try comes seconds after the first; a consumer that retried at once would have used
    // up a message's twenty deliveries by then
    for queue in ["payments_events_queue", "messages"] {
        let tries = Regex::new(&format!("Try 5 of [0-9]+ held messages of {queue} ")).unwrap();
        logged_like(&system, &tries).await;
    }
    // sessions opened meanwhile stay read-only, as after a failover behind one address
    run(format!(
        "alter database {database} reset default_transaction_read_only"
    ))
    .await;

    complete(&buyer, &orders).await;
    eventually("the mails to be sent", || async {
        mails(&system).len() == 4 + orders.len()
    })
    .await;
    logged(
        &system,
        "Dependency reachable again; resuming consumption of payments_events_queue",
    )
    .await;
    assert_eq!(failed(&system).await, 0, "an outage is no attempt");
    let mails = mails(&system);
    assert!(mails.values().all(|times| *times == 1), "{mails:?}");
    whole(&system).await;
}

/// The database raises the error of a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_spends_no_delivery_f41() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let orders = awaiting(&buyer, &mug, 5).await;
    let run = async |statement: &'static str| {
        sqlx::raw_sql(statement)
            .execute(&system.shop)
            .await
            .unwrap()
    };
    run("create function full_disk() returns trigger language plpgsql as
           $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
         create trigger full_disk before insert on messaging.inbox execute function full_disk();
         create trigger full_disk before insert on saga.signal execute function full_disk()")
    .await;
    pay(&buyer, &orders).await;
    // if these counted as attempts, the message would be in `failed`
    let tries = "Try 5 of [0-9]+ held messages of payments_events_queue ";
    logged_like(&system, &Regex::new(tries).unwrap()).await;
    assert_eq!(failed(&system).await, 0, "an outage is no attempt");
    run("drop function full_disk cascade").await;
    complete(&buyer, &orders).await;
    assert_eq!(failed(&system).await, 0);
    whole(&system).await;
}

/// Three forgotten sessions lock a saga's row, an order's row and a product's stock.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_delays_its_own_order_alone_f61() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (mug, lamp) = (
        system.product("enamel-mug").await,
        system.product("reading-lamp").await,
    );
    let mugs = awaiting(&buyer, &mug, 42).await;
    let lamps = awaiting(&buyer, &lamp, 2).await;
    let (held, others) = mugs.split_at(2);

    let saga = hold_saga(&system, &held[0]).await;
    let order_row = r#"select from commerce."order" where order_id = $1::uuid for update"#;
    let order = hold(&system, order_row, text(&held[1], "id")).await;
    let stock_row = "select from commerce.stock where product_id = $1::uuid for update";
    let stock = hold(&system, stock_row, &lamp).await;
    pay(&buyer, &lamps).await;
    pay(&buyer, held).await;
    let mut paid = Vec::with_capacity(others.len());
    for other in others {
        buyer.pay(text(other, "transaction_id")).await;
        paid.push(SystemTime::now());
    }
    complete(&buyer, others).await;
    let slowest = slowest(&system, others, &paid).await;
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    logged(&system, "waits for a lock, and others proceed").await;
    logged(&system, "open transactions: session").await;
    for held in held.iter().chain(&lamps) {
        let order = buyer.find_order(text(held, "id")).await.unwrap();
        assert_eq!(order["status"], "awaiting_payment");
    }
    saga.rollback().await.unwrap();
    order.rollback().await.unwrap();
    complete(&buyer, held).await;
    stock.rollback().await.unwrap();
    complete(&buyer, &lamps).await;
    assert_eq!(failed(&system).await, 0, "a lock is no attempt");
    whole(&system).await;
}

/// Behind a locked table all orders wait, and the session that holds it is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_delays_all_orders_and_is_named_f61() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    let orders = awaiting(&buyer, &mug, 40).await;
    let mut session = system.shop.begin().await.unwrap();
    sqlx::query(r#"lock table commerce."order" in share mode"#)
        .execute(&mut *session)
        .await
        .unwrap();
    pay(&buyer, &orders).await;
    let why = async |order: &Value| {
        let (_, out, talk) = shopctl(&system, &["why", text(order, "id"), "-o", "json"]);
        serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{talk}"))
    };
    for order in [&orders[0], &orders[39]] {
        eventually("the session to be the cause", || async {
            let why = why(order).await;
            why["code"] == "blocked-by-session" && why["sure"] == "certain"
        })
        .await;
        let order = buyer.find_order(text(order, "id")).await.unwrap();
        assert_eq!(order["status"], "awaiting_payment");
    }
    let why = why(&orders[0]).await;
    assert!(
        why.to_string().contains("the table commerce.order"),
        "{why}"
    );
    let end = shlex::split(text(&why["next"][0], "command")).unwrap();
    let end: Vec<_> = end.iter().skip(1).map(String::as_str).collect();
    assert_eq!(end[..2], ["db", "end-session"]);
    system.run("shopctl", &[&end[..], &["--yes"]].concat());
    complete(&buyer, &orders).await;
    assert_eq!(failed(&system).await, 0, "a lock is no attempt");
    whole(&system).await;
}

/// Locks the row that this query selects by an id, until the transaction ends.
async fn hold(
    system: &System,
    query: &'static str,
    id: &str,
) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut holder = system.shop.begin().await.unwrap();
    let row = sqlx::query(query).bind(id).fetch_one(&mut *holder).await;
    row.unwrap();
    holder
}

/// Locks the row of an order's saga until the transaction ends.
async fn hold_saga(system: &System, order: &Value) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let row = r#"select from saga.saga join commerce."order" using (saga_id) where order_id = $1::uuid for update of saga"#;
    hold(system, row, text(order, "id")).await
}

async fn placed(buyer: &Buyer<'_>, orders: usize) -> Vec<Value> {
    let mut placed = Vec::with_capacity(orders);
    for _ in 0..orders {
        placed.push(buyer.order().await.1);
    }
    placed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_saga_delays_no_step_of_others_f61() {
    let mut options = hurried();
    options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
    let system = System::prepare(options).await;
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let orders = placed(&buyer, 10).await;
    let holder = hold_saga(&system, &orders[0]).await;
    system.spawn("worker").await;
    for order in &orders[1..] {
        buyer.awaits(text(order, "id"), "awaiting_payment").await;
    }
    let held = buyer.find_order(text(&orders[0], "id")).await.unwrap();
    assert_eq!(held["status"], "pending");
    holder.rollback().await.unwrap();
    let held = buyer.awaits(text(&orders[0], "id"), "awaiting_payment");
    held.await;
    pay(&buyer, &orders).await;
    complete(&buyer, &orders).await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_saga_delays_no_deadline_of_others_f61() {
    let mut options = hurried();
    let deadline = ("PAYMENT_DEADLINE_MS", "6000".to_owned());
    options.env.extend([deadline]);
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    // locked from the first moment: placing ten may take longer than the deadline
    let (_, held) = buyer.order().await;
    let holder = hold_saga(&system, &held).await;
    for order in &placed(&buyer, 9).await {
        buyer.awaits(text(order, "id"), "canceled").await;
    }
    let held = text(&held, "id");
    let seen = buyer.find_order(held).await.unwrap();
    assert_ne!(seen["status"], "canceled");
    holder.rollback().await.unwrap();
    buyer.awaits(held, "canceled").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_falls_silent_repeats_no_other_mail_f62() {
    let server = MailServer::start().await;
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    let url = format!("smtp://{}", server.address);
    let settings = [("SMTP_URL", url.as_str()), ("MAIL_RETRY_MS", "500")];
    system.spawn_with("worker", &settings).await;
    let names = ["silent", "good1", "refused", "good2", "greylisted", "good3"];
    for name in names {
        let account = json!({"email": format!("{name}@mail.example"), "password": "correct horse", "name": "Test Buyer"});
        let answer = system
            .http
            .post(format!("{}/api/register", system.api_url))
            .json(&account);
        assert!(answer.send().await.unwrap().status().is_success());
    }
    for name in ["good1", "good2", "good3", "greylisted"] {
        eventually(&format!("the mail to {name} to be taken"), || async {
            server.taken(name) == 1
        })
        .await;
    }
    eventually("the silent dialogue to be given up", || async {
        server.tried("silent") > 1
    })
    .await;
    server.answers_silent();
    eventually("the mail to be taken at last", || async {
        server.taken("silent") == 1
    })
    .await;
    eventually("the refused mail to be recorded as handled", || async {
        system.metric("worker", "mails_refused_total").await > 0.0
    })
    .await;
    system.settle().await;
    assert_eq!(server.tried("refused"), 1, "5xx is final");
    for name in names {
        let taken = server.taken(name);
        assert_eq!(taken, usize::from(name != "refused"), "{name}");
    }
    // a stranger who registers such addresses must not fill `failed`
    assert_eq!(failed(&system).await, 0);
    assert_eq!(
        count(
            &system.shop,
            "select count(*) from messaging.inbox where consumer = 'messages'"
        )
        .await,
        6
    );
    let log = std::fs::read_to_string(system.log("worker")).unwrap();
    let refusal = log.lines().find(|line| line.contains("for good"));
    let refusal = refusal.expect("the log names the refused mail");
    assert!(refusal.contains("no such mailbox"), "{refusal}");
    assert!(!log.contains("@mail.example"), "no address is logged");
}
