use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{Doing, Process, Result, failed, free_port, install, owner::Owner, port_is_free};

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
const START: Duration = Duration::from_secs(90);
/// `shop:shop`, base64.
const CREDENTIALS: &str = "c2hvcDpzaG9w";

/// A private RabbitMQ with its management API; stopped when dropped, unless it was
/// [detached](RabbitMq::detach).
#[derive(Debug)]
pub struct RabbitMq {
    /// The root folder of the system in which RabbitMQ is installed; `None` for the machine's own.
    system: Option<PathBuf>,
    home: PathBuf,
    owner: Owner,
    ports: Ports,
    running: Option<(Child, Process)>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    management: u16,
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts a server with its data in `dir`, on its previous ports if they are free.
    ///
    /// # Errors
    /// When RabbitMQ cannot be installed or does not start; the sentence names its log.
    pub fn start(dir: &Path) -> Result<Self> {
        if !Path::new(SERVER).exists() {
            install(&["rabbitmq-server"])?;
        }
        Self::of(None, dir)
    }

    /// Starts the RabbitMQ of another system, whose root is the folder `system`: another release.
    /// It runs in its own mount namespace; needs root.
    ///
    /// # Errors
    /// As for [`RabbitMq::start`].
    pub fn start_in(system: &Path, dir: &Path) -> Result<Self> {
        Self::of(Some(system.to_path_buf()), dir)
    }

    fn of(system: Option<PathBuf>, dir: &Path) -> Result<Self> {
        let owner = Owner::choose("rabbitmq");
        let home = owner.home(dir)?;
        let ports = ports(&home)?;
        let mut server = Self {
            system,
            home,
            owner,
            ports,
            running: None,
        };
        server.configure()?;
        server.launch()?;
        Ok(server)
    }

    fn configure(&self) -> Result<()> {
        let Ports {
            amqp,
            management,
            distribution,
            epmd,
        } = self.ports;
        self.owner.write(
            &self.home.join("ports"),
            &format!("{amqp} {management} {distribution} {epmd}"),
        )?;
        self.owner.write(
            &self.home.join("enabled_plugins"),
            "[rabbitmq_management].\n",
        )?;
        self.owner.write(
            &self.home.join("rabbitmq.conf"),
            &format!(
                "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
                 management.tcp.ip = 127.0.0.1\n\
                 management.tcp.port = {management}\n\
                 default_user = shop\n\
                 default_pass = shop\n\
                 disk_free_limit.absolute = 50MB\n\
                 max_message_size = 16777216\n\
                 log.console = false\n\
                 log.file.level = warning\n"
            ),
        )
    }

    /// Starts the server again, on the same data and ports, after it was stopped or killed.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn launch(&mut self) -> Result<()> {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.join("console.log"));
        let out = out.doing("open RabbitMQ's log")?;
        let errors = out.try_clone().doing("open RabbitMQ's log")?;
        let home = &self.home;
        let child = self
            .command(SERVER)
            .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                home.join("enabled_plugins"),
            )
            .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_PID_FILE", home.join("pid"))
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
            )
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing("start RabbitMQ")?;
        let Some(process) = Process::of(child.id()) else {
            return failed("start RabbitMQ", "it ended at once");
        };
        self.running = Some((child, process));
        let until = Instant::now() + START;
        while process.is_alive() && Instant::now() < until {
            if self.speaks_amqp() && self.management("GET", "/api/overview", "").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        self.kill();
        failed(
            "start RabbitMQ",
            format!(
                "see {} and the folder log beside it",
                self.home.join("console.log").display()
            ),
        )
    }

    /// A command whose environment names our node.
    fn command(&self, program: &str) -> Command {
        let program = Path::new(program);
        let mut command = match &self.system {
            Some(system) => self.owner.command_in(system, &self.home, program),
            None => self.owner.command(program),
        };
        command
            .env("HOME", &self.home)
            .env("RABBITMQ_NODENAME", "shop@localhost")
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string());
        command
    }

    /// Runs `rabbitmqctl` on this server.
    ///
    /// # Errors
    /// The error that `rabbitmqctl` reports.
    pub fn control(&self, arguments: &[&str]) -> Result<()> {
        let output = self
            .command(CONTROL)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .doing("run rabbitmqctl")?;
        if output.status.success() {
            Ok(())
        } else {
            failed(
                &format!("run rabbitmqctl {}", arguments.join(" ")),
                String::from_utf8_lossy(&output.stderr).trim(),
            )
        }
    }

    fn speaks_amqp(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.amqp)) else {
            return false;
        };
        let mut answer = [0; 1];
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .is_ok()
            && stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
            && stream.read_exact(&mut answer).is_ok()
    }

    /// Calls the management API.
    ///
    /// # Errors
    /// When the API cannot be reached or answers with an error.
    pub fn management(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.management))
            .doing("reach RabbitMQ's management")?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .doing("reach RabbitMQ's management")?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {CREDENTIALS}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream
            .write_all(request.as_bytes())
            .doing("call RabbitMQ's management")?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .doing("read RabbitMQ's management")?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('2') {
            Ok(answer)
        } else {
            failed(&format!("{method} {path}"), format!("status {status}"))
        }
    }

    /// URL of a vhost; `%2f` is the default vhost.
    pub fn amqp_url(&self, vhost: &str) -> String {
        format!(
            "amqp://shop:shop@127.0.0.1:{}/{vhost}?heartbeat=5",
            self.ports.amqp
        )
    }

    /// URL of the management API and UI.
    pub fn management_url(&self) -> String {
        format!("http://shop:shop@127.0.0.1:{}", self.ports.management)
    }

    /// The server process.
    pub fn process(&self) -> Option<Process> {
        self.running.as_ref().map(|(_, process)| *process)
    }

    /// Stops the server gracefully.
    pub fn stop(&mut self) {
        if let Some((child, process)) = &mut self.running {
            process.signal(nix::sys::signal::Signal::SIGTERM);
            let until = Instant::now() + Duration::from_secs(30);
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.kill();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some((mut child, process)) = self.running.take() {
            let family = family(process);
            process.kill();
            family.into_iter().for_each(Process::kill);
            child.wait().ok();
        }
        end_epmd(self.ports.epmd);
    }

    /// Kills the server, and starts it again without any data.
    ///
    /// # Errors
    /// When the data cannot be removed, or the server does not start.
    pub fn relaunch_empty(&mut self) -> Result<()> {
        self.kill();
        fs::remove_dir_all(self.home.join("mnesia")).doing("remove RabbitMQ's data")?;
        self.launch()
    }

    /// Keeps the server running when this value is dropped.
    pub fn detach(mut self) -> Option<Process> {
        self.running.take().map(|(_, process)| process)
    }

    /// Stops a detached server of an earlier run, and the port mapper that it started.
    pub fn stop_detached(dir: &Path, process: Process) {
        let family = family(process);
        process.terminate(Duration::from_secs(30));
        family.into_iter().for_each(Process::kill);
        if let Some(ports) = stored_ports(dir) {
            end_epmd(ports.epmd);
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The start script's descendants, which include the node.
fn family(process: Process) -> Vec<Process> {
    let mut all = process.children();
    let mut next = 0;
    while next < all.len() {
        all.extend(all[next].children());
        next += 1;
    }
    all
}

/// Erlang's port mapper outlives its node; ours is identified by its port.
fn end_epmd(port: u16) {
    let wanted = format!("ERL_EPMD_PORT={port}");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let is_epmd =
            fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name.trim() == "epmd");
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if is_epmd
            && environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
            && let Some(process) = Process::of(pid)
        {
            process.kill();
        }
    }
}

fn ports(home: &Path) -> Result<Ports> {
    let all_free = |ports: &Ports| {
        [ports.amqp, ports.management, ports.distribution, ports.epmd]
            .into_iter()
            .all(port_is_free)
    };
    if let Some(before) = stored_ports(home).filter(all_free) {
        return Ok(before);
    }
    Ok(Ports {
        amqp: free_port()?,
        management: free_port()?,
        distribution: free_port()?,
        epmd: free_port()?,
    })
}

fn stored_ports(home: &Path) -> Option<Ports> {
    let text = fs::read_to_string(home.join("ports")).ok()?;
    let mut ports = text.split_whitespace().map_while(|port| port.parse().ok());
    Some(Ports {
        amqp: ports.next()?,
        management: ports.next()?,
        distribution: ports.next()?,
        epmd: ports.next()?,
    })
}
