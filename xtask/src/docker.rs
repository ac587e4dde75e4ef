//! `cargo xtask up --docker`: the composed system, for machines with a container engine.

use std::{fs, path::PathBuf, process::Command};

use servers::Result;

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    fail,
};

/// The first compose version that supports all of docker-compose.yml (`depends_on`, `required`).
const OLDEST: (u32, u32) = (2, 20);

/// The marker file; it exists while our containers run.
fn marker() -> PathBuf {
    dev_dir().join("docker")
}

/// Creates missing secrets and settings, builds the images, and waits until all services are
/// healthy.
pub(crate) fn up() -> Result<()> {
    let version = asked(
        &["compose", "version", "--short"],
        "Docker with its compose plugin",
    )?;
    if !is_new_enough(&version) {
        return fail(format!(
            "`up --docker` needs Docker's compose plugin of version {}.{} or later, this is {}: docker-compose.yml \
             says things that an earlier one does not understand (https://docs.docker.com/compose/install)",
            OLDEST.0,
            OLDEST.1,
            version.trim()
        ));
    }
    asked(
        &["version", "--format={{.Server.Version}}"],
        "Docker's engine, which does not answer",
    )?;
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
        "\nThe shop runs on http://localhost:8080, payments on http://localhost:8081, mails on \
         http://localhost:8025.\n\n`docker compose run --rm doctor` checks every invariant, `docker compose run --rm \
         shopctl saga list` is the\noperator's command line. `cargo xtask down` stops it."
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

/// The output of Docker's command line.
fn asked(arguments: &[&str], missing: &str) -> Result<String> {
    let mut docker = Command::new("docker");
    docker.args(arguments);
    cargo::output(docker, "docker").or_else(|_| {
        fail(format!(
            "`up --docker` needs {missing} (https://docs.docker.com/engine/install); without it, `cargo xtask up` \
             runs the same processes on this machine"
        ))
    })
}

/// Whether a version, such as `v2.26.1-4`, is at least compose's 2.20.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn a_compose_older_than_the_file_is_refused() {
        for version in ["2.20.0", "v2.26.1-4\n", "2.40.3", "5.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["1.29.2", "2.19.1", "2.2.3", "", "dev"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
