//! The rendered local overlay: the pods of our image, as a kubelet would interpret them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use servers::Result;

use super::{Container, Deployment, Image, Mount, Tmpfs, prepare};
use crate::{Doing, fail, platform};

/// The label by which a Service finds its pods.
const NAME: &str = "app.kubernetes.io/name";

/// The pods of the local overlay that run the image of API, payments, worker and shopctl.
pub(super) fn read(image: &Image, folder: &Path) -> Result<Deployment> {
    let folder = prepare(folder, "kubernetes")?;
    let rendered = platform::rendered()?;
    let secrets = rendered.join("k8s/overlays/local/secrets");
    let rendered =
        fs::read_to_string(rendered.join("local.yaml")).doing("read the local overlay")?;
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&rendered).doing("read the rendered manifests")?;
    let cluster = Cluster {
        objects: &objects,
        folder: &folder,
        image,
    };
    Ok(Deployment {
        platform: "kubernetes".to_owned(),
        image: image.files.clone(),
        containers: cluster.containers()?,
        folder,
        secrets,
    })
}

struct Cluster<'a> {
    objects: &'a [Value],
    folder: &'a Path,
    image: &'a Image,
}

impl Cluster<'_> {
    fn containers(&self) -> Result<Vec<Container>> {
        let mut containers = Vec::new();
        for object in self.objects {
            let spec = &object["spec"];
            let template = match object["kind"].as_str() {
                Some("Deployment" | "Job") => &spec["template"],
                Some("CronJob") => &spec["jobTemplate"]["spec"]["template"],
                Some("PodTemplate") => &object["template"],
                _ => continue,
            };
            let pod = &template["spec"];
            let image = pod["containers"][0]["image"].as_str().unwrap_or_default();
            if image.starts_with("shop-system:") {
                // takes the object's own label: the pod of the catalog's Job is labelled as
                // operator, for the network policies, but is no shopctl
                let name = object["metadata"]["labels"][NAME].as_str();
                let name = name.unwrap_or_default();
                let mut container = self.container(name, pod)?;
                if object["kind"] == "PodTemplate" {
                    // k8s/shopctl.sh creates a pod from the template and sets the person's name
                    let actor = container.env.entry("SHOPCTL_ACTOR".to_owned());
                    "ada".clone_into(actor.or_default());
                }
                containers.push(container);
            }
        }
        Ok(containers)
    }

    fn container(&self, name: &str, pod: &Value) -> Result<Container> {
        let container = &pod["containers"][0];
        let id = |field: &str| {
            let of = |part: &Value| part["securityContext"][field].as_u64();
            let id = of(container).or_else(|| of(pod));
            id.and_then(|id| u32::try_from(id).ok())
        };
        let (Some(user), Some(group)) = (id("runAsUser"), id("runAsGroup")) else {
            return fail(format!("{name} of kubernetes has no user"));
        };
        let (mut mounts, mut tmpfs) = (Vec::new(), Vec::new());
        for mount in items(&container["volumeMounts"]) {
            let volume = items(&pod["volumes"]).find(|volume| volume["name"] == mount["name"]);
            let path = mount["mountPath"].as_str().unwrap_or_default().to_owned();
            match volume {
                Some(volume) if volume.get("secret").is_some() => {
                    let (name_of, mode) = (
                        volume["secret"]["secretName"].as_str().unwrap_or_default(),
                        volume["secret"]["defaultMode"].as_u64().unwrap_or(0o644),
                    );
                    let reader = id("fsGroup").unwrap_or_default();
                    let chosen: Vec<_> = items(&volume["secret"]["items"])
                        .map(|item| text(&item["key"]))
                        .collect();
                    mounts.push(Mount {
                        from: self.secret(name, name_of, &chosen, reader, mode)?,
                        to: path,
                    });
                }
                Some(volume) if volume.get("emptyDir").is_some() => tmpfs.push(Tmpfs {
                    path,
                    options: format!("mode=2777,gid={}", id("fsGroup").unwrap_or_default()),
                }),
                _ => {
                    return fail(format!(
                        "{name} of kubernetes has an unknown volume: {mount}"
                    ));
                }
            }
        }
        let strings = |field: &str| {
            let words = items(&container[field]);
            words.filter_map(|word| word.as_str().map(str::to_owned))
        };
        Ok(Container {
            name: name.to_owned(),
            command: strings("command").chain(strings("args")).collect(),
            env: self.env(name, container)?,
            user,
            group,
            read_only: container["securityContext"]["readOnlyRootFilesystem"] == true,
            tmpfs,
            mounts,
            memory: container["resources"]["limits"]["memory"]
                .as_str()
                .and_then(bytes),
            hosts: self.services(),
        })
    }

    fn env(&self, name: &str, container: &Value) -> Result<BTreeMap<String, String>> {
        let mut env = self.image.env.clone();
        for source in items(&container["envFrom"]) {
            let data = self.object("ConfigMap", &source["configMapRef"]["name"])?;
            let data = data["data"].as_object().into_iter().flatten();
            env.extend(data.map(|(name, value)| (name.clone(), text(value))));
        }
        for variable in items(&container["env"]) {
            let from = &variable["valueFrom"];
            let value = if let Some(key) = from["configMapKeyRef"]["key"].as_str() {
                let map = self.object("ConfigMap", &from["configMapKeyRef"]["name"])?;
                text(&map["data"][key])
            } else if from["fieldRef"]["fieldPath"].is_string() {
                name.to_owned()
            } else if from.is_null() {
                text(&variable["value"])
            } else {
                return fail(format!("{name} of kubernetes has a variable from {from}"));
            };
            env.insert(text(&variable["name"]), value);
        }
        Ok(env)
    }

    /// Writes a Secret's files, all or those that the pod selects, like a kubelet: owned by root
    /// and the pod's group.
    fn secret(
        &self,
        pod: &str,
        name: &str,
        chosen: &[String],
        group: u32,
        mode: u64,
    ) -> Result<PathBuf> {
        let object = self.object("Secret", &Value::from(name))?;
        let folder = self.folder.join("volumes").join(pod).join(name);
        fs::create_dir_all(&folder).doing("make a volume")?;
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            if !chosen.is_empty() && !chosen.contains(key) {
                continue;
            }
            let value = value.as_str().unwrap_or_default().replace(['\n', ' '], "");
            let bytes = BASE64_STANDARD.decode(value).doing("read a Secret")?;
            let path = folder.join(key);
            let mode = fs::Permissions::from_mode(u32::try_from(mode).unwrap_or_default());
            fs::write(&path, bytes)
                .and_then(|()| chown(&path, Some(0), Some(group)))
                .and_then(|()| fs::set_permissions(&path, mode))
                .doing("write a Secret's file")?;
        }
        Ok(folder)
    }

    /// Host names that Services give to pods.
    fn services(&self) -> BTreeMap<String, String> {
        let services = self.objects.iter().filter(|one| one["kind"] == "Service");
        services
            .map(|service| {
                (
                    text(&service["metadata"]["name"]),
                    text(&service["spec"]["selector"][NAME]),
                )
            })
            .collect()
    }

    fn object(&self, kind: &str, name: &Value) -> Result<&Value> {
        let found = self
            .objects
            .iter()
            .find(|one| one["kind"] == kind && one["metadata"]["name"] == *name);
        found.map_or_else(
            || fail(format!("the local overlay has no {kind} {name}")),
            Ok,
        )
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Bytes of a quantity such as `256Mi`.
fn bytes(quantity: &str) -> Option<u64> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("", 1)];
    let (number, unit) = units
        .iter()
        .find_map(|(unit, bytes)| Some((quantity.strip_suffix(unit)?, bytes)))?;
    Some(number.parse::<u64>().ok()? * unit)
}
