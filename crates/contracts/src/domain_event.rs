//! Domain events: messages between the shop's modules, handled inside the same transaction.

use kernel::UserId;

/// An account was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRegistered {
    /// The account.
    pub user_id: UserId,
    /// The name by which the user wants to be addressed.
    pub name: String,
}
