//! Domain events: what one module of the shop tells the others, inside the same transaction.

use kernel::UserId;

/// An account was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRegistered {
    /// The account.
    pub user_id: UserId,
    /// How the person wants to be called.
    pub name: String,
}
