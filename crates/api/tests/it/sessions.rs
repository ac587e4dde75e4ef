//! Sessions: listed and ended by their owner, with an absolute end, and renewed only for our own
//! pages.

use reqwest::Method;
use serde_json::Value;

use crate::{
    people::{PASSWORD, Person, cookie_of},
    support::{Answer, Settings, Shop},
};

const ADA: &str = "ada@shop.example";

impl Shop {
    /// Ids of the person's live sessions.
    async fn sessions(&self, person: &Person) -> Vec<(String, bool)> {
        let listed = self.get("/api/sessions", &person.token).await.json();
        let items = listed["items"].as_array().unwrap().iter();
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        items
            .map(|item| (id(item), item["current"].as_bool().unwrap()))
            .collect()
    }

    async fn ending(&self, path: &str, person: &Person) -> Answer {
        Answer::to(
            self.request(Method::DELETE, path)
                .bearer_auth(&person.token),
        )
        .await
    }

    async fn is_live(&self, person: &Person) -> bool {
        self.get("/api/session", &person.token).await.status == 204
    }
}

#[tokio::test]
async fn an_owner_lists_and_ends_sessions_and_no_stranger_does() {
    let shop = Shop::open().await;
    let phone = shop.person(ADA, &[]).await;
    let laptop = shop
        .enter_with(ADA, |request| {
            request.header("user-agent", "Firefox on Linux")
        })
        .await;
    let tablet = shop.enter(ADA).await;
    let eve = shop.person("eve@shop.example", &[]).await;

    let listed = shop.get("/api/sessions", &laptop.token).await;
    let listed = listed.json();
    let current = listed["items"].as_array().unwrap();
    assert_eq!(current.len(), 3, "{listed}");
    let current = current.iter().find(|item| item["current"] == true).unwrap();
    assert_eq!(current["user_agent"], "Firefox on Linux");
    let laptop_id = current["id"].as_str().unwrap().to_owned();

    let path = format!("/api/sessions/{laptop_id}");
    shop.ending(&path, &eve).await.problem(404, "not-found");
    assert!(shop.is_live(&laptop).await);
    assert_eq!(shop.ending(&path, &phone).await.status, 204);
    assert!(!shop.is_live(&laptop).await);
    shop.ending(&path, &phone).await.problem(404, "not-found");
    let refreshed = Answer::to(shop.renewing("/api/refresh", &laptop.refresh)).await;
    refreshed.problem(401, "session-over");

    assert_eq!(shop.ending("/api/sessions", &phone).await.status, 204);
    assert!(shop.is_live(&phone).await && !shop.is_live(&tablet).await);
    assert!(shop.is_live(&eve).await);
    let left = shop.sessions(&phone).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].1, "its own");
}

#[tokio::test]
async fn a_further_login_ends_the_oldest_session_beyond_the_limit() {
    let shop = Shop::open().await;
    let first = shop.person(ADA, &[]).await;
    let second = shop.enter(ADA).await;
    // a renewed session keeps the age of its login
    let renewed = Answer::to(shop.renewing("/api/refresh", &first.refresh)).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let mut last = shop.enter(ADA).await;
    for _ in 3..20 {
        last = shop.enter(ADA).await;
    }
    assert_eq!(shop.sessions(&last).await.len(), 20);
    assert!(shop.is_live(&first).await);
    let one_more = shop.enter(ADA).await;
    assert_eq!(shop.sessions(&one_more).await.len(), 20);
    assert!(!shop.is_live(&first).await && shop.is_live(&second).await);
}

#[tokio::test]
async fn a_session_ends_however_often_it_is_renewed() {
    let shop = Shop::open().await;
    let person = shop.person(ADA, &[]).await;
    let age = |days: i32| {
        sqlx::query(
            "update auth.refresh_token set started_at = started_at - make_interval(days => $1)",
        )
        .bind(days)
        .execute(&shop.pool)
    };
    age(89).await.unwrap();
    let renewed = Answer::to(shop.renewing("/api/refresh", &person.refresh)).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let cookie = renewed.header("set-cookie").unwrap();
    let seconds = cookie.split("Max-Age=").nth(1).unwrap();
    let seconds: u64 = seconds.split(';').next().unwrap().parse().unwrap();
    assert!(
        seconds <= 24 * 3600,
        "the cookie ends with the session: {cookie}"
    );

    // two days later
    sqlx::query("update auth.refresh_token set expires_at = expires_at - interval '2 days'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let refresh = cookie_of(&renewed, "shop_refresh").unwrap();
    let over = Answer::to(shop.renewing("/api/refresh", &refresh)).await;
    over.problem(401, "session-over");
    assert!(!shop.is_live(&person).await);
}

#[tokio::test]
async fn another_sites_page_cannot_renew_or_end_a_session() {
    let shop = Shop::open().await;
    let person = shop.person(ADA, &[]).await;
    for path in ["/api/refresh", "/api/logout"] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
            ("origin", "https://payments.shop.example"),
        ] {
            let request = shop.renewing(path, &person.refresh).header(name, value);
            Answer::to(request).await.problem(403, "forbidden");
        }
    }
    let own = shop
        .renewing("/api/refresh", &person.refresh)
        .header("sec-fetch-site", "same-origin")
        .header("origin", "https://shop.example");
    assert_eq!(Answer::to(own).await.status, 200);
}

#[tokio::test]
async fn with_tls_no_other_host_can_set_the_refresh_cookie() {
    let settings = Settings {
        secure_cookie: true,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    shop.account(ADA, &[]).await;
    let login = Answer::to(shop.entering(ADA, PASSWORD)).await;
    let refresh = cookie_of(&login, "__Host-shop_refresh").unwrap();
    let cookies: Vec<_> = login.headers.get_all("set-cookie").iter().collect();
    let of_host = cookies
        .iter()
        .find(|cookie| cookie.as_bytes().starts_with(b"__Host-shop_refresh="));
    let of_host = of_host.unwrap().to_str().unwrap();
    for attribute in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(of_host.contains(attribute), "{of_host}");
    }
    assert!(!of_host.contains("Domain"), "{of_host}");

    // a sibling host's cookie under the old name does not take precedence
    let tossed = shop.post("/api/refresh").header(
        "cookie",
        format!("shop_refresh=tossed; __Host-shop_refresh={refresh}"),
    );
    let renewed = Answer::to(tossed).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    // a cookie of the previous release is still accepted, and replaced
    let refresh = cookie_of(&renewed, "__Host-shop_refresh").unwrap();
    let renewed = Answer::to(shop.renewing("/api/refresh", &refresh)).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    assert_eq!(
        cookie_of(&renewed, "shop_refresh").as_deref(),
        Some(""),
        "deleted"
    );
}
