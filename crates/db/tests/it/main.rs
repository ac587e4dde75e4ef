//! Sessions and migrations, against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod lanes;
mod migrating;
mod sessions;
