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
    /// The browser's `User-Agent`.
    pub user_agent: Option<&'a str>,
}

/// A successful login.
#[derive(Clone)]
pub struct LoggedIn {
    /// The new session.
    pub session: Session,
    /// The cookie that identifies the device from now on.
    pub device: String,
}

/// Why a login was refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Too many attempts failed: this one was refused before its password was checked.
    #[error("too many attempts to log in")]
    Throttled(Duration),
    /// The attempt was checked and refused.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Auth(error.into())
    }
}

impl Auth {
    /// Logs in. An unknown address and a wrong password take the same time, count as much and
    /// return the same error.
    ///
    /// # Errors
    /// [`AuthError::Credentials`], or [`LoginError::Throttled`] after many failures.
    pub async fn login(&self, login: Login<'_>) -> Result<LoggedIn, LoginError> {
        let mut conn = self.pool.acquire().await?;
        let counter = counter(&mut conn, login.email, login.device).await?;
        throttle::admit(&mut conn, &counter)
            .await?
            .map_err(LoginError::Throttled)?;
        let email = Email::normalize(login.email);
        let user = if email.contains('\0') {
            None // PostgreSQL text cannot hold NUL
        } else {
            store::find_by_email(&mut conn, &email).await?
        };
        // hashing takes long and needs no connection
        drop(conn);
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let fits = self.hasher.verify(login.password, hash).await;
        let fits = fits.map_err(AuthError::from)?;
        let user = user
            .filter(|user| fits && !user.disabled)
            .ok_or(AuthError::Credentials)?;
        // before the session is opened: a failure to open it must not count as a wrong password
        throttle::forgive(&mut *self.pool.acquire().await?, &counter).await?;
        let mut tx = db::begin(&self.pool).await?;
        // a password change ends all sessions: a login under the old password must not commit after
        // it
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
