//! Everything that the rendered manifests name exists: files, variables, keys, ports, and the pods
//! of selectors.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};

use super::{
    cluster::matches,
    files::read,
    rendered::{Overlay, Pod, items, labels, name},
};

/// The Secrets that `docs/operations.md` requires, each with its keys.
fn documented_secrets() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/operations.md");
    let (_, rest) = page.split_once("| Secret | keys |").unwrap();
    let name = Regex::new("`([a-z_.-]+)`").unwrap();
    let rows = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| "));
    rows.map(|row| {
        let mut names = name.captures_iter(row).map(|found| found[1].to_owned());
        (names.next().unwrap(), names.collect())
    })
    .collect()
}

/// The keys of a Secret: as created by the overlay, or as required by the page.
fn keys(overlay: &Overlay, secret: &str) -> BTreeSet<String> {
    if let Some(secret) = overlay.find("Secret", secret) {
        return secret["data"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
    }
    let documented = documented_secrets();
    let keys = documented.get(secret);
    keys.unwrap_or_else(|| panic!("{}: no Secret {secret}", overlay.name))
        .clone()
}

/// The files that a container's volumes put below its mounts, by path.
fn mounted(overlay: &Overlay, pod: &Pod, container: &Value) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for mount in items(&container["volumeMounts"]) {
        let volume = items(&pod.spec["volumes"])
            .find(|volume| volume["name"] == mount["name"])
            .or_else(|| (pod.kind == "StatefulSet").then_some(&Value::Null))
            .unwrap_or_else(|| panic!("{} has no volume {}", pod.called(), mount["name"]));
        let path = mount["mountPath"].as_str().unwrap();
        let (there, chosen) = if let Some(secret) = volume.get("secret") {
            let keys = keys(overlay, secret["secretName"].as_str().unwrap());
            (keys, &secret["items"])
        } else if let Some(map) = volume.get("configMap") {
            let map = overlay.get("ConfigMap", map["name"].as_str().unwrap());
            (labels(&map["data"]).into_keys().collect(), &Value::Null)
        } else {
            continue;
        };
        let chosen: BTreeSet<String> = match chosen.as_array() {
            Some(chosen) => chosen
                .iter()
                .map(|item| {
                    let key = item["key"].as_str().unwrap().to_owned();
                    assert!(there.contains(&key), "{}: no key {key}", pod.called());
                    item["path"].as_str().unwrap().to_owned()
                })
                .collect(),
            None => there,
        };
        match mount["subPath"].as_str() {
            Some(key) => {
                assert!(chosen.contains(key), "{}: no key {key}", pod.called());
                files.insert(path.to_owned());
            }
            None => files.extend(chosen.iter().map(|key| format!("{path}/{key}"))),
        }
    }
    files
}

#[test]
fn every_file_read_is_mounted_and_no_other_secret() {
    for overlay in Overlay::all() {
        let documented = documented_secrets();
        let mut used = BTreeMap::<String, BTreeSet<String>>::new();
        for pod in overlay.pods() {
            let container = &pod.spec["containers"][0];
            let files = mounted(&overlay, &pod, container);
            let variables: BTreeMap<_, _> = items(&container["env"])
                .filter_map(|one| Some((one["name"].as_str()?, one["value"].as_str()?)))
                .collect();
            let asked = |file: &String| {
                variables
                    .iter()
                    .any(|(name, value)| name.ends_with("_FILE") && value == file)
                    || variables
                        .get("ROLES_DIR")
                        .is_some_and(|folder| file.starts_with(*folder))
            };
            for (name, value) in variables.iter().filter(|(name, _)| name.ends_with("_FILE")) {
                assert!(
                    files.contains(*value),
                    "{}: {} reads {name}={value}, which is not mounted",
                    overlay.name,
                    pod.called()
                );
            }
            for volume in items(&pod.spec["volumes"]) {
                let Some(secret) = volume["secret"]["secretName"].as_str() else {
                    continue;
                };
                let mount = items(&container["volumeMounts"])
                    .find(|mount| mount["name"] == volume["name"])
                    .unwrap();
                let path = mount["mountPath"].as_str().unwrap();
                for file in files.iter().filter(|file| file.starts_with(path)) {
                    assert!(
                        asked(file) || mount.get("subPath").is_some(),
                        "{}: {} is given {file}, and reads it by no variable",
                        overlay.name,
                        pod.called()
                    );
                    let key = file.rsplit('/').next().unwrap().to_owned();
                    used.entry(secret.to_owned()).or_default().insert(key);
                }
                assert!(volume["secret"]["defaultMode"] == 0o440, "{}", pod.called());
            }
        }
        for trigger in overlay.of_kind("TriggerAuthentication") {
            for target in items(&trigger["spec"]["secretTargetRef"]) {
                let (secret, key) = (
                    target["name"].as_str().unwrap(),
                    target["key"].as_str().unwrap(),
                );
                assert!(
                    keys(&overlay, secret).contains(key),
                    "{secret} has no {key}"
                );
                used.entry(secret.to_owned())
                    .or_default()
                    .insert(key.to_owned());
            }
        }
        // the page lists every required Secret
        for (secret, keys) in &used {
            let Some(told) = documented.get(secret) else {
                assert!(
                    ["postgres", "rabbitmq"].contains(&secret.as_str()),
                    "{secret}"
                );
                continue;
            };
            assert!(
                keys.is_subset(told),
                "{secret}: {keys:?}, documented {told:?}"
            );
        }
    }
}

#[test]
fn every_variable_is_known_to_its_program() {
    let known = super::known_variables();
    let all: BTreeSet<_> = known.values().flatten().cloned().collect();
    let image = read("frontend/Dockerfile");
    let mut seen = 0;
    for overlay in Overlay::all() {
        for pod in overlay.pods() {
            let container = &pod.spec["containers"][0];
            let own = items(&container["env"]).filter_map(|one| one["name"].as_str());
            let shared = items(&container["envFrom"]).flat_map(|from| {
                let map = overlay.get("ConfigMap", from["configMapRef"]["name"].as_str().unwrap());
                labels(&map["data"]).into_keys()
            });
            let called = format!("{}: {}", overlay.name, pod.called());
            if pod.is_ours() {
                let program = container["args"][0].as_str().unwrap();
                for name in own {
                    assert!(
                        known[program].contains(name),
                        "{called}: nothing reads {name}"
                    );
                    seen += 1;
                }
                for name in shared.filter(|name| name != "RUST_LOG") {
                    assert!(all.contains(&name), "{called}: nothing reads {name}");
                }
            } else if pod.image().contains("shop-frontend:") {
                let names: BTreeSet<_> = own.map(str::to_owned).chain(shared).collect();
                assert_eq!(names.len(), 4, "{called}: {names:?}");
                for name in names {
                    assert!(
                        image.contains(&format!("{name}=")),
                        "{called}: nothing reads {name}"
                    );
                }
            }
            for one in items(&container["env"]) {
                let Some(from) = one["valueFrom"].get("configMapKeyRef") else {
                    continue;
                };
                let map = overlay.get("ConfigMap", from["name"].as_str().unwrap());
                let key = from["key"].as_str().unwrap();
                assert!(map["data"].get(key).is_some(), "{called}: no key {key}");
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn selectors_and_named_ports_find_their_pods() {
    for overlay in Overlay::all() {
        let pods = overlay.pods();
        let behind = |selector: &Value| -> Vec<&Pod> {
            pods.iter()
                .filter(|pod| matches(selector, &pod.labels))
                .collect()
        };
        let has = |pod: &Pod, port: &Value| {
            pod.containers()
                .flat_map(|container| items(&container["ports"]))
                .any(|one| one["name"] == *port || one["containerPort"] == *port)
        };
        for service in overlay.of_kind("Service") {
            let pods = behind(&service["spec"]["selector"]);
            assert!(!pods.is_empty(), "service {}", name(service));
            for port in items(&service["spec"]["ports"]) {
                for pod in &pods {
                    assert!(has(pod, &port["targetPort"]), "{}: {port}", pod.called());
                }
            }
        }
        for pod in pods
            .iter()
            .filter(|pod| ["Deployment", "StatefulSet"].contains(&pod.kind.as_str()))
        {
            let object = overlay.get(&pod.kind, &pod.name);
            let selector = &object["spec"]["selector"]["matchLabels"];
            assert_eq!(
                behind(selector).len(),
                1,
                "{}: of others, too",
                pod.called()
            );
            for container in pod.containers() {
                for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                    let probe = &container[probe];
                    for kind in ["httpGet", "tcpSocket"] {
                        if let Some(port) = probe[kind].get("port") {
                            assert!(has(pod, port), "{}: {port}", pod.called());
                        }
                    }
                }
            }
        }
        for rule in overlay
            .of_kind("Ingress")
            .flat_map(|one| items(&one["spec"]["rules"]))
        {
            for path in items(&rule["http"]["paths"]) {
                let backend = &path["backend"]["service"];
                let service = overlay.get("Service", backend["name"].as_str().unwrap());
                let mut ports = items(&service["spec"]["ports"]);
                assert!(ports.any(|port| port["name"] == backend["port"]["name"]));
            }
        }
        for kind in ["HorizontalPodAutoscaler", "ScaledObject"] {
            for scaler in overlay.of_kind(kind) {
                let target = &scaler["spec"]["scaleTargetRef"]["name"];
                overlay.get("Deployment", target.as_str().unwrap());
            }
        }
        for monitor in overlay.of_kind("PodMonitor") {
            let chosen = &monitor["spec"]["selector"]["matchExpressions"][0];
            for value in items(&chosen["values"]) {
                let pods = behind(&json!({ "app.kubernetes.io/name": value }));
                assert!(!pods.is_empty(), "nothing is called {value}");
                for endpoint in items(&monitor["spec"]["podMetricsEndpoints"]) {
                    assert!(has(pods[0], &endpoint["port"]), "{value}");
                }
            }
        }
    }
}
