//! Shared test tools: fresh databases and vhosts on the servers of `cargo xtask test`, waiting for
//! a condition, a fake payments service that misbehaves on demand, and the whole system as real
//! processes.
//!
//! A development dependency only: no shipped crate uses it.

mod answer;
mod attack;
mod broker;
mod buyer;
mod collector;
mod level1;
mod links;
mod mail;
mod payments;
mod postgres;
mod processes;
mod proxy;
mod refused;
mod system;
mod wait;

pub use answer::{Answer, for_each_object};
pub use attack::{ATTACK, Attack, Target};
pub use broker::{foreign_client, publish, publish_failed, vhost};
pub use buyer::Buyer;
pub use collector::{Captured, Collector};
pub use level1::Level1;
pub use links::Upstream;
pub use mail::MailServer;
pub use payments::{FakePayments, Mode};
pub use postgres::{copy_of, database, payments_db, shop_db};
pub use proxy::{Fault, Proxy};
pub use refused::refused;
pub use system::{Release, Servers, StoredTransaction, System, SystemOptions};
pub use wait::{ended, eventually, eventually_some, hangs_up_in_pause, within};

/// A free port.
///
/// # Panics
/// When no port is free.
pub fn free_port() -> u16 {
    servers::free_port().expect("a port is free")
}

/// A variable that `cargo xtask test` sets.
///
/// When it is not set.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}
