//! The system under test: release binaries on servers of the benchmark's own.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use kernel::{Clock, ProductId, UserId};
use serde::Serialize;
use servers::{Postgres, Process, RabbitMq, free_port};
use sqlx::{PgPool, postgres::PgPoolOptions};
use testkit::Collector;
use tokens::Signer;
use uuid::Uuid;

use crate::{Args, meter, stub};

const WORKERS: [&str; 4] = ["saga", "payments", "async", "relay"];
/// Accounts under which orders are placed.
const USERS: usize = 256;
const READY: Duration = Duration::from_mins(1);

/// The parts of a system that are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Whether the real payments service answers, with a database of its own, in place of the stub.
    pub(crate) payments: bool,
    /// Whether all processes export traces.
    pub(crate) traced: bool,
    /// Number of api processes, and of workers of each role.
    pub(crate) replicas: usize,
}

impl Variant {
    /// The system of most runs.
    pub(crate) const USUAL: Self = Self {
        payments: false,
        traced: false,
        replicas: 1,
    };
}

/// The running system.
pub(crate) struct System {
    api_urls: Vec<String>,
    pub(crate) payments_url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) pool: PgPool,
    pub(crate) products: Vec<ProductId>,
    pub(crate) postgres: Process,
    pub(crate) rabbitmq: Process,
    signer: Signer,
    processes: Vec<(String, Child)>,
    counts_statements: bool,
    collector: Option<Collector>,
}

/// Versions and settings of the measured servers and machine.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Versions {
    pub(crate) postgres: String,
    pub(crate) fsync: String,
    pub(crate) synchronous_commit: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
}

struct Setting<'a> {
    args: &'a Args,
    env: BTreeMap<&'static str, String>,
}

impl System {
    /// Creates new databases and starts all processes on them.
    pub(crate) async fn start(
        args: &Args,
        postgres: &Postgres,
        rabbitmq: &RabbitMq,
        database: &str,
    ) -> anyhow::Result<Self> {
        Self::prepare(args, postgres, rabbitmq, database)?;
        Self::resume(args, postgres, rabbitmq, database, Variant::USUAL).await
    }

    /// Creates new, migrated databases with the demo catalog.
    pub(crate) fn prepare(
        args: &Args,
        postgres: &Postgres,
        rabbitmq: &RabbitMq,
        database: &str,
    ) -> anyhow::Result<()> {
        let drop = format!("drop database if exists {database} with (force)");
        postgres.psql("postgres", &drop).map_err(crate::text)?;
        postgres.create_database(database).map_err(crate::text)?;
        if args.statements {
            let count = "create extension pg_stat_statements";
            postgres.psql(database, count).map_err(crate::text)?;
        }
        let payments = payments_database(database);
        let drop = format!("drop database if exists {payments} with (force)");
        postgres.psql("postgres", &drop).map_err(crate::text)?;
        postgres.create_database(&payments).map_err(crate::text)?;
        let setting = Setting::new(args, postgres, rabbitmq, database)?;
        setting.once("worker", &["migrate"])?;
        setting.once("shopctl", &["seed"])?;
        // the customer of each order gets a mail
        let users = format!(
            "insert into auth.\"user\" (user_id, email, name, password_hash)
             select id, id || '@bench.example', 'Bench', 'x'
             from unnest('{{{}}}'::uuid[]) as u(id)",
            (0..USERS)
                .map(|n| user(n).to_string())
                .collect::<Vec<_>>()
                .join(",")
        );
        postgres.psql(database, &users).map_err(crate::text)?;
        stock_up(postgres, database)
    }

    /// Starts all processes on existing databases.
    pub(crate) async fn resume(
        args: &Args,
        postgres: &Postgres,
        rabbitmq: &RabbitMq,
        database: &str,
        variant: Variant,
    ) -> anyhow::Result<Self> {
        let mut setting = Setting::new(args, postgres, rabbitmq, database)?;
        let payments_url = match &args.payments_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if variant.payments => format!("http://{}", setting.env["PAYMENTS_LISTEN"]),
            None => stub::start(&rabbitmq.amqp_url("%2f")).await?,
        };
        setting.env.insert("PAYMENTS_URL", payments_url.clone());
        let collector = if variant.traced {
            Some(Collector::start().await)
        } else {
            None
        };
        if let Some(collector) = &collector {
            let endpoint = collector.endpoint.clone();
            setting.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        }
        let pem = fs::read_to_string(&setting.env["TOKEN_SIGNING_KEY_FILE"])?;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect(&postgres.url(database))
            .await?;
        let products: Vec<ProductId> =
            sqlx::query_scalar("select product_id from commerce.product order by product_id")
                .fetch_all(&pool)
                .await?;
        let mut system = Self {
            api_urls: Vec::new(),
            payments_url,
            http: reqwest::Client::builder()
                .pool_max_idle_per_host(256)
                .build()?,
            pool,
            products,
            postgres: postgres.process().context("PostgreSQL runs")?,
            rabbitmq: rabbitmq.process().context("RabbitMQ runs")?,
            signer: Signer::from_pem(&pem, Clock::System)?,
            processes: Vec::new(),
            counts_statements: args.statements,
            collector,
        };
        if variant.payments && args.payments_url.is_none() {
            system.spawn(&setting, "payments", &[], 1).await?;
        }
        for replica in 1..=variant.replicas {
            if replica > 1 {
                setting.env.insert("API_LISTEN", free_address()?);
            }
            let url = format!("http://{}", setting.env["API_LISTEN"]);
            system.api_urls.push(url);
            system.spawn(&setting, "api", &[], replica).await?;
            for role in WORKERS {
                system.spawn(&setting, "worker", &[role], replica).await?;
            }
        }
        Ok(system)
    }

    /// URL of the api process that this client uses.
    pub(crate) fn api_url(&self, client: usize) -> &str {
        &self.api_urls[client % self.api_urls.len()]
    }

    /// Number of statements that PostgreSQL has executed since it counts them, if it does.
    pub(crate) async fn statements(&self) -> sqlx::Result<Option<i64>> {
        if !self.counts_statements {
            return Ok(None);
        }
        let sql = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
                   where dbid = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar(sql)
            .fetch_one(&self.pool)
            .await
            .map(Some)
    }

    /// Discards the received traces.
    pub(crate) fn drop_traces(&self) {
        if let Some(collector) = &self.collector {
            collector.clear();
        }
    }

    async fn spawn(
        &mut self,
        setting: &Setting<'_>,
        binary: &str,
        arguments: &[&str],
        replica: usize,
    ) -> anyhow::Result<()> {
        let admin = free_address()?;
        let name = [&[binary], arguments].concat().join("-");
        let log = setting.args.dir.join(format!("{name}-{replica}.log"));
        let log = File::create(log)?;
        let variable = match binary {
            "api" => "API_ADMIN_LISTEN",
            "payments" => "PAYMENTS_ADMIN_LISTEN",
            _ => "WORKER_ADMIN_LISTEN",
        };
        let child = setting
            .command(binary)
            .args(arguments)
            .env(variable, &admin)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.processes.push((name.clone(), child));
        let until = Instant::now() + READY;
        while Instant::now() < until {
            let answer = self.http.get(format!("http://{admin}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!(
            "{name} is not ready: see its log in {}",
            setting.args.dir.display()
        )
    }

    /// A token of this client's user.
    pub(crate) fn token(&self, client: usize) -> String {
        self.signer
            .access_token(user(client % USERS), &[], Duration::from_hours(24))
    }

    /// Resident memory of each process after two idle seconds, MiB.
    pub(crate) async fn idle(&self) -> BTreeMap<String, f64> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.each(|pid| meter::status(pid, "VmRSS"))
    }

    /// Peak memory of each process, MiB.
    pub(crate) fn memory(&self) -> BTreeMap<String, f64> {
        let mut memory = self.each(|pid| meter::status(pid, "VmHWM"));
        memory.insert(
            "rabbitmq".to_owned(),
            meter::family(self.rabbitmq)
                .into_iter()
                .map(|pid| meter::status(pid, "VmHWM"))
                .fold(0.0, f64::max),
        );
        memory
    }

    /// A figure of each process; that of replicas is their sum.
    pub(crate) fn each(&self, measure: impl Fn(u32) -> f64) -> BTreeMap<String, f64> {
        let mut figures = BTreeMap::new();
        for (name, child) in &self.processes {
            *figures.entry(name.clone()).or_default() += measure(child.id());
        }
        figures
    }

    pub(crate) async fn versions(&self) -> anyhow::Result<Versions> {
        let (postgres, fsync, synchronous_commit) = sqlx::query_as(
            "select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
        )
        .fetch_one(&self.pool)
        .await?;
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
            .unwrap_or("unknown");
        Ok(Versions {
            postgres,
            fsync,
            synchronous_commit,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.to_owned(),
        })
    }

    /// Checks every invariant that the shop's database alone can verify.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        self.check_live().await?;
        let report = doctor::examine(&self.pool, None, &workflows::plans(), Duration::ZERO).await?;
        anyhow::ensure!(
            report.violations.is_empty(),
            "doctor: {:#?}",
            report.violations
        );
        Ok(())
    }

    /// Checks that no saga is in progress.
    pub(crate) async fn check_live(&self) -> anyhow::Result<()> {
        let live: i64 = sqlx::query_scalar("select count(*) from saga.saga where ended_at is null")
            .fetch_one(&self.pool)
            .await?;
        anyhow::ensure!(live == 0, "{live} sagas are not at rest");
        Ok(())
    }

    /// Kills our processes, all at once.
    pub(crate) fn kill(mut self) {
        for (_, child) in &mut self.processes {
            child.kill().ok(); // it may have exited by itself
        }
        for (_, child) in &mut self.processes {
            child.wait().ok();
        }
    }

    /// Stops our processes in order.
    pub(crate) fn stop(mut self) {
        for (_, child) in &self.processes {
            if let Some(process) = Process::of(child.id()) {
                process.signal_term();
            }
        }
        for (name, child) in &mut self.processes {
            if let Err(error) = child.wait() {
                crate::print_step(&format!("{name}: {error}"));
            }
        }
    }
}

/// Name of the payments service's database beside the shop's.
fn payments_database(shop: &str) -> String {
    format!("{shop}_payments")
}

fn free_address() -> anyhow::Result<String> {
    let port = free_port().map_err(crate::text)?;
    Ok(format!("127.0.0.1:{port}"))
}

fn user(n: usize) -> UserId {
    UserId::from(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0001_0000 + n as u128,
    ))
}

/// Adds a thousand products, each with more stock than is ever sold.
pub(crate) fn stock_up(postgres: &Postgres, database: &str) -> anyhow::Result<()> {
    for sql in [
        "insert into commerce.product (product_id, slug, name, description, price_amount, currency)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'thing-' || n, 'Thing ' || n,
                'One of a thousand.', 1290, 'EUR'
         from generate_series(1, 1000) as n",
        "insert into commerce.stock (product_id) select product_id from commerce.product on conflict do nothing",
        "update commerce.stock set received = 1000000000",
    ] {
        postgres.psql(database, sql).map_err(crate::text)?;
    }
    Ok(())
}

impl Drop for System {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            if let Ok(None) = child.try_wait() {
                // the run failed: none of its processes may stay
                child.kill().ok();
                child.wait().ok();
            }
        }
    }
}

impl<'a> Setting<'a> {
    fn new(
        args: &'a Args,
        postgres: &Postgres,
        rabbitmq: &RabbitMq,
        database: &str,
    ) -> anyhow::Result<Self> {
        let [key, service_key, event_key] =
            ["token.pem", "service.pem", "event.pem"].map(|name| args.dir.join(name));
        for key in [&key, &service_key, &event_key] {
            if !key.exists() {
                fs::write(key, tokens::generate_key_pem())?;
            }
        }
        let api = free_address()?;
        let path = |path: &Path| path.display().to_string();
        let payments = payments_database(database);
        let env = BTreeMap::from([
            ("SHOP_DATABASE_URL", postgres.url(database)),
            ("PAYMENTS_DATABASE_URL", postgres.url(&payments)),
            ("AMQP_URL", rabbitmq.amqp_url("%2f")),
            ("JWKS_URL", format!("http://{api}/.well-known/jwks.json")),
            ("API_LISTEN", api),
            ("PAYMENTS_LISTEN", free_address()?),
            ("PAYMENTS_SIMULATOR", "1".to_owned()),
            ("TOKEN_SIGNING_KEY_FILE", path(&key)),
            ("SERVICE_SIGNING_KEY_FILE", path(&service_key)),
            ("EVENT_SIGNING_KEY_FILE", path(&event_key)),
            ("MAIL_DIR", path(&args.dir.join("mail"))),
            // each client orders more per second than a limit allows a person per hour
            ("ORDER_LIMIT_OPEN", "0".to_owned()),
            ("ORDER_LIMIT_PIECES", "0".to_owned()),
            ("ORDER_LIMIT_PER_HOUR", "0".to_owned()),
        ]);
        Ok(Self { args, env })
    }

    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(self.args.bin_dir.join(binary));
        command
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .envs(&self.env)
            .stdin(Stdio::null());
        command
    }

    fn once(&self, binary: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.command(binary).args(arguments).output()?;
        anyhow::ensure!(
            output.status.success(),
            "{binary} {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
