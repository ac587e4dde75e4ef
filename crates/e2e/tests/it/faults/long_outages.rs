//! Outages one after the other, under load: ten minutes each, in the wide run only.
//! `OUTAGE_SECONDS` sets another length for any run. F59, F60 and F61 test in every run the
//! behaviour within the first seconds of each outage.

use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use testkit::{Buyer, MailServer, System, SystemOptions, within};

use super::{count, outages::failed, whole};
use crate::{hurried, outage_length, text};

/// Longest recovery of delayed work after an outage: a consumer that has waited for ten minutes
/// checks every half minute. The limit is generous, as a slow machine must not fail a test.
const DEADLINE: Duration = Duration::from_mins(5);

/// The longest time in which payments are made during an outage: the payer's token is valid for ten
/// minutes, and a read-only database issues no other one.
const PAYING: Duration = Duration::from_mins(8);

/// Places orders, a few at a time, and returns them when they await payment.
async fn placed(buyer: &Buyer<'_>, product: &str, name: &str, orders: usize) -> Vec<Value> {
    stream::iter(0..orders)
        .map(|number| async move {
            let key = format!("{name}-{number}");
            let order = within(DEADLINE, "an order to be accepted", || async {
                let answer = buyer.try_order(product, 1, &key).await.ok()?;
                if answer.status().is_success() {
                    answer.json::<Value>().await.ok()
                } else {
                    None
                }
            })
            .await;
            let id = text(&order, "id").to_owned();
            within(DEADLINE, "the order to await its payment", || async {
                let order = buyer.find_order(&id).await?;
                (order["status"] == "awaiting_payment").then_some(order)
            })
            .await
        })
        .buffer_unordered(4)
        .collect()
        .await
}

/// Pays orders, spread evenly over `time` or the part of it in which payments are made; returns
/// when each was paid, after all of `time` has passed.
async fn pay_over(buyer: &Buyer<'_>, orders: &[Value], time: Duration) -> Vec<SystemTime> {
    let begun = Instant::now();
    let mut paid = Vec::new();
    let pause = time.min(PAYING) / u32::try_from(orders.len()).unwrap();
    for (number, order) in (0..).zip(orders) {
        let transaction = text(order, "transaction_id");
        within(DEADLINE, "payments to take a payment", || async {
            let answer = buyer.decide("complete", transaction).await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
        paid.push(SystemTime::now());
        // not a wait for an event: payments are spread over the outage
        let due = pause * (number + 1);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
    }
    tokio::time::sleep(time.saturating_sub(begun.elapsed())).await;
    paid
}

/// The longest time between the payment of one of these orders and its completion.
pub(super) async fn slowest(system: &System, orders: &[Value], paid: &[SystemTime]) -> Duration {
    let mut slowest = Duration::ZERO;
    for (order, paid) in orders.iter().zip(paid) {
        let seconds: f64 = sqlx::query_scalar(
            "select extract(epoch from updated_at)::float8 from commerce.\"order\" where order_id = $1::uuid",
        )
        .bind(text(order, "id"))
        .fetch_one(&system.shop)
        .await
        .unwrap();
        let completed = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        // an order may be completed before its client has payments' answer
        slowest = slowest.max(completed.duration_since(*paid).unwrap_or_default());
    }
    slowest
}

async fn completed(system: &System, orders: &[Value]) {
    let ids: Vec<_> = orders.iter().map(|order| text(order, "id")).collect();
    within(DEADLINE, "all orders to be completed", || async {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from commerce.\"order\"
             where order_id = any($1::text[]::uuid[]) and status <> 'completed'",
        )
        .bind(&ids)
        .fetch_one(&system.shop)
        .await
        .ok()?;
        (open == 0).then_some(())
    })
    .await;
}

/// A payer for the next outage, as soon as the previous one is over.
async fn payer(system: &System) -> Buyer<'_> {
    within(DEADLINE, "an account to be made", || async {
        system.try_buyer().await.ok()
    })
    .await
}

async fn run(system: &System, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&system.shop)
        .await
        .unwrap();
}

fn control(system: &System, arguments: &[&str]) {
    let rabbitmq = system.servers.as_ref().unwrap().rabbitmq.lock().unwrap();
    tokio::task::block_in_place(|| rabbitmq.control(arguments).unwrap());
}

/// Read-only, then locked, then a blocked broker. Each outage is over before the next begins, but
/// not the work that it delayed.
#[tokio::test(flavor = "multi_thread")]
async fn three_long_outages_lose_no_payment_and_repeat_no_mail_f63() {
    let Some(time) = outage_length() else { return };
    let orders = usize::try_from(time.as_secs()).unwrap().clamp(20, 300);
    let mail = MailServer::start().await;
    let mut options = SystemOptions {
        own_servers: true,
        ..hurried()
    };
    options
        .env
        .insert("SMTP_URL", format!("smtp://{}", mail.address));
    options
        .env
        .insert("PAYMENT_DEADLINE_MS", "7200000".to_owned());
    let system = System::start(options).await;
    let (mug, lamp) = (
        system.product("enamel-mug").await,
        system.product("reading-lamp").await,
    );
    run(
        &system,
        "update commerce.stock set received = received + 10000",
    )
    .await;

    let buyer = payer(&system).await;
    let mugs = placed(&buyer, &mug, "read-only", orders).await;
    run(
        &system,
        "alter database shop set default_transaction_read_only = on",
    )
    .await;
    run(
        &system,
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = 'shop' and application_name ~ '^(api|worker)'",
    )
    .await;
    pay_over(&buyer, &mugs, time).await;
    run(
        &system,
        "alter database shop reset default_transaction_read_only",
    )
    .await;
    let mut paid = mugs;

    let buyer = payer(&system).await;
    let held = placed(&buyer, &mug, "held", 5).await;
    let lamps = placed(&buyer, &lamp, "lamp", 5).await;
    let free = placed(&buyer, &mug, "free", orders).await;
    let ids: Vec<_> = held.iter().map(|order| text(order, "id")).collect();
    let mut sagas = system.shop.begin().await.unwrap();
    sqlx::query(
        "select from saga.saga join commerce.\"order\" using (saga_id)
         where order_id = any($1::text[]::uuid[]) for update of saga",
    )
    .bind(&ids)
    .fetch_all(&mut *sagas)
    .await
    .unwrap();
    let mut stock = system.shop.begin().await.unwrap();
    sqlx::query("select from commerce.stock where product_id = $1::uuid for update")
        .bind(&lamp)
        .fetch_one(&mut *stock)
        .await
        .unwrap();
    pay_over(&buyer, &held, Duration::ZERO).await;
    pay_over(&buyer, &lamps, Duration::ZERO).await;
    pay_over(&buyer, &free, time).await;
    completed(&system, &free).await;
    sagas.rollback().await.unwrap();
    stock.rollback().await.unwrap();
    paid.extend([held, lamps, free].concat());

    let buyer = payer(&system).await;
    let mugs = placed(&buyer, &mug, "blocked", orders).await;
    control(&system, &["set_disk_free_limit", "9000GB"]);
    pay_over(&buyer, &mugs, time).await;
    control(&system, &["set_disk_free_limit", "50MB"]);
    paid.extend(mugs);

    completed(&system, &paid).await;
    let accounts = count(&system.shop, "select count(*) from auth.\"user\"").await;
    let mails = i64::try_from(paid.len()).unwrap() + accounts;
    within(DEADLINE, "all mails to be recorded", || async {
        let recorded = "select count(*) from messaging.inbox where consumer = 'messages'";
        (count(&system.shop, recorded).await == mails).then_some(())
    })
    .await;
    assert_eq!(failed(&system).await, 0, "an outage is no attempt");
    let copies = mail.copies();
    assert_eq!(i64::try_from(copies.len()).unwrap(), mails);
    let repeated: Vec<_> = copies.iter().filter(|(_, times)| **times > 2).collect();
    assert!(repeated.is_empty(), "sent more than twice: {repeated:?}");
    let once = copies.values().filter(|times| **times == 1).count();
    eprintln!("{} orders, {once} of {mails} mails sent once", paid.len());
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_held_saga_delays_none_of_two_hundred_other_orders_f64() {
    const ORDERS: usize = 200;
    let Some(time) = outage_length() else { return };
    let mut options = hurried();
    options
        .env
        .insert("PAYMENT_DEADLINE_MS", "7200000".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let mug = system.product("enamel-mug").await;
    run(
        &system,
        "update commerce.stock set received = received + 10000",
    )
    .await;
    let held = placed(&buyer, &mug, "held", 1).await;
    let others = placed(&buyer, &mug, "other", ORDERS).await;
    let mut session = system.shop.begin().await.unwrap();
    sqlx::query(
        "select from saga.saga join commerce.\"order\" using (saga_id) where order_id = $1::uuid for update of saga",
    )
    .bind(text(&held[0], "id"))
    .fetch_one(&mut *session)
    .await
    .unwrap();
    pay_over(&buyer, &held, Duration::ZERO).await;
    let paid = pay_over(&buyer, &others, time).await;
    completed(&system, &others).await;
    let others_took = slowest(&system, &others, &paid).await;
    let waiting = "select count(*) from commerce.\"order\" where status = 'awaiting_payment'";
    assert_eq!(count(&system.shop, waiting).await, 1);
    session.rollback().await.unwrap();
    let released = [SystemTime::now()];
    completed(&system, &held).await;
    eprintln!(
        "completed at most {others_took:?} after their payment; the held one {:?} after its release",
        slowest(&system, &held, &released).await
    );
    assert_eq!(failed(&system).await, 0, "a lock is no attempt");
    whole(&system).await;
}
