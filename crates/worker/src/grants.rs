//! The roles of the processes in PostgreSQL and RabbitMQ, and their privileges: each role may do
//! its own work and nothing else. The migrate step creates the roles when `ROLES_DIR` is set.
//!
//! A role has the name of its process; the file of that name in the folder holds its password. Its
//! privileges in the databases are in [`shop.sql`](grants/shop.sql) and
//! [`payments.sql`](grants/payments.sql), its permissions at the broker in [`rabbitmq`]. No process
//! owns a table.

mod postgres;
mod rabbitmq;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;

pub(crate) use postgres::{Database, PAYMENTS, SHOP};
pub(crate) use rabbitmq::Broker;

/// All roles: the processes, the operator (through `shopctl`), and the read-only doctor.
pub(crate) const ROLES: [&str; 8] = [
    "api",
    "payments",
    "worker-saga",
    "worker-payments",
    "worker-async",
    "worker-relay",
    "operator",
    "doctor",
];

/// The passwords of all roles.
pub(crate) struct Passwords(BTreeMap<&'static str, String>);

impl Passwords {
    /// Reads the passwords, from one file per role.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |role| {
            let path = folder.join(role);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("ROLES_DIR: {} cannot be read", path.display()))?;
            let password = text.trim_end_matches(['\r', '\n']).to_owned();
            anyhow::ensure!(
                password.len() >= 16,
                "ROLES_DIR: the password in {} is shorter than 16 characters",
                path.display()
            );
            Ok((role, password))
        };
        ROLES
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn of(&self, role: &str) -> &str {
        self.0.get(role).map_or("", String::as_str)
    }
}
