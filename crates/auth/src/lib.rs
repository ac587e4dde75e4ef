//! Accounts: registration, login, refresh tokens and roles.
//!
//! - [`Auth`] has the use cases; each opens and commits its own transaction.
//! - Registering tells the other modules by a synchronous domain event, in the same transaction,
//!   and queues the welcome mail.
//! - Passwords are argon2id; refresh tokens are random, stored as hashes, used once: a second use
//!   revokes the whole family, unless the first one's answer was lost.

mod account;
mod password;
mod store;

pub use account::{Auth, AuthConfig, AuthError, Profile, Role, Session};
pub use password::{Hasher, PasswordError};
pub use store::{Contact, find_address, find_user, list_contacts, purge_refresh_tokens};
