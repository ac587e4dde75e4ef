//! Logging in.

use std::time::Duration;

use crashpoint::crash_point;
use kernel::Email;
use uuid::Uuid;

use crate::{
    Auth, AuthError, Session, session, store,
    throttle::{self, counter},
};

/// An attempt to log in.
#[derive(Debug, Clone)]
pub struct Login<'a> {
    /// The address, as typed.
    pub email: &'a str,
    /// The password.
    pub password: String,
    /// The cookie of the device, if it has one.
    pub device: Option<&'a str>,
    /// What the browser calls itself.
    pub user_agent: Option<&'a str>,
}

/// A login that was let in.
#[derive(Clone)]
pub struct LoggedIn {
    /// The new session.
    pub session: Session,
    /// The cookie by which the device is known from now on.
    pub device: String,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Too many attempts went wrong: this one was refused unread.
    #[error("too many attempts to log in")]
    Throttled(Duration),
    /// The attempt was read.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Auth(error.into())
    }
}

impl Auth {
    /// Logs in. Unknown address and wrong password take as long, count as much and say the same.
    ///
    /// # Errors
    /// [`AuthError::Credentials`], or [`LoginError::Throttled`] after many of these.
    pub async fn login(&self, login: Login<'_>) -> Result<LoggedIn, LoginError> {
        let mut conn = self.pool.acquire().await?;
        let counter = counter(&mut conn, login.email, login.device).await?;
        throttle::admit(&mut conn, &counter)
            .await?
            .map_err(LoginError::Throttled)?;
        let email = Email::normalize(login.email);
        let user = if email.contains('\0') {
            None // the database does not take it
        } else {
            store::find_by_email(&mut conn, &email).await?
        };
        // reading a password takes long, and needs no connection
        drop(conn);
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let fits = self.hasher.verify(login.password, hash).await;
        let fits = fits.map_err(AuthError::from)?;
        let user = user
            .filter(|user| fits && !user.disabled)
            .ok_or(AuthError::Credentials)?;
        // at once: a session that cannot be opened is no wrong password
        throttle::forgive(&mut *self.pool.acquire().await?, &counter).await?;
        let mut tx = db::begin(&self.pool).await?;
        // whoever changes the password ends all sessions: this one must not begin just after
        if store::share_password(&mut tx, user.user_id).await? != Some(user.password_hash.clone()) {
            return Err(AuthError::Credentials.into());
        }
        let device = throttle::remember_device(&mut tx, user.user_id, login.device).await?;
        let session_id = Uuid::now_v7();
        let session = self.open_session(&mut tx, user.into(), session_id).await?;
        if let Some(user_agent) = login.user_agent {
            session::describe(&mut tx, session_id, user_agent).await?;
        }
        crash_point!("auth.login.before_commit");
        tx.commit().await?;
        crash_point!("auth.login.after_commit");
        Ok(LoggedIn { session, device })
    }
}
