use std::{
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    Doing, Process, Result, failed, find_program, free_port, install, owner::Owner, port_is_free,
};

const START: Duration = Duration::from_mins(1);

/// Settings of a PostgreSQL server.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// False (no fsync) only if no data needs to survive a crash of the machine.
    pub durable: bool,
    /// Most connections to the server.
    pub max_connections: u32,
    /// Whether the server counts statements (`pg_stat_statements`), including their planning.
    pub statements: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            durable: true,
            max_connections: 200,
            statements: false,
        }
    }
}

/// A private PostgreSQL; stopped when dropped, unless it was [detached](Postgres::detach).
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    home: PathBuf,
    owner: Owner,
    options: PostgresOptions,
    port: u16,
    running: Option<(Child, Process)>,
}

impl Postgres {
    /// Starts a server with its data in `dir`, on its previous port if that is free.
    ///
    /// # Errors
    /// When PostgreSQL cannot be installed or does not start; the sentence names its log.
    pub fn start(dir: &Path, options: PostgresOptions) -> Result<Self> {
        let bin = if let Some(bin) = programs() {
            bin
        } else {
            install(&["postgresql"])?;
            let Some(bin) = programs() else {
                return failed("find PostgreSQL", "its package has no `postgres`");
            };
            bin
        };
        let owner = Owner::choose("postgres");
        let home = owner.home(dir)?;
        let port_file = home.join("port");
        let before = fs::read_to_string(&port_file)
            .ok()
            .and_then(|port| port.trim().parse().ok());
        let port = match before.filter(|port| port_is_free(*port)) {
            Some(port) => port,
            None => free_port()?,
        };
        owner.write(&port_file, &port.to_string())?;
        let mut server = Self {
            bin,
            home,
            owner,
            options,
            port,
            running: None,
        };
        server.init()?;
        server.launch()?;
        Ok(server)
    }

    fn init(&self) -> Result<()> {
        let data = self.home.join("data");
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let output = self
            .owner
            .command(&self.bin.join("initdb"))
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data)
            .output()
            .doing("run initdb")?;
        if output.status.success() {
            Ok(())
        } else {
            failed(
                "make a database cluster",
                String::from_utf8_lossy(&output.stderr),
            )
        }
    }

    /// Starts the server again, on the same data and port, after it was stopped or killed.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn launch(&mut self) -> Result<()> {
        let until = Instant::now() + START;
        // right after a kill, the server's children may still hold the lock file
        while Instant::now() < until {
            let (child, process) = self.spawn()?;
            self.running = Some((child, process));
            while process.is_alive() && Instant::now() < until {
                if self.is_ready() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            self.reap();
        }
        failed("start PostgreSQL", format!("see {}", self.log().display()))
    }

    fn spawn(&self) -> Result<(Child, Process)> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .doing("open PostgreSQL's log")?;
        let errors = log.try_clone().doing("open PostgreSQL's log")?;
        let mut command = self.owner.command(&self.bin.join("postgres"));
        command
            .arg("-D")
            .arg(self.home.join("data"))
            .arg("-p")
            .arg(self.port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", self.options.max_connections),
            "shared_buffers=128MB".to_owned(),
            "deadlock_timeout=200ms".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        if !self.options.durable {
            command.args([
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "full_page_writes=off",
            ]);
        }
        if self.options.statements {
            command.args([
                "-c",
                "shared_preload_libraries=pg_stat_statements",
                "-c",
                "pg_stat_statements.track_planning=on",
            ]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing("start PostgreSQL")?;
        let Some(process) = Process::of(child.id()) else {
            return failed("start PostgreSQL", "it ended at once");
        };
        Ok((child, process))
    }

    fn is_ready(&self) -> bool {
        self.psql("postgres", "select 1").is_ok()
    }

    fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Runs a statement; for anything else, use a real client.
    ///
    /// # Errors
    /// The error that psql reports.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-q",
                "-t",
                "-A",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url(database),
                "-c",
                sql,
            ])
            .output()
            .doing("run psql")?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            failed(
                "run a statement",
                String::from_utf8_lossy(&output.stderr).trim(),
            )
        }
    }

    /// Runs a file of statements.
    ///
    /// # Errors
    /// The error that psql reports.
    pub fn psql_file(&self, database: &str, file: &Path) -> Result<()> {
        let output = Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url(database),
                "-f",
            ])
            .arg(file)
            .output()
            .doing("run psql")?;
        if output.status.success() {
            Ok(())
        } else {
            failed(
                &format!("run {}", file.display()),
                String::from_utf8_lossy(&output.stderr).trim(),
            )
        }
    }

    /// Creates a database, unless it exists.
    ///
    /// # Errors
    /// The error that psql reports.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let there = self.psql(
            "postgres",
            &format!("select 1 from pg_database where datname = '{name}'"),
        )?;
        if there.is_empty() {
            self.psql("postgres", &format!("create database {name}"))?;
        }
        Ok(())
    }

    /// URL of a database, as superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The server process.
    pub fn process(&self) -> Option<Process> {
        self.running.as_ref().map(|(_, process)| *process)
    }

    /// Fast stop: sessions are disconnected, all data is written.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// `pg_ctl -m immediate`: like a crash.
    pub fn stop_immediate(&mut self) {
        self.end(Signal::SIGQUIT);
    }

    /// Sends SIGKILL to the server and its children.
    pub fn kill(&mut self) {
        if let Some((_, process)) = &self.running {
            let children = process.children();
            process.kill();
            children.into_iter().for_each(Process::kill);
        }
        self.reap();
    }

    /// Requires passwords of all roles except the superuser from now on.
    ///
    /// # Errors
    /// When the access rules cannot be written or reloaded.
    pub fn demand_passwords(&self) -> Result<()> {
        self.owner.write(
            &self.home.join("data/pg_hba.conf"),
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )?;
        self.psql("postgres", "select pg_reload_conf()").map(drop)
    }

    /// Takes a base backup: all databases at one point in time. It replaces the previous backup.
    ///
    /// # Errors
    /// The error that `pg_basebackup` reports.
    pub fn back_up(&self) -> Result<()> {
        let backup = self.backup();
        if backup.exists() {
            fs::remove_dir_all(&backup).doing("remove the backup before")?;
        }
        let output = self
            .owner
            .command(&self.bin.join("pg_basebackup"))
            .args(["--checkpoint=fast", "--wal-method=stream", "--pgdata"])
            .arg(&backup)
            .arg("--dbname")
            .arg(self.url("postgres"))
            .output()
            .doing("run pg_basebackup")?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            failed("take a base backup", said.trim())
        }
    }

    /// Stops the server, and starts it again from its backup.
    ///
    /// # Errors
    /// When there is no backup, or the server does not start.
    pub fn restore(&mut self) -> Result<()> {
        self.stop();
        let data = self.home.join("data");
        fs::remove_dir_all(&data).doing("remove what is there")?;
        fs::rename(self.backup(), &data).doing("put the backup in its place")?;
        self.launch()
    }

    fn backup(&self) -> PathBuf {
        self.home.join("backup")
    }

    /// Keeps the server running when this value is dropped.
    pub fn detach(mut self) -> Option<Process> {
        self.running.take().map(|(_, process)| process)
    }

    fn end(&mut self, signal: Signal) {
        if let Some((child, process)) = &mut self.running {
            process.signal(signal);
            let until = Instant::now() + Duration::from_secs(20);
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            process.kill();
        }
        self.reap();
    }

    fn reap(&mut self) {
        if let Some((mut child, process)) = self.running.take() {
            process.kill();
            child.wait().ok();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder with the programs of the newest PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut bins: Vec<_> = versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .collect();
    bins.sort();
    let on_path = || find_program("postgres").and_then(|path| path.parent().map(Path::to_path_buf));
    bins.pop().map(|(_, bin)| bin).or_else(on_path)
}
