//! The web server of the storefront's image, real, with the image's own configuration: it answers
//! browsers as the API does, to which it proxies calls.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use api::storefront::{PAGES, Storefront};
use axum::Router;
use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use testkit::{eventually, within};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::support::{Answer, Settings, Shop};

const PAYMENTS: &str = "https://pay.example";
const TEMPLATES: [&str; 3] = [
    "shop.conf.template",
    "headers.conf.template",
    "problem.conf.template",
];

/// The variables after the image's own script has run; the entry point sources it before it reads
/// the templates.
fn found_out(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend/nginx/15-names.envsh");
    let output = Command::new("sh")
        .args(["-e", "-c", ". \"$0\" && env"])
        .arg(script)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(given.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let variables = said.lines().filter_map(|line| line.split_once('='));
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A name server on loopback that answers every address query with these addresses.
struct Names {
    place: String,
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
}

impl Names {
    async fn start(addresses: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let place = socket.local_addr().unwrap().to_string();
        let addresses = Arc::new(Mutex::new(addresses.to_vec()));
        let current = addresses.clone();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let now = current.lock().unwrap().clone();
                let answer = answer(&question[..length], &now);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { place, addresses }
    }
}

/// Records of type A with a TTL of 600 s, as Docker's server returns; no other records.
fn answer(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
    let end = 12 + name + 5; // the root, type and class
    let asks_for_a = question[12 + name + 1..][..2] == [0, 1];
    let addresses = if asks_for_a { addresses } else { &[] };
    let count = u8::try_from(addresses.len()).unwrap();
    let mut answer = question[..2].to_vec(); // its id
    answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 0x58, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// A stand-in for the API that answers with its own address; it listens until the handle is
/// aborted.
async fn stand_in(address: Ipv4Addr, port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let app = Router::new().fallback(move || async move { address.to_string() });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
}

/// An nginx of the test's own; stopped on drop.
struct Nginx {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Nginx {
    async fn start(api: &str, logins_per_minute: u32) -> Self {
        Self::start_with(api, logins_per_minute, "127.0.0.1:1").await
    }

    async fn start_with(api: &str, logins_per_minute: u32, resolvers: &str) -> Self {
        Self::start_at(testkit::free_port(), api, logins_per_minute, resolvers).await
    }

    /// Renders the templates as the image's entry point does, on loopback and in a folder of its
    /// own.
    async fn start_at(port: u16, api: &str, logins_per_minute: u32, resolvers: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("nginx-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend/nginx");
        let here = folder.display().to_string();
        let variables = found_out(&[
            ("API_URL", api),
            ("PAYMENTS_PUBLIC_URL", PAYMENTS),
            ("TRUSTED_PROXY", "127.0.0.1/32"),
            ("LOGINS_PER_MINUTE", &logins_per_minute.to_string()),
            ("RESOLVERS", resolvers),
            ("RESOLV_CONF", "/dev/null"),
        ]);
        let fill = |name: &str| {
            let text = fs::read_to_string(source.join(name)).unwrap();
            let filled = variables.iter().fold(text, |text, (name, value)| {
                text.replace(&format!("${{{name}}}"), value)
            });
            filled
                .replace("/tmp/", &format!("{here}/"))
                .replace("/usr/share/nginx/html", &format!("{here}/html"))
                .replace("listen [::]:8080;", "")
                .replace("listen 8080;", &format!("listen 127.0.0.1:{port};"))
        };
        for template in TEMPLATES {
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
        Self::run(folder, port).await
    }

    /// The proxy that holds the ports of a composed system, with its own configuration; the
    /// services' port is `port`, and another name server replaces Docker's.
    async fn start_edge(resolvers: &str, port: u16) -> Self {
        Self::start_edge_with(resolvers, port, testkit::free_port()).await
    }

    /// The same, with payments at port `payments`.
    async fn start_edge_with(resolvers: &str, port: u16, payments: u16) -> Self {
        Self::start_edge_behind("127.0.0.1/32", resolvers, port, payments).await
    }

    /// The same; `proxy` is trusted to state the client's address.
    async fn start_edge_behind(proxy: &str, resolvers: &str, port: u16, payments: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("edge-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let listen = testkit::free_port();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/edge");
        let here = folder.display().to_string();
        let fill = |name: &str| {
            let text = fs::read_to_string(source.join(name)).unwrap();
            text.replace("${TRUSTED_PROXY}", proxy)
                .replace("127.0.0.11", resolvers)
                .replace("/tmp/", &format!("{here}/"))
                .replace("/etc/nginx/", &format!("{here}/"))
                .replace("http://frontend:8080", &format!("http://frontend:{port}"))
                .replace("http://payments:8081", &format!("http://payments:{port}"))
                .replace("listen 8080;", &format!("listen 127.0.0.1:{listen};"))
                .replace("listen 8081;", &format!("listen 127.0.0.1:{payments};"))
        };
        fs::write(folder.join("edge.conf"), fill("edge.conf.template")).unwrap();
        fs::write(folder.join("problems.conf"), fill("problems.conf")).unwrap();
        let text = format!("daemon off;\nmaster_process off;\n{}", fill("nginx.conf"));
        fs::write(folder.join("nginx.conf"), text).unwrap();
        Self::run(folder, listen).await
    }

    async fn run(folder: PathBuf, port: u16) -> Self {
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
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
    let pages = PAGES.map(|page| page.replace(":slug", "a-b").replace(":id", "0190-a"));
    let pages = pages.iter().map(String::as_str);
    for path in pages.chain([
        "/nowhere",
        "/products",
        "/orders/0190-a/events",
        "/admin",
        "/ops/nothing",
        "/cart/",
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
    ]) {
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
        is_a_problem(&answer, 404, "not-found");
    }
    let small = shop.http.get(format!("{}/assets/app-1.js", nginx.url));
    let small = Answer::to(small.header("accept-encoding", "gzip")).await;
    assert_eq!(small.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn too_many_logins_from_an_address_never_reach_the_api() {
    let shop = Shop::open().await;
    let nginx = Nginx::start(&shop.url, 1).await;
    let login = |address: &'static str| {
        let request = shop.http.post(format!("{}/api/login", nginx.url));
        // the API itself delays repeated attempts with one address
        let email = format!("{}@shop.example", uuid::Uuid::new_v4());
        let body = serde_json::json!({"email": email, "password": "not the one"});
        Answer::to(request.header("x-forwarded-for", address).json(&body))
    };
    for _ in 0..21 {
        assert_eq!(login("192.0.2.1").await.status, 401);
    }
    let refused = login("192.0.2.1").await;
    is_a_problem(&refused, 429, "too-many-requests");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(login("192.0.2.2").await.status, 401, "another address");
}

/// Logs in from an address that the proxy before the web server states.
async fn login(web: &Nginx, address: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{}/api/login", web.url));
    let answer = request.header("x-forwarded-for", address).send().await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn logins_are_counted_by_the_trusted_proxys_address() {
    let home = Ipv4Addr::LOCALHOST;
    let (api, behind) = (testkit::free_port(), testkit::free_port());
    let api_at = format!("http://127.0.0.1:{api}");
    let answering = stand_in(home, api).await;
    let names = Names::start(&[home]).await;
    for (proxy, trusted) in [("127.0.0.1/32", true), ("192.0.2.0/24", false)] {
        let _frontend = Nginx::start_at(behind, &api_at, 1, "127.0.0.1:1").await;
        let payments = testkit::free_port();
        let edge = Nginx::start_edge_behind(proxy, &names.place, behind, payments).await;
        for n in 0..21 {
            // a client may send the header, too; the proxy appends the address that it sees
            let said = format!("203.0.113.{n}, 192.0.2.1");
            assert_eq!(login(&edge, &said).await, 200, "{proxy}: {n}");
        }
        assert_eq!(login(&edge, "192.0.2.1").await, 429, "{proxy}");
        let another = if trusted { 200 } else { 429 };
        assert_eq!(login(&edge, "192.0.2.2").await, another, "{proxy}");
    }
    answering.abort();
}

#[tokio::test]
async fn logins_from_ipv6_are_counted_by_network() {
    let api = testkit::free_port();
    let answering = stand_in(Ipv4Addr::LOCALHOST, api).await;
    let nginx = Nginx::start(&format!("http://127.0.0.1:{api}"), 1).await;
    for n in 0..21 {
        let address = format!("2001:db8:0:1:{n:x}::{n:x}");
        assert_eq!(login(&nginx, &address).await, 200, "{address}");
    }
    assert_eq!(login(&nginx, "2001:db8:0:1:ffff::1").await, 429);
    assert_eq!(login(&nginx, "2001:db8:0:2::1").await, 200, "another /64");
    // IPv4 addresses count one by one, also when written as IPv6
    for _ in 0..21 {
        assert_eq!(login(&nginx, "::ffff:192.0.2.1").await, 200);
    }
    assert_eq!(login(&nginx, "192.0.2.1").await, 429);
    assert_eq!(login(&nginx, "::ffff:192.0.2.2").await, 200);
    answering.abort();
}

/// Calls from ever new addresses of one /64 until the limit is reached: `burst` calls are always
/// answered, and the budget refills while the calls go on.
async fn meets_its_limit(call: impl Fn(String) -> reqwest::RequestBuilder, burst: usize) {
    for n in 0..=burst {
        let answer = Answer::to(call(format!("2001:db8::{n:x}"))).await;
        assert_eq!(answer.status, 200, "{n} of {burst}");
    }
    let mut calls = 0;
    let refused = loop {
        // many at once: even a slow machine must outrun the refill
        let batch = (0..50).map(|n| Answer::to(call(format!("2001:db8::{n:x}:{calls:x}"))));
        let batch = join_all(batch).await;
        calls += batch.len();
        if let Some(refused) = batch.into_iter().find(|answer| answer.status != 200) {
            break refused;
        }
        assert!(calls < 20 * burst, "no limit after {calls} further calls");
    };
    is_a_problem(&refused, 429, "too-many-requests");
    assert!(refused.header("retry-after").is_some());
    let other = Answer::to(call("2001:db8:0:1::1".to_owned())).await;
    assert_eq!(other.status, 200, "another network");
}

#[tokio::test]
async fn refreshes_and_searches_are_limited_and_plain_lists_not() {
    let api = testkit::free_port();
    let answering = stand_in(Ipv4Addr::LOCALHOST, api).await;
    let nginx = Nginx::start(&format!("http://127.0.0.1:{api}"), 60).await;
    let http = reqwest::Client::new();
    let refresh = |from: String| {
        let request = http.post(format!("{}/api/refresh", nginx.url));
        request.header("x-forwarded-for", from)
    };
    meets_its_limit(refresh, 40).await;
    let products = format!("{}/api/products", nginx.url);
    let search = |from: String| {
        let request = http.get(format!("{products}?search=tea"));
        request.header("x-forwarded-for", from)
    };
    meets_its_limit(search, 80).await;
    for _ in 0..200 {
        let list = http.get(&products).header("x-forwarded-for", "2001:db8::1");
        assert_eq!(Answer::to(list).await.status, 200);
    }
    answering.abort();
}

#[tokio::test]
async fn payers_are_limited_by_network() {
    let home = Ipv4Addr::LOCALHOST;
    let port = testkit::free_port();
    let behind = stand_in(home, port).await;
    let names = Names::start(&[home]).await;
    let public = testkit::free_port();
    let _edge = Nginx::start_edge_with(&names.place, port, public).await;
    let http = reqwest::Client::new();
    let pay = |from: String| {
        let request = http.post(format!("http://127.0.0.1:{public}/transactions/complete"));
        request.header("x-forwarded-for", from)
    };
    meets_its_limit(pay, 100).await;
    behind.abort();
}

/// A block of a configuration that proxies requests: its header, and its timeout without a byte
/// received.
fn read_timeouts(config: &str) -> Vec<(String, String)> {
    let mut blocks = vec![(String::new(), None)];
    let mut passing = Vec::new();
    let directives = config.lines().map(str::trim_start);
    for line in directives.filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.trim_end().strip_suffix(" {") {
            blocks.push((header.to_owned(), None));
        } else if line.starts_with('}') {
            blocks.pop();
        } else if let Some(value) = line.strip_prefix("proxy_read_timeout ") {
            blocks.last_mut().unwrap().1 = Some(value.trim_end_matches(';').to_owned());
        } else if line.starts_with("proxy_pass ") {
            let header = blocks.last().unwrap().0.clone();
            let value = blocks.iter().rev().find_map(|(_, value)| value.clone());
            // nginx' own default
            passing.push((header, value.unwrap_or_else(|| "60s".to_owned())));
        }
    }
    passing
}

#[test]
fn only_event_streams_may_exceed_the_request_timeout() {
    const STREAMS: &str = "location ~ ^/api/orders/[^/]+/events$";
    let read = |file: &str| fs::read_to_string(root(file)).unwrap();
    let mut longest = 30; // the timeout of the API and of payments
    for (file, count) in [
        ("frontend/nginx/shop.conf.template", 5),
        ("docker/edge/edge.conf.template", 3),
    ] {
        let mut most = 0;
        let passing = read_timeouts(&read(file));
        assert_eq!(passing.len(), count, "{file}: {passing:?}");
        for (header, value) in passing {
            if header == STREAMS {
                assert_eq!(value, "1h", "{file}");
                continue;
            }
            let seconds: u64 = value.strip_suffix('s').unwrap().parse().unwrap();
            let range = longest + 1..=60;
            assert!(range.contains(&seconds), "{file}: {header}: {value}");
            most = most.max(seconds);
        }
        longest = most;
    }
    // an event stream at any other address would be cut
    let document: Value = serde_json::from_str(&read("docs/openapi/api.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let streams: Vec<_> = paths
        .iter()
        .filter(|(_, operations)| operations.to_string().contains("text/event-stream"))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(streams, ["/api/orders/{id}/events"]);
}

/// An error in the API's format, which no cache keeps.
fn is_a_problem(answer: &Answer, status: u16, slug: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(body["type"], format!("/problems/{slug}"));
    assert_eq!(body["status"], status);
    let kind = web::COMMON.iter().find(|kind| kind.slug == slug);
    let kind = kind.expect("the api has this kind of problem");
    assert_eq!(
        (body["title"].as_str(), status),
        (Some(kind.title), kind.status)
    );
}

#[tokio::test]
async fn the_web_server_follows_the_api_to_another_address() {
    let (first, second) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let port = testkit::free_port();
    let names = Names::start(&[first]).await;
    let api = stand_in(first, port).await;
    let nginx = Nginx::start_with(&format!("http://api:{port}"), 60, &names.place).await;
    let products = format!("{}/api/products", nginx.url);
    let answered = || async { reqwest::get(&products).await.unwrap().text().await.unwrap() };
    assert_eq!(answered().await, first.to_string());

    api.abort();
    let moved = stand_in(second, port).await;
    *names.addresses.lock().unwrap() = vec![second];
    within(
        Duration::from_secs(5),
        "the api to be found at its new address",
        || async { (answered().await == second.to_string()).then_some(()) },
    )
    .await;
    moved.abort();
}

#[tokio::test]
async fn an_absent_api_is_a_problem_to_try_again() {
    let nobody = testkit::free_port();
    let nginx = Nginx::start(&format!("http://127.0.0.1:{nobody}"), 60).await;
    let http = reqwest::Client::new();
    let unreachable = Answer::to(http.get(format!("{}/api/products", nginx.url))).await;
    is_a_problem(&unreachable, 503, "unavailable");
    assert_eq!(unreachable.header("retry-after"), Some("2"));
    let large = http.post(format!("{}/api/orders", nginx.url));
    let large = Answer::to(large.body(vec![b' '; 65 * 1024])).await;
    is_a_problem(&large, 413, "too-large");
    let long = http.get(format!("{}/?{}", nginx.url, "a".repeat(40_000)));
    is_a_problem(&Answer::to(long).await, 400, "malformed");
}

#[tokio::test]
async fn the_admin_ports_pages_are_not_served() {
    let nginx = Nginx::start("http://127.0.0.1:1", 60).await;
    let http = reqwest::Client::new();
    for path in ["/metrics", "/readyz", "/livez"] {
        let answer = Answer::to(http.get(format!("{}{path}", nginx.url))).await;
        is_a_problem(&answer, 404, "not-found");
    }
}

#[tokio::test]
async fn json_is_compressed_unless_a_token_is_in_it() {
    let shop = Shop::open().await;
    let nginx = Nginx::start(&shop.url, 60).await;
    let ask =
        |request: reqwest::RequestBuilder| Answer::to(request.header("accept-encoding", "gzip"));
    let products = ask(shop.http.get(format!("{}/api/products", nginx.url))).await;
    assert_eq!(products.header("content-encoding"), Some("gzip"));
    let account = serde_json::json!({
        "email": "ada@shop.example", "password": "correct horse", "name": "A".repeat(100),
    });
    let register = shop.http.post(format!("{}/api/register", nginx.url));
    let registered = ask(register.json(&account)).await;
    assert_eq!(registered.status, 202, "{registered:?}");
    let login = shop.http.post(format!("{}/api/login", nginx.url));
    let credentials = serde_json::json!({"email": "ada@shop.example", "password": "correct horse"});
    let session = ask(login.json(&credentials)).await;
    assert_eq!(session.status, 200, "{session:?}");
    assert_eq!(session.header("content-encoding"), None);
}

#[tokio::test]
async fn browsers_with_tls_get_strict_transport_security() {
    let nginx = Nginx::start("http://127.0.0.1:1", 60).await;
    let http = reqwest::Client::new();
    for path in ["/", "/assets/app-1.js", "/api/products", "/healthz"] {
        let url = format!("{}{path}", nginx.url);
        let by_tls = http.get(&url).header("x-forwarded-proto", "https");
        let by_tls = Answer::to(by_tls).await;
        assert_eq!(
            by_tls.header("strict-transport-security"),
            Some("max-age=31536000"),
            "{path}"
        );
        let plain = Answer::to(http.get(&url)).await;
        assert_eq!(plain.header("strict-transport-security"), None, "{path}");
    }
}

#[test]
fn the_apis_name_is_one_that_the_name_server_knows() {
    let folder = std::env::temp_dir().join(format!("names-{}", Uuid::new_v4()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("resolv.conf");
    let cluster = "search shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n";
    for (resolv_conf, api, name, resolvers) in [
        // Docker's name server resolves services by their short names; the machine's search list
        // plays no part
        (
            "nameserver 127.0.0.11\nsearch example.com\noptions ndots:0\n",
            "http://api:8080",
            "http://api:8080",
            "127.0.0.11 ",
        ),
        // in Kubernetes a service must be queried by its full name
        (
            cluster,
            "http://api:8080",
            "http://api.shop.svc.cluster.local:8080",
            "10.96.0.10 ",
        ),
        (
            cluster,
            "http://api",
            "http://api.shop.svc.cluster.local",
            "10.96.0.10 ",
        ),
        (
            cluster,
            "http://api.other.svc.cluster.local:8080",
            "http://api.other.svc.cluster.local:8080",
            "10.96.0.10 ",
        ),
        (
            cluster,
            "http://10.0.0.7:8080",
            "http://10.0.0.7:8080",
            "10.96.0.10 ",
        ),
        (
            cluster,
            "http://[fd00::7]:8080",
            "http://[fd00::7]:8080",
            "10.96.0.10 ",
        ),
        (
            "nameserver fd00::a\nnameserver 10.0.0.1\n",
            "http://api:8080",
            "http://api:8080",
            "[fd00::a] 10.0.0.1 ",
        ),
        ("", "http://127.0.0.1:9", "http://127.0.0.1:9", "127.0.0.1"),
    ] {
        fs::write(&file, resolv_conf).unwrap();
        let place = file.display().to_string();
        let found = found_out(&[("API_URL", api), ("RESOLV_CONF", &place)]);
        assert_eq!(found["API_URL"], name, "{resolv_conf}");
        assert_eq!(found["RESOLVERS"], resolvers, "{resolv_conf}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn nginx_listens_on_ipv6_only_where_the_kernel_has_it() {
    let listen = |file: &str| {
        let found = found_out(&[("IF_INET6", file), ("RESOLV_CONF", "/dev/null")]);
        found["LISTEN_IPV6"].clone()
    };
    assert_eq!(listen("/dev/null"), "listen [::]:8080;");
    assert_eq!(listen("/dev/null/none"), "");
    // the kernel's own file decides
    let there = Path::new("/proc/net/if_inet6").exists();
    let found = found_out(&[("RESOLV_CONF", "/dev/null")]);
    assert_eq!(!found["LISTEN_IPV6"].is_empty(), there);
}

#[tokio::test]
async fn a_container_that_has_gone_is_passed_over() {
    let (gone, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let port = testkit::free_port();
    let names = Names::start(&[gone, there]).await;
    let storefront = stand_in(there, port).await;
    let edge = Nginx::start_edge(&names.place, port).await;
    let http = reqwest::Client::new();
    for _ in 0..20 {
        let answer = Answer::to(http.post(format!("{}/api/orders", edge.url))).await;
        assert_eq!((answer.status, answer.text), (200, there.to_string()));
    }
    storefront.abort();
    eventually("the storefront to be away", || async {
        let answer = Answer::to(http.get(&edge.url)).await;
        if answer.status == 503 {
            is_a_problem(&answer, 503, "unavailable");
        }
        answer.status == 503
    })
    .await;
}

#[tokio::test]
async fn a_payer_reaches_payments_without_the_shops_own_routes() {
    let address = Ipv4Addr::LOCALHOST;
    let port = testkit::free_port();
    let names = Names::start(&[address]).await;
    let behind = stand_in(address, port).await;
    let public = testkit::free_port();
    let _edge = Nginx::start_edge_with(&names.place, port, public).await;
    let http = reqwest::Client::new();
    let document: Value =
        serde_json::from_str(&fs::read_to_string(root("docs/openapi/payments.json")).unwrap())
            .unwrap();
    let mut paths = vec![
        ("/docs".to_owned(), false),
        ("/docs/".to_owned(), false),
        ("/openapi.json".to_owned(), false),
        ("/metrics".to_owned(), false),
        ("/".to_owned(), false),
    ];
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap();
        // reads by order share their path with the creation of transactions
        let payers = operations
            .values()
            .all(|operation| operation["tags"][0] == "payer");
        paths.push((path.replace("{id}", &Uuid::now_v7().to_string()), payers));
    }
    assert!(paths.iter().filter(|(_, reached)| *reached).count() >= 3);
    for (path, reached) in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let url = format!("http://127.0.0.1:{public}{path}");
            let by_tls = http
                .request(method, url)
                .header("x-forwarded-proto", "https");
            let answer = Answer::to(by_tls).await;
            if reached {
                assert_eq!(
                    (answer.status, answer.text.as_str()),
                    (200, "127.0.0.1"),
                    "{path}"
                );
            } else {
                is_a_problem(&answer, 404, "not-found");
            }
            let hsts = answer.header("strict-transport-security");
            assert_eq!(hsts, Some("max-age=31536000"), "{path}");
        }
    }
    behind.abort();
}

#[tokio::test]
async fn errors_of_the_outer_web_server_are_problem_documents() {
    let nobody = testkit::free_port();
    let names = Names::start(&[Ipv4Addr::LOCALHOST]).await;
    let public = testkit::free_port();
    let edge = Nginx::start_edge_with(&names.place, nobody, public).await;
    let http = reqwest::Client::new();
    let payments = format!("http://127.0.0.1:{public}/transactions/complete");
    for url in [format!("{}/api/orders", edge.url), payments] {
        let large = Answer::to(http.post(&url).body(vec![b' '; 65 * 1024])).await;
        is_a_problem(&large, 413, "too-large");
        let long = Answer::to(http.get(format!("{url}?{}", "a".repeat(40_000)))).await;
        is_a_problem(&long, 400, "malformed");
        let unreachable = Answer::to(http.post(&url)).await;
        is_a_problem(&unreachable, 503, "unavailable");
        assert_eq!(unreachable.header("retry-after"), Some("2"));
    }
}

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}
