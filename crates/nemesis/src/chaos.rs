//! Injects the schedule's faults into the system under test.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use serde::Serialize;
use testkit::{Fault, Proxy, Servers, System, Upstream, eventually};
use tokio::{sync::Mutex, task::block_in_place};

use crate::{
    client::lock,
    outages::{Outages, OutagesPlayed},
    schedule::{Act, CLIENTS, How, NetworkLink, Round},
};

/// How long a process may take to stop: less than every grace period in k8s/.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Number of injected faults, by kind.
#[derive(Debug, Default)]
struct Counters {
    kills: AtomicU64,
    stops: AtomicU64,
    replaced: AtomicU64,
    pauses: AtomicU64,
    postgres_restarts: AtomicU64,
    rabbitmq_restarts: AtomicU64,
    sessions_ended: AtomicU64,
    links_broken: AtomicU64,
    restarted: AtomicU64,
}

/// Number of injected faults, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Done {
    /// SIGKILLs of the shop's and payments' processes.
    pub kills: u64,
    /// SIGTERMs.
    pub stops: u64,
    /// Processes replaced by a new one.
    pub replaced: u64,
    /// SIGSTOPs, each longer than a lease.
    pub pauses: u64,
    /// Crashes of PostgreSQL.
    pub postgres_restarts: u64,
    /// Crashes and restarts of RabbitMQ.
    pub rabbitmq_restarts: u64,
    /// PostgreSQL sessions ended from outside.
    pub sessions_ended: u64,
    /// Links that were disturbed.
    pub links_broken: u64,
    /// Messages and connections that those links dropped or cut.
    pub link_hits: u64,
    /// Processes that exited by themselves and were started again.
    pub restarted: u64,
    /// Outages of dependencies; outages mode only.
    #[serde(flatten)]
    pub outages: Option<OutagesPlayed>,
}

/// Injects the faults.
pub(crate) struct Chaos {
    system: Arc<System>,
    to_api: Proxy,
    to_payments: Proxy,
    /// The current name of each process; a replacement has another name. The lock admits one fault
    /// at a time to a process.
    processes: BTreeMap<&'static str, Mutex<String>>,
    /// Environment variables in addition to those that the system sets.
    env: Vec<(&'static str, String)>,
    postgres: Mutex<()>,
    rabbitmq: Mutex<()>,
    done: Counters,
    outages: Option<Outages>,
    /// Shutdowns that were not clean.
    unclean: std::sync::Mutex<Vec<String>>,
}

impl Chaos {
    /// Prepares chaos for a system that runs these processes.
    pub(crate) async fn new(
        system: Arc<System>,
        processes: &[&'static str],
        outages: Option<Outages>,
    ) -> Self {
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        let (api, payments) = (address(&system.api_url), address(&system.payments_url));
        let to_api = Proxy::new(api.clone()).await;
        let to_payments = Proxy::new(payments.clone()).await;
        let mut env = Vec::new();
        if !processes.contains(&"api") {
            // several of each: all clients reach them through the load balancers
            to_api.detach(&api);
            to_payments.detach(&payments);
            let keys = format!("http://{}/.well-known/jwks.json", to_api.address);
            env.push(("JWKS_URL", keys));
            env.push(("PAYMENTS_URL", format!("http://{}", to_payments.address)));
        }
        Self {
            to_api,
            to_payments,
            processes: processes
                .iter()
                .map(|name| (*name, Mutex::new((*name).to_owned())))
                .collect(),
            env,
            postgres: Mutex::default(),
            rabbitmq: Mutex::default(),
            done: Counters::default(),
            outages,
            unclean: std::sync::Mutex::default(),
            system,
        }
    }

    /// Starts a process, waits until it is ready, and only then routes requests to it.
    pub(crate) async fn start(&self, name: &str) {
        let env: Vec<_> = self
            .env
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.system.spawn_with(name, &env).await;
        if let Some(address) = self.system.address(name) {
            self.balancer(name).attach(address);
        }
    }

    /// Waits until every process is ready.
    pub(crate) async fn ready(&self) {
        for name in self.processes.values() {
            self.is_up(&name.lock().await).await;
        }
    }

    async fn is_up(&self, name: &str) {
        eventually(&format!("{name} to be ready"), || {
            self.system.is_ready(name)
        })
        .await;
    }

    /// Shutdowns that were not clean although nothing was wrong.
    pub(crate) fn unclean(&self) -> Vec<String> {
        lock(&self.unclean).clone()
    }

    fn balancer(&self, name: &str) -> &Proxy {
        if name.starts_with("api") {
            &self.to_api
        } else {
            &self.to_payments
        }
    }

    /// Stops routing requests to the process, then sends SIGTERM: it must record its end,
    /// release its claims and exit with 0.
    async fn retire(&self, name: &str) {
        if let Some(address) = self.system.address(name) {
            self.balancer(name).detach(&address);
        }
        let pid = self
            .system
            .pid(name)
            .and_then(|pid| i32::try_from(pid).ok());
        let holder: sqlx::Result<Option<String>> = sqlx::query_scalar(
            "select process from saga.heartbeat where pid = $1 order by started_at desc limit 1",
        )
        .bind(pid)
        .fetch_optional(&self.system.shop)
        .await;
        let status = self.system.retire(name, STOP_TIMEOUT).await;
        let left: sqlx::Result<(i64, i64)> = sqlx::query_as(
            "select (select count(*) from messaging.outbox where holder = $1),
                    (select count(*) from saga.heartbeat where process = $1 and stopped_at is null)",
        )
        .bind(holder.as_ref().ok().cloned().flatten())
        .fetch_one(&self.system.shop)
        .await;
        let mut unclean = lock(&self.unclean);
        if !status.success() {
            unclean.push(format!("{name} was told to stop and ended with {status}"));
        }
        if !matches!((&holder, &left), (Ok(_), Ok((0, 0)))) {
            unclean.push(format!(
                "{name} ended and left (entries that it holds, heartbeats) {left:?}"
            ));
        }
    }

    /// The URLs at which clients reach the API and payments.
    pub(crate) fn urls(&self) -> (String, String) {
        let url = |proxy: &Proxy| format!("http://{}", proxy.address);
        (url(&self.to_api), url(&self.to_payments))
    }

    /// Plays a round; returns when all temporary faults are over.
    pub(crate) async fn play(&self, round: &Round) {
        let events = round.events.iter().map(|event| async {
            tokio::time::sleep(event.at).await;
            self.inject(event.act).await;
        });
        futures::future::join_all(events).await;
    }

    /// Restarts processes that exited by themselves, as a supervisor does; never returns.
    pub(crate) async fn supervise(&self) {
        loop {
            for name in self.processes.values() {
                // a held lock means that a fault is in progress, which restarts the process itself
                let Ok(name) = name.try_lock() else { continue };
                if !self.system.runs(&name) {
                    self.done.restarted.fetch_add(1, SeqCst);
                    eprintln!("{name} ended by itself: starting it again");
                    self.system.launch(&name).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Mails that were sent too often, if the system uses our mail server.
    pub(crate) fn repeated_mails(&self) -> Vec<String> {
        let outages = self.outages.as_ref();
        outages.map(Outages::repeated_mails).unwrap_or_default()
    }

    /// Number of faults injected so far.
    pub(crate) fn done(&self) -> Done {
        let done = &self.done;
        Done {
            kills: done.kills.load(SeqCst),
            stops: done.stops.load(SeqCst),
            replaced: done.replaced.load(SeqCst),
            pauses: done.pauses.load(SeqCst),
            postgres_restarts: done.postgres_restarts.load(SeqCst),
            rabbitmq_restarts: done.rabbitmq_restarts.load(SeqCst),
            sessions_ended: done.sessions_ended.load(SeqCst),
            links_broken: done.links_broken.load(SeqCst),
            link_hits: self.system.link_hits() + self.to_api.hits() + self.to_payments.hits(),
            restarted: done.restarted.load(SeqCst),
            outages: self.outages.as_ref().map(Outages::played),
        }
    }

    async fn inject(&self, act: Act) {
        let system = &self.system;
        match act {
            Act::Kill { process, down } => {
                let _mine = self.processes[process].lock().await;
                self.done.kills.fetch_add(1, SeqCst);
                block_in_place(|| system.kill(process));
                tokio::time::sleep(down).await;
                system.launch(process).await;
            }
            Act::KillForGood { process } => {
                std::mem::forget(self.processes[process].lock().await);
                self.done.kills.fetch_add(1, SeqCst);
                block_in_place(|| system.kill(process));
            }
            Act::Stop { process } => {
                let _mine = self.processes[process].lock().await;
                self.done.stops.fetch_add(1, SeqCst);
                block_in_place(|| system.stop(process));
                system.launch(process).await;
            }
            Act::Retire { process, down } => {
                let name = self.processes[process].lock().await;
                self.done.stops.fetch_add(1, SeqCst);
                // a process that has just started has no SIGTERM handler yet: the signal would
                // simply kill it
                eventually(&format!("{name} to live"), || async {
                    system.admin(&name, "/livez").await.is_some()
                })
                .await;
                self.retire(&name).await;
                tokio::time::sleep(down).await;
                system.launch(&name).await;
            }
            Act::Replace { process } => {
                let mut name = self.processes[process].lock().await;
                let number = self.done.replaced.fetch_add(1, SeqCst) + 1;
                let next = format!("{process}.{number}");
                self.start(&next).await;
                self.retire(&name).await;
                *name = next;
            }
            Act::Pause { process, time } => {
                let _mine = self.processes[process].lock().await;
                self.done.pauses.fetch_add(1, SeqCst);
                system.signal(process, Signal::SIGSTOP);
                tokio::time::sleep(time).await;
                system.signal(process, Signal::SIGCONT);
            }
            Act::Postgres(how) => {
                let _mine = self.postgres.lock().await;
                self.done.postgres_restarts.fetch_add(1, SeqCst);
                block_in_place(|| restart_postgres(servers(system), how));
            }
            Act::RabbitMq(how) => {
                let _mine = self.rabbitmq.lock().await;
                self.done.rabbitmq_restarts.fetch_add(1, SeqCst);
                block_in_place(|| restart_rabbitmq(servers(system), how));
            }
            Act::EndSessions => self.end_sessions().await,
            Act::Outage(outage) => {
                let outages = self.outages.as_ref();
                let outages = outages.expect("only outages mode plays them");
                outages.play(system, outage).await;
            }
            Act::Break { link, fault, time } => {
                self.done.links_broken.fetch_add(1, SeqCst);
                self.set(link, fault);
                tokio::time::sleep(time).await;
                self.set(link, Fault::None);
            }
            Act::BreakForGood { link, fault } => {
                self.done.links_broken.fetch_add(1, SeqCst);
                self.set(link, fault);
            }
        }
    }

    fn set(&self, link: NetworkLink, fault: Fault) {
        match (link.from, link.to) {
            (CLIENTS, Upstream::Api) => self.to_api.will(fault),
            (CLIENTS, _) => self.to_payments.will(fault),
            (process, to) => self.system.link(process, to).will(fault),
        }
    }

    async fn end_sessions(&self) {
        let ended: sqlx::Result<i64> = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where application_name ~ '^(api|worker|payments)'",
        )
        .fetch_one(&self.system.shop)
        .await;
        // while the server is down there is no session to end
        let ended = ended.ok().and_then(|ended| u64::try_from(ended).ok());
        self.done
            .sessions_ended
            .fetch_add(ended.unwrap_or_default(), SeqCst);
    }
}

fn servers(system: &System) -> &Servers {
    system.servers.as_ref().expect("it has servers of its own")
}

fn restart_postgres(servers: &Servers, how: How) {
    let mut postgres = servers.postgres.lock().expect("nobody panics with it");
    match how {
        How::Stop => postgres.stop_immediate(),
        How::Kill => postgres.kill(),
    }
    postgres.launch().expect("PostgreSQL starts again");
}

fn restart_rabbitmq(servers: &Servers, how: How) {
    let mut rabbitmq = servers.rabbitmq.lock().expect("nobody panics with it");
    match how {
        How::Stop => rabbitmq.stop(),
        How::Kill => rabbitmq.kill(),
    }
    rabbitmq.launch().expect("RabbitMQ starts again");
}
