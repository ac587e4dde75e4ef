//! The texts of the mails. They contain no text that a user chose: by registering another person's
//! address, a user could otherwise write to that person.

use contracts::command::Command;
use kernel::UserId;
use sqlx::PgPool;

use super::lookup::CommandState;

/// A mail that is to be sent.
pub(super) struct Draft {
    pub(super) user_id: UserId,
    pub(super) address: String,
    pub(super) subject: String,
    pub(super) body: String,
}

/// The mail that a command leads to, if any.
pub(super) enum Written {
    Mail(Draft),
    /// Nothing to send; this is no failure.
    Nothing,
    UnknownUser(UserId),
}

/// Writes the mail of a command. `public_url` is the public URL of the shop. No connection is held
/// when this returns: a call over the network follows.
pub(super) async fn write(
    pool: &PgPool,
    command: &Command,
    state: CommandState,
    public_url: &str,
) -> sqlx::Result<Written> {
    let (user_id, address, token) = match command {
        Command::SendPasswordReset { request_id } => {
            match auth::issue_password_reset(&mut *pool.acquire().await?, *request_id).await? {
                Some(link) => (link.user_id, link.address, link.token),
                None => return Ok(Written::Nothing),
            }
        }
        Command::SendWelcomeEmail { user_id } | Command::SendVerificationEmail { user_id } => {
            match auth::issue_verification(&mut *pool.acquire().await?, *user_id).await? {
                Some(link) => (link.user_id, link.address, link.token),
                None => return Ok(Written::UnknownUser(*user_id)),
            }
        }
        Command::SendPasswordChanged { user_id }
        | Command::SendRegistrationAttempt { user_id }
        | Command::SendOrderConfirmation { user_id, .. } => match state.address {
            Some(address) => (*user_id, address, None),
            None => return Ok(Written::UnknownUser(*user_id)),
        },
    };
    let Some((subject, text)) = render(command, token.as_deref(), public_url) else {
        return Ok(Written::Nothing);
    };
    Ok(Written::Mail(Draft {
        user_id,
        address,
        subject,
        body: format!("Hello,\n\n{text}\n"),
    }))
}

/// Subject and text; `None` if the mail is about a link that no longer exists.
fn render(command: &Command, token: Option<&str>, url: &str) -> Option<(String, String)> {
    // after the `#`: browsers send this part to no server
    let verify = token.map(|token| format!("{url}/verify-email#token={token}"));
    let takeover = format!(
        "If it was not you who registered, set a password of your own, and the account is yours:\n\n\
         {url}/forgot-password"
    );
    let (subject, text) = match command {
        Command::SendWelcomeEmail { .. } => {
            let verify = verify.map(|link| {
                format!("Please confirm your e-mail address within a day:\n\n{link}\n\n{takeover}")
            });
            let parts = [Some("Your account is ready.".to_owned()), verify];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            ("Welcome to the shop".to_owned(), parts.join("\n\n"))
        }
        Command::SendVerificationEmail { .. } => (
            "Confirm your e-mail address".to_owned(),
            format!(
                "Please confirm your e-mail address within a day:\n\n{}\n\n{takeover}",
                verify?
            ),
        ),
        Command::SendPasswordReset { .. } => (
            "Set a new password".to_owned(),
            format!(
                "A new password was asked for. Set it within 30 minutes; the link works once:\n\n\
                 {url}/reset-password#token={}\n\n\
                 If it was not you who asked, ignore this mail: your password stays as it is.",
                token?
            ),
        ),
        Command::SendPasswordChanged { .. } => (
            "Your password was changed".to_owned(),
            format!(
                "The password of your account was changed, and all other sessions were ended.\n\n\
                 If it was not you who changed it, set a new one:\n\n{url}/forgot-password"
            ),
        ),
        Command::SendRegistrationAttempt { .. } => (
            "You have an account already".to_owned(),
            format!(
                "An account with this e-mail address was to be made, and you have one already. Log in, or set a new \
                 password if you have forgotten yours:\n\n{url}/login\n\n{url}/forgot-password\n\n\
                 If it was not you, there is nothing to do: your account is as it was."
            ),
        ),
        Command::SendOrderConfirmation { order_id, .. } => {
            let number = order_id.number();
            (
                format!("Your order {number} is paid"),
                format!("Thank you. Your order {number} is paid."),
            )
        }
    };
    Some((subject, text))
}

#[cfg(test)]
mod tests {
    use kernel::{MailRequestId, OrderId};

    use super::*;

    const URL: &str = "https://shop.example";

    #[test]
    fn a_confirmation_names_the_order_as_its_page_does() {
        let order_id: OrderId = "01a2260a-623c-73c4-a945-e2e286bac8c0".parse().unwrap();
        let user_id = UserId::new();
        let command = Command::SendOrderConfirmation { user_id, order_id };
        let (subject, text) = render(&command, None, URL).unwrap();
        assert_eq!(subject, "Your order 86BAC8C0 is paid");
        assert_eq!(text, "Thank you. Your order 86BAC8C0 is paid.");
    }

    #[test]
    fn links_lead_to_pages_of_the_storefront() {
        let (user_id, request_id) = (UserId::new(), MailRequestId::new());
        for (command, link) in [
            (
                Command::SendWelcomeEmail { user_id },
                "https://shop.example/verify-email#token=secret",
            ),
            (
                Command::SendVerificationEmail { user_id },
                "https://shop.example/verify-email#token=secret",
            ),
            (
                Command::SendPasswordReset { request_id },
                "https://shop.example/reset-password#token=secret",
            ),
            (
                Command::SendRegistrationAttempt { user_id },
                "https://shop.example/forgot-password",
            ),
            (
                Command::SendPasswordChanged { user_id },
                "https://shop.example/forgot-password",
            ),
        ] {
            let (_, text) = render(&command, Some("secret"), URL).unwrap();
            assert!(text.lines().any(|line| line == link), "{text}");
        }
    }

    #[test]
    fn a_verified_address_gets_no_link_to_verify_it() {
        let user_id = UserId::new();
        let (_, text) = render(&Command::SendWelcomeEmail { user_id }, None, URL).unwrap();
        assert_eq!(text, "Your account is ready.");
        assert!(render(&Command::SendVerificationEmail { user_id }, None, URL).is_none());
    }
}
