//! People with accounts and tokens.

use std::{thread, time::Duration};

use kernel::UserId;
use reqwest::RequestBuilder;
use serde_json::json;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::support::{Answer, Shop};

/// Domain of the accounts that are created for a token.
pub(crate) const PEOPLE: &str = "@people.example";
/// The password of every test account.
pub(crate) const PASSWORD: &str = "correct horse";

/// Its hash, with cheap parameters.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$SBBzK8wV5axhKi676nfFww$dXbYSuttC7Z2+XzmudIm8yipwOP9rzP63OKkB+A2fsg";

/// A user with a session.
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) token: String,
    pub(crate) refresh: String,
}

/// The value of a cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Answer, name: &str) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let mut pairs =
        cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()?.split_once('='));
    let (_, value) = pairs.find(|(set, _)| *set == name)?;
    Some(value.to_owned())
}

impl Shop {
    /// An account with a session.
    pub(crate) async fn person(&self, email: &str, roles: &[&str]) -> Person {
        self.account(email, roles).await;
        self.enter(email).await
    }

    pub(crate) async fn account(&self, email: &str, roles: &[&str]) {
        sqlx::query(
            r#"insert into auth."user" (user_id, email, name, password_hash, roles)
               values ($1, $2, 'Ada', $3, $4)"#,
        )
        .bind(UserId::new().uuid())
        .bind(email)
        .bind(HASH)
        .bind(roles)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Logs the account in once more.
    pub(crate) async fn enter(&self, email: &str) -> Person {
        self.enter_with(email, |request| request).await
    }

    pub(crate) async fn enter_with(
        &self,
        email: &str,
        adding: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Person {
        let answer = Answer::to(adding(self.entering(email, PASSWORD))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = answer.json();
        Person {
            user: session["user"]["id"].as_str().unwrap().parse().unwrap(),
            token: session["access_token"].as_str().unwrap().to_owned(),
            refresh: cookie_of(&answer, "shop_refresh").unwrap(),
        }
    }

    pub(crate) fn entering(&self, email: &str, password: &str) -> RequestBuilder {
        let body = json!({"email": email, "password": password});
        self.post("/api/login").json(&body)
    }

    /// A request with the person's refresh cookie.
    pub(crate) fn renewing(&self, path: &str, refresh: &str) -> RequestBuilder {
        self.post(path)
            .header("cookie", format!("shop_refresh={refresh}"))
    }

    /// The token of a buyer.
    pub(crate) fn buyer(&self) -> String {
        self.token_of(UserId::new())
    }

    pub(crate) fn token_of(&self, user: UserId) -> String {
        self.token_with(user, &[])
    }

    pub(crate) fn admin(&self) -> String {
        self.token_with(UserId::new(), &["admin".to_owned()])
    }

    pub(crate) fn operator(&self) -> String {
        self.token_with(UserId::new(), &["operator".to_owned()])
    }

    fn token_with(&self, user: UserId, roles: &[String]) -> String {
        self.open_account(user, roles);
        self.signer
            .access_token(user, roles, Duration::from_mins(10))
    }

    /// Creates the account in the shop's database, bypassing any proxy; without a database it does
    /// nothing.
    fn open_account(&self, user: UserId, roles: &[String]) {
        let options = self.pool.connect_options();
        let Some(database) = options.get_database() else {
            return;
        };
        let server: PgConnectOptions = std::env::var("TEST_POSTGRES_URL").unwrap().parse().unwrap();
        let server = server.database(database);
        let insert = async {
            let Ok(mut conn) = PgConnection::connect_with(&server).await else {
                return;
            };
            sqlx::query(
                r#"insert into auth."user" (user_id, email, name, password_hash, roles)
                   values ($1, $1::uuid::text || $3, 'Ada', 'none', $2)
                   on conflict do nothing"#,
            )
            .bind(user.uuid())
            .bind(roles)
            .bind(PEOPLE)
            .execute(&mut conn)
            .await
            .unwrap();
        };
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
        };
        thread::scope(|scope| {
            let inserted = scope.spawn(|| runtime().unwrap().block_on(insert));
            inserted.join().unwrap();
        });
    }
}
