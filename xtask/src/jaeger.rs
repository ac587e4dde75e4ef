//! Traces in the Jaeger UI, for development: a process of its own, built separately from the
//! workspace.

use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use servers::{Process, Result, find_program, free_port, install, port_is_free};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    env::Env,
    fail,
};

/// The viewer's name among the processes of a system.
const NAME: &str = "jaeger";

/// Builds the viewer. If the build fails, the system runs without it, and one line gives the
/// reason.
pub(crate) fn build() -> Option<PathBuf> {
    match try_build() {
        Ok(program) => Some(program),
        Err(error) => {
            eprintln!("traces are not shown: {error}");
            None
        }
    }
}

fn try_build() -> Result<PathBuf> {
    cargo::run(
        tool(&["build", "--locked"])?,
        "the build of the traces' viewer",
    )?;
    Ok(bin_dir(false).join(NAME))
}

/// Checks the viewer's formatting and runs clippy.
pub(crate) fn lint() -> Result<()> {
    let mut format = cargo(&["fmt", "--check", "--manifest-path"]);
    format.arg(manifest());
    cargo::run(format, "cargo fmt of the traces' viewer")?;
    let mut clippy = tool(&["clippy", "--locked"])?;
    clippy.args(["--", "-D", "warnings"]);
    cargo::run(clippy, "clippy on the traces' viewer")
}

/// Path of the viewer's manifest.
pub(crate) fn manifest() -> PathBuf {
    cargo::root().join("tools/jaeger/Cargo.toml")
}

/// A cargo command for the viewer: its own lock file, but our target folder, with which it shares
/// dependencies.
fn tool(arguments: &[&str]) -> Result<Command> {
    if find_program("protoc").is_none() {
        install(&["protobuf-compiler"])?;
    }
    let target = bin_dir(false);
    let mut command = cargo(arguments);
    command.arg("--manifest-path").arg(manifest());
    command.args(
        target
            .parent()
            .iter()
            .flat_map(|target| ["--target-dir".into(), target.as_os_str().to_owned()]),
    );
    Ok(command)
}

/// Starts the viewer, unless the environment names another receiver of traces; sets its addresses
/// in `env`.
pub(crate) fn start(program: Option<&PathBuf>, env: &mut Env) -> Result<Option<(String, Process)>> {
    env.take("TRACE_URL");
    let Some(program) = program.filter(|_| !env.take("OTEL_EXPORTER_OTLP_ENDPOINT")) else {
        return Ok(None);
    };
    let usual = |usual| {
        if port_is_free(usual) {
            Ok(usual)
        } else {
            free_port()
        }
    };
    let (ui, otlp) = (usual(16686)?, usual(4317)?);
    let path = dev_dir().join("log").join("jaeger.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .doing(&format!("open {}", path.display()))?;
    let errors = log.try_clone().doing("open a log")?;
    let child = Command::new(program)
        .env("JAEGER_UI_LISTEN", format!("127.0.0.1:{ui}"))
        .env("JAEGER_OTLP_LISTEN", format!("127.0.0.1:{otlp}"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .doing("start the traces' viewer")?;
    let Some(process) = Process::of(child.id()) else {
        return fail("the traces' viewer ended at once: see .dev/log/jaeger.log");
    };
    env.set(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        format!("http://127.0.0.1:{otlp}"),
    );
    env.set("JAEGER_URL", format!("http://localhost:{ui}"));
    env.set(
        "TRACE_URL",
        format!("http://localhost:{ui}/trace/{{trace_id}}"),
    );
    // reaps the child, so that waiting for its end does not see a zombie
    std::thread::spawn(move || {
        let mut child = child;
        child.wait()
    });
    Ok(Some((NAME.to_owned(), process)))
}
