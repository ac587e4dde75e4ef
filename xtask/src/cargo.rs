//! Where things are, and how cargo is called.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use servers::Result;

use crate::{Doing, fail};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Set when another folder than `.dev` is to be used: for a second system in this checkout.
pub(crate) const DEV_DIR: &str = "XTASK_DEV_DIR";

/// What this machine keeps of the system: data, logs, keys.
pub(crate) fn dev_dir() -> PathBuf {
    std::env::var_os(DEV_DIR).map_or_else(|| root().join(".dev"), PathBuf::from)
}

/// Where the binaries of a build are.
pub(crate) fn bin_dir(release: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if release { "release" } else { "debug" })
}

/// Set when a system is to be made of programs in another folder than a build's, and of no others: without
/// storefront and viewer of traces.
pub(crate) const PROGRAMS: &str = "XTASK_PROGRAMS";

/// That folder.
pub(crate) fn programs() -> Option<PathBuf> {
    std::env::var_os(PROGRAMS).map(PathBuf::from)
}

/// A cargo that compiles against the committed query metadata, whatever databases are about.
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

/// Runs a command and returns what it says.
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
