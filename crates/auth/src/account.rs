//! The use cases of accounts.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::{command::Command, domain_event::UserRegistered, topology};
use crashpoint::crash_point;
use db::Bus;
use kernel::{Email, EmailError, TraceRef, UserId};
use messaging::{Message, outbox};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use tokens::Signer;
use uuid::Uuid;

use crate::{
    mail_link::{self, MailPurpose},
    password::{Hasher, PasswordError},
    policy::NewPassword,
    session::{self, Which},
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
    /// Of a session, from its login on, however often it is renewed.
    pub session_limit: Duration,
    /// Live sessions of one account: one more ends the oldest.
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
    /// Whether a link that was mailed to the address was used.
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

/// What came of a registration. Whoever registers is not told which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// There is a new account.
    New(Profile),
    /// There was one for the address already; its owner gets a mail.
    Known(UserId),
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
    /// Not an e-mail address that can be mailed.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// Not a name.
    #[error("Enter a name of up to 100 characters, all of them visible.")]
    Name,
    /// Not a password that is taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Unknown address, wrong password or disabled account: nobody is told which.
    #[error("wrong e-mail address or password")]
    Credentials,
    /// Not the account's password, of whoever is logged in.
    #[error("This is not your current password.")]
    CurrentPassword,
    /// The link is unknown, used, replaced by a newer one, or has run out.
    #[error("This link has been used or has run out. Ask for a new one.")]
    Link,
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
    pub(crate) pool: PgPool,
    registered: Bus<UserRegistered>,
    signer: Signer,
    pub(crate) hasher: Hasher,
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

    /// Makes an account: user, what listeners make of it and welcome mail in one transaction. Where there is an account
    /// for the address already, its owner gets a mail instead; both take the same steps, so that neither an answer nor
    /// its time need tell.
    ///
    /// # Errors
    /// Bad e-mail address, name or password.
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

    /// Has a mail sent to the owner of an address that was to be registered again.
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
            // made by another process meanwhile
            None => store::find_by_email(conn, email.as_str())
                .await?
                .map(|user| (user.into(), false))
                .ok_or(AuthError::NotFound),
        }
    }

    /// `None` when there is an account for the address.
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
        let email = Email::normalize(email);
        let user = store::lock_by_email(&mut *conn, &email).await?;
        let user = user.ok_or(AuthError::NotFound)?;
        store::grant(conn, user.user_id, role.as_str()).await?;
        Ok(user.into())
    }

    /// Takes a role from an account, in the caller's transaction: a token that claims it changes nothing any more. Returns the
    /// account as it was.
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

    /// Ends an account, in the caller's transaction: nobody logs in to it any more, and its sessions
    /// end. An access token that is out reads for its few minutes. Says whether it was not ended before.
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
        // one that an exchange under way adds is refused, too: whoever exchanges looks at the account
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

/// The message that has a mail sent.
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
