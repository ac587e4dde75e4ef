//! A random mix of faults, against the whole system, under load.
//!
//! The faults and their times are a pure function of a seed ([`schedule`]): kills, pauses past the
//! lease, crashes of PostgreSQL and RabbitMQ, broken links between all processes. In the meantime
//! clients order, pay, cancel and race, and record every answer ([`ledger`]).
//!
//! ```text
//! seed ─▶ schedule ─▶ chaos ─▶ processes, servers, links
//!      └▶ plays ────▶ clients ─▶ ledger ─┐
//!         doctor, why, all the time ─────┼─▶ summary: counts, recovery times, violations
//!         doctor and databases, at rest ─┘
//! ```
//!
//! - **safety**: round after round of temporary faults. After each round the system must come to
//!   rest, and the databases must match the answers.
//! - **liveness**: one worker and one link fail for good. Orders must still be completed, and the
//!   system must come to rest in spite of both. (Temporary faults alone would hide a system that
//!   only a restart gets going again: the idea of TigerBeetle's simulator.)
//! - **scaling**: ten workers, killed, stopped and started as an autoscaler would. Afterwards at
//!   least half as many orders as before must be completed per window, and each worker must do its
//!   share.
//! - **rolling**: every process is replaced by a new one, which takes over before the old one is
//!   told to stop. The old process must shut down cleanly, and a request may fail only by a cut
//!   connection, after which the client sends it again.
//! - **outages**: a read-only database, rows locked by other sessions, alarms of the broker,
//!   stopped backends, slow payments, a silent mail server, removed bindings. After each round the
//!   system must come to rest by itself, with nothing in `failed` and no mail sent more than twice.
//!
//! With [`PaymentsService::Level1`], a payments service of another team takes the place of ours
//! (safety mode only).
//!
//! With an attacker beside the clients ([`Options::attacked`]), forged events, floods, poison and
//! forged tokens are mixed in, and must change nothing.
//!
//! Runs in the environment of [`testkit::System`], with servers of its own: `cargo xtask nemesis`.

mod attacker;
mod causes;
mod chaos;
mod client;
pub mod ledger;
mod outages;
mod random;
mod rest;
mod scaling;
pub mod schedule;
mod summary;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum;
use testkit::{System, SystemOptions};
use tokio::task::{JoinSet, block_in_place};

pub use chaos::Done;
pub use outages::OutagesPlayed;
pub use scaling::Recovery;
pub use schedule::Mode;
pub use summary::{Summary, Times};

use crate::{
    attacker::Attacker,
    causes::Causes,
    chaos::Chaos,
    client::{Clients, lock},
    ledger::Found,
    outages::Outages,
    scaling::Throughput,
    schedule::SCALING,
};

/// Number of clients.
const CLIENTS: u64 = 6;
/// Duration of a claim's lease.
const LEASE: Duration = Duration::from_millis(1500);
/// The exit code of `shopctl doctor` when nothing is violated and not everything could be checked.
const UNCHECKED: i32 = 6;
/// How long the system may take to come to rest once the faults are over.
const REST: Duration = Duration::from_mins(2);
/// Longer than any run: during a run, only invariants that hold at every instant are checked.
const DOCTOR_GRACE_PERIOD: Duration = Duration::from_hours(24);

/// The payments service of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PaymentsService {
    /// Ours.
    Ours,
    /// One of another team, which offers level 1 of `docs/payments-contract.md`.
    Level1,
}

/// Options of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The seed that reproduces the schedule.
    pub seed: u64,
    /// The faults to inject, and the promise to verify.
    pub mode: Mode,
    /// Minimum duration of faults and load.
    pub time: Duration,
    /// The regression that is planted in the processes (`crashpoint::planted!`): a run that does
    /// not find it proves nothing.
    pub planted: Option<&'static str>,
    /// Whether an attacker runs beside the clients.
    pub attacked: bool,
    /// The payments service.
    pub payments: PaymentsService,
}

/// Runs the system with its load and faults.
///
/// # Panics
/// When the system cannot be set up, or a server does not start again.
pub async fn run(options: Options) -> Summary {
    let processes = options.mode.processes();
    let outages = match options.mode {
        Mode::Outages => Some(Outages::new().await),
        _ => None,
    };
    let smtp_url = outages.as_ref().map(Outages::smtp_url);
    let mut set_up = settings(options.mode);
    set_up.level1 = options.payments == PaymentsService::Level1;
    set_up.env.extend(smtp_url.map(|url| ("SMTP_URL", url)));
    set_up
        .env
        .extend(options.planted.map(|name| ("PLANTED", name.to_owned())));
    let system = Arc::new(System::prepare(set_up).await);
    let chaos = Arc::new(Chaos::new(Arc::clone(&system), processes, outages).await);
    for process in processes {
        chaos.start(process).await;
    }
    let products = stock(&system).await.expect("the catalog can be filled");
    let (api, payments) = chaos.urls();
    let attacker = options.attacked.then(|| {
        let urls = (api.clone(), payments.clone());
        Arc::new(Attacker::new(options.seed, Arc::clone(&system), urls))
    });
    let clients = Arc::new(Clients::new(options.seed, api, payments, products));
    let mut run = Run {
        options,
        system,
        chaos,
        clients,
        attacker,
        doctor: Arc::default(),
        causes: Arc::default(),
        rounds: 0,
        first_completed: Vec::new(),
        at_rest: Vec::new(),
        longest_gap: None,
        recovery: None,
        violations: Vec::new(),
    };
    run.play().await
}

/// Short leases and delays, so that many events fit into a minute.
fn settings(mode: Mode) -> SystemOptions {
    let lease = LEASE.as_millis().to_string();
    let mut env = vec![
        ("SAGA_LEASE_MS", lease.as_str()),
        ("SAGA_CALL_TIMEOUT_MS", "800"),
        ("SAGA_LEASE_MARGIN_MS", "500"),
        ("SAGA_RETRY_BASE_MS", "200"),
        ("SAGA_RETRY_CAP_MS", "1000"),
        // shorter than some outages, so that some orders are given up
        ("SAGA_RETRY_BUDGET_MS", "4000"),
        ("PAYMENT_DEADLINE_MS", "6000"),
        ("ORDER_WAIT_MS", "1000"),
        ("RUST_LOG", "info"),
    ];
    if matches!(mode, Mode::Scaling | Mode::Rolling) {
        env.push(("SHOP_DATABASE_MAX_CONNECTIONS", "8")); // leaves room for the many processes
    }
    if mode == Mode::Scaling {
        env.push(("EAGER_ATTEMPTS", "0")); // leaves every attempt to the workers
    }
    SystemOptions {
        env: env
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        own_servers: true,
        proxies: matches!(mode, Mode::Safety | Mode::Liveness | Mode::Outages),
        dumps: None,
        release: None,
        level1: false,
    }
}

/// Stocks products so that none sells out; some products are bought more often than others.
async fn stock(system: &System) -> sqlx::Result<Vec<uuid::Uuid>> {
    sqlx::query("update commerce.stock set received = 1000000000")
        .execute(&system.shop)
        .await?;
    sqlx::query_scalar("select product_id from commerce.stock order by product_id limit 5")
        .fetch_all(&system.shop)
        .await
}

#[derive(Default)]
struct Doctor {
    runs: AtomicU64,
    alarms: Mutex<BTreeSet<String>>,
}

struct Run {
    options: Options,
    system: Arc<System>,
    chaos: Arc<Chaos>,
    clients: Arc<Clients>,
    attacker: Option<Arc<Attacker>>,
    doctor: Arc<Doctor>,
    causes: Arc<Causes>,
    rounds: u64,
    first_completed: Vec<Duration>,
    at_rest: Vec<Duration>,
    longest_gap: Option<f64>,
    recovery: Option<Recovery>,
    violations: Vec<String>,
}

impl Run {
    async fn play(&mut self) -> Summary {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let clients = Arc::clone(&self.clients);
            tasks.spawn(async move { clients.run(number).await });
        }
        if let Some(attacker) = self.attacker.clone() {
            let clients = Arc::clone(&self.clients);
            tasks.spawn(async move { attacker.run(&clients).await });
        }
        let mut watchers = JoinSet::new();
        let (system, doctor) = (Arc::clone(&self.system), Arc::clone(&self.doctor));
        watchers.spawn(async move { examine_all_the_time(&system, &doctor).await });
        let (system, causes) = (Arc::clone(&self.system), Arc::clone(&self.causes));
        watchers.spawn(async move { causes.watch(&system, LEASE).await });
        let chaos = Arc::clone(&self.chaos);
        watchers.spawn(async move { chaos.supervise().await });

        match self.options.mode {
            Mode::Safety | Mode::Rolling | Mode::Outages => self.in_rounds(begun).await,
            Mode::Liveness => self.liveness(begun).await,
            Mode::Scaling => self.scaling().await,
        }
        self.clients.stop();
        while tasks.join_next().await.is_some() {}
        watchers.shutdown().await;
        let alarms = lock(&self.doctor.alarms).clone();
        self.violations.extend(
            alarms
                .into_iter()
                .map(|alarm| format!("under way: {alarm}")),
        );
        self.violations.extend(self.causes.idlers());
        self.violations.extend(self.chaos.unclean());
        let fallen = self.chaos.done().restarted;
        if fallen > 0 && matches!(self.options.mode, Mode::Scaling | Mode::Rolling) {
            self.violations
                .push(format!("{fallen} processes ended by themselves"));
        }
        if self.options.mode == Mode::Rolling {
            self.violations.extend(self.clients.failures());
        }
        self.summary(begun).await
    }

    async fn in_rounds(&mut self, begun: Instant) {
        while begun.elapsed() < self.options.time && self.violations.is_empty() {
            let round = schedule::round(self.options.mode, self.options.seed, self.rounds);
            self.rounds += 1;
            eprintln!("round {}: {round}", self.rounds);
            self.chaos.play(&round).await;
            let healed = Instant::now();
            let (clients, number) = (Arc::clone(&self.clients), self.rounds);
            let (probe, _silence) = tokio::join!(clients.probe(number), clients.gate.write());
            match probe {
                Some(time) => self.first_completed.push(time),
                None => self
                    .violations
                    .push("an order placed after the faults was not completed".to_owned()),
            }
            match rest::until_nothing(REST, || rest::due(&self.system)).await {
                Ok(last) => {
                    self.at_rest.push(healed.elapsed());
                    eprintln!("round {}: {}; last: {last}", self.rounds, self.state());
                }
                Err(what) => self.violations.push(what),
            }
            self.check().await;
            if begun.elapsed() >= self.options.time || !self.violations.is_empty() {
                self.clients.stop(); // while all clients are silent, so that no play goes unchecked
            }
        }
    }

    async fn scaling(&mut self) {
        scaling::under_way(&self.system).await;
        let before = Throughput::watch(&self.system).await;
        let begun = Instant::now();
        while begun.elapsed() < self.options.time {
            let round = schedule::round(Mode::Scaling, self.options.seed, self.rounds);
            self.rounds += 1;
            eprintln!("round {}: {round}", self.rounds);
            self.chaos.play(&round).await;
        }
        self.chaos.ready().await;
        let after = Throughput::watch(&self.system).await;
        match (before, after) {
            (Ok(before), Ok(after)) => {
                let recovery = Recovery::of(&before, &after);
                self.violations.extend(recovery.verify(SCALING.len() - 2));
                self.recovery = Some(recovery);
            }
            unread => self
                .violations
                .push(format!("the database cannot be read: {unread:?}")),
        }
        self.rest_in_silence().await;
    }

    async fn liveness(&mut self, begun: Instant) {
        let round = schedule::round(Mode::Liveness, self.options.seed, 0);
        self.rounds = 1;
        eprintln!("for good: {:?}", round.events);
        self.chaos.play(&round).await;
        let broken = database_now(&self.system).await;
        tokio::time::sleep(self.options.time.saturating_sub(begun.elapsed())).await;
        match longest_gap(&self.system, &broken).await {
            Some(gap) => self.longest_gap = Some(gap),
            None => self
                .violations
                .push("no order was completed after the faults".to_owned()),
        }
        self.rest_in_silence().await;
    }

    /// Silences and stops the clients, and checks everything once the system is at rest.
    async fn rest_in_silence(&mut self) {
        let silent = Instant::now();
        let clients = Arc::clone(&self.clients);
        let _silence = clients.gate.write().await;
        match rest::until_nothing(REST, || rest::due(&self.system)).await {
            Ok(_) => self.at_rest.push(silent.elapsed()),
            Err(what) => self.violations.push(what),
        }
        self.check().await;
        self.clients.stop(); // while all clients are silent, so that no play goes unchecked
    }

    /// Once nothing is due: waits for the last deadlines, then compares the system with the
    /// answers.
    async fn check(&mut self) {
        if let Err(what) = rest::until_nothing(REST, || rest::live(&self.system)).await {
            self.violations.push(what);
        }
        if let Err(what) = rest::until_nothing(REST, || rest::due(&self.system)).await {
            self.violations.push(what);
        }
        match self.system.examine(Duration::ZERO).await {
            Ok(report) => self.violations.extend(
                report
                    .violations
                    .iter()
                    .map(|found| format!("at rest: {found:?}")),
            ),
            Err(error) => self.violations.push(format!("doctor cannot read: {error}")),
        }
        if self.options.payments == PaymentsService::Level1 {
            self.beside_level_1().await;
        }
        match Found::read(&self.system).await {
            Ok(found) => self
                .violations
                .extend(ledger::verify(&self.clients.ledger(), &found)),
            Err(error) => self
                .violations
                .push(format!("the databases cannot be read: {error}")),
        }
        match rest::mails(&self.system).await {
            Ok((expected, handled)) if expected == handled => {}
            other => self
                .violations
                .push(format!("mails expected and recorded: {other:?}")),
        }
        self.violations.extend(self.chaos.repeated_mails());
        if let Some(attacker) = &self.attacker {
            self.violations.extend(attacker.verify().await);
            return;
        }
        let failed = block_in_place(|| {
            self.system
                .run("shopctl", &["failed", "list", "-o", "json"])
        });
        let failed = failed
            .lines()
            .map(|line| format!("nobody sent poison, and yet: {line}"));
        self.violations.extend(failed);
    }

    /// Compares the orders with the service's transactions, which `doctor` cannot read: with the
    /// service's API alone, `shopctl doctor` must report what it could not check.
    async fn beside_level_1(&mut self) {
        match self.system.contradictions().await {
            Ok(contradictions) => self.violations.extend(contradictions),
            Err(error) => {
                let unread = format!("the databases cannot be read: {error}");
                self.violations.push(unread);
            }
        }
        let mut doctor = self.system.command("shopctl");
        doctor
            .args(["doctor", "--without", "bindings", "--grace", "0"])
            .env_remove("PAYMENTS_DATABASE_URL");
        match block_in_place(|| doctor.output()) {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let unchecked = said.contains("8 of 11 invariants hold, 3 not checked");
                if output.status.code() != Some(UNCHECKED) || !unchecked {
                    self.violations.push(format!("shopctl doctor: {said}"));
                }
            }
            Err(error) => self.violations.push(format!("shopctl doctor: {error}")),
        }
    }

    fn state(&self) -> String {
        let last = |times: &[Duration]| times.last().map_or(0.0, Duration::as_secs_f64);
        format!(
            "first order completed after {:.1} s, at rest after {:.1} s",
            last(&self.first_completed),
            last(&self.at_rest),
        )
    }

    async fn summary(&mut self, begun: Instant) -> Summary {
        let found = Found::read(&self.system).await;
        let count = |status| found.as_ref().map_or(0, |found| found.count(status));
        let ledger = self.clients.ledger();
        Summary {
            seed: self.options.seed,
            mode: self.options.mode,
            seconds: begun.elapsed().as_secs(),
            rounds: self.rounds,
            done: self.chaos.done(),
            orders_accepted: ledger
                .entries
                .iter()
                .filter(|entry| !entry.accepted.is_empty())
                .count(),
            completed: count("completed"),
            canceled: count("canceled"),
            doctor_runs: self.doctor.runs.load(Ordering::SeqCst),
            cause_looks: self.causes.looks(),
            answers: self.clients.answers(),
            first_completed: Times::of(std::mem::take(&mut self.first_completed)),
            at_rest: Times::of(std::mem::take(&mut self.at_rest)),
            longest_gap: self.longest_gap,
            recovery: self.recovery,
            attacks: self.attacker.as_ref().map(|attacker| attacker.counts()),
            violations: std::mem::take(&mut self.violations),
        }
    }
}

/// Runs `doctor` all the time. Each finding is either a broken invariant or a false alarm: both are
/// violations.
async fn examine_all_the_time(system: &System, doctor: &Doctor) {
    loop {
        // while a database is down there is nothing to read
        if let Ok(report) = system.examine(DOCTOR_GRACE_PERIOD).await {
            doctor.runs.fetch_add(1, Ordering::SeqCst);
            let found = report.violations.iter().map(|found| format!("{found:?}"));
            lock(&doctor.alarms).extend(found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn database_now(system: &System) -> String {
    sqlx::query_scalar("select clock_timestamp()::text")
        .fetch_one(&system.shop)
        .await
        .expect("liveness mode leaves the servers alone")
}

/// The longest time between two completed orders, or between `since` and the first, in seconds.
async fn longest_gap(system: &System, since: &str) -> Option<f64> {
    let gap: sqlx::Result<Option<f64>> = sqlx::query_scalar(
        "with completed as (
             select at, lag(at, 1, $1::timestamptz) over (order by at) as before
             from commerce.order_status where status = 'completed' and at > $1::timestamptz
         )
         select max(extract(epoch from at - before))::float8 from completed",
    )
    .bind(since)
    .fetch_one(&system.shop)
    .await;
    gap.ok().flatten()
}
