use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::Uid;

use crate::{Doing, Error, Result};

const POLICY: &str = "/usr/sbin/policy-rc.d";
const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

/// Finds a program on PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// Installs Debian packages and prevents them from starting servers of their own.
///
/// # Errors
/// When this is not Debian, or we are not root and have no sudo.
pub fn install(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if find_program("apt-get").is_none() {
        return Err(Error(format!(
            "please install {wanted}: there is no apt-get here to do it with"
        )));
    }
    if !Uid::effective().is_root() {
        return Err(Error(format!(
            "please run `sudo apt-get install {wanted}`, or run this as root once"
        )));
    }
    eprintln!("installing {wanted}");
    let policy = Policy::forbid_starting()?;
    if !Path::new(CLUSTERS).exists() {
        fs::create_dir_all("/etc/postgresql-common")
            .doing("prepare the installation of PostgreSQL")?;
        fs::write(CLUSTERS, "create_main_cluster = false\n")
            .doing("prepare the installation of PostgreSQL")?;
    }
    let mut installed = apt(&[&["install", "-y", "--no-install-recommends"], packages].concat());
    if installed.is_err() {
        apt(&["update"])?;
        installed = apt(&[&["install", "-y", "--no-install-recommends"], packages].concat());
    }
    drop(policy);
    installed
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-o", "Dpkg::Options::=--force-confold"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .doing("run apt-get")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it did not say why");
    Err(Error(format!(
        "apt-get {} failed: {last}",
        arguments.join(" ")
    )))
}

/// While this value exists, newly installed packages do not start their servers.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid_starting() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").doing("forbid packages to start servers")?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
            .doing("forbid packages to start servers")?;
        Ok(Self { ours: true })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours && fs::remove_file(POLICY).is_err() {
            eprintln!("{POLICY} could not be removed: please remove it");
        }
    }
}
