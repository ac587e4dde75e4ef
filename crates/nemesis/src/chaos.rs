//! Does what the schedule says, to the system that it started.

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
use testkit::{Fault, Proxy, Servers, System, Upstream};
use tokio::{sync::Mutex, task::block_in_place};

use crate::schedule::{Act, CLIENTS, How, Link, Round};

/// How often what was done.
#[derive(Debug, Default)]
struct Counters {
    kills: AtomicU64,
    stops: AtomicU64,
    pauses: AtomicU64,
    postgres_restarts: AtomicU64,
    rabbitmq_restarts: AtomicU64,
    sessions_ended: AtomicU64,
    links_broken: AtomicU64,
    restarted: AtomicU64,
}

/// How often what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Done {
    /// SIGKILLs of processes of ours.
    pub kills: u64,
    /// SIGTERMs.
    pub stops: u64,
    /// SIGSTOPs, each longer than a lease.
    pub pauses: u64,
    /// Crashes of PostgreSQL.
    pub postgres_restarts: u64,
    /// Crashes and restarts of RabbitMQ.
    pub rabbitmq_restarts: u64,
    /// PostgreSQL sessions ended from outside.
    pub sessions_ended: u64,
    /// Links that misbehaved.
    pub links_broken: u64,
    /// What those lost or cut: messages and connections.
    pub link_hits: u64,
    /// Processes that ended by themselves and were started again.
    pub restarted: u64,
}

/// What does it.
pub(crate) struct Chaos {
    system: Arc<System>,
    to_api: Proxy,
    to_payments: Proxy,
    /// One thing at a time is done to a process.
    processes: BTreeMap<&'static str, Mutex<()>>,
    postgres: Mutex<()>,
    rabbitmq: Mutex<()>,
    done: Counters,
}

impl Chaos {
    /// For a system that runs these processes.
    pub(crate) async fn new(system: Arc<System>, processes: &[&'static str]) -> Self {
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        Self {
            to_api: Proxy::new(address(&system.api_url)).await,
            to_payments: Proxy::new(address(&system.payments_url)).await,
            processes: processes
                .iter()
                .map(|name| (*name, Mutex::default()))
                .collect(),
            postgres: Mutex::default(),
            rabbitmq: Mutex::default(),
            done: Counters::default(),
            system,
        }
    }

    /// Where clients find the API and payments.
    pub(crate) fn urls(&self) -> (String, String) {
        let url = |proxy: &Proxy| format!("http://{}", proxy.address);
        (url(&self.to_api), url(&self.to_payments))
    }

    /// Plays a round; returns when all that ends has ended.
    pub(crate) async fn play(&self, round: &Round) {
        let events = round.events.iter().map(|event| async {
            tokio::time::sleep(event.at).await;
            self.act(event.act).await;
        });
        futures::future::join_all(events).await;
    }

    /// Starts again what ended by itself, as a supervisor does; for ever.
    pub(crate) async fn supervise(&self) {
        loop {
            for (process, lock) in &self.processes {
                // whoever holds it brings the process back
                let Ok(_mine) = lock.try_lock() else { continue };
                if !self.system.runs(process) {
                    self.done.restarted.fetch_add(1, SeqCst);
                    eprintln!("{process} ended by itself: starting it again");
                    self.system.launch(process).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What was done so far.
    pub(crate) fn done(&self) -> Done {
        let done = &self.done;
        Done {
            kills: done.kills.load(SeqCst),
            stops: done.stops.load(SeqCst),
            pauses: done.pauses.load(SeqCst),
            postgres_restarts: done.postgres_restarts.load(SeqCst),
            rabbitmq_restarts: done.rabbitmq_restarts.load(SeqCst),
            sessions_ended: done.sessions_ended.load(SeqCst),
            links_broken: done.links_broken.load(SeqCst),
            link_hits: self.system.link_hits() + self.to_api.hits() + self.to_payments.hits(),
            restarted: done.restarted.load(SeqCst),
        }
    }

    async fn act(&self, act: Act) {
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

    fn set(&self, link: Link, fault: Fault) {
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
        // while the server is down there is none to end
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
