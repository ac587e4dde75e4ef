//! Programs from PyPI, in separate environments under `.dev/tools`.

use std::{fs, path::PathBuf, process::Command};

use servers::{Result, install};

use crate::{
    Doing,
    cargo::{self, dev_dir},
};

/// Installs these packages, at their pinned versions, into the named environment, unless they are
/// installed already; returns the folder of its programs.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = dev_dir().join("tools").join(name);
    let (programs, stamp) = (folder.join("bin"), folder.join(".versions"));
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(programs);
    }
    eprintln!("installing {}", packages.join(", "));
    fs::remove_dir_all(&folder).ok();
    let make = || {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&folder);
        cargo::run(make, "python3 -m venv")
    };
    if make().is_err() {
        install(&["python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"])
        .args(packages);
    cargo::run(pip, "pip install")?;
    fs::write(&stamp, wanted).doing("write down what is installed")?;
    Ok(programs)
}
