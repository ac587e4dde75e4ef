//! Passwords and addresses of existing accounts: change, reset by mail, verification.

use contracts::command::Command;
use kernel::{Email, TraceRef, UserId};
use messaging::outbox;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    account::{Auth, AuthError, Session, mail},
    mail_link::{self, LinkPurpose, MailPurpose},
    policy::NewPassword,
    session::{self, Which},
    store::{self, UserRow},
    throttle,
};

impl Auth {
    /// Changes a password. All sessions of the account end; the caller gets a new session, the
    /// owner a mail.
    ///
    /// # Errors
    /// [`AuthError::CurrentPassword`], or the new password is refused.
    pub async fn change_password(
        &self,
        id: UserId,
        current: String,
        new: &str,
        trace: Option<TraceRef>,
    ) -> Result<Session, AuthError> {
        let user = store::find_by_id(&mut *self.pool.acquire().await?, id).await?;
        let user = user
            .filter(|user| !user.disabled)
            .ok_or(AuthError::NotFound)?;
        let stored = Some(user.password_hash.clone());
        if !self.hasher.verify(current, stored).await? {
            return Err(AuthError::CurrentPassword);
        }
        let hash = self.hash_for(&user, new).await?;
        let mut tx = db::begin(&self.pool).await?;
        // of two concurrent changes, the second one's current password is out of date
        let before = store::lock_password(&mut tx, id).await?;
        if before.as_ref() != Some(&user.password_hash) {
            return Err(AuthError::CurrentPassword);
        }
        set_password(&mut tx, id, &hash, trace).await?;
        let session = self
            .open_session(&mut tx, user.into(), Uuid::now_v7())
            .await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Requests a mail that resets a password. The address is looked up when the mail is sent, so
    /// that neither the response nor its timing reveals whether it has an account.
    ///
    /// # Errors
    /// The address is not an e-mail address.
    pub async fn request_password_reset(
        &self,
        email: &str,
        trace: Option<TraceRef>,
    ) -> Result<(), AuthError> {
        let email: Email = email.parse()?;
        let mut tx = db::begin(&self.pool).await?;
        let request = mail_link::request_mail(&mut tx, &email, MailPurpose::PasswordReset).await?;
        if let Some(request_id) = request {
            let command = Command::SendPasswordReset { request_id };
            outbox::enqueue(&mut tx, &[mail(&command, trace)?]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Sets a new password by the token of a mailed link, once. All sessions of the account end,
    /// and its owner gets a mail. The address becomes verified: only a reader of its mailbox has
    /// the token. If a stranger registered the account for this address, it now belongs to the
    /// address's owner. Returns the cookie that identifies the device from now on: other people's
    /// wrong passwords do not delay a login on it.
    ///
    /// # Errors
    /// [`AuthError::Link`], or the password is refused, which does not use up the link.
    pub async fn reset_password(
        &self,
        token: &str,
        new: &str,
        trace: Option<TraceRef>,
    ) -> Result<(UserId, String), AuthError> {
        let mut conn = self.pool.acquire().await?;
        let purpose = LinkPurpose::PasswordReset;
        let id = mail_link::find_link(&mut conn, token, purpose).await?;
        let id = id.ok_or(AuthError::Link)?;
        let user = store::find_by_id(&mut conn, id).await?;
        drop(conn);
        let user = user.filter(|user| !user.disabled).ok_or(AuthError::Link)?;
        let hash = self.hash_for(&user, new).await?;
        let mut tx = db::begin(&self.pool).await?;
        // lock the account before the link, in the order of a password change
        store::lock_password(&mut tx, id).await?;
        let taken = mail_link::take_link(&mut tx, token, purpose).await?;
        taken.ok_or(AuthError::Link)?;
        set_password(&mut tx, id, &hash, trace).await?;
        store::mark_verified(&mut tx, id).await?;
        throttle::forget_devices(&mut tx, id).await?;
        let device = throttle::remember_device(&mut tx, id, None).await?;
        tx.commit().await?;
        Ok((id, device))
    }

    /// Requests a mail that verifies an account's address.
    ///
    /// # Errors
    /// [`AuthError::NotFound`]
    pub async fn request_verification(
        &self,
        id: UserId,
        trace: Option<TraceRef>,
    ) -> Result<(), AuthError> {
        let profile = self.profile(id).await?;
        let Ok(email) = profile.email.parse::<Email>() else {
            return Ok(()); // stored by an earlier release, and cannot be mailed
        };
        if profile.email_verified {
            return Ok(());
        }
        let mut tx = db::begin(&self.pool).await?;
        let request = mail_link::request_mail(&mut tx, &email, MailPurpose::Verification).await?;
        if request.is_some() {
            let command = Command::SendVerificationEmail { user_id: id };
            outbox::enqueue(&mut tx, &[mail(&command, trace)?]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Verifies an account's address by the token of a mailed link, once.
    ///
    /// # Errors
    /// [`AuthError::Link`]
    pub async fn verify_email(&self, token: &str) -> Result<UserId, AuthError> {
        let mut tx = db::begin(&self.pool).await?;
        let id = mail_link::take_link(&mut tx, token, LinkPurpose::Verification).await?;
        let id = id.ok_or(AuthError::Link)?;
        store::mark_verified(&mut tx, id).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn hash_for(&self, user: &UserRow, new: &str) -> Result<String, AuthError> {
        // an address stored by an earlier release may be invalid today, and is then not compared
        let email = user.email.parse().ok();
        let password = NewPassword::new(new, email.as_ref(), &user.name)?;
        Ok(self.hasher.hash(password).await?)
    }
}

/// Replaces a password whose account row is locked, ends all sessions and notifies the owner.
async fn set_password(
    conn: &mut PgConnection,
    id: UserId,
    hash: &str,
    trace: Option<TraceRef>,
) -> Result<(), AuthError> {
    store::set_password(&mut *conn, id, hash).await?;
    session::end_sessions(&mut *conn, id, Which::AllBut(None)).await?;
    mail_link::drop_link(&mut *conn, id, LinkPurpose::PasswordReset).await?;
    let command = Command::SendPasswordChanged { user_id: id };
    outbox::enqueue(conn, &[mail(&command, trace)?]).await?;
    Ok(())
}
