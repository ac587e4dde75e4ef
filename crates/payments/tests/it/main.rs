//! The payments service through its router, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod beginning;
mod deciding;
mod documents;
mod edge;
mod initiating;
mod races;
mod reading;
mod sessions;
mod speaking;
mod support;
