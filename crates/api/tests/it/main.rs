//! The shop's modules put together as the API does it, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod registering;
