//! A process in its container: a script that enters the image's files with an engine's
//! restrictions, and the check of its confinement.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use servers::Result;

use super::{Container, Deployment, Image, network::Network};
use crate::{Doing, cargo::root, debian::quiet, fail};

/// The programs of one deployment, as scripts that `cargo xtask up` can start like the programs of
/// a build.
pub(super) struct Containers {
    programs: PathBuf,
}

impl Containers {
    pub(super) fn new(deployment: &Deployment, network: &Network) -> Result<Self> {
        let containers = Self {
            programs: deployment.folder.join("programs"),
        };
        let mut groups = String::new();
        fs::create_dir_all(&containers.programs).doing("make a folder for programs")?;
        for container in &deployment.containers {
            let hosts = deployment.folder.join(format!("hosts.{}", container.name));
            fs::write(&hosts, network.hosts(container)).doing("write /etc/hosts")?;
            let group = container.memory.and_then(|limit| {
                let name = format!("shop-{}-{}", std::process::id(), container.name);
                memory_group(&name, limit)
            });
            let script = script(container, &deployment.image, &hosts, group.as_deref())?;
            containers.write(&format!("in-{}", container.name), &script)?;
            groups.extend(group.map(|group| format!("{}\n", group.display())));
            fs::write(deployment.folder.join(GROUPS), &groups).doing("write a list of limits")?;
        }
        for program in ["api", "payments"] {
            containers.write(
                program,
                &format!("#!/bin/sh\nexec \"$(dirname \"$0\")/in-{program}\"\n"),
            )?;
        }
        containers.write(
            "worker",
            "#!/bin/sh\ncase $1 in migrate) name=migrate ;; *) name=worker-$1 ;; esac\nexec \"$(dirname \"$0\")/in-$name\"\n",
        )?;
        containers.write(
            "shopctl",
            "#!/bin/sh\ncase $1 in doctor) name=doctor ;; *) name=shopctl ;; esac\nexec \"$(dirname \"$0\")/in-$name\" \"$@\"\n",
        )?;
        Ok(containers)
    }

    /// Path of a program's script.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn write(&self, name: &str, script: &str) -> Result<()> {
        let path = self.program(name);
        fs::write(&path, script)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .doing("write a program")
    }
}

/// The file that lists the control groups of a run.
const GROUPS: &str = "groups";

/// Removes the memory limits that a run created in the kernel, once its processes have ended.
pub(super) fn remove_limits(deployment: &Deployment) {
    let groups = fs::read_to_string(deployment.folder.join(GROUPS)).unwrap_or_default();
    for group in groups.lines() {
        if let Err(error) = fs::remove_dir(group) {
            eprintln!("{group} cannot be removed: {error}");
        }
    }
}

/// A control group with this memory limit, version 1 or 2; `None` where the kernel does not allow
/// one.
fn memory_group(name: &str, bytes: u64) -> Option<PathBuf> {
    let groups = Path::new("/sys/fs/cgroup");
    let (parent, file) = if groups.join("memory").is_dir() {
        (groups.join("memory"), "memory.limit_in_bytes")
    } else {
        (groups.to_path_buf(), "memory.max")
    };
    let group = parent.join(name);
    let made =
        fs::create_dir_all(&group).and_then(|()| fs::write(group.join(file), bytes.to_string()));
    match made {
        Ok(()) => Some(group),
        Err(error) => {
            eprintln!("memory is not limited here ({}: {error})", group.display());
            fs::remove_dir(&group).ok(); // it may not exist
            None
        }
    }
}

/// A script that enters the container and executes its program. For the tools (`shopctl`,
/// `doctor`), the caller's arguments replace the container's, as with `docker compose run`.
fn script(
    container: &Container,
    image: &Path,
    hosts: &Path,
    group: Option<&Path>,
) -> Result<String> {
    let root = image.display();
    let mut mounts = vec![format!("mount --bind '{root}' '{root}'")];
    for folder in ["dev", "proc"] {
        fs::create_dir_all(image.join(folder)).doing("make a mount point")?;
        mounts.push(format!("mount --rbind /{folder} '{root}/{folder}'"));
    }
    let hosts = super::Mount {
        from: hosts.to_path_buf(),
        to: "/etc/hosts".to_owned(),
    };
    for mount in container.mounts.iter().chain([&hosts]) {
        let place = within(image, &mount.to);
        if mount.from.is_dir() {
            fs::create_dir_all(&place).doing("make a mount point")?;
        } else {
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder).doing("make a mount point")?;
            }
            fs::write(&place, "").doing("make a mount point")?;
        }
        let (from, to) = (mount.from.display(), place.display());
        mounts.push(format!("mount --bind '{from}' '{to}'"));
        mounts.push(format!("mount -o remount,bind,ro '{to}'"));
    }
    for tmpfs in &container.tmpfs {
        let place = within(image, &tmpfs.path);
        fs::create_dir_all(&place).doing("make a mount point")?;
        let (options, to) = (&tmpfs.options, place.display());
        mounts.push(format!("mount -t tmpfs -o '{options}' tmpfs '{to}'"));
    }
    if container.read_only {
        mounts.push(format!("mount -o remount,bind,ro '{root}'"));
    }
    let group = group.map(|group| format!("echo $$ >'{}/cgroup.procs'", group.display()));
    let env: Vec<_> = container
        .env
        .iter()
        .map(|(name, value)| quoted(&format!("{name}={value}")))
        .collect();
    let Some((program, arguments)) = container.command.split_first() else {
        return fail(format!("{} has no command", container.name));
    };
    let arguments: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
    Ok(format!(
        "#!/bin/sh\n\
         set -e\n\
         if [ \"$1\" != inside ]; then\n\
         \x20   {group}\n\
         \x20   exec nsenter --net='{namespace}' unshare --mount --propagation private -- \"$0\" inside \"$@\"\n\
         fi\n\
         shift\n\
         {mounts}\n\
         [ $# -gt 0 ] || set -- {arguments}\n\
         setpriv=$(command -v setpriv) chroot=$(command -v chroot)\n\
         exec env -i {env} \"$setpriv\" --no-new-privs \"$chroot\" --userspec={user}:{gid} --groups= '{root}' \
         /usr/local/bin/{program} \"$@\"\n",
        group = group.unwrap_or_default(),
        namespace = Network::namespace(&container.name).display(),
        mounts = mounts.join("\n"),
        arguments = arguments.join(" "),
        env = env.join(" "),
        user = container.user,
        gid = container.group,
    ))
}

/// Checks that a running process is confined: its user, no capabilities, no new privileges, and a
/// read-only root if the deployment demands one.
pub(super) fn check_confinement(container: &Container, pid: u32) -> Result<()> {
    let of = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).doing(&format!("read {path}"))
    };
    let (status, mounts) = (of("status")?, of("mountinfo")?);
    let user = format!("Uid:\t{0}\t{0}\t{0}\t{0}", container.user);
    let has = |wanted: &str| status.lines().any(|line| line == wanted);
    let root = mounts.lines().find_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (words.get(4) == Some(&"/")).then(|| words.get(5).copied().unwrap_or_default().to_owned())
    });
    let read_only = root.is_some_and(|options| options.split(',').any(|option| option == "ro"));
    let confined = has(&user)
        && has("CapEff:\t0000000000000000")
        && has("NoNewPrivs:\t1")
        && (read_only || !container.read_only);
    if confined {
        return Ok(());
    }
    fail(format!(
        "{} is not confined as its deployment says: {status}{mounts}",
        container.name
    ))
}

/// The files of an image, assembled from the programs of a build: with their libraries, and the
/// variables that the Dockerfile sets.
pub(super) fn of_build(files: &Path, bin_dir: &Path) -> Result<Image> {
    if files.exists() {
        fs::remove_dir_all(files).doing("remove what an earlier run left")?;
    }
    let programs = files.join("usr/local/bin");
    fs::create_dir_all(&programs).doing("make an image's folder")?;
    let mut libraries = Command::new("sh");
    libraries
        .args([
            "-c",
            "cd \"$1\" && ldd api payments worker shopctl | grep -o '/[^ ]*' | grep -v : | sort -u | \
             tar -c --dereference -T - | tar -x -C \"$2\"",
            "sh",
        ])
        .args([bin_dir, files]);
    quiet(libraries, "taking the libraries of the programs")?;
    for program in ["api", "payments", "worker", "shopctl"] {
        let (from, to) = (bin_dir.join(program), programs.join(program));
        fs::hard_link(&from, &to)
            .or_else(|_| fs::copy(&from, &to).map(drop))
            .doing(&format!("copy {}", from.display()))?;
    }
    // distroless images contain them, too
    let certificates = files.join("etc/ssl/certs");
    fs::create_dir_all(&certificates)
        .and_then(|()| {
            fs::copy(
                "/etc/ssl/certs/ca-certificates.crt",
                certificates.join("ca-certificates.crt"),
            )
        })
        .doing("copy this machine's certificates")?;
    let text = fs::read_to_string(root().join("Dockerfile")).doing("read the Dockerfile")?;
    Ok(Image {
        files: files.to_path_buf(),
        env: dockerfile_env(&text),
    })
}

/// The variables of the last `ENV` instruction.
fn dockerfile_env(text: &str) -> BTreeMap<String, String> {
    let instruction = text.rsplit("\nENV ").next().unwrap_or_default();
    let mut env = BTreeMap::new();
    for line in instruction.lines() {
        let words = line.trim_end_matches('\\').split_whitespace();
        env.extend(words.filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        }));
        if !line.ends_with('\\') {
            break;
        }
    }
    env
}

/// The place of a container's path below the image's files.
fn within(image: &Path, path: &str) -> PathBuf {
    image.join(path.trim_start_matches('/'))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_sets_what_its_dockerfile_says() {
        let text = "FROM x\nENV A=1 \\\n    B=two\nUSER 1:1\nENV C=3 \\\n    D=4\nCMD [\"c\"]\n";
        let env = dockerfile_env(text);
        let set: Vec<_> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(set, ["C=3", "D=4"]);
    }
}
