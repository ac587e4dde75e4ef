//! Passwords and addresses of accounts: change, reset by mail, verification.

use auth::issue_password_reset;
use kernel::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    people::cookie_of,
    refusal::{INVALID, bad},
    support::{Answer, Settings, Shop},
};

const ADA: &str = "ada@shop.example";
const PASSWORD: &str = "correct horse";
const NEW: &str = "a better horse";

impl Shop {
    /// A new account, logged in: the answer to its login.
    async fn newcomer(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        let registered = Answer::to(self.post("/api/register").json(&body)).await;
        assert!(registered.status < 300, "{}", registered.text);
        self.entered(email, PASSWORD).await
    }

    async fn entered(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        Answer::to(self.post("/api/login").json(&body)).await
    }

    async fn ask(&self, email: &str) -> Answer {
        let request = self.post("/api/password-reset");
        Answer::to(request.json(&json!({"email": email}))).await
    }

    /// The token in the mail that the most recent request caused.
    async fn reset_token(&self) -> String {
        let body: Value = sqlx::query_scalar(
            "select body from messaging.outbox where routing_key = 'send_password_reset' order by entry_id desc limit 1",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let request = serde_json::from_value(body["request_id"].clone()).unwrap();
        let mut conn = self.pool.acquire().await.unwrap();
        let mail = issue_password_reset(&mut conn, request).await.unwrap();
        mail.unwrap().token.unwrap()
    }

    async fn confirm(&self, token: &str, password: &str) -> Answer {
        let body = json!({"token": token, "new_password": password});
        Answer::to(self.post("/api/password-reset/confirm").json(&body)).await
    }
}

fn access_token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_changed_password_begins_a_session_and_ends_the_others() {
    let shop = Shop::open().await;
    let login = shop.newcomer(ADA).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let request = shop.post("/api/password").bearer_auth(access_token(&login));
    let changed = Answer::to(request.json(&body)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["user"], login.json()["user"]);
    for (answer, status) in [(&login, 401), (&changed, 200)] {
        let refresh = shop.post("/api/refresh").header("cookie", cookie(answer));
        assert_eq!(Answer::to(refresh).await.status, status);
    }
    // the old access token is valid for minutes, but changes nothing
    let old = access_token(&login);
    for request in [
        shop.request(Method::GET, "/api/session"),
        shop.post("/api/orders")
            .header("idempotency-key", "old")
            .json(&json!({"items": []})),
    ] {
        let asked = Answer::to(request.bearer_auth(&old)).await;
        asked.problem(401, "session-over");
    }
    let live = shop.get("/api/session", &access_token(&changed)).await;
    assert_eq!(live.status, 204, "{}", live.text);
    shop.entered(ADA, PASSWORD)
        .await
        .problem(401, "wrong-credentials");
    assert_eq!(shop.entered(ADA, NEW).await.status, 200);
}

#[tokio::test]
async fn errors_in_a_password_or_link_name_their_field() {
    let shop = Shop::open().await;
    let token = access_token(&shop.newcomer(ADA).await);
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        shop.post("/api/password").bearer_auth(&token).json(&body)
    };
    let confirm = |token: &str| {
        let body = json!({"token": token, "new_password": NEW});
        shop.post("/api/password-reset/confirm").json(&body)
    };
    let mut table = vec![
        bad(
            "wrong",
            change("wrong horse", NEW),
            INVALID,
            "current_password",
        ),
        bad(
            "common",
            change(PASSWORD, "password"),
            INVALID,
            "new_password",
        ),
        bad("short", change(PASSWORD, "short"), INVALID, "new_password"),
        bad("own", change(PASSWORD, ADA), INVALID, "new_password"),
        bad("no link", confirm(""), INVALID, "token"),
        bad(
            "a link of nobody",
            confirm("nonsense\u{0}"),
            INVALID,
            "token",
        ),
    ];
    for email in ["", "ada", "ada@shop", "..ada@shop.example"] {
        let request = shop
            .post("/api/password-reset")
            .json(&json!({"email": email}));
        table.push(bad(email, request, INVALID, "email"));
    }
    let request = shop
        .post("/api/verify-email")
        .json(&json!({"token": "nonsense"}));
    table.push(bad("verification", request, INVALID, "token"));
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let nobody = shop.post("/api/password").json(&body);
    table.push(bad("nobody", nobody, (401, "unauthenticated"), None));
    shop.refuses(table).await;
}

#[tokio::test]
async fn a_request_for_a_reset_is_answered_alike_for_everybody() {
    let shop = Shop::open().await;
    shop.newcomer(ADA).await;
    shop.newcomer("gone@shop.example").await;
    sqlx::query(r#"update auth."user" set disabled_at = now() where email = 'gone@shop.example'"#)
        .execute(&shop.pool)
        .await
        .unwrap();
    let mut answers = Vec::new();
    for email in [
        ADA,
        "ADA@Shop.example ",
        "nobody@shop.example",
        "gone@shop.example",
    ] {
        let answer = shop.ask(email).await;
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((answer.status, answer.text, names));
    }
    assert_eq!(answers[0].0, 202);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_its_mail_once() {
    let shop = Shop::open().await;
    let login = shop.newcomer(ADA).await;
    assert_eq!(login.json()["user"]["email_verified"], false);
    assert_eq!(shop.ask(ADA).await.status, 202);
    let token = shop.reset_token().await;
    shop.confirm(&token, "password")
        .await
        .problem(422, "invalid");
    assert_eq!(shop.confirm(&token, NEW).await.status, 204);
    shop.confirm(&token, "yet another horse")
        .await
        .problem(422, "invalid");
    let refresh = shop.post("/api/refresh").header("cookie", cookie(&login));
    Answer::to(refresh).await.problem(401, "session-over");
    let again = shop.entered(ADA, NEW).await;
    assert_eq!(again.json()["user"]["email_verified"], true);
}

#[tokio::test]
async fn an_address_is_verified_by_its_mail() {
    let shop = Shop::open().await;
    let login = shop.newcomer(ADA).await;
    let id: UserId = login.json()["user"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let token = access_token(&login);
    let request = shop.post("/api/verify-email/send").bearer_auth(&token);
    assert_eq!(Answer::to(request).await.status, 202);
    let mut conn = shop.pool.acquire().await.unwrap();
    let mail = auth::issue_verification(&mut conn, id).await.unwrap();
    let link = json!({"token": mail.unwrap().token});
    let verified = Answer::to(shop.post("/api/verify-email").json(&link)).await;
    assert_eq!(verified.status, 204, "{}", verified.text);
    let me = shop.get("/api/me", &token).await;
    assert_eq!(me.json()["email_verified"], true);
    let nobody = shop.post("/api/verify-email/send");
    Answer::to(nobody).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn requests_for_mails_count_as_logins_do() {
    let settings = Settings {
        logins_per_minute: 2,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    for email in [ADA, "bob@shop.example"] {
        assert_eq!(shop.ask(email).await.status, 202);
    }
    shop.ask("eve@shop.example")
        .await
        .problem_for_now(429, "too-many-requests");
    shop.confirm("nonsense", NEW)
        .await
        .problem_for_now(429, "too-many-requests");
}

#[tokio::test]
async fn failed_logins_of_others_do_not_delay_a_reset() {
    let shop = Shop::open().await;
    shop.newcomer(ADA).await;
    for _ in 0..6 {
        shop.entered(ADA, "not the one").await;
    }
    let throttled = shop.entered(ADA, PASSWORD).await;
    throttled.problem(429, "too-many-requests");
    shop.ask(ADA).await;
    let reset = shop.confirm(&shop.reset_token().await, NEW).await;
    assert_eq!(reset.status, 204, "{}", reset.text);
    let device = cookie_of(&reset, "shop_device").unwrap();
    let credentials = json!({"email": ADA, "password": NEW});
    let login = shop.post("/api/login").json(&credentials);
    let login = login.header("cookie", format!("shop_device={device}"));
    assert_eq!(Answer::to(login).await.status, 200);
    shop.entered(ADA, NEW)
        .await
        .problem(429, "too-many-requests");
}
