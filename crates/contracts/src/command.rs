//! Async commands: requests of the shop to its own async worker, through RabbitMQ `messages`.
//!
//! A command holds ids, never addresses: the worker reads personal data when it handles the
//! command.

use kernel::{MailRequestId, OrderId, UserId};
use serde::{Deserialize, Serialize};

/// A command; its name is the AMQP `type` and routing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Greets a new user.
    SendWelcomeEmail {
        /// The recipient.
        user_id: UserId,
    },
    /// Confirms to the buyer that the order is paid.
    SendOrderConfirmation {
        /// The buyer.
        user_id: UserId,
        /// The order.
        order_id: OrderId,
    },
    /// Sends a link to set a password, if the address of the request has an account.
    SendPasswordReset {
        /// The request that the api recorded.
        request_id: MailRequestId,
    },
    /// Notifies an account's owner that the password was changed.
    SendPasswordChanged {
        /// The recipient.
        user_id: UserId,
    },
    /// Sends a link to verify an account's address.
    SendVerificationEmail {
        /// The recipient.
        user_id: UserId,
    },
    /// Notifies an account's owner that a registration with the same address was attempted.
    SendRegistrationAttempt {
        /// The recipient.
        user_id: UserId,
    },
}

impl Command {
    /// Name of [`Command::SendWelcomeEmail`].
    pub const SEND_WELCOME_EMAIL: &'static str = "send_welcome_email";
    /// Name of [`Command::SendOrderConfirmation`].
    pub const SEND_ORDER_CONFIRMATION: &'static str = "send_order_confirmation";

    /// Name of [`Command::SendPasswordReset`].
    pub const SEND_PASSWORD_RESET: &'static str = "send_password_reset";
    /// Name of [`Command::SendPasswordChanged`].
    pub const SEND_PASSWORD_CHANGED: &'static str = "send_password_changed";
    /// Name of [`Command::SendVerificationEmail`].
    pub const SEND_VERIFICATION_EMAIL: &'static str = "send_verification_email";

    /// Name of [`Command::SendRegistrationAttempt`].
    pub const SEND_REGISTRATION_ATTEMPT: &'static str = "send_registration_attempt";

    /// The names of all commands.
    pub const NAMES: [&'static str; 6] = [
        Self::SEND_WELCOME_EMAIL,
        Self::SEND_ORDER_CONFIRMATION,
        Self::SEND_PASSWORD_RESET,
        Self::SEND_PASSWORD_CHANGED,
        Self::SEND_VERIFICATION_EMAIL,
        Self::SEND_REGISTRATION_ATTEMPT,
    ];

    /// The command's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SendWelcomeEmail { .. } => Self::SEND_WELCOME_EMAIL,
            Self::SendOrderConfirmation { .. } => Self::SEND_ORDER_CONFIRMATION,
            Self::SendPasswordReset { .. } => Self::SEND_PASSWORD_RESET,
            Self::SendPasswordChanged { .. } => Self::SEND_PASSWORD_CHANGED,
            Self::SendVerificationEmail { .. } => Self::SEND_VERIFICATION_EMAIL,
            Self::SendRegistrationAttempt { .. } => Self::SEND_REGISTRATION_ATTEMPT,
        }
    }
    /// The order that the command is about, if any.
    pub const fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::SendOrderConfirmation { order_id, .. } => Some(*order_id),
            _ => None,
        }
    }
}
