//! The processes of a system: started, queried, stopped, killed.

use std::{
    fs::OpenOptions,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::StatusCode;

use crate::{System, ended, eventually};

/// A started process that no test has ended yet.
pub(crate) struct Running {
    child: Child,
    admin: String,
    /// The process's own address, if an API or a payments process runs beside others of its kind.
    address: Option<String>,
}

impl System {
    /// Starts a process and waits until it is ready: `payments`, `api`, `worker` (all roles), or a
    /// worker of some roles, such as `worker saga relay`. A second process of the same kind gets a
    /// suffix after a `#`: `worker#2`. With such a name, an API or a payments process listens on a
    /// port of its own ([`System::address`]).
    ///
    /// # Panics
    /// When the process does not become ready.
    pub async fn spawn(&self, role: &str) {
        self.spawn_with(role, &[]).await;
    }

    /// Like [`System::spawn`], with additional variables.
    ///
    /// # Panics
    /// When the process does not become ready.
    pub async fn spawn_with(&self, role: &str, env: &[(&str, &str)]) {
        self.launch_with(role, env).await;
        eventually(
            &format!("{role} to be ready (log in {})", self.dir.display()),
            || self.is_ready(role),
        )
        .await;
    }

    /// Like [`System::spawn`], without waiting.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub async fn launch(&self, role: &str) {
        self.launch_with(role, &[]).await;
    }

    /// Like [`System::launch`], with additional variables.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub async fn launch_with(&self, role: &str, env: &[(&str, &str)]) {
        let what = role.split('#').next().unwrap_or(role);
        let binary = what.split(' ').next().unwrap_or(what);
        let mut command = self.command(binary);
        let mut address = None;
        let admin = if binary == "worker" {
            let admin = self.free_address();
            let roles: Vec<_> = what.split(' ').skip(1).collect();
            let all = ["saga", "payments", "async", "relay"];
            command.args(if roles.is_empty() {
                &all[..]
            } else {
                &roles[..]
            });
            command.env("WORKER_ADMIN_LISTEN", &admin);
            admin
        } else if what != role {
            let (own, admin) = (self.free_address(), self.free_address());
            let binary = binary.to_uppercase();
            command.env(format!("{binary}_LISTEN"), &own);
            command.env(format!("{binary}_ADMIN_LISTEN"), &admin);
            address = Some(own);
            admin
        } else {
            self.env[&format!("{}_ADMIN_LISTEN", binary.to_uppercase())].clone()
        };
        if let Some(links) = &self.links {
            command.envs(links.variables(role, binary, &self.env).await);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(role));
        let log = log.expect("the log can be opened");
        let child = command
            .envs(env.iter().copied())
            .stdout(log.try_clone().expect("the log can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let running = Running {
            child,
            admin,
            address,
        };
        self.running
            .lock()
            .expect("no test panics here")
            .insert(role.to_owned(), running);
    }

    /// The peak memory of a process so far, bytes.
    ///
    /// # Panics
    /// When the process is not running.
    pub fn peak_memory(&self, role: &str) -> u64 {
        let running = self.running.lock().expect("no test panics here");
        let id = running.get(role).expect("it runs").child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.expect("a running process has a status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        let kib: u64 = kib.and_then(|kib| kib.parse().ok()).expect("a number");
        kib * 1024
    }

    /// Whether a process reports that it is ready.
    pub async fn is_ready(&self, role: &str) -> bool {
        self.admin(role, "/readyz").await.is_some()
    }

    /// The address of a process's admin port; `None` while the process is not running.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn admin_address(&self, role: &str) -> Option<String> {
        let running = self.running.lock().expect("no test panics here");
        running.get(role).map(|running| running.admin.clone())
    }

    /// The address of an API or a payments process whose name has a suffix.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn address(&self, role: &str) -> Option<String> {
        let running = self.running.lock().expect("no test panics here");
        running.get(role)?.address.clone()
    }

    /// The id of a running process.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn pid(&self, role: &str) -> Option<u32> {
        let running = self.running.lock().expect("no test panics here");
        running.get(role).map(|running| running.child.id())
    }

    /// The answer of a process's admin port, such as to `/metrics`; `None` while it does not
    /// answer.
    pub async fn admin(&self, role: &str, path: &str) -> Option<String> {
        let admin = self.admin_address(role)?;
        let answer = self.http.get(format!("http://{admin}{path}")).send().await;
        let answer = answer
            .ok()
            .filter(|answer| answer.status() == StatusCode::OK)?;
        answer.text().await.ok()
    }

    /// Whether a started process is still running.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn runs(&self, role: &str) -> bool {
        let mut running = self.running.lock().expect("no test panics here");
        running
            .get_mut(role)
            .is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    /// Sends SIGKILL and waits for the end of the process.
    ///
    /// # Panics
    /// When the process is not running.
    pub fn kill(&self, role: &str) {
        self.end(role, Signal::SIGKILL);
    }

    /// Sends SIGTERM and waits until the process has exited by itself.
    ///
    /// # Panics
    /// When the process is not running.
    pub fn stop(&self, role: &str) {
        self.end(role, Signal::SIGTERM);
    }

    /// Sends SIGTERM, and SIGKILL if the process has not exited within `grace`, as Kubernetes does;
    /// returns the exit status.
    ///
    /// # Panics
    /// When the process is not running.
    pub async fn retire(&self, role: &str, grace: Duration) -> ExitStatus {
        let mut child = self.taken(role);
        send(&child, Signal::SIGTERM);
        let until = Instant::now() + grace;
        loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                return status;
            }
            if Instant::now() > until {
                send(&child, Signal::SIGKILL);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Sends SIGSTOP or SIGCONT.
    ///
    /// # Panics
    /// When the process is not running.
    pub fn signal(&self, role: &str, signal: Signal) {
        let running = self.running.lock().expect("no test panics here");
        send(&running.get(role).expect("it runs").child, signal);
    }

    /// Like [`System::signal`]; returns false when the process is not running.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn try_signal(&self, role: &str, signal: Signal) -> bool {
        let running = self.running.lock().expect("no test panics here");
        let running = running.get(role);
        running
            .inspect(|running| send(&running.child, signal))
            .is_some()
    }

    /// A process that exited unasked, with its exit status; each is reported once.
    ///
    /// # Panics
    /// Only if another thread has panicked while holding the lock.
    pub fn fallen(&self) -> Option<(String, ExitStatus)> {
        let mut running = self.running.lock().expect("no test panics here");
        let fallen = running
            .iter_mut()
            .find_map(|(role, running)| Some((role.clone(), running.child.try_wait().ok()??)))?;
        running.remove(&fallen.0);
        Some(fallen)
    }

    /// The sum of a metric's series; 0 when the process has none, or does not answer.
    pub async fn metric(&self, role: &str, name: &str) -> f64 {
        let page = self.admin(role, "/metrics").await.unwrap_or_default();
        page.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Removes a process from the running ones and returns it.
    fn taken(&self, role: &str) -> Child {
        let mut running = self.running.lock().expect("no test panics here");
        let running = running.remove(role);
        running
            .unwrap_or_else(|| panic!("{role} does not run"))
            .child
    }

    fn end(&self, role: &str, signal: Signal) {
        let mut child = self.taken(role);
        send(&child, signal);
        ended(&mut child);
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let mut running = self
            .running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (_, Running { mut child, .. }) in running.drain() {
            // a failed test may leave processes stopped; SIGKILL ends those, too
            send(&child, Signal::SIGKILL);
            child.wait().ok();
        }
    }
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("process ids are small");
    kill(Pid::from_raw(pid), signal).ok();
}
