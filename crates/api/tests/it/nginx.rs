//! The web server of the storefront's image, real, with the image's own configuration: browsers are
//! told the same as by the api, which it passes calls on to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use api::storefront::Storefront;
use reqwest::Method;
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Answer, Settings, Shop};

const PAYMENTS: &str = "https://pay.example";

/// An nginx of the test's own; stopped when dropped.
struct Nginx {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Nginx {
    /// Fills the templates in as the image's entry point does, on loopback and below a folder of its own.
    async fn start(api: &str, logins_per_minute: u32) -> Self {
        let folder = std::env::temp_dir().join(format!("nginx-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let port = testkit::free_port();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend/nginx");
        let here = folder.display().to_string();
        let fill = |name: &str| {
            fs::read_to_string(source.join(name))
                .unwrap()
                .replace("${API_URL}", api)
                .replace("${PAYMENTS_PUBLIC_URL}", PAYMENTS)
                .replace("${TRUSTED_PROXY}", "127.0.0.1/32")
                .replace("${LOGINS_PER_MINUTE}", &logins_per_minute.to_string())
                .replace("/tmp/", &format!("{here}/"))
                .replace("/usr/share/nginx/html", &format!("{here}/html"))
                .replace("listen [::]:8080;", "")
                .replace("listen 8080;", &format!("listen 127.0.0.1:{port};"))
        };
        for template in ["shop.conf.template", "headers.conf.template"] {
            let text = fill(template);
            assert!(!text.contains("${"), "{template}: a variable is left");
            fs::write(folder.join(template.replace(".template", "")), text).unwrap();
        }
        let config = folder.join("nginx.conf");
        // one process, which ends with its child handle
        let text = format!("daemon off;\nmaster_process off;\n{}", fill("nginx.conf"));
        let text = text.replace("/dev/stdout", &format!("{here}/access.log"));
        fs::write(&config, text).unwrap();
        files(&folder.join("html"));
        let child = Command::new("nginx")
            .args(["-p", &here, "-c"])
            .arg(&config)
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx is there: `cargo xtask test` installs it");
        let url = format!("http://127.0.0.1:{port}");
        let nginx = Self { child, url, folder };
        eventually("nginx to answer", || async {
            reqwest::get(format!("{}/healthz", nginx.url)).await.is_ok()
        })
        .await;
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn files(folder: &Path) {
    fs::create_dir_all(folder.join("assets")).unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>"),
        ("icon.svg", "<svg/>"),
        ("assets/app-1.js", "the script"),
        ("assets/app-1.js.gz", "gzip"),
        ("assets/app-1.css", "the style"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[tokio::test]
async fn the_storefronts_web_server_says_what_the_api_says() {
    let folder = std::env::temp_dir().join(format!("storefront-{}", Uuid::new_v4()));
    files(&folder);
    let storefront = Storefront::load(&folder, &[PAYMENTS.to_owned()]).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let shop = Shop::open_with(Settings {
        storefront: Some(storefront),
        ..Settings::default()
    })
    .await;
    let nginx = Nginx::start(&shop.url, 60).await;
    for path in [
        "/",
        "/orders/0190-a",
        "/ops/sagas?state=waiting",
        "/index.html",
        "/icon.svg",
        "/assets/app-1.js",
        "/assets/app-1.css",
        "/api/products",
        "/api/nothing",
        "/api/orders",
        "/.well-known/jwks.json",
        "/openapi.json",
    ] {
        let ours = shop.get(path, "").await;
        let theirs = Answer::to(
            shop.http
                .request(Method::GET, format!("{}{path}", nginx.url)),
        )
        .await;
        assert_eq!(theirs.status, ours.status, "{path}");
        if !ours.text.contains("trace_id") {
            assert_eq!(theirs.text, ours.text, "{path}");
        }
        for name in [
            "content-type",
            "cache-control",
            "content-security-policy",
            "cross-origin-opener-policy",
            "referrer-policy",
            "x-content-type-options",
        ] {
            assert_eq!(theirs.header(name), ours.header(name), "{name} of {path}");
        }
    }
    for path in ["/assets/app-2.js", "/favicon.ico", "/%2e%2e/shop.conf"] {
        let answer = Answer::to(shop.http.get(format!("{}{path}", nginx.url))).await;
        assert!(
            [400, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
    }
    let small = shop.http.get(format!("{}/assets/app-1.js", nginx.url));
    let small = Answer::to(small.header("accept-encoding", "gzip")).await;
    assert_eq!(small.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn too_many_logins_from_an_address_are_refused_before_they_reach_the_api() {
    let shop = Shop::open().await;
    let nginx = Nginx::start(&shop.url, 1).await;
    let login = |address: &'static str| {
        let request = shop.http.post(format!("{}/api/login", nginx.url));
        let body = serde_json::json!({"email": "nobody@shop.example", "password": "not the one"});
        Answer::to(request.header("x-forwarded-for", address).json(&body))
    };
    for _ in 0..21 {
        assert_eq!(login("192.0.2.1").await.status, 401);
    }
    assert_eq!(login("192.0.2.1").await.status, 429);
    assert_eq!(login("192.0.2.2").await.status, 401, "another address");
}
