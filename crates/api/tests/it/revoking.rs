//! A session that is over can still read until its token expires, and do nothing else.

use std::time::Duration;

use kernel::UserId;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    people::Person,
    support::{Answer, Shop, filled, id_of, operations},
};

/// Maximum time until an open stream ends.
const STREAM_END: Duration = Duration::from_secs(5);

/// Events that end a session, or revoke a claim of its token.
const ENDS: [&str; 4] = ["log-out", "disabled", "new password", "role taken back"];

impl Shop {
    async fn end(&self, person: &Person, how: &str) {
        let sql = match how {
            "log-out" => {
                let answer = Answer::to(self.renewing("/api/logout", &person.refresh)).await;
                assert_eq!(answer.status, 204);
                return;
            }
            "disabled" => {
                r#"update auth."user" set disabled_at = clock_timestamp() where user_id = $1"#
            }
            "new password" => {
                "update auth.refresh_token set revoked_at = clock_timestamp() where user_id = $1"
            }
            "role taken back" => r#"update auth."user" set roles = '{}' where user_id = $1"#,
            other => panic!("{other}"),
        };
        sqlx::query(sql)
            .bind(person.user.uuid())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn changing(&self, method: &Method, path: &str, token: &str) -> Answer {
        let request = self
            .request(method.clone(), &filled(path))
            .header("idempotency-key", Uuid::new_v4().to_string())
            .header("if-match", "\"1\"")
            .json(&json!({}));
        Answer::to(request.bearer_auth(token)).await
    }
}

fn changes() -> Vec<(Method, String)> {
    let changes = operations().into_iter().filter(|(method, _, operation)| {
        *method != Method::GET && !operation["security"].is_null()
    });
    changes.map(|(method, path, _)| (method, path)).collect()
}

#[tokio::test]
async fn a_session_that_is_over_changes_nothing() {
    let shop = Shop::open().await;
    let changes = changes();
    assert!(changes.len() >= 15, "{changes:?}");
    for (n, how) in ENDS.into_iter().enumerate() {
        let person = shop
            .person(&format!("ada{n}@shop.example"), &["admin", "operator"])
            .await;
        let live = shop.get("/api/session", &person.token).await;
        assert_eq!(live.status, 204, "{how}: {}", live.text);
        let (method, path) = &changes[0];
        let live = shop.changing(method, path, &person.token).await;
        assert_ne!(live.status, 401, "{how}: {}", live.text);

        shop.end(&person, how).await;
        let before = shop.traces().await;
        for (method, path) in &changes {
            let answer = shop.changing(method, path, &person.token).await;
            assert_eq!(
                answer.status, 401,
                "{how}: {method} {path}: {}",
                answer.text
            );
            answer.problem(401, "session-over");
        }
        let asked = shop.get("/api/session", &person.token).await;
        asked.problem(401, "session-over");
        assert_eq!(shop.traces().await, before, "{how}");
        let read = shop.get("/api/orders", &person.token).await;
        assert_eq!(
            read.status, 200,
            "{how}: reads live on for the token's minutes"
        );
    }
}

#[tokio::test]
async fn a_session_continues_with_each_exchanged_token() {
    let shop = Shop::open().await;
    let person = shop.person("ada@shop.example", &[]).await;
    let renewed = Answer::to(shop.renewing("/api/refresh", &person.refresh)).await;
    let renewed = renewed.json();
    let renewed = renewed["access_token"].as_str().unwrap();
    for token in [person.token.as_str(), renewed] {
        shop.awaiting(token).await;
    }
    let elsewhere = shop.enter("ada@shop.example").await;
    shop.end(&person, "log-out").await;
    let live = shop.get("/api/session", &elsewhere.token).await;
    // reuse of an exchanged refresh token ends its whole session, and no other session
    assert_eq!(live.status, 204, "{}", live.text);
    shop.get("/api/session", renewed)
        .await
        .problem(401, "session-over");
}

#[tokio::test]
async fn a_token_without_a_session_lives_as_its_account() {
    let shop = Shop::open().await;
    let person = shop.person("ada@shop.example", &[]).await;
    let token = shop
        .signer
        .access_token(person.user, &[], Duration::from_mins(1));
    shop.awaiting(&token).await;
    let claimed = ["admin".to_owned()];
    let claimed = shop
        .signer
        .access_token(person.user, &claimed, Duration::from_mins(1));
    let nobody = shop
        .signer
        .access_token(UserId::new(), &[], Duration::from_mins(1));
    for token in [claimed, nobody] {
        let asked = shop.get("/api/session", &token).await;
        asked.problem(401, "session-over");
    }
    shop.end(&person, "disabled").await;
    let (method, path) = &changes()[0];
    let answer = shop.changing(method, path, &token).await;
    answer.problem(401, "session-over");
}

#[tokio::test]
async fn open_streams_end_with_their_session() {
    let shop = Shop::open().await;
    let mut streams = Vec::new();
    for (n, how) in ENDS.into_iter().enumerate() {
        let email = format!("ada{n}@shop.example");
        let person = shop.person(&email, &["operator"]).await;
        let order = shop.awaiting(&person.token).await;
        let stream = shop.stream(&order, &person.token).await;
        streams.push((how, person, stream));
    }
    let other = shop.person("eve@shop.example", &[]).await;
    let order = shop.awaiting(&other.token).await;
    let mut kept = shop.stream(&order, &other.token).await;
    for (how, person, mut stream) in streams {
        shop.end(&person, how).await;
        let ended = async { while stream.chunk().await.unwrap().is_some() {} };
        tokio::time::timeout(STREAM_END, ended)
            .await
            .unwrap_or_else(|_| panic!("{how}: the stream goes on"));
    }
    shop.cancel(&order, &other.token).await;
    let mut read = String::new();
    while !read.contains("canceling") {
        let chunk = kept
            .chunk()
            .await
            .unwrap()
            .expect("another one's stream goes on");
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

impl Shop {
    async fn stream(&self, order: &Value, token: &str) -> Response {
        let path = format!("/api/orders/{}/events", id_of(order));
        let request = self.request(Method::GET, &path).bearer_auth(token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }
}
