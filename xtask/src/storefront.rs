//! The storefront: built by Node, and tested in a browser against a system of its own.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use servers::{Postgres, Process, RabbitMq, Result, find_program, free_port, install};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir, root},
    env::Env,
    fail, jaeger,
    roles::get_ok,
};

const NO_NODE: &str = "Node 20.19 or later, with npm, is needed for it (https://nodejs.org)";
/// Longest start of a system that is already built.
const READY: Duration = Duration::from_mins(3);

fn folder() -> PathBuf {
    root().join("frontend")
}

fn has_node() -> bool {
    let version = Command::new("node")
        .arg("--version")
        .stderr(Stdio::null())
        .output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let new_enough = version.is_ok_and(|version| {
        let mut parts = version.trim().trim_start_matches('v').split('.');
        let mut next = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        let version: (u32, u32) = (next(), next());
        version >= (20, 19)
    });
    new_enough && find_program("npm").is_some()
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command
        .args(["--silent", "--no-update-notifier"])
        .args(arguments)
        .current_dir(folder())
        // the child must not read our standard input
        .stdin(Stdio::null());
    command
}

/// Installs the packages of package-lock.json, unless they are installed already.
fn dependencies() -> Result<()> {
    let lock = fs::read(folder().join("package-lock.json")).doing("read package-lock.json")?;
    let stamp = folder().join("node_modules").join(".of-lock");
    if fs::read(&stamp).is_ok_and(|there| there == lock) {
        return Ok(());
    }
    eprintln!("installing the storefront's packages");
    cargo::run(npm(&["ci", "--no-audit", "--no-fund"]), "npm ci")?;
    fs::write(&stamp, lock).doing("write down what is installed")
}

/// Builds the storefront and returns the folder with its files; without Node, prints a notice and
/// returns `None`.
pub(crate) fn build() -> Result<Option<PathBuf>> {
    if !has_node() {
        eprintln!("no storefront: {NO_NODE}");
        return Ok(None);
    }
    dependencies()?;
    eprintln!("building the storefront");
    cargo::run(npm(&["run", "build"]), "the storefront's build")?;
    Ok(Some(folder().join("dist")))
}

/// Generates the storefront's types from the OpenAPI documents.
pub(crate) fn generate() -> Result<()> {
    if !has_node() {
        eprintln!("the storefront's types are left as they are: {NO_NODE}");
        return Ok(());
    }
    dependencies()?;
    cargo::run(
        npm(&["run", "generate"]),
        "generating the storefront's types",
    )
}

/// Checks types, lint rules, and that the generated types are fresh.
pub(crate) fn lint() -> Result<()> {
    if !has_node() {
        return fail(format!("the storefront cannot be checked: {NO_NODE}"));
    }
    dependencies()?;
    cargo::run(
        npm(&["run", "check"]),
        "the check of the storefront's types",
    )?;
    cargo::run(npm(&["run", "lint"]), "the storefront's lint")
}

/// Tests the storefront's rules, then its pages in a browser, against a system that is started for
/// them.
pub(crate) fn test(postgres: &Postgres, rabbitmq: &RabbitMq, arguments: &[String]) -> Result<()> {
    if !has_node() {
        return fail(format!("the storefront cannot be tested: {NO_NODE}"));
    }
    dependencies()?;
    eprintln!("--- the storefront's rules");
    cargo::run(npm(&["run", "test"]), "the storefront's rules")?;
    let chromium = chromium()?;
    jaeger::build(); // otherwise its build would count as the system's start
    // some pages are tested on a saga that a drill made stuck
    cargo::run(cargo(&["build", "--package", "drill"]), "the drill's build")?;
    if arguments.is_empty() {
        eprintln!("--- the system without a storefront");
        runs_without_node(postgres, rabbitmq)?;
    }
    eprintln!("--- the storefront in a browser");
    let system = System::start(postgres, rabbitmq, "storefront", None)?;
    let mut browser = npm(&["run", "browser", "--"]);
    browser
        .args(arguments)
        .env("CHROMIUM", chromium)
        .env("DRILL_BIN", bin_dir(false).join("drill"))
        .env("RABBITMQ_MANAGEMENT_URL", rabbitmq.management_url());
    for (name, value) in system.env.iter() {
        browser.env(name, value);
    }
    cargo::run(browser, "the storefront's tests in a browser")
}

/// Tests that a Node that is too old counts as missing: one line reports it, and the API serves.
fn runs_without_node(postgres: &Postgres, rabbitmq: &RabbitMq) -> Result<()> {
    let bin = dev_dir().join("test").join("old-node");
    let node = bin.join("node");
    fs::create_dir_all(&bin).doing("make a folder for an old Node")?;
    fs::write(&node, "#!/bin/sh\necho v12.22.0\n").doing("write an old Node")?;
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).doing("make it a program")?;
    let mut path = OsString::from(bin);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let system = System::start(postgres, rabbitmq, "nodeless", Some(path))?;
    let log = fs::read_to_string(system.dir.join("up.log")).doing("read the log of `up`")?;
    let said = format!("no storefront: {NO_NODE}");
    let lines = log
        .lines()
        .filter(|line| line.contains("Node"))
        .collect::<Vec<_>>();
    if lines != [said.as_str()] {
        return fail(format!(
            "`up` without Node should say `{said}`, and said {lines:?}"
        ));
    }
    let api = system.env.get("API_LISTEN");
    for (path, serves) in [("/api/products", true), ("/docs/", true), ("/", false)] {
        if get_ok(api, path) != serves {
            let not = if serves { "does not serve" } else { "serves" };
            return fail(format!("without Node the api {not} {path}"));
        }
    }
    Ok(())
}

fn chromium() -> Result<PathBuf> {
    let find = || find_program("chromium").or_else(|| find_program("chromium-browser"));
    if let Some(found) = find() {
        return Ok(found);
    }
    install(&["chromium"])?;
    find().map_or_else(|| fail("chromium was installed, but is not on PATH"), Ok)
}

/// This running program. Its path may already hold a new xtask, since the workspace build can
/// replace the file, and then the path that Linux reports for this program is gone.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// A `cargo xtask up` for the tests, beside one that a person may be running.
struct System {
    dir: PathBuf,
    up: Process,
    env: Env,
}

impl System {
    /// Starts a system. `name` names its folder and its databases; `path` replaces our own PATH.
    fn start(
        postgres: &Postgres,
        rabbitmq: &RabbitMq,
        name: &str,
        path: Option<OsString>,
    ) -> Result<Self> {
        let dir = dev_dir().join("test").join(name);
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(&dir).doing("make a folder for the storefront's tests")?;
        let [shop, payments] = ["shop", "payments"].map(|part| format!("{name}_{part}"));
        postgres.create_database(&shop)?;
        postgres.create_database(&payments)?;
        let log = fs::File::create(dir.join("up.log")).doing("open a log")?;
        let errors = log.try_clone().doing("open a log")?;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let path = path.or_else(|| std::env::var_os("PATH"));
        let mut child = Command::new(THIS_PROGRAM)
            .arg("up")
            .env("PATH", path.unwrap_or_default())
            .current_dir(root())
            .env(cargo::DEV_DIR, &dir)
            .env("SHOP_DATABASE_URL", postgres.url(&shop))
            .env("PAYMENTS_DATABASE_URL", postgres.url(&payments))
            .env("AMQP_URL", rabbitmq.amqp_url("%2f"))
            .env("API_LISTEN", local(free_port()?))
            .env("PAYMENTS_LISTEN", local(free_port()?))
            .env_remove("PAYMENTS_URL")
            .env("LOGINS_PER_MINUTE", "0")
            .env("REFRESHES_PER_MINUTE", "0")
            .env("SEARCHES_PER_MINUTE", "0")
            .env("ORDER_LIMIT_OPEN", "0")
            .env("ORDER_LIMIT_PER_HOUR", "0")
            // recovery from a crash takes a second or two
            .env("SAGA_LEASE_MS", "1500")
            .env("SAGA_CALL_TIMEOUT_MS", "800")
            .env("SAGA_LEASE_MARGIN_MS", "500")
            .env("SAGA_RETRY_BASE_MS", "200")
            .env("SAGA_RETRY_CAP_MS", "1000")
            .env("ORDER_WAIT_MS", "1000")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .doing("start a system for the storefront's tests")?;
        let until = Instant::now() + READY;
        let Some(up) = Process::of(child.id()) else {
            return fail("the system for the storefront's tests ended at once");
        };
        let mut system = Self {
            dir,
            up,
            env: Env::default(),
        };
        while !system.dir.join("ready").exists() {
            if let Ok(Some(status)) = child.try_wait() {
                return fail(format!(
                    "the system for the storefront's tests ended ({status}): {}",
                    last_lines(&system.dir.join("up.log"))
                ));
            }
            if Instant::now() > until {
                return fail(format!(
                    "the system for the storefront's tests is not ready: see .dev/test/{name}/up.log"
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        system.env = Env::read_from(&system.dir);
        // reaps the child, so that waiting for its end does not see a zombie
        std::thread::spawn(move || child.wait());
        Ok(system)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.up.terminate(Duration::from_secs(40));
    }
}

fn last_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
