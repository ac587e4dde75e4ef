//! Registration, login and session renewal.

use std::time::Duration;

use kernel::UserId;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    refusal::{INVALID, bad},
    support::{Answer, Settings, Shop},
};

const PASSWORD: &str = "correct horse";

impl Shop {
    /// Creates an account and logs in.
    async fn register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        let answer = Answer::to(self.post("/api/register").json(&body)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        self.login(email, PASSWORD).await
    }

    async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        Answer::to(self.post("/api/login").json(&body)).await
    }

    fn with_cookie(&self, path: &str, token: &str) -> RequestBuilder {
        self.post(path)
            .header("cookie", format!("theme=dark; shop_refresh={token}"))
    }

    async fn refresh(&self, token: &str) -> Answer {
        Answer::to(self.with_cookie("/api/refresh", token)).await
    }
}

/// The refresh token that an answer sets.
fn refresh_token(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    let (token, _) = cookie.split_once(';').unwrap();
    let token = token.strip_prefix("__Host-").unwrap_or(token);
    token.strip_prefix("shop_refresh=").unwrap().to_owned()
}

#[tokio::test]
async fn registering_makes_user_client_and_welcome_mail_at_once() {
    let shop = Shop::open().await;
    let answer = shop.register(" Ada@Shop.example ").await;
    let session = answer.json();
    assert_eq!(session["token_type"], "Bearer");
    assert!(session["expires_in"].as_u64().unwrap() > 0);
    let me = shop
        .get("/api/me", session["access_token"].as_str().unwrap())
        .await;
    assert_eq!((me.status, &me.json()), (200, &session["user"]));
    let user = json!({"id": session["user"]["id"], "email": "ada@shop.example", "name": "Ada", "roles": [], "email_verified": false});
    assert_eq!(session["user"], user);
    let made: (i64, i64, i64) = sqlx::query_as(
        r#"select (select count(*) from auth."user"), (select count(*) from commerce.client join auth."user" using (user_id)),
                  (select count(*) from messaging.outbox where routing_key = 'send_welcome_email')"#,
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(made, (1, 1, 1));
    let kept: String = sqlx::query_scalar(r#"select password_hash from auth."user""#)
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
}

#[tokio::test]
async fn two_registrations_with_one_address_make_one_account() {
    let shop = Shop::open().await;
    let body = json!({"email": "ada@shop.example", "password": PASSWORD, "name": "Ada"});
    let register = || Answer::to(shop.post("/api/register").json(&body));
    let (one, two) = tokio::join!(register(), register());
    let seen = |answer: &Answer| {
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.status, answer.text.clone(), names)
    };
    assert_eq!(one.status, 202, "{}", one.text);
    assert_eq!(seen(&one), seen(&two));
    assert_eq!(one.json(), json!({"email": "ada@shop.example"}));
    assert_eq!(one.header("set-cookie"), None);
    let traces = shop.traces().await;
    for (table, rows) in [
        ("auth.user", 1),
        ("commerce.client", 1),
        ("messaging.outbox", 2),
        ("auth.refresh_token", 0),
    ] {
        assert_eq!(traces[table].0, rows, "{table}");
    }
    let mails: Vec<String> =
        sqlx::query_scalar("select routing_key from messaging.outbox order by routing_key")
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    assert_eq!(mails, ["send_registration_attempt", "send_welcome_email"]);
}

#[tokio::test]
async fn any_password_of_8_to_128_characters_is_accepted() {
    let shop = Shop::open().await;
    for (n, password) in [
        "eigh-888",
        &"ßäöü".repeat(32),
        "zero\u{0}byte",
        "  spaced  ",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("ada{n}@shop.example");
        let body = json!({"email": email, "password": password, "name": "Ada"});
        let answer = Answer::to(shop.post("/api/register").json(&body)).await;
        assert_eq!(answer.status, 202, "{password:?}: {}", answer.text);
        assert_eq!(
            shop.login(&email, password).await.status,
            200,
            "{password:?}"
        );
        let shorter = password.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if shorter != password {
            shop.login(&email, shorter)
                .await
                .problem(401, "wrong-credentials");
        }
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_answer_alike() {
    let shop = Shop::open().await;
    shop.register("ada@shop.example").await;
    shop.register("gone@shop.example").await;
    sqlx::query(r#"update auth."user" set disabled_at = now() where email = 'gone@shop.example'"#)
        .execute(&shop.pool)
        .await
        .unwrap();
    let before = shop.traces().await;
    let mut bodies = Vec::new();
    for (email, password) in [
        ("ada@shop.example", "wrong horse"),
        ("ada@shop.example", ""),
        ("ada@shop.example", &"x".repeat(10_000)),
        ("nobody@shop.example", PASSWORD),
        ("gone@shop.example", PASSWORD),
        ("no address", PASSWORD),
        ("", PASSWORD),
        ("ada@shop.example\u{0}", PASSWORD),
        ("\u{0}", PASSWORD),
        ("' or 1=1 --", PASSWORD),
    ] {
        let answer = shop.login(email, password).await;
        let mut problem = answer.problem(401, "wrong-credentials");
        problem.as_object_mut().unwrap().remove("trace_id");
        assert_eq!(answer.header("set-cookie"), None);
        bodies.push(problem);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    assert_eq!(shop.traces().await, before);
    assert_eq!(shop.login("ADA@shop.example", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn the_refresh_token_is_kept_where_scripts_cannot_read_it() {
    for secure in [false, true] {
        let settings = Settings {
            secure_cookie: secure,
            ..Settings::default()
        };
        let shop = Shop::open_with(settings).await;
        let answer = shop.register("ada@shop.example").await;
        let cookie = answer.header("set-cookie").unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        assert!(!answer.text.contains(&refresh_token(&answer)), "only there");
        let stored: i64 = sqlx::query_scalar(
            "select count(*) from auth.refresh_token where token_hash = sha256($1::bytea)",
        )
        .bind(refresh_token(&answer).into_bytes())
        .fetch_one(&shop.pool)
        .await
        .unwrap();
        assert_eq!(stored, 1, "as a hash");
    }
}

#[tokio::test]
async fn reuse_of_a_renewed_token_ends_the_session() {
    let shop = Shop::open().await;
    let first = refresh_token(&shop.register("ada@shop.example").await);
    let elsewhere = refresh_token(&shop.login("ada@shop.example", PASSWORD).await);
    let renewed = shop.refresh(&first).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let second = refresh_token(&renewed);
    assert_ne!(first, second);
    assert_eq!(
        shop.get("/api/me", renewed.json()["access_token"].as_str().unwrap())
            .await
            .status,
        200
    );

    let third = refresh_token(&shop.refresh(&second).await);
    shop.refresh(&first).await.problem(401, "session-over");
    shop.refresh(&third).await.problem(401, "session-over");
    assert_eq!(
        shop.refresh(&elsewhere).await.status,
        200,
        "another login goes on"
    );
}

#[tokio::test]
async fn without_a_good_refresh_cookie_there_is_no_session() {
    let shop = Shop::open().await;
    shop.register("ada@shop.example").await;
    let before = shop.traces().await;
    let none = Answer::to(shop.post("/api/refresh")).await;
    none.problem(401, "session-over");
    for token in ["", "nonsense", "%00", &"x".repeat(4000)] {
        shop.refresh(token).await.problem(401, "session-over");
    }
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn logout_ends_the_session_and_needs_none() {
    let shop = Shop::open().await;
    let token = refresh_token(&shop.register("ada@shop.example").await);
    for request in [
        shop.with_cookie("/api/logout", &token),
        shop.with_cookie("/api/logout", &token),
        shop.with_cookie("/api/logout", "nonsense"),
        shop.post("/api/logout"),
    ] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 204);
        let cookie = answer.header("set-cookie").unwrap();
        assert!(
            cookie.starts_with("shop_refresh=;") && cookie.contains("Max-Age=0"),
            "{cookie}"
        );
    }
    shop.refresh(&token).await.problem(401, "session-over");
}

#[tokio::test]
async fn an_account_that_is_gone_or_disabled_has_no_session() {
    let shop = Shop::open().await;
    shop.get(
        "/api/me",
        &shop
            .signer
            .access_token(UserId::new(), &[], Duration::from_mins(1)),
    )
    .await
    .problem(401, "session-over");
    let answer = shop.register("ada@shop.example").await;
    sqlx::query(r#"update auth."user" set disabled_at = now()"#)
        .execute(&shop.pool)
        .await
        .unwrap();
    let session: Value = answer.json();
    let me = shop
        .get("/api/me", session["access_token"].as_str().unwrap())
        .await;
    me.problem(401, "session-over");
    shop.refresh(&refresh_token(&answer))
        .await
        .problem(401, "session-over");
}

#[tokio::test]
async fn who_tries_too_often_is_told_to_wait() {
    let settings = Settings {
        logins_per_minute: 4,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    shop.register("ada@shop.example").await;
    for _ in 0..2 {
        shop.login("ada@shop.example", "wrong horse")
            .await
            .problem(401, "wrong-credentials");
    }
    let before = shop.traces().await;
    let login = shop.login("ada@shop.example", PASSWORD).await;
    login.problem_for_now(429, "too-many-requests");
    let body = json!({"email": "eve@shop.example", "password": PASSWORD, "name": "Eve"});
    let register = shop.post("/api/register").json(&body);
    let register = register.header("x-forwarded-for", "203.0.113.7");
    Answer::to(register)
        .await
        .problem_for_now(429, "too-many-requests");
    assert_eq!(shop.traces().await, before);
}

#[tokio::test]
async fn an_invalid_registration_names_the_field() {
    let shop = Shop::open().await;
    let good = json!({"email": "ada@shop.example", "password": "correct horse", "name": "Ada"});
    let local = format!("{}@shop.example", "x".repeat(250));
    let mut table = Vec::new();
    for (field, value) in [
        ("email", json!("")),
        ("email", json!("ada")),
        ("email", json!("ada@")),
        ("email", json!("@shop.example")),
        ("email", json!("ada@localhost")),
        ("email", json!("a b@shop.example")),
        ("email", json!("a@b@shop.example")),
        ("email", json!("ada@shop.example\r\nBcc: eve@shop.example")),
        ("email", json!("ada\u{0}@shop.example")),
        ("email", json!(local)),
        ("email", json!("..x@shop.example")),
        ("email", json!("a..b@shop.example")),
        ("email", json!("a.@shop.example")),
        ("email", json!("a@-.-")),
        ("email", json!("a(c)@shop.example")),
        ("email", json!("a:@shop.example")),
        ("email", json!("a\\@shop.example")),
        ("email", json!("a@shop..example")),
        ("email", json!(format!("{}@shop.example", "x".repeat(75)))),
        ("email", json!(format!("a@{}.example", "y".repeat(64)))),
        ("email", json!("ä@shop.example")),
        ("email", json!("a@[127.0.0.1]")),
        ("email", json!(1)),
        ("email", json!(null)),
        ("password", json!("")),
        ("password", json!("seven77")),
        ("password", json!("x".repeat(129))),
        ("password", json!("password")),
        ("password", json!("qwertyui")),
        ("password", json!("        ")),
        ("password", json!("Ada@Shop.example")),
        ("password", json!(12_345_678)),
        ("name", json!("")),
        ("name", json!("  ")),
        ("name", json!("x".repeat(101))),
        ("name", json!("Ada\u{0}")),
        ("name", json!("Ada\u{202e}")),
        ("name", json!("\u{200b}")),
        ("name", json!("Ada\r\nSubject: x")),
        ("roles", json!(["admin"])),
        ("user_id", json!(1)),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let request = shop.post("/api/register").json(&body);
        table.push(bad(format!("{body:.200}"), request, INVALID, field));
    }
    for field in ["email", "password", "name"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        let request = shop.post("/api/register").json(&body);
        table.push(bad(format!("without {field}"), request, INVALID, field));
    }
    shop.refuses(table).await;

    let registered = Answer::to(shop.post("/api/register").json(&good)).await;
    assert_eq!(registered.status, 202, "{}", registered.text);
    for email in ["ada@shop.example", "ADA@Shop.Example", " ada@shop.example "] {
        let mut body = good.clone();
        body["email"] = json!(email);
        body["password"] = json!("another horse");
        let again = Answer::to(shop.post("/api/register").json(&body)).await;
        assert_eq!((again.status, &again.text), (202, &registered.text));
    }
    let users: i64 = sqlx::query_scalar(r#"select count(*) from auth."user""#)
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(users, 1);
    assert_eq!(shop.login("ada@shop.example", PASSWORD).await.status, 200);
}
