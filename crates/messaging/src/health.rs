//! Whether a process that lives on RabbitMQ is connected to it, for its readiness.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

type Links = BTreeMap<&'static str, Result<(), String>>;

/// The connections of one process to RabbitMQ, each by its name.
#[derive(Debug, Clone, Default)]
pub struct BrokerHealth(Arc<Mutex<Links>>);

impl BrokerHealth {
    /// Adds a connection, which counts as down until it reports itself.
    pub fn watch(&self, name: &'static str) -> LinkHealth {
        let link = LinkHealth {
            name,
            all: self.clone(),
        };
        link.down(&"RabbitMQ has not been reached yet");
        link
    }

    /// Whether each connection is up.
    ///
    /// # Errors
    /// A sentence that names the first one that is down, and why.
    pub fn check(&self) -> Result<(), String> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let down = links.iter().find_map(|(name, state)| {
            let why = state.as_ref().err()?;
            Some(format!("{name}: {why}"))
        });
        down.map_or(Ok(()), Err)
    }
}

/// One connection, which reports its own state.
#[derive(Debug, Clone)]
pub struct LinkHealth {
    name: &'static str,
    all: BrokerHealth,
}

impl LinkHealth {
    pub(crate) fn up(&self) {
        self.report(Ok(()));
    }

    pub(crate) fn down(&self, why: &impl ToString) {
        self.report(Err(why.to_string()));
    }

    fn report(&self, state: Result<(), String>) {
        let mut links = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(self.name, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_connected_once_each_link_is() {
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
}
