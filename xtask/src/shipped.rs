//! The processes as they are shipped: each with exactly the files, user, memory and settings from
//! `docker-compose.yml` or the rendered manifest, and all together in the demo.
//!
//! A process runs in a network of its own, with a read-only copy of the image's files. PostgreSQL,
//! RabbitMQ and a mail server run beside the processes, under the names that the deployment gives
//! them. Needs root, but no engine. All networks and mounts of a run end with it. Processes with a
//! planted fault run, too, and must fail.

mod compose;
mod container;
mod kubernetes;
mod network;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use servers::{Postgres, PostgresOptions, Process, RabbitMq, Result, find_program, install};

use self::{container::Containers, network::Network};
use crate::{
    Doing,
    cargo::{self, bin_dir, dev_dir},
    demo::Demo,
    env::Env,
    fail, processes,
    roles::{self, ROLES},
};

/// This program's command that plays a system in a network of its own.
pub(crate) const INSIDE: &str = "shipped-inside";

/// Password of the demo's accounts.
const PASSWORD: &str = "correct horse battery";

/// A process as its deployment describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Container {
    name: String,
    /// Program and arguments.
    command: Vec<String>,
    env: BTreeMap<String, String>,
    user: u32,
    group: u32,
    /// Whether its root file system is read-only.
    read_only: bool,
    /// In-memory folders.
    tmpfs: Vec<Tmpfs>,
    /// Read-only mounts.
    mounts: Vec<Mount>,
    /// Memory limit in bytes; `None` without a limit.
    memory: Option<u64>,
    /// Host names that the container can resolve, each with the container it resolves to.
    hosts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tmpfs {
    path: String,
    /// Options in the form of `mount -o`.
    options: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mount {
    from: PathBuf,
    to: String,
}

/// All of our containers on one platform.
#[derive(Debug, Serialize, Deserialize)]
struct Deployment {
    platform: String,
    /// Files of the image of API, payments, worker and shopctl.
    image: PathBuf,
    /// The folder with all files of this run.
    folder: PathBuf,
    /// The secrets, as `docker/secrets.sh` generates them.
    secrets: PathBuf,
    containers: Vec<Container>,
}

/// A defect that a code change could introduce: another container's process with changed settings.
struct Fault {
    name: &'static str,
    of: &'static str,
    without: &'static str,
    with: Option<(&'static str, &'static str)>,
    /// The reason that the process must give when it exits.
    reason: &'static str,
}

/// Planted on each platform. A fault that ends no process here would ship undetected.
const FAULTS: [Fault; 2] = [
    Fault {
        name: "writes-a-file",
        of: "worker-async",
        without: "SMTP_URL_FILE",
        with: Some(("MAIL_DIR", "mail")),
        reason: "MAIL_DIR: mail cannot be made",
    },
    Fault {
        name: "lacks-a-setting",
        of: "worker-saga",
        without: "SERVICE_SIGNING_KEY_FILE",
        with: None,
        reason: "SERVICE_SIGNING_KEY_FILE is not set",
    },
];

/// The files and variables of an image.
pub(crate) struct Image {
    pub(crate) files: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
}

/// Plays the demo with the programs of this build instead of an image's.
pub(crate) fn test_build() -> Result<()> {
    if !is_root() {
        eprintln!(
            "the processes as they are shipped are not tested: containers are entered by root (run this with sudo, or \
             leave it to CI)"
        );
        return Ok(());
    }
    let folder = dev_dir().join("test/shipped");
    fs::create_dir_all(&folder).doing("make a folder for the processes as they are shipped")?;
    let programs = cargo::programs().unwrap_or_else(|| bin_dir(false));
    let image = container::of_build(&folder.join("image"), &programs)?;
    test(&image, &folder)
}

/// Plays the demo with an image's files, once per platform.
pub(crate) fn test(image: &Image, folder: &Path) -> Result<()> {
    for (program, package) in [("ip", "iproute2"), ("openssl", "openssl")] {
        if find_program(program).is_none() {
            install(&[package])?;
        }
    }
    let compose = compose::read(image, folder).and_then(|compose| start(&compose));
    let kubernetes = kubernetes::read(image, folder).and_then(|kubernetes| start(&kubernetes));
    compose.and(kubernetes)
}

/// Plays a deployment in a network of its own.
fn start(deployment: &Deployment) -> Result<()> {
    let file = deployment.folder.join("deployment.json");
    let text = serde_json::to_string_pretty(deployment).doing("write a deployment")?;
    fs::write(&file, text).doing("write a deployment")?;
    // a build may have replaced this program's file since it started
    let this = format!("/proc/{}/exe", std::process::id());
    let mut inside = Command::new("unshare");
    inside
        .args(["--mount", "--net", "--propagation", "private", "--"])
        .arg(this)
        .arg(INSIDE)
        .arg(&file)
        .env(cargo::DEV_DIR, &deployment.folder);
    let played = cargo::run(
        inside,
        &format!("the demo as {} ships it", deployment.platform),
    );
    container::remove_limits(deployment);
    played
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Creates a fresh folder for one platform.
fn prepare(folder: &Path, platform: &str) -> Result<PathBuf> {
    let folder = folder.join(platform);
    if folder.exists() {
        fs::remove_dir_all(&folder).doing("remove what an earlier run left")?;
    }
    fs::create_dir_all(folder.join("log")).doing("make a folder for a platform")?;
    Ok(folder)
}

/// Plays a deployment, in the network and mount namespaces that [`test`] made.
pub(crate) fn play(file: &Path) -> Result<()> {
    let text = fs::read_to_string(file).doing("read a deployment")?;
    let mut deployment: Deployment = serde_json::from_str(&text).doing("read a deployment")?;
    for fault in FAULTS {
        deployment.plant(&fault)?;
    }
    let network = Network::new(&deployment.containers)?;
    let (_postgres, _rabbitmq, mails) = servers(&deployment)?;
    let containers = Containers::new(&deployment, &network)?;
    let env = settings(&deployment, &network, &containers)?;
    let played = run(&deployment, &containers, &env).and_then(|()| {
        let sent = mails.count();
        if sent == 0 {
            return fail("worker-async sent no mail to the mail server");
        }
        eprintln!("{sent} mails were sent");
        Ok(())
    });
    crate::down::run();
    played
}

/// Starts PostgreSQL, RabbitMQ and a mail server, with the addresses and passwords of the secrets.
fn servers(deployment: &Deployment) -> Result<(Postgres, RabbitMq, network::MailServer)> {
    eprintln!(
        "starting PostgreSQL and RabbitMQ for {}",
        deployment.platform
    );
    let options = PostgresOptions {
        durable: false,
        ..PostgresOptions::default()
    };
    let postgres = Postgres::start(&deployment.folder.join("postgres"), options)?;
    for database in ["shop", "payments"] {
        postgres.create_database(database)?;
    }
    postgres.demand_passwords()?;
    let rabbitmq = RabbitMq::start(&deployment.folder.join("rabbitmq"))?;
    let password = fs::read_to_string(deployment.secrets.join("rabbitmq_password"))
        .doing("read RabbitMQ's password")?;
    let admin = serde_json::json!({"password": password.trim(), "tags": "administrator"});
    rabbitmq.management("PUT", "/api/users/admin", &admin.to_string())?;
    let rights = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
    rabbitmq.management("PUT", "/api/permissions/%2f/admin", rights)?;
    network::forward(5432, &postgres.url(""))?;
    network::forward(5672, &rabbitmq.amqp_url(""))?;
    network::forward(15672, &rabbitmq.management_url())?;
    let mails = network::serve_mails(1025)?;
    Ok((postgres, rabbitmq, mails))
}

/// The settings that the demo needs, as `cargo xtask up` writes them to `.dev/env`.
fn settings(deployment: &Deployment, network: &Network, containers: &Containers) -> Result<Env> {
    let mut env = Env::default();
    let at = |name: &str| network.address(name);
    env.set("API_URL", format!("http://{}:8080", at("api")?));
    env.set("PAYMENTS_URL", format!("http://{}:8081", at("payments")?));
    for role in ROLES {
        let port = match role.part {
            "api" => 9080,
            "payments" => 9081,
            _ => 9082,
        };
        env.set(
            &role.admin_variable(),
            format!("http://{}:{port}", at(role.name)?),
        );
    }
    for program in ["api", "payments", "worker", "shopctl"] {
        let path = containers.program(program);
        env.set(
            &format!("{}_BIN", program.to_uppercase()),
            path.display().to_string(),
        );
    }
    env.set("SHOP_ADMIN_EMAIL", "admin@shop.example");
    env.set("SHOP_ADMIN_PASSWORD", PASSWORD);
    fs::create_dir_all(deployment.folder.join("log")).doing("make a folder for logs")?;
    env.write()?;
    Ok(env)
}

/// Starts all processes, checks the confinement of each, and plays the demo.
fn run(deployment: &Deployment, containers: &Containers, env: &Env) -> Result<()> {
    let platform = &deployment.platform;
    once(env, "worker", &["migrate"], "")?;
    let mut children = Vec::new();
    for role in ROLES {
        children.push((role, role.spawn(env)?));
    }
    let running = children.iter().filter_map(|(role, child)| {
        let process = Process::of(child.id())?;
        Some((role.name.to_owned(), process))
    });
    processes::write(&running.collect::<Vec<_>>())?;
    let mut failures = Vec::new();
    for (role, child) in &mut children {
        let container = deployment.container(role.name)?;
        let ready = role.await_ready(child, env, || Ok(()));
        match ready.and_then(|()| container::check_confinement(container, child.id())) {
            Ok(()) => eprintln!("{platform}: {} runs as it is shipped", role.name),
            Err(error) => failures.push(format!("{}: {}", role.name, error.0)),
        }
    }
    if !failures.is_empty() {
        return fail(format!(
            "as {platform} ships them, these do not run: {}",
            failures.join("; ")
        ));
    }
    for fault in FAULTS {
        fault.find(deployment, containers)?;
    }
    once(env, "shopctl", &["seed"], "")?;
    let account = [
        "user",
        "create",
        "--email",
        "admin@shop.example",
        "--name",
        "Ada Admin",
        "--role",
        "admin",
        "--reason",
        "the demo's admin",
        "--yes",
    ];
    once(env, "shopctl", &account, PASSWORD)?;
    Demo::new().run()
}

fn once(env: &Env, program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let what = format!("`{program} {}`", arguments.join(" "));
    let mut child = roles::command(env, program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(&what)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).doing(&what)?;
    }
    let output = child.wait_with_output().doing(&what)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    fail(format!("{what} failed: {}", String::from_utf8_lossy(&said)))
}

impl Fault {
    /// Starts the fault's process, which must exit with the expected reason.
    fn find(&self, deployment: &Deployment, containers: &Containers) -> Result<()> {
        let what = format!("start the planted fault {}", self.name);
        let path = deployment.folder.join(format!("log/{}.log", self.name));
        let log = fs::File::create(&path).doing(&what)?;
        let mut child = Command::new(containers.program(&format!("in-{}", self.name)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().doing(&what)?)
            .stderr(log)
            .spawn()
            .doing(&what)?;
        let until = Instant::now() + Duration::from_mins(1);
        let mut ended = child.try_wait().doing(&what)?;
        while ended.is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(100));
            ended = child.try_wait().doing(&what)?;
        }
        if ended.is_none() {
            child.kill().and_then(|()| child.wait()).doing(&what)?;
        }
        let said = fs::read_to_string(&path).doing(&what)?;
        if ended.is_some_and(|status| !status.success()) && said.contains(self.reason) {
            eprintln!("{}: {} is found", deployment.platform, self.name);
            return Ok(());
        }
        fail(format!(
            "{} does not find the planted fault {}: {ended:?} {said}",
            deployment.platform, self.name
        ))
    }
}

impl Deployment {
    /// Adds the process of a fault; only [`Fault::find`] starts it.
    fn plant(&mut self, fault: &Fault) -> Result<()> {
        let mut container = self.container(fault.of)?.clone();
        fault.name.clone_into(&mut container.name);
        if container.env.remove(fault.without).is_none() {
            return fail(format!("{} has no {}", fault.of, fault.without));
        }
        let with = fault
            .with
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        container.env.extend(with);
        self.containers.push(container);
        Ok(())
    }

    fn container(&self, name: &str) -> Result<&Container> {
        let found = self
            .containers
            .iter()
            .find(|container| container.name == name);
        found.map_or_else(|| fail(format!("{} has no {name}", self.platform)), Ok)
    }
}
