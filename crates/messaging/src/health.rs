//! Whether a process that depends on RabbitMQ is connected to it, for the readiness probe.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Connections = BTreeMap<&'static str, State>;

/// The state of one connection.
#[derive(Debug, Clone)]
struct State {
    /// Whether the connection is up; if not, why.
    up: Result<(), String>,
    access: Access,
}

/// Whether RabbitMQ accepts our user.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// The first attempt to connect has not ended.
    Untried,
    /// RabbitMQ did not answer.
    Unknown,
    /// RabbitMQ has accepted the user since this process started.
    Granted,
    Refused(String),
}

/// The RabbitMQ connections of one process, by name.
#[derive(Debug, Clone, Default)]
pub struct BrokerHealth(Arc<Mutex<Connections>>);

impl BrokerHealth {
    /// Adds a connection, which counts as down until its first report.
    pub fn watch(&self, name: &'static str) -> ConnectionHealth {
        let health = ConnectionHealth {
            name,
            all: self.clone(),
        };
        let state = State {
            up: Err("RabbitMQ has not been reached yet".to_owned()),
            access: Access::Untried,
        };
        health.connections().insert(name, state);
        health
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether each connection is up.
    ///
    /// # Errors
    /// A sentence that names the first one that is down, and why.
    pub fn check(&self) -> Result<(), String> {
        let connections = self.connections();
        let down = connections.iter().find_map(|(name, state)| {
            let why = state.up.as_ref().err()?;
            Some(format!("{name}: {why}"))
        });
        down.map_or(Ok(()), Err)
    }

    /// Whether RabbitMQ accepts our user, for a process that can wait for RabbitMQ. An unreachable
    /// RabbitMQ proves nothing, and a user that was accepted once may be refused later.
    ///
    /// # Errors
    /// A sentence that names the first connection that was refused and never accepted, or whose
    /// first attempt to connect has not ended.
    pub fn check_access(&self) -> Result<(), String> {
        let connections = self.connections();
        let refused = connections
            .iter()
            .find_map(|(name, state)| match &state.access {
                Access::Untried => Some(format!("{name}: RabbitMQ has not been tried yet")),
                Access::Refused(why) => Some(format!("{name}: {why}")),
                Access::Unknown | Access::Granted => None,
            });
        refused.map_or(Ok(()), Err)
    }
}

/// One connection, whose owner reports its state.
#[derive(Debug, Clone)]
pub struct ConnectionHealth {
    name: &'static str,
    all: BrokerHealth,
}

impl ConnectionHealth {
    pub(crate) fn up(&self) {
        self.report(Ok(()), Some(Access::Granted));
    }

    pub(crate) fn down(&self, why: &impl ToString) {
        self.report(Err(why.to_string()), None);
    }

    /// As [`ConnectionHealth::down`], for a connection attempt that failed. `refused` means that
    /// RabbitMQ does not accept our user.
    pub(crate) fn unconnected(&self, why: &impl ToString, refused: bool) {
        let why = why.to_string();
        let access = if refused {
            Access::Refused(why.clone())
        } else {
            Access::Unknown
        };
        self.report(Err(why), Some(access));
    }

    fn report(&self, up: Result<(), String>, access: Option<Access>) {
        let mut connections = self.connections();
        let Some(state) = connections.get_mut(self.name) else {
            return;
        };
        state.up = up;
        let Some(access) = access else {
            return;
        };
        // an unreachable broker does not revoke an earlier refusal
        let stays = matches!(
            (&state.access, &access),
            (Access::Granted, _) | (Access::Refused(_), Access::Unknown)
        );
        if !stays {
            state.access = access;
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.all.connections()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_connected_once_each_connection_is() {
        let health = BrokerHealth::default();
        assert_eq!(health.check(), Ok(()));
        let (relay, queue) = (health.watch("relay"), health.watch("messages"));
        relay.up();
        assert_eq!(
            health.check(),
            Err("messages: RabbitMQ has not been reached yet".to_owned())
        );
        queue.up();
        assert_eq!(health.check(), Ok(()));
        relay.down(&"access refused");
        assert_eq!(health.check(), Err("relay: access refused".to_owned()));
    }

    #[test]
    fn access_is_refused_until_it_is_granted_once() {
        let health = BrokerHealth::default();
        assert_eq!(health.check_access(), Ok(()));
        let relay = health.watch("relay");
        assert!(health.check_access().is_err(), "not tried yet");
        relay.unconnected(&"no answer", false);
        assert_eq!(health.check_access(), Ok(()));
        relay.unconnected(&"ACCESS_REFUSED", true);
        relay.unconnected(&"no answer", false);
        assert_eq!(
            health.check_access(),
            Err("relay: ACCESS_REFUSED".to_owned())
        );
        relay.up();
        relay.unconnected(&"ACCESS_REFUSED", true);
        assert_eq!(health.check_access(), Ok(()));
        assert!(health.check().is_err());
    }
}
