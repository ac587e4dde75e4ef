//! The use cases of accounts.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::{command::Command, domain_event::UserRegistered, topology};
use crashpoint::crash_point;
use db::Bus;
use kernel::{TraceRef, UserId};
use messaging::{Message, outbox};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use tokens::Signer;
use uuid::Uuid;

use crate::{
    password::{Hasher, PasswordError},
    store::{self, UserRow},
};

/// How long tokens live.
#[derive(Debug, Clone, Copy)]
pub struct AuthConfig {
    /// Of an access token.
    pub access_ttl: Duration,
    /// Of a refresh token.
    pub refresh_ttl: Duration,
    /// For how long a used refresh token is taken once more, if what it was exchanged for has
    /// not been used: its answer was lost, to a reload or to a cut connection.
    pub refresh_grace: Duration,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            access_ttl: Duration::from_mins(10),
            refresh_ttl: Duration::from_hours(720),
            refresh_grace: Duration::from_secs(10),
        }
    }
}

/// What an account may do beside shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Edit the catalog, see all orders.
    Admin,
    /// See and repair sagas.
    Operator,
}

impl Role {
    /// As stored and as in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: UserId,
    /// Its e-mail address.
    pub email: String,
    /// How the person wants to be called.
    pub name: String,
    /// What it may do beside shopping.
    pub roles: Vec<String>,
}

impl From<UserRow> for Profile {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.user_id,
            email: row.email,
            name: row.name,
            roles: row.roles,
        }
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub profile: Profile,
    /// Short-lived; sent with every request.
    pub access_token: String,
    /// Seconds until the access token runs out.
    pub expires_in: u64,
    /// Exchanged once for the next session; kept where scripts cannot read it.
    pub refresh_token: String,
    /// Seconds until the refresh token runs out.
    pub refresh_expires_in: u64,
}

/// Why an account could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Not an e-mail address.
    #[error("Enter a valid e-mail address.")]
    Email,
    /// Not a name.
    #[error("Enter a name of up to 100 characters.")]
    Name,
    /// Not a password that is taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is an account for this address.
    #[error("there is an account for this e-mail address already")]
    EmailTaken,
    /// Unknown address, wrong password or disabled account: nobody is told which.
    #[error("wrong e-mail address or password")]
    Credentials,
    /// The refresh token is unknown, used, revoked or has run out.
    #[error("this session is over: log in again")]
    SessionOver,
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// Something of ours broke.
    #[error("could not {doing}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// What broke.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database failed.
    #[error("could not use the accounts' database")]
    Db(#[from] sqlx::Error),
}

/// The use cases.
#[derive(Clone)]
pub struct Auth {
    pool: PgPool,
    registered: Bus<UserRegistered>,
    signer: Signer,
    hasher: Hasher,
    config: AuthConfig,
}

impl Auth {
    /// Accounts in `pool`'s database; `registered` hears of new ones.
    pub fn new(
        pool: PgPool,
        registered: Bus<UserRegistered>,
        signer: Signer,
        hasher: Hasher,
        config: AuthConfig,
    ) -> Self {
        Self {
            pool,
            registered,
            signer,
            hasher,
            config,
        }
    }

    /// Makes an account and logs it in: user, what listeners make of it, welcome mail and session
    /// in one transaction.
    ///
    /// # Errors
    /// Bad e-mail address, name or password; a taken address.
    pub async fn register(
        &self,
        email: &str,
        name: &str,
        password: String,
        trace: Option<TraceRef>,
    ) -> Result<Session, AuthError> {
        let (email, name) = (checked_email(email)?, checked_name(name)?);
        let hash = self.hasher.hash(password).await?;
        let mut tx = db::begin(&self.pool).await?;
        let profile = self.create(&mut tx, email, name, &hash, &[], trace).await?;
        let session = self.open_session(&mut tx, profile, Uuid::now_v7()).await?;
        crash_point!("auth.register.before_commit");
        tx.commit().await?;
        crash_point!("auth.register.after_commit");
        Ok(session)
    }

    /// Makes an account with roles, for operators' tools, in the caller's transaction. Without `Err`
    /// when it is there already: then it is returned as it is. Says whether it is new.
    ///
    /// # Errors
    /// Bad e-mail address, name or password.
    pub async fn ensure(
        &self,
        conn: &mut PgConnection,
        email: &str,
        name: &str,
        password: String,
        roles: &[Role],
    ) -> Result<(Profile, bool), AuthError> {
        let (email, name) = (checked_email(email)?, checked_name(name)?);
        if let Some(user) = store::find_by_email(&mut *conn, &email).await? {
            return Ok((user.into(), false));
        }
        let hash = self.hasher.hash(password).await?;
        let roles: Vec<_> = roles.iter().map(|role| role.as_str().to_owned()).collect();
        let profile = self.create(conn, email, name, &hash, &roles, None).await?;
        Ok((profile, true))
    }

    async fn create(
        &self,
        conn: &mut PgConnection,
        email: String,
        name: String,
        hash: &str,
        roles: &[String],
        trace: Option<TraceRef>,
    ) -> Result<Profile, AuthError> {
        let id = UserId::new();
        store::insert_user(conn, id, &email, &name, hash, roles)
            .await
            .map_err(|error| {
                if db::constraint(&error) == Some("user_email_unique") {
                    AuthError::EmailTaken
                } else {
                    error.into()
                }
            })?;
        self.registered
            .publish(
                conn,
                &UserRegistered {
                    user_id: id,
                    name: name.clone(),
                },
            )
            .await?;
        let command = Command::SendWelcomeEmail { user_id: id };
        let mail = Message::new(
            topology::MESSAGES,
            command.name(),
            command.name(),
            &command,
            trace,
        )
        .map_err(|error| AuthError::Internal {
            doing: "write the welcome mail",
            source: error.into(),
        })?;
        outbox::enqueue(conn, &[mail]).await?;
        Ok(Profile {
            id,
            email,
            name,
            roles: roles.to_vec(),
        })
    }

    /// Logs in. Unknown address and wrong password take as long and say the same.
    ///
    /// # Errors
    /// [`AuthError::Credentials`]
    pub async fn login(&self, email: &str, password: String) -> Result<Session, AuthError> {
        let user = match checked_email(email) {
            Ok(email) => store::find_by_email(&mut *self.pool.acquire().await?, &email).await?,
            Err(_) => None, // nobody has it, and the database does not take every text
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let fits = self.hasher.verify(password, hash).await?;
        let user = user
            .filter(|user| fits && !user.disabled)
            .ok_or(AuthError::Credentials)?;
        let mut tx = db::begin(&self.pool).await?;
        let session = self
            .open_session(&mut tx, user.into(), Uuid::now_v7())
            .await?;
        crash_point!("auth.login.before_commit");
        tx.commit().await?;
        crash_point!("auth.login.after_commit");
        Ok(session)
    }

    /// Exchanges a refresh token, once. A second use means that somebody has a copy: the whole
    /// family is revoked. (RFC 9700 §4.14)
    ///
    /// An answer that never arrived is no second use: within a short grace the token is exchanged
    /// again as long as its successor is unused, which is taken back; should somebody use that one
    /// after all, the family is revoked.
    ///
    /// # Errors
    /// [`AuthError::SessionOver`]
    pub async fn refresh(&self, token: &str) -> Result<Session, AuthError> {
        let hash = Sha256::digest(token);
        let mut tx = db::begin(&self.pool).await?;
        let row = store::lock_refresh(&mut tx, &hash, self.config.refresh_grace)
            .await?
            .ok_or(AuthError::SessionOver)?;
        let lost = row.fresh && row.good && store::take_back(&mut tx, &hash).await?;
        if !row.good || (row.used && !lost) {
            tx.rollback().await?;
            self.end_family(row.family_id).await?;
            return Err(AuthError::SessionOver);
        }
        let user = store::find_by_id(&mut tx, row.user_id)
            .await?
            .filter(|user| !user.disabled);
        let user = user.ok_or(AuthError::SessionOver)?;
        store::mark_used(&mut tx, &hash).await?;
        let session = self
            .open_session(&mut tx, user.into(), row.family_id)
            .await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Ends the session that the refresh token belongs to; an unknown one is no error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, token: &str) -> Result<(), AuthError> {
        let hash = Sha256::digest(token);
        let mut conn = self.pool.acquire().await?;
        let row = store::lock_refresh(&mut conn, &hash, Duration::ZERO).await?;
        drop(conn);
        match row {
            Some(row) => self.end_family(row.family_id).await,
            None => Ok(()),
        }
    }

    /// Revokes a family, and with it the successor that an exchange under way has not committed
    /// yet: a look sees only what was committed when it began, so the last one finds nothing.
    ///
    /// Each look commits by itself, lest two that end a family at once wait for each other.
    async fn end_family(&self, family: Uuid) -> Result<(), AuthError> {
        let mut conn = self.pool.acquire().await?;
        while store::revoke_family(&mut conn, family).await? > 0 {}
        Ok(())
    }

    /// An account.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn profile(&self, id: UserId) -> Result<Profile, AuthError> {
        let user = store::find_by_id(&mut *self.pool.acquire().await?, id).await?;
        user.filter(|user| !user.disabled)
            .map(Profile::from)
            .ok_or(AuthError::NotFound)
    }

    /// Gives an account a role, in the caller's transaction. Returns it as it was.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn grant(
        &self,
        conn: &mut PgConnection,
        email: &str,
        role: Role,
    ) -> Result<Profile, AuthError> {
        let email = email.trim().to_lowercase();
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::grant(conn, user.user_id, role.as_str()).await?;
        Ok(user.into())
    }

    /// Ends an account, in the caller's transaction: nobody logs in to it any more, and no refresh
    /// token of it is taken. An access token that is out lives on for its few minutes. Says whether
    /// it was not ended before.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn disable(
        &self,
        conn: &mut PgConnection,
        email: &str,
    ) -> Result<(Profile, bool), AuthError> {
        let email = email.trim().to_lowercase();
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::disable(&mut *conn, user.user_id).await?;
        // one that an exchange under way adds is refused, too: whoever exchanges looks at the account
        store::revoke_all(conn, user.user_id).await?;
        let news = !user.disabled;
        Ok((user.into(), news))
    }

    async fn open_session(
        &self,
        conn: &mut PgConnection,
        profile: Profile,
        family: Uuid,
    ) -> Result<Session, AuthError> {
        let refresh_token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let hash = Sha256::digest(&refresh_token);
        store::insert_refresh(conn, &hash, family, profile.id, self.config.refresh_ttl).await?;
        let access_token =
            self.signer
                .access_token(profile.id, &profile.roles, self.config.access_ttl);
        Ok(Session {
            profile,
            access_token,
            expires_in: self.config.access_ttl.as_secs(),
            refresh_token,
            refresh_expires_in: self.config.refresh_ttl.as_secs(),
        })
    }
}

fn checked_email(email: &str) -> Result<String, AuthError> {
    let email = email.trim().to_lowercase();
    let odd = email.len() > 254
        || email
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c));
    match email.split_once('@') {
        Some((local, domain))
            if !odd
                && !local.is_empty()
                && domain.contains('.')
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.') =>
        {
            Ok(email)
        }
        _ => Err(AuthError::Email),
    }
}

fn checked_name(name: &str) -> Result<String, AuthError> {
    let name = name.trim();
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(AuthError::Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_lower_cased() {
        assert_eq!(
            checked_email(" Ada@Example.COM ").unwrap(),
            "ada@example.com"
        );
        for wrong in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@b@c.de",
            "a@b.de\nBcc: x@y.z",
            "<a@b.de>",
        ] {
            assert!(checked_email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_hold_no_control_characters() {
        assert_eq!(checked_name(" Ada ").unwrap(), "Ada");
        for wrong in ["", "  ", "a\r\nSubject: x", &"x".repeat(101)] {
            assert!(checked_name(wrong).is_err(), "{wrong}");
        }
    }
}
