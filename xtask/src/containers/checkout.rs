//! A copy of the checkout with settings and secrets of its own, and the system that is composed
//! from it.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use servers::Result;

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian::quiet,
    fail,
};

use super::engine::Engine;

/// Longer than a lease, a backoff and a process start together on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(90);

pub(super) struct Checkout<'a> {
    pub(super) engine: &'a Engine,
    folder: PathBuf,
    /// Ports of the shop, payments and the mail viewer.
    ports: [u16; 3],
}

impl<'a> Checkout<'a> {
    /// Copies all files of the repository, without ignored ones.
    pub(super) fn new(engine: &'a Engine) -> Result<Self> {
        let folder = dev_dir().join("containers");
        fs::remove_dir_all(&folder).ok(); // left by an earlier run
        fs::create_dir_all(&folder).doing("make a copy of the checkout")?;
        let mut copy = Command::new("sh");
        copy.current_dir(root()).arg("-c").arg(
            "git ls-files -z --cached --others --exclude-standard | \
             tar --null --verbatim-files-from --ignore-failed-read -c -T - | tar -x -C \"$0\"",
        );
        copy.arg(&folder);
        quiet(copy, "copying the checkout")?;
        let port = || -> Result<u16> {
            let free = TcpListener::bind("127.0.0.1:0").doing("find a free port")?;
            Ok(free.local_addr().doing("find a free port")?.port())
        };
        let checkout = Self {
            engine,
            folder,
            ports: [port()?, port()?, port()?],
        };
        checkout
            .compose(&["down", "--volumes", "--remove-orphans"])
            .ok(); // left by an earlier run
        Ok(checkout)
    }

    fn url(&self, service: usize) -> String {
        format!("http://localhost:{}", self.ports[service])
    }

    pub(super) fn shop(&self) -> String {
        self.url(0)
    }

    pub(super) fn payments(&self) -> String {
        self.url(1)
    }

    pub(super) fn mails(&self) -> String {
        self.url(2)
    }

    /// A command for a program in the checkout; its environment only moves ports.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = self.engine.command(program);
        command.current_dir(&self.folder);
        for (name, port) in ["SHOP_PORT", "PAYMENTS_PORT", "MAIL_PORT"]
            .iter()
            .zip(self.ports)
        {
            command.env(name, port.to_string());
        }
        // the test's one account orders far more than a person would
        command
            .env("ORDER_LIMIT_OPEN", "0")
            .env("ORDER_LIMIT_PER_HOUR", "0");
        if !self.engine.is_own() {
            command.env("COMPOSE_PROJECT_NAME", "shop-system-test");
        }
        command
    }

    /// Runs `docker compose …`; returns its output.
    pub(super) fn compose(&self, arguments: &[&str]) -> Result<String> {
        let mut compose = self.command("docker");
        compose.arg("compose").args(arguments);
        cargo::output(compose, &format!("docker compose {}", arguments.join(" ")))
    }

    /// Runs commands from a document, with the ports of this run.
    pub(super) fn run(&self, commands: &str) -> Result<String> {
        let commands = commands
            .replace("http://localhost:8080", &self.shop())
            .replace("http://localhost:8081", &self.payments());
        let mut shell = self.command("sh");
        shell.args(["-euc", &commands]).stdin(Stdio::null());
        let output = shell.output().doing("run a shell")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        fail(format!(
            "{commands}\nended with {}: {said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))
    }

    /// The commands under a heading of a document.
    pub(super) fn documented(document: &str, heading: &str) -> Result<String> {
        let text = fs::read_to_string(root().join(document)).doing(&format!("read {document}"))?;
        let block = text
            .split_once(&format!("\n{heading}\n"))
            .and_then(|(_, rest)| rest.split_once("```sh\n"))
            .and_then(|(_, rest)| rest.split_once("```"));
        match block {
            Some((commands, _)) => Ok(commands.to_owned()),
            None => fail(format!("{document} has no commands below \"{heading}\"")),
        }
    }

    pub(super) fn file(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.folder.join(name)).doing(&format!("read {name}"))
    }

    /// Saves the containers' output for the diagnosis of a failure.
    pub(super) fn keep_logs(&self) {
        let place = self.folder.join("log");
        let said = ["ps --all", "logs --no-color --timestamps"].map(|what| {
            let words: Vec<_> = what.split(' ').collect();
            self.compose(&words).unwrap_or_else(|error| error.0)
        });
        if fs::write(&place, said.concat()).is_ok() {
            eprintln!("the containers' logs are in {}", shown(&place));
        }
    }

    /// Removes containers, networks and volumes.
    pub(super) fn clear(&self) -> Result<()> {
        self.compose(&["--profile", "*", "down", "--volumes", "--remove-orphans"])
            .map(drop)
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Waits until a condition holds.
pub(super) fn eventually(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + TIMEOUT;
    loop {
        let now = so();
        match now {
            Ok(true) => return Ok(()),
            Ok(false) if Instant::now() > until => {
                return fail(format!("{what}: not within {TIMEOUT:?}"));
            }
            Err(why) if Instant::now() > until => return Err(why),
            _ => thread::sleep(Duration::from_millis(200)),
        }
    }
}
