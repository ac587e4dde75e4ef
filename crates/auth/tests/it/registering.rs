//! A registration writes everything or nothing.

use auth::{AuthError, PasswordError, Profile, Registered};
use db::Bus;
use kernel::TraceRef;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{ADA, Accounts, Fails, PASSWORD, WritesClient, at_once, refused};

#[tokio::test]
async fn user_client_and_welcome_mail_are_written_by_one_transaction() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let ada = accounts.ada().await;
    assert_eq!(
        accounts.written().await,
        [1, 1, 1, 1],
        "and a session by the login"
    );
    let transactions: Vec<String> = sqlx::query_scalar(
        r#"
        select xmin::text from auth."user"
        union select xmin::text from commerce.client
        union select xmin::text from messaging.outbox
        "#,
    )
    .fetch_all(&accounts.pool)
    .await
    .unwrap();
    assert_eq!(transactions.len(), 1, "{transactions:?}");
    let client: (Uuid, String) = sqlx::query_as("select user_id, name from commerce.client")
        .fetch_one(&accounts.pool)
        .await
        .unwrap();
    assert_eq!(client, (ada.profile.id.uuid(), "Ada".to_owned()));
}

#[tokio::test]
async fn a_listener_that_fails_rolls_the_whole_registration_back() {
    for bus in [
        Bus::default().with(Fails).with(WritesClient),
        Bus::default().with(WritesClient).with(Fails),
    ] {
        let accounts = Accounts::heard_by(bus).await;
        let refused = refused(accounts.register(ADA).await);
        assert!(matches!(refused, AuthError::Db(_)), "{refused:?}");
        assert_eq!(accounts.written().await, [0, 0, 0, 0]);
        let mended = Accounts::on(accounts.pool.clone(), Bus::default().with(WritesClient));
        mended.ada().await; // the address is free
        assert_eq!(mended.written().await, [1, 1, 1, 1]);
    }
}

#[tokio::test]
async fn an_address_is_taken_once_whatever_its_case() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let first = accounts.register(" Ada@Shop.Example ").await.unwrap();
    assert_eq!(first.profile.email, ADA);
    let known = Registered::Known(first.profile.id);
    for again in [ADA, "ADA@SHOP.EXAMPLE", "aDa@shop.example\t"] {
        let registered = accounts.auth.register(again, "Eve", "evil horse", None);
        assert_eq!(registered.await.unwrap(), known, "{again}");
    }
    assert_eq!(
        accounts.written().await,
        [1, 1, 1, 2],
        "one mail tells the owner of the attempts"
    );
    accounts.login(ADA, PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_registrations_of_one_address_at_once_make_one_user() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let outcomes = at_once(20, |i| {
        let accounts = accounts.clone();
        let email = if i % 2 == 0 { ADA } else { "Ada@SHOP.example" };
        async move { accounts.auth.register(email, "Ada", PASSWORD, None).await }
    })
    .await;
    let made = outcomes
        .into_iter()
        .filter(|outcome| matches!(outcome.as_ref().unwrap(), Registered::New(_)));
    assert_eq!(made.count(), 1);
    assert_eq!(accounts.written().await, [1, 0, 1, 2]);
}

#[tokio::test]
async fn the_welcome_mail_holds_only_the_users_id() {
    let accounts = Accounts::open().await;
    let trace = TraceRef::random();
    let registered = accounts
        .auth
        .register(ADA, "Lovelace", PASSWORD, Some(trace.clone()))
        .await;
    let Registered::New(Profile { id, .. }) = registered.unwrap() else {
        panic!("the address was taken")
    };
    let (exchange, key, kind, body, traceparent, row): (
        String,
        String,
        String,
        Value,
        String,
        String,
    ) = sqlx::query_as(
        "select exchange, routing_key, message_type, body, traceparent, o::text from messaging.outbox o",
    )
    .fetch_one(&accounts.pool)
    .await
    .unwrap();
    assert_eq!(
        [exchange, key, kind],
        ["messages", "send_welcome_email", "send_welcome_email"]
    );
    assert_eq!(
        body,
        json!({"command": "send_welcome_email", "user_id": id})
    );
    assert_eq!(traceparent, trace.to_string());
    for personal in [ADA, "Lovelace"] {
        assert!(!row.contains(personal), "{row}");
    }
    let mut conn = accounts.pool.acquire().await.unwrap();
    let addresses = auth::find_addresses(&mut conn, &[id]).await.unwrap();
    assert_eq!(addresses.get(&id).map(String::as_str), Some(ADA));
}

#[tokio::test]
async fn a_password_has_from_8_to_128_characters() {
    let accounts = Accounts::open().await;
    let of = |text: &str, length| text.chars().cycle().take(length).collect::<String>();
    for (n, (password, taken)) in [
        (of("bqzt", 7), false),
        (of("bqzt", 8), true),
        (of("bqzt", 128), true),
        (of("bqzt", 129), false),
        (of("äöüß", 7), false), // 14 bytes: characters count
        (of("äöüß", 8), true),
        (of("🐎🔋📎✔", 128), true),
        (String::new(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("{n}@shop.example");
        let outcome = accounts.register_with(&email, "Ada", &password).await;
        match outcome {
            Ok(_) => {
                assert!(taken, "{password:?}");
                accounts.login(&email, &password).await.unwrap();
            }
            Err(error) => {
                assert!(!taken, "{password:?}: {error}");
                assert!(
                    matches!(error, AuthError::Password(PasswordError::Length)),
                    "{error:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let accounts = Accounts::heard_by(Bus::default().with(WritesClient)).await;
    let email = refused(accounts.register("ada@shop").await);
    assert!(matches!(email, AuthError::Email(_)), "{email:?}");
    let name = refused(accounts.register_with(ADA, " \t", PASSWORD).await);
    assert!(matches!(name, AuthError::Name), "{name:?}");
    let password = refused(accounts.register_with(ADA, "Ada", "short").await);
    assert!(matches!(password, AuthError::Password(_)), "{password:?}");
    assert_eq!(accounts.written().await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn passwords_are_stored_as_salted_argon2id_hashes() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    accounts.register("bob@shop.example").await.unwrap();
    let rows: Vec<(String, String)> =
        sqlx::query_as(r#"select password_hash, u::text from auth."user" u"#)
            .fetch_all(&accounts.pool)
            .await
            .unwrap();
    let [(one, row), (other, _)] = rows.as_slice() else {
        panic!("two users: {rows:?}")
    };
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    assert_ne!(one, other, "one password, two salts");
    assert!(!row.contains(PASSWORD), "{row}");
}

#[tokio::test]
async fn the_database_itself_refuses_a_second_user_of_one_address() {
    let accounts = Accounts::open().await;
    accounts.ada().await;
    for (sql, constraint) in [
        (
            r#"insert into auth."user" (user_id, email, name, password_hash)
               values (gen_random_uuid(), 'ada@shop.example', 'x', 'x')"#,
            "user_email_unique",
        ),
        (
            r#"insert into auth."user" (user_id, email, name, password_hash)
               values (gen_random_uuid(), 'Ada@shop.example', 'x', 'x')"#,
            "user_email_lower",
        ),
        (
            r#"update auth."user" set roles = array['owner']"#,
            "user_roles_known",
        ),
    ] {
        assert_eq!(
            accounts.refusing_constraint(sql).await.as_deref(),
            Some(constraint)
        );
    }
}
