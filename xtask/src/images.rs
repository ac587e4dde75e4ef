//! The images, built by buildah from bases that are made on this machine, and run as a container would be:
//! as a user without rights, over files that cannot be written. Needs root, and no engine.
//!
//! The bases stand in for what a registry has, under the names that the Dockerfiles give them: Debian 12 with
//! this machine's Rust, or Node, or nginx; and glibc alone. How this machine gets crates and packages
//! (certificates, cargo's and npm's settings) is in them, too.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use servers::{Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, dev_dir, root},
    debian::{self, quiet},
    fail, processes,
};

/// What the Dockerfiles must end with.
const NOBODY: u32 = 65532;
const PROGRAMS: [&str; 4] = ["api", "payments", "worker", "shopctl"];
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Builds both images and runs them: the shop plays its demo, the storefront serves its page.
pub(crate) fn test() -> Result<()> {
    for (program, package) in [("buildah", "buildah"), ("ip", "iproute2")] {
        if find_program(program).is_none() {
            install(&[package])?;
        }
    }
    let images = Images::new()?;
    images.bases()?;
    let shop = images.build("shop-system", &root())?;
    let storefront = images.build("shop-frontend", &root().join("frontend"))?;
    images.play(&shop)?;
    serve(&storefront)?;
    // some ten gigabytes
    fs::remove_dir_all(&images.folder).doing("remove the images")
}

struct Images {
    folder: PathBuf,
}

/// An image that was built, and its files.
struct Image {
    files: PathBuf,
    config: Config,
}

/// What an image says of itself.
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

    /// A container of an image, and where its files are.
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

    fn bases(&self) -> Result<()> {
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

    /// Builds the Dockerfile of a folder as it stands, with nothing but what its `.dockerignore` lets in.
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
        inspect.args([
            "--type",
            "image",
            "--format",
            "{{json .Docker.Config}}",
            image,
        ]);
        let said = cargo::output(inspect, "buildah inspect")?;
        let config: Config = serde_json::from_str(&said).doing("read what the image says")?;
        let version = config.labels.get("org.opencontainers.image.version");
        if version.is_none_or(|version| version != "1.2.3") {
            return fail(format!("{image} does not tell its version: {config:?}"));
        }
        let (_, files) = self.container(image)?;
        Ok(Image { files, config })
    }

    /// The demo, by processes from the image: each in a mount namespace of its own.
    fn play(&self, image: &Image) -> Result<()> {
        if image.config.user != format!("{NOBODY}:{NOBODY}") {
            return fail(format!(
                "the shop's image is of user {:?}",
                image.config.user
            ));
        }
        let (system, programs) = (self.folder.join("system"), self.folder.join("programs"));
        let volumes = [system.join("keys"), system.join("mail")];
        for volume in &volumes {
            fs::create_dir_all(volume).doing("make a volume")?;
            chown(volume, Some(NOBODY), Some(NOBODY)).doing("hand over a volume")?;
        }
        enter(&programs, image, &volumes)?;
        let key = volumes[0].join("token.pem");
        let mut keygen = Command::new(programs.join("shopctl"));
        keygen.arg("keygen");
        fs::write(&key, cargo::output(keygen, "shopctl keygen")?).doing("write the signing key")?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400))
            .and_then(|()| chown(&key, Some(NOBODY), Some(NOBODY)))
            .doing("close the signing key")?;
        let xtask = |arguments: &[&str]| {
            let mut xtask = Command::new("/proc/self/exe");
            xtask
                .args(arguments)
                .env(cargo::DEV_DIR, &system)
                .env(cargo::PROGRAMS, &programs);
            cargo::run(xtask, &format!("`cargo xtask {}`", arguments.join(" ")))
        };
        let played = xtask(&["up", "-d"])
            .and_then(|()| are_shut_in(&system))
            .and_then(|()| xtask(&["demo"]));
        xtask(&["down"])?;
        played
    }
}

/// The storefront's page, through its web server, and its own health check.
fn serve(image: &Image) -> Result<()> {
    const SERVE: &str = r#"
        set -e
        root=$1 user=$2 health=$3 server=$4
        ip link set lo up
        mount --bind "$root" "$root"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/tmp"
        mount -o remount,bind,ro "$root"
        inside() { chroot --userspec="$user" --groups= "$root" "$@"; }
        inside sh -c "exec $server" >&2 &
        served=$!
        trap 'kill "$served"' EXIT
        tries=0
        until inside sh -c "$health"; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ]
            sleep 0.1
        done
        if inside touch /usr/share/nginx/html/mine; then exit 1; fi
        inside wget -q -O - http://127.0.0.1:8080/orders/1
        trap - EXIT
        kill -QUIT "$served"
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
        .env_clear();
    for variable in &config.env {
        if let Some((name, value)) = variable.split_once('=') {
            serve.env(name, value);
        }
    }
    // there is no api in there; a name must mean something when the server starts
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

/// Programs that enter the image as a container's process would: they see its files and may not write them,
/// have a `/tmp` in memory, `volumes` at their places, and no rights.
fn enter(programs: &Path, image: &Image, volumes: &[PathBuf]) -> Result<()> {
    let files = &image.files;
    for folder in ["dev", "proc", "tmp"].map(|name| files.join(name)) {
        fs::create_dir_all(folder).doing("make a mount point")?;
    }
    let mut mounts = Vec::new();
    for volume in volumes {
        let place = within(files, volume);
        fs::create_dir_all(&place).doing("make a mount point")?;
        mounts.push(format!(
            "mount --bind '{}' '{}'\n",
            volume.display(),
            place.display()
        ));
    }
    fs::create_dir_all(programs).doing("make a folder for programs")?;
    for name in PROGRAMS {
        let script = format!(
            "#!/bin/sh\n\
             [ \"$1\" = inside ] || exec unshare --mount -- \"$0\" inside \"$@\"\n\
             shift\n\
             set -e\n\
             mount --bind '{root}' '{root}'\n\
             mount --rbind /dev '{root}/dev'\n\
             mount --rbind /proc '{root}/proc'\n\
             mount -t tmpfs tmpfs '{root}/tmp'\n\
             {mounts}\
             mount -o remount,bind,ro '{root}'\n\
             exec chroot --userspec={NOBODY}:{NOBODY} --groups= '{root}' /usr/local/bin/{name} \"$@\"\n",
            root = files.display(),
            mounts = mounts.concat()
        );
        let program = programs.join(name);
        fs::write(&program, script).doing("write a program")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .doing("write a program")?;
    }
    Ok(())
}

/// Holds the running processes to it: the user of each, and what its root is mounted as.
fn are_shut_in(system: &Path) -> Result<()> {
    let mut seen = 0;
    for (role, process) in processes::read_in(system) {
        let of = |file: &str| {
            let path = format!("/proc/{}/{file}", process.pid);
            fs::read_to_string(&path).doing(&format!("read {path}"))
        };
        if ["postgres", "rabbitmq"].contains(&role.as_str()) {
            continue;
        }
        let (status, mounts) = (of("status")?, of("mountinfo")?);
        let user = format!("Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
        let rights = "CapEff:\t0000000000000000";
        let read_only = mounts.lines().any(|line| {
            let words: Vec<_> = line.split(' ').collect();
            words.get(4) == Some(&"/") && words.get(5).is_some_and(|is| is.starts_with("ro"))
        });
        let has = |wanted: &str| status.lines().any(|line| line == wanted);
        if !has(&user) || !has(rights) || !read_only {
            return fail(format!("{role} is not shut in: {status}{mounts}"));
        }
        seen += 1;
    }
    if seen < 6 {
        return fail(format!("only {seen} processes run from the image"));
    }
    eprintln!(
        "{seen} processes run as {NOBODY}, without capabilities, over a root that is read-only"
    );
    Ok(())
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

/// Where a path of this machine is below another root.
fn within(files: &Path, path: &Path) -> PathBuf {
    files.join(path.strip_prefix("/").unwrap_or(path))
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

/// Words for a shell.
fn quoted(words: &[String]) -> String {
    let word = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
