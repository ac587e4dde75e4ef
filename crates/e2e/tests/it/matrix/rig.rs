//! A system whose processes die at given points, and are restarted.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};
use nix::sys::signal::Signal;
use testkit::{Level1, System, SystemOptions, eventually, eventually_some};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::{
    Service,
    client::{Accepted, Client, register},
    plays::Play,
};

const ROLES: [&str; 3] = ["payments", "api", "worker"];

/// Most repetitions of a play until its point has been hit often enough.
const MAX_REPETITIONS: usize = 4;

/// A place in a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) role: &'static str,
    pub(super) name: String,
}

pub(super) struct Rig {
    pub(super) system: System,
    dir: PathBuf,
    /// The payments service, if it is none of our processes.
    level1: Option<Level1>,
    email: String,
    ledger: AsyncMutex<Vec<Accepted>>,
    nonsense: Mutex<Vec<String>>,
    /// When a process was found dead.
    died: Mutex<Option<Instant>>,
}

impl Rig {
    /// Starts a system with short leases, optionally with a deadline for payments in milliseconds.
    pub(super) async fn start(service: Service, deadline: Option<u32>) -> Self {
        let mut env: Vec<(&'static str, String)> = [
            ("SAGA_LEASE_MS", "300"),
            ("SAGA_CALL_TIMEOUT_MS", "200"),
            ("SAGA_LEASE_MARGIN_MS", "100"),
            ("SAGA_RETRY_BASE_MS", "50"),
            ("SAGA_RETRY_CAP_MS", "200"),
            ("RELAY_LEASE_MS", "800"),
            ("ORDER_WAIT_MS", "1000"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        if let Some(ms) = deadline {
            env.push(("PAYMENT_DEADLINE_MS", ms.to_string()));
        }
        let options = SystemOptions {
            env: env.into_iter().collect(),
            level1: service == Service::Level1,
            ..SystemOptions::default()
        };
        let system = System::prepare(options).await;
        sqlx::query("update commerce.stock set received = 1000000")
            .execute(&system.shop)
            .await
            .unwrap();
        let dev = std::env::var("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
        let dir = PathBuf::from(dev)
            .join("run")
            .join(format!("crash-{}", Uuid::new_v4().simple()));
        let level1 = match service {
            Service::Ours => None,
            Service::Level1 => Some(Level1::start(&system).await),
        };
        let mut rig = Self {
            system,
            dir,
            level1,
            email: String::new(),
            ledger: AsyncMutex::default(),
            nonsense: Mutex::default(),
            died: Mutex::default(),
        };
        for role in rig.roles() {
            fs::create_dir_all(rig.dir.join(role)).unwrap();
            rig.spawn(role).await;
        }
        rig.email = register(&rig.system).await;
        rig.settle().await;
        rig
    }

    /// The processes that are killed.
    fn roles(&self) -> &'static [&'static str] {
        &ROLES[usize::from(self.level1.is_some())..]
    }

    async fn spawn(&self, role: &str) {
        let dir = self.dir.join(role);
        let env = [("CRASH_DIR", dir.to_str().unwrap())];
        self.system.spawn_with(role, &env).await;
    }

    /// Sends a signal to a process, as soon as it runs.
    pub(super) async fn signal(&self, role: &str, signal: Signal) {
        eventually(&format!("{role} to run"), || async {
            self.system.try_signal(role, signal)
        })
        .await;
    }

    /// Plays once, without a kill; returns the points passed.
    pub(super) async fn record(&self, play: Play) -> BTreeSet<Point> {
        let client = Client::log_in(&self.system, &self.email).await;
        let before = ROLES.map(|role| self.hits(role).len());
        self.perform(play, &client).await;
        self.settle().await;
        let mut passed = BTreeSet::new();
        for (role, before) in ROLES.into_iter().zip(before) {
            let names = self.hits(role).into_iter().skip(before);
            passed.extend(names.map(|name| Point { role, name }));
        }
        passed
    }

    fn hits(&self, role: &str) -> Vec<String> {
        let hits = fs::read_to_string(self.dir.join(role).join("hits")).unwrap_or_default();
        hits.lines().map(str::to_owned).collect()
    }

    /// Plays until a process has died at the n-th hit of a point, and checks everything once all
    /// has come to rest; returns the time from the death until then.
    pub(super) async fn crash(&self, play: Play, point: &Point, hit: u32) -> Duration {
        let what = format!(
            "{} killed at {} ({hit}) in `{}`",
            point.role,
            point.name,
            play.name()
        );
        let client = Client::log_in(&self.system, &self.email).await;
        self.settle().await;
        let known = self.ledger.lock().await.len();
        *self.died.lock().unwrap() = None;
        let at = self.dir.join(point.role).join("at");
        let draft = at.with_extension("draft");
        fs::write(&draft, format!("SIGKILL {} {hit}", point.name)).unwrap();
        fs::rename(&draft, &at).unwrap(); // atomically
        self.guarded(async {
            for _ in 0..MAX_REPETITIONS {
                self.perform(play, &client).await;
                self.settle().await;
                if !at.exists() {
                    // it may have died at the very end: wait until it is found, restarted and at
                    // rest
                    eventually("its death to be found", || async {
                        self.died.lock().unwrap().is_some()
                    })
                    .await;
                    return self.settle().await;
                }
            }
            panic!("{what}: the point was not hit");
        })
        .await;
        let died = self.died.lock().unwrap().take();
        let died = died.unwrap_or_else(|| panic!("{what}: it did not die"));
        let took = died.elapsed();
        eprintln!("{what}: at rest after {} ms", took.as_millis());
        self.system.assert_whole().await;
        let ledger = self.ledger.lock().await;
        client.compare(&ledger[known..]).await;
        let orders: i64 = sqlx::query_scalar("select count(*) from commerce.\"order\"")
            .fetch_one(&self.system.shop)
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(orders).unwrap(),
            ledger.len(),
            "{what}: each intent made one order"
        );
        took
    }

    async fn perform(&self, play: Play, client: &Client<'_>) {
        let accepted = play.perform(self, client).await;
        self.ledger.lock().await.extend(accepted);
    }

    /// Runs `work`, and restarts every process that dies meanwhile.
    async fn guarded(&self, work: impl Future<Output = ()>) {
        let revive = async {
            loop {
                if let Some((role, status)) = self.system.fallen() {
                    assert_eq!(status.signal(), Some(9), "{role} ended by itself: {status}");
                    *self.died.lock().unwrap() = Some(Instant::now());
                    self.spawn(&role).await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = revive => unreachable!("it goes on for ever"),
        }
    }

    /// Expects a message with this body in `failed` at the end.
    pub(super) fn expect_failed(&self, body: &str) {
        self.nonsense.lock().unwrap().push(body.to_owned());
    }

    /// How often the worker has put a message into a retry queue.
    pub(super) fn rungs(&self) -> usize {
        let hits = self.hits("worker");
        let rungs = hits
            .iter()
            .filter(|hit| *hit == "ladder.publish.after_confirm");
        rungs.count()
    }

    /// Waits until a message is in a retry queue that was in none when `rungs` was `before`.
    pub(super) async fn climbs(&self, before: usize) {
        eventually("the message to be in a delay queue", || async {
            self.rungs() > before
        })
        .await;
    }

    fn level1(&self) -> &Level1 {
        let level1 = self.level1.as_ref();
        level1.expect("this play is of level 1 only")
    }

    /// Whether payments loses the answers to creations from now on.
    pub(super) fn lose_answers(&self, lose: bool) {
        self.level1().lose_answers(lose);
    }

    /// The id of an order's transaction, which the shop may not know yet.
    pub(super) async fn transaction(&self, order: &str) -> String {
        let found = eventually_some("payments to have the transaction", || {
            self.level1().transaction(order)
        });
        found.await.0
    }

    /// Waits until every process is up, every saga is at rest, every message is published and
    /// handled, every mail is recorded, and every undecodable message, and no other, is in `failed`.
    async fn settle(&self) {
        self.system.settle().await;
        let connection =
            Connection::connect(&self.system.amqp_url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        eventually("all messages to be handled and all processes to run", || async {
            let mut left = 0;
            for queue in ["payments_events_queue", "messages"] {
                left += count(&channel, queue).await;
                for delay in [1, 2, 4] {
                    left += count(&channel, &format!("{queue}.retry.{delay}s")).await;
                }
            }
            let mails: (i64, i64) = sqlx::query_as(
                // a registration whose answer was lost is sent again, and notifies the owner
                "select (select count(*) from auth.\"user\") + (select count(*) from commerce.\"order\" where status = 'completed')
                      + (select count(*) from auth.mail_request where purpose = 'registration'),
                        (select count(*) from messaging.inbox where consumer = 'messages')",
            )
            .fetch_one(&self.system.shop)
            .await
            .unwrap();
            left == 0 && mails.0 == mails.1 && self.roles().iter().all(|role| self.system.runs(role))
        })
        .await;
        eventually(
            "`failed` to hold each undecodable message and no other",
            || async {
                let expected = self.nonsense.lock().unwrap().iter().cloned().collect();
                failed(&connection).await == expected
            },
        )
        .await;
        connection.close(200, "done".into()).await.unwrap();
    }
}

async fn count(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default());
    queue.await.unwrap().message_count()
}

/// The bodies in `failed`; they return to it when the channel is closed.
async fn failed(connection: &Connection) -> BTreeSet<String> {
    let channel = connection.create_channel().await.unwrap();
    let mut bodies = BTreeSet::new();
    while let Some(message) = channel
        .basic_get("failed".into(), BasicGetOptions::default())
        .await
        .unwrap()
    {
        bodies.insert(String::from_utf8_lossy(&message.delivery.data).into_owned());
    }
    channel.close(200, "done".into()).await.unwrap();
    bodies
}
