//! `cargo xtask up --docker`: the composed system, for machines that have an engine.

use std::{fs, path::PathBuf, process::Command};

use servers::Result;

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    fail,
};

/// There while containers of ours run.
fn marker() -> PathBuf {
    dev_dir().join("docker")
}

/// Makes secrets and settings where there are none, builds the images, and waits until all are healthy.
pub(crate) fn up() -> Result<()> {
    for (arguments, missing) in [
        (["compose", "version"], "Docker with its compose plugin"),
        (
            ["version", "--format=json"],
            "Docker's engine, which does not answer",
        ),
    ] {
        let answer = Command::new("docker").args(arguments).output();
        if !answer.is_ok_and(|answer| answer.status.success()) {
            return fail(format!(
                "`up --docker` needs {missing} (https://docs.docker.com/engine/install); without it, `cargo xtask up` \
                 runs the same processes on this machine"
            ));
        }
    }
    cargo::run(
        Command::new(root().join("docker/secrets.sh")),
        "docker/secrets.sh",
    )?;
    let settings = root().join(".env");
    if !settings.exists() {
        fs::copy(root().join(".env.example"), &settings).doing("copy .env.example to .env")?;
    }
    fs::create_dir_all(dev_dir()).doing("make .dev")?;
    fs::write(marker(), "").doing("write .dev/docker")?;
    compose(&["up", "--build", "--wait"])?;
    eprintln!(
        "\nThe shop runs on http://localhost:8080, payments on http://localhost:8081/docs, mails on \
         http://localhost:8025.\n\n`docker compose run --rm doctor` checks every invariant, `docker compose run --rm \
         shopctl shopctl saga list` is the\noperator's command line. `cargo xtask down` stops it."
    );
    Ok(())
}

/// Stops the containers that [`up`] started; their volumes stay.
pub(crate) fn down() -> Result<()> {
    if !marker().exists() {
        return Ok(());
    }
    compose(&["down"])?;
    fs::remove_file(marker()).doing("remove .dev/docker")
}

fn compose(arguments: &[&str]) -> Result<()> {
    let mut compose = Command::new("docker");
    compose.current_dir(root()).arg("compose").args(arguments);
    cargo::run(
        compose,
        &format!("`docker compose {}`", arguments.join(" ")),
    )
}
