//! The rendered manifests, read as an API server, a scheduler and a kubelet read them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use regex::Regex;
use serde_json::{Value, json};

use super::{
    files::{below, read},
    rendered::{Labels, Overlay, Pod, bytes, items, labels, millis, name},
};

/// The rules of `restricted` that a pod breaks, as far as these manifests could.
fn refused(spec: &Value) -> Vec<String> {
    let mut refused = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            refused.push(field.to_owned());
        }
    }
    let kinds = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in items(&spec["volumes"]) {
        let kind = volume
            .as_object()
            .unwrap()
            .keys()
            .find(|key| *key != "name");
        if !kind.is_some_and(|kind| kinds.contains(&kind.as_str())) {
            refused.push(format!("volume {volume}"));
        }
    }
    let pod = &spec["securityContext"];
    for container in items(&spec["initContainers"]).chain(items(&spec["containers"])) {
        let own = &container["securityContext"];
        let called = container["name"].as_str().unwrap();
        let either = |field: &str| own.get(field).unwrap_or(&pod[field]).clone();
        let wrong = [
            ("runAsNonRoot", either("runAsNonRoot") != true),
            ("runAsUser", either("runAsUser") == 0),
            (
                "seccompProfile",
                !["RuntimeDefault", "Localhost"].contains(
                    &either("seccompProfile")["type"]
                        .as_str()
                        .unwrap_or_default(),
                ),
            ),
            (
                "allowPrivilegeEscalation",
                own["allowPrivilegeEscalation"] != false,
            ),
            (
                "capabilities.drop",
                own["capabilities"]["drop"] != json!(["ALL"]),
            ),
            (
                "capabilities.add",
                items(&own["capabilities"]["add"]).any(|added| added != "NET_BIND_SERVICE"),
            ),
            ("privileged", own["privileged"] == true),
            (
                "hostPort",
                items(&container["ports"]).any(|port| port.get("hostPort").is_some()),
            ),
        ];
        let wrong = wrong.iter().filter(|(_, wrong)| *wrong);
        refused.extend(wrong.map(|(what, _)| format!("{called}: {what}")));
    }
    refused
}

/// The pods of RabbitMQ's operator, as far as these manifests say how they are.
fn overridden(overlay: &Overlay) -> Vec<(String, Value)> {
    let clusters = overlay.of_kind("RabbitmqCluster");
    let spec = |cluster: &Value| {
        cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"].clone()
    };
    clusters
        .map(|cluster| (format!("RabbitmqCluster {}", name(cluster)), spec(cluster)))
        .collect()
}

#[test]
fn pod_security_restricted_lets_in_every_pod() {
    for overlay in Overlay::all() {
        let pods = overlay.pods();
        assert!(pods.len() > 9, "{}", overlay.name);
        assert!(pods.iter().any(|pod| pod.called() == "PodTemplate shopctl"));
        let pods = pods.into_iter().map(|pod| (pod.called(), pod.spec));
        for (called, spec) in pods.chain(overridden(&overlay)) {
            assert_eq!(refused(&spec), [""; 0], "{}: {called}", overlay.name);
        }
    }
    let namespace = read("k8s/namespace.yaml");
    assert!(namespace.contains("pod-security.kubernetes.io/enforce: restricted"));
}

/// A kubelet lets the group of a volume into each of its files at every start, unless it is told to look at
/// the folder first. RabbitMQ then refuses its cookie, and PostgreSQL its data.
#[test]
fn a_restart_leaves_private_files_on_a_volume_private() {
    for overlay in Overlay::all() {
        let stateful = overlay
            .pods()
            .into_iter()
            .filter(|pod| pod.kind == "StatefulSet");
        let stateful = stateful.map(|pod| (pod.called(), pod.spec));
        for (called, spec) in stateful.chain(overridden(&overlay)) {
            let context = &spec["securityContext"];
            assert!(context.get("fsGroup").is_some(), "{called}");
            assert_eq!(
                context["fsGroupChangePolicy"], "OnRootMismatch",
                "{}: {called} keeps files that only it may read on a volume with fsGroup",
                overlay.name
            );
        }
    }
}

fn matches(selector: &Value, labels: &Labels) -> bool {
    let wanted = selector.as_object().unwrap();
    wanted
        .iter()
        .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
}

#[test]
fn a_drain_never_waits_for_ever() {
    for overlay in Overlay::all() {
        let budgets: Vec<_> = overlay.of_kind("PodDisruptionBudget").collect();
        for pod in overlay.pods().iter().filter(|pod| pod.kind == "Deployment") {
            let selects =
                |budget: &&&Value| matches(&budget["spec"]["selector"]["matchLabels"], &pod.labels);
            let own: Vec<_> = budgets.iter().filter(selects).collect();
            assert!(own.len() <= 1, "{}: eviction refuses two budgets", pod.name);
            assert!(
                own.len() == 1 || !pod.is_ours(),
                "{} has no budget",
                pod.name
            );
            for budget in own {
                let spec = &budget["spec"];
                let called = format!("{}: budget {}", overlay.name, name(budget));
                // one replica, or all of them not ready since the database is away
                assert_eq!(spec["maxUnavailable"], 1, "{called}");
                assert!(spec.get("minAvailable").is_none(), "{called}");
                assert_eq!(
                    spec["unhealthyPodEvictionPolicy"], "AlwaysAllow",
                    "{called}"
                );
            }
        }
    }
}

#[test]
fn a_cordoned_node_holds_up_no_rollout() {
    let mut seen = 0;
    for overlay in Overlay::all() {
        for pod in overlay.pods() {
            for spread in items(&pod.spec["topologySpreadConstraints"]) {
                let called = format!("{}: {}", overlay.name, pod.called());
                assert_eq!(spread["nodeTaintsPolicy"], "Honor", "{called}");
                assert_eq!(
                    spread["matchLabelKeys"],
                    json!(["pod-template-hash"]),
                    "{called}"
                );
                assert!(matches(
                    &spread["labelSelector"]["matchLabels"],
                    &pod.labels
                ));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 14);
}

/// Processors that kube-system's pods request on a cluster of one node (kind: CoreDNS twice, etcd, API server,
/// controllers, scheduler, the network plugin), an ingress controller's 100m and a metrics server's 100m.
const OTHERS: u64 = 950 + 100 + 100;

#[test]
fn all_of_the_local_overlay_fits_two_processors_during_a_rollout() {
    let overlay = Overlay::read("local");
    let (mut processors, mut memory) = (OTHERS, 512 << 20);
    for pod in overlay.pods() {
        let count = match pod.kind.as_str() {
            "Deployment" => overlay.most(&pod.name),
            // doctor, migrate, seed and an operator's command at the same time
            _ => 1,
        };
        for container in pod.containers() {
            let requests = &container["resources"]["requests"];
            processors += count * millis(&requests["cpu"]);
            memory += count * bytes(requests["memory"].as_str().unwrap());
        }
    }
    assert!(processors <= 2000, "{processors}m are asked for");
    assert!(memory <= 4 << 30, "{memory} bytes are asked for");
}

#[test]
fn migrate_goes_before_the_pods_that_wait_for_it() {
    for overlay in Overlay::all() {
        let pods = overlay.pods();
        let migrate = pods
            .iter()
            .find(|pod| pod.labels["app.kubernetes.io/name"] == "migrate");
        let class = migrate.unwrap().spec["priorityClassName"].as_str().unwrap();
        let class = overlay.get("PriorityClass", class);
        assert!(class["value"].as_i64().unwrap() > 0 && class["globalDefault"] != true);
        let others = pods
            .iter()
            .filter(|pod| pod.spec.get("priorityClassName").is_some());
        assert_eq!(others.count(), 1, "{}", overlay.name);
    }
}

/// The pools that a program's sources open, by name, each with its most connections; `pool` stands for the
/// setting.
fn pools(program: &str, pool: u64) -> BTreeMap<String, u64> {
    let opened = Regex::new(r#"PoolConfig::new\("([a-z ]+)", ([a-z0-9_.]+)\)"#).unwrap();
    let files = below(&format!("crates/{program}/src"));
    let rust = |file: &&String| Path::new(file).extension().is_some_and(|end| end == "rs");
    let files = files.iter().filter(rust);
    let mut pools = BTreeMap::new();
    for text in files.map(|file| read(file)) {
        for found in opened.captures_iter(&text) {
            let most = match &found[2] {
                "config.database_max_connections" => pool,
                number => number.parse().unwrap(),
            };
            pools.insert(found[1].to_owned(), most);
        }
    }
    assert!(!pools.is_empty(), "{program}");
    pools
}

/// A number that a program is told, or that it takes by default.
fn setting(program: &str, name: &str, settings: &Labels) -> u64 {
    let page = read("docs/configuration.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(program));
    let default = Regex::new(&format!(r"\| `{name}` \| `(\d+)` \|")).unwrap();
    let default = default.captures(section.unwrap()).unwrap()[1].to_owned();
    settings.get(name).unwrap_or(&default).parse().unwrap()
}

/// The most connections that one process of a name opens.
fn connections(process: &str, settings: &Labels) -> u64 {
    let shop = |program| setting(program, "SHOP_DATABASE_MAX_CONNECTIONS", settings);
    match process {
        "api" => pools("api", shop("api")).values().sum(),
        "payments" => pools(
            "payments",
            setting("payments", "PAYMENTS_DATABASE_MAX_CONNECTIONS", settings),
        )
        .values()
        .sum(),
        _ => {
            let pools = pools("worker", shop("worker"));
            let own = |(name, most): (&String, &u64)| match name.as_str() {
                "worker" => *most,
                "worker jobs" | "worker census" | "worker retention"
                    if process == "worker-async" =>
                {
                    *most
                }
                "worker jobs" | "worker census" | "worker retention" | "migrate" => 0,
                name => panic!("pool {name}: which role opens it?"),
            };
            pools.iter().map(own).sum()
        }
    }
}

/// Connections that are opened beside those of the processes: two people with shopctl, `seed` and doctor
/// (four and two each), `migrate` (two), KEDA's three queries, a database operator's own and its metrics
/// (ten), and three that PostgreSQL keeps for its administrator.
const BESIDE: u64 = 4 * 6 + 2 + 3 + 10 + 3;

/// Memory of one PostgreSQL backend that has prepared its statements: 6.8 MiB at most in the end-to-end tests
/// (`Anonymous` of smaps), and a little room.
const BACKEND: u64 = 8 << 20;

#[test]
fn postgres_has_memory_for_every_connection_that_may_be_opened() {
    for overlay in Overlay::all() {
        let settings = labels(&overlay.get("ConfigMap", "settings")["data"]);
        let processes = overlay
            .pods()
            .into_iter()
            .filter(|pod| pod.kind == "Deployment" && pod.is_ours());
        let mut opened = BESIDE;
        for process in processes {
            opened += overlay.most(&process.name) * connections(&process.name, &settings);
        }
        let (most, buffers, limit) = if let Some(cluster) = overlay.find("Cluster", "postgres") {
            let parameters = labels(&cluster["spec"]["postgresql"]["parameters"]);
            (
                parameters["max_connections"].clone(),
                parameters["shared_buffers"].clone(),
                cluster["spec"]["resources"]["limits"]["memory"].clone(),
            )
        } else {
            let server = overlay.get("StatefulSet", "postgres");
            let container = &server["spec"]["template"]["spec"]["containers"][0];
            let argument = |name: &str| {
                let mut values = items(&container["args"])
                    .filter_map(|argument| argument.as_str()?.strip_prefix(name));
                values.next().map(str::to_owned)
            };
            (
                argument("max_connections=").unwrap(),
                argument("shared_buffers=").unwrap_or_else(|| "128MB".to_owned()),
                container["resources"]["limits"]["memory"].clone(),
            )
        };
        let most: u64 = most.parse().unwrap();
        assert!(
            opened <= most,
            "{}: {opened} connections may be opened, max_connections is {most}",
            overlay.name
        );
        let needed = bytes(&buffers) + most * BACKEND;
        let limit = bytes(limit.as_str().unwrap());
        assert!(
            needed <= limit / 10 * 9,
            "{}: {needed} bytes of a limit of {limit}",
            overlay.name
        );
    }
}

#[test]
fn rabbitmq_raises_its_alarm_below_its_memory_limit() {
    let watermark = Regex::new(r"vm_memory_high_watermark\.(\w+) = (\S+)").unwrap();
    for overlay in Overlay::all() {
        let cluster = overlay.find("RabbitmqCluster", "rabbitmq");
        let (config, limit) = if let Some(cluster) = cluster {
            (
                cluster["spec"]["rabbitmq"]["additionalConfig"].clone(),
                cluster["spec"]["resources"]["limits"]["memory"].clone(),
            )
        } else {
            let server = overlay.get("StatefulSet", "rabbitmq");
            let container = &server["spec"]["template"]["spec"]["containers"][0];
            let config = overlay.get("ConfigMap", "rabbitmq-config");
            (
                config["data"]["20-shop.conf"].clone(),
                container["resources"]["limits"]["memory"].clone(),
            )
        };
        let config = config.as_str().unwrap();
        let said: Vec<_> = watermark.captures_iter(config).collect();
        assert_eq!(said.len(), 1, "{}: {config}", overlay.name);
        // of the node's memory, were it relative
        assert_eq!(&said[0][1], "absolute", "{}", overlay.name);
        let (mark, limit) = (bytes(&said[0][2]), bytes(limit.as_str().unwrap()));
        assert!(
            mark <= limit / 10 * 7,
            "{}: {mark} of {limit}",
            overlay.name
        );
        assert!(mark >= limit / 2, "{}: {mark} of {limit}", overlay.name);
    }
}

/// The fields of an object that may not change once it is there.
fn fixed(object: &Value) -> Value {
    let spec = &object["spec"];
    match object["kind"].as_str().unwrap() {
        "Job" => json!([spec["template"], spec["selector"]]),
        "Deployment" => spec["selector"].clone(),
        "StatefulSet" => json!([
            spec["selector"],
            spec["serviceName"],
            spec["volumeClaimTemplates"]
        ]),
        "PriorityClass" => object["value"].clone(),
        _ => Value::Null,
    }
}

#[test]
fn the_next_release_changes_nothing_that_is_immutable() {
    let label = Regex::new("^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$").unwrap();
    for overlay in Overlay::all() {
        let next = Overlay::read(&format!("{}-next", overlay.name));
        let image = |overlay: &Overlay| {
            let api = overlay.get("Deployment", "api");
            api["spec"]["template"]["spec"]["containers"][0]["image"].clone()
        };
        assert_ne!(image(&overlay), image(&next), "it is another release");
        for object in &overlay.objects {
            let kind = object["kind"].as_str().unwrap();
            if let Some(same) = next.find(kind, name(object)) {
                assert_eq!(fixed(object), fixed(same), "{kind} {}", name(object));
            }
        }
        let migrate = |overlay: &Overlay| {
            let named =
                |job: &&Value| job["metadata"]["labels"]["app.kubernetes.io/name"] == "migrate";
            name(overlay.of_kind("Job").find(named).unwrap()).to_owned()
        };
        assert_ne!(migrate(&overlay), migrate(&next), "a release migrates");
        // pods are named by their Job, and a name of a pod is a label of DNS
        for job in overlay.of_kind("Job").chain(next.of_kind("Job")) {
            assert!(label.is_match(name(job)), "{}", name(job));
        }
    }
}

#[test]
fn replicas_are_the_autoscalers_where_there_is_one() {
    for overlay in Overlay::all() {
        for kind in ["HorizontalPodAutoscaler", "ScaledObject"] {
            for scaler in overlay.of_kind(kind) {
                let target = scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
                let deployment = overlay.get("Deployment", target);
                let replicas = deployment["spec"].get("replicas");
                assert_eq!(replicas, None, "{}: apply undoes {target}", overlay.name);
            }
        }
        for deployment in overlay.of_kind("Deployment") {
            let scaled = |kind: &str| {
                let mut scalers = overlay.of_kind(kind);
                scalers.any(|one| one["spec"]["scaleTargetRef"]["name"] == name(deployment))
            };
            let said = deployment["spec"].get("replicas").is_some();
            assert!(
                said || scaled("HorizontalPodAutoscaler") || scaled("ScaledObject"),
                "{} {}",
                overlay.name,
                name(deployment)
            );
        }
    }
}

/// The Secrets that `docs/operations.md` demands, each with its keys.
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

/// The keys of a Secret: as the overlay makes it, or as the page says that it must be.
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

/// Files that the volumes of a container put below its mounts: path by path.
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
fn every_file_that_a_process_reads_is_mounted_and_no_other_secret() {
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
        // the page tells all that must be there
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
    let known = super::known();
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

#[test]
fn pods_say_what_they_are_part_of_and_get_no_service_links() {
    for overlay in Overlay::all() {
        for pod in overlay.pods() {
            let called = format!("{}: {}", overlay.name, pod.called());
            assert_eq!(pod.spec["enableServiceLinks"], false, "{called}");
            assert_eq!(pod.spec["automountServiceAccountToken"], false, "{called}");
            let part = pod
                .labels
                .get("app.kubernetes.io/part-of")
                .map(String::as_str);
            assert_eq!(part, Some("shop-system"), "{called}");
        }
    }
}

#[test]
fn a_frozen_process_is_restarted_within_a_minute() {
    for overlay in Overlay::all() {
        let long = overlay
            .pods()
            .into_iter()
            .filter(|pod| pod.kind == "Deployment" && pod.is_ours());
        for pod in long {
            let probe = &pod.spec["containers"][0]["livenessProbe"];
            let number = |field: &str| probe[field].as_u64().unwrap_or_else(|| panic!("{field}"));
            let seconds = number("periodSeconds") * number("failureThreshold")
                + number("timeoutSeconds")
                + number("terminationGracePeriodSeconds");
            assert!(seconds <= 60, "{}: {seconds} s", pod.called());
        }
    }
}

#[test]
fn doctors_job_fails_at_once_for_a_violation_only() {
    for overlay in Overlay::all() {
        let doctor = overlay.get("CronJob", "doctor");
        let job = &doctor["spec"]["jobTemplate"]["spec"];
        // the alert asks for the reason that Kubernetes gives when the limit of retries is reached
        assert_eq!(job["backoffLimit"], 0);
        let rules: Vec<_> = items(&job["podFailurePolicy"]["rules"]).collect();
        let codes = &rules[0]["onExitCodes"];
        assert_eq!(
            (&rules[0]["action"], &codes["operator"]),
            (&json!("Ignore"), &json!("NotIn"))
        );
        assert_eq!(codes["values"], json!([1]));
        let deadline = job["activeDeadlineSeconds"].as_u64().unwrap();
        assert!(deadline < 600, "the next one begins after ten minutes");
        let alerts = read("observability/alerts.yml");
        assert!(alerts.contains(r#"reason="BackoffLimitExceeded""#));
    }
}

#[test]
fn alerts_in_the_cluster_are_those_of_observability() {
    let overlay = Overlay::read("production");
    let rules = overlay.get("PrometheusRule", "shop-system");
    let alerts: Value = serde_saphyr::from_str(&read("observability/alerts.yml")).unwrap();
    assert_eq!(
        rules["spec"]["groups"], alerts["groups"],
        "`cargo xtask generate` writes the rule anew"
    );
}

#[test]
fn no_collector_no_endpoint() {
    for overlay in Overlay::all() {
        let settings = labels(&overlay.get("ConfigMap", "settings")["data"]);
        let traced = overlay.find("NetworkPolicy", "traces").is_some();
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "TRACE_URL"] {
            assert_eq!(
                !settings[name].is_empty(),
                traced,
                "{}: {name}",
                overlay.name
            );
        }
    }
    // metrics without traces
    let monitoring = super::manifests("components/monitoring");
    let text = serde_json::to_string(&monitoring).unwrap();
    assert!(!text.contains("OTEL_EXPORTER_OTLP_ENDPOINT"));
}

#[test]
fn every_overlay_says_which_proxy_it_trusts() {
    for overlay in Overlay::all() {
        let settings = labels(&overlay.get("ConfigMap", "frontend")["data"]);
        assert_ne!(
            settings["TRUSTED_PROXY"], "127.0.0.1/32",
            "{}",
            overlay.name
        );
    }
}

#[test]
fn deleting_an_overlay_deletes_no_data() {
    let objects: Vec<Value> = serde_saphyr::from_multiple(&read("k8s/namespace.yaml")).unwrap();
    let of = |kind: &str| {
        let mut found = objects.iter().filter(|object| object["kind"] == kind);
        found.next().unwrap_or_else(|| panic!("no {kind}"))
    };
    assert_eq!(name(of("Namespace")), "shop-system");
    let policy = &of("ValidatingAdmissionPolicy")["spec"];
    let guarded: BTreeSet<_> = items(&policy["matchConstraints"]["resourceRules"])
        .filter(|rule| rule["operations"] == json!(["DELETE"]))
        .map(|rule| {
            (
                rule["apiGroups"][0].as_str().unwrap(),
                rule["resources"][0].as_str().unwrap(),
            )
        })
        .collect();
    assert!(guarded.contains(&("", "namespaces")));
    for overlay in Overlay::all() {
        for kind in ["Namespace", "PersistentVolumeClaim", "PersistentVolume"] {
            assert_eq!(overlay.of_kind(kind).count(), 0, "{}: {kind}", overlay.name);
        }
        // claims of a StatefulSet stay unless it says otherwise; a database operator's go with its resource
        for object in &overlay.objects {
            let retention = object["spec"].get("persistentVolumeClaimRetentionPolicy");
            assert_eq!(retention, None, "{}", name(object));
            let group = object["apiVersion"]
                .as_str()
                .unwrap()
                .split('/')
                .next()
                .unwrap();
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            if ["postgresql.cnpg.io", "rabbitmq.com"].contains(&group) {
                assert!(
                    guarded.contains(&(group, plural.as_str())),
                    "{plural} can be deleted"
                );
            }
        }
    }
    let binding = &of("ValidatingAdmissionPolicyBinding")["spec"];
    assert_eq!(binding["policyName"], name(of("ValidatingAdmissionPolicy")));
    assert_eq!(binding["validationActions"], json!(["Deny"]));
}
