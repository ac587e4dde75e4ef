//! Private PostgreSQL and RabbitMQ servers, for development and tests.
//!
//! The servers are found on the machine or installed with apt (without starting apt's own servers).
//! They keep their data in a given folder, listen on free ports of loopback only, and run as an
//! unprivileged user when we are root. Only processes started here are ever stopped: a process is
//! identified by its id *and* its start time.

mod install;
mod owner;
mod postgres;
mod process;
mod rabbitmq;

pub use install::{find_program, install};
pub use postgres::{Postgres, PostgresOptions};
pub use process::{Process, free_port, port_is_free};
pub use rabbitmq::RabbitMq;

/// An error, as one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn failed<T>(doing: &str, why: impl std::fmt::Display) -> Result<T> {
    Err(Error(format!("could not {doing}: {why}")))
}

pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T>;
}

impl<T, E: std::fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &str) -> Result<T> {
        self.or_else(|error| failed(what, error))
    }
}
