//! `cargo xtask up`: the whole system on one machine.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use servers::{Postgres, PostgresOptions, Process, RabbitMq, Result, free_port, port_is_free};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    down,
    env::Env,
    fail, lock, processes,
};

const READY: Duration = Duration::from_mins(1);
const PASSWORD: &str = "correct horse battery";

/// Worker processes: role of the process, roles of the worker.
const WORKERS: [(&str, &str); 4] = [
    ("worker-saga", "saga"),
    ("worker-payments", "payments"),
    ("worker-async", "async"),
    ("worker-relay", "relay"),
];

#[derive(Debug, Default)]
pub(crate) struct Options {
    fresh: bool,
    release: bool,
    detached: bool,
    without: HashSet<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> std::result::Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--fresh" => options.fresh = true,
                "--release" => options.release = true,
                "-d" | "--detach" => options.detached = true,
                "--without" => {
                    let parts = arguments
                        .next()
                        .ok_or("--without needs a list, such as payments,worker")?;
                    for part in parts.split(',') {
                        if !["payments", "api", "worker"].contains(&part) {
                            return Err(format!(
                                "--without knows payments, api and worker, not `{part}`"
                            ));
                        }
                        options.without.insert(part.to_owned());
                    }
                }
                other => return Err(format!("`up` does not know `{other}`")),
            }
        }
        Ok(options)
    }
}

impl Options {
    /// The processes of ours that are wanted.
    fn roles(&self) -> impl Iterator<Item = &'static str> {
        let workers = WORKERS.iter().map(|(role, _)| (*role, "worker"));
        [("payments", "payments"), ("api", "api")]
            .into_iter()
            .chain(workers)
            .filter(|(_, part)| !self.without.contains(*part))
            .map(|(role, _)| role)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    fs::create_dir_all(dev_dir().join("log")).doing("make .dev")?;
    let running = processes::read();
    let runs = |role: &str| running.iter().any(|(name, _)| name == role);
    if !running.is_empty() && !options.fresh && options.roles().all(runs) {
        let roles: Vec<_> = running.iter().map(|(role, _)| role.as_str()).collect();
        eprintln!(
            "it runs already ({}); `. .dev/env` has its URLs, `cargo xtask down` stops it",
            roles.join(", ")
        );
        return Ok(());
    }
    let Some(_alone) = lock::try_take("up")? else {
        return fail("another `cargo xtask up` is at work in this checkout");
    };
    build(options.release)?;
    if !running.is_empty() {
        eprintln!("stopping what runs of it");
        down::stop(&running);
    }
    if options.fresh {
        wipe()?;
    }
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        interrupt.send(()).ok();
    })
    .doing("listen for Ctrl-C")?;

    let mut system = System {
        started: Vec::new(),
        children: Vec::new(),
        env: Env::default(),
        release: options.release,
        interrupted,
    };
    if let Err(error) = system.start(options) {
        eprintln!("stopping what was started");
        down::stop(&system.started);
        return Err(error);
    }
    system.announce();
    if options.detached {
        eprintln!("\n`cargo xtask down` stops it.");
        return Ok(());
    }
    eprintln!("\nCtrl-C stops it.");
    system.watch();
    eprintln!("stopping");
    down::stop(&system.started);
    Ok(())
}

fn build(release: bool) -> Result<()> {
    eprintln!("building");
    let mut arguments = vec![
        "build", "--bins", "-p", "api", "-p", "payments", "-p", "worker", "-p", "shopctl",
    ];
    if release {
        arguments.push("--release");
    }
    cargo::run(cargo(&arguments), "the build")
}

fn wipe() -> Result<()> {
    for part in ["postgres", "rabbitmq", "mail", "log"] {
        let path = dev_dir().join(part);
        // a link leads to where the data really is
        let path = fs::read_link(&path).unwrap_or(path);
        if path.exists() {
            fs::remove_dir_all(&path).doing(&format!("wipe {}", path.display()))?;
        }
    }
    fs::create_dir_all(dev_dir().join("log")).doing("make .dev/log")
}

struct System {
    /// In the order in which they were started.
    started: Vec<(String, Process)>,
    children: Vec<(String, Child)>,
    env: Env,
    release: bool,
    interrupted: mpsc::Receiver<()>,
}

impl System {
    fn start(&mut self, options: &Options) -> Result<()> {
        self.servers()?;
        self.go_on()?;
        self.settings()?;
        eprintln!("preparing databases and queues");
        self.once("worker", &["migrate"], None)?;
        self.once("shopctl", &["seed"], None)?;
        self.accounts()?;
        self.env.write()?;
        let mut waiting = Vec::new();
        for (role, binary, arguments, admin) in self.roles(options)? {
            eprintln!("starting {role}");
            self.spawn(role, binary, &arguments, &admin)?;
            waiting.push((role, admin));
        }
        processes::write(&self.started)?;
        for (role, admin) in waiting {
            self.await_ready(role, &admin)?;
        }
        Ok(())
    }

    /// Fails after Ctrl-C.
    fn go_on(&self) -> Result<()> {
        match self.interrupted.try_recv() {
            Ok(()) => fail("interrupted"),
            Err(_) => Ok(()),
        }
    }

    /// Starts the servers that the environment does not name.
    fn servers(&mut self) -> Result<()> {
        let databases = ["SHOP_DATABASE_URL", "PAYMENTS_DATABASE_URL"];
        match databases.map(|name| self.env.take(name)) {
            [true, true] => {}
            [false, false] => {
                eprintln!("starting PostgreSQL");
                let postgres =
                    Postgres::start(&dev_dir().join("postgres"), PostgresOptions::default())?;
                postgres.create_database("shop")?;
                postgres.create_database("payments")?;
                self.env.set("SHOP_DATABASE_URL", postgres.url("shop"));
                self.env
                    .set("PAYMENTS_DATABASE_URL", postgres.url("payments"));
                self.started.extend(
                    postgres
                        .detach()
                        .map(|process| ("postgres".to_owned(), process)),
                );
                processes::write(&self.started)?;
            }
            _ => {
                return fail(
                    "set both SHOP_DATABASE_URL and PAYMENTS_DATABASE_URL, or none of them",
                );
            }
        }
        if !self.env.take("AMQP_URL") {
            eprintln!("starting RabbitMQ");
            let rabbitmq = RabbitMq::start(&dev_dir().join("rabbitmq"))?;
            self.env.set("AMQP_URL", rabbitmq.amqp_url("%2f"));
            self.env
                .set("RABBITMQ_MANAGEMENT_URL", rabbitmq.management_url());
            self.started.extend(
                rabbitmq
                    .detach()
                    .map(|process| ("rabbitmq".to_owned(), process)),
            );
            processes::write(&self.started)?;
        }
        Ok(())
    }

    fn settings(&mut self) -> Result<()> {
        let bin = bin_dir(self.release);
        for (name, binary) in [
            ("API_BIN", "api"),
            ("PAYMENTS_BIN", "payments"),
            ("WORKER_BIN", "worker"),
            ("SHOPCTL_BIN", "shopctl"),
        ] {
            self.env.set(name, bin.join(binary).display().to_string());
        }
        let key = dev_dir().join("keys").join("token.pem");
        if !key.exists() {
            fs::create_dir_all(dev_dir().join("keys")).doing("make .dev/keys")?;
            let pem = cargo::output(self.command("shopctl", &["keygen"]), "shopctl keygen")?;
            fs::write(&key, pem).doing("write the signing key")?;
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600))
                .doing("close the signing key")?;
        }
        let api = self.listen("API_LISTEN", 8080)?;
        let payments = self.listen("PAYMENTS_LISTEN", 8081)?;
        self.env
            .set("TOKEN_SIGNING_KEY_FILE", key.display().to_string());
        self.env.set("API_URL", format!("http://{api}"));
        self.env.set("PUBLIC_URL", format!("http://{api}"));
        if !self.env.take("PAYMENTS_URL") {
            self.env.set("PAYMENTS_URL", format!("http://{payments}"));
        }
        self.env
            .set("JWKS_URL", format!("http://{api}/.well-known/jwks.json"));
        self.env.set(
            "CORS_ORIGINS",
            format!(
                "http://{api},http://{}",
                api.replace("127.0.0.1", "localhost")
            ),
        );
        self.env.set("PAYMENTS_SIMULATOR", "1");
        self.env
            .set("MAIL_DIR", dev_dir().join("mail").display().to_string());
        for name in [
            "API",
            "PAYMENTS",
            "WORKER_SAGA",
            "WORKER_PAYMENTS",
            "WORKER_ASYNC",
            "WORKER_RELAY",
        ] {
            self.env.set(
                &format!("{name}_ADMIN_URL"),
                format!("http://127.0.0.1:{}", free_port()?),
            );
        }
        for (name, who) in [
            ("USER", "user"),
            ("ADMIN", "admin"),
            ("OPERATOR", "operator"),
        ] {
            self.env
                .set(&format!("SHOP_{name}_EMAIL"), format!("{who}@shop.example"));
            self.env.set(&format!("SHOP_{name}_PASSWORD"), PASSWORD);
        }
        Ok(())
    }

    /// The address that the variable demands, or the usual port, or a free one.
    fn listen(&mut self, variable: &str, usual: u16) -> Result<String> {
        if !self.env.take(variable) {
            let port = if port_is_free(usual) {
                usual
            } else {
                free_port()?
            };
            self.env.set(variable, format!("127.0.0.1:{port}"));
        }
        Ok(self.env.get(variable).to_owned())
    }

    fn accounts(&self) -> Result<()> {
        for (name, who, role) in [
            ("USER", "Uma User", None),
            ("ADMIN", "Ada Admin", Some("admin")),
            ("OPERATOR", "Otto Operator", Some("operator")),
        ] {
            let email = self.env.get(&format!("SHOP_{name}_EMAIL"));
            let mut arguments = vec!["user", "create", "--email", email, "--name", who];
            arguments.extend(role.iter().flat_map(|role| ["--role", role]));
            self.once("shopctl", &arguments, Some(PASSWORD))?;
        }
        Ok(())
    }

    /// Role, binary, arguments and admin address of every process that is not left out.
    #[expect(clippy::type_complexity, reason = "it is read once, right here")]
    fn roles(
        &self,
        options: &Options,
    ) -> Result<Vec<(&'static str, &'static str, Vec<&'static str>, String)>> {
        let admin = |name: &str| {
            let variable = format!("{}_ADMIN_URL", name.to_uppercase().replace('-', "_"));
            self.env
                .get(&variable)
                .trim_start_matches("http://")
                .to_owned()
        };
        let mut roles = Vec::new();
        for part in ["payments", "api"] {
            if !options.without.contains(part) {
                let address = self.env.get(&format!("{}_LISTEN", part.to_uppercase()));
                let port = address
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse().ok());
                if !port.is_some_and(port_is_free) {
                    return fail(format!(
                        "{address} is taken: free it, or set {}_LISTEN",
                        part.to_uppercase()
                    ));
                }
                roles.push((part, part, Vec::new(), admin(part)));
            }
        }
        if !options.without.contains("worker") {
            roles.extend(WORKERS.map(|(role, task)| (role, "worker", vec![task], admin(role))));
        }
        Ok(roles)
    }

    fn command(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(bin_dir(self.release).join(binary));
        command.args(arguments).current_dir(cargo::root());
        for (name, value) in self.env.iter() {
            command.env(name, value);
        }
        command
    }

    fn once(&self, binary: &str, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let what = format!("`{binary} {}`", arguments.join(" "));
        let mut command = self.command(binary, arguments);
        let mut child = command
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(&what)?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).doing(&what)?;
        }
        let output = child.wait_with_output().doing(&what)?;
        if output.status.success() {
            return Ok(());
        }
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        fail(format!(
            "{what} failed: {}",
            said.lines().last().unwrap_or("it did not say why")
        ))
    }

    fn spawn(&mut self, role: &str, binary: &str, arguments: &[&str], admin: &str) -> Result<()> {
        let path = log(role);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .doing(&format!("open {}", path.display()))?;
        let errors = log.try_clone().doing("open a log")?;
        let variable = if binary == "worker" {
            "WORKER_ADMIN_LISTEN".to_owned()
        } else {
            format!("{}_ADMIN_LISTEN", binary.to_uppercase())
        };
        let child = self
            .command(binary, arguments)
            .env(variable, admin)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing(&format!("start {role}"))?;
        if let Some(process) = Process::of(child.id()) {
            self.started.push((role.to_owned(), process));
        }
        self.children.push((role.to_owned(), child));
        Ok(())
    }

    fn await_ready(&mut self, role: &str, admin: &str) -> Result<()> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            self.go_on()?;
            let child = self.children.iter_mut().find(|(name, _)| name == role);
            if let Some((_, child)) = child
                && let Ok(Some(status)) = child.try_wait()
            {
                return fail(format!(
                    "{role} ended at start ({status}): {}",
                    last_line(&log(role))
                ));
            }
            if get_ok(admin, "/readyz") {
                eprintln!("{role} is ready");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        fail(format!(
            "{role} is not ready after {READY:?}: see {}",
            log(role).display()
        ))
    }

    fn announce(&self) {
        let env = |name| self.env.get(name);
        eprintln!("\nThe shop runs.\n");
        eprintln!("  API       {}/docs", env("API_URL"));
        eprintln!("  Payments  {}/docs", env("PAYMENTS_URL"));
        eprintln!("  RabbitMQ  {}", env("RABBITMQ_MANAGEMENT_URL"));
        eprintln!("  Mails     .dev/mail/, logs .dev/log/, settings for a shell: . .dev/env\n");
        for (name, what) in [
            ("USER", "user    "),
            ("ADMIN", "admin   "),
            ("OPERATOR", "operator"),
        ] {
            let email = self.env.get(&format!("SHOP_{name}_EMAIL"));
            eprintln!("  {what}  {email}  {PASSWORD}");
        }
    }

    /// Until Ctrl-C, or until all have ended; says when one ends, and keeps the others.
    fn watch(&mut self) {
        let any = !self.children.is_empty();
        while self.interrupted.recv_timeout(Duration::from_millis(300))
            == Err(mpsc::RecvTimeoutError::Timeout)
        {
            self.children
                .retain_mut(|(role, child)| match child.try_wait() {
                    Ok(Some(status)) => {
                        eprintln!(
                            "{role} (pid {}) ended: {status}; its log is {}",
                            child.id(),
                            log(role).display()
                        );
                        false
                    }
                    _ => true,
                });
            if any && self.children.is_empty() {
                return;
            }
        }
    }
}

fn log(role: &str) -> std::path::PathBuf {
    dev_dir().join("log").join(format!("{role}.log"))
}

/// Whether a GET is answered with 200.
fn get_ok(address: &str, path: &str) -> bool {
    let Some(port) = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
    else {
        return false;
    };
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn last_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .rfind(|line| line.contains("rror"))
        .or(text.lines().last())
        .unwrap_or("it did not say why")
        .to_owned()
}
