//! The container engine: a running one, or one of our own below `.dev`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use servers::{Process, Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian::{self, quiet},
    fail,
    images::bases::{self, Base, json},
};

/// How long an engine may take to answer.
const ENGINE_TIMEOUT: Duration = Duration::from_mins(1);

/// A container engine that answers.
pub(super) struct Engine {
    /// Variables that lead the command line to the engine and to the compose plugin.
    env: Vec<(&'static str, PathBuf)>,
    own: Option<Own>,
}

/// An engine that this program started; stopped on drop.
struct Own {
    daemon: Child,
    /// A short path to the engine's folder, since socket paths have a maximum length.
    short: PathBuf,
}

impl Engine {
    /// Returns a running engine, or starts one of our own.
    pub(super) fn find() -> Result<Self> {
        let there = Self {
            env: Vec::new(),
            own: None,
        };
        if find_program("docker").is_some() && there.answers() {
            return Ok(there);
        }
        Self::start()
    }

    /// Whether this program started the engine.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    fn start() -> Result<Self> {
        if fs::metadata("/proc/self").doing("see who this is")?.uid() != 0 {
            return fail("none answers, and only root can start one");
        }
        for (program, package) in [("dockerd", "docker.io"), ("iptables", "iptables")] {
            if find_program(program).is_none() {
                install(&[package])?;
            }
        }
        let memory = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/cgroup.controllers"];
        if !memory.iter().any(|path| Path::new(path).exists()) {
            install(&["cgroupfs-mount"])?;
            quiet(Command::new("cgroupfs-mount"), "cgroupfs-mount")?;
        }
        let folder = dev_dir().join("docker-engine");
        fs::create_dir_all(&folder).doing("make a folder for the engine")?;
        let short = std::env::temp_dir().join(format!("engine-{}", std::process::id()));
        symlink(&folder, &short).doing("name the engine's folder")?;
        let log = fs::File::create(folder.join("log")).doing("make the engine's log")?;
        let mut daemon = Command::new("dockerd");
        // runc refuses a root below a symbolic link
        daemon.arg("--data-root").arg(folder.join("data"));
        for (option, name) in [("--exec-root", "exec"), ("--pidfile", "pid")] {
            daemon.arg(option).arg(short.join(name));
        }
        let socket = format!("unix://{}", short.join("sock").display());
        daemon
            .args(["--host", &socket])
            .stdout(log.try_clone().doing("share the engine's log")?)
            .stderr(log);
        // Ctrl-C must reach only this program, which then stops the daemon
        std::os::unix::process::CommandExt::process_group(&mut daemon, 0);
        let daemon = daemon.spawn().doing("start dockerd")?;
        let own = Own { daemon, short };
        let mut engine = Self {
            env: vec![
                ("DOCKER_HOST", socket.into()),
                ("DOCKER_CONFIG", folder.join("config")),
            ],
            own: Some(own),
        };
        engine.await_answer(&folder)?;
        Self::plugin(&folder)?;
        Ok(engine)
    }

    fn await_answer(&mut self, folder: &Path) -> Result<()> {
        let until = Instant::now() + ENGINE_TIMEOUT;
        loop {
            if self.answers() {
                return Ok(());
            }
            let ended = self
                .own
                .as_mut()
                .and_then(|own| own.daemon.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > until {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                return fail(format!("dockerd does not start: {last}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Installs Debian 13's compose as a plugin: Debian 12's is too old for the compose file.
    fn plugin(folder: &Path) -> Result<()> {
        const PLUGIN: &str = "usr/libexec/docker/cli-plugins/docker-compose";
        let program = debian::program("docker-compose", PLUGIN)?;
        let plugins = folder.join("config/cli-plugins");
        fs::create_dir_all(&plugins).doing("make a folder for compose")?;
        let link = plugins.join("docker-compose");
        fs::remove_file(&link).ok();
        symlink(program, link).doing("give compose to the command line")
    }

    fn answers(&self) -> bool {
        let mut version = self.docker(&["version"]);
        version.stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    /// A command that uses this engine.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = self.command("docker");
        docker.args(arguments);
        docker
    }

    /// Adds the base images to our own engine; another engine has a registry.
    pub(super) fn bases(&self) -> Result<()> {
        if !self.is_own() {
            return Ok(());
        }
        let text =
            fs::read_to_string(root().join("docker-compose.yml")).doing("read the compose file")?;
        let named = |part: &str| {
            let images = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("image: "));
            let found = images
                .clone()
                .find(|image| image.contains(&format!("/{part}:")));
            found.map_or_else(
                || fail(format!("the compose file names no image of {part}")),
                |image| Ok(image.to_owned()),
            )
        };
        let all = bases::of_dockerfiles()?
            .into_iter()
            .chain(bases::of_compose(named)?);
        for base in all {
            self.base(base)?;
        }
        Ok(())
    }

    /// Imports a base image, unless the engine already has this revision.
    fn base(&self, base: Base) -> Result<()> {
        let stamp = base.revision.to_string();
        let image = base.image.clone();
        let label = "{{index .Config.Labels \"stand-in\"}}";
        let there = self.docker(&["image", "inspect", "--format", label, &image]);
        if cargo::output(there, "docker image inspect").is_ok_and(|there| there.trim() == stamp) {
            return Ok(());
        }
        eprintln!("making {image}");
        let mut import = self.docker(&["import", "--change", &format!("LABEL stand-in={stamp}")]);
        for variable in &base.env {
            import.args(["--change", &format!("ENV {variable}")]);
        }
        for (instruction, words) in [("ENTRYPOINT", &base.entrypoint), ("CMD", &base.cmd)] {
            if !words.is_empty() {
                import.args(["--change", &format!("{instruction} {}", json(words)?)]);
            }
        }
        let files = dev_dir().join("docker-engine/base");
        fs::remove_dir_all(&files).ok(); // left by an interrupted run
        fs::create_dir_all(&files).doing("make a folder for a base image")?;
        base.fill(&files)?;
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(&files)
            .args(["-c", "."])
            .stdout(Stdio::piped());
        let mut tar = tar.spawn().doing("pack a base image")?;
        let packed = tar.stdout.take().map_or_else(Stdio::null, Stdio::from);
        import.args(["-", &image]).stdin(packed);
        quiet(import, &format!("docker import {image}"))?;
        let packed = tar.wait().doing("pack a base image")?;
        if !packed.success() {
            return fail(format!("{image} could not be packed"));
        }
        fs::remove_dir_all(&files).doing("remove the files of a base image")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(process) = Process::of(self.daemon.id()) {
            process.terminate(ENGINE_TIMEOUT);
        }
        self.daemon.wait().ok();
        fs::remove_file(&self.short).ok();
    }
}
