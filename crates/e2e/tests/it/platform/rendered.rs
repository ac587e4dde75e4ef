//! The overlays as `kubectl apply -k` sends them; `cargo xtask test` renders them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

pub(super) const OVERLAYS: [&str; 2] = ["local", "production"];

pub(super) type Labels = BTreeMap<String, String>;

/// An overlay, either the current release or the next one.
pub(super) struct Overlay {
    pub(super) name: String,
    pub(super) objects: Vec<Value>,
}

/// A pod created by an object of an overlay.
pub(super) struct Pod {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) spec: Value,
}

pub(super) fn folder() -> PathBuf {
    let folder = std::env::var("TEST_RENDERED_DIR").expect("run the tests with `cargo xtask test`");
    PathBuf::from(folder)
}

/// A map of names to texts: labels, or the data of a ConfigMap.
pub(super) fn labels(value: &Value) -> Labels {
    let labels = value.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Overlay {
    /// `NAME`, or `NAME-next`: the same overlay at its next release.
    pub(super) fn read(name: &str) -> Self {
        let place = folder().join(format!("{name}.yaml"));
        let text = fs::read_to_string(&place)
            .unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        let objects = serde_saphyr::from_multiple(&text).unwrap();
        Self {
            name: name.to_owned(),
            objects,
        }
    }

    pub(super) fn all() -> [Self; 2] {
        OVERLAYS.map(Self::read)
    }

    pub(super) fn of_kind(&self, kind: &str) -> std::vec::IntoIter<&Value> {
        let of = self.objects.iter().filter(|object| object["kind"] == kind);
        of.collect::<Vec<_>>().into_iter()
    }

    pub(super) fn find(&self, kind: &str, wanted: &str) -> Option<&Value> {
        self.of_kind(kind).find(|object| name(object) == wanted)
    }

    pub(super) fn get(&self, kind: &str, wanted: &str) -> &Value {
        self.find(kind, wanted)
            .unwrap_or_else(|| panic!("{} has no {kind} {wanted}", self.name))
    }

    /// All pods that Kubernetes itself creates from the overlay.
    pub(super) fn pods(&self) -> Vec<Pod> {
        let pod = |object: &Value| {
            let template = match object["kind"].as_str()? {
                "Deployment" | "StatefulSet" | "Job" => &object["spec"]["template"],
                "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
                "PodTemplate" => &object["template"],
                _ => return None,
            };
            Some(Pod {
                kind: object["kind"].as_str()?.to_owned(),
                name: name(object).to_owned(),
                labels: labels(&template["metadata"]["labels"]),
                spec: template["spec"].clone(),
            })
        };
        self.objects.iter().filter_map(pod).collect()
    }

    /// The most pods that a Deployment may have at once: its autoscaler's maximum, and those of a
    /// rollout.
    pub(super) fn most(&self, deployment: &str) -> u64 {
        let object = self.get("Deployment", deployment);
        let targets = |scaler: &&Value| scaler["spec"]["scaleTargetRef"]["name"] == deployment;
        let hpa = self.of_kind("HorizontalPodAutoscaler").find(targets);
        let keda = self.of_kind("ScaledObject").find(targets);
        let most = hpa.map(|hpa| &hpa["spec"]["maxReplicas"]);
        let most = most.or(keda.map(|keda| &keda["spec"]["maxReplicaCount"]));
        let most = most.unwrap_or(&object["spec"]["replicas"]).as_u64();
        let surge = object["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
            .as_u64()
            .unwrap_or(1);
        most.unwrap_or(1) + surge
    }
}

impl Pod {
    /// `Deployment api`, for messages.
    pub(super) fn called(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &Value> {
        items(&self.spec["initContainers"]).chain(items(&self.spec["containers"]))
    }

    pub(super) fn is_ours(&self) -> bool {
        self.image().contains("shop-system:")
    }

    pub(super) fn image(&self) -> &str {
        self.spec["containers"][0]["image"].as_str().unwrap()
    }
}

/// Bytes of `64Mi`, `1Gi`, `1200MB` and their like.
pub(super) fn bytes(quantity: &str) -> u64 {
    let digits = quantity.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &quantity[digits.len()..] {
        "" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        unit => panic!("{quantity}: {unit} is no unit"),
    };
    digits.parse::<u64>().unwrap() * unit
}

/// Thousandths of a processor: `100m`, `2`.
pub(super) fn millis(quantity: &Value) -> u64 {
    let text = quantity
        .as_str()
        .map_or_else(|| quantity.to_string(), str::to_owned);
    match text.strip_suffix('m') {
        Some(millis) => millis.parse().unwrap(),
        None => text.parse::<u64>().unwrap() * 1000,
    }
}
