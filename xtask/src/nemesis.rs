//! `cargo xtask nemesis`: random faults against a system of its own.

use std::{fs, process::Command};

use servers::Result;

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    lock,
};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    eprintln!("building");
    // builds the whole workspace, as for the tests: a selection of packages would rebuild their
    // dependencies
    cargo::run(cargo(&["build", "--workspace", "--bins"]), "the build")?;
    let _alone = lock::take("nemesis")?;
    let dir = dev_dir().join("nemesis");
    if dir.exists() {
        fs::remove_dir_all(&dir).doing("wipe .dev/nemesis")?;
    }
    fs::create_dir_all(&dir).doing("make .dev/nemesis")?;
    let status = Command::new(bin_dir(false).join("nemesis"))
        .args(arguments)
        .env("TEST_BIN_DIR", bin_dir(false))
        .env("TEST_DEV_DIR", &dir)
        .status()
        .doing("run nemesis")?;
    if status.success() {
        Ok(())
    } else {
        crate::fail(format!(
            "nemesis found something, or could not run: see above; the logs are in {}",
            dir.join("run").display()
        ))
    }
}
