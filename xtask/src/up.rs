//! `cargo xtask up`: the whole system on one machine.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Stdio},
    sync::mpsc,
    time::Duration,
};

use servers::{Postgres, PostgresOptions, Process, RabbitMq, Result, free_port, port_is_free};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    down,
    env::{self, Env},
    fail,
    faults::{Control, Deed, Payments},
    jaeger, lock, processes,
    roles::{self, ROLES, Role},
    storefront,
};

/// Poll interval of a running system.
const TICK: Duration = Duration::from_millis(200);
const PASSWORD: &str = "correct horse battery";

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
    /// The options of `up -d`.
    pub(crate) fn detached() -> Self {
        Self {
            detached: true,
            ..Self::default()
        }
    }

    /// The processes to start.
    fn roles(&self) -> impl Iterator<Item = Role> {
        let wanted = |role: &Role| !self.without.contains(role.part);
        ROLES.into_iter().filter(wanted)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    env::make_folders(&dev_dir())?;
    let running = processes::read();
    let runs = |role: &str| running.iter().any(|(name, _)| name == role);
    if !running.is_empty() && !options.fresh && options.roles().all(|role| runs(role.name)) {
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
    // the file may never have been written
    fs::remove_file(dev_dir().join("ready")).ok();
    let (programs, storefront, jaeger) = match cargo::programs() {
        Some(programs) => (programs, None, None),
        None => (
            build(options.release)?,
            storefront::build()?,
            jaeger::build(),
        ),
    };
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
        programs,
        storefront,
        jaeger,
        control: None,
        interrupted,
    };
    if let Err(error) = system.start(options) {
        eprintln!("stopping what was started");
        down::stop(&system.started);
        return Err(error);
    }
    system.announce();
    fs::write(dev_dir().join("ready"), "").doing("write .dev/ready")?;
    if options.detached {
        eprintln!("\n`cargo xtask down` stops it.");
        return Ok(());
    }
    eprintln!("\nCtrl-C stops it.");
    system.watch();
    eprintln!("stopping");
    // processes that were replaced in the meantime are recorded there
    down::stop(&processes::read());
    Ok(())
}

/// The databases to create on a server of this system's own, each with its setting; none if the
/// environment names those that are needed. `given` says so for the shop's and for payments'. Beside
/// a `foreign` payments service, a database of payments would be empty.
fn own_databases(
    given: [bool; 2],
    foreign: bool,
) -> Result<&'static [(&'static str, &'static str)]> {
    let both = &[
        ("SHOP_DATABASE_URL", "shop"),
        ("PAYMENTS_DATABASE_URL", "payments"),
    ];
    match given {
        [true, true] => Ok(&[]),
        [true, false] if foreign => Ok(&[]),
        [false, false] => Ok(if foreign { &both[..1] } else { both }),
        _ => fail("set both SHOP_DATABASE_URL and PAYMENTS_DATABASE_URL, or none of them"),
    }
}

/// Builds the shop's and payments' programs; returns their folder.
fn build(release: bool) -> Result<PathBuf> {
    eprintln!("building");
    let mut arguments = vec![
        "build", "--bins", "-p", "api", "-p", "payments", "-p", "worker", "-p", "shopctl",
    ];
    if release {
        arguments.push("--release");
    }
    cargo::run(cargo(&arguments), "the build")?;
    Ok(bin_dir(release))
}

fn wipe() -> Result<()> {
    for part in ["postgres", "rabbitmq", "mail", "log"] {
        let path = dev_dir().join(part);
        // a link points to the actual data
        let path = fs::read_link(&path).unwrap_or(path);
        if path.exists() {
            fs::remove_dir_all(&path).doing(&format!("wipe {}", path.display()))?;
        }
    }
    env::make_folders(&dev_dir())
}

struct System {
    /// In start order.
    started: Vec<(String, Process)>,
    children: Vec<(Role, Child)>,
    env: Env,
    /// Folder of our programs.
    programs: PathBuf,
    /// Folder of the built storefront.
    storefront: Option<PathBuf>,
    /// The trace viewer's program.
    jaeger: Option<PathBuf>,
    /// The port for fault injection; only in the foreground.
    control: Option<Control>,
    interrupted: mpsc::Receiver<()>,
}

impl System {
    fn start(&mut self, options: &Options) -> Result<()> {
        self.servers(options)?;
        let jaeger = jaeger::start(self.jaeger.as_ref(), &mut self.env)?;
        self.started.extend(jaeger);
        processes::write(&self.started)?;
        go_on(&self.interrupted)?;
        self.settings(options)?;
        eprintln!("preparing databases and queues");
        self.once("worker", &["migrate"], None)?;
        self.once("shopctl", &["seed"], None)?;
        self.accounts()?;
        self.env.write()?;
        self.ports_are_free(options)?;
        for role in options.roles() {
            eprintln!("starting {}", role.name);
            let child = role.spawn(&self.env)?;
            if let Some(process) = Process::of(child.id()) {
                self.started.push((role.name.to_owned(), process));
            }
            self.children.push((role, child));
        }
        processes::write(&self.started)?;
        let interrupted = &self.interrupted;
        for (role, child) in &mut self.children {
            role.await_ready(child, &self.env, || go_on(interrupted))?;
            eprintln!("{} is ready", role.name);
        }
        Ok(())
    }

    /// Starts the servers that the environment does not name.
    fn servers(&mut self, options: &Options) -> Result<()> {
        let databases = ["SHOP_DATABASE_URL", "PAYMENTS_DATABASE_URL"];
        // a payments service of another team has a database of its own, which this system never sees
        let foreign = options.without.contains("payments") && self.env.take("PAYMENTS_URL");
        let own = own_databases(databases.map(|name| self.env.take(name)), foreign)?;
        if !own.is_empty() {
            eprintln!("starting PostgreSQL");
            let postgres =
                Postgres::start(&dev_dir().join("postgres"), PostgresOptions::default())?;
            for (variable, database) in own {
                postgres.create_database(database)?;
                self.env.set(variable, postgres.url(database));
            }
            self.started.extend(
                postgres
                    .detach()
                    .map(|process| ("postgres".to_owned(), process)),
            );
            processes::write(&self.started)?;
        }
        if !self.env.take("SHOPCTL_ACTOR") {
            let user = std::env::var("USER").unwrap_or_default();
            let user = if user.is_empty() { "developer" } else { &user };
            self.env.set("SHOPCTL_ACTOR", user);
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

    /// A signing key under `.dev/keys`; created if it does not exist.
    fn key(&self, name: &str) -> Result<PathBuf> {
        let key = dev_dir().join("keys").join(name);
        if !key.exists() {
            let mut keygen = roles::command(&self.env, "shopctl");
            keygen.arg("keygen");
            let pem = cargo::output(keygen, "shopctl keygen")?;
            fs::write(&key, pem).doing("write a signing key")?;
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600))
                .doing("close a signing key")?;
        }
        Ok(key)
    }

    fn settings(&mut self, options: &Options) -> Result<()> {
        for (name, binary) in [
            ("API_BIN", "api"),
            ("PAYMENTS_BIN", "payments"),
            ("WORKER_BIN", "worker"),
            ("SHOPCTL_BIN", "shopctl"),
        ] {
            let program = self.programs.join(binary);
            self.env.set(name, program.display().to_string());
        }
        let key = self.key("token.pem")?;
        let service_key = self.key("service.pem")?;
        let event_key = self.key("event.pem")?;
        let api = self.listen("API_LISTEN", 8080)?;
        let payments = self.listen("PAYMENTS_LISTEN", 8081)?;
        self.env
            .set("TOKEN_SIGNING_KEY_FILE", key.display().to_string());
        self.env.set(
            "SERVICE_SIGNING_KEY_FILE",
            service_key.display().to_string(),
        );
        self.env
            .set("EVENT_SIGNING_KEY_FILE", event_key.display().to_string());
        self.env.set("API_URL", format!("http://{api}"));
        self.env.set("PUBLIC_URL", format!("http://{api}"));
        let foreign = self.env.take("PAYMENTS_URL");
        if !foreign {
            self.env.set("PAYMENTS_URL", format!("http://{payments}"));
        }
        if let Some(storefront) = &self.storefront {
            let folder = storefront.display().to_string();
            self.env.set("STOREFRONT_DIR", folder);
            // fault injection lives in this process, so it needs the foreground
            if !options.detached && !foreign {
                let proxy = Payments::before(payments.replace("0.0.0.0", "127.0.0.1"))?;
                let url = format!("http://{}", proxy.address);
                self.env.set("PAYMENTS_URL", url);
                let control = Control::open(proxy)?;
                self.env.set("DEMO_URL", control.url());
                self.control = Some(control);
            }
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
        if let Some(control) = &mut self.control {
            control.allow(self.env.get("CORS_ORIGINS"));
        }
        self.env.set("PAYMENTS_SIMULATOR", "1");
        self.env.set("SHOP_DEV", "1");
        // a drill's saga, or one of another branch, must not keep the system from starting
        self.env.set("UNKNOWN_PLANS", "leave");
        self.env
            .set("MAIL_DIR", dev_dir().join("mail").display().to_string());
        for role in ROLES {
            role.set_admin(&mut self.env, &format!("127.0.0.1:{}", free_port()?));
        }
        // of a worker that is started by hand without one of these
        self.env.set("WORKER_ADMIN_LISTEN", "127.0.0.1:0");
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

    /// The address from the variable, or the usual port, or a free one.
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
            arguments.extend(["--reason", "an account of `cargo xtask up`"]);
            arguments.extend(role.iter().flat_map(|role| ["--role", role]));
            self.once("shopctl", &arguments, Some(PASSWORD))?;
        }
        Ok(())
    }

    fn ports_are_free(&self, options: &Options) -> Result<()> {
        for part in ["payments", "api"] {
            let variable = format!("{}_LISTEN", part.to_uppercase());
            let address = self.env.get(&variable);
            let port = address.rsplit(':').next();
            let free = port
                .and_then(|port| port.parse().ok())
                .is_some_and(port_is_free);
            if !options.without.contains(part) && !free {
                return fail(format!("{address} is taken: free it, or set {variable}"));
            }
        }
        Ok(())
    }

    fn once(&self, binary: &str, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let what = format!("`{binary} {}`", arguments.join(" "));
        let mut child = roles::command(&self.env, binary)
            .args(arguments)
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
        fail(format!("{what} failed: {}", roles::reason(&said)))
    }

    fn announce(&self) {
        let env = |name| self.env.get(name);
        eprintln!("\nThe shop runs.\n");
        if self.storefront.is_some() {
            let api = env("API_URL").replace("127.0.0.1", "localhost");
            eprintln!("  Shop      {api}/");
        }
        eprintln!("  API       {}/docs", env("API_URL"));
        eprintln!("  Payments  {}/docs", env("PAYMENTS_URL"));
        eprintln!("  RabbitMQ  {}", env("RABBITMQ_MANAGEMENT_URL"));
        if !env("JAEGER_URL").is_empty() {
            eprintln!("  Traces    {}", env("JAEGER_URL"));
        }
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

    /// Runs until Ctrl-C, or until all processes have ended; reports when one ends, and keeps the
    /// others running.
    fn watch(&mut self) {
        let any = !self.children.is_empty();
        let control = self.control.take();
        loop {
            let pause = match &control {
                Some(control) => {
                    control.serve(TICK, self, Self::act, Self::states);
                    Duration::ZERO
                }
                None => TICK,
            };
            if self.interrupted.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            self.children
                .retain_mut(|(role, child)| match child.try_wait() {
                    Ok(Some(status)) => {
                        let (name, pid, log) = (role.name, child.id(), role.log());
                        let why = if status.success() {
                            String::new()
                        } else {
                            format!(": {}", role.reason())
                        };
                        let log = log.display();
                        eprintln!("{name} (pid {pid}) ended: {status}{why}; its log is {log}");
                        false
                    }
                    _ => true,
                });
            // with fault injection, ended processes can be started again
            if any && self.children.is_empty() && control.is_none() {
                return;
            }
        }
    }

    /// Kills or starts one of our processes.
    fn act(&mut self, name: &str, deed: Deed) -> Result<()> {
        let place = self.children.iter().position(|(role, _)| role.name == name);
        match (deed, place) {
            (Deed::Kill, Some(place)) => {
                let (role, mut child) = self.children.swap_remove(place);
                eprintln!("killing {} (pid {})", role.name, child.id());
                child.kill().doing("kill it")?;
                child.wait().doing("see it end")?;
            }
            (Deed::Start, None) => {
                let role = ROLES.into_iter().find(|role| role.name == name);
                let role = role.ok_or_else(|| {
                    servers::Error(format!("there is no process of ours called {name}"))
                })?;
                eprintln!("starting {name} again");
                let mut child = role.spawn(&self.env)?;
                let interrupted = &self.interrupted;
                role.await_ready(&mut child, &self.env, || go_on(interrupted))?;
                self.started.retain(|(started, _)| started != name);
                if let Some(process) = Process::of(child.id()) {
                    self.started.push((name.to_owned(), process));
                }
                processes::write(&self.started)?;
                self.children.push((role, child));
            }
            (Deed::Kill, None) => return fail(format!("{name} does not run")),
            (Deed::Start, Some(_)) => return fail(format!("{name} runs already")),
        }
        Ok(())
    }

    fn states(&self) -> Vec<(&'static str, bool)> {
        let runs = |role: &Role| self.children.iter().any(|(running, _)| running == role);
        ROLES.iter().map(|role| (role.name, runs(role))).collect()
    }
}

/// Returns an error after Ctrl-C.
fn go_on(interrupted: &mpsc::Receiver<()>) -> Result<()> {
    match interrupted.try_recv() {
        Ok(()) => fail("interrupted"),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_foreign_payments_no_payments_database_is_named() {
        let variables = |given, foreign| {
            let own = own_databases(given, foreign).ok()?;
            Some(
                own.iter()
                    .map(|(variable, _)| *variable)
                    .collect::<Vec<_>>(),
            )
        };
        let (shop, payments) = ("SHOP_DATABASE_URL", "PAYMENTS_DATABASE_URL");
        assert_eq!(variables([false, false], false), Some(vec![shop, payments]));
        assert_eq!(variables([false, false], true), Some(vec![shop]));
        assert_eq!(variables([true, false], true), Some(vec![]));
        assert_eq!(variables([true, false], false), None);
    }
}
