//! The storefront's files: pages under any path, cached as long as allowed, under a strict policy.

use std::{fs, path::PathBuf};

use api::storefront::Storefront;
use reqwest::Method;
use uuid::Uuid;

use crate::support::{Answer, Settings, Shop};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("storefront-{}", Uuid::new_v4()));
        fs::create_dir_all(folder.join("assets")).unwrap();
        for (name, text) in [
            ("index.html", "<!doctype html>"),
            ("assets/app-1.js", "the script"),
            ("assets/app-1.js.br", "brotli"),
            ("assets/app-1.js.gz", "gzip"),
            ("secret.key", "hush"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }

    async fn shop(&self) -> Shop {
        let origins = ["https://pay.example".to_owned()];
        let storefront = Storefront::load(&self.0, &origins).unwrap();
        Shop::open_with(Settings {
            storefront: Some(storefront),
            ..Settings::default()
        })
        .await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn whatever_looks_like_a_page_is_the_storefront() {
    let folder = Folder::new();
    let shop = folder.shop().await;
    for path in [
        "/",
        "/orders",
        "/orders/0190-a",
        "/ops/sagas?state=waiting",
        "/index.html",
    ] {
        let page = shop.get(path, "").await;
        assert_eq!(
            (page.status, page.text.as_str()),
            (200, "<!doctype html>"),
            "{path}"
        );
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(
            policy.contains("connect-src 'self' https://pay.example;"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_not_there() {
    let folder = Folder::new();
    let shop = folder.shop().await;
    for path in [
        "/api/nothing",
        "/assets/app-2.js",
        "/secret.key",
        "/favicon.ico",
        "/.well-known/nothing",
        "/%2e%2e/Cargo.toml",
    ] {
        shop.get(path, "").await.problem(404, "not-found");
    }
    let posted = Answer::to(shop.post("/orders")).await;
    posted.problem(404, "not-found");
    assert_eq!(shop.get("/api/products", "").await.status, 200);
}

#[tokio::test]
async fn an_unknown_address_is_the_storefront_with_status_404() {
    let folder = Folder::new();
    let shop = folder.shop().await;
    let tag = shop.get("/", "").await;
    let tag = tag.header("etag").unwrap();
    for path in ["/nowhere", "/orders/1/2", "/admin", "/products/"] {
        let request = shop.request(Method::GET, path);
        let page = Answer::to(request.header("if-none-match", tag)).await;
        let got = (page.status, page.text.as_str());
        assert_eq!(got, (404, "<!doctype html>"), "{path}");
    }
    let known = shop.get("/orders/", "").await;
    assert_eq!(known.status, 200, "with a slash behind it, too");
}

#[tokio::test]
async fn assets_are_cached_forever_and_sent_compressed() {
    let folder = Folder::new();
    let shop = folder.shop().await;
    let asset = "/assets/app-1.js";
    for (accepted, text, coding) in [
        ("", "the script", None),
        ("gzip", "gzip", Some("gzip")),
        ("gzip, br", "brotli", Some("br")),
        ("br;q=0, gzip;q=0.5", "gzip", Some("gzip")),
        ("identity", "the script", None),
    ] {
        let request = shop.request(Method::GET, asset);
        let answer = Answer::to(request.header("accept-encoding", accepted)).await;
        assert_eq!(
            (answer.text.as_str(), answer.header("content-encoding")),
            (text, coding)
        );
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
    let first = shop.get("/", "").await;
    let tag = first.header("etag").unwrap();
    let again = Answer::to(shop.request(Method::GET, "/").header("if-none-match", tag)).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
}

#[tokio::test]
async fn settings_say_where_payments_is() {
    let shop = Shop::open().await;
    let settings = shop.get("/api/settings", "").await;
    assert_eq!(
        settings.json(),
        serde_json::json!({"payments_url": "https://pay.example"}),
        "and nothing of faults, unless they are wanted"
    );
    shop.get("/orders", "").await.problem(404, "not-found");
}

#[test]
fn a_folder_without_pages_is_refused() {
    let folder = Folder::new();
    fs::remove_file(folder.0.join("index.html")).unwrap();
    let error = Storefront::load(&folder.0, &[]).unwrap_err();
    assert!(error.to_string().contains("index.html"), "{error}");
}

/// Only the process that started a development system injects faults, at an address of its own.
#[tokio::test]
async fn without_an_address_for_faults_nothing_leads_to_any() {
    let folder = Folder::new();
    let shop = folder.shop().await;
    let settings = shop.get("/api/settings", "").await.json();
    assert!(settings.get("demo_url").is_none(), "{settings}");
    let page = shop.get("/", "").await;
    let policy = page.header("content-security-policy").unwrap();
    let calls = policy.split(';').find(|part| part.contains("connect-src"));
    assert_eq!(
        calls.unwrap().trim(),
        "connect-src 'self' https://pay.example"
    );
    let admin = shop.admin();
    for path in [
        "/api/demo",
        "/demo",
        "/state",
        "/payments/down",
        "/processes/api/kill",
    ] {
        let request = shop.post(path).bearer_auth(&admin).header("x-demo", "1");
        Answer::to(request).await.problem(404, "not-found");
    }
}
