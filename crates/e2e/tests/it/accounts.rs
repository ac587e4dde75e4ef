//! Mails about accounts, and the targets of their links.

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{System, SystemOptions, eventually, eventually_some};

use crate::text;

const ADA: &str = "ada@mail.example";
const NAME: &str = "Your account was hacked, go to http://evil.example/login now";

async fn post(system: &System, path: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("{}{path}", system.api_url);
    let answer = system.http.post(url).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

async fn login(system: &System, password: &str) -> (StatusCode, Value) {
    post(
        system,
        "/api/login",
        &json!({"email": ADA, "password": password}),
    )
    .await
}

/// Waits for a mail with this subject.
async fn mail(system: &System, subject: &str) -> String {
    eventually_some(&format!("the mail {subject:?}"), || async {
        let files = std::fs::read_dir(system.setting("MAIL_DIR")).ok()?;
        files
            .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok())
            // quoted-printable, decoded as far as these mails need it
            .map(|mail| mail.replace("=\r\n", "").replace("=3D", "="))
            .find(|mail| mail.contains(&format!("Subject: {subject}\r\n")))
    })
    .await
}

/// The token of the link to this page in a mail.
fn token(mail: &str, page: &str) -> String {
    let link = mail
        .lines()
        .find(|line| line.starts_with("http") && line.contains(page));
    let link = link.unwrap_or_else(|| panic!("no link to {page} in {mail}"));
    link.split_once("#token=").unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_owner_takes_the_account_over_by_mail() {
    let system = System::start(SystemOptions::default()).await;
    let account = json!({"email": ADA, "password": "correct horse", "name": NAME});
    let (status, _) = post(&system, "/api/register", &account).await;
    assert!(status.is_success(), "{status}");
    let welcome = mail(&system, "Welcome to the shop").await;
    assert!(
        !welcome.contains("hacked") && !welcome.contains("evil"),
        "a stranger chose the name: {welcome}"
    );
    let verification = token(&welcome, "/verify-email");
    let (status, _) = post(
        &system,
        "/api/verify-email",
        &json!({"token": verification}),
    )
    .await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{welcome}");
    let (_, session) = login(&system, "correct horse").await;
    assert_eq!(session["user"]["email_verified"], true);

    let (status, _) = post(&system, "/api/password-reset", &json!({"email": ADA})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let reset = token(
        &mail(&system, "Set a new password").await,
        "/reset-password",
    );
    let new = json!({"token": reset, "new_password": "a better horse"});
    let (status, _) = post(&system, "/api/password-reset/confirm", &new).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        login(&system, "correct horse").await.0,
        StatusCode::UNAUTHORIZED
    );
    let (status, session) = login(&system, "a better horse").await;
    assert_eq!(status, StatusCode::OK, "{session}");
    assert_eq!(text(&session["user"], "name"), NAME);
    mail(&system, "Your password was changed").await;

    // no account has this address: the command is handled, and no mail is sent
    let (status, _) = post(
        &system,
        "/api/password-reset",
        &json!({"email": "nobody@mail.example"}),
    )
    .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    eventually("all four commands to be handled", || async {
        let handled: i64 =
            sqlx::query_scalar("select count(*) from messaging.inbox where consumer = 'messages'")
                .fetch_one(&system.shop)
                .await
                .unwrap();
        handled == 4
    })
    .await;
    for role in ["api", "worker"] {
        let log = std::fs::read_to_string(system.log(role)).unwrap();
        for secret in [&verification, &reset] {
            assert!(!log.contains(secret.as_str()), "{role} logged a link");
        }
    }
    let mails = std::fs::read_dir(system.setting("MAIL_DIR"))
        .unwrap()
        .count();
    assert_eq!(mails, 3);
}
