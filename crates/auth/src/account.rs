//! The use cases of accounts.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::{command::Command, domain_event::UserRegistered, topology};
use crashpoint::crash_point;
use db::Bus;
use kernel::{Email, EmailError, TraceRef, UserId};
use messaging::{Message, outbox};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use tokens::Signer;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    mail_link::{self, MailPurpose},
    password::{Hasher, PasswordError},
    policy::NewPassword,
    session::{self, Which},
    store::{self, UserRow},
};

/// Lifetimes of tokens and sessions.
#[derive(Debug, Clone, Copy)]
pub struct AuthConfig {
    /// Lifetime of an access token.
    pub access_ttl: Duration,
    /// Lifetime of a refresh token.
    pub refresh_ttl: Duration,
    /// How long a used refresh token is accepted once more, provided that its successor is unused:
    /// the client lost the first response to a reload or a cut connection.
    pub refresh_grace: Duration,
    /// Lifetime of a session, from its login on, however often it is renewed.
    pub session_limit: Duration,
    /// Live sessions per account; one more login ends the oldest session.
    pub sessions_per_account: u32,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            access_ttl: Duration::from_mins(10),
            refresh_ttl: Duration::from_hours(720),
            refresh_grace: Duration::from_secs(10),
            session_limit: Duration::from_hours(24 * 90),
            sessions_per_account: 20,
        }
    }
}

/// A privilege of an account besides shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Edit the catalog, see all orders.
    Admin,
    /// See and repair sagas.
    Operator,
}

impl Role {
    /// The role's name, as stored and as written in tokens.
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
    /// The account's id.
    pub id: UserId,
    /// The account's e-mail address.
    pub email: String,
    /// The name by which the user wants to be addressed.
    pub name: String,
    /// The account's roles: what it may do besides shopping.
    pub roles: Vec<String>,
    /// Whether the owner has used a link that was mailed to the address.
    pub email_verified: bool,
}

impl From<UserRow> for Profile {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.user_id,
            email: row.email,
            name: row.name,
            roles: row.roles,
            email_verified: row.email_verified,
        }
    }
}

/// The result of a registration. The HTTP response does not reveal which one occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// A new account was created.
    New(Profile),
    /// The address already had an account; its owner gets a mail.
    Known(UserId),
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The account that logged in.
    pub profile: Profile,
    /// Short-lived; sent with every request.
    pub access_token: String,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Exchanged once for the next session; kept where scripts cannot read it.
    pub refresh_token: String,
    /// Seconds until the refresh token expires.
    pub refresh_expires_in: u64,
}

/// Why an account could not be created or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The address is not an e-mail address that can be mailed.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The name is empty, too long or not displayable.
    #[error("Enter a name of up to 100 characters, all of them visible.")]
    Name,
    /// The password policy refuses the password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Unknown address, wrong password or disabled account: the caller does not learn which.
    #[error("wrong e-mail address or password")]
    Credentials,
    /// The current password given by a logged-in user is wrong.
    #[error("This is not your current password.")]
    CurrentPassword,
    /// The link is unknown, used, replaced by a newer one, or expired.
    #[error("This link has been used or has run out. Ask for a new one.")]
    Link,
    /// The refresh token is unknown, used, revoked or expired.
    #[error("this session is over: log in again")]
    SessionOver,
    /// The account does not exist.
    #[error("there is no such account")]
    NotFound,
    /// An internal error.
    #[error("could not {doing}")]
    Internal {
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database failed.
    #[error("could not use the accounts' database")]
    Db(#[from] sqlx::Error),
}

/// The use cases.
#[derive(Clone)]
pub struct Auth {
    pub(crate) pool: PgPool,
    registered: Bus<UserRegistered>,
    signer: Signer,
    pub(crate) hasher: Hasher,
    config: AuthConfig,
}

impl Auth {
    /// Manages accounts in `pool`'s database; publishes each new one to `registered`.
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

    /// Creates an account: the user, the listeners' rows and the welcome mail are written in one
    /// transaction. If the address already has an account, its owner gets a mail instead. Both
    /// cases take the same steps, so that neither the response nor its timing reveals whether the
    /// account existed.
    ///
    /// # Errors
    /// The e-mail address, name or password is refused.
    pub async fn register(
        &self,
        email: &str,
        name: &str,
        password: &str,
        trace: Option<TraceRef>,
    ) -> Result<Registered, AuthError> {
        let (email, name): (Email, _) = (email.parse()?, checked_name(name)?);
        let password = NewPassword::new(password, Some(&email), &name)?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = db::begin(&self.pool).await?;
        let made = self
            .create(&mut tx, &email, name, &hash, &[], trace.clone())
            .await?;
        let registered = match made {
            Some(profile) => Registered::New(profile),
            None => self.tell_owner(&mut tx, &email, trace).await?,
        };
        crash_point!("auth.register.before_commit");
        tx.commit().await?;
        crash_point!("auth.register.after_commit");
        Ok(registered)
    }

    /// Queues a mail to the owner of an address that another registration tried to use.
    async fn tell_owner(
        &self,
        conn: &mut PgConnection,
        email: &Email,
        trace: Option<TraceRef>,
    ) -> Result<Registered, AuthError> {
        let user = store::find_by_email(&mut *conn, email.as_str()).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        let request = mail_link::request_mail(&mut *conn, email, MailPurpose::Registration).await?;
        if request.is_some() && !user.disabled {
            let user_id = user.user_id;
            let command = Command::SendRegistrationAttempt { user_id };
            outbox::enqueue(conn, &[mail(&command, trace)?]).await?;
        }
        Ok(Registered::Known(user.user_id))
    }

    /// Creates an account with roles, for operators' tools, in the caller's transaction. An
    /// existing account is returned unchanged, without an error. The boolean is true when the
    /// account is new.
    ///
    /// # Errors
    /// The e-mail address, name or password is refused.
    pub async fn ensure(
        &self,
        conn: &mut PgConnection,
        email: &str,
        name: &str,
        password: &str,
        roles: &[Role],
    ) -> Result<(Profile, bool), AuthError> {
        let (email, name): (Email, _) = (email.parse()?, checked_name(name)?);
        if let Some(user) = store::find_by_email(&mut *conn, email.as_str()).await? {
            return Ok((user.into(), false));
        }
        let password = NewPassword::new(password, Some(&email), &name)?;
        let hash = self.hasher.hash(password).await?;
        let roles: Vec<_> = roles.iter().map(|role| role.as_str().to_owned()).collect();
        match self.create(conn, &email, name, &hash, &roles, None).await? {
            Some(profile) => Ok((profile, true)),
            // another process created it in the meantime
            None => store::find_by_email(conn, email.as_str())
                .await?
                .map(|user| (user.into(), false))
                .ok_or(AuthError::NotFound),
        }
    }

    /// Returns `None` when the address already has an account.
    async fn create(
        &self,
        conn: &mut PgConnection,
        email: &Email,
        name: String,
        hash: &str,
        roles: &[String],
        trace: Option<TraceRef>,
    ) -> Result<Option<Profile>, AuthError> {
        let id = UserId::new();
        if !store::insert_user(conn, id, email.as_str(), &name, hash, roles).await? {
            return Ok(None);
        }
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
        outbox::enqueue(conn, &[mail(&command, trace)?]).await?;
        Ok(Some(Profile {
            id,
            email: email.to_string(),
            name,
            roles: roles.to_vec(),
            email_verified: false,
        }))
    }

    /// Exchanges a refresh token, once. A second use means that the token was copied: the whole
    /// family is revoked. (RFC 9700 §4.14)
    ///
    /// A retry after a lost response is not a second use: within a short grace period the token can
    /// be exchanged again as long as its successor is unused. The unused successor is revoked; if
    /// it is presented later after all, the family is revoked.
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

    /// Ends the session that the refresh token belongs to; an unknown token is not an error.
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

    /// Revokes a family, including the successor that a concurrent exchange has not committed yet:
    /// an update sees only the rows committed before it began, so it is repeated until it finds
    /// none.
    ///
    /// Each update commits by itself, so that two callers that end one family do not block each
    /// other.
    async fn end_family(&self, family: Uuid) -> Result<(), AuthError> {
        let mut conn = self.pool.acquire().await?;
        while store::revoke_family(&mut conn, family).await? > 0 {}
        Ok(())
    }

    /// Returns an account's profile.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn profile(&self, id: UserId) -> Result<Profile, AuthError> {
        let user = store::find_by_id(&mut *self.pool.acquire().await?, id).await?;
        user.filter(|user| !user.disabled)
            .map(Profile::from)
            .ok_or(AuthError::NotFound)
    }

    /// Grants a role to an account, in the caller's transaction. Returns the account as it was
    /// before.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn grant(
        &self,
        conn: &mut PgConnection,
        email: &str,
        role: Role,
    ) -> Result<Profile, AuthError> {
        let email = Email::normalize(email);
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::grant(conn, user.user_id, role.as_str()).await?;
        Ok(user.into())
    }

    /// Revokes a role of an account, in the caller's transaction: from then on a token that claims
    /// the role changes nothing. Returns the account as it was before.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn revoke(
        &self,
        conn: &mut PgConnection,
        email: &str,
        role: Role,
    ) -> Result<Profile, AuthError> {
        let email = Email::normalize(email);
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::take_role(conn, user.user_id, role.as_str()).await?;
        Ok(user.into())
    }

    /// Disables an account, in the caller's transaction: later logins are refused, and its sessions
    /// end. An access token already issued can still read for its remaining minutes. The boolean is
    /// true when the account was not disabled before.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn disable(
        &self,
        conn: &mut PgConnection,
        email: &str,
    ) -> Result<(Profile, bool), AuthError> {
        let email = Email::normalize(email);
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::disable(&mut *conn, user.user_id).await?;
        // a token added by a concurrent exchange is refused, too: each exchange checks the account
        session::end_sessions(conn, user.user_id, Which::AllBut(None)).await?;
        let news = !user.disabled;
        Ok((user.into(), news))
    }

    pub(crate) async fn open_session(
        &self,
        conn: &mut PgConnection,
        profile: Profile,
        family: Uuid,
    ) -> Result<Session, AuthError> {
        let refresh_token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let hash = Sha256::digest(&refresh_token);
        let limits = session::Limits {
            refresh: self.config.refresh_ttl,
            session: self.config.session_limit,
        };
        let refresh_expires_in =
            session::add_token(&mut *conn, &hash, family, profile.id, limits).await?;
        session::end_oldest(conn, profile.id, self.config.sessions_per_account).await?;
        let access_token =
            self.signer
                .session_token(profile.id, family, &profile.roles, self.config.access_ttl);
        Ok(Session {
            profile,
            access_token,
            expires_in: self.config.access_ttl.as_secs(),
            refresh_token,
            refresh_expires_in,
        })
    }
}

/// The message that makes a worker send a mail.
pub(crate) fn mail(command: &Command, trace: Option<TraceRef>) -> Result<Message, AuthError> {
    let name = command.name();
    Message::new(topology::MESSAGES, name, name, command, trace).map_err(|error| {
        AuthError::Internal {
            doing: "write the command for a mail",
            source: error.into(),
        }
    })
}

fn checked_name(name: &str) -> Result<String, AuthError> {
    let name = name.trim();
    if name.chars().count() <= 100 && kernel::is_displayable_line(name) {
        Ok(name.to_owned())
    } else {
        Err(AuthError::Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_displayed() {
        assert_eq!(checked_name(" Ada ").unwrap(), "Ada");
        for wrong in [
            "",
            "  ",
            "a\r\nSubject: x",
            "\u{200b}",
            "Ada\u{202e}",
            &"x".repeat(101),
        ] {
            assert!(checked_name(wrong).is_err(), "{wrong}");
        }
    }
}
