//! The base images: stand-ins for what a registry has, under the names that the Dockerfiles give them.
//!
//! Debian 12 with this machine's Rust, or Node, or nginx; and glibc alone. How this machine gets crates and
//! packages (certificates, cargo's and npm's settings) is in them, too.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use servers::Result;

use super::{Images, NOBODY};
use crate::{
    Doing,
    cargo::{self, root},
    debian::{self, quiet},
    fail,
};

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Images {
    /// Makes them all.
    pub(super) fn bases(&self) -> Result<()> {
        const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let plain = debian::system("bookworm", &[])?;
        let compiler = debian::system("bookworm", &["build-essential"])?;
        let web = debian::system("bookworm", &["gettext-base", "nginx-light", "wget"])?;
        let node = debian::system("bookworm", &["libstdc++6"])?;
        let (ours, frontend) = (root(), root().join("frontend"));
        self.base(
            &named(&ours, "RUST_IMAGE")?,
            &[
                "--env",
                &format!("PATH=/usr/local/cargo/bin:/usr/local/rust/bin:{PATH}"),
                "--env",
                "CARGO_HOME=/usr/local/cargo",
            ],
            |files| {
                copy(&compiler, files)?;
                rust(files)
            },
        )?;
        self.base(&named(&ours, "RUNTIME_IMAGE")?, &[], |files| {
            glibc(&plain, files)
        })?;
        self.base(
            &named(&frontend, "NODE_IMAGE")?,
            &["--env", &format!("PATH={PATH}")],
            |files| {
                copy(&node, files)?;
                nodejs(files)
            },
        )?;
        self.base(
            &named(&frontend, "RUNTIME_IMAGE")?,
            &[
                "--env",
                &format!("PATH={PATH}"),
                "--entrypoint",
                r#"["/docker-entrypoint.sh"]"#,
                "--cmd",
                "nginx -g 'daemon off;'",
            ],
            |files| {
                copy(&web, files)?;
                nginx(files)
            },
        )
    }

    /// Makes an image of the files that `fill` puts in an empty folder.
    fn base(
        &self,
        image: &str,
        settings: &[&str],
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        eprintln!("making {image}");
        let (name, files) = self.container("scratch")?;
        fill(&files)?;
        let certificates = files.join(CERTIFICATES.trim_start_matches('/'));
        put(Path::new(CERTIFICATES), &certificates)?;
        let mut config = self.buildah("config");
        config.args(settings);
        for trusted in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            config.args(["--env", &format!("{trusted}={CERTIFICATES}")]);
        }
        config.arg(&name);
        quiet(config, "buildah config")?;
        let mut commit = self.buildah("commit");
        commit
            .arg("--signature-policy")
            .arg(self.folder.join("policy.json"))
            .args(["--quiet", "--rm", "--format", "docker", &name, image]);
        quiet(commit, &format!("buildah commit {image}"))
    }
}

/// The base image that a Dockerfile names.
fn named(folder: &Path, argument: &str) -> Result<String> {
    let text = fs::read_to_string(folder.join("Dockerfile")).doing("read a Dockerfile")?;
    let value = |line: &str| {
        let (name, value) = line.strip_prefix("ARG ")?.split_once('=')?;
        (name == argument).then(|| value.to_owned())
    };
    match text.lines().find_map(value) {
        Some(image) => Ok(image),
        None => fail(format!("no Dockerfile has the argument {argument}")),
    }
}

/// This machine's Rust.
fn rust(files: &Path) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root()).args(["--print", "sysroot"]);
    let sysroot = cargo::output(rustc, "rustc --print sysroot")?;
    for part in ["bin", "lib", "libexec"] {
        let from = Path::new(sysroot.trim()).join(part);
        if from.exists() {
            copy(&from, &files.join("usr/local/rust").join(part))?;
        }
    }
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let settings = home.map(|home| home.join("config.toml"));
    match settings.filter(|settings| settings.exists()) {
        Some(settings) => put(&settings, &files.join("usr/local/cargo/config.toml")),
        None => Ok(()),
    }
}

/// This machine's Node.
fn nodejs(files: &Path) -> Result<()> {
    let said = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        cargo::output(command, program).map(|said| PathBuf::from(said.trim()))
    };
    let node = said("node", &["--print", "process.execPath"])?;
    let npm = said("npm", &["root", "--global"])?.join("npm");
    put(&node, &files.join("usr/local/bin/node"))?;
    copy(&npm, &files.join("usr/local/lib/node_modules/npm"))?;
    std::os::unix::fs::symlink(
        "../lib/node_modules/npm/bin/npm-cli.js",
        files.join("usr/local/bin/npm"),
    )
    .doing("link npm")?;
    let settings = std::env::home_dir().map(|home| home.join(".npmrc"));
    match settings.filter(|settings| settings.exists()) {
        Some(settings) => put(&settings, &files.join("root/.npmrc")),
        None => Ok(()),
    }
}

/// glibc and what belongs to it, as in an image without a distribution: no shell, no package manager.
fn glibc(plain: &Path, files: &Path) -> Result<()> {
    const LIST: &str = "dpkg --listfiles libc6 libgcc-s1 libstdc++6 | grep -v ^/usr/share/ | \
        while read -r file; do [ ! -f \"$file\" ] || echo \"$file\"; done | tar -c --dereference -T -";
    let mut take = Command::new("sh");
    take.args(["-c", "chroot \"$1\" sh -c \"$3\" | tar -x -C \"$2\"", "sh"])
        .args([plain, files])
        .arg(LIST);
    quiet(take, "taking glibc out of a Debian")?;
    let text = |name: &str, text: String| {
        let path = files.join("etc").join(name);
        fs::create_dir_all(files.join("etc"))
            .and_then(|()| fs::write(path, text))
            .doing("write a base's files")
    };
    text(
        "passwd",
        format!("nonroot:x:{NOBODY}:{NOBODY}::/home/nonroot:/sbin/nologin\n"),
    )?;
    text("group", format!("nonroot:x:{NOBODY}:\n"))?;
    text("nsswitch.conf", "hosts: files dns\n".to_owned())
}

/// An entry point that fills in templates, as that of the nginx images does.
fn nginx(files: &Path) -> Result<()> {
    const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
names=$(env | cut -d= -f1 | grep -E "$NGINX_ENVSUBST_FILTER" | sed 's/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    envsubst "$names" <"$template" >"$NGINX_ENVSUBST_OUTPUT_DIR/$(basename "$template" .template)"
done
exec "$@"
"#;
    let path = files.join("docker-entrypoint.sh");
    fs::write(&path, ENTRYPOINT).doing("write an entry point")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).doing("write an entry point")
}

/// Copies one file, and follows links to it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let what = format!("copy {}", from.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).doing(&what)?;
    }
    fs::remove_file(to).ok(); // it may be a link to somewhere else
    fs::copy(from, to).doing(&what).map(drop)
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("make a folder")?;
    let mut copy = Command::new("cp");
    copy.arg("--archive").arg(from.join(".")).arg(to);
    quiet(copy, &format!("cp {}", from.display()))
}
