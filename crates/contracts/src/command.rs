//! Async commands: what the shop asks its own async worker to do, through RabbitMQ `messages`.
//!
//! A command holds ids, never addresses: personal data is read when the command is handled.

use kernel::{OrderId, UserId};
use serde::{Deserialize, Serialize};

/// A command; its name is the AMQP `type` and routing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Greets a new user.
    SendWelcomeEmail {
        /// Whom.
        user_id: UserId,
    },
    /// Tells the buyer that the order is paid.
    SendOrderConfirmation {
        /// Whose order.
        user_id: UserId,
        /// Which order.
        order_id: OrderId,
    },
}

impl Command {
    /// Name of [`Command::SendWelcomeEmail`].
    pub const SEND_WELCOME_EMAIL: &'static str = "send_welcome_email";
    /// Name of [`Command::SendOrderConfirmation`].
    pub const SEND_ORDER_CONFIRMATION: &'static str = "send_order_confirmation";

    /// The command's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SendWelcomeEmail { .. } => Self::SEND_WELCOME_EMAIL,
            Self::SendOrderConfirmation { .. } => Self::SEND_ORDER_CONFIRMATION,
        }
    }
}
