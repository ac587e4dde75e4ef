//! Paths of the checkout, and calls of cargo.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use servers::Result;

use crate::{Doing, fail};

/// The root folder of the checkout. `cargo xtask` names it at run time: a checkout that was copied
/// with its build must not drive the original's system.
pub(crate) fn root() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    // other programs of ours may be started by `cargo test` of another package
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.file_name() == ours.file_name())
        .unwrap_or_else(|| ours.to_path_buf());
    manifest.parent().unwrap_or(&manifest).to_path_buf()
}

/// Names another folder than `.dev`, for a second system in this checkout.
pub(crate) const DEV_DIR: &str = "XTASK_DEV_DIR";

/// The folder with this machine's data, logs and keys of the system.
pub(crate) fn dev_dir() -> PathBuf {
    std::env::var_os(DEV_DIR).map_or_else(|| root().join(".dev"), PathBuf::from)
}

/// The folder with the binaries of a build.
pub(crate) fn bin_dir(release: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if release { "release" } else { "debug" })
}

/// Names a folder with ready-made programs: the system runs those instead of a build's, without
/// storefront and trace viewer.
pub(crate) const PROGRAMS: &str = "XTASK_PROGRAMS";

/// The folder that [`PROGRAMS`] names.
pub(crate) fn programs() -> Option<PathBuf> {
    std::env::var_os(PROGRAMS).map(PathBuf::from)
}

/// A cargo command that compiles against the committed query metadata, even if databases are
/// reachable.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .current_dir(root())
        .env("SQLX_OFFLINE", "true")
        .env_remove("SHOP_DATABASE_URL")
        .env_remove("PAYMENTS_DATABASE_URL")
        .env_remove("DATABASE_URL");
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().doing(what)?;
    if status.success() {
        Ok(())
    } else {
        fail(format!("{what} failed: its output above says why"))
    }
}

/// Runs a command and returns its output.
pub(crate) fn output(mut command: Command, what: &str) -> Result<String> {
    let output = command.output().doing(what)?;
    if output.status.success() {
        return String::from_utf8(output.stdout).doing(what);
    }
    fail(format!(
        "{what} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
