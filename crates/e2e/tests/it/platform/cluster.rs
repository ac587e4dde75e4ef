//! The rendered manifests, read as an API server, a scheduler and a kubelet read them.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};

use super::{
    files::read,
    rendered::{Labels, Overlay, items, labels, name},
};

/// The rules of `restricted` that a pod breaks, among those that can matter for these manifests.
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

/// The pods of RabbitMQ's operator, as far as these manifests determine them.
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

/// At every start, unless told to check the directory first, a kubelet makes each file of a volume
/// accessible to the volume's group. RabbitMQ then refuses its cookie, and PostgreSQL its data.
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

pub(super) fn matches(selector: &Value, labels: &Labels) -> bool {
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
                // one replica, or all replicas not ready while the database is down
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

/// The immutable fields of an object.
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
        // pods are named after their Job, and a pod's name is a DNS label
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

#[test]
fn pods_are_labelled_and_get_no_service_links() {
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
        // the alert queries the reason that Kubernetes sets when the retry limit is reached
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
        // claims of a StatefulSet are kept by default; those of a database operator are deleted
        // with its resource
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
