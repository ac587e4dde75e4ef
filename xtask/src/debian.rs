//! Debian packages without changes to the machine: single programs of Debian 13, unpacked, and
//! whole systems in a folder, for use with chroot.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use servers::{Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, dev_dir},
    fail,
};

/// apt's source line for Debian 13 at a mirror.
fn list_of(mirror: &str) -> String {
    format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} trixie main\n")
}

/// The mirror from which this machine gets its Debian packages.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(SITE)",
            "Created-By: Packages",
        ])
        .output()
        .doing("ask apt-get for its sources")?;
    let sites = String::from_utf8_lossy(&output.stdout);
    let mut sites = sites.lines().map(|site| site.trim_end_matches('/'));
    match sites.find(|site| site.ends_with("/debian")) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => fail("apt-get has no source of Debian's packages: add one to its sources.list"),
    }
}

/// A program from a package of Debian 13, unpacked but not installed.
pub(crate) fn program(package: &str, program: &str) -> Result<PathBuf> {
    let folder = dev_dir().join("tools").join(package);
    let program = folder.join("root").join(program);
    if program.exists() {
        return Ok(program);
    }
    eprintln!("unpacking Debian 13's {package}");
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial")).doing("make a folder for packages")?;
    let sources = folder.join("debian.list");
    fs::write(&sources, list_of(&mirror()?)).doing("write a list of packages")?;
    let set = |name: &str, path: &Path| format!("{name}={}", path.display());
    let options = [
        set("Dir::Etc::SourceList", &sources),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        set("Dir::State::Lists", &lists),
        set("Dir::Cache", &folder.join("cache")),
        "APT::Sandbox::User=".to_owned(),
    ];
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(&folder).arg("-qq");
        for option in &options {
            command.args(["-o", option]);
        }
        command.args(arguments);
        cargo::run(command, &format!("apt-get {}", arguments.join(" ")))
    };
    apt(&["update"])?;
    apt(&["download", package])?;
    let found = fs::read_dir(&folder).doing("list the packages")?;
    let deb = found
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let Some(deb) = deb else {
        return fail(format!("apt-get downloaded no package of {package}"));
    };
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(&deb).arg(folder.join("root"));
    cargo::run(unpack, "dpkg -x")?;
    fs::remove_dir_all(&lists).ok(); // 50 MB that are not needed any more
    if program.exists() {
        return Ok(program);
    }
    fail(format!("{} is not in {}", program.display(), deb.display()))
}

/// A folder with a small Debian, 12 or 13, and the given packages, created once. Needs root.
pub(crate) fn system(suite: &str, packages: &[&str]) -> Result<PathBuf> {
    let name = [&[suite], packages].concat().join("-");
    let folder = dev_dir().join("tools").join(format!("debian-{name}"));
    if folder.exists() {
        return Ok(folder);
    }
    let partial = folder.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).doing("remove what was begun")?;
    }
    if packages.is_empty() {
        eprintln!("making a Debian {suite}");
        bootstrap(suite, &partial)?;
    } else {
        let plain = system(suite, &[])?;
        eprintln!("installing {} in a Debian {suite}", packages.join(", "));
        let mut copy = Command::new("cp");
        copy.arg("--archive").args([&plain, &partial]);
        cargo::run(copy, "cp")?;
        let mut apt = Command::new("chroot");
        apt.arg(&partial)
            .args(["apt-get", "install", "-y", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive");
        quiet(apt, &format!("apt-get install {}", packages.join(" ")))?;
    }
    fs::rename(&partial, &folder).doing("put Debian in its place")?;
    Ok(folder)
}

fn bootstrap(suite: &str, folder: &Path) -> Result<()> {
    if find_program("debootstrap").is_none() {
        install(&["debootstrap"])?;
    }
    fs::create_dir_all(folder).doing("make a folder for Debian")?;
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.args(["--variant=minbase", suite]);
    bootstrap.arg(folder).arg(mirror()?);
    quiet(bootstrap, "debootstrap")?;
    // packages that are installed there must not start services
    let policy = folder.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").doing("forbid packages to start servers")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))
        .doing("forbid packages to start servers")
}

/// Runs a verbose command; its output is shown only if it fails.
pub(crate) fn quiet(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().doing(what)?;
    if output.status.success() {
        return Ok(());
    }
    fail(format!(
        "{what} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
