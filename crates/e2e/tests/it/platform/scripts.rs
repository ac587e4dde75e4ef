//! The scripts and commands for Kubernetes, run against a kubectl that records its calls: every
//! name exists, and the steps run in an order in which the releases are compatible. No cluster has
//! run them here.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use regex::Regex;
use serde_json::Value;
use testkit::ended;

use super::{
    files::read,
    rendered::{OVERLAYS, Overlay, folder, items, name},
    started::program,
};

/// Answers like an API server, as far as the scripts ask; the real kubectl renders and patches.
const KUBECTL: &str = r#"#!/bin/sh
echo "$*" >>"$SAID/calls"
case "$*" in
*"get podtemplate shopctl"*) cat "$SAID/template" ;;
"patch --local"*) exec "$TEST_KUBECTL" "$@" ;;
*"create --filename -"*) cat >"$SAID/pod" ;;
*"saga check-compat") exit "${COMPATIBLE:-0}" ;;
*" shopctl doctor "*) exit 0 ;;
*" exec "*)
    while [ "$1" != -- ]; do shift; done
    shift
    exec "$@"
    ;;
esac
"#;

/// A copy of the manifests, and a directory for the recorded calls.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("k8s-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(place.join("bin")).unwrap();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(folder().join("k8s"))
            .arg(&place)
            .status();
        assert!(copied.unwrap().success());
        // as in git: the rendered copy has been changed to the next release
        for overlay in OVERLAYS {
            let file = format!("k8s/overlays/{overlay}/kustomization.yaml");
            fs::write(place.join(&file), read(&file)).unwrap();
        }
        let kubectl = place.join("bin/kubectl");
        fs::write(&kubectl, KUBECTL).unwrap();
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
        let template =
            Overlay::read("production").get("PodTemplate", "shopctl")["template"].clone();
        fs::write(place.join("template"), template.to_string()).unwrap();
        Self(place)
    }

    fn run(&self, script: &str, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        let programs = program("shopctl").parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap();
        Command::new(self.0.join("k8s").join(script))
            .args(arguments)
            .current_dir(&self.0)
            .env(
                "PATH",
                format!("{}/bin:{programs}:{path}", self.0.display()),
            )
            .env("SAID", &self.0)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// The current overlay, rendered by the real kubectl.
    fn render(&self, overlay: &str) -> Overlay {
        let kubectl = std::env::var("TEST_KUBECTL").expect("run the tests with `cargo xtask test`");
        let rendered = Command::new(kubectl)
            .arg("kustomize")
            .arg(self.0.join("k8s/overlays").join(overlay))
            .output()
            .unwrap();
        assert!(rendered.status.success(), "{rendered:?}");
        Overlay {
            name: overlay.to_owned(),
            objects: serde_saphyr::from_multiple(&String::from_utf8(rendered.stdout).unwrap())
                .unwrap(),
        }
    }
}

#[test]
fn an_operators_command_gets_a_pod_in_their_name() {
    let place = Place::new();
    let ran = place.run(
        "shopctl.sh",
        &["keygen"],
        &[("SHOPCTL_ACTOR", "ada@shop.example")],
    );
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    let key = String::from_utf8(ran.stdout).unwrap();
    assert!(
        key.starts_with("-----BEGIN PRIVATE KEY-----"),
        "stdout is shopctl's alone: {key}"
    );

    let pod: Value = serde_json::from_slice(&fs::read(place.0.join("pod")).unwrap()).unwrap();
    assert_eq!(
        (&pod["apiVersion"], &pod["kind"]),
        (&"v1".into(), &"Pod".into())
    );
    let called = name(&pod);
    let template = Overlay::read("production").get("PodTemplate", "shopctl")["template"].clone();
    let mut spec = template["spec"].clone();
    spec["containers"][0]["env"][0]["value"] = "ada@shop.example".into();
    // nothing else differs from the template, which other tests check against pod security and the
    // policies
    assert_eq!(pod["spec"], spec);
    assert_eq!(pod["metadata"]["labels"], template["metadata"]["labels"]);
    let settings =
        items(&spec["containers"][0]["envFrom"]).map(|from| &from["configMapRef"]["name"]);
    assert_eq!(
        settings.collect::<Vec<_>>(),
        ["settings"],
        "traces are told of there"
    );

    let calls = place.calls();
    let of = |verb: &str| calls.iter().position(|call| call.contains(verb)).unwrap();
    let order = ["get podtemplate", "create", "wait", "exec", "delete pod"].map(of);
    assert!(order.is_sorted(), "{calls:?}");
    assert!(calls[of("exec")].contains(&format!("--stdin {called} -- shopctl keygen")));
    assert!(calls[of("delete pod")].contains(called));
}

#[test]
fn the_operators_exit_code_and_image_come_through() {
    let place = Place::new();
    let image = "registry.example/shop-system:2.0.0";
    let ran = place.run("shopctl.sh", &["no-such-verb"], &[("SHOPCTL_IMAGE", image)]);
    assert_eq!(ran.status.code(), Some(2));
    let pod: Value = serde_json::from_slice(&fs::read(place.0.join("pod")).unwrap()).unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], image);
    let ran = place.run("shopctl.sh", &["keygen"], &[("SHOPCTL_ACTOR", "a\", \"b")]);
    assert_eq!(ran.status.code(), Some(2), "no name is read as JSON");
    assert!(place.calls().iter().any(|call| call.contains("delete pod")));
}

#[test]
fn the_operators_pod_ends_at_sigterm() {
    let mut hold = Command::new(program("shopctl"));
    let mut child = hold.arg("hold").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    talk.read_line(&mut said).unwrap();
    assert!(said.starts_with("Holding for 3600 s"), "{said}");
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(ended(&mut child).success());
}

/// The objects that `kubectl apply --selector` sends.
fn applied<'a>(call: &str, overlay: &'a Overlay) -> Option<Vec<&'a Value>> {
    let selector = call.split("--selector ").nth(1)?;
    let parts = Regex::new(r"^app\.kubernetes\.io/name (in|notin) \(([a-z,-]+)\)$").unwrap();
    let parts = parts
        .captures(selector)
        .unwrap_or_else(|| panic!("{selector}"));
    let names: BTreeSet<_> = parts[2].split(',').collect();
    let chosen = overlay.objects.iter().filter(|object| {
        let label = object["metadata"]["labels"]["app.kubernetes.io/name"].as_str();
        let listed = label.is_some_and(|label| names.contains(label));
        if &parts[1] == "in" { listed } else { !listed }
    });
    let chosen: Vec<_> = chosen.collect();
    assert!(
        !chosen.is_empty(),
        "kubectl refuses to apply nothing: {call}"
    );
    Some(chosen)
}

/// The steps of a run: `apply Deployment api`, `await deployment/api`.
fn steps(calls: &[String], overlay: &Overlay) -> Vec<String> {
    let waited = Regex::new(r"(deployment|job)/([a-z0-9-]+)").unwrap();
    let mut steps = Vec::new();
    for call in calls {
        if call.contains("rollout status ") || call.contains("wait --for=condition=complete ") {
            assert!(call.starts_with("--namespace shop-system "), "{call}");
            let waits = waited.captures(call).unwrap();
            let kind = if &waits[1] == "job" {
                "Job"
            } else {
                "Deployment"
            };
            overlay.get(kind, &waits[2]);
            steps.push(format!("await {}", &waits[0]));
        } else if let Some(objects) = applied(call, overlay) {
            let objects = objects.iter().map(|object| {
                format!(
                    "apply {} {}",
                    object["kind"].as_str().unwrap(),
                    name(object)
                )
            });
            steps.extend(objects);
        } else if call.contains(" -- shopctl ") {
            steps.push(call.split(" -- ").nth(1).unwrap().to_owned());
        }
    }
    steps
}

fn at(steps: &[String], step: &str) -> usize {
    let found = steps.iter().position(|one| one == step);
    found.unwrap_or_else(|| panic!("{step} is not in {steps:#?}"))
}

const WORKERS: [&str; 4] = [
    "worker-saga",
    "worker-payments",
    "worker-async",
    "worker-relay",
];

#[test]
fn an_upgrade_goes_in_the_order_in_which_releases_fit() {
    for overlay in OVERLAYS {
        let place = Place::new();
        let folder = format!("k8s/overlays/{overlay}");
        let ran = place.run("upgrade.sh", &[&folder, "2.0.1"], &[]);
        assert!(ran.status.success(), "{ran:?}");
        let rendered = place.render(overlay);
        let image = rendered.get("Deployment", "api")["spec"]["template"]["spec"]["containers"][0]
            ["image"]
            .as_str();
        assert!(image.unwrap().ends_with("shop-system:2.0.1"), "{image:?}");
        let steps = steps(&place.calls(), &rendered);
        let mut order = vec![
            "apply ConfigMap settings".to_owned(),
            "apply NetworkPolicy default-deny".to_owned(),
            "apply PodTemplate shopctl".to_owned(),
            "shopctl saga check-compat".to_owned(),
            "apply Job migrate-2-0-1".to_owned(),
            "await job/migrate-2-0-1".to_owned(),
            "apply Deployment payments".to_owned(),
            "await deployment/payments".to_owned(),
        ];
        let workers = WORKERS.map(|worker| at(&steps, &format!("apply Deployment {worker}")));
        order.push(format!("apply Deployment {}", WORKERS[0]));
        order.extend(WORKERS.map(|worker| format!("await deployment/{worker}")));
        for process in ["api", "frontend"] {
            order.push(format!("apply Deployment {process}"));
            order.push(format!("await deployment/{process}"));
        }
        order.extend(
            ["apply CronJob doctor", "shopctl doctor --without bindings"].map(str::to_owned),
        );
        let places: Vec<_> = order.iter().map(|step| at(&steps, step)).collect();
        assert!(places.is_sorted(), "{overlay}: {steps:#?}");
        assert!(
            workers
                .iter()
                .all(|worker| *worker > at(&steps, "await deployment/payments"))
        );
        // no object is left out
        for object in &rendered.objects {
            let kind = object["kind"].as_str().unwrap();
            at(&steps, &format!("apply {kind} {}", name(object)));
        }
    }
}

#[test]
fn an_upgrade_that_would_leave_sagas_alone_changes_no_process() {
    let place = Place::new();
    let folder = "k8s/overlays/production";
    let ran = place.run("upgrade.sh", &[folder, "2.0.1"], &[("COMPATIBLE", "1")]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let steps = steps(&place.calls(), &place.render("production"));
    assert_eq!(steps.last().unwrap(), "shopctl saga check-compat");
    let process = |step: &&String| {
        ["Deployment ", "Job "]
            .iter()
            .any(|kind| step.contains(kind))
    };
    assert_eq!(steps.iter().find(process), None);
    assert!(String::from_utf8_lossy(&ran.stderr).contains("no process was changed"));
}

#[test]
fn the_way_back_begins_at_the_storefront_and_migrates_nothing() {
    let place = Place::new();
    let folder = "k8s/overlays/production";
    let ran = place.run("upgrade.sh", &["--back", folder, "0.9.0"], &[]);
    assert!(ran.status.success(), "{ran:?}");
    let back = steps(&place.calls(), &place.render("production"));
    assert!(
        !back.iter().any(|step| step.contains("migrate")),
        "{back:#?}"
    );
    let order = [
        "await deployment/frontend",
        "apply Deployment api",
        "await deployment/api",
        "shopctl saga check-compat",
        "apply Deployment worker-saga",
        "await deployment/worker-relay",
        "apply Deployment payments",
        "shopctl doctor --without bindings",
    ];
    let places = order.map(|step| at(&back, step));
    assert!(places.is_sorted(), "{back:#?}");
    // the old workers do not know all plans: the api is rolled back, the new workers stay
    let place = Place::new();
    let ran = place.run(
        "upgrade.sh",
        &["--back", folder, "0.9.0"],
        &[("COMPATIBLE", "1")],
    );
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let back = steps(&place.calls(), &place.render("production"));
    at(&back, "await deployment/api");
    assert!(
        !back.iter().any(|step| step.contains("worker-saga")),
        "{back:#?}"
    );
}

#[test]
fn a_version_that_is_no_tag_is_refused() {
    let place = Place::new();
    let file = place.0.join("k8s/overlays/production/kustomization.yaml");
    let before = fs::read_to_string(&file).unwrap();
    for wrong in ["", "1.0/2", "-1", "a b", "$(id)"] {
        let ran = place.run("version.sh", &["k8s/overlays/production", wrong], &[]);
        assert_eq!(ran.status.code(), Some(2), "{wrong}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

/// The command lines in a section of a page, with continued lines joined.
fn commands(section: &str) -> Vec<String> {
    let page = read("docs/operations.md");
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let rest = rest.split("\n## ").next().unwrap();
    let blocks = rest.split("```").skip(1).step_by(2);
    let lines = blocks.map(|block| block.replace("\\\n", " "));
    lines
        .flat_map(|block| {
            let lines = block.lines().skip(1).map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn documented_commands_name_what_is_there() {
    let commands = commands("Kubernetes");
    assert!(commands.len() > 25, "{commands:#?}");
    let overlays = Overlay::all();
    let named = Regex::new(
        r"\b(deployment|statefulset|service|job|cronjob|podtemplate|configmap|ingress)[/ ]([a-z][a-z0-9-]*)",
    )
    .unwrap();
    let file = Regex::new(r"\b(k8s|docker)/[A-Za-z0-9_./-]+").unwrap();
    let of_cluster = Regex::new(
        r"kubectl (apply|delete|kustomize|annotate namespace|get nodes|drain|uncordon|config)\b",
    )
    .unwrap();
    for command in &commands {
        for found in file.find_iter(command) {
            let path = found.as_str().trim_end_matches('.');
            let made = path.contains("/secrets");
            let there = Path::new(&crate::layout::root()).join(path).exists();
            assert!(made || there, "{command}: no {path}");
        }
        if let Some((_, call)) = command.split_once("k8s/shopctl.sh ") {
            let words: Vec<_> = call
                .split(' ')
                .take_while(|word| !word.starts_with('-'))
                .collect();
            let verbs = words
                .iter()
                .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            let help = Command::new(program("shopctl"))
                .args(verbs)
                .arg("--help")
                .output();
            assert!(help.unwrap().status.success(), "{command}");
        }
        if !command.contains("kubectl ") {
            continue;
        }
        let own = command.contains("-n shop-system") || command.contains("--namespace shop-system");
        assert!(
            own || of_cluster.is_match(command) || command.contains(" -n "),
            "{command} has no namespace"
        );
        if !own {
            continue;
        }
        for found in named.captures_iter(command) {
            let there = overlays.iter().any(|overlay| {
                overlay.objects.iter().any(|object| {
                    object["kind"].as_str().unwrap().to_lowercase() == found[1]
                        && name(object) == &found[2]
                })
            });
            // the Job of the release before these scripts
            let made = &found[0] == "job migrate";
            assert!(there || made, "{command}: no {}", &found[0]);
        }
    }
}
