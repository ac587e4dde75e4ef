//! The base images: stand-ins for the registry's images, under the names that the Dockerfiles and
//! the compose file use.
//!
//! Debian 12 with this machine's Rust, Node or nginx; glibc alone; Debian 13 with PostgreSQL or
//! RabbitMQ. They also contain this machine's access to crates and packages (certificates, settings
//! of cargo and npm).

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use servers::Result;

use super::{Images, NOBODY, quoted};
use crate::{
    Doing,
    cargo::{self, root},
    debian::{self, quiet},
    fail,
};

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Fill = Box<dyn FnOnce(&Path) -> Result<()>>;

/// A base image of a registry, with the way to build its stand-in here.
pub(crate) struct Base {
    /// Its name, as the Dockerfiles and the compose file use it.
    pub(crate) image: String,
    /// Variables, `NAME=value`.
    pub(crate) env: Vec<String>,
    /// The entry point.
    pub(crate) entrypoint: Vec<String>,
    /// The default command.
    pub(crate) cmd: Vec<String>,
    /// Increment this when the files change; otherwise an engine keeps the old image.
    pub(crate) revision: u32,
    fill: Fill,
}

impl Base {
    fn new(
        image: impl Into<String>,
        env: &[&str],
        entrypoint: &[&str],
        cmd: &[&str],
        fill: impl FnOnce(&Path) -> Result<()> + 'static,
    ) -> Self {
        let owned = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        let trusted = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];
        let trusted = trusted.map(|name| format!("{name}={CERTIFICATES}"));
        Self {
            image: image.into(),
            env: [owned(env), trusted.to_vec()].concat(),
            entrypoint: owned(entrypoint),
            cmd: owned(cmd),
            revision: 2,
            fill: Box::new(fill),
        }
    }

    /// Writes the image's files into an empty folder.
    pub(crate) fn fill(self, files: &Path) -> Result<()> {
        (self.fill)(files)?;
        let certificates = files.join(CERTIFICATES.trim_start_matches('/'));
        put(Path::new(CERTIFICATES), &certificates)
    }
}

/// The base images of the Dockerfiles.
pub(crate) fn of_dockerfiles() -> Result<Vec<Base>> {
    let path = format!("PATH={PATH}");
    let (ours, frontend) = (root(), root().join("frontend"));
    Ok(vec![
        Base::new(
            named(&ours, "RUST_IMAGE")?,
            &[
                &format!("PATH=/usr/local/cargo/bin:/usr/local/rust/bin:{PATH}"),
                "CARGO_HOME=/usr/local/cargo",
            ],
            &[],
            &[],
            |files| {
                copy(&debian::system("bookworm", &["build-essential"])?, files)?;
                rust(files)
            },
        ),
        Base::new(named(&ours, "RUNTIME_IMAGE")?, &[], &[], &[], |files| {
            glibc(&debian::system("bookworm", &[])?, files)
        }),
        Base::new(
            named(&frontend, "NODE_IMAGE")?,
            &[&path],
            &[],
            &[],
            |files| {
                copy(&debian::system("bookworm", &["libstdc++6"])?, files)?;
                nodejs(files)
            },
        ),
        Base::new(
            named(&frontend, "RUNTIME_IMAGE")?,
            &[&path],
            &["/docker-entrypoint.sh"],
            &["nginx", "-g", "daemon off;"],
            |files| {
                let web = ["gettext-base", "nginx-light", "wget"];
                copy(&debian::system("bookworm", &web)?, files)?;
                entrypoint(files, NGINX)
            },
        ),
    ])
}

/// The other images of the compose file: PostgreSQL and RabbitMQ of Debian 13, and a mail server.
pub(crate) fn of_compose(image: impl Fn(&str) -> Result<String>) -> Result<Vec<Base>> {
    Ok(vec![
        Base::new(
            image("postgres")?,
            &[
                &format!("PATH=/usr/lib/postgresql/17/bin:{PATH}"),
                "PGDATA=/var/lib/postgresql/data",
                "LANG=C.UTF-8",
            ],
            &["/docker-entrypoint.sh"],
            &["postgres"],
            |files| {
                copy(&debian::system("trixie", &["postgresql-17"])?, files)?;
                owner(
                    files,
                    "postgres",
                    &["var/lib/postgresql/data", "var/run/postgresql"],
                )?;
                let sample = files.join("usr/share/postgresql/17/postgresql.conf.sample");
                let text = fs::read_to_string(&sample).doing("read PostgreSQL's settings")?;
                let text = format!("{text}\nlisten_addresses = '*'\n");
                fs::write(&sample, text).doing("write PostgreSQL's settings")?;
                entrypoint(files, POSTGRES)
            },
        ),
        Base::new(
            image("rabbitmq")?,
            &[
                &format!("PATH=/usr/lib/rabbitmq/bin:{PATH}"),
                "HOME=/var/lib/rabbitmq",
                "RABBITMQ_LOGS=-",
                "LANG=C.UTF-8",
            ],
            &["/docker-entrypoint.sh"],
            &["rabbitmq-server"],
            |files| {
                copy(&debian::system("trixie", &["rabbitmq-server"])?, files)?;
                owner(files, "rabbitmq", &["var/lib/rabbitmq", "var/log/rabbitmq"])?;
                fs::remove_file(files.join("etc/rabbitmq/rabbitmq-env.conf")).ok(); // Debian's own
                fs::create_dir_all(files.join("etc/rabbitmq/conf.d"))
                    .and_then(|()| {
                        fs::write(
                            files.join("etc/rabbitmq/enabled_plugins"),
                            "[rabbitmq_management].\n",
                        )
                    })
                    .doing("switch RabbitMQ's management on")?;
                entrypoint(files, "exec \"$@\"\n")
            },
        ),
        Base::new(
            image("mailpit")?,
            &[&format!("PATH={PATH}")],
            &["/mailpit"],
            &[],
            |files| {
                copy(&debian::system("trixie", &["python3-minimal"])?, files)?;
                script(&files.join("mailpit"), MAILPIT)
            },
        ),
    ])
}

impl Images {
    /// Creates the base images of the Dockerfiles.
    pub(super) fn bases(&self) -> Result<()> {
        of_dockerfiles()?
            .into_iter()
            .try_for_each(|base| self.base(base))
    }

    fn base(&self, base: Base) -> Result<()> {
        let image = base.image.clone();
        eprintln!("making {image}");
        let (name, files) = self.container("scratch")?;
        let mut config = self.buildah("config");
        for variable in &base.env {
            config.args(["--env", variable]);
        }
        if !base.entrypoint.is_empty() {
            config.args(["--entrypoint", &json(&base.entrypoint)?]);
        }
        if !base.cmd.is_empty() {
            config.args(["--cmd", &quoted(&base.cmd)]);
        }
        config.arg(&name);
        base.fill(&files)?;
        quiet(config, "buildah config")?;
        let mut commit = self.buildah("commit");
        commit
            .arg("--signature-policy")
            .arg(self.folder.join("policy.json"))
            .args(["--quiet", "--rm", "--format", "docker", &name, &image]);
        quiet(commit, &format!("buildah commit {image}"))
    }
}

/// Formats words as a JSON list, for Docker's instructions.
pub(crate) fn json(words: &[String]) -> Result<String> {
    serde_json::to_string(words).doing("write a list of words")
}

/// The base image that a Dockerfile names as the default of `argument`.
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

/// Adds this machine's Rust.
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

/// Adds this machine's Node.
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

/// Adds glibc and its companions, as in a distroless image: no shell, no package manager.
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

/// Entry point like that of the nginx images: sources the scripts that set variables, then renders
/// the templates.
const NGINX: &str = r#"for script in /docker-entrypoint.d/*.envsh; do
    [ ! -x "$script" ] || . "$script"
done
names=$(env | cut -d= -f1 | grep -E "$NGINX_ENVSUBST_FILTER" | sed 's/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    envsubst "$names" <"$template" >"$NGINX_ENVSUBST_OUTPUT_DIR/$(basename "$template" .template)"
done
exec "$@"
"#;

/// Entry point like that of PostgreSQL's image: a new data directory, then its scripts on a server
/// that no client can reach.
const POSTGRES: &str = r#"if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    chmod 700 "$PGDATA"
    initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS "$PGDATA"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl --options="-c listen_addresses=''" --wait start
    for script in /docker-entrypoint-initdb.d/*.sql; do
        psql --username=postgres --no-psqlrc --set=ON_ERROR_STOP=1 --file="$script"
    done
    pg_ctl --mode=fast --wait stop
fi
exec "$@"
"#;

const MAILPIT: &str = include_str!("mailpit.py");

fn entrypoint(files: &Path, text: &str) -> Result<()> {
    script(
        &files.join("docker-entrypoint.sh"),
        &format!("#!/bin/sh\nset -e\n{text}"),
    )
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .doing("write a program")
}

/// Gives a server's user the same id as in the official images, and folders of its own.
fn owner(files: &Path, user: &str, folders: &[&str]) -> Result<()> {
    const SERVER: u32 = 999;
    for (file, fields) in [("passwd", "999:999"), ("group", "999")] {
        let path = files.join("etc").join(file);
        let text = fs::read_to_string(&path).doing("read the users")?;
        let line = |line: &str| {
            let words: Vec<_> = line.split(':').collect();
            if words[0] != user {
                return line.to_owned();
            }
            let rest = words
                .get(2 + fields.split(':').count()..)
                .unwrap_or_default();
            [&[user, "x", fields], rest].concat().join(":")
        };
        let lines: Vec<_> = text.lines().map(line).collect();
        fs::write(&path, lines.join("\n") + "\n").doing("write the users")?;
    }
    for folder in folders {
        let folder = files.join(folder);
        fs::remove_dir_all(&folder).ok(); // the package's folder belongs to another user
        fs::create_dir_all(&folder)
            .and_then(|()| chown(&folder, Some(SERVER), Some(SERVER)))
            .doing("make a folder of the server's")?;
    }
    Ok(())
}

/// Copies one file, following symbolic links.
fn put(from: &Path, to: &Path) -> Result<()> {
    let what = format!("copy {}", from.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).doing(&what)?;
    }
    fs::remove_file(to).ok(); // the target may be a link to another file
    fs::copy(from, to).doing(&what).map(drop)
}

/// Copies a folder with its contents.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("make a folder")?;
    let mut copy = Command::new("cp");
    copy.arg("--archive").arg(from.join(".")).arg(to);
    quiet(copy, &format!("cp {}", from.display()))
}
