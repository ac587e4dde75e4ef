//! `cargo xtask lint`: all checks that do not run the system.

use std::process::Command;

use servers::Result;

use crate::{
    cargo::{self, cargo, dev_dir},
    jaeger, metadata, platform, prose, storefront,
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
