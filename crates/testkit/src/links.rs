//! A proxy between each process and each of its upstreams.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Fault, Proxy};

/// The upstreams of the system's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// The process' own database.
    Postgres,
    /// The broker.
    RabbitMq,
    /// Used by the API and the workers.
    Payments,
    /// Used by payments: the keys that verify tokens.
    Api,
}

impl Upstream {
    /// A program's upstreams, each with the variable that holds its URL.
    fn of(binary: &str) -> &'static [(Self, &'static str)] {
        match binary {
            "api" => &[
                (Self::Postgres, "SHOP_DATABASE_URL"),
                (Self::Payments, "PAYMENTS_URL"),
            ],
            "payments" => &[
                (Self::Postgres, "PAYMENTS_DATABASE_URL"),
                (Self::RabbitMq, "AMQP_URL"),
                (Self::Api, "JWKS_URL"),
            ],
            _ => &[
                (Self::Postgres, "SHOP_DATABASE_URL"),
                (Self::RabbitMq, "AMQP_URL"),
                (Self::Payments, "PAYMENTS_URL"),
            ],
        }
    }
}

/// The links of a system's processes, created when a process is first started.
#[derive(Default)]
pub(crate) struct Links(Mutex<State>);

#[derive(Default)]
struct State {
    proxies: BTreeMap<(String, Upstream), Arc<Proxy>>,
    /// The current fault of all links to an upstream; links created later get it, too.
    faults: BTreeMap<Upstream, Fault>,
}

impl Links {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, process: &str, to: Upstream) -> Option<Arc<Proxy>> {
        self.state().proxies.get(&(process.to_owned(), to)).cloned()
    }

    /// The variables that route `process`, which runs `binary`, through its proxies.
    pub(crate) async fn variables(
        &self,
        process: &str,
        binary: &str,
        env: &BTreeMap<String, String>,
    ) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        for (to, variable) in Upstream::of(binary) {
            let url = &env[*variable];
            let address = authority(url);
            let proxy = if let Some(proxy) = self.get(process, *to) {
                proxy
            } else {
                let proxy = Arc::new(Proxy::new(address).await);
                let mut state = self.state();
                if let Some(fault) = state.faults.get(to) {
                    proxy.will(*fault);
                }
                let key = (process.to_owned(), *to);
                state.proxies.insert(key, Arc::clone(&proxy));
                proxy
            };
            variables.push((*variable, url.replacen(address, &proxy.address, 1)));
        }
        variables
    }

    pub(crate) fn link(&self, process: &str, to: Upstream) -> Arc<Proxy> {
        self.get(process, to)
            .unwrap_or_else(|| panic!("{process} was never started, or has no link to {to:?}"))
    }

    pub(crate) fn hits(&self) -> u64 {
        self.state()
            .proxies
            .values()
            .map(|proxy| proxy.hits())
            .sum()
    }

    pub(crate) fn fault(&self, to: Upstream, fault: Fault) {
        let mut state = self.state();
        state.faults.insert(to, fault);
        let links = state.proxies.iter();
        for (_, proxy) in links.filter(|((_, upstream), _)| *upstream == to) {
            proxy.will(fault);
        }
    }
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    rest.rsplit('@').next().unwrap_or(rest)
}
