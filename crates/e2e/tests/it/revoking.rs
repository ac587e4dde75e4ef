//! Ending a session takes effect in every process: by `shopctl`, at the shop and at payments.

use serde_json::{Value, json};
use testkit::{System, eventually};

use crate::{
    hurried,
    shopctl::{lines, shopctl},
    text,
};

async fn email(system: &System) -> String {
    sqlx::query_scalar(r#"select email from auth."user""#)
        .fetch_one(&system.shop)
        .await
        .unwrap()
}

/// Status and problem of a call with this token.
async fn call(system: &System, url: String, token: &str, body: Value) -> (u16, Value) {
    let request = system.http.post(url).bearer_auth(token).json(&body);
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_shopctl_ends_neither_pays_nor_acts() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let email = email(&system).await;
    let (_, order) = buyer.order().await;
    let transaction = text(&order, "transaction_id").to_owned();
    let user = |verb: &str, more: &[&str]| {
        let all = [&["user", verb, "--email", &email, "-o", "json"], more].concat();
        shopctl(&system, &all)
    };
    let because = ["--reason", "her phone was stolen", "--yes"];

    let (code, listed, _) = user("sessions", &[]);
    assert_eq!((code, lines(&listed).len()), (0, 1), "{listed}");
    let (code, _, talk) = user("end-sessions", &because);
    assert_eq!(code, 0, "{talk}");
    let (code, listed, _) = user("sessions", &[]);
    assert_eq!((code, listed.as_str()), (0, ""));
    assert_eq!(user("end-sessions", &because).0, 3, "none is live");

    let pay = format!("{}/transactions/complete", system.payments_url);
    let body = json!({ "transaction_id": transaction });
    let (status, problem) = call(&system, pay.clone(), &buyer.token, body.clone()).await;
    assert_eq!(status, 401, "{problem}");
    assert_eq!(problem["type"], "/problems/session-over");
    let cancel = format!(
        "{}/api/orders/{}/cancel",
        system.api_url,
        text(&order, "id")
    );
    let (status, problem) = call(&system, cancel, &buyer.token, json!({})).await;
    assert_eq!(status, 401, "{problem}");

    // another session pays, but not while the shop cannot be asked
    let other = system.buyer().await;
    let (_, order) = other.order().await;
    let body = json!({ "transaction_id": text(&order, "transaction_id") });
    system.kill("api");
    let (status, problem) = call(&system, pay.clone(), &other.token, body.clone()).await;
    assert_eq!(status, 503, "{problem}");
    system.spawn("api").await;
    eventually("the order to be paid", || async {
        call(&system, pay.clone(), &other.token, body.clone())
            .await
            .0
            == 200
    })
    .await;
    other.awaits(text(&order, "id"), "completed").await;

    let role = [&["--role", "operator"], &because[..]].concat();
    assert_eq!(user("revoke", &role).0, 4, "it has none");
    assert_eq!(user("grant", &role).0, 0);
    // a token with the role, issued before the role was revoked
    let login = json!({"email": email, "password": "correct horse"});
    let login = system
        .http
        .post(format!("{}/api/login", system.api_url))
        .json(&login);
    let session: Value = login.send().await.unwrap().json().await.unwrap();
    let drop_message = || {
        let url = format!("{}/api/failed/none/drop", system.api_url);
        call(
            &system,
            url,
            text(&session, "access_token"),
            json!({"reason": "r"}),
        )
    };
    let (status, problem) = drop_message().await;
    assert_eq!(status, 404, "{problem}");
    assert_eq!(user("revoke", &role).0, 0);
    let (status, problem) = drop_message().await;
    assert_eq!(
        (status, text(&problem, "type")),
        (401, "/problems/session-over")
    );
    let acts = shopctl(&system, &["audit", "list", "-o", "json"]).1;
    assert!(!acts.contains(&email), "no address in the audit");
    let acts: Vec<_> = lines(&acts)
        .iter()
        .map(|act| text(act, "verb").to_owned())
        .collect();
    let expected = [
        "user revoke",
        "user login",
        "user grant",
        "user end-sessions",
    ];
    assert_eq!(acts, expected);
}
