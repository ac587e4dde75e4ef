//! Injects outages into the servers of a system.

use std::{
    fmt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::{Fault, MailServer, System, Upstream};
use tokio::{sync::Mutex, task::block_in_place};

use crate::schedule::{Outage, ReadOnly, Resource, Row};

/// Most copies of a mail: a crash between sending a mail and recording it causes one extra copy.
const COPIES: usize = 2;
/// How long the session that takes a row lock waits for it.
const ROW_TIMEOUT: &str = "set lock_timeout = '2s'";

/// Number of injected outages, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OutagesPlayed {
    /// Times that a database became read-only.
    pub read_only: u64,
    /// Row locks held by another session.
    pub locks: u64,
    /// Alarms of the broker.
    pub alarms: u64,
    /// Backends of PostgreSQL that were stopped.
    pub frozen_backends: u64,
    /// Times that payments was slow for all callers.
    pub slow_payments: u64,
    /// Times that the mail server fell silent.
    pub silent_mail: u64,
    /// Bindings that were removed for a while.
    pub unbound: u64,
}

impl fmt::Display for OutagesPlayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} · {} · {} · {} · {} · {} · {}",
            self.read_only,
            self.locks,
            self.alarms,
            self.frozen_backends,
            self.slow_payments,
            self.silent_mail,
            self.unbound
        )
    }
}

#[derive(Debug, Default)]
struct Counters {
    read_only: AtomicU64,
    locks: AtomicU64,
    alarms: AtomicU64,
    frozen_backends: AtomicU64,
    slow_payments: AtomicU64,
    silent_mail: AtomicU64,
    unbound: AtomicU64,
}

/// Injects outages.
pub(crate) struct Outages {
    mail: MailServer,
    played: Counters,
    read_only: Mutex<()>,
    alarm: Mutex<()>,
    binding: Mutex<()>,
}

impl Outages {
    /// Starts with a mail server of its own.
    pub(crate) async fn new() -> Self {
        Self {
            mail: MailServer::start().await,
            played: Counters::default(),
            read_only: Mutex::default(),
            alarm: Mutex::default(),
            binding: Mutex::default(),
        }
    }

    /// The URL at which workers reach the mail server.
    pub(crate) fn smtp_url(&self) -> String {
        format!("smtp://{}", self.mail.address)
    }

    /// Number of outages injected so far, by kind.
    pub(crate) fn played(&self) -> OutagesPlayed {
        let played = &self.played;
        OutagesPlayed {
            read_only: played.read_only.load(SeqCst),
            locks: played.locks.load(SeqCst),
            alarms: played.alarms.load(SeqCst),
            frozen_backends: played.frozen_backends.load(SeqCst),
            slow_payments: played.slow_payments.load(SeqCst),
            silent_mail: played.silent_mail.load(SeqCst),
            unbound: played.unbound.load(SeqCst),
        }
    }

    /// Mails that were sent too often.
    pub(crate) fn repeated_mails(&self) -> Vec<String> {
        let copies = self.mail.copies().into_iter();
        let repeated = copies.filter(|(_, times)| *times > COPIES);
        repeated
            .map(|(id, times)| format!("mail {id} was sent {times} times"))
            .collect()
    }

    /// Plays one outage; returns when it is over.
    pub(crate) async fn play(&self, system: &System, outage: Outage) {
        match outage {
            Outage::ReadOnly { how, time } => {
                let _alone = self.read_only.lock().await;
                self.played.read_only.fetch_add(1, SeqCst);
                read_only(system, how, time).await;
            }
            Outage::Lock { row, nth, time } => match hold(system, row, nth).await {
                Ok(holder) => {
                    self.played.locks.fetch_add(1, SeqCst);
                    tokio::time::sleep(time).await;
                    drop(holder);
                }
                Err(error) => eprintln!("no {row:?} to hold: {error}"),
            },
            Outage::Alarm { of, time } => {
                let _alone = self.alarm.lock().await;
                self.played.alarms.fetch_add(1, SeqCst);
                let (raise, clear) = match of {
                    Resource::Disk => (
                        ["set_disk_free_limit", "9000GB"],
                        ["set_disk_free_limit", "50MB"],
                    ),
                    Resource::Memory => (
                        ["set_vm_memory_high_watermark", "0.0001"],
                        ["set_vm_memory_high_watermark", "0.4"],
                    ),
                };
                control(system, &raise);
                tokio::time::sleep(time).await;
                control(system, &clear);
            }
            Outage::FrozenBackend { nth, time } => {
                let Some(backend) = backend(system, nth).await else {
                    return;
                };
                self.played.frozen_backends.fetch_add(1, SeqCst);
                signal(backend, Signal::SIGSTOP);
                tokio::time::sleep(time).await;
                signal(backend, Signal::SIGCONT);
            }
            Outage::SlowPayments { delay, time } => {
                self.played.slow_payments.fetch_add(1, SeqCst);
                system.fault(Upstream::Payments, Fault::SlowAnswers(delay));
                tokio::time::sleep(time).await;
                system.fault(Upstream::Payments, Fault::None);
            }
            Outage::SilentMail { time } => {
                self.played.silent_mail.fetch_add(1, SeqCst);
                self.mail.hangs(true);
                tokio::time::sleep(time).await;
                self.mail.hangs(false);
            }
            Outage::Unbound { key, foreign, time } => {
                let _alone = self.binding.lock().await;
                self.played.unbound.fetch_add(1, SeqCst);
                unbound(system, key, foreign, time).await;
            }
        }
    }
}

async fn read_only(system: &System, how: ReadOnly, time: Duration) {
    let (variable, database) = match how {
        ReadOnly::Server | ReadOnly::Shop => ("SHOP_DATABASE_URL", "shop"),
        ReadOnly::Payments => ("PAYMENTS_DATABASE_URL", "payments"),
    };
    let (begin, end) = match how {
        ReadOnly::Server => (
            [
                "alter system set default_transaction_read_only = on".to_owned(),
                "select pg_reload_conf()".to_owned(),
            ],
            [
                "alter system reset default_transaction_read_only".to_owned(),
                "select pg_reload_conf()".to_owned(),
            ],
        ),
        // sessions opened in the meantime stay read-only: a failover behind one address has the
        // same effect
        ReadOnly::Shop | ReadOnly::Payments => (
            [
                format!("alter database {database} set default_transaction_read_only = on"),
                format!(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = '{database}' and application_name ~ '^(api|worker|payments)'"
                ),
            ],
            [
                "set default_transaction_read_only = off".to_owned(),
                format!("alter database {database} reset default_transaction_read_only"),
            ],
        ),
    };
    run(system.setting(variable), &begin).await;
    tokio::time::sleep(time).await;
    run(system.setting(variable), &end).await;
}

/// Runs statements on a session of their own, each in its own transaction.
async fn run(url: &str, statements: &[String]) {
    let conn = PgConnection::connect(url).await;
    let mut conn = conn.expect("the server answers: nothing else stops it in this mode");
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut conn)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    conn.close().await.ok();
}

/// Opens a session that holds a row lock until it is dropped.
async fn hold(system: &System, row: Row, nth: u32) -> sqlx::Result<PgConnection> {
    let statement = match row {
        Row::Saga => {
            "select from saga.saga where saga_id = (
                 select saga_id from saga.saga where state not in ('completed', 'compensated')
                 order by saga_id desc limit 1 offset $1)
             for update"
        }
        Row::Order => {
            r#"select from commerce."order" where order_id = (
                   select order_id from commerce."order" where status not in ('completed', 'canceled')
                   order by order_id desc limit 1 offset $1)
               for update"#
        }
        // one of the products that clients buy
        Row::Stock => {
            "select from commerce.stock where product_id = (
                 select product_id from commerce.stock order by product_id limit 1 offset $1 % 5)
             for update"
        }
    };
    let mut conn = PgConnection::connect(system.setting("SHOP_DATABASE_URL")).await?;
    sqlx::raw_sql(ROW_TIMEOUT).execute(&mut conn).await?;
    sqlx::raw_sql("begin").execute(&mut conn).await?;
    sqlx::query(statement)
        .bind(i64::from(nth))
        .fetch_one(&mut conn)
        .await?;
    Ok(conn)
}

fn control(system: &System, arguments: &[&str]) {
    let servers = system.servers.as_ref();
    let servers = servers.expect("it has servers of its own");
    block_in_place(|| {
        let rabbitmq = servers.rabbitmq.lock().expect("nobody panics with it");
        rabbitmq
            .control(arguments)
            .expect("rabbitmqctl reaches the broker");
    });
}

fn manage(system: &System, method: &str, path: &str, body: &str) {
    let servers = system.servers.as_ref();
    let servers = servers.expect("it has servers of its own");
    block_in_place(|| {
        let rabbitmq = servers.rabbitmq.lock().expect("nobody panics with it");
        if let Err(error) = rabbitmq.management(method, path, body) {
            // a worker has repaired it in the meantime
            eprintln!("{error}");
        }
    });
}

/// The backend process of one of our sessions.
async fn backend(system: &System, nth: u32) -> Option<Pid> {
    let pid: i32 = sqlx::query_scalar(
        "with ours as (
             select pid from pg_stat_activity
             where backend_type = 'client backend' and application_name ~ '^(api|worker|payments)'
         )
         select pid from ours order by pid limit 1 offset $1 % greatest((select count(*) from ours), 1)",
    )
    .bind(i64::from(nth))
    .fetch_optional(&system.shop)
    .await
    .ok()??;
    Some(Pid::from_raw(pid))
}

/// Sends a signal to a backend, but not to another process that has reused its id.
fn signal(backend: Pid, signal: Signal) {
    let name = std::fs::read_to_string(Path::new("/proc").join(backend.to_string()).join("comm"));
    if name.is_ok_and(|name| name.trim() == "postgres") {
        kill(backend, signal).ok();
    }
}

async fn unbound(system: &System, key: &str, foreign: bool, time: Duration) {
    let bindings = "/api/bindings/%2f/e/payments_events/q";
    let bind = format!(r#"{{"routing_key": "{key}"}}"#);
    if foreign {
        let queue = r#"{"durable": true, "arguments": {"x-max-length": 10}}"#;
        manage(system, "PUT", "/api/queues/%2f/foreign", queue);
        manage(system, "POST", &format!("{bindings}/foreign"), &bind);
    }
    let ours = format!("{bindings}/payments_events_queue");
    manage(system, "DELETE", &format!("{ours}/{key}"), "");
    tokio::time::sleep(time).await;
    manage(system, "POST", &ours, &bind);
    if foreign {
        manage(system, "DELETE", "/api/queues/%2f/foreign", "");
    }
}
