//! `cargo xtask lint`: all checks that do not run the system.

use std::{fs, process::Command};

use serde_json::Value;
use servers::Result;

use crate::{
    Doing,
    cargo::{self, cargo, dev_dir},
    fail, jaeger, metadata, platform, prose, storefront,
};

const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> Result<()> {
    step("formatting");
    cargo::run(
        cargo(&["fmt", "--all", "--check"]),
        "cargo fmt (`cargo fmt --all` mends it)",
    )?;
    step("plain English");
    prose::check()?;
    step("clippy");
    cargo::run(
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
        "clippy",
    )?;
    step("minimum Rust version");
    minimum_rust()?;
    step("traces' viewer");
    jaeger::lint()?;
    step("licences, bans, sources");
    deny()?;
    step("generated files");
    metadata::check()?;
    step("containers and manifests");
    platform::lint()?;
    step("storefront");
    storefront::lint()
}

fn step(what: &str) {
    eprintln!("--- {what}");
}

/// Checks that the images are built by the minimum Rust version, and that no dependency needs a newer
/// one. Clippy reads the version, too: it refuses what the standard library has added since.
fn minimum_rust() -> Result<()> {
    let metadata = cargo::output(
        cargo(&["metadata", "--format-version", "1", "--locked"]),
        "`cargo metadata`",
    )?;
    let metadata: Value = serde_json::from_str(&metadata).doing("read cargo's metadata")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let needs = packages.filter_map(|package| Some((rust_version(package)?, &package["name"])));
    let ours = |(_, name): &(_, &Value)| **name == "xtask";
    let Some((minimum, _)) = needs.clone().find(ours) else {
        return fail("Cargo.toml has no rust-version");
    };
    if let Some((newer, name)) = needs.max_by_key(|(needed, _)| *needed)
        && newer > minimum
    {
        return fail(format!(
            "{name} needs Rust {newer:?}, but rust-version is {minimum:?}"
        ));
    }
    let (major, minor, _) = minimum;
    let image = format!("/rust:{major}.{minor}.");
    let dockerfile =
        fs::read_to_string(cargo::root().join("Dockerfile")).doing("read Dockerfile")?;
    if dockerfile.contains(&image) {
        return Ok(());
    }
    fail(format!(
        "RUST_IMAGE of the Dockerfile is not {image}*, as rust-version says"
    ))
}

fn rust_version(package: &Value) -> Option<(u32, u32, u32)> {
    let mut parts = package["rust_version"].as_str()?.split('.').map(str::parse);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    Some((next()?, next()?, next()?))
}

fn deny() -> Result<()> {
    let tools = dev_dir().join("tools");
    let program =
        servers::find_program("cargo-deny").unwrap_or_else(|| tools.join("bin").join("cargo-deny"));
    if !program.exists() {
        eprintln!("installing cargo-deny (a few minutes, once)");
        let mut install = cargo(&[
            "install",
            "--locked",
            "--debug", // compiles in a third of the time, and runs for a second
            "--quiet",
            "cargo-deny",
            "--version",
            CARGO_DENY,
            "--root",
        ]);
        install.arg(&tools);
        cargo::run(install, "the installation of cargo-deny")?;
    }
    let viewer = jaeger::manifest();
    for manifest in [&cargo::root().join("Cargo.toml"), &viewer] {
        // a build downloads only this platform's dependencies; the check reads those of all
        // platforms
        let mut fetch = cargo(&["fetch", "--quiet", "--locked", "--manifest-path"]);
        fetch.arg(manifest);
        cargo::run(fetch, "fetching the dependencies")?;
        let mut check = Command::new(&program);
        check
            .current_dir(cargo::root())
            .arg("--offline")
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--config")
            .arg(cargo::root().join("deny.toml"))
            .args(["check", "licenses", "bans", "sources"]);
        cargo::run(check, "cargo deny")?;
    }
    Ok(())
}
