//! Deployment files checked against the code: docker-compose.yml and k8s/ run every process, give
//! it only settings that it knows and all that it needs, wait long enough for it to stop, and open
//! no connection that the map lacks.

mod cluster;
mod compose;
mod compose_upgrade;
mod files;
mod ingress;
mod keys;
mod memory;
mod network;
mod rabbitmq;
mod references;
mod rendered;
mod scripts;
mod started;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

pub(crate) use files::manifests;
use files::read;

/// A process as compose or Kubernetes starts it.
struct Process {
    /// The file and the process's name in it.
    place: String,
    name: String,
    /// Program and arguments.
    command: Vec<String>,
    env: BTreeMap<String, String>,
    /// Seconds between SIGTERM and SIGKILL.
    grace: u64,
}

/// All our long-running processes.
const PROCESSES: [&str; 6] = [
    "api",
    "payments",
    "worker-async",
    "worker-payments",
    "worker-relay",
    "worker-saga",
];

fn strings(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect()
}

/// The services of the compose file that use our processes' image.
fn composed() -> Vec<Process> {
    let compose = files::compose();
    let services = compose["services"].as_object().unwrap().iter();
    let ours = services.filter(|(_, service)| {
        service["image"]
            .as_str()
            .is_some_and(|image| image.starts_with("shop-system:"))
    });
    ours.map(|(name, service)| {
        let env = service["environment"].as_object().into_iter().flatten();
        let grace = service["stop_grace_period"].as_str().unwrap_or("10s");
        Process {
            place: format!("service {name} of docker-compose.yml"),
            name: name.clone(),
            command: [
                strings(&service["entrypoint"]),
                strings(&service["command"]),
            ]
            .concat(),
            env: env
                .map(|(name, value)| (name.clone(), scalar(value)))
                .collect(),
            grace: grace.trim_end_matches('s').parse().unwrap(),
        }
    })
    .collect()
}

/// A setting's value as a process gets it: compose converts numbers to text.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no setting's value"),
    }
}

/// The pods of the base that use our processes' image; each also gets the common settings.
fn deployed() -> Vec<Process> {
    let manifests = manifests("base");
    let settings = manifests
        .iter()
        .find(|object| object["kind"] == "ConfigMap")
        .unwrap();
    let common: BTreeMap<_, _> = settings["data"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let process = |object: &Value| {
        let pod = files::pod(object)?;
        let container = &pod["containers"][0];
        (container["image"] == "shop-system").then_some(())?;
        let mut env = BTreeMap::new();
        if container.get("envFrom").is_some() {
            env.extend(common.clone());
        }
        for variable in container["env"].as_array().unwrap() {
            let shared = &variable["valueFrom"]["configMapKeyRef"]["key"];
            let value = match shared.as_str() {
                Some(key) => common[key].clone(),
                None => variable["value"].as_str().unwrap().to_owned(),
            };
            env.insert(variable["name"].as_str().unwrap().to_owned(), value);
        }
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        Some(Process {
            place: format!("{} {name} of k8s/base", object["kind"].as_str().unwrap()),
            name,
            command: strings(&container["args"]),
            env,
            grace: pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30),
        })
    };
    manifests.iter().filter_map(process).collect()
}

/// The variables that each program knows: from the generated reference, and shopctl's own.
fn known_variables() -> BTreeMap<String, BTreeSet<String>> {
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    let variable = Regex::new("`([A-Z_]+)`").unwrap();
    for section in read("docs/configuration.md").split("\n## ").skip(1) {
        let (program, table) = section.split_once('\n').unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        let names: BTreeSet<_> = cells
            .flat_map(|cell| variable.captures_iter(cell))
            .map(|found| found[1].to_owned())
            .collect();
        assert!(names.len() > 10, "{program}");
        known.insert(program.to_owned(), names);
    }
    let profile = read("crates/shopctl/src/profile.rs");
    let names = Regex::new("const NAMES: [^=]*= \\[([^\\]]*)\\]").unwrap();
    let names = &names.captures(&profile).unwrap()[1];
    let quoted = Regex::new("\"([A-Z_]+)\"").unwrap();
    let names = quoted.captures_iter(names).map(|found| found[1].to_owned());
    let names = names.flat_map(|name| [format!("{name}_FILE"), name]);
    known.insert("shopctl".to_owned(), names.collect());
    known
}

#[test]
fn every_process_is_a_service_and_a_deployment() {
    let help = std::process::Command::new(started::program("worker"))
        .arg("--help")
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let (help, _) = help.split_once("\nOptions:").unwrap();
    let roles = Regex::new("(?m)^ +- ([a-z]+)(?::|$)").unwrap();
    let roles: BTreeSet<_> = roles
        .captures_iter(help)
        .map(|role| role[1].to_owned())
        .filter(|role| !["migrate", "retention", "settings"].contains(&role.as_str()))
        .collect();
    assert_eq!(roles.len(), 4, "{help}");
    for processes in [composed(), deployed()] {
        let command = |name: &str| {
            let process = processes.iter().find(|process| process.name == name);
            process
                .unwrap_or_else(|| panic!("there is no {name}"))
                .command
                .clone()
        };
        assert_eq!(command("api"), ["api"]);
        assert_eq!(command("payments"), ["payments"]);
        assert_eq!(command("migrate"), ["worker", "migrate"]);
        assert_eq!(command("doctor")[..2], ["shopctl", "doctor"]);
        for role in &roles {
            assert_eq!(command(&format!("worker-{role}")), ["worker", role]);
        }
    }
}

#[test]
fn a_process_is_told_only_what_it_knows() {
    let known = known_variables();
    let all: BTreeSet<_> = known.values().flatten().cloned().collect();
    let settings = manifests("base")
        .into_iter()
        .find(|object| object["kind"] == "ConfigMap");
    let common = settings.unwrap()["data"].as_object().unwrap().clone();
    for process in composed().into_iter().chain(deployed()) {
        let program = &known[&process.command[0]];
        for name in process.env.keys().filter(|name| *name != "RUST_LOG") {
            // at least one process must know each common setting
            let names = if common.contains_key(name) {
                &all
            } else {
                program
            };
            assert!(
                names.contains(name),
                "{}: nobody knows {name}",
                process.place
            );
        }
    }
}

#[test]
fn each_supervisor_waits_longer_than_a_process_needs() {
    let seconds = |file: &str, name: &str| -> u64 {
        let constant = format!("const {name}: Duration = Duration::from_(secs|mins)\\((\\d+)\\)");
        let text = read(file);
        let found = Regex::new(&constant).unwrap().captures(&text);
        let found = found.unwrap_or_else(|| panic!("{file} has no {name}"));
        let number: u64 = found[2].parse().unwrap();
        if &found[1] == "mins" {
            number * 60
        } else {
            number
        }
    };
    let worker = "crates/worker/src/lib.rs";
    let drain = seconds("crates/web/src/server.rs", "DRAIN_TIMEOUT");
    let (grace, mails) = (seconds(worker, "GRACE_PERIOD"), seconds(worker, "MAILS"));
    let relay = seconds("crates/payments/src/lib.rs", "RELAY_DRAIN");
    // Kubernetes delays SIGTERM by this time
    let prestop = 5;
    for process in composed().into_iter().chain(deployed()) {
        let longest = match process.name.as_str() {
            "api" => drain,
            "payments" => drain + relay,
            "worker-async" => mails + grace,
            name if PROCESSES.contains(&name) => grace,
            _ => continue,
        };
        // traces are flushed at the end, for five seconds at most
        let needed = longest + prestop + 5;
        assert!(process.grace > needed, "{}: {needed} s", process.place);
    }
}

#[test]
fn a_web_server_cuts_its_streams_before_it_is_killed() {
    let timeout = Regex::new(r"(?m)^worker_shutdown_timeout (\d+)s;$").unwrap();
    let cut = |file: &str| -> u64 {
        let text = read(file);
        let found = timeout.captures(&text);
        let found = found.unwrap_or_else(|| panic!("{file} lets a stream hold the server up"));
        found[1].parse().unwrap()
    };
    let compose = files::compose();
    for (name, file) in [
        ("frontend", "frontend/nginx/nginx.conf"),
        ("edge", "docker/edge/nginx.conf"),
    ] {
        let service = &compose["services"][name];
        // on SIGTERM nginx would exit at once
        assert_eq!(service["stop_signal"], "SIGQUIT", "{name}");
        let grace = service["stop_grace_period"].as_str().unwrap();
        let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
        assert!(cut(file) + 5 < grace, "{name}: {grace} s");
    }
    for overlay in rendered::Overlay::all() {
        let pod = &overlay.get("Deployment", "frontend")["spec"]["template"]["spec"];
        let before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        let needed = before.unwrap() + cut("frontend/nginx/nginx.conf") + 5;
        assert!(needed < grace, "{}: {grace} s", overlay.name);
    }
}

#[test]
fn every_image_is_of_one_version() {
    let pinned = |image: &str| {
        let tag = image.rsplit('/').next().unwrap().split_once(':');
        assert!(
            tag.is_some_and(|(_, tag)| tag != "latest" && !tag.is_empty()),
            "{image}"
        );
    };
    for file in compose::FILES {
        for service in files::composed(file)["services"]
            .as_object()
            .unwrap()
            .values()
        {
            if let Some(image) = service["image"].as_str() {
                pinned(image);
            }
        }
    }
    let base = Regex::new("ARG \\w+_IMAGE=(\\S+)").unwrap();
    for file in ["Dockerfile", "frontend/Dockerfile"] {
        let text = read(file);
        let found: Vec<_> = base.captures_iter(&text).collect();
        assert_eq!(found.len(), 2, "{file}");
        for image in found {
            // distroless has only Debian's version
            if !image[1].starts_with("gcr.io/distroless/") {
                pinned(&image[1]);
            }
        }
    }
    for overlay in ["overlays/local", "overlays/production"] {
        let objects = manifests(overlay);
        let kustomization = objects
            .iter()
            .find(|object| object["kind"] == "Kustomization")
            .unwrap();
        let named: BTreeMap<_, _> = kustomization["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| {
                (
                    image["name"].as_str().unwrap(),
                    image["newTag"].as_str().unwrap(),
                )
            })
            .collect();
        let images = manifests("base").into_iter().chain(objects.clone());
        for object in images {
            for container in files::pod(&object)
                .into_iter()
                .flat_map(|pod| strings_of(&pod, "image"))
            {
                match named.get(container.as_str()) {
                    Some(tag) => pinned(&format!("{container}:{tag}")),
                    None => pinned(&container),
                }
            }
        }
    }
}

fn strings_of(pod: &Value, field: &str) -> Vec<String> {
    let containers = pod["containers"].as_array().unwrap().iter();
    containers
        .map(|container| container[field].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn no_secret_stands_in_a_file_that_is_committed() {
    let password = Regex::new("://[^/\\s:@]+:[^/\\s@]+@").unwrap();
    let named =
        Regex::new("(PASSWORD|SECRET|SIGNING_KEY|DATABASE_URL|AMQP_URL|SMTP_URL|MANAGEMENT_URL)")
            .unwrap();
    let mut files = files::below("k8s");
    files.extend(
        [
            "docker-compose.yml",
            "docker/observability.yml",
            ".env.example",
            "Dockerfile",
            "frontend/Dockerfile",
        ]
        .map(str::to_owned),
    );
    assert!(files.len() > 20);
    for file in files.iter().filter(|file| !file.contains("/secrets/")) {
        let text = read(file);
        assert!(!password.is_match(&text), "{file} holds a password");
        assert!(
            !text.lines().any(|line| line == "kind: Secret"),
            "{file} holds a Secret"
        );
    }
    for process in composed().into_iter().chain(deployed()) {
        for name in process.env.keys().filter(|name| named.is_match(name)) {
            assert!(
                name.ends_with("_FILE"),
                "{}: {name} is no file",
                process.place
            );
        }
    }
    let kept = std::process::Command::new("git")
        .args(["ls-files", "--", "secrets", "k8s/overlays/local/secrets"])
        .current_dir(crate::layout::root())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kept.stdout),
        "",
        "secrets are committed"
    );
    let ignored = read(".gitignore");
    for folder in ["/secrets", "/k8s/overlays/local/secrets"] {
        assert!(ignored.lines().any(|line| line == folder), "{folder}");
    }
}
