//! The processes of the system: their settings, and their readiness.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use servers::Result;

use crate::{
    Doing,
    cargo::{self, dev_dir},
    env::Env,
    fail,
};

const READY: Duration = Duration::from_mins(1);

/// A process of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role {
    /// Its name in `.dev/processes.json`.
    pub(crate) name: &'static str,
    /// Its name for `--without`; also the binary's name.
    pub(crate) part: &'static str,
    /// The argument of the binary.
    task: Option<&'static str>,
}

pub(crate) const ROLES: [Role; 6] = [
    role("payments", "payments", None),
    role("api", "api", None),
    role("worker-saga", "worker", Some("saga")),
    role("worker-payments", "worker", Some("payments")),
    role("worker-async", "worker", Some("async")),
    role("worker-relay", "worker", Some("relay")),
];

const fn role(name: &'static str, part: &'static str, task: Option<&'static str>) -> Role {
    Role { name, part, task }
}

impl Role {
    fn variable(self, what: &str) -> String {
        format!("{}_{what}", self.name.to_uppercase().replace('-', "_"))
    }

    /// The variable with the URL of its admin port.
    pub(crate) fn admin_variable(self) -> String {
        self.variable("ADMIN_URL")
    }

    /// Gives the role an admin port of its own, also when it is started by hand.
    pub(crate) fn set_admin(self, env: &mut Env, address: &str) {
        env.set(&self.variable("ADMIN_LISTEN"), address);
        env.set(&self.admin_variable(), format!("http://{address}"));
    }

    fn admin(self, env: &Env) -> String {
        let url = env.get(&self.admin_variable());
        url.trim_start_matches("http://").to_owned()
    }

    pub(crate) fn log(self) -> PathBuf {
        dev_dir().join("log").join(format!("{}.log", self.name))
    }

    /// Why the process ended, by what it has written since its start.
    pub(crate) fn reason(self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let since = log.rsplit_once(STARTED).map_or(&*log, |(_, since)| since);
        reason(since).to_owned()
    }

    /// Starts the process, in a process group of its own.
    pub(crate) fn spawn(self, env: &Env) -> Result<Child> {
        let path = self.log();
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .doing(&format!("open {}", path.display()))?;
        writeln!(log, "{STARTED}").doing("write a log")?;
        let errors = log.try_clone().doing("open a log")?;
        let part = self.part.to_uppercase();
        command(env, self.part)
            .args(self.task)
            .env(format!("{part}_ADMIN_LISTEN"), self.admin(env))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing(&format!("start {}", self.name))
    }

    /// Waits until the process is ready; an error from `go_on` ends the wait.
    pub(crate) fn await_ready(
        self,
        child: &mut Child,
        env: &Env,
        go_on: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            go_on()?;
            if let Ok(Some(status)) = child.try_wait() {
                return fail(format!(
                    "{} ended at start ({status}): {}",
                    self.name,
                    self.reason()
                ));
            }
            if get_ok(&self.admin(env), "/readyz") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        fail(format!(
            "{} is not ready after {READY:?}: see {}",
            self.name,
            self.log().display()
        ))
    }
}

/// Runs a drill against the running system.
pub(crate) fn drill(arguments: &[String]) -> Result<()> {
    let mut drill = cargo::cargo(&["run", "--quiet", "--package", "drill", "--"]);
    drill.args(arguments);
    for (name, value) in Env::read().iter() {
        drill.env(name, value);
    }
    // the drill undoes itself at Ctrl-C, and ends then
    ctrlc::set_handler(|| {}).doing("listen for Ctrl-C")?;
    cargo::run(drill, "the drill")
}

/// A command for one of our programs with these settings, which also name its path.
pub(crate) fn command(env: &Env, binary: &str) -> Command {
    let mut command = Command::new(env.get(&format!("{}_BIN", binary.to_uppercase())));
    command.current_dir(cargo::root());
    for (name, value) in env.iter() {
        command.env(name, value);
    }
    // a process gets only the keys that it signs with
    for (key, signers) in [
        ("TOKEN_SIGNING_KEY_FILE", &["api"][..]),
        ("SERVICE_SIGNING_KEY_FILE", &["api", "worker", "shopctl"]),
        ("EVENT_SIGNING_KEY_FILE", &["payments"]),
    ] {
        if !signers.contains(&binary) {
            command.env_remove(key);
        }
    }
    command
}

/// Whether a GET is answered with 200; the address is `host:port`.
pub(crate) fn get_ok(address: &str, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
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

/// The line in a log at which a process begins.
const STARTED: &str = "--- started by cargo xtask";

/// The reason that a program gave for its exit: the first line of its error, or of its panic.
pub(crate) fn reason(said: &str) -> &str {
    const ERRORS: [&str; 3] = ["Error: ", "error: ", "payments: "];
    let mut lines = said.lines();
    let error = said
        .lines()
        .rev()
        .find_map(|line| ERRORS.iter().find_map(|start| line.strip_prefix(start)));
    let panic = || {
        lines.find(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
        lines.next()
    };
    let logged = || {
        said.lines()
            .rfind(|line| line.contains(r#""level":"ERROR""#))
    };
    let last = || said.lines().rfind(|line| !line.trim().is_empty());
    error
        .or_else(panic)
        .or_else(logged)
        .or_else(last)
        .unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exits_reason_is_its_errors_first_line() {
        for (said, expected) in [
            (
                "{\"level\":\"INFO\"}\nError: live sagas are of unknown plans\n\nCaused by:\n    0: an Error\n\nStack \
                 backtrace:\n   0: anyhow::error::<impl anyhow::Error>::msg\n             at ./src/backtrace.rs:10:14\n",
                "live sagas are of unknown plans",
            ),
            ("payments: SHOP is not set\n", "SHOP is not set"),
            (
                "error: the argument '--x' is unknown\n\nUsage: worker\n\nFor more information, try '--help'.\n",
                "the argument '--x' is unknown",
            ),
            (
                "thread 'main' (7) panicked at src/main.rs:3:5:\nthe key is empty\nstack backtrace:\n   0: std::panicking\n",
                "the key is empty",
            ),
            (
                "{\"level\":\"ERROR\",\"message\":\"no\"}\nKilled\n",
                "{\"level\":\"ERROR\",\"message\":\"no\"}",
            ),
            ("Killed\n\n", "Killed"),
            ("", "it did not say why"),
        ] {
            assert_eq!(reason(said), expected, "{said}");
        }
    }
}
