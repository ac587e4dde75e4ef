//! Accounts: registration, login, refresh tokens and roles.
//!
//! - [`Auth`] has the use cases; each opens and commits its own transaction.
//! - A registration notifies the other modules by a synchronous domain event, in the same
//!   transaction, and queues the welcome mail. The response does not reveal whether the address
//!   already had an account: its owner gets a mail instead.
//! - Links in mails set a new password or verify an address: random, stored as hashes, used once.
//! - Passwords are argon2id; refresh tokens are random, stored as hashes, used once: a second use
//!   revokes the whole family, unless the response to the first use was lost.
//! - Wrong passwords cost a growing delay, which a stranger cannot impose on the owner.
//! - A family of refresh tokens is a session; [`hold`] checks whether a token's claims still hold.

mod account;
mod claim;
mod credentials;
mod login;
mod mail_link;
mod password;
mod policy;
mod session;
mod store;
mod throttle;

pub use account::{Auth, AuthConfig, AuthError, Profile, Registered, Role, Session};
pub use claim::{Claim, hold};
pub use login::{LoggedIn, Login, LoginError};
pub use mail_link::{
    LinkMail, LinkPurpose, issue_password_reset, issue_verification, purge_mail_links,
};
pub use password::{Hasher, PasswordError};
pub use session::{LiveSession, Which, end_sessions, list_sessions};
pub use store::{Contact, find_addresses, find_user, list_contacts, purge_refresh_tokens};
pub use throttle::purge_login_throttle;
