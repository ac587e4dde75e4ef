//! The compose file, as compose itself parses it.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde::Deserialize;
use servers::Result;

use super::{Container, Deployment, Image, Mount, Tmpfs, prepare};
use crate::{
    Doing,
    cargo::{self, root},
    debian::quiet,
    fail, platform,
};

/// The part of `docker compose config --format json` that describes a process.
#[derive(Deserialize)]
struct File {
    services: BTreeMap<String, Service>,
    secrets: BTreeMap<String, Secret>,
}

#[derive(Deserialize)]
struct Secret {
    file: std::path::PathBuf,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    command: Option<Vec<String>>,
    #[serde(default)]
    environment: BTreeMap<String, Option<String>>,
    #[serde(default)]
    user: String,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    tmpfs: Vec<String>,
    #[serde(default)]
    mem_limit: Option<String>,
    #[serde(default)]
    networks: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    secrets: Vec<Use>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Use {
    source: String,
    target: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    #[serde(rename = "type")]
    kind: String,
    source: std::path::PathBuf,
    target: String,
}

/// The services of the compose file that run the image of API, payments, worker and shopctl.
pub(super) fn read(image: &Image, folder: &Path) -> Result<Deployment> {
    let folder = prepare(folder, "compose")?;
    let secrets = folder.join("secrets");
    let mut make = Command::new(root().join("docker/secrets.sh"));
    make.arg(&secrets);
    quiet(make, "docker/secrets.sh")?;
    let mut config = Command::new(platform::compose_program()?);
    config
        .arg("--file")
        .arg(root().join("docker-compose.yml"))
        .arg("--env-file")
        .arg(root().join(".env.example"))
        // compose looks for ./secrets in this folder
        .arg("--project-directory")
        .arg(&folder)
        .args(["--profile", "*", "config", "--format", "json"]);
    let text = cargo::output(config, "docker compose config")?;
    let file: File = serde_json::from_str(&text).doing("read docker-compose.yml")?;
    let ours = file
        .services
        .iter()
        .filter(|(_, service)| service.image.starts_with("shop-system:"));
    let containers = ours.map(|(name, service)| service.container(name, image, &file));
    Ok(Deployment {
        platform: "compose".to_owned(),
        image: image.files.clone(),
        containers: containers.collect::<Result<_>>()?,
        folder,
        secrets,
    })
}

impl Service {
    fn container(&self, name: &str, image: &Image, file: &File) -> Result<Container> {
        let ids = self.user.split_once(':');
        let ids = ids.and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
        let Some((user, group)) = ids else {
            return fail(format!("{name} of compose runs as {:?}", self.user));
        };
        let mut env = image.env.clone();
        for (variable, value) in &self.environment {
            env.insert(variable.clone(), value.clone().unwrap_or_default());
        }
        let mut mounts = Vec::new();
        for secret in &self.secrets {
            let target = secret.target.as_deref().unwrap_or(&secret.source);
            let to = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/run/secrets/{target}")
            };
            let Some(Secret { file }) = file.secrets.get(&secret.source) else {
                return fail(format!("compose has no secret {}", secret.source));
            };
            mounts.push(Mount {
                from: file.clone(),
                to,
            });
        }
        for volume in &self.volumes {
            if volume.kind != "bind" {
                return fail(format!(
                    "{name} of compose has a volume at {}",
                    volume.target
                ));
            }
            mounts.push(Mount {
                from: volume.source.clone(),
                to: volume.target.clone(),
            });
        }
        let tmpfs = self.tmpfs.iter().map(|tmpfs| {
            let (path, options) = tmpfs.split_once(':').unwrap_or((tmpfs, "mode=1777"));
            Tmpfs {
                path: path.to_owned(),
                options: options.to_owned(),
            }
        });
        let reaches = |other: &Self| {
            self.networks
                .keys()
                .any(|network| other.networks.contains_key(network))
        };
        let hosts = file.services.iter().filter(|(_, other)| reaches(other));
        let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
        Ok(Container {
            name: name.to_owned(),
            command: [words(&self.entrypoint), words(&self.command)].concat(),
            env,
            user,
            group,
            read_only: self.read_only,
            tmpfs: tmpfs.collect(),
            mounts,
            memory: self.mem_limit.as_ref().and_then(|limit| limit.parse().ok()),
            hosts: hosts
                .map(|(name, _)| (name.clone(), name.clone()))
                .collect(),
        })
    }
}
