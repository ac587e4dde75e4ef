//! Sessions and migrations, against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod lanes;
mod migrating;
mod sessions;
