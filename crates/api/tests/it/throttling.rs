//! Wrong passwords cause a growing delay across all API processes, but do not delay the owner's
//! known devices.

use std::net::Ipv4Addr;

use futures::future::join_all;
use reqwest::Client;
use serde_json::json;

use crate::{
    people::{PASSWORD, cookie_of},
    support::{Answer, Settings, Shop},
};

const ADA: &str = "ada@shop.example";
const NOBODY: &str = "nobody@shop.example";
/// Password attempts that are checked before the first delay.
const FREE_ATTEMPTS: usize = 5;

/// One network address of the attacker.
fn from(last: u8) -> Client {
    let client = Client::builder().local_address(Some(Ipv4Addr::new(127, 0, 0, last).into()));
    client.build().unwrap()
}

async fn attempt(client: &Client, shop: &Shop, email: &str, password: &str) -> Answer {
    let url = format!("{}/api/login", shop.url);
    let body = json!({"email": email, "password": password});
    Answer::to(client.post(url).json(&body)).await
}

impl Shop {
    async fn on_device(&self, device: &str, password: &str) -> Answer {
        let request = self.entering(ADA, password);
        Answer::to(request.header("cookie", format!("shop_device={device}"))).await
    }
}

#[tokio::test]
async fn many_wrong_passwords_from_many_addresses_end_in_no_login() {
    let shop = Shop::open().await;
    let replica = Shop::open_on(shop.pool.clone(), Settings::default()).await;
    shop.account(ADA, &[]).await;
    let login = Answer::to(shop.entering(ADA, PASSWORD)).await;
    let device = cookie_of(&login, "shop_device").unwrap();

    let attackers = [from(2), from(3), from(4)];
    let mut statuses = Vec::new();
    for email in [ADA, NOBODY] {
        let mut seen = Vec::new();
        for n in 0..168 {
            let at = if n % 2 == 0 { &shop } else { &replica };
            let answer = attempt(&attackers[n % 3], at, email, &format!("wrong {n}")).await;
            assert!(matches!(answer.status, 401 | 429), "{}", answer.text);
            seen.push(answer.status);
        }
        assert!(
            seen[..FREE_ATTEMPTS].iter().all(|status| *status == 401),
            "{seen:?}"
        );
        let read = seen.iter().filter(|status| **status == 401).count();
        assert!(read <= FREE_ATTEMPTS + 3, "{read} were read: {seen:?}");
        statuses.push(seen[..20].to_vec());
    }
    assert_eq!(
        statuses[0], statuses[1],
        "whether there is an account is not told"
    );

    // make the delay long enough that the next attempt is not due while the right password is tried
    let delay = |answer: &Answer| -> u64 {
        let delay = answer.header("retry-after").map(str::parse);
        delay.map_or(0, Result::unwrap)
    };
    while delay(&attempt(&attackers[0], &shop, ADA, "wrong").await) < 15 {}
    for attacker in &attackers {
        for shop in [&shop, &replica] {
            let right = attempt(attacker, shop, ADA, PASSWORD).await;
            right.problem(429, "too-many-requests");
            assert!((1..=900).contains(&delay(&right)), "{}", right.text);
        }
    }
    // the owner is not locked out
    let owner = replica.on_device(&device, PASSWORD).await;
    assert_eq!(owner.status, 200, "{}", owner.text);
    // nor does the owner's login give the attacker further attempts
    let after = attempt(&attackers[0], &shop, ADA, PASSWORD).await;
    after.problem(429, "too-many-requests");
}

#[tokio::test]
async fn a_delay_grows_and_ends() {
    let shop = Shop::open().await;
    shop.account(ADA, &[]).await;
    let attacker = from(2);
    let mut delays = Vec::new();
    for n in 0..FREE_ATTEMPTS + 7 {
        let read = attempt(&attacker, &shop, ADA, "wrong horse").await;
        read.problem(401, "wrong-credentials");
        if n + 1 >= FREE_ATTEMPTS {
            let refused = attempt(&attacker, &shop, ADA, PASSWORD).await;
            refused.problem(429, "too-many-requests");
            let delay: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            delays.push(delay);
        }
        sqlx::query("update auth.login_throttle set blocked_until = clock_timestamp()")
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    assert!(
        delays[..5].windows(2).all(|pair| pair[0] < pair[1]),
        "{delays:?}"
    );
    assert!(delays[0] <= 30 && delays[3] > 120, "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= 900), "{delays:?}");
    let right = attempt(&attacker, &shop, ADA, PASSWORD).await;
    assert_eq!(right.status, 200, "{}", right.text);
}

#[tokio::test]
async fn attempts_at_once_are_no_way_round_the_delay() {
    let shop = Shop::open().await;
    shop.account(ADA, &[]).await;
    let attacker = from(2);
    let attempts = (0..40).map(|n| {
        let (attacker, shop) = (&attacker, &shop);
        async move {
            attempt(attacker, shop, ADA, &format!("wrong {n}"))
                .await
                .status
        }
    });
    let statuses = join_all(attempts).await;
    let read = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(read, FREE_ATTEMPTS, "{statuses:?}");
}

#[tokio::test]
async fn a_known_device_has_its_own_counter_per_account() {
    let shop = Shop::open().await;
    shop.account(ADA, &[]).await;
    shop.account("eve@shop.example", &[]).await;
    let cookie = |answer: &Answer| cookie_of(answer, "shop_device").unwrap();
    let ada = cookie(&Answer::to(shop.entering(ADA, PASSWORD)).await);
    let eve = cookie(&Answer::to(shop.entering("eve@shop.example", PASSWORD)).await);
    assert_ne!(ada, eve);
    let again = shop.on_device(&ada, PASSWORD).await;
    assert_eq!(cookie(&again), ada, "a device keeps its cookie");

    for _ in 0..FREE_ATTEMPTS {
        shop.on_device(&eve, "wrong horse")
            .await
            .problem(401, "wrong-credentials");
    }
    // another account's device counts as unknown
    shop.on_device(&eve, PASSWORD)
        .await
        .problem(429, "too-many-requests");
    shop.on_device("made-up", PASSWORD)
        .await
        .problem(429, "too-many-requests");
    for _ in 0..FREE_ATTEMPTS {
        shop.on_device(&ada, "wrong horse")
            .await
            .problem(401, "wrong-credentials");
    }
    shop.on_device(&ada, PASSWORD)
        .await
        .problem(429, "too-many-requests");
    let stored: i64 = shop
        .count("select count(*) from auth.known_device where length(device_hash) = 32")
        .await;
    assert_eq!(stored, 2, "as hashes");
}

#[tokio::test]
async fn refreshes_and_searches_of_one_network_are_limited() {
    let settings = Settings {
        refreshes_per_minute: 2,
        searches_per_minute: 2,
        ..Settings::default()
    };
    let shop = Shop::open_with(settings).await;
    let refresh = || Answer::to(shop.renewing("/api/refresh", "garbage"));
    let search = || shop.get("/api/products?search=mug", "");
    for _ in 0..2 {
        refresh().await.problem(401, "session-over");
        assert_eq!(search().await.status, 200);
    }
    refresh().await.problem_for_now(429, "too-many-requests");
    search().await.problem_for_now(429, "too-many-requests");
    let listed = shop.get("/api/products", "").await;
    assert_eq!(listed.status, 200, "a list is no search");
    let elsewhere = from(2).get(format!("{}/api/products?search=mug", shop.url));
    assert_eq!(Answer::to(elsewhere).await.status, 200, "another network");
}
