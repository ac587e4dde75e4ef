//! Accounts in a database of their own, and listeners that stand in for the other modules.

use auth::{Auth, AuthConfig, AuthError, Hasher, Login, LoginError, Session};
use contracts::domain_event::UserRegistered;
use db::{Bus, Listener};
use futures::future::{BoxFuture, join_all};
use kernel::Clock;
use sqlx::{PgConnection, PgPool};
use tokens::{Signer, Verifier};
use uuid::Uuid;

pub(crate) const ADA: &str = "ada@shop.example";
pub(crate) const PASSWORD: &str = "correct horse";

#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) auth: Auth,
    pub(crate) pool: PgPool,
    pub(crate) verifier: Verifier,
}

impl Accounts {
    pub(crate) async fn open() -> Self {
        Self::heard_by(Bus::default()).await
    }

    pub(crate) async fn heard_by(registered: Bus<UserRegistered>) -> Self {
        Self::on(testkit::shop_db().await, registered)
    }

    pub(crate) fn on(pool: PgPool, registered: Bus<UserRegistered>) -> Self {
        let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
        let verifier = Verifier::with_key(&signer);
        let hasher = Hasher::new(2).unwrap();
        Self {
            auth: Auth::new(
                pool.clone(),
                registered,
                signer,
                hasher,
                AuthConfig::default(),
            ),
            pool,
            verifier,
        }
    }

    /// Creates an account and logs in to it.
    pub(crate) async fn register(&self, email: &str) -> Result<Session, AuthError> {
        self.register_with(email, "Ada", PASSWORD).await
    }

    pub(crate) async fn register_with(
        &self,
        email: &str,
        name: &str,
        password: &str,
    ) -> Result<Session, AuthError> {
        self.auth.register(email, name, password, None).await?;
        self.login(email, password).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Result<Session, AuthError> {
        let login = Login {
            email,
            password: password.to_owned(),
            device: None,
            user_agent: None,
        };
        match self.auth.login(login).await {
            Ok(logged_in) => Ok(logged_in.session),
            Err(LoginError::Auth(error)) => Err(error),
            Err(LoginError::Throttled(delay)) => panic!("throttled for {delay:?}"),
        }
    }

    /// Ada, logged in.
    pub(crate) async fn ada(&self) -> Session {
        self.register(ADA).await.unwrap()
    }

    /// The session that follows this one.
    pub(crate) async fn next(&self, session: &Session) -> Session {
        self.auth.refresh(&session.refresh_token).await.unwrap()
    }

    /// Asserts that this session's refresh token is refused.
    pub(crate) async fn assert_over(&self, session: &Session) {
        let refused = refused(self.auth.refresh(&session.refresh_token).await);
        assert!(matches!(refused, AuthError::SessionOver), "{refused:?}");
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Rows in the tables that a registration writes to, the listener's included.
    pub(crate) async fn written(&self) -> [i64; 4] {
        [
            self.count("auth.\"user\"").await,
            self.count("auth.refresh_token").await,
            self.count("commerce.client").await,
            self.count("messaging.outbox").await,
        ]
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    /// The constraint that refuses this statement.
    pub(crate) async fn refusing_constraint(&self, sql: &'static str) -> Option<String> {
        let refused = sqlx::query(sql).execute(&self.pool).await.err()?;
        db::constraint(&refused).map(str::to_owned)
    }

    /// Waits until this many connections are waiting for a lock.
    pub(crate) async fn until_waiting(&self, connections: i64) {
        let what = format!("{connections} connections to wait for a lock");
        testkit::eventually(&what, || async {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            waiting == connections
        })
        .await;
    }
}

/// The error of a refused login or refresh.
#[track_caller]
pub(crate) fn refused(result: Result<Session, AuthError>) -> AuthError {
    match result {
        Ok(session) => panic!("{} got a session", session.profile.email),
        Err(error) => error,
    }
}

/// Runs `n` futures concurrently.
pub(crate) async fn at_once<T, F>(n: usize, start: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..n).map(|i| tokio::spawn(start(i))).collect();
    join_all(running)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// Inserts a client, as commerce does.
pub(crate) struct WritesClient;

impl Listener<UserRegistered> for WritesClient {
    fn on<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        event: &'a UserRegistered,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async {
            sqlx::query(
                "insert into commerce.client (client_id, user_id, name) values ($1, $2, $3)",
            )
            .bind(Uuid::now_v7())
            .bind(event.user_id.uuid())
            .bind(&event.name)
            .execute(conn)
            .await
            .map(drop)
        })
    }
}

/// A listener that always fails.
pub(crate) struct Fails;

impl Listener<UserRegistered> for Fails {
    fn on<'a>(
        &'a self,
        _conn: &'a mut PgConnection,
        _event: &'a UserRegistered,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async { Err(sqlx::Error::RowNotFound) })
    }
}
