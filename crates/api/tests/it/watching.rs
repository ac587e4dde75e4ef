//! Watching orders: server-sent events, resumable, on any number of API processes.

use std::time::Duration;

use kernel::UserId;
use reqwest::{Method, Response};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use testkit::{Proxy, eventually};

use crate::support::{Answer, Settings, Shop, id_of};

/// A timeout that is long enough for a slow machine.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Stream {
    response: Response,
    read: String,
}

impl Shop {
    async fn watch(&self, order: &Value, token: &str, seen: Option<&str>) -> Stream {
        let path = format!("/api/orders/{}/events", id_of(order));
        let mut request = self.request(Method::GET, &path).bearer_auth(token);
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Stream {
            response,
            read: String::new(),
        }
    }
}

impl Stream {
    /// Id and status of the events received so far.
    fn events(&self) -> Vec<(String, String)> {
        let whole = self.read.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let field = |event: &str, name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let event = |event: &str| {
            let data: Value = serde_json::from_str(&field(event, "data:")?).unwrap();
            assert_eq!(field(event, "event:").as_deref(), Some("status"));
            assert!(data["at"].is_string(), "{data}");
            Some((
                field(event, "id:").unwrap(),
                data["status"].as_str().unwrap().to_owned(),
            ))
        };
        whole.split("\n\n").filter_map(event).collect()
    }

    async fn until(&mut self, status: &str) {
        while self.events().last().is_none_or(|(_, last)| last != status) {
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("no {status}: {}", self.read));
            let chunk = chunk.unwrap().expect("the stream goes on");
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn the_rest(mut self) -> Vec<(String, String)> {
        let rest = async {
            while let Some(chunk) = self.response.chunk().await.unwrap() {
                self.read.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(TIMEOUT, rest).await.expect("it ends");
        self.events()
    }
}

fn numbered(statuses: &[&str]) -> Vec<(String, String)> {
    (1..)
        .zip(statuses)
        .map(|(number, status)| (number.to_string(), (*status).to_owned()))
        .collect()
}

#[tokio::test]
async fn each_change_arrives_and_the_last_ends_the_stream() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let mut stream = shop.watch(&order, &token, None).await;
    stream.until("awaiting_payment").await;
    shop.cancel(&order, &token).await;
    stream.until("canceling").await;
    assert_eq!(shop.work().await, 1);
    let all = ["pending", "awaiting_payment", "canceling", "canceled"];
    assert_eq!(stream.the_rest().await, numbered(&all));
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_seen() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.completed(&token).await;
    let all = numbered(&["pending", "awaiting_payment", "completed"]);
    for (seen, rest) in [(None, 0), (Some("0"), 0), (Some("1"), 1), (Some("2"), 2)] {
        let stream = shop.watch(&order, &token, seen).await;
        assert_eq!(stream.the_rest().await, all[rest..], "{seen:?}");
    }
    let path = format!("/api/orders/{}/events", id_of(&order));
    let with = |seen: &str| {
        let request = shop.request(Method::GET, &path).bearer_auth(&token);
        Answer::to(request.header("last-event-id", seen))
    };
    assert_eq!(with("3").await.status, 204, "there is nothing to come");
    with("the third").await.problem(400, "malformed");
}

#[tokio::test]
async fn only_owners_and_admins_watch_an_order() {
    let shop = Shop::open().await;
    let order = shop.completed(&shop.buyer()).await;
    let path = format!("/api/orders/{}/events", id_of(&order));
    let stranger = shop.get(&path, &shop.buyer()).await;
    stranger.problem(404, "not-found");
    let stream = shop.watch(&order, &shop.admin(), None).await;
    assert_eq!(stream.the_rest().await.len(), 3);
}

#[tokio::test]
async fn a_change_in_one_process_reaches_watchers_at_another() {
    let shop = Shop::open().await;
    let other = Shop::open_on(shop.pool.clone(), Settings::default()).await;
    let user = UserId::new();
    let (token, token_there) = (shop.token_of(user), other.token_of(user));
    let orders = [shop.awaiting(&token).await, shop.awaiting(&token).await];
    let mut streams = Vec::new();
    for order in &orders {
        streams.push(shop.watch(order, &token, None).await);
        streams.push(other.watch(order, &token_there, None).await);
    }
    for stream in &mut streams {
        stream.until("awaiting_payment").await;
    }
    for order in &orders {
        shop.cancel(order, &token).await;
    }
    assert_eq!(shop.work().await, 2);
    for stream in streams {
        assert_eq!(stream.the_rest().await.last().unwrap().1, "canceled");
    }
}

#[tokio::test]
async fn one_user_watches_twenty_orders_at_once_and_no_more() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let path = format!("/api/orders/{}/events", id_of(&order));
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(shop.watch(&order, &token, None).await);
    }
    let refused = shop.get(&path, &token).await;
    refused.problem_for_now(429, "too-many-requests");
    streams.pop();
    eventually("a closed stream to make room", || async {
        let request = shop.request(Method::GET, &path).bearer_auth(&token);
        request.send().await.unwrap().status() == 200
    })
    .await;
}

#[tokio::test]
async fn streams_end_when_the_process_stops() {
    let settings = Settings::default();
    let shutdown = settings.shutdown.clone();
    let shop = Shop::open_with(settings).await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let mut stream = shop.watch(&order, &token, None).await;
    stream.until("awaiting_payment").await;
    shutdown.cancel();
    assert_eq!(stream.the_rest().await.len(), 2);
}

#[tokio::test]
async fn a_database_outage_ends_no_stream() {
    let shop = Shop::open().await;
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let mut stream = shop.watch(&order, &token, None).await;
    stream.until("awaiting_payment").await;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        .execute(&shop.pool)
        .await
        .unwrap();
    eventually("the order to be canceled", || async {
        shop.cancel(&order, &token).await.status == 202
    })
    .await;
    stream.until("canceling").await;
    eventually("its work to be done", || async { shop.work().await == 1 }).await;
    assert_eq!(stream.the_rest().await.last().unwrap().1, "canceled");
}

#[tokio::test]
async fn a_stream_survives_a_silent_database_connection_f58() {
    let url = testkit::database("shop", &db::SHOP).await;
    let address = url.split(['@', '/']).nth(3).unwrap();
    let proxy = Proxy::new(address).await;
    let through = url.replace(address, &proxy.address);
    let pool = db::connect(&through, &db::PoolConfig::new("api", 4)).unwrap();
    let shop = Shop::open_on(pool, Settings::default()).await;
    commerce::product::seed(&mut shop.pool.acquire().await.unwrap())
        .await
        .unwrap();
    let token = shop.buyer();
    let order = shop.awaiting(&token).await;
    let mut stream = shop.watch(&order, &token, None).await;
    stream.until("awaiting_payment").await;

    // open connections get no further answers, and their ends are not notified
    proxy.silence();
    let mut direct = PgConnection::connect(&url).await.unwrap();
    let changed = "update commerce.\"order\" set status = 'canceled' where order_id = $1::uuid";
    sqlx::query(changed)
        .bind(id_of(&order).to_string())
        .execute(&mut direct)
        .await
        .unwrap();
    stream.until("canceled").await;
}
