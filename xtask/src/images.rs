//! The images, built by buildah from bases that are created on this machine. The shop's image plays
//! the demo [as it is shipped](crate::shipped). The storefront's image serves its page as an
//! unprivileged user, from a read-only file system. Needs root, but no engine.

pub(crate) mod bases;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use servers::{Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian::quiet,
    fail, shipped,
};

/// The user and group id that the shop's image must run as.
const NOBODY: u32 = 65532;

/// Builds both images and runs their programs.
pub(crate) fn test() -> Result<()> {
    if !shipped::is_root() {
        return fail("images are built and entered by root: run this with sudo, or leave it to CI");
    }
    for (program, package) in [("buildah", "buildah"), ("ip", "iproute2")] {
        if find_program(program).is_none() {
            install(&[package])?;
        }
    }
    let images = Images::new()?;
    images.bases()?;
    let shop = images.build("shop-system", &root())?;
    let storefront = images.build("shop-frontend", &root().join("frontend"))?;
    let user = format!("{NOBODY}:{NOBODY}");
    if shop.config.user != user {
        return fail(format!(
            "the shop's image is of user {:?}",
            shop.config.user
        ));
    }
    shipped::test(&shop.shipped(), &images.folder.join("shipped"))?;
    serve(&storefront)?;
    // frees some ten gigabytes
    fs::remove_dir_all(&images.folder).doing("remove the images")
}

struct Images {
    folder: PathBuf,
}

/// A built image, and its files.
struct Image {
    files: PathBuf,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    docker: Docker,
}

#[derive(Deserialize)]
struct Docker {
    config: Config,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    user: String,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    cmd: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    test: Vec<String>,
}

impl Image {
    fn shipped(&self) -> shipped::Image {
        let variables = self.config.env.iter();
        let variables = variables.filter_map(|variable| variable.split_once('='));
        shipped::Image {
            files: self.files.clone(),
            env: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl Images {
    fn new() -> Result<Self> {
        let folder = dev_dir().join("images");
        if folder.exists() {
            fs::remove_dir_all(&folder).doing("remove earlier images")?;
        }
        fs::create_dir_all(&folder).doing("make a folder for images")?;
        fs::write(
            folder.join("policy.json"),
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )
        .doing("say which images are trusted")?;
        Ok(Self { folder })
    }

    fn buildah(&self, command: &str) -> Command {
        let mut buildah = Command::new("buildah");
        buildah
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.folder.join("storage"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .arg(command);
        buildah
    }

    /// Creates a container from an image; returns its name and the folder of its files.
    fn container(&self, image: &str) -> Result<(String, PathBuf)> {
        let mut from = self.buildah("from");
        from.arg("--signature-policy")
            .arg(self.folder.join("policy.json"))
            .args(["--pull-never", image]);
        let name = cargo::output(from, &format!("buildah from {image}"))?;
        let name = name.trim().to_owned();
        let mut mount = self.buildah("mount");
        mount.arg(&name);
        let files = cargo::output(mount, "buildah mount")?;
        Ok((name, PathBuf::from(files.trim())))
    }

    /// Builds the unmodified Dockerfile of a folder; its `.dockerignore` limits the context.
    fn build(&self, image: &str, folder: &Path) -> Result<Image> {
        eprintln!("building {image}");
        let mut build = self.buildah("bud");
        build
            .arg("--signature-policy")
            .arg(self.folder.join("policy.json"))
            .args([
                "--isolation",
                "chroot",
                "--pull-never",
                "--format",
                "docker",
            ])
            .args(["--build-arg", "VERSION=1.2.3", "--tag", image])
            .arg(folder);
        quiet(build, &format!("buildah bud of {image}"))?;
        let mut inspect = self.buildah("inspect");
        inspect.args(["--type", "image", image]);
        let said = cargo::output(inspect, "buildah inspect")?;
        let Inspected { docker } = serde_json::from_str(&said).doing("read what the image says")?;
        let config = docker.config;
        let version = config.labels.get("org.opencontainers.image.version");
        if version.is_none_or(|version| version != "1.2.3") {
            return fail(format!("{image} does not tell its version: {config:?}"));
        }
        let (_, files) = self.container(image)?;
        Ok(Image { files, config })
    }
}

/// Serves the storefront's page through its web server, and runs its own health check.
fn serve(image: &Image) -> Result<()> {
    const SERVE: &str = r#"
        set -e
        root=$1 user=$2 health=$3 server=$4 log=$5
        ip link set lo up
        mount --bind "$root" "$root"
        mount --rbind /dev "$root/dev"
        mount --rbind /proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        mount -o remount,bind,ro "$root"
        inside() { chroot --userspec="$user" --groups= "$root" "$@"; }
        # an engine gives a container's user its output, too
        touch "$log"
        chown "$user" "$log"
        chroot --userspec="$user" --groups= "$root" sh -c "exec $server" >"$log" 2>&1 &
        served=$!
        trap 'cat "$log" >&2; kill "$served"' EXIT
        tries=0
        until inside sh -c "$health"; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ]
            sleep 0.1
        done
        if inside touch /usr/share/nginx/html/mine; then exit 1; fi
        inside wget -q -O - http://127.0.0.1:8080/orders/1
        trap - EXIT
        kill "$served"
        wait "$served"
    "#;
    let config = &image.config;
    if config.user != "101:101" {
        return fail(format!(
            "the storefront's image is of user {:?}",
            config.user
        ));
    }
    let test = config.healthcheck.as_ref().map(|check| &check.test[..]);
    let Some([_, health @ ..]) = test.filter(|test| test[0] == "CMD") else {
        return fail("the storefront's image has no health check");
    };
    let server = [&config.entrypoint[..], &config.cmd[..]].concat();
    let mut serve = Command::new("unshare");
    serve
        .args(["--mount", "--net", "--", "sh", "-c", SERVE, "sh"])
        .arg(&image.files)
        .args([&config.user, &quoted(health), &quoted(&server)])
        .arg(image.files.with_file_name("log"))
        .env_clear();
    for variable in &config.env {
        if let Some((name, value)) = variable.split_once('=') {
            serve.env(name, value);
        }
    }
    // no API runs in the container, but the name must resolve when the server starts
    serve.env("API_URL", "http://127.0.0.1:9");
    let page = cargo::output(serve, "the storefront's image")?;
    if page.contains("<div id=\"root\">") {
        eprintln!("the storefront's image serves its page");
        return Ok(());
    }
    fail(format!(
        "the storefront's image serves another page: {page}"
    ))
}

/// Quotes words for a shell.
fn quoted(words: &[String]) -> String {
    let word = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
