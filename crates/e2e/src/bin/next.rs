//! The programs of the next release in one file, which runs as the program that its file name
//! names.

use std::{path::Path, process::ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    match name.to_str() {
        Some("api") => api::run(e2e::registry)?,
        Some("worker") => worker::run(e2e::registry)?,
        Some("shopctl") => return Ok(shopctl::run(e2e::registry)),
        _ => anyhow::bail!("{} is no program of the next release", name.display()),
    }
    Ok(ExitCode::SUCCESS)
}
